"""Plain data in, a validated `ModelConfig` out: every part by its own config class, then what must fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from zoo.config.errors import ConfigError, validate
from zoo.config.schema import LossPart, ModelConfig, Part, PreprocessConfig
from zoo.parts import MODEL_PARTS, registry_of
from zoo.registry import Registry, RegistryError, did_you_mean

P = TypeVar("P", bound=Part)


def parse_model(data: Mapping[str, Any], source: str = "config") -> ModelConfig:
    """Validate plain data (from YAML, a checkpoint or a result) into a `ModelConfig`."""
    data = dict(data)
    for part in MODEL_PARTS:
        if data.get(part) is not None:
            data[part] = parse_part(registry_of(part), data[part], part, source, Part)
    losses = data.get("losses")
    if not isinstance(losses, Mapping) or not losses:
        raise ConfigError(f"{source}: losses: give at least one loss, as 'voxel_bce: {{}}'")
    data["losses"] = {
        key: parse_part(registry_of("loss"), _named(value, key), f"losses.{key}", source, LossPart)
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
        cls = registry_of("loss").get(config.losses[key].name).cls
        truth = sorted(cls.batch_fields & {"voxels", "points"}) + (
            ["a discriminator"] if cls.adversarial else []
        )
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


def parse_part(registry: Registry[Any], data: Any, where: str, source: str, form: type[P]) -> P:
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
    settings = validate(entry.config, rest, where, source)
    return validate(form, {"name": str(data["name"]), "config": settings}, where, source)


def _named(data: Any, key: str) -> Any:
    """A loss goes by its key unless it gives a name; ``kl:`` alone stands for its defaults."""
    return {"name": key, **data} if isinstance(data, Mapping) else {"name": key} if data is None else data
