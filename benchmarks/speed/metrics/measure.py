"""How long scoring takes: metric by metric, and from end to end."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.protocols import PROTOCOLS, Truth
from benchmarks.scoring.score import score
from benchmarks.speed import straightforward
from benchmarks.speed.alternatives import Compared, compared
from benchmarks.speed.blurred import Pair, pairs
from benchmarks.speed.record import write_record
from benchmarks.speed.straightforward import Clock
from zoo.device import describe_device, pick_device
from zoo.metrics import METRICS
from zoo.metrics.inputs import Measured
from zoo.seeding import rng
from zoo.shapes import VoxelShape

SHARED = ("iou@val", "iou@.5", "cd", "fscore@1%", "fscore@2%", "fscore@5%", "emd")
"""Columns of r3d-v1 that the script has as well."""
METRICS_TIMED = {"IoU": "iou", "CD": "chamfer", "F-score": "fscore", "EMD": "emd", "IoU filled": "iou_filled"}
MATCHED = 1024
DISTINCT = 130
"""Different shapes; more instances are the same grids with other points."""
FEWEST = 8
"""Instances from which the spread of the sampling can be told."""
SPREAD = 5.0
"""Standard errors by which the means of two samplings may differ."""


@dataclass(frozen=True)
class Rate:
    """Instances per second; None where one of the two does not measure it."""

    what: str
    script: float | None
    ours: float | None


def run(args: argparse.Namespace) -> None:
    """Measure and print."""
    console, load = Console(), [os.getloadavg()[0]]
    made = pairs(min(args.instances, DISTINCT), args.resolution)
    single = compared(made, args.sizes, args.runs) if args.sizes else []
    if single:
        console.print(by_metric(single))
    rates, level, spread = end_to_end(made, args.instances, args.subset, args.points, args.workers)
    load.append(os.getloadavg()[0])
    console.print(overall(rates, args.instances, args.subset, args.resolution))
    console.print(
        f"Same instances, both ways: IoU equal; mean CD, F-score and EMD within {spread:.1f} standard errors "
        f"of their sampling (allowed: {SPREAD:g}). Load at begin and end: {load[0]:.1f}, {load[1]:.1f}.",
        highlight=False,
    )
    if args.json:
        settings = {k: v for k, v in vars(args).items() if k != "json"}
        stated = {"threshold": level, "standard_errors": spread, "load": load}
        device = describe_device(pick_device("cpu"))
        rows: list[Compared | Rate] = [*single, *rates]
        write_record(args.json, "speed of metrics", rows, settings=settings, device=device, **stated)


def by_metric(rows: list[Compared]) -> Table:
    """Milliseconds of one call."""
    table = Table(title="one metric of one pair of shapes: ms")
    for column in ("metric", "ours", "ms", "alternative", "ms", "ratio", "agree to"):
        table.add_column(column, justify="right" if column in ("ms", "ratio", "agree to") else "left")
    for row in rows:
        if row.why is not None:
            table.add_row(row.metric, row.ours, "", row.alternative, "", "", row.why)
            continue
        assert row.ms is not None and row.ours_ms is not None
        figures = f"{row.ms:.2f}", f"{row.ms / row.ours_ms:.1f}x", f"{row.tolerance:g}"
        table.add_row(row.metric, row.ours, f"{row.ours_ms:.2f}", row.alternative, *figures)
    return table


def overall(rates: list[Rate], instances: int, subset: int, resolution: int) -> Table:
    """Instances per second, and how many times the script's."""
    table = Table(
        title=f"{instances:,} predictions of {resolution}^3 under r3d-v1, instances per second "
        f"(script: {subset} of them)"
    )
    for column in ("", "script", "ours", "ratio"):
        table.add_column(column, justify="right" if column else "left")
    for rate in rates:
        script, ours = ("not measured" if r is None else f"{r:,.2f}" for r in (rate.script, rate.ours))
        ratio = f"{rate.ours / rate.script:.1f}x" if rate.ours and rate.script else ""
        table.add_row(rate.what, script, ours, ratio)
    return table


def end_to_end(
    made: list[Pair], instances: int, subset: int, points: int, workers: int | None
) -> tuple[list[Rate], float, float]:
    """Rates of both, the threshold, and the largest difference of means in standard errors.

    Raises:
        RuntimeError: the two do not measure the same.
    """
    entry = PROTOCOLS.get("r3d-v1")
    protocol = entry.cls(entry.config.model_validate({"points": points}))
    truths = [
        Truth(f"{k:05d}", made[k % len(made)].category, 0, VoxelShape(made[k % len(made)].truth))
        for k in range(instances)
    ]
    predictions = [VoxelShape(made[k % len(made)].prediction) for k in range(instances)]
    choice = protocol.choose_threshold(predictions[: len(made)], truths[: len(made)])
    assert choice is not None
    level, theirs, ours = choice.value, Clock(), Clock()
    by_script: list[dict[str, float]] = []

    def script(k: int) -> np.ndarray:
        started = _now()
        pair = made[k % len(made)]
        arguments = pair.prediction, pair.truth, level, points, MATCHED, 2 * k, theirs
        by_script.append(straightforward.evaluate(*arguments))
        return _now() - started

    one_by_one(made[0], level, points, 0, Clock())  # compiles or loads what is compiled
    seconds = np.sum([script(k) for k in range(subset // 2)], axis=0)
    started = _now()
    rows = score({"ours": predictions}, truths, protocol, {"ours": level}, workers=workers).rows["ours"]
    whole = _now() - started
    for k in range(subset):  # by turns with what is left of the script's
        one_by_one(made[k % len(made)], level, points, k, ours)
        if k >= subset // 2:
            seconds += script(k)
    spread = agreement(by_script, rows[:subset])
    names = "all", "all, per CPU second"
    rates = [Rate(*r) for r in zip(names, subset / seconds, instances / whole, strict=True)]
    for what in ours.seconds:
        script_seconds = theirs.seconds.get(what)
        rate = None if script_seconds is None else subset / script_seconds
        rates.append(Rate(what, rate, subset / ours.seconds[what]))
    return rates, level, spread


def _now() -> np.ndarray:
    """Wall-clock seconds, and CPU seconds of this process and of its children that have ended."""
    times = os.times()
    return np.array([times.elapsed, times.user + times.system + times.children_user + times.children_system])


def one_by_one(pair: Pair, level: float, points: int, seed: int, clock: Clock) -> None:
    """The steps of r3d-v1 for one instance, in its order, each on the clock."""
    with clock("surface"):
        true = VoxelShape(pair.truth)
        low, high = Truth("", pair.category, 0, true).bounds
        centre, scale = (low + high) / 2, 1 / float((high - low).max())
        clouds = (
            true.points(points, rng(seed, "truth")),
            VoxelShape(pair.prediction).points(points, rng(seed, "prediction"), level),
        )
        a, b = (Measured((cloud - centre) * scale, seed=seed) for cloud in clouds)
        a.voxels, b.voxels, b.threshold, b.centre, b.scale = pair.truth, pair.prediction, level, centre, scale
    for what, name in METRICS_TIMED.items():
        entry = METRICS.get(name)
        with clock(what):
            entry.cls(entry.config())(b, a)


def agreement(script: list[dict[str, float]], ours: list[dict[str, float]]) -> float:
    """The largest difference of the means of sampled columns, in standard errors.

    Raises:
        RuntimeError: an IoU differs, or a mean differs by more than `SPREAD`.
    """
    largest = 0.0
    for name in SHARED:
        difference = np.array([a[name] - b[name] for a, b in zip(script, ours, strict=True)])
        if name.startswith("iou"):
            if np.abs(difference).max() > 1e-12:
                raise RuntimeError(f"{name} differs by up to {np.abs(difference).max():.3g}")
            continue
        error = difference.std(ddof=1) / len(difference) ** 0.5
        off = abs(difference.mean()) / error
        if not off <= SPREAD:
            raise RuntimeError(
                f"the mean {name} of the script differs by {difference.mean():.3g}, {off:.1f} standard errors"
            )
        largest = max(largest, float(off))
    return largest
