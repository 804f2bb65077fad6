"""Weights that a training starts from."""

from pathlib import Path

from torch import nn

from zoo.parts import MODEL_PARTS
from zoo.training.checkpoint import MODEL, read_weights
from zoo.training.integrity import CheckpointError, weights_sum
from zoo.training.run_folder import from_newest


def start_from(model: nn.Module, path: str | Path) -> tuple[str, ...]:
    """Take over the weights of every part that a checkpoint, or a run's newest, has in the same form.

    Returns:
        The parts that were taken over, like ('encoder', 'decoder').

    Raises:
        CheckpointError: nothing there, damaged weights, or no part that fits.
    """
    return from_newest(Path(path), lambda folder: _take_over(model, folder))


def start_sum(path: str | Path) -> str:
    """SHA-256 of the weights that `start_from` would read.

    Raises:
        CheckpointError: nothing there.
    """
    return from_newest(Path(path), weights_sum)


def _take_over(model: nn.Module, folder: Path) -> tuple[str, ...]:
    tensors = read_weights(folder / MODEL)
    taken, why = [], []
    for name in MODEL_PARTS[:-1]:
        part = getattr(model, name, None)
        if part is None:
            continue
        theirs = {k.removeprefix(f"{name}."): v for k, v in tensors.items() if k.startswith(f"{name}.")}
        own = part.state_dict()
        if {k: v.shape for k, v in theirs.items()} == {k: v.shape for k, v in own.items()}:
            part.load_state_dict(theirs)
            taken.append(name)
        else:
            differ = sorted(
                k
                for k in own.keys() | theirs.keys()
                if k not in own or k not in theirs or own[k].shape != theirs[k].shape
            )
            why.append(f"{name} ({differ[0]} and {len(differ) - 1} more differ)")
    if not taken:
        raise CheckpointError(f"{folder}: no part of it fits the model: {'; '.join(why)}")
    return tuple(taken)
