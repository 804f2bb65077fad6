"""Checkpoints: safetensors weights, JSON state, resolved config, optimiser state; nothing that runs code.

A checkpoint is a folder ``step-000200/`` with::

    config.json              the resolved config, which `zoo.config.parse_model` accepts back
    state.json               step, seed, data fingerprint, seconds trained, versions, commit
    model.safetensors        encoder and decoder
    discriminator.safetensors  where there is one
    optimizers.pt            tensors only, read with weights_only=True
"""

import io
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from shutil import rmtree
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import nn

from zoo import __version__
from zoo.config import ModelConfig, parse_model
from zoo.discriminators import Discriminator
from zoo.errors import UserError
from zoo.files import atomic_folder
from zoo.model import Reconstructor, build_discriminator, build_model
from zoo.plain_data import parse_json

FORMAT = 1
KEEP = 2


class CheckpointError(UserError, ValueError):
    """A checkpoint that is damaged or does not fit its config; the message names file and tensors."""


@dataclass
class TrainState:
    """What a run needs besides weights to go on as if it had never stopped."""

    step: int = 0
    seed: int = 0
    data: str = ""
    """Fingerprint of the data set and split that it trains on."""
    seconds: float = 0.0
    """Time spent in steps, over all the runs that led here."""
    peak_memory_mib: float | None = None
    versions: dict[str, str] = field(default_factory=dict)
    code: dict[str, str] = field(default_factory=dict)
    """Digest of the code of each part, see `zoo.source`; 'one then another' where that was edited between."""


def versions() -> dict[str, str]:
    """Versions that a result depends on."""
    return {"zoo": __version__, "torch": torch.__version__, "python": platform.python_version()}


def save_checkpoint(
    run_dir: Path,
    config: ModelConfig,
    state: TrainState,
    model: nn.Module,
    discriminator: nn.Module | None,
    optimizers: Mapping[str, torch.optim.Optimizer],
) -> Path:
    """Write ``step-N/`` atomically and drop all but the newest two."""
    path = run_dir / f"step-{state.step:07d}"
    with atomic_folder(path) as folder:
        (folder / "config.json").write_text(json.dumps(config.resolved(), indent=1), encoding="utf-8")
        saved = json.dumps({"format": FORMAT, **asdict(state)}, indent=1)
        (folder / "state.json").write_text(saved, encoding="utf-8")
        _save_weights(model, folder / "model.safetensors")
        if discriminator is not None:
            _save_weights(discriminator, folder / "discriminator.safetensors")
        states = io.BytesIO()  # torch's own files do not say that a disk is full
        torch.save({k: o.state_dict() for k, o in optimizers.items()}, states)
        (folder / "optimizers.pt").write_bytes(states.getbuffer())
    for old in [*checkpoints(run_dir)[:-KEEP], *run_dir.glob(".step-*.part")]:  # .part: left by a killed run
        rmtree(old)
    return path


def checkpoints(run_dir: Path) -> list[Path]:
    """Checkpoints of a run, oldest first."""
    return sorted(run_dir.glob("step-*")) if run_dir.is_dir() else []


def load_state(path: Path) -> TrainState:
    """The state of a checkpoint.

    Raises:
        CheckpointError: missing, damaged, or of a newer format.
    """
    data = read_json(path / "state.json")
    found = data.pop("format", None)
    if found != FORMAT:
        raise CheckpointError(f"{path}: checkpoint format {found}, this version reads {FORMAT}")
    try:
        return TrainState(**data)
    except TypeError as error:
        raise CheckpointError(f"{path / 'state.json'}: {error}") from error


def load_weights(module: nn.Module, path: Path) -> None:
    """Strict load of a safetensors file.

    Raises:
        CheckpointError: says which tensors are missing, unexpected or of another shape.
    """
    try:
        tensors = load_file(path)
    except Exception as error:  # safetensors raises its own untyped errors for damaged files
        raise CheckpointError(f"{path}: cannot be read: {error}") from error
    own = module.state_dict()
    problems = [f"missing {k} {tuple(v.shape)}" for k, v in own.items() if k not in tensors]
    problems += [f"unexpected {k} {tuple(v.shape)}" for k, v in tensors.items() if k not in own]
    problems += [
        f"{k} is {tuple(tensors[k].shape)}, the config asks for {tuple(v.shape)}"
        for k, v in own.items()
        if k in tensors and tensors[k].shape != v.shape
    ]
    if problems:
        more = f" and {len(problems) - 8} more" if len(problems) > 8 else ""
        raise CheckpointError(f"{path} does not fit its config: {'; '.join(problems[:8])}{more}")
    module.load_state_dict(tensors)


def load_optimizers(path: Path, optimizers: Mapping[str, torch.optim.Optimizer]) -> None:
    """Restore optimiser state saved by `save_checkpoint`.

    Raises:
        CheckpointError: missing, damaged, holds more than tensors, or belongs to other optimisers.
    """
    try:
        states: dict[str, Any] = torch.load(path / "optimizers.pt", weights_only=True, map_location="cpu")
    except Exception as error:  # torch raises whatever the damaged archive provokes
        raise CheckpointError(f"{path}/optimizers.pt: cannot be read: {error}") from error
    if set(states) != set(optimizers):
        raise CheckpointError(f"{path}/optimizers.pt holds {sorted(states)}, expected {sorted(optimizers)}")
    for key, optimizer in optimizers.items():
        optimizer.load_state_dict(states[key])


def load_pretrained(path: str | Path) -> Reconstructor:
    """A trained model, in evaluation mode on the CPU, from a checkpoint folder or a run folder.

    Runs no code that comes with the checkpoint and asks nothing of the network: a part that began from
    pretrained weights takes them from here.

    Raises:
        CheckpointError: nothing there, or weights that do not fit their config.
    """
    folder = _checkpoint(Path(path))
    config = load_config_of(folder)
    model = build_model(config.without_downloads(), seed=0)
    load_weights(model, folder / "model.safetensors")
    model.config = config
    return model.eval()


def load_discriminator(path: str | Path) -> Discriminator:
    """A trained discriminator, in evaluation mode on the CPU; as `load_pretrained`.

    Raises:
        CheckpointError: nothing there, no discriminator in it, or weights that do not fit their config.
    """
    folder = _checkpoint(Path(path))
    config = load_config_of(folder)
    model = build_model(config.without_downloads(), seed=0)
    discriminator = build_discriminator(config, model.decoder, seed=0)
    if discriminator is None:
        raise CheckpointError(f"{folder}: model '{config.name}' was trained without a discriminator")
    load_weights(discriminator, folder / "discriminator.safetensors")
    return discriminator.eval()


def load_config_of(path: str | Path) -> ModelConfig:
    """The config that a checkpoint, or the last one of a run folder, was trained with.

    Raises:
        CheckpointError: nothing there.
    """
    file = _checkpoint(Path(path)) / "config.json"
    return parse_model(read_json(file), source=str(file))


def newest_run(folder: Path, model: str) -> Path | None:
    """The run of a model that was finished last, among the ``<model>-<hash>`` of a folder; None for none."""
    finished = []
    for run in folder.glob(f"{model}-*") if folder.is_dir() else ():
        found = checkpoints(run)
        if found and (config := load_config_of(run)).name == model:
            done = load_state(found[-1]).step >= config.train.steps
            finished += [(found[-1].stat().st_mtime, run)] if done else []
    return max(finished)[1] if finished else None


def _checkpoint(path: Path) -> Path:
    """The checkpoint at a path, or the last one of the run folder there."""
    if (path / "config.json").is_file():
        return path
    found = checkpoints(path)
    if not found:
        raise CheckpointError(f"{path}: neither a checkpoint (no config.json) nor a run folder (no step-*)")
    return found[-1]


def _save_weights(module: nn.Module, path: Path) -> None:
    tensors = {k: v.detach().cpu().contiguous() for k, v in module.state_dict().items()}
    path.write_bytes(save(tensors))  # its own files do not say that a disk is full


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of a checkpoint.

    Raises:
        CheckpointError: missing, damaged, or no object.
    """
    try:
        data = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: cannot be read: {error}") from error
    if not isinstance(data, dict):
        raise CheckpointError(f"{path}: expected keys and values, got {type(data).__name__}")
    return data
