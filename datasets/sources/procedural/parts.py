"""Collecting coloured parts into one normalised shape, and the colours of its materials."""

from __future__ import annotations

from math import cos, radians, sin

import numpy as np

from zoo.geometry.mesh import ColoredMesh, Mesh

from ...making.draw import Draw

Color = tuple[float, float, float]

LATTICE = 2**16
"""Steps per cube edge of the lattice that finished vertices lie on."""


class Parts:
    """The parts of a shape under construction, in the family's own unit."""

    def __init__(self) -> None:
        self._vertices: list[np.ndarray] = []
        self._faces: list[np.ndarray] = []
        self._colors: list[tuple[Color, int]] = []
        self._count = 0

    def _append(self, vertices: np.ndarray, faces: np.ndarray, color: Color) -> None:
        self._vertices.append(vertices)
        self._faces.append(faces + self._count)
        self._colors.append((color, len(faces)))
        self._count += len(vertices)

    def add(self, mesh: Mesh, color: Color) -> None:
        """One closed part."""
        self._append(mesh.vertices, mesh.faces, color)

    def pair(self, mesh: Mesh, color: Color, axis: str = "z") -> None:
        """The part and its mirror image across the plane through the origin, normal to `axis`."""
        self.add(mesh, color)
        self._append(mesh.vertices * _MIRROR[axis], mesh.faces[:, ::-1], color)

    def corners(self, mesh: Mesh, color: Color) -> None:
        """The part mirrored into all four quadrants of the (x, z) plane."""
        self.pair(mesh, color)
        self._append(mesh.vertices * _MIRROR["x"], mesh.faces[:, ::-1], color)
        self._append(mesh.vertices * _MIRROR["x"] * _MIRROR["z"], mesh.faces, color)

    def around(self, mesh: Mesh, count: int, color: Color, start: float = 0.0) -> None:
        """`count` copies at equal angles about the y axis, the first turned by `start` degrees."""
        for k in range(count):
            angle = radians(start + 360.0 * k / count)
            c, s = cos(angle), sin(angle)
            x, y, z = mesh.vertices.T
            self._append(np.stack([c * x + s * z, y, c * z - s * x], 1), mesh.faces, color)

    def include(self, other: Parts, offset: tuple[float, float, float], degrees: float = 0.0) -> None:
        """Everything in `other`, turned about the y axis and then shifted."""
        c, s = cos(radians(degrees)), sin(radians(degrees))
        for vertices, faces, (color, _) in zip(other._vertices, other._faces, other._colors, strict=True):
            x, y, z = vertices.T
            turned = np.stack([c * x + s * z, y, c * z - s * x], 1) + np.array(offset)
            self._append(turned, faces - int(faces.min()), color)

    def finish(self) -> ColoredMesh:
        """Everything in one mesh, normalised and set on a lattice.

        Vertices become odd multiples of half a lattice step: coordinates that differ in the last bits
        between machines become equal, and no vertex lies on a plane of voxel centres at any resolution
        that is a power of two.
        """
        vertices = np.concatenate(self._vertices)
        low, high = vertices.min(0), vertices.max(0)
        unit = (vertices - (low + high) / 2) / (high - low).max() + 0.5
        # rounding changes sides at odd places, away from the middle and the faces of the cube, where
        # symmetric shapes have vertices
        steps = np.clip(np.floor(unit * LATTICE + 0.3), 0, LATTICE - 1)
        mesh = Mesh((steps + 0.5) / LATTICE - 0.5, np.concatenate(self._faces))
        colors = np.array([c for c, _ in self._colors], np.float32)
        repeats = [n for _, n in self._colors]
        return ColoredMesh(mesh, np.repeat(np.clip(colors, 0, 1), repeats, axis=0))


_MIRROR = {"x": np.array([-1.0, 1.0, 1.0]), "z": np.array([1.0, 1.0, -1.0])}


def _shade(draw: Draw, color: Color, spread: float) -> Color:
    light = draw.between(1 - spread, 1 + spread)
    return (
        color[0] * light + draw.between(-0.03, 0.03),
        color[1] * light + draw.between(-0.03, 0.03),
        color[2] * light + draw.between(-0.03, 0.03),
    )


_WOODS = ((0.55, 0.36, 0.2), (0.72, 0.53, 0.33), (0.4, 0.25, 0.15), (0.82, 0.68, 0.48), (0.62, 0.32, 0.18))
_PAINTS = (
    (0.75, 0.1, 0.1),
    (0.1, 0.22, 0.6),
    (0.85, 0.85, 0.87),
    (0.24, 0.24, 0.26),
    (0.55, 0.57, 0.6),
    (0.1, 0.4, 0.2),
    (0.85, 0.65, 0.1),
    (0.35, 0.55, 0.7),
    (0.8, 0.4, 0.1),
)
_FABRICS = (
    (0.72, 0.66, 0.56),
    (0.35, 0.37, 0.42),
    (0.5, 0.18, 0.17),
    (0.2, 0.3, 0.45),
    (0.4, 0.45, 0.25),
    (0.32, 0.22, 0.16),
    (0.85, 0.82, 0.76),
    (0.26, 0.26, 0.28),
    (0.6, 0.45, 0.2),
)


def wood(draw: Draw) -> Color:
    """Light to dark wood."""
    return _shade(draw, draw.pick(_WOODS), 0.2)


def paint(draw: Draw) -> Color:
    """A lacquer: red, blue, white, black, gray, green, yellow, orange."""
    return _shade(draw, draw.pick(_PAINTS), 0.2)


def fabric(draw: Draw) -> Color:
    """Cloth or leather."""
    return _shade(draw, draw.pick(_FABRICS), 0.2)


def metal(draw: Draw) -> Color:
    """Steel, light to dark."""
    return _shade(draw, (0.6, 0.61, 0.63), 0.25)


def white(draw: Draw) -> Color:
    """White plastic or lacquer."""
    return _shade(draw, (0.88, 0.88, 0.87), 0.08)


def dark(draw: Draw) -> Color:
    """Black plastic or cast iron, light enough to show its shading."""
    return _shade(draw, (0.26, 0.26, 0.27), 0.35)


def glass(draw: Draw) -> Color:
    """Dark bluish glass."""
    return _shade(draw, (0.32, 0.4, 0.47), 0.25)


def surface(draw: Draw) -> Color:
    """Wood or paint: furniture."""
    return wood(draw) if draw.chance(0.65) else paint(draw)


def darker(color: Color, factor: float = 0.75) -> Color:
    """A darker shade of a colour, for drawer fronts, cushions and trims."""
    return (color[0] * factor, color[1] * factor, color[2] * factor)
