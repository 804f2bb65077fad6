"""How long a view of a mesh takes, by our rasteriser and by Embree's rays."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.speed.damage import STYLES, finer
from benchmarks.speed.timing import interleaved
from datasets.making.draw import Draw
from datasets.sources.procedural.families import make
from zoo.geometry.camera import Camera
from zoo.geometry.mesh import Mesh
from zoo.geometry.render import render

SIZES = ((137, 137), (192, 256))
"""Sizes of 3D-R2N2's pictures and of R3D's."""

MISSING = """embreex is not installed: no ray caster to compare with. It need not go into this environment:
    python -m pip install --no-deps --target DIR embreex
    PYTHONPATH=DIR python -m benchmarks.speed.rendering"""

CAMERAS = tuple(Camera(azimuth, 27, 1.9) for azimuth in (30, 150, 270))


def run(args: argparse.Namespace) -> None:
    """Measure and print."""
    if importlib.util.find_spec("embreex") is None:
        print(MISSING, file=sys.stderr)
        raise SystemExit(2)
    table = Table(title=f"one view, one core: ms, mean of {len(CAMERAS)} cameras")
    for column in (
        *("mesh", "faces", "pixels", "Embree", "ours", "ratio"),
        *("ours 2x2", "set-up", "mask IoU", "depth"),
    ):
        table.add_column(column, justify="left" if column == "mesh" else "right")
    for category in ("chair", "car"):
        shape = make(category, STYLES[category], Draw("damage", category, STYLES[category])).mesh
        for least in args.faces:
            mesh = finer(shape, least)
            for size in SIZES:
                table.add_row(category, f"{len(mesh.faces):,}", *compare(mesh, size, args.runs))
    Console().print(table)


def compare(mesh: Mesh, size: tuple[int, int], runs: int) -> list[str]:
    """The figures of one mesh and size, as they are printed."""
    started = perf_counter()
    rays = Rays(mesh)
    rays.view(CAMERAS[0], (1, 1))  # the tree is built by the first query
    set_up = 1000 * (perf_counter() - started)
    ms, overlap, error = [], [], []
    for camera in CAMERAS:
        calls: dict[str, Callable[[], object]] = {
            "Embree": partial(rays.view, camera, size),
            "ours": partial(render, mesh, camera, size, supersample=1),
            "2x2": partial(render, mesh, camera, size),
        }
        ms.append(interleaved(calls, runs))
        mask, depth, _ = rays.view(camera, size)
        picture = render(mesh, camera, size, supersample=1)
        overlap.append((mask & picture.mask).sum() / (mask | picture.mask).sum())
        both = mask & picture.mask
        error.append(np.abs(depth[both] - picture.depth[both]).max())
    embree, ours, finer_samples = (np.mean([m[name] for m in ms]) for name in ("Embree", "ours", "2x2"))
    return [
        *(f"{size[0]}x{size[1]}", f"{embree:.1f}", f"{ours:.1f}", f"{embree / ours:.1f}x"),
        *(f"{finer_samples:.1f}", f"{set_up:.0f}", f"{np.mean(overlap):.4f}", f"{np.mean(error):.0e}"),
    ]


class Rays:
    """trimesh's ray interface on Embree: what sees a mesh through the centre of every pixel."""

    def __init__(self, mesh: Mesh) -> None:
        self.shape: Any = mesh.to_trimesh()
        self.corners, self.normals = mesh.triangles[:, 0], self.shape.face_normals

    def view(self, camera: Camera, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Mask (H, W), depth (H, W) along the axis and normals (H, W, 3) in the camera frame."""
        height, width = size
        rotation, focal = camera.matrix()[:3, :3], camera.focal(size)
        v, u = np.indices(size).reshape(2, -1) + 0.5
        rays = np.stack([(u - width / 2) / focal, (v - height / 2) / focal, np.ones(len(u))], axis=1)
        directions = rays @ rotation
        origins = np.broadcast_to(camera.position, directions.shape)
        face = self.shape.ray.intersects_first(origins, directions)
        hit = face >= 0
        face, towards = face[hit], directions[hit]
        normal = self.normals[face]
        # a ray's z is 1 in the camera frame: its length to the face's plane is the depth
        cosine = np.einsum("ij,ij->i", normal, towards)
        depth, normals = np.full(height * width, np.inf), np.zeros((height * width, 3))
        depth[hit] = np.einsum("ij,ij->i", normal, self.corners[face] - camera.position) / cosine
        normals[hit] = (normal * -np.sign(cosine)[:, None]) @ rotation.T
        return hit.reshape(size), depth.reshape(size), normals.reshape(height, width, 3)
