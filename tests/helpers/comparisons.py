"""Comparisons made by hand, with columns, rows and pairs whose numbers are known."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.records.schema import Record
from benchmarks.records.storage import load
from benchmarks.statistics.bootstrap import Interval
from benchmarks.statistics.comparison import Comparison
from benchmarks.statistics.paired import Paired
from benchmarks.statistics.pairs import PairedRow
from benchmarks.statistics.rows import ComparedRow, Estimate
from benchmarks.statistics.standing import Standing, turned
from zoo.metrics import Column

GOLDEN = Path(__file__).parents[1] / "golden"
COLUMNS = (
    Column("iou@val", "IoU", "higher", 0.0, 3, "fraction"),
    Column("cd", "CD", "lower", 3.46, 4, "longest edges"),
    Column("emd", "EMD", "lower", 1.73, 4, "longest edges"),
    Column("cd_sq", "CD² ×1000", "lower", 6.0, 2, "squared", 1000.0),
)
PROTOCOL: Any = SimpleNamespace(
    id="r3d-v1",
    version=1,
    columns=COLUMNS,
    headline=("iou@val", "cd", "emd"),
    stand_ins={},
    average="instance",
    published=("r3d_table1",),
    describe=lambda: "as written",
)
INSTANCES = tuple((f"{c}-{k}", 0, c) for c, n in (("chair", 32), ("lamp", 4)) for k in range(n))


def make_record(name: str, kind: str, seed: int | None, **changes: Any) -> Record:
    template = load(GOLDEN / "results_v1" / ("model" if kind == "model" else "control"))[0]
    dataset = template.dataset.model_copy(update={"n": len(INSTANCES)})
    return template.model_copy(
        update={"name": name, "title": name, "seed": seed, "dataset": dataset} | changes
    )


def make_row(
    name: str,
    iou: float | None,
    cd: float,
    kind: str = "model",
    seeds: int = 1,
    missing: int = 0,
    **changes: Any,
) -> ComparedRow:
    half = {"iou@val": 0.02, "cd": 0.004, "emd": 0.006}
    means = {"iou@val": iou, "cd": cd, "emd": cd / 2, "cd_sq": cd**2}

    def estimates(shift: float, interval: bool) -> dict[str, Estimate | None]:
        return {
            m: None
            if v is None
            else Estimate(v + shift, v + shift - half[m], v + shift + 2 * half[m], 36)
            if interval and m in half
            else Estimate(v + shift, None, None, 36)
            for m, v in means.items()
        }

    records = [
        make_record(name, kind, k if kind == "model" else None, **changes)
        for k in range(seeds if kind == "model" else 1)
    ]
    return ComparedRow(
        name=name,
        records=tuple(records),
        n=36 - missing,
        missing=missing,
        instance_mean=estimates(0.0, True),
        category_mean=estimates(0.01, True),
        categories={"chair": estimates(0.02, True), "lamp": estimates(-0.02, False)},
        values={m: np.full((seeds, 36), np.nan if v is None else v) for m, v in means.items()},
        failures=((0, "lamp-1", 0, "empty"),) if name == "r3d" else (),
    )


def make_pair(row: str, against: str, metric: str, d: float, low: float, high: float, p: float) -> PairedRow:
    return PairedRow(
        row, against, metric, Paired(d, low, high, p, 36, 36), p, Interval(0.4, 0.3, 0.5, 36, 36, 1)
    )


def make_comparison(*rows: ComparedRow, paired: tuple[PairedRow, ...] = (), **changes: Any) -> Comparison:
    return Comparison(
        protocol=PROTOCOL,
        record=rows[0].records[0],
        instances=INSTANCES,
        rows=rows,
        paired=paired,
        primary=("iou@val", "cd"),
        reference=rows[0].name,
        baseline="mean_shape",
        resamples=10_000,
        **changes,
    )


def example() -> Comparison:
    """Four models, one of them incomplete, and two controls; r3d leads by IoU, nobody by CD and EMD."""
    told = make_pair("vae_gan_baseline", "r3d", "iou@val", -0.023, -0.041, -0.004, 0.03)
    tied = make_pair("vae_gan_baseline", "r3d", "cd", -0.0036, -0.0080, 0.0011, 0.2)
    behind = make_pair("psgn", "vae_gan_baseline", "cd", 0.0103, 0.0060, 0.0150, 0.001)
    leaders = {
        ("instance", None, "iou@val"): frozenset(["r3d"]),
        ("instance", None, "cd"): frozenset(["r3d", "vae_gan_baseline"]),
        ("instance", None, "emd"): frozenset(["r3d", "vae_gan_baseline", "psgn"]),
        ("category", None, "iou@val"): frozenset(["r3d"]),
        ("instance", "chair", "iou@val"): frozenset(["r3d"]),
    }
    return make_comparison(
        make_row("r3d", 0.412, 0.1234, seeds=3),
        make_row("vae_gan_baseline", 0.389, 0.1198, n_failed=2),
        make_row("psgn", None, 0.1301, threshold=None),
        make_row("r2n2", 0.5, 0.09, missing=4),
        make_row("mean_shape", 0.25, 0.21, kind="control", title="mean shape of training"),
        make_row("other", 0.95, 0.02, kind="control", title="ground truth at model resolution"),
        paired=(
            told,
            tied,
            make_pair("r3d", "mean_shape", "iou@val", 0.162, 0.131, 0.193, 0.0004),
            make_pair("r3d", "mean_shape", "cd", -0.0866, -0.1, -0.07, 0.0004),
        ),
        standings=(
            Standing("iou@val", "r3d", (told,), None, ()),
            Standing("cd", "vae_gan_baseline", (turned(tied), behind), None, ()),
        ),
        leaders=leaders,
    )
