"""How fast training samples come off the disk, by layout."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.speed import reading
from benchmarks.speed.layouts import LAYOUTS, Data, Layout
from benchmarks.speed.record import write_record
from datasets import PrepareOptions
from datasets.prepare import open_dataset
from datasets.sources.procedural import CATEGORIES

SECONDS = 0.5
"""A round reads all samples as often as it takes to fill this time."""


@dataclass(frozen=True)
class Speed:
    """One layout's figures: medians over the rounds.

    Attributes:
        library: what one would take instead of the store; neither it nor files as they are published.
        samples_per_second: by the clock. per_core: by the CPU time of all its threads.
    """

    layout: str
    library: bool
    samples_per_second: float
    per_core: float
    bytes_per_sample: float


def run(args: argparse.Namespace) -> None:
    """Measure and print."""
    consumed, what = consumption(args.consumed, args.model, args.preset)
    with tempfile.TemporaryDirectory() as folder:
        data = make_data(Path(folder), args.samples, args.views, tuple(args.size), args.resolution)
        found, missing = measure(LAYOUTS, data, Path(folder), args.batch, args.rounds)
    console = Console()
    console.print(table(found, data, args.batch))
    for title, why in missing.items():
        console.print(f"{title}: {why}", highlight=False)
    for line in verdicts(found, args.views, consumed, what):
        console.print(line, highlight=False)
    if args.json:
        settings = {k: v for k, v in vars(args).items() if k != "json"}
        stated = {"images_per_second": consumed, "what": what}
        write_record(args.json, "loading speed", found, settings=settings, consumed=stated, missing=missing)


def make_data(folder: Path, samples: int, views: int, size: tuple[int, int], resolution: int) -> Data:
    """Shapes of the embedded data set, prepared as for a training."""
    store = open_dataset(
        "procedural",
        data_root=folder / "prepared",
        config_overrides={"train": -(-samples // len(CATEGORIES)), "val": 0, "test": 0},
        options=PrepareOptions(resolutions=(resolution,), image_size=size, views=views, points=0),
        require=("train",),
    )
    split, chosen = store.split("train"), range(samples)
    return Data(split.images(chosen, [range(views)] * samples), split.voxels(chosen), store.path)


def measure(
    layouts: Sequence[Layout], data: Data, folder: Path, batch: int, rounds: int
) -> tuple[list[Speed], dict[str, str]]:
    """Figures of the layouts that can run here, and why the others cannot.

    Raises:
        RuntimeError: a layout gives back something else than was written.
    """
    missing = {layout.title: why for layout in layouts if (why := layout.missing())}
    there = [layout for layout in layouts if layout.title not in missing]
    folders = _written(there, data, folder)
    count, rng, found = len(data.images), np.random.default_rng(0), []
    context = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        readers = [
            stack.enter_context(
                ProcessPoolExecutor(
                    1, context, initializer=reading.begin, initargs=(layout, folders[layout.files])
                )
            )
            for layout in there
        ]
        for layout, reader in zip(there, readers, strict=True):
            chosen = np.arange(min(batch, count)) if layout.sequential else rng.permutation(count)[:batch]
            _compare(layout, data, chosen, *reader.submit(reading.read, chosen).result())
        times: list[list[tuple[float, float]]] = [[] for _ in there]
        for turn in range(rounds + 1):
            order = rng.permutation(count)
            for own, reader in zip(times, readers, strict=True):
                timed = reader.submit(reading.timed_round, order, batch, SECONDS).result()
                if turn:
                    own.append(timed)
        for layout, own in zip(there, times, strict=True):
            wall, cpu = (statistics.median(figures) for figures in zip(*own, strict=True))
            size = _bytes_below(folders[layout.files]) / count
            found.append(Speed(layout.title, layout.files not in ("files", "store"), wall, cpu, size))
    return found, missing


def _written(layouts: Sequence[Layout], data: Data, folder: Path) -> dict[str, Path]:
    """Where the files of the layouts lie; those that several read are written once."""
    folders = {"store": data.store}
    for layout in layouts:
        if layout.files not in folders:
            folders[layout.files] = folder / layout.files
            folders[layout.files].mkdir()
            assert layout.write is not None
            layout.write(folders[layout.files], data)
    return folders


def _bytes_below(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _compare(layout: Layout, data: Data, chosen: np.ndarray, images: np.ndarray, voxels: np.ndarray) -> None:
    """Raise unless a batch is what was written, its voxels packed, bool or float."""
    packed = voxels.dtype == np.uint8
    grids = np.unpackbits(voxels.reshape(len(chosen), -1), axis=1) if packed else voxels
    same = np.array_equal(images, data.images[chosen])
    if not (same and np.array_equal(grids.reshape(-1), data.voxels[chosen].reshape(-1))):
        raise RuntimeError(f"{layout.title}: what was read is not what was written")


# --- what the training takes in


def consumption(given: str | None, model: str, preset: str) -> tuple[float, str]:
    """Images per second that a training takes in, and where the figure comes from.

    Raises:
        SystemExit: the file is no record of `benchmarks.speed.training`, or not of this model.
    """
    if given is None:
        from benchmarks.speed.consumption import H100, work_of

        work = work_of(model, preset)
        return work.images_per_second(H100), (
            f"{model} takes in at most on an {H100.name}: {work.flops / 1e9:.0f} GFLOP and "
            f"{work.exponentials / 1e9:.2f} G exponentials per image, at {H100.flops / 1e12:.0f} and "
            f"{H100.exponentials / 1e12:.1f} T per second"
        )
    try:
        return float(given), f"{model} takes in (--consumed)"
    except ValueError:
        pass
    try:
        rows: list[dict[str, Any]] = json.loads(Path(given).read_text(encoding="utf-8"))["rows"]
        row = next(row for row in rows if row["model"] == model)
        return row["images_per_second"], f"{model} took in on {row['device']} ({given})"
    except (OSError, ValueError, KeyError, StopIteration) as error:
        raise SystemExit(
            f"--consumed {given}: neither a number nor a record of benchmarks.speed.training --json with the "
            f"model '{model}' ({type(error).__name__}: {error})"
        ) from None


def table(found: list[Speed], data: Data, batch: int) -> Table:
    """Samples per second by layout, ratios against the first."""
    count, views, _, height, width = data.images.shape
    made = Table(
        title=f"{count} samples: {views} x {height}x{width} RGBA, {data.voxels.shape[1]}^3 voxels; random "
        f"batches of {batch}"
    )
    for column in ("layout", "samples/s", "per core", "ratio", "bytes/sample"):
        made.add_column(column, justify="left" if column == "layout" else "right", no_wrap=True)
    for s in found:
        ratio = s.per_core / found[0].per_core
        figures = (f"{s.samples_per_second:,.0f}", f"{s.per_core:,.0f}", f"{ratio:.1f}x")
        made.add_row(s.layout, *figures, f"{s.bytes_per_sample:,.0f}")
    return made


def verdicts(found: list[Speed], views: int, consumed: float, what: str) -> list[str]:
    """The store against files, against the best library, and against what a training takes in."""
    own = next(s for s in found if s.layout == "store")
    files, best = found[0], max((s for s in found if s.library), key=lambda s: s.per_core)
    images = own.samples_per_second * views
    return [
        f"store, per core: {own.per_core / files.per_core:.0f} times {files.layout}",
        f"store, per core: {own.per_core / best.per_core:.1f} times the best library here, {best.layout}",
        f"store, one thread: {images / consumed:.1f} times the {consumed:,.0f} images/s that {what}",
    ]
