"""A model: preprocessing, an encoder and a decoder that fit."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import cast

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from zoo.config import ModelConfig, load_config
from zoo.decoders import DECODERS, Decoder
from zoo.discriminators import DISCRIMINATORS, Discriminator
from zoo.encoders import ENCODERS, Encoder
from zoo.losses import LOSSES, Loss, LossConfig
from zoo.preprocess import Preprocess, PreprocessConfig
from zoo.shapes import Shape
from zoo.types import ContractError, Prediction


class Reconstructor(nn.Module):
    """Encoder, latent, decoder.

    Training mode decodes a sample of the posterior, evaluation mode its mean.
    """

    def __init__(self, config: ModelConfig) -> None:
        """Raises ContractError when the decoder needs what the encoder does not give."""
        super().__init__()
        self.config = config
        preprocess = cast(PreprocessConfig, config.preprocess)
        self.preprocess = Preprocess(preprocess)
        encoder = ENCODERS.get(config.encoder.name).cls
        decoder = DECODERS.get(config.decoder.name).cls
        missing = decoder.needs - encoder.gives
        if missing:
            fits = [e.name for e in ENCODERS if decoder.needs <= e.cls.gives]
            raise ContractError(
                f"decoder '{config.decoder.name}' needs {_words(missing)} of the latent, which encoder "
                f"'{config.encoder.name}' does not give; encoders that do: {', '.join(fits) or 'none'}"
            )
        self.encoder: Encoder = encoder(
            config.encoder.config, in_channels=preprocess.channels, image_size=preprocess.size
        )
        self.decoder: Decoder = decoder(config.decoder.config, latent_dim=self.encoder.latent_dim)

    def forward(
        self,
        image: Float[Tensor, "batch views channels height width"],
        generator: torch.Generator | None = None,
    ) -> Prediction:
        """Args: image from `preprocess`; generator draws the noise of training mode."""
        batch, views = image.shape[:2]
        if views > 1 and not self.decoder.reads_views:
            raise ContractError(
                f"decoder '{self.config.decoder.name}' reads one view, got {views}; "
                f"decoders of several views: {', '.join(e.name for e in DECODERS if e.cls.reads_views)}"
            )
        latent = self.encoder(image.flatten(0, 1))
        if self.decoder.reads_views:
            log_var = None if latent.log_var is None else latent.log_var.unflatten(0, (batch, views))
            latent = replace(latent, mean=latent.mean.unflatten(0, (batch, views)), log_var=log_var)
        z = latent.sample(generator) if self.training else latent.mean
        return Prediction(latent=latent, z=z, shapes=self.decoder(replace(latent, mean=z)))

    @torch.inference_mode()
    def reconstruct(self, rgba: UInt8[Tensor, "batch views 4 height width"]) -> list[Shape]:
        """Shapes of stored pictures, in evaluation mode on the model's own device."""
        was_training = self.training
        self.eval()
        try:
            device = next(self.parameters()).device
            return self(self.preprocess(rgba.to(device))).shapes.split()
        finally:
            self.train(was_training)


def create_model(
    name: str, *, preset: str | None = None, overrides: Iterable[str] = (), seed: int | None = None
) -> Reconstructor:
    """A model with fresh weights.

    Args:
        name: a model of `list_models()`, or the path of a YAML file.
        preset: 'quick', 'standard' or 'paper'; None for the YAML alone.
        overrides: ``key.path=value`` strings.
        seed: of the initial weights; None leaves torch's global generator as it is.

    Raises:
        zoo.registry.RegistryError, zoo.config.ConfigError, ContractError: unknown names, invalid values,
            parts that do not fit.
    """
    return build_model(load_config(name, preset, overrides), seed=seed)


def build_model(config: ModelConfig, *, seed: int | None = None) -> Reconstructor:
    """The model of a config; see `create_model`."""
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
    losses = {}
    for key, part in config.losses.items():
        loss = LOSSES.get(part.name).cls(cast(LossConfig, part.config))
        where = f"model '{config.name}': loss '{key}'"
        if missing := loss.needs - set(provides):
            raise ContractError(
                f"{where} needs {_words(missing)} from the data set, which provides {_words(provides)}"
            )
        if missing := loss.latent - model.encoder.gives:
            fits = [e.name for e in ENCODERS if loss.latent <= e.cls.gives]
            raise ContractError(
                f"{where} needs {_words(missing)} of the latent, which encoder '{config.encoder.name}' does "
                f"not give; encoders that do: {', '.join(fits)}"
            )
        if loss.reads not in (None, model.decoder.representation):
            fits = LOSSES.names(representation=model.decoder.representation)
            raise ContractError(
                f"{where} reads {loss.reads}, decoder '{config.decoder.name}' makes "
                f"{model.decoder.representation}; losses that fit: {', '.join(fits) or 'none'}"
            )
        if loss.adversarial and config.discriminator is None:
            raise ContractError(
                f"{where} needs a discriminator; add one, e.g. discriminator: {{name: voxel_conv}}"
            )
        losses[key] = loss
    if config.discriminator is not None and not any(loss.adversarial for loss in losses.values()):
        raise ContractError(
            f"model '{config.name}' has a discriminator but no adversarial loss; "
            "add 'adversarial: {}' to its losses"
        )
    return losses


def _words(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"
