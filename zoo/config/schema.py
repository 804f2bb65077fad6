"""What a model's config holds: frozen classes, in which an unknown key is an error."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, SerializeAsAny, model_validator

from zoo.names import Name
from zoo.parts import MODEL_PARTS, PartName
from zoo.registry import EntryConfig


class Part(EntryConfig):
    """A registered part by name, with the validated config of its own class."""

    name: str
    config: SerializeAsAny[EntryConfig]

    def flat(self) -> dict[str, Any]:
        """The form that stands in a YAML: name and config keys side by side."""
        return {"name": self.name, **self.config.model_dump(mode="json")}


class LossConfig(EntryConfig):
    """What every loss term has."""

    weight: float = Field(1.0, ge=0)
    """Factor of the term in the sum; 0 switches it off."""
    warmup: float = Field(0.0, ge=0, le=1)
    """Share of the training steps over which the weight rises linearly from 0."""
    reaches: tuple[PartName, ...] | None = None
    """Parts of the model that learn from the term, of those that learn at all; None for every one."""


class LossPart(Part):
    """A registered loss by name, with the validated config of its own class."""

    config: SerializeAsAny[LossConfig]


class PreprocessConfig(EntryConfig):
    """How a picture becomes an input."""

    size: tuple[int, int] = (192, 256)
    """Height and width of the input. Pictures of another aspect are padded, never stretched."""
    channels: Literal[1, 3] = 3
    """1 for gray (true luma), 3 for RGB."""
    mask: Literal["none", "background", "object"] = "none"
    """A further channel: 1 on the background (PSGN) or on the object. It is not normalised."""
    depth: bool = False
    """A last channel: how near the surface is within its own picture, 1 at the nearest and 0 at the farthest
    point of the object and on the background. The model then needs depth besides the picture."""
    background: float = Field(1.0, ge=0, le=1)
    """Gray value behind transparent pixels; 1 is white."""
    background_train: tuple[float, float] | None = None
    """In training, a value drawn per image and channel from this range instead."""
    crop: float = Field(1.0, gt=0, le=1)
    """Side of the crop relative to the picture: from the centre, in training from a random place."""
    jitter: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """In training, change brightness, contrast and saturation by factors drawn per image, each from 1 less
    to 1 more than its value here. Only the object's colours change, never what lies behind."""
    flip: bool = False
    """In training, mirror the image with probability one half and NOT the shape, as 3D-R2N2 does."""
    mean: tuple[float, ...] = ()
    """Subtracted per channel after scaling to [0, 1]; empty for none."""
    std: tuple[float, ...] = ()
    """Divided by per channel; empty for none."""

    @property
    def in_channels(self) -> int:
        """Channels of the input."""
        return self.channels + (self.mask != "none") + self.depth

    @model_validator(mode="after")
    def _check(self) -> PreprocessConfig:
        for name in ("mean", "std"):
            values = getattr(self, name)
            if values and len(values) != self.channels:
                raise ValueError(f"{name} has {len(values)} values for {self.channels} channels")
        if any(s <= 0 for s in self.std):
            raise ValueError(f"std must be positive, got {self.std}")
        if not all(0 <= value <= 1 for value in self.jitter):
            raise ValueError(f"jitter must be within [0, 1], got {self.jitter}")
        if self.background_train and not 0 <= self.background_train[0] <= self.background_train[1] <= 1:
            raise ValueError(
                f"background_train must be low <= high within [0, 1], got {self.background_train}"
            )
        return self


class OptimizerConfig(EntryConfig):
    """One optimiser."""

    name: Literal["adamw", "adam"] = "adamw"
    """'adamw' decouples the weight decay; 'adam' adds it to the gradient (L2)."""
    lr: float = Field(1e-3, gt=0)
    """Learning rate at the start."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Decay rates of the two moments."""
    eps: float = Field(1e-8, gt=0)
    """Added to the denominator."""
    weight_decay: float = Field(0.0, ge=0)
    """Weight decay, decoupled or L2 by `name`."""
    schedule: Literal["constant", "cosine", "steps"] = "constant"
    """How the learning rate falls: not, to 0 along a cosine, or by `factor` at each milestone."""
    warmup: float = Field(0.0, ge=0, le=1)
    """Share of the steps over which the learning rate rises linearly."""
    milestones: tuple[float, ...] = ()
    """Shares of the steps at which `schedule: steps` multiplies by `factor`."""
    factor: float = Field(0.1, gt=0)
    """See milestones."""


class StageConfig(EntryConfig):
    """A stretch of the training: what learns, and from which losses."""

    name: str = "main"
    """Shown in the log."""
    share: float = Field(1.0, gt=0)
    """Share of the steps, relative to the shares of the other stages."""
    trains: tuple[PartName, ...] = MODEL_PARTS
    """Parts that learn, of those that the model has; the others are frozen, normalisation statistics
    included."""
    losses: tuple[str, ...] | None = None
    """Keys of the model's losses; None for all."""
    reads: Literal["image", "sketches", "shape"] = "image"
    """What enters: the picture; the true 2.5D maps in place of the sketcher's; or the true shape, through
    the shape encoder in place of the encoder."""
    optimizer: OptimizerConfig | None = None
    """The optimiser of every part of the model in this stage, in place of the training's."""


class TrainConfig(EntryConfig):
    """How a model is trained.

    >>> import zoo
    >>> zoo.load_config("r3d", overrides={"train": {"steps": 5}}).train.steps
    5
    """

    steps: int = Field(20_000, ge=1)
    """Updates of the model."""
    minutes: float | None = Field(None, gt=0)
    """Budget of time, in place of `steps`: as many steps as fit into it on this machine, found by timing the
    first ones on a copy of the model. The result says how many they were; `steps` set to that trains the
    same. What a decoder fits in closed form comes on top."""
    batch_size: int = Field(32, ge=1)
    """Samples per step."""
    accumulate: int = Field(1, ge=1)
    """Parts that a batch is divided into, one after the other, for a gradient of all of it in less memory.
    Batch normalisation sees the parts."""
    views: tuple[int, int] = (1, 1)
    """Least and most views per sample; the number is drawn anew for each batch."""
    extra_views: int = Field(0, ge=0)
    """Further views of each shape for the losses alone, drawn independently of those that the model reads."""
    mirror: bool = False
    """Mirror picture and shape together with probability one half: see `zoo.transforms.augment.mirror`."""
    optimizer: OptimizerConfig = OptimizerConfig()
    """The optimiser of every part of the model that has none of its own."""
    optimizers: dict[PartName, OptimizerConfig] = Field(default_factory=dict)
    """Optimisers of single parts of the model, by part."""
    discriminator_optimizer: OptimizerConfig = OptimizerConfig(name="adam", lr=1e-4, betas=(0.5, 0.999))
    """The optimiser of the discriminator."""
    gate: float | None = Field(0.8, gt=0, le=1)
    """The discriminator is updated only when its accuracy on the batch is at most this (3D-GAN); None
    for always."""
    clip: float | None = Field(None, gt=0)
    """Largest gradient norm of the model."""
    discriminator_every: int = Field(1, ge=1)
    """Steps from one update of the discriminator to the next; adversarial losses count at the same steps."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Autocast: 'fp16' scales the loss so that small gradients survive; 'auto' is bf16 on a GPU that has it,
    fp16 on one that would emulate it, fp32 elsewhere."""
    compile: bool = False
    """Compile the model on CUDA (`torch.compile`): minutes of start, then faster steps. Nothing elsewhere."""
    init_from: str | None = None
    """Checkpoint or run folder whose weights the training starts from: those of every part that fits as a
    whole. At least one must."""
    ema: float | None = Field(None, gt=0, lt=1)
    """Decay per step of the moving average of the weights (timm's, which rises to it), which is then what
    predicts, is validated and is kept; None for the weights themselves."""
    validations: int = Field(0, ge=0)
    """How often the model is measured on the validation split, at equal distances in the last stage. The best
    weights, not the last, are what is kept to predict; 0 for the last."""
    validation_shapes: int = Field(128, ge=1)
    """Shapes of the validation split that it is measured on, always the same, at one picture each."""
    patience: int | None = Field(None, ge=1)
    """Validations without a better one after which the training ends; None for never."""
    checkpoint_every: int = Field(1000, ge=1)
    """Steps between checkpoints; the last two are kept."""
    log_every: int = Field(20, ge=1)
    """Steps between lines of metrics.jsonl."""
    stages: tuple[StageConfig, ...] = (StageConfig(),)
    """Stretches of the training, in order."""

    @model_validator(mode="after")
    def _check(self) -> TrainConfig:
        if not 1 <= self.views[0] <= self.views[1]:
            raise ValueError(f"views must be least <= most, from 1 on, got {self.views}")
        if not self.stages:
            raise ValueError("give at least one stage")
        if self.patience is not None and not self.validations:
            raise ValueError("patience counts validations; set validations, too")
        if self.accumulate > self.batch_size:
            raise ValueError(f"accumulate is {self.accumulate}, a batch has {self.batch_size} samples")
        return self


class RefineConfig(EntryConfig):
    """Fine-tuning on each picture before its shape is read off, from losses that need no true shape."""

    steps: int = Field(0, ge=0)
    """Updates per picture; 0 switches it off. Every picture starts from the trained weights."""
    losses: tuple[str, ...] = ()
    """Keys of the model's losses. Cameras and whatever else they read must come with the picture."""
    trains: tuple[PartName, ...] = ("encoder",)
    """Parts that change."""
    optimizer: OptimizerConfig = OptimizerConfig(name="adam")
    """The optimiser of those parts."""


class ModelConfig(EntryConfig):
    """A model: its parts, its losses, its preprocessing, its training, and where it comes from.

    >>> import zoo
    >>> config = zoo.load_config("r3d", "quick")
    >>> config.encoder.name, config.decoder.name, sorted(config.losses)
    ('attention_cnn', 'voxel_deconv', ['adversarial', 'kl', 'voxel_bce'])
    """

    name: Name
    """The file stem; the model's name in every table, and of its folders. See `zoo.names` for the rule."""
    title: str
    """Printed name."""
    summary: str
    """One sentence."""
    citation: str
    """arXiv id, DOI, URL or report."""
    follows: str
    """The source that it follows."""
    departs: tuple[str, ...] = ()
    """Where it departs from that source, and why."""
    licence: str = "MIT"
    """Licence of this implementation."""
    frame: Literal["canonical", "azimuth", "viewer"] = "canonical"
    """The frame that shapes are predicted in: the data set's; turned about the vertical axis until the
    camera stands in front; or the camera's own. Predictions are turned back by the known pose before they
    are scored. See `zoo.transforms.frames`."""
    preprocess: PreprocessConfig
    """From stored pictures to inputs."""
    sketcher: Part | None = None
    """Picture to 2.5D maps, which the encoder then reads in place of the picture."""
    encoder: Part
    """Picture, or 2.5D maps, to latent."""
    shape_encoder: Part | None = None
    """True shape to latent, for stages that read the shape."""
    fusion: Part | None = None
    """Latents of several views to one; decoders that read views themselves need none."""
    head: Part | None = None
    """Further predictions from the latent, such as the pose."""
    decoder: Part
    """Latent to shapes."""
    discriminator: Part | None = None
    """Real shape or not; trained against the decoder."""
    losses: dict[str, LossPart]
    """Terms of the objective by key; a term goes by its key unless it gives a name."""
    train: TrainConfig = TrainConfig()
    refine: RefineConfig = RefineConfig()

    def resolved(self) -> dict[str, Any]:
        """Plain data, complete with defaults, that `parse_model` accepts back."""
        data = self.model_dump(mode="json", exclude={*MODEL_PARTS, "losses"})
        for part in MODEL_PARTS:
            value: Part | None = getattr(self, part)
            data[part] = value.flat() if value else None
        data["losses"] = {key: loss.flat() for key, loss in self.losses.items()}
        return data

    def without_downloads(self) -> ModelConfig:
        """The config with no part that begins from pretrained weights, to be filled from a checkpoint."""
        parts = {name: part for name in MODEL_PARTS if (part := getattr(self, name)) is not None}
        plain: dict[str, Any] = {
            name: part.model_copy(update={"config": part.config.model_copy(update={"pretrained": False})})
            for name, part in parts.items()
            if getattr(part.config, "pretrained", False)
        }
        return self.model_copy(update=plain)

    def identity(self) -> dict[str, Any]:
        """What of `resolved` tells it from other models: see `identity_of`."""
        return identity_of(self.resolved())

    def trained_as(self) -> dict[str, Any]:
        """What of `identity` its weights depend on: all but `refine`, which begins when they are trained."""
        return {key: value for key, value in self.identity().items() if key != "refine"}


_LATER = {
    name: TrainConfig.model_fields[name].default
    for name in (
        *("minutes", "accumulate", "discriminator_every", "compile", "init_from"),
        *("ema", "validations", "validation_shapes", "patience"),
    )
}
"""Keys of `train` that came later, with the values at which a training is what it was without them."""


def identity_of(resolved: dict[str, Any]) -> dict[str, Any]:
    """A resolved config without the keys that came later and change nothing: its hash is what it was."""
    train = {k: v for k, v in resolved["train"].items() if k not in _LATER or v != _LATER[k]}
    return {**resolved, "train": train}
