"""What a training says when it is done."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class TrainReport:
    """What a finished run says of itself.

    Attributes:
        checkpoint: folder of the final weights.
        seconds: time in steps; images_per_second: samples seen per such second.
        selected_step: whose weights are those that are kept: the best that was validated, else the last.
        validation_seconds: part of `seconds`. stopped: why it ended early; empty where it did not.
        peak_memory_mib: of the device's allocations on CUDA, of the process elsewhere; None if unknown.

    >>> report = TrainReport(Path("runs/r3d/step-0000500"), 500, 120.0, 66.7, None, 6_000_000)
    >>> f"{report.steps / report.seconds:.1f} steps per second"
    '4.2 steps per second'
    """

    checkpoint: Path
    steps: int
    seconds: float
    images_per_second: float
    peak_memory_mib: float | None
    parameters: int
    selected_step: int = 0
    validation_seconds: float = 0.0
    stopped: str = ""
