"""Predictions with a planted fault each, made from true shapes: what a protocol sees, and what it forgives.

Writes `gt/` and one folder for each fault, of grids as .npz, and says how to score them. A protocol with a
fixed frame ranks the perfect ones first and the empty ones last, with every fault between; one that scales
each cloud by itself forgives size and place, and finds a stray voxel worse than either.

With --meshes the predictions are surfaces: marching cubes of the same grids at one half, where a stray voxel
is no more, and nothing leaves no file.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import scipy
from rich.console import Console

from benchmarks.request.common_options import DATA, add_common, open_store
from zoo.cli.command import leave, run_command
from zoo.cli.plugins import load_plugins
from zoo.geometry.surface import marching_cubes
from zoo.names import file_names
from zoo.seeding import rng

Fault = Callable[[np.ndarray, np.random.Generator], np.ndarray]
"""True occupancy (R, R, R) bool -> predicted probabilities (R, R, R) float32."""

STRAY = 0.15
"""Probability of the stray voxel: below usual thresholds, above the level of Pix3D's surface."""


def perfect(grid: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """The truth, as 0 and 1."""
    return grid.astype(np.float32)


def stray(grid: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """The truth, and one unlikely voxel in the corner that is farthest from it."""
    found = grid.astype(np.float32)
    corners = np.array(list(np.ndindex(2, 2, 2))) * (len(grid) - 1)
    distances = scipy.ndimage.distance_transform_edt(~grid)
    far = corners[np.argmax([distances[tuple(corner)] for corner in corners])]
    found[tuple(far)] = max(found[tuple(far)], STRAY)
    return found


def noise(grid: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Blurred by a cell, and noise of a tenth on every probability: near, as a good network is."""
    blurred = scipy.ndimage.gaussian_filter(grid.astype(np.float32), 0.7)
    return np.clip(blurred + generator.normal(0, 0.1, grid.shape), 0, 1).astype(np.float32)


def shifted(grid: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """An eighth of the cube to one side; what leaves the cube is lost."""
    return scipy.ndimage.shift(grid.astype(np.float32), (len(grid) // 8, 0, 0), order=0)


def scaled(grid: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Seven tenths of the size, about the centre of the cube."""
    middle = (len(grid) - 1) / 2
    return scipy.ndimage.affine_transform(
        grid.astype(np.float32), np.full(3, 1 / 0.7), middle - middle / 0.7, order=1
    )


def turned(grid: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A quarter turn about the vertical."""
    return np.rot90(grid, axes=(0, 2)).astype(np.float32)


def swapped(grid: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """y and z exchanged, as a reader of binvox files does that takes their order for x, y, z."""
    return grid.transpose(0, 2, 1).astype(np.float32)


def cube(grid: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """The whole cube, but for its outermost cells."""
    found = np.zeros(grid.shape, np.float32)
    found[1:-1, 1:-1, 1:-1] = 1
    return found


def empty(grid: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Nothing."""
    return np.zeros(grid.shape, np.float32)


FAULTS: tuple[Fault, ...] = (perfect, stray, noise, shifted, scaled, turned, swapped, cube, empty)


def write(out: Path, grids: dict[str, np.ndarray], meshes: bool = False) -> list[Path]:
    """Write the true grids and every fault of them below `out`; returns the folders of predictions.

    Args:
        grids: name to true occupancy (R, R, R) bool.
        meshes: predictions as surfaces (.ply); what has none has no file.
    """
    for name, grid in grids.items():
        _save(out / "gt" / name, grid, meshes=False)
        for fault in FAULTS:
            _save(out / fault.__name__ / name, fault(grid, rng(0, "planted", fault.__name__, name)), meshes)
    return [folder for fault in FAULTS if (folder := out / fault.__name__).is_dir()]


def _save(path: Path, voxels: np.ndarray, meshes: bool) -> None:
    surface = marching_cubes(voxels, 0.5) if meshes else None
    if surface is not None and not len(surface.faces):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if surface is None:
        np.savez_compressed(path.with_name(f"{path.name}.npz"), voxels=voxels)
    else:
        surface.to_trimesh().export(path.with_name(f"{path.name}.ply"))


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; exit status 2 for bad input."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.studies.planted",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--limit", type=int, metavar="N", help="the first N shapes alone")
    parser.add_argument(
        "--meshes", action="store_true", help="predictions as .ply: marching cubes at one half of the grids"
    )
    add_common(parser, *DATA, "out", out=Path("planted"))
    args = parser.parse_args(argv)
    return run_command(lambda: run(args, Console(soft_wrap=True, highlight=False, markup=False, emoji=False)))


def run(args: argparse.Namespace, console: Console) -> None:
    """Write the folders and say how to score them."""
    load_plugins(args.plugin, args.dataset)
    _, store = open_store(args)
    split = store.split("test")
    places = zip(file_names(split.categories), file_names(split.ids), strict=True)
    names = [f"{category}/{id}" for category, id in places]
    some = range(len(split) if args.limit is None else min(args.limit, len(split)))
    voxels = split.voxels(list(some), max(store.resolutions))
    folders = write(args.out, {names[k]: voxels[k] >= 0.5 for k in some}, args.meshes)
    console.print(
        f"{len(some)} shapes of '{args.dataset}' in {len(folders)} folders below {args.out}. To score them:\n"
        f"python -m benchmarks.evaluate --gt {args.out / 'gt'} --pred {' '.join(map(str, folders))}"
    )


if __name__ == "__main__":
    leave(main())
