"""Building what a config describes: model, discriminator and losses, each checked against the others."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch

from zoo.config import ModelConfig, Overrides, load_config
from zoo.decoders import Decoder
from zoo.discriminators import DISCRIMINATORS, Discriminator
from zoo.losses import LOSSES, Loss
from zoo.model.reconstructor import Reconstructor, check_latent, words_of
from zoo.shape_encoders import SHAPE_ENCODERS
from zoo.types import ContractError


def create_model(
    name: str,
    *,
    preset: str | None = None,
    overrides: Overrides = (),
    seed: int | None = None,
    **settings: Any,
) -> Reconstructor:
    """A model with fresh weights, in training mode.

    Args:
        name: a model of `list_models()`, or the path of a YAML file.
        preset: 'quick', 'standard' or 'paper'; None for the YAML alone.
        overrides: ``key.path=value`` strings, or a mapping of key paths to values.
        seed: of the initial weights; None leaves torch's global generator as it is.
        settings: overrides as keywords: ``encoder={"latent_dim": 512}``.

    Raises:
        zoo.registry.RegistryError, zoo.config.ConfigError, ContractError: unknown names, invalid values,
            parts that do not fit.

    Example:
        >>> from zoo import create_model
        >>> model = create_model("vae_gan_baseline", preset="quick", seed=0, encoder={"latent_dim": 64})
        >>> model.encoder.latent_dim
        64
    """
    return build_model(load_config(name, preset, overrides, **settings), seed=seed)


def build_model(config: ModelConfig, *, seed: int | None = None) -> Reconstructor:
    """The model of a config; see `create_model`.

    >>> import zoo
    >>> model = zoo.build_model(zoo.load_config("vae_gan_baseline", "quick"), seed=0)
    >>> model.decoder.representation, model.training
    ('voxels', True)
    """
    if seed is None:
        return Reconstructor(config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Reconstructor(config)


def build_discriminator(config: ModelConfig, decoder: Decoder, *, seed: int) -> Discriminator | None:
    """The discriminator of a config, built to the decoder's grid; None when the config has none.

    Raises:
        ContractError: it reads another representation than the decoder makes.
    """
    if config.discriminator is None:
        return None
    cls = DISCRIMINATORS.get(config.discriminator.name).cls
    if cls.representation != decoder.representation or decoder.resolution is None:
        fits = DISCRIMINATORS.names(representation=decoder.representation)
        raise ContractError(
            f"discriminator '{config.discriminator.name}' reads {cls.representation}, decoder "
            f"'{config.decoder.name}' makes {decoder.representation}; that fit: {', '.join(fits) or 'none'}"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return cls(config.discriminator.config, resolution=decoder.resolution)


def build_losses(
    config: ModelConfig, model: Reconstructor, provides: Sequence[str] | frozenset[str]
) -> dict[str, Loss]:
    """The losses of a config, checked against encoder, decoder, discriminator and data.

    Args:
        provides: fields of `zoo.types.Batch` that the data set fills.

    Raises:
        ContractError: a loss needs what is not there; names both sides and what would fit.
    """
    read = {field: f"model '{config.name}'" for field in inputs(config)}
    for field, who in read.items():
        if field not in {*provides, "image"}:
            raise ContractError(f"{who} needs {field} from the data set, which provides {words_of(provides)}")
    losses = {}
    for key, part in config.losses.items():
        loss = LOSSES.get(part.name).cls(part.config)
        _check_loss(config, model, f"model '{config.name}': loss '{key}'", loss, provides)
        loss.bind(model)
        losses[key] = loss
    if config.discriminator is not None and not any(loss.adversarial for loss in losses.values()):
        raise ContractError(
            f"model '{config.name}' has a discriminator but no adversarial loss; "
            "add 'adversarial: {}' to its losses"
        )
    return losses


def _check_loss(
    config: ModelConfig, model: Reconstructor, where: str, loss: Loss, provides: Iterable[str]
) -> None:
    """Raises ContractError where a loss needs what data set, encoder, decoder or config do not have."""
    if missing := loss.batch_fields - set(provides):
        raise ContractError(
            f"{where} needs {words_of(missing)} from the data set, which provides {words_of(provides)}"
        )
    check_latent(config, where, loss.latent_fields, model.encoder)
    for name in loss.requires_parts:
        if getattr(config, name) is None:
            raise ContractError(f"{where} needs a {name}, which the model does not have")
    if loss.representations and model.decoder.representation not in loss.representations:
        fits = [
            e.name
            for e in LOSSES
            if model.decoder.representation in e.cls.representations
            and config.decoder.name in (e.cls.decoders or (config.decoder.name,))
        ]
        raise ContractError(
            f"{where} reads {' or '.join(loss.representations)}, decoder '{config.decoder.name}' makes "
            f"{model.decoder.representation}; losses that fit: {', '.join(fits) or 'none'}"
        )
    if loss.decoders and config.decoder.name not in loss.decoders:
        works = " or ".join(loss.decoders)
        raise ContractError(f"{where} works with decoder {works}, not '{config.decoder.name}'")
    if loss.adversarial and config.discriminator is None:
        raise ContractError(
            f"{where} needs a discriminator; add one, e.g. discriminator: {{name: voxel_conv}}"
        )


def inputs(config: ModelConfig) -> frozenset[str]:
    """Fields of `Batch` that a model reads in training besides what its losses read."""
    needed = {"image"}
    if config.frame != "canonical":
        needed.add("camera")
    if config.preprocess.depth:
        needed.add("depth")
    for stage in config.train.stages:
        if stage.reads == "sketches":
            needed |= {"depth", "normals", "camera"}
        if stage.reads == "shape" and config.shape_encoder is not None:
            needed |= SHAPE_ENCODERS.get(config.shape_encoder.name).cls.batch_fields
    return frozenset(needed)


def supervision(config: ModelConfig) -> frozenset[str]:
    """Fields of `Batch` that a model needs from the data set to be trained: its inputs and its losses'."""
    return inputs(config).union(*(LOSSES.get(part.name).cls.batch_fields for part in config.losses.values()))
