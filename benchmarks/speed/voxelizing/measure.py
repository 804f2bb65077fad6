"""How long voxelisers take for meshes, and how good the solids of damaged ones are."""

from __future__ import annotations

import argparse
from functools import partial

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.speed.damage import DAMAGES, closed_meshes
from benchmarks.speed.timing import interleaved
from zoo.geometry.mesh import Mesh
from zoo.geometry.voxelize import solid
from zoo.metrics.iou import iou

TIMED = ("torus", "airplane", "box")
"""Meshes of 5,184, 8,320 and 12,288 faces."""

TIMED_DAMAGE = ("none", "20 % gone")


def run(args: argparse.Namespace) -> None:
    """Measure and print."""
    console = Console()
    console.print(speed(args.resolutions, args.runs))
    console.print(quality(args.resolutions[0], args.seeds))


def speed(resolutions: list[int], runs: int) -> Table:
    """Milliseconds per mesh."""
    table = Table(title="one mesh, one core: ms")
    for column in ("mesh", "faces", "damage", "cells", "trimesh", "ours", "ratio"):
        table.add_column(column, justify="left" if column in ("mesh", "damage") else "right")
    for name in TIMED:
        for kind in TIMED_DAMAGE:
            mesh = DAMAGES[kind](closed_meshes()[name], np.random.default_rng(0)).mesh
            for resolution in resolutions:
                ms = interleaved({f.__name__: partial(f, mesh, resolution) for f in (filled, ours)}, runs)
                ratio = ms["filled"] / ms["ours"]
                figures = (f"{ms['filled']:.1f}", f"{ms['ours']:.1f}", f"{ratio:.1f}x")
                table.add_row(name, f"{len(mesh.faces):,}", kind, f"{resolution}^3", *figures)
    return table


def quality(resolution: int, seeds: int) -> Table:
    """IoU with the cells inside the undamaged mesh: mean and least over meshes and seeds."""
    title = f"IoU with the undamaged solid at {resolution}^3, mean (least) of {len(closed_meshes())} meshes"
    table = Table(title=title)
    for column in ("damage", "trimesh", "ours"):
        table.add_column(column, justify="left" if column == "damage" else "right")
    for kind, damage in DAMAGES.items():
        scores: dict[str, list[float]] = {"filled": [], "ours": []}
        for mesh in closed_meshes().values():
            for seed in range(seeds):
                damaged = damage(mesh, np.random.default_rng(seed))
                truth = damaged.truth(resolution)
                for voxelise in (filled, ours):
                    scores[voxelise.__name__].append(iou(voxelise(damaged.mesh, resolution), truth))
        table.add_row(kind, *(f"{np.mean(s):.3f} ({min(s):.3f})" for s in scores.values()))
    return table


def ours(mesh: Mesh, resolution: int) -> np.ndarray:
    """What the zoo does."""
    return solid(mesh, resolution)[0]


def filled(mesh: Mesh, resolution: int) -> np.ndarray:
    """What trimesh does, on the same grid."""
    # its cells are centred on whole multiples of the pitch; those of an even grid lie half a cell beside
    shape = mesh.to_trimesh().apply_translation(np.full(3, 0.5 / resolution))
    found = shape.voxelized(1 / resolution).fill()
    index = np.rint(found.points * resolution).astype(int) + resolution // 2 - 1
    cells = np.zeros((resolution,) * 3, dtype=bool)
    cells[tuple(index[((index >= 0) & (index < resolution)).all(axis=1)].T)] = True
    return cells
