"""A model: preprocessing, an encoder and a decoder that fit."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Literal, cast, overload

import torch
from jaxtyping import Float
from torch import Tensor, nn

from zoo.config import ModelConfig, Part
from zoo.decoders import DECODERS, Decoder
from zoo.encoders import ENCODERS, Encoder
from zoo.fusions import FUSIONS, Fusion
from zoo.heads import HEADS, Head
from zoo.images.given import Array, Pictures, Several, Single, pictures_of, warn_of_opaque
from zoo.model.decision import Decision, main_decision
from zoo.model.refine import refine, refine_fields
from zoo.registry import Registry
from zoo.shape_encoders import SHAPE_ENCODERS, ShapeEncoder
from zoo.shapes import Shape
from zoo.sketchers import SKETCHERS, Sketcher
from zoo.sketches import cut_out, true_sketches
from zoo.transforms.frames import to_canonical
from zoo.transforms.preprocess import Preprocess
from zoo.types import Batch, ContractError, Latent, Prediction, Sketches


class Reconstructor(nn.Module):
    """Sketcher if there is one, encoder, latent, fusion of views, head, decoder.

    Training mode decodes a sample of the posterior, evaluation mode its mean.

    >>> import torch, zoo
    >>> model = zoo.create_model("vae_gan_baseline", preset="quick", seed=0).eval()
    >>> rgba = torch.full((2, 1, 4, 96, 128), 255, dtype=torch.uint8)
    >>> model(model.preprocess(rgba)).shapes.logits.shape
    torch.Size([2, 32, 32, 32])

    Attributes:
        batch_fields: fields of `Batch` that a reconstruction reads.
        decisions: what benchmarks measured of the weights as they were loaded; none of any others.
    """

    def __init__(self, config: ModelConfig) -> None:
        """Raises ContractError when decoder or fusion need what the encoder does not give, or do not fit."""
        super().__init__()
        self.config = config
        preprocess = config.preprocess
        self.preprocess = Preprocess(preprocess)
        encoder = ENCODERS.get(config.encoder.name).cls
        decoder = DECODERS.get(config.decoder.name).cls
        image: dict[str, Any] = {"in_channels": preprocess.in_channels, "image_size": preprocess.size}
        self.sketcher = cast(Sketcher | None, _build(SKETCHERS, config.sketcher, **image))
        if self.sketcher is not None:
            image["in_channels"] = Sketches.CHANNELS
        self.encoder: Encoder = encoder(config.encoder.config, **image)
        check_latent(config, f"decoder '{config.decoder.name}'", decoder.latent_fields, self.encoder)
        dim = self.encoder.latent_dim
        self.shape_encoder = cast(
            ShapeEncoder | None, _build(SHAPE_ENCODERS, config.shape_encoder, latent_dim=dim)
        )
        self.fusion = cast(Fusion | None, _build(FUSIONS, config.fusion, latent_dim=dim))
        if self.fusion is not None:
            _check_fusion(config, self.fusion, decoder, self.encoder)
        self.head = cast(Head | None, _build(HEADS, config.head, latent_dim=dim))
        maps = {"feature_shapes": self.encoder.feature_shapes} if "features" in decoder.latent_fields else {}
        self.decoder: Decoder = decoder(config.decoder.config, latent_dim=dim, **maps)
        pose = {"camera"} if config.frame != "canonical" else set()
        self.decisions: tuple[Decision, ...] = ()
        self.batch_fields = (
            refine_fields(config) | {"image"} | pose | ({"depth"} if preprocess.depth else set())
        )

    @property
    def decision(self) -> Decision | None:
        """The decision whose threshold is the level of the model's shapes; see `main_decision`."""
        return main_decision(self.decisions)

    def forward(
        self,
        image: Float[Tensor, "batch views channels height width"],
        generator: torch.Generator | None = None,
        *,
        batch: Batch | None = None,
        reads: Literal["image", "sketches", "shape"] = "image",
        until: Literal["sketches", "latent", "shapes"] = "shapes",
        prior: bool = False,
    ) -> Prediction:
        """One pass, in the model's frame.

        Args:
            image: from `preprocess`.
            generator: draws the noise of training mode, and of `prior`.
            batch: the samples, already in the model's frame, where `reads` is not 'image'.
            reads: what enters; see `zoo.config.StageConfig.reads`.
            until: the last thing to compute.
            prior: also decode as many draws of the encoder's prior.

        Raises:
            ContractError: not from `preprocess`; several views, but no part that makes one shape of them.
        """
        self._check_input(image)
        size, views = image.shape[:2]
        sketches = None
        if reads == "sketches":
            assert batch is not None
            height, width = image.shape[-2:]
            sketches = true_sketches(batch, (height, width))
        elif self.sketcher is not None and reads == "image":
            sketches = self.sketcher(image.flatten(0, 1))
        if until == "sketches":
            return Prediction(sketches=sketches)
        if reads == "shape":
            assert batch is not None and self.shape_encoder is not None
            latent, views = self.shape_encoder(batch), 1
        else:
            latent = self.encoder(image.flatten(0, 1) if sketches is None else cut_out(sketches).image())
        latent = self._fused(latent, size, views)
        if self.head is not None and latent.mean.ndim == 2:
            latent = replace(latent, aux={**latent.aux, **self.head(latent.mean)})
        z = latent.sample(generator) if self.training else latent.mean
        if until == "latent":
            return Prediction(latent, z, sketches=sketches)
        shapes = self.decoder(replace(latent, mean=z))
        drawn = None
        if prior:
            drawn = self.decoder(Latent(self.encoder.prior(z).sample(generator)))
        return Prediction(latent, z, shapes, sketches, drawn)

    def _check_input(self, image: Tensor) -> None:
        """Raises ContractError for pictures that did not come through `preprocess`, or too many views."""
        config = self.preprocess.config
        wanted = (config.in_channels, *config.size)
        if image.ndim != 5 or tuple(image.shape[2:]) != wanted or not image.is_floating_point():
            kind = str(image.dtype).removeprefix("torch.")
            raise ContractError(
                f"model '{self.config.name}' reads what its preprocess makes, floats (B, V, "
                f"{', '.join(map(str, wanted))}), got {kind} {tuple(image.shape)}; model.reconstruct(rgba) "
                f"takes pictures, model(model.preprocess(rgba)) is one pass"
            )
        views = image.shape[1]
        if views > 1 and not takes_views(self.config):
            raise ContractError(
                f"decoder '{self.config.decoder.name}' reads one view, got {views}; give the model a fusion "
                f"({', '.join(FUSIONS.names())}), or a decoder of several views: "
                f"{', '.join(e.name for e in DECODERS if e.cls.reads_views)}"
            )

    def _fused(self, latent: Latent, size: int, views: int) -> Latent:
        """The latents of all views brought to what the decoder reads: (B, V, D) or (B, D)."""
        if not takes_views(self.config):
            return latent
        log_var = None if latent.log_var is None else latent.log_var.unflatten(0, (size, views))
        latent = replace(latent, mean=latent.mean.unflatten(0, (size, views)), log_var=log_var)
        return latent if self.fusion is None else self.fusion(latent)

    @torch.inference_mode()
    def predict(self, batch: Batch) -> Prediction:
        """A pass in evaluation mode on the model's own device, with shapes in the canonical frame.

        Where `config.refine` says so, the model is first fine-tuned on each picture; see `zoo.model.refine`.

        Args:
            batch: every one of its views is read; holds the fields of `reads`.

        Raises:
            ContractError: a field that the model reads is not there.
        """
        missing = [name for name in sorted(self.batch_fields) if getattr(batch, name) is None]
        if missing:
            raise ContractError(
                f"model '{self.config.name}' needs {words_of(missing)} of each picture, which is not given"
            )
        was_training = self.training
        self.eval()
        try:
            batch = batch.to(next(self.parameters()).device)
            if self.config.refine.steps:
                found = refine(self, self.config, self.preprocess, batch)
            else:
                found = self(self.preprocess(batch.image, depth=batch.depth))
            if self.config.frame != "canonical":
                assert batch.camera is not None and found.shapes is not None
                turned = to_canonical(found.shapes, batch.camera[:, 0], self.config.frame)
                found = replace(found, shapes=turned)
            level = None if self.decision is None else self.decision.threshold
            if level is not None and found.shapes is not None:
                found = replace(found, shapes=found.shapes.at_level(level))
            return found
        finally:
            self.train(was_training)

    @overload
    def reconstruct(self, pictures: Single) -> Shape: ...
    @overload
    def reconstruct(self, pictures: Several) -> list[Shape]: ...
    @overload
    def reconstruct(self, pictures: Array) -> Any: ...

    def reconstruct(self, pictures: Pictures) -> Shape | list[Shape]:
        """Shapes of pictures alone; see `predict` for models that need more.

        >>> import numpy as np, zoo
        >>> model = zoo.create_model("vae_gan_baseline", preset="quick", seed=0)
        >>> picture = np.zeros((96, 128, 4))  # RGBA in [0, 1]; a path or a PIL image will do as well
        >>> picture[20:80, 30:90] = 1
        >>> shape = model.reconstruct(picture)
        >>> shapes = model.reconstruct([picture, picture[10:, 10:]])
        >>> shape.occupancy.shape, len(shapes)
        ((32, 32, 32), 2)

        Args:
            pictures: one picture, or a batch of them: paths, PIL images, numpy arrays or torch tensors, of
                any size and aspect; see `zoo.images.given` for what is allowed. Alpha is straight, the object
                opaque; `OpaquePicture` warns of a picture without a transparent pixel.

        Returns:
            A shape of one picture, a list of shapes of a batch. Their surface lies at the threshold of the
            model's decision, and at one half where the weights were never measured.

        Raises:
            ContractError: it cannot be told which pictures these are, there are more views than the model
                reads, or the model needs more than pictures.
            zoo.images.reading.UnreadableFile: a file, or a PIL image, that cannot be read.
        """
        given = pictures_of(pictures)
        warn_of_opaque(given.batches, stacklevel=2)
        shapes: list[Shape] = []
        for rgba in given.batches:
            found = self.predict(Batch(tuple(map(str, range(len(rgba)))), rgba)).shapes
            assert found is not None
            shapes += found.split()
        return shapes[0] if given.single else shapes


def takes_views(config: ModelConfig) -> bool:
    """Whether a model makes one shape of several views of it."""
    return config.fusion is not None or DECODERS.get(config.decoder.name).cls.reads_views


def check_latent(config: ModelConfig, who: str, fields: frozenset[str], encoder: Encoder) -> None:
    """Raises ContractError unless the encoder provides the fields of the latent that somebody reads."""
    if missing := fields - encoder.provides:
        fits = [e.name for e in ENCODERS if fields <= e.cls.provides]
        raise ContractError(
            f"{who} needs {words_of(missing)} of the latent, which encoder '{config.encoder.name}' does not "
            f"give; encoders that do: {', '.join(fits) or 'none'}"
        )


def _check_fusion(config: ModelConfig, fusion: Fusion, decoder: type[Decoder], encoder: Encoder) -> None:
    """Raises ContractError unless a fusion fits between encoder and decoder."""
    assert config.fusion is not None
    check_latent(config, f"fusion '{config.fusion.name}'", fusion.latent_fields, encoder)
    where = f"decoder '{config.decoder.name}'"
    if decoder.reads_views:
        raise ContractError(f"{where} reads several views itself; leave out the model's fusion")
    if maps := decoder.latent_fields & {"features", "tokens"}:
        raise ContractError(
            f"{where} needs {words_of(maps)} of one view; a fusion makes one vector of several, nothing else"
        )


def _build(registry: Registry[Any], part: Part | None, **given: Any) -> nn.Module | None:
    """An optional part of a model."""
    return None if part is None else registry.get(part.name).cls(part.config, **given)


def words_of(names: Iterable[str]) -> str:
    """Names for a message."""
    return ", ".join(sorted(names)) or "nothing"
