"""What is kept of every result: the record of one cell, and its per-instance rows.

A cell is one (model, data set and split, preset, seed, protocol). Means are never stored: they are recomputed
from the rows.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from zoo.errors import UserError

SCHEMA_VERSION: Literal[1] = 1

ROW_KEYS = ("id", "category", "view", "failed", "reason")
"""Columns of `rows.csv` before the metrics."""

Rows = list[dict[str, Any]]
"""One dict per instance: `ROW_KEYS`, then metric name to float, or None where it is not defined."""


class ResultError(UserError, ValueError):
    """A stored result that cannot be used, or results that must not share a table."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


class ProtocolInfo(_Part):
    """The protocol by which the rows were measured."""

    id: str
    version: int
    settings: dict[str, Any]
    """Every setting that a number depends on: points, resolutions, levels."""


class DatasetInfo(_Part):
    """The instances that were measured."""

    name: str
    version: str
    fingerprint: str
    """Hash of data, preparation options and split, as `zoo.types.Source.fingerprint`."""
    split: str
    views: str
    """The rule by which views were chosen, in words."""
    n: int = Field(ge=1)
    """Instances of the split under that rule."""
    skipped: dict[str, int] = {}
    """Items that could not be read, by reason; somebody allowed for them."""
    left_out: dict[str, int] = {}
    """Items that are left out on purpose, by reason."""
    whole: int | None = None
    """Instances of the whole split where only `n` of them were measured; None where all were."""
    leaks: int = 0
    """Instances whose shape is in an earlier split too, by name or by an equal grid."""


class Threshold(_Part):
    """The occupancy probability from which on a cell is inside."""

    value: float = Field(ge=0, le=1)
    chosen: str
    """How it was chosen, in words; never on the test instances."""


class TrainCost(_Part):
    """What training cost on `Record.device`."""

    steps: int = Field(ge=0)
    seconds: float = Field(ge=0)
    images_per_second: float = Field(ge=0)
    peak_memory_mb: float | None = None
    """Peak of the accelerator's memory, or of the process on a CPU, in 10^6 bytes."""
    selected_step: int | None = None
    """Step of the weights that were measured, where validation chose it."""
    validation_seconds: float | None = None
    """Part of `seconds` that validation while training took; None without."""
    stopped: str | None = None
    """Why the training ended before its last step; None where it did not."""


class InferenceCost(_Part):
    """What prediction cost on `Record.device`."""

    images_per_second: float = Field(ge=0)


class Git(_Part):
    """The code that ran; `commit` is None outside a git checkout."""

    commit: str | None
    dirty: bool


class Record(_Part):
    """What was run for one cell, on what, with which outcome."""

    schema_version: Literal[1] = SCHEMA_VERSION
    kind: Literal["model", "control", "files"]
    """A model that was trained here, a control, or predictions that somebody else made."""
    name: str
    title: str
    cell: str = Field(pattern=r"^[0-9a-f]{64}$")
    """`cell_hash` of what identifies the cell."""
    protocol: ProtocolInfo
    dataset: DatasetInfo
    preset: str
    seed: int | None
    """Training seed; None for what was not trained here."""
    config: dict[str, Any]
    """The resolved model config; can be fed back."""
    threshold: Threshold | None
    """None where nothing is thresholded (points, meshes)."""
    n: int = Field(ge=1)
    n_failed: int = Field(ge=0)
    parameters: int | None = None
    train: TrainCost | None = None
    inference: InferenceCost | None = None
    iou_curve: tuple[tuple[float, float], ...] = ()
    """(threshold, mean IoU over the instances) pairs, thresholds ascending."""
    hints: tuple[str, ...] = ()
    """What the predictions look like where they lie otherwise than the truth; sentences after the name."""
    versions: dict[str, str]
    device: str
    git: Git
    code: dict[str, str] = {}
    """Digest of the code of each part that the weights were trained by, see `zoo.system.source`; of older
    records unknown."""
    neighbours: str
    """Which nearest-neighbour backend measured the distances."""
    command: str
    request: dict[str, Any] | None = None
    """What made it, as `benchmarks.request.run_request.RunRequest` reads it; None of what no run made, and of
    older records."""
    date: AwareDatetime
    rows_sha256: str | None = None
    """Filled in by `save`."""

    @model_validator(mode="after")
    def _consistent(self) -> Record:
        if (self.seed is None) != (self.kind != "model"):
            raise ValueError(f"kind '{self.kind}' has seed {self.seed}; models have one, others have none")
        if self.n_failed > self.n:
            raise ValueError(f"n_failed {self.n_failed} exceeds n {self.n}")
        return self


def metric_names(rows: Rows) -> list[str]:
    """The metrics of the rows, in their order."""
    return [key for key in rows[0] if key not in ROW_KEYS] if rows else []
