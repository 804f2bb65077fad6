"""Checkpoints: safetensors weights, JSON state, resolved config, optimiser state; nothing that runs code.

A checkpoint is a folder ``step-000200/`` with::

    config.json              the resolved config, which `zoo.config.parse_model` accepts back
    state.json               step, seed, data fingerprint, seconds trained, versions, commit
    model.safetensors        the model: encoder, decoder, and what else it has but the discriminator; the
                             weights that predict, averaged or the best so far where the training says so
    learning.safetensors     the weights that learn, where they are others
    average.safetensors      the averaged weights, where they are others again
    discriminator.safetensors  where there is one
    optimizers.pt            tensors only, read with weights_only=True
    sha256.json              of each of these, compared before they are used
    decisions.json           once it has been measured: threshold, metrics, data; see `zoo.training.decisions`

Where the newest checkpoint of a run is damaged, the one before it is used, with a warning that says so.
"""

import json
import os
import platform
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from zoo.config import ModelConfig, parse_model
from zoo.discriminators import Discriminator
from zoo.errors import UserError
from zoo.files import atomic_folder, remove, writing_to
from zoo.model import Reconstructor, build_discriminator, build_model
from zoo.system.version import __version__
from zoo.training.decisions import read_decisions
from zoo.training.integrity import CONFIG, DamagedCheckpoint, check_sum, damage, damaged, write_sums
from zoo.training.integrity import (
    CheckpointError as CheckpointError,  # who reads a checkpoint names these too
)
from zoo.training.integrity import read_json as read_json
from zoo.training.outline import build_to_fit, check_fit, shapes_of
from zoo.training.run_folder import checkpoints as checkpoints
from zoo.training.run_folder import from_newest, name_of, step_of

FORMAT = 1
KEEP = 2

GOES_ON = "what was saved before is kept, the same command goes on from there"
"""What becomes of a run that cannot write."""

STATE, OPTIMIZERS = "state.json", "optimizers.pt"
MODEL, DISCRIMINATOR = "model.safetensors", "discriminator.safetensors"
LEARNING, AVERAGE = "learning.safetensors", "average.safetensors"


@dataclass
class TrainState:
    """What a run needs besides weights to go on as if it had never stopped."""

    __pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)

    step: Annotated[int, Field(ge=0, strict=True)] = 0
    seed: Annotated[int, Field(strict=True)] = 0
    data: str = ""
    """Fingerprint of the data set and split that it trains on."""
    seconds: Annotated[float, Field(ge=0)] = 0.0
    """Time spent in steps, over all the runs that led here."""
    peak_memory_mib: Annotated[float, Field(ge=0)] | None = None
    plan: list[int] = field(default_factory=list)
    """Steps after which each stage ends, where a budget of time decided them; none where the config says."""
    validation_seconds: Annotated[float, Field(ge=0)] = 0.0
    """Part of `seconds` that validation took."""
    best: float | None = None
    """The best validation so far, at step `best_step`; higher is better."""
    best_step: Annotated[int, Field(ge=0)] = 0
    worse: Annotated[int, Field(ge=0)] = 0
    """Validations since then."""
    stopped: str = ""
    """Why the training ended before its last step."""
    scaler: dict[str, float] = field(default_factory=dict)
    """State of the gradients' scale, under fp16."""
    versions: dict[str, str] = field(default_factory=dict)
    code: dict[str, str] = field(default_factory=dict)
    """Digest of the code of each part, see `zoo.system.source`; 'one then another' where it was edited."""

    def finished(self, config: ModelConfig) -> bool:
        """Whether the training has come to its end."""
        return bool(self.stopped) or self.step >= (self.plan[-1] if self.plan else config.train.steps)


def versions() -> dict[str, str]:
    """Versions that a result depends on."""
    return {"zoo": __version__, "torch": torch.__version__, "python": platform.python_version()}


def save_checkpoint(
    run_dir: Path,
    config: ModelConfig,
    state: TrainState,
    model: nn.Module | Mapping[str, torch.Tensor],
    discriminator: nn.Module | None,
    optimizers: Mapping[str, torch.optim.Optimizer],
    more: Mapping[str, nn.Module] | None = None,
) -> Path:
    """Write ``step-N/`` atomically; drop all but the newest two, and those of later steps.

    A checkpoint of a later step is one that could not be used, or the run would not be where it is.

    Args:
        model: the weights that predict.
        more: further weights by the name of their file: `LEARNING`, `AVERAGE`.

    Raises:
        WriteError: the disk is full, or the folder cannot be written; nothing half-written stays.
    """
    path = run_dir / name_of(state.step)
    with writing_to(run_dir, GOES_ON):
        with atomic_folder(path) as folder, _errors_of_the_system():
            (folder / CONFIG).write_text(json.dumps(config.resolved(), indent=1), encoding="utf-8")
            saved = json.dumps({"format": FORMAT, **asdict(state)}, indent=1)
            (folder / STATE).write_text(saved, encoding="utf-8")
            _save_weights(model, folder / MODEL)
            if discriminator is not None:
                _save_weights(discriminator, folder / DISCRIMINATOR)
            for name, module in (more or {}).items():
                _save_weights(module, folder / name)
            with (folder / OPTIMIZERS).open("wb") as file:
                torch.save({k: o.state_dict() for k, o in optimizers.items()}, file)
            write_sums(folder)
        found = checkpoints(run_dir)
        here = found.index(path) + 1
        unfinished = run_dir.glob(".step-*.part")  # left by a killed run
        for old in [*found[: max(0, here - KEEP)], *found[here:], *unfinished]:
            remove(old)
    return path


def load_state(path: Path) -> TrainState:
    """The state of a checkpoint.

    Raises:
        CheckpointError: missing, damaged, or of a newer format.
    """
    file = path / STATE
    data = read_json(file)
    found = data.pop("format", None)
    if found != FORMAT:
        raise CheckpointError(f"{path}: checkpoint format {found}, this version reads {FORMAT}")
    try:
        state = TypeAdapter(TrainState).validate_python(data)
    except ValidationError as error:
        first = error.errors()[0]
        raise damaged(file, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    if step_of(path) not in (None, state.step):
        raise damaged(file, f"says step {state.step}")
    check_sum(file)
    return state


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file of a checkpoint, on the CPU.

    Raises:
        CheckpointError: missing or damaged.
    """
    check_sum(path)
    try:
        return load_file(path)
    except Exception as error:  # safetensors raises its own untyped errors for damaged files
        raise damaged(path, f"cannot be read: {error}") from error


def load_weights(module: nn.Module, path: Path) -> None:
    """Strict load of a safetensors file.

    Raises:
        CheckpointError: says which tensors are missing, unexpected or of another shape.
    """
    tensors = read_weights(path)
    check_fit(shapes_of(module), {k: tuple(v.shape) for k, v in tensors.items()}, path)
    module.load_state_dict(tensors)


def load_optimizers(path: Path, optimizers: Mapping[str, torch.optim.Optimizer]) -> None:
    """Restore optimiser state saved by `save_checkpoint`.

    Raises:
        CheckpointError: missing, damaged, holds more than tensors, or belongs to other optimisers.
    """
    file = path / OPTIMIZERS
    check_sum(file)
    try:
        states: dict[str, Any] = torch.load(file, weights_only=True, map_location="cpu")
        found = sorted(states)
    except Exception as error:  # torch raises whatever the damaged archive provokes
        raise damaged(file, f"cannot be read: {error}") from error
    if found != sorted(optimizers):
        raise DamagedCheckpoint(f"{file} holds {found}, expected {sorted(optimizers)}", path)
    for key, optimizer in optimizers.items():
        try:
            optimizer.load_state_dict(states[key])
        except Exception as error:  # as above; it believes the structure of what it is given
            raise damaged(file, f"'{key}' cannot be read: {type(error).__name__}: {error}") from error
        for parameter, moments in optimizer.state.items():
            for name, value in moments.items():
                if value.shape not in (parameter.shape, ()):
                    raise damaged(file, f"'{key}': {name} is {tuple(value.shape)}, its parameter is not")


def load_pretrained(path: str | Path) -> Reconstructor:
    """A trained model, in evaluation mode on the CPU, from a checkpoint folder or a run folder.

    It knows what a benchmark measured of it: `Reconstructor.decision`.

    >>> import tempfile, zoo
    >>> model = zoo.create_model("vae_gan_baseline", preset="quick", seed=0)
    >>> folder = save_checkpoint(Path(tempfile.mkdtemp()), model.config, TrainState(), model, None, {})
    >>> loaded = load_pretrained(folder)
    >>> loaded.config.name, loaded.training, loaded.decision  # which has not been measured
    ('vae_gan_baseline', False, None)

    Raises:
        CheckpointError: nothing there, weights that do not fit their config, or a decision that cannot be
            read or is about other weights.
    """
    return from_newest(Path(path), _load_model)


def load_discriminator(path: str | Path) -> Discriminator:
    """A trained discriminator, in evaluation mode on the CPU; as `load_pretrained`.

    Raises:
        CheckpointError: nothing there, no discriminator in it, or weights that do not fit their config.
    """
    return from_newest(Path(path), _load_discriminator)


def load_config_of(path: str | Path) -> ModelConfig:
    """The config that a checkpoint, or the last one of a run folder, was trained with.

    Raises:
        CheckpointError: nothing there.
    """
    return from_newest(Path(path), _load_config)


def newest_run(folder: Path, model: str) -> Path | None:
    """The run of a model that was finished last, among the ``<model>-<hash>`` of a folder; None for none.

    A run without a checkpoint that can be used is left out with a warning.
    """
    finished = []
    for run in folder.glob(f"{model}-*") if folder.is_dir() else ():
        if not (found := checkpoints(run)):
            continue
        try:
            config = load_config_of(run)
            done = from_newest(run, load_state).finished(config)
        except UserError as error:
            warnings.warn(f"left out {run}: {error}", stacklevel=2)
            continue
        finished += [(found[-1].stat().st_mtime, run)] if done and config.name == model else []
    return max(finished)[1] if finished else None


def read_config(folder: Path) -> dict[str, Any]:
    """The resolved config of a checkpoint as plain data.

    Raises:
        CheckpointError: missing or damaged.
    """
    data = read_json(folder / CONFIG)
    check_sum(folder / CONFIG)
    return data


def _load_config(folder: Path) -> ModelConfig:
    file = folder / CONFIG
    data = read_json(file)
    try:
        config = parse_model(data, source=str(file))
    except UserError as error:
        if damage(file):
            raise DamagedCheckpoint(str(error), folder) from error
        raise
    check_sum(file)
    return config


def _load_model(folder: Path) -> Reconstructor:
    config, weights = _load_config(folder), folder / MODEL
    model = build_to_fit(lambda: build_model(config.without_downloads(), seed=0), weights)
    load_weights(model, weights)
    model.config, model.decisions = config, read_decisions(folder)
    return model.eval()


def _load_discriminator(folder: Path) -> Discriminator:
    config, weights = _load_config(folder), folder / DISCRIMINATOR
    if config.discriminator is None:
        raise CheckpointError(f"{folder}: model '{config.name}' was trained without a discriminator")
    decoder = build_to_fit(lambda: build_model(config.without_downloads(), seed=0), folder / MODEL).decoder

    def make() -> Discriminator:
        made = build_discriminator(config, decoder, seed=0)
        assert made is not None
        return made

    discriminator = build_to_fit(make, weights)
    load_weights(discriminator, weights)
    return discriminator.eval()


def _save_weights(weights: nn.Module | Mapping[str, torch.Tensor], path: Path) -> None:
    tensors = weights.state_dict() if isinstance(weights, nn.Module) else weights
    save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, path)


@contextmanager
def _errors_of_the_system() -> Iterator[None]:
    """Give back the error of the system that torch and safetensors hide behind their own."""
    try:
        yield
    except (SafetensorError, RuntimeError) as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, OSError):
            cause = cause.__context__
        number = re.search(r"\(os error (\d+)\)", str(error))  # Rust's way of saying it
        if cause is None and number is not None:
            cause = OSError(int(number[1]), os.strerror(int(number[1])))
        raise error if cause is None else cause from error
