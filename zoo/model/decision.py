"""What a benchmark found out about trained weights, and the threshold that goes with them.

A model of voxels gives probabilities; where its surface lies is decided on the validation split, when the
model is measured. That decision, with what was measured and on what, lies in the checkpoint and travels with
it (`zoo.training.decisions`), so that a shape knows its own level.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Name = Annotated[str, Field(max_length=500)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Decision(BaseModel):
    """One measurement of one checkpoint: under which protocol, on which data, with which outcome.

    >>> decision = Decision(
    ...     cell="0" * 64, weights="1" * 64, model="r3d", seed=0, preset="quick", protocol="r3d-v1",
    ...     protocol_version=2, dataset="procedural", dataset_version="3", data="0123", n=130, threshold=0.15,
    ...     chosen_by="validation", rule="highest mean IoU on 26 validation instances",
    ...     metrics={"iou@val": 0.392}, date="2026-12-01T12:00:00Z",
    ... )
    >>> print(decision)
    r3d-v1 on procedural 3, test, n = 130, 2026-12-01: iou@val 0.392; threshold 0.15, highest mean IoU on 26 \
validation instances
    """

    # fields of later versions are left aside
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False, use_attribute_docstrings=True)

    cell: Digest
    """Hash of all that identifies the measurement; one that is made again takes the place of the first."""
    weights: Digest
    """SHA-256 of the file of weights that was measured: a decision counts for no others."""
    model: Name
    seed: int
    preset: Name
    protocol: Name
    protocol_version: int
    dataset: Name
    dataset_version: Name
    data: Name
    """Fingerprint of data set and split."""
    split: Name = "test"
    views: int = Field(1, ge=1)
    """Pictures of each shape that its prediction was made from."""
    n: int = Field(ge=1)
    """Instances that were measured."""
    whole: int | None = Field(None, ge=1)
    """Instances of the whole split where only `n` of them were measured; None where all were."""
    n_failed: int = Field(0, ge=0)
    threshold: float | None = Field(None, ge=0, le=1)
    """Occupancy probability from which on a cell is inside; None of points and meshes, which have none."""
    chosen_by: Literal["validation", "protocol"] | None = None
    """Whether the threshold was chosen on the validation split, or the protocol fixes it for every model."""
    rule: Name = ""
    """How the threshold was chosen, in words."""
    metrics: dict[Name, float] = {}
    """Mean over the instances where a metric is defined, by its name, which carries the convention."""
    date: AwareDatetime

    def __str__(self) -> str:
        """One line for cards and messages."""
        part = "" if self.whole is None else f" of {self.whole}"
        figures = ", ".join(f"{name} {value:.4g}" for name, value in self.metrics.items())
        threshold = "" if self.threshold is None else f"; threshold {self.threshold:g}, {self.rule}"
        return (
            f"{self.protocol} on {self.dataset} {self.dataset_version}, {self.split}, n = {self.n}{part}, "
            f"{self.date:%Y-%m-%d}: {figures}{threshold}"
        )


def main_decision(decisions: Sequence[Decision]) -> Decision | None:
    """The decision whose threshold is the level of a model's shapes; None where nothing was measured.

    A threshold chosen on validation goes before one that a protocol fixes for every model, then a whole split
    before a part of it, then the newer before the older.
    """
    return max(
        decisions, key=lambda d: (d.chosen_by == "validation", d.whole is None, d.date, d.cell), default=None
    )
