"""How long readers take for binvox files."""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from trimesh.exchange.binvox import load_binvox

from benchmarks.speed.record import write_record
from datasets.formats.binvox import read_binvox, read_binvox_packed, write_binvox


@dataclass(frozen=True)
class Speed:
    """One reader on one set of files."""

    files: str
    count: int
    reader: str
    milliseconds_per_file: float
    ratio_to_trimesh: float


def run(args: argparse.Namespace) -> None:
    """Measure and print."""
    found: list[Speed] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, paths in file_sets(args.root, args.resolutions, args.shapes, Path(folder)).items():
            found += measure(name, paths, args.turns)
    table = Table(title="reading binvox files, page cache warm, CPU time")
    for column in ("files", "reader", "ms/file", "ratio"):
        table.add_column(column, justify="left" if column in ("files", "reader") else "right", no_wrap=True)
    for s in found:
        table.add_row(
            f"{s.count} x {s.files}", s.reader, f"{s.milliseconds_per_file:.4f}", f"{s.ratio_to_trimesh:.1f}x"
        )
    Console().print(table)
    if args.json:
        write_record(args.json, "reading binvox files", found, turns=args.turns)


def file_sets(root: Path | None, resolutions: list[int], shapes: int, folder: Path) -> dict[str, list[Path]]:
    """Lists of files by what to call them."""
    if root is not None:
        paths = sorted(root.rglob("*.binvox"))
        if not paths:
            raise SystemExit(f"{root}: no .binvox file in it")
        return {root.name: paths}
    from datasets.sources.procedural import ProceduralConfig, ProceduralSource
    from zoo.geometry.voxelize import solid

    source = ProceduralSource(ProceduralConfig(train=0, val=0, test=-(-shapes // 13)))
    made: dict[str, list[Path]] = {f"{r}^3": [] for r in resolutions}
    for number, item in enumerate(source.items()[:shapes]):
        mesh = source.shape(item).mesh
        for resolution in resolutions:
            path = folder / f"{number}_{resolution}.binvox"
            write_binvox(path, solid(mesh, resolution)[0], (-0.5, -0.5, -0.5), 1.0)
            made[f"{resolution}^3"].append(path)
    return made


def measure(name: str, paths: list[Path], turns: int) -> list[Speed]:
    """Each reader on the same files."""

    def by_trimesh(path: Path) -> Any:
        with path.open("rb") as file:
            return load_binvox(file).encoding.dense

    readers: dict[str, Callable[[Path], Any]] = {
        "trimesh": by_trimesh,
        "dense": read_binvox,
        "dense, then packbits": lambda path: np.packbits(read_binvox(path).voxels),
        "packed": read_binvox_packed,
    }
    times: dict[str, list[float]] = {reader: [] for reader in readers}
    for path in paths:  # the same cells, or there is nothing to compare; and the kernels are compiled
        cells = by_trimesh(path)
        if not np.array_equal(read_binvox(path).voxels, cells):
            raise SystemExit(f"{path}: read_binvox and trimesh differ")
        if not np.array_equal(read_binvox_packed(path).bits, np.packbits(cells)):
            raise SystemExit(f"{path}: read_binvox_packed and trimesh differ")
    for _ in range(turns):
        for reader, read in readers.items():
            started = process_time()
            for path in paths:
                read(path)
            times[reader].append((process_time() - started) / len(paths))
    medians = {reader: statistics.median(values) for reader, values in times.items()}
    return [
        Speed(name, len(paths), reader, 1000 * seconds, medians["trimesh"] / seconds)
        for reader, seconds in medians.items()
    ]
