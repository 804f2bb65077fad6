"""Closed meshes, and what goes wrong with meshes: what the voxeliser is tried on, for speed and quality."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import trimesh
from scipy import ndimage

from datasets.making.draw import Draw
from datasets.sources.procedural.families import make
from zoo.geometry.mesh import Mesh
from zoo.geometry.voxelize import solid

FACES = 5000
"""Shapes are cut finer until they have as many faces: some 5,000 to 20,000."""

STYLES = {
    "airplane": "airliner",
    "car": "suv",
    "chair": "dining",
    "lamp": "table",
    "sofa": "standard",
    "table": "pedestal",
    "watercraft": "tug",
}
"""Category and style of the embedded data set's shapes: unions of overlapping closed parts."""


@dataclass(frozen=True)
class Damaged:
    """A mesh that is not what it should be, and the closed parts whose union it should be."""

    mesh: Mesh
    parts: tuple[Mesh, ...]

    def truth(self, resolution: int) -> np.ndarray:
        """The cells (R, R, R) bool that a perfect voxeliser would find."""
        return np.logical_or.reduce([solid(part, resolution)[0] for part in self.parts])


@cache
def closed_meshes() -> dict[str, Mesh]:
    """Five bodies turned off the axes and seven shapes of the embedded data set, by name."""
    make_body = trimesh.creation
    bodies = {
        "ball": make_body.icosphere(4),
        "torus": make_body.torus(1.0, 0.4, major_sections=72, minor_sections=36),
        "capsule": make_body.capsule(height=2.5, radius=1.0, count=[64, 64]),
        "box": make_body.box((7, 4, 5)),
        "cylinder": make_body.cylinder(3.0, 7.0, sections=48),
    }
    meshes = {}
    for number, (name, body) in enumerate(bodies.items()):
        body.apply_transform(trimesh.transformations.euler_matrix(0.3 + number, 0.5, 0.2 * number))
        meshes[name] = finer(Mesh(body.vertices, body.faces)).normalized()
    for category, style in STYLES.items():
        meshes[category] = finer(make(category, style, Draw("damage", category, style)).mesh)
    return meshes


def finer(mesh: Mesh, least: int = FACES) -> Mesh:
    """Every face cut into four, again until there are at least so many."""
    vertices, faces = mesh.vertices, mesh.faces
    while len(faces) < least:
        vertices, faces = trimesh.remesh.subdivide(vertices, faces)
    return Mesh(vertices, faces)


def gone(mesh: Mesh, rng: np.random.Generator, share: float) -> Damaged:
    """Faces missing here and there."""
    return Damaged(Mesh(mesh.vertices, mesh.faces[rng.random(len(mesh.faces)) >= share]), (mesh,))


def hole(mesh: Mesh, rng: np.random.Generator, share: float = 0.03) -> Damaged:
    """The faces around one of them missing."""
    centres = mesh.triangles.mean(axis=1)
    distance = np.linalg.norm(centres - centres[rng.integers(len(centres))], axis=1)
    return Damaged(Mesh(mesh.vertices, mesh.faces[distance > np.quantile(distance, share)]), (mesh,))


def flipped(mesh: Mesh, rng: np.random.Generator, share: float = 0.3) -> Damaged:
    """Faces turned inside out."""
    chosen = rng.random(len(mesh.faces)) < share
    return Damaged(Mesh(mesh.vertices, np.where(chosen[:, None], mesh.faces[:, ::-1], mesh.faces)), (mesh,))


def doubled(mesh: Mesh, rng: np.random.Generator, share: float = 0.3) -> Damaged:
    """Faces that are there twice."""
    again = mesh.faces[rng.random(len(mesh.faces)) < share]
    return Damaged(Mesh(mesh.vertices, np.concatenate([mesh.faces, again])), (mesh,))


def doubled_and_flipped(mesh: Mesh, rng: np.random.Generator, share: float = 0.1) -> Damaged:
    """Faces that are drawn on both sides."""
    again = mesh.faces[rng.random(len(mesh.faces)) < share]
    return Damaged(Mesh(mesh.vertices, np.concatenate([mesh.faces, again[:, ::-1]])), (mesh,))


def inner_surface(mesh: Mesh, rng: np.random.Generator) -> Damaged:
    """A ball inside, where the mesh is thickest, turned outwards as if it were alone."""
    depth = ndimage.distance_transform_edt(np.pad(solid(mesh, 64)[0], 1))[1:-1, 1:-1, 1:-1] / 64
    deepest = (np.array(np.unravel_index(depth.argmax(), depth.shape)) + 0.5) / 64 - 0.5
    return Damaged(Mesh.concatenate([mesh, _ball(deepest, 0.8 * float(depth.max()))]), (mesh,))


def overlapping_parts(mesh: Mesh, rng: np.random.Generator) -> Damaged:
    """Two balls stuck halfway into the surface."""
    balls = [_ball(mesh.vertices[rng.integers(len(mesh.vertices))], 0.12) for _ in range(2)]
    return Damaged(Mesh.concatenate([mesh, *balls]), (mesh, *balls))


def _ball(centre: np.ndarray, radius: float) -> Mesh:
    ball = trimesh.creation.icosphere(3, radius)
    return Mesh(ball.vertices + centre, ball.faces)


DAMAGES: dict[str, Callable[[Mesh, np.random.Generator], Damaged]] = {
    "none": lambda mesh, rng: Damaged(mesh, (mesh,)),
    "5 % gone": lambda mesh, rng: gone(mesh, rng, 0.05),
    "20 % gone": lambda mesh, rng: gone(mesh, rng, 0.2),
    "hole": hole,
    "30 % flipped": flipped,
    "30 % doubled": doubled,
    "10 % doubled and flipped": doubled_and_flipped,
    "inner surface": inner_surface,
    "overlapping parts": overlapping_parts,
}
