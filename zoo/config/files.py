"""The YAML files of models and presets: where they lie, how they are read, and what layers upon what."""

from __future__ import annotations

import os
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from zoo.config.errors import ConfigError, validate
from zoo.config.overrides import Overrides, merge, parse_overrides
from zoo.config.parse import parse_model
from zoo.config.schema import ModelConfig
from zoo.names import check_name
from zoo.parts import MODEL_PARTS, registry_of
from zoo.registry import EntryConfig, RegistryError, did_you_mean
from zoo.system.plain_data import load_yaml

Section = Annotated[dict[str, Any], BeforeValidator(lambda value: {} if value is None else value)]
"""Settings that are checked where they are used; nothing stands for none."""


class PresetOfDataset(EntryConfig):
    """What a preset says of one data set."""

    config: Section = Field(default_factory=dict)
    """Settings of the data set's own config."""
    data: Section = Field(default_factory=dict)
    """What a store is asked to hold, on top of the preset's."""
    model: Section = Field(default_factory=dict)
    """What every model overrides, on top of the preset's."""


class Preset(EntryConfig):
    """The sections of a preset."""

    summary: str = ""
    """One sentence."""
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
    """What it says of single data sets, by their name."""


def config_dir() -> Path:
    """Folder of the model YAMLs: R3D_CONFIGS, or that in the wheel, or `configs/` of the clone."""
    if "R3D_CONFIGS" in os.environ:
        return Path(os.environ["R3D_CONFIGS"])
    package = Path(__file__).resolve().parents[1]
    packed = package / "configs"
    return packed if packed.is_dir() else package.parent / "configs"


def list_models(pattern: str = "*") -> list[str]:
    """Sorted names of the models in `config_dir()` that match a shell pattern."""
    return sorted(p.stem for p in config_dir().glob("*.yaml") if fnmatchcase(p.stem, pattern))


def load_config(
    name: str,
    preset: str | None = None,
    overrides: Overrides = (),
    dataset: str | None = None,
    **settings: Any,
) -> ModelConfig:
    """The config of a model by name, or of a YAML file by path.

    Args:
        preset: 'quick', 'standard', 'paper' or None for the YAML alone.
        dataset: also apply what the preset says of models on this data set.
        overrides: ``key.path=value`` strings, whose values are read as YAML, or a mapping of key
            paths, nested or not, to values.
        settings: the same as keywords, on top of them: ``encoder={"latent_dim": 512}``.

    Raises:
        RegistryError: no such model, preset or part; names the nearest.
        ConfigError: a key or value does not validate; names file and key path.

    Example:
        >>> from zoo import load_config
        >>> config = load_config("r3d", encoder={"latent_dim": 512}, **{"train.steps": 100})
        >>> config.encoder.config.latent_dim, config.train.steps, config.losses["kl"].name
        (512, 100, 'kl')
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
    over = merge(parse_overrides(overrides), parse_overrides(settings))
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
            fields = {entry.name: set(entry.config.model_fields) for entry in registry_of(kind)}
            others = set().union(*fields.values()) - fields.get(str(used.get("name")), set())
            kept[kind] = {key: value for key, value in wanted.items() if key not in others}
    return kept


def list_presets() -> list[str]:
    """Sorted names of the presets in the folder `presets` of `config_dir()`.

    >>> import zoo
    >>> zoo.list_presets()
    ['overfit', 'paper', 'quick', 'standard']
    """
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
    parts = [f"{kind}.{name}" for kind in MODEL_PARTS for name in registry_of(kind).names()]
    for key in data["parts"]:
        if key not in parts:
            raise ConfigError(
                f"{path}: parts: unknown part '{key}'.{did_you_mean(key, parts)} Known: {', '.join(parts)}"
            )
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
