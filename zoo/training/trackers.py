"""Where else a training reports to: TensorBoard, or whatever a user hooks in.

A tracker is called with every row that goes into the log: 'step', 'stage', 'loss' and other figures.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from zoo.errors import UserError

Tracker = Callable[[dict[str, Any]], None]


def make_tracker(name: str, run_dir: Path) -> Tracker:
    """The tracker of a run.

    Args:
        name: 'tensorboard', or ``module:function``: what takes the run folder and gives a tracker.

    Raises:
        UserError: no such function, or a library that it needs is not installed.
    """
    if name == "tensorboard":
        return tensorboard(run_dir / "tensorboard")
    module, _, function = name.partition(":")
    try:
        make = getattr(import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(
            f"tracker '{name}': neither tensorboard nor the module:function of a tracker that can be "
            f"imported ({error})"
        ) from error
    tracker: Tracker = make(run_dir)
    return tracker


def tensorboard(folder: Path) -> Tracker:
    """Write every figure as a scalar of an event file in a folder.

    Raises:
        UserError: TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UserError(
            "TensorBoard is not installed; install it with: pip install 'r3d-zoo[tracking]'"
        ) from error
    writer = SummaryWriter(str(folder))

    def track(row: dict[str, Any]) -> None:
        for name, value in row.items():
            if isinstance(value, int | float) and name != "step":
                writer.add_scalar(name, value, row["step"])
        writer.flush()

    return track
