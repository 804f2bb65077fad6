"""Model configs: YAML, preset and overrides in; one validated, frozen `ModelConfig` out.

Layers, later ones winning: ``configs/<model>.yaml``, the preset's section for every model, for the data
set, for each part that the model uses, the model's own section for the preset, ``--set key.path=value``.
Nothing interpolates and nothing inherits: what comes out can be printed, saved and fed back.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, Field, SerializeAsAny, ValidationError, model_validator

from zoo.errors import UserError
from zoo.kinds import MODEL_PARTS, PartName
from zoo.names import Name, check_name
from zoo.registry import EntryConfig, Registry, RegistryError, did_you_mean
from zoo.system.plain_data import MAX_DEPTH, load_yaml, parse_yaml

M = TypeVar("M", bound=BaseModel)


class ConfigError(UserError, ValueError):
    """A config that does not validate; the message names the file, the key path and the mend."""


class Part(EntryConfig):
    """A registered part by name, with the validated config of its own class."""

    name: str
    config: SerializeAsAny[EntryConfig]

    def flat(self) -> dict[str, Any]:
        """The form that stands in a YAML: name and config keys side by side."""
        return {"name": self.name, **self.config.model_dump(mode="json")}


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
    """Its part of the steps, relative to the other stages' shares."""
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
    """How a model is trained."""

    steps: int = Field(20_000, ge=1)
    """Updates of encoder and decoder."""
    batch_size: int = Field(32, ge=1)
    """Samples per step."""
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
    """Largest gradient norm of encoder and decoder."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """'auto' is bf16 autocast on a GPU that has it, fp32 elsewhere."""
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
    """A model: its parts, its losses, its preprocessing, its training, and where it comes from."""

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
    preprocess: SerializeAsAny[EntryConfig]
    """From stored pictures to inputs: see `zoo.transforms.preprocess.PreprocessConfig`."""
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
    losses: dict[str, Part]
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

    def trained_as(self) -> dict[str, Any]:
        """What of `resolved` its weights depend on: all but `refine`, which begins when they are trained."""
        return {key: value for key, value in self.resolved().items() if key != "refine"}


def config_dir() -> Path:
    """Folder of the model YAMLs: R3D_CONFIGS, or `configs/` beside the package or in the working folder."""
    if "R3D_CONFIGS" in os.environ:
        return Path(os.environ["R3D_CONFIGS"])
    beside = Path(__file__).resolve().parents[2] / "configs"
    return beside if beside.is_dir() else Path("configs")


def list_models(pattern: str = "*") -> list[str]:
    """Sorted names of the models in `configs/` that match a shell pattern."""
    return sorted(p.stem for p in config_dir().glob("*.yaml") if fnmatchcase(p.stem, pattern))


def load_config(
    name: str, preset: str | None = None, overrides: Iterable[str] = (), dataset: str | None = None
) -> ModelConfig:
    """The config of a model by name, or of a YAML file by path.

    Args:
        preset: 'quick', 'standard', 'paper' or None for the YAML alone.
        dataset: also apply what the preset says of models on this data set.
        overrides: ``key.path=value`` strings; the value is read as YAML.

    Raises:
        RegistryError: no such model, preset or part; names the nearest.
        ConfigError: a key or value does not validate; names file and key path.
    """
    is_path, known = name.endswith((".yaml", ".yml")), list_models()
    path = Path(name) if is_path else config_dir() / f"{name}.yaml"
    if not path.is_file() or not (is_path or name in known):
        raise RegistryError(
            f"unknown model '{name}' (no {path}).{did_you_mean(name, known)} Known: {', '.join(known)}"
        )
    data = read_yaml(path)
    data.setdefault("name", path.stem)
    own = _own_presets(data, path)
    over = parse_overrides(overrides)
    data = merge(data, over)  # also before the preset, whose sections go by the parts finally used
    if preset is not None:
        general = load_preset(preset)
        data = merge(data, _of_its_parts(general["model"], data))
        data = merge(data, _of_its_parts(general["datasets"].get(dataset, {}).get("model"), data))
        for part in MODEL_PARTS:
            used = data.get(part)
            if isinstance(used, Mapping):
                key = f"{part}.{used.get('name')}"
                data = merge(data, {part: general["parts"].get(key, {})})
        data = merge(data, own.get(preset))
    return parse_model(merge(data, over), source=str(path))


def _of_its_parts(section: Mapping[str, Any] | None, data: Mapping[str, Any]) -> dict[str, Any]:
    """What a preset says of every model, less the settings that only other parts have.

    So `decoder: {resolution: 32}` speaks of every decoder of voxels and leaves those of points alone. What no
    part of the kind has stays, to be reported as unknown.
    """
    kept = dict(section or {})
    for kind in MODEL_PARTS:
        used, wanted = data.get(kind), kept.get(kind)
        if isinstance(used, Mapping) and isinstance(wanted, Mapping):
            fields = {entry.name: set(entry.config.model_fields) for entry in _registries()[kind]}
            others = set().union(*fields.values()) - fields.get(str(used.get("name")), set())
            kept[kind] = {key: value for key, value in wanted.items() if key not in others}
    return kept


def list_presets() -> list[str]:
    """Sorted names of the presets in `configs/presets/`."""
    return sorted(p.stem for p in (config_dir() / "presets").glob("*.yaml"))


def _own_presets(data: dict[str, Any], path: Path) -> dict[str, Any]:
    """Take a model's own `presets` out of its YAML; their names must be those of presets."""
    own, known = _mapping(data.pop("presets", None) or {}, f"{path}: presets"), list_presets()
    for name in own:
        if known and name not in known:
            raise ConfigError(
                f"{path}: presets.{name}: no such preset.{did_you_mean(str(name), known)} "
                f"Known: {', '.join(known)}"
            )
    return {name: _mapping(section or {}, f"{path}: presets.{name}") for name, section in own.items()}


Section = Annotated[dict[str, Any], BeforeValidator(lambda value: {} if value is None else value)]
"""Settings that are checked where they are used; nothing stands for none."""


class PresetOfDataset(EntryConfig):
    """What a preset says of one data set."""

    config: Section = Field(default_factory=dict)
    """Settings of the data set's own config."""
    data: Section = Field(default_factory=dict)
    """On top of the preset's."""
    model: Section = Field(default_factory=dict)
    """On top of the preset's."""


class Preset(EntryConfig):
    """The sections of a preset."""

    summary: str = ""
    data: Section = Field(default_factory=dict)
    """What a store is asked to hold."""
    protocols: dict[str, Section] = Field(default_factory=dict)
    """Settings of a protocol, by its name."""
    model: Section = Field(default_factory=dict)
    """What every model overrides."""
    parts: dict[str, Section] = Field(default_factory=dict)
    """What a part overrides, keyed by ``encoder.cnn``."""
    datasets: dict[str, Annotated[PresetOfDataset, BeforeValidator(lambda value: value or {})]] = Field(
        default_factory=dict
    )
    """By name of a data set."""


def load_preset(name: str) -> dict[str, Any]:
    """The sections of a preset, complete: those of `Preset` as plain data.

    Raises:
        RegistryError: no such preset.
        BadName: it is called as no preset may be.
        ConfigError: it has a section, or a part in `parts`, that nothing would read.
    """
    path, known = config_dir() / "presets" / f"{name}.yaml", list_presets()
    if name not in known:
        raise RegistryError(f"unknown preset '{name}'.{did_you_mean(name, known)} Known: {', '.join(known)}")
    check_name(name, f"{path}: rename the preset")
    data = validate(Preset, read_yaml(path), "", str(path)).model_dump()
    parts = [f"{kind}.{name}" for kind in MODEL_PARTS for name in _registries()[kind].names()]
    for key in data["parts"]:
        if key not in parts:
            raise ConfigError(
                f"{path}: parts: unknown part '{key}'.{did_you_mean(key, parts)} Known: {', '.join(parts)}"
            )
    return data


def parse_model(data: Mapping[str, Any], source: str = "config") -> ModelConfig:
    """Validate plain data (from YAML, a checkpoint or a result) into a `ModelConfig`."""
    from zoo.transforms.preprocess import PreprocessConfig

    data = dict(data)
    registries = _registries()
    for part in MODEL_PARTS:
        if data.get(part) is not None:
            data[part] = parse_part(registries[part], data[part], part, source)
    losses = data.get("losses")
    if not isinstance(losses, Mapping) or not losses:
        raise ConfigError(f"{source}: losses: give at least one loss, as 'voxel_bce: {{}}'")
    data["losses"] = {
        key: parse_part(registries["loss"], _named(value, key), f"losses.{key}", source)
        for key, value in losses.items()
    }
    data["preprocess"] = validate(PreprocessConfig, data.get("preprocess") or {}, "preprocess", source)
    config = validate(ModelConfig, data, "", source)
    _check_stages(config, source)
    _check_sketcher(config, source)
    _check_refine(config, source)
    return config


def _check_refine(config: ModelConfig, source: str) -> None:
    refine = config.refine
    for key in refine.losses:
        if key not in config.losses:
            raise ConfigError(
                f"{source}: refine.losses: the model has no loss '{key}'."
                f"{did_you_mean(key, list(config.losses))}"
            )
        cls = _registries()["loss"].get(config.losses[key].name).cls
        truth = sorted(cls.needs & {"voxels", "points"}) + (["a discriminator"] if cls.adversarial else [])
        if truth:
            raise ConfigError(
                f"{source}: refine.losses: '{key}' needs {' and '.join(truth)}, which no picture comes with"
            )
    if refine.steps and not refine.losses:
        raise ConfigError(f"{source}: refine.losses: {refine.steps} steps need a loss to follow")
    if refine.steps and not any(getattr(config, part) for part in refine.trains):
        raise ConfigError(f"{source}: refine.trains: the model has none of {', '.join(refine.trains)}")


def _check_sketcher(config: ModelConfig, source: str) -> None:
    """True 2.5D maps are those of the whole picture, as it was stored."""
    for key, whole in {"crop": 1, "flip": False}.items():
        value = getattr(config.preprocess, key)
        if config.sketcher is not None and value != whole:
            raise ConfigError(
                f"{source}: preprocess.{key}: {value} would move the picture under its true 2.5D maps; a "
                f"model with a sketcher needs {key}: {str(whole).lower()}"
            )


def _check_stages(config: ModelConfig, source: str) -> None:
    for i, stage in enumerate(config.train.stages):
        for key in stage.losses or ():
            if key not in config.losses:
                raise ConfigError(
                    f"{source}: train.stages.{i}.losses: the model has no loss '{key}'."
                    f"{did_you_mean(key, list(config.losses))}"
                )
        needed = {"sketches": "sketcher", "shape": "shape_encoder"}.get(stage.reads)
        if needed and getattr(config, needed) is None:
            raise ConfigError(
                f"{source}: train.stages.{i}.reads: {stage.reads} needs a {needed}, the model has none"
            )
        used = config.losses if stage.losses is None else stage.losses
        learns = [p for p in stage.trains if p != "discriminator" and getattr(config, p) is not None]
        if learns and not any(getattr(config.losses[key].config, "weight", 1) for key in used):
            raise ConfigError(
                f"{source}: train.stages.{i}: {' and '.join(learns)} would learn from nothing: no loss of "
                "the stage has a weight above 0"
            )


def parse_part(registry: Registry[Any], data: Any, where: str, source: str) -> Part:
    """Validate ``{name: ..., key: value}`` with the config class of the entry that it names."""
    if not isinstance(data, Mapping):
        key = "weight" if where.startswith("losses.") else "name"
        raise ConfigError(f"{source}: {where}: expected keys and values, as {where}.{key}=..., got {data!r}")
    if "name" not in data:
        raise ConfigError(f"{source}: {where}: needs a name; known: {', '.join(registry.names())}")
    rest = {k: v for k, v in data.items() if k != "name"}
    try:
        entry = registry.get(str(data["name"]))
    except RegistryError as error:
        raise RegistryError(f"{source}: {where}: {error}") from error
    return Part(name=str(data["name"]), config=validate(entry.config, rest, where, source))


def _named(data: Any, key: str) -> Any:
    """A loss goes by its key unless it gives a name; ``kl:`` alone stands for its defaults."""
    return {"name": key, **data} if isinstance(data, Mapping) else {"name": key} if data is None else data


def validate(cls: type[M], data: Any, where: str, source: str) -> M:
    """pydantic's validation with errors that name file, key path, value and nearest key."""
    try:
        return cls.model_validate(data)
    except ValidationError as error:
        lines = [_explain(cls, problem, where, source) for problem in error.errors()]
        raise ConfigError("\n".join(lines)) from None


def _explain(cls: type[BaseModel], problem: Any, where: str, source: str) -> str:
    place = [where] if where else []
    place += [str(p) for p in problem["loc"]]
    path = ".".join(place)
    if problem["type"] == "extra_forbidden":
        fields = _fields_at(cls, problem["loc"][:-1])
        return (
            f"{source}: {path}: unknown key.{did_you_mean(str(problem['loc'][-1]), fields)} "
            f"Known: {', '.join(fields)}"
        )
    if problem["type"] == "missing":
        return f"{source}: {path}: missing"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "value_error":
        return f"{source}: {path}: {message}".replace(": : ", ": ")
    near = ""
    if problem["type"] == "literal_error":
        near = did_you_mean(str(problem["input"]), re.findall(r"'([^']*)'", problem["ctx"]["expected"]))
    return f"{source}: {path}: {message}, got {_short(repr(problem['input']))}.{near}".removesuffix(".")


def _fields_at(cls: type[BaseModel], loc: tuple[Any, ...]) -> list[str]:
    for key in loc:
        if key not in cls.model_fields:  # a place in a list, or a key of a mapping
            continue
        found = list(_models(cls.model_fields[key].annotation))
        if not found:
            return []
        cls = found[0]
    return list(cls.model_fields)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The classes of configs in a type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


def merge(
    base: Mapping[str, Any], over: Mapping[str, Any] | None, path: tuple[str, ...] = ()
) -> dict[str, Any]:
    """`over` onto `base`, key by key; a mapping that names another part replaces the whole part.

    Args:
        path: where in a model config `base` stands: only encoder, decoder, discriminator and the losses
            are parts, an optimiser keeps its other settings when its name changes.
    """
    merged = dict(base)
    for key, value in (over or {}).items():
        old = merged.get(key)
        is_part = path == ("losses",) or (path == () and key in MODEL_PARTS)
        if not isinstance(value, Mapping) or not isinstance(old, Mapping):
            merged[key] = value
        elif is_part and "name" in value and "name" in old and value["name"] != old["name"]:
            merged[key] = dict(value)
        else:
            merged[key] = merge(old, value, (*path, key))
    return merged


def parse_overrides(overrides: Iterable[str]) -> dict[str, Any]:
    """``["a.b=1", "c=x"]`` to ``{"a": {"b": 1}, "c": "x"}``.

    Raises:
        ConfigError: no '=' in one of them, or a value that cannot be read.
    """
    data: dict[str, Any] = {}
    for text in overrides:
        path, equals, value = text.partition("=")
        if not equals or not path or path.count(".") >= MAX_DEPTH:
            raise ConfigError(f"--set {_short(text)}: expected key.path=value, as --set train.steps=500")
        try:
            parsed = parse_yaml(value)
        except ValueError as error:
            raise ConfigError(
                f"--set {_short(text)}: '{_short(value)}' is not a YAML value: {error}"
            ) from None
        nested: Any = parsed
        for key in reversed(path.split(".")):
            nested = {key: nested}
        data = merge(data, nested)
    return data


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file that holds a mapping.

    Raises:
        ConfigError: unreadable, more than `zoo.system.plain_data` takes, or no mapping; names file and line.
    """
    try:
        data = load_yaml(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None
    return _mapping(data, str(path))


def _mapping(data: Any, where: str) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise ConfigError(f"{where}: expected keys and values, got {type(data).__name__}")
    return data


def _short(text: str, most: int = 200) -> str:
    """A text as a message shows it."""
    return text if len(text) <= most else f"{text[:most]}... ({len(text):,} characters)"


@cache
def _registries() -> dict[str, Registry[Any]]:
    from zoo.decoders import DECODERS
    from zoo.discriminators import DISCRIMINATORS
    from zoo.encoders import ENCODERS
    from zoo.fusions import FUSIONS
    from zoo.heads import HEADS
    from zoo.losses import LOSSES
    from zoo.shape_encoders import SHAPE_ENCODERS
    from zoo.sketchers import SKETCHERS

    return {
        "sketcher": SKETCHERS,
        "encoder": ENCODERS,
        "shape_encoder": SHAPE_ENCODERS,
        "fusion": FUSIONS,
        "head": HEADS,
        "decoder": DECODERS,
        "discriminator": DISCRIMINATORS,
        "loss": LOSSES,
    }
