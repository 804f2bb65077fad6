"""Closed parts that every procedural shape is put together from.

Each function returns a watertight `Mesh` whose faces are counter-clockwise seen from outside, so that
the signed crossings of `zoo.geometry.voxelize.solid` are exact on any union of overlapping parts. All
of them are lofts: rings of points joined one to the next, closed by a cap at both ends. Frame as in
`zoo.types`: front +x, up +y; lengths are in whatever unit the family uses.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import cos, pi, radians, sin

import numpy as np

from zoo.geometry.mesh import Mesh

Vector = tuple[float, float, float]
Outline = Sequence[tuple[float, float]] | np.ndarray

PHASE = 0.19
"""Turn of every circle in radians: no ring vertex lies on a symmetry plane, where grids have ties."""


def _frozen(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False  # meshes share it
    return array


@cache
def _loft_faces(rings: int, points: int, around: bool) -> np.ndarray:
    """Faces joining `rings` rings of `points`; caps at the ends, or the last ring joined to the first."""
    i = np.arange(points)
    j = (i + 1) % points
    faces = []
    for ring in range(rings if around else rings - 1):
        a, b = ring * points, (ring + 1) % rings * points
        faces += [np.stack([a + i, a + j, b + j], 1), np.stack([a + i, b + j, b + i], 1)]
    if not around:
        cap = _strip(points)
        faces += [cap[:, ::-1], cap + (rings - 1) * points]
    return _frozen(np.concatenate(faces))


@cache
def _strip(points: int) -> np.ndarray:
    """Triangles of a ring cut into rungs: point i faces point n - 1 - i."""
    faces = []
    for i in range((points - 1) // 2):
        a, b, c, d = i, i + 1, points - 2 - i, points - 1 - i
        faces.append((a, b, d))
        if b != c:
            faces.append((b, c, d))
    return np.array(faces, np.int64)


def loft(sections: Sequence[np.ndarray] | np.ndarray, around: bool = False) -> Mesh:
    """Rings of points joined in order, closed by caps.

    Args:
        sections: (S, N, 3). Each ring runs counter-clockwise when looked at against the direction in
            which the sections advance. A cap joins point i to point N - 1 - i, so a ring may be convex
            or a band (a U, an arc with thickness) whose two sides face each other in that order.
        around: join the last ring to the first one and leave out the caps.
    """
    rings = np.asarray(sections, dtype=np.float64)
    count, points = rings.shape[:2]
    return Mesh(rings.reshape(-1, 3), _loft_faces(count, points, around))


def _box_corners() -> np.ndarray:
    return np.array([(x, y, z) for y in (-1, 1) for x, z in ((-1, -1), (-1, 1), (1, 1), (1, -1))], float) / 2


_BOX = _box_corners()


@cache
def _bevel_topology() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Signs (24, 3), inset mask (24, 3) and faces (44, 3) of a box with its edges cut off."""
    signs = np.repeat(np.sign(_BOX), 3, axis=0)
    inset = ~np.tile(np.eye(3, dtype=bool), (8, 1))
    points = signs * np.where(inset, 0.7, 1.0)
    tetra = []
    for axis in range(3):
        b, c = (axis + 1) % 3, (axis + 2) % 3
        for side in (-1, 1):
            on = [k * 3 + axis for k in range(8) if np.sign(_BOX[k, axis]) == side]
            tetra.append(sorted(on, key=lambda v: np.arctan2(signs[v, c], signs[v, b])))
        for sb in (-1, 1):
            for sc in (-1, 1):
                low, high = (
                    next(k for k in range(8) if tuple(np.sign(_BOX[k, [axis, b, c]])) == (s, sb, sc))
                    for s in (-1, 1)
                )
                tetra.append([low * 3 + b, high * 3 + b, high * 3 + c, low * 3 + c])
    faces = [(k * 3, k * 3 + 1, k * 3 + 2) for k in range(8)]
    faces += [f for p, q, r, s in tetra for f in ((p, q, r), (p, r, s))]
    array = np.array(faces, np.int64)
    tri = points[array]
    inward = np.einsum("ij,ij->i", _cross(tri[:, 1] - tri[:, 0], tri[:, 2] - tri[:, 0]), tri.sum(1)) < 0
    array[inward] = array[inward][:, ::-1]  # convex round the origin, so this is the outward side
    return signs, inset, _frozen(array)


def box(
    size: Vector,
    center: Vector = (0, 0, 0),
    *,
    bevel: float = 0.0,
    taper: tuple[float, float] = (1.0, 1.0),
    shift: tuple[float, float] = (0.0, 0.0),
) -> Mesh:
    """Cuboid of edge lengths `size`.

    Args:
        bevel: width that is cut off every edge; at most just under half the shortest edge.
        taper: factors on the x and z extent of the top.
        shift: how far the top is moved along x and z.

    Raises:
        ValueError: an edge or a factor is not positive; the box would be turned inside out.
    """
    if min(*size, *taper) <= 0:
        raise ValueError(f"a box needs positive edges and tapers, got {size} and {taper}")
    extent = np.array(size, dtype=np.float64)
    if bevel > 0:
        signs, inset, faces = _bevel_topology()
        cut = min(bevel, 0.49 * float(extent.min()))
        vertices = signs * (extent / 2 - np.where(inset, cut, 0.0))
    else:
        vertices, faces = _BOX * extent, _loft_faces(2, 4, False)
    if [*taper, *shift] != [1, 1, 0, 0]:
        height = vertices[:, 1] / extent[1] + 0.5  # 0 at the bottom, 1 at the top
        for axis, factor, move in ((0, taper[0], shift[0]), (2, taper[1], shift[1])):
            vertices[:, axis] = vertices[:, axis] * (1 + (factor - 1) * height) + move * height
    return Mesh(vertices + np.array(center, dtype=np.float64), faces)


@cache
def _circle(sides: int) -> tuple[np.ndarray, np.ndarray]:
    """Sines and cosines of a ring that runs counter-clockwise when seen from +y."""
    angle = 2 * pi * np.arange(sides) / sides + PHASE
    return np.sin(angle), np.cos(angle)


def lathe(profile: Outline, sides: int = 14, center: Vector = (0, 0, 0), around: bool = False) -> Mesh:
    """Surface of revolution about the vertical through `center`.

    Args:
        profile: (radius, height) from the bottom to the top, radii above zero. With `around` it is a
            loop instead, counter-clockwise in the (radius, height) plane: a ring, a hollow shade.
    """
    line = np.array(profile, dtype=np.float64)
    if around:
        line = line[::-1]
    s, c = _circle(sides)
    rings = np.empty((len(line), sides, 3))
    rings[:, :, 0] = line[:, :1] * s
    rings[:, :, 1] = line[:, 1:]
    rings[:, :, 2] = line[:, :1] * c
    mesh = loft(rings + np.array(center, dtype=np.float64), around)
    return Mesh(mesh.vertices, mesh.faces[:, ::-1]) if around else mesh


def ellipsoid(radii: Vector, center: Vector = (0, 0, 0), rings: int = 6, sides: int = 12) -> Mesh:
    """Ellipsoid; its poles are small flats, so that no face degenerates."""
    angle = pi * (np.arange(rings + 1) / rings * 0.96 + 0.02)
    unit = lathe([(sin(a), -cos(a)) for a in angle], sides)
    return Mesh(unit.vertices * np.array(radii) + np.array(center), unit.faces)


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Row-wise product; ``np.cross`` takes ten times as long on a handful of rows."""
    return a[..., [1, 2, 0]] * b[..., [2, 0, 1]] - a[..., [2, 0, 1]] * b[..., [1, 2, 0]]


def rod(start: Vector, end: Vector, radius: float, end_radius: float | None = None, sides: int = 8) -> Mesh:
    """Cylinder, or cone frustum, between two points."""
    return tube([start, end], radius, sides, end_radius=end_radius)


def tube(
    path: Sequence[Vector] | np.ndarray,
    radius: float,
    sides: int = 6,
    *,
    end_radius: float | None = None,
    closed: bool = False,
) -> Mesh:
    """Round section swept along a polyline, mitred at its corners.

    Args:
        path: (N, 3) points; with `closed` the last is joined to the first.
        end_radius: radius at the far end, reached linearly; `radius` when None.
    """
    points = np.array(path, dtype=np.float64)
    steps = np.diff(np.concatenate([points, points[:1]]) if closed else points, axis=0)
    steps /= np.sqrt((steps**2).sum(1, keepdims=True))
    before = np.concatenate([steps[-1:] if closed else steps[:1], steps if not closed else steps[:-1]])
    after = steps if closed else np.concatenate([steps, steps[-1:]])
    tangents = before + after
    tangents /= np.sqrt((tangents**2).sum(1, keepdims=True))
    half = np.maximum(
        (tangents * after).sum(1), 0.35
    )  # cosine of half the turn: widens a mitre, with a limit
    # a fixed helper axis, far from every tangent, keeps neighbouring rings from twisting
    mean = np.abs(tangents).sum(0)
    helper = np.zeros(3)
    helper[int(np.argmin(np.round(mean, 6)))] = 1.0
    side = _cross(helper, tangents)
    side /= np.sqrt((side**2).sum(1, keepdims=True))
    up = _cross(tangents, side)
    turn = _cross(before, after)
    length = np.sqrt((turn**2).sum(1))
    bent = length > 1e-9
    # in the plane of the bend the mitred section is wider by 1 / cos(half the turn)
    inward = np.where(bent[:, None], _cross(tangents, turn) / np.maximum(length, 1e-9)[:, None], 0.0)
    s, c = _circle(sides)
    offsets = side[:, None] * c[None, :, None] + up[:, None] * s[None, :, None]
    along = np.einsum("nsk,nk->ns", offsets, inward)
    offsets = offsets + inward[:, None] * (along * (1 / half - 1)[:, None])[..., None]
    radii = np.linspace(radius, radius if end_radius is None else end_radius, len(points))
    return loft(points[:, None] + offsets * radii[:, None, None], closed)


def extrude(
    outline: Outline, depth: float, center: Vector = (0, 0, 0), *, axis: str = "z", taper: float = 1.0
) -> Mesh:
    """A flat outline given thickness, half of `depth` to each side of `center`.

    Args:
        outline: (N, 2) counter-clockwise, cut into rungs like a ring of `loft`. Its plane is (x, y) for
            axis z, (z, x) for axis y, (y, z) for axis x.
        taper: factor on the outline at the far (positive) side, about the outline's origin.
    """
    flat = np.array(outline, dtype=np.float64)
    u, v, w = {"x": (1, 2, 0), "y": (2, 0, 1), "z": (0, 1, 2)}[axis]
    rings = np.empty((2, len(flat), 3))
    rings[0, :, u], rings[0, :, v], rings[0, :, w] = flat[:, 0], flat[:, 1], -depth / 2
    rings[1, :, u], rings[1, :, v], rings[1, :, w] = flat[:, 0] * taper, flat[:, 1] * taper, depth / 2
    return loft(rings + np.array(center, dtype=np.float64))


def wing(
    root: Vector,
    span: float,
    chords: tuple[float, float],
    thickness: tuple[float, float],
    sweep: float,
    rise: float = 0.0,
) -> Mesh:
    """Tapered wing from `root` (its leading edge) towards +z.

    Args:
        span: length along z.
        chords, thickness: at the root and at the tip.
        sweep: how far the tip's leading edge lies behind the root's, towards -x.
        rise: how far the tip lies above the root.
    """
    section = np.array(
        [(0, 0), (-0.18, 0.5), (-0.65, 0.5), (-1, 0.2), (-1, -0.2), (-0.65, -0.5), (-0.18, -0.5)]
    )
    rings = np.empty((2, len(section), 3))
    for k in range(2):
        rings[k, :, 0] = section[:, 0] * chords[k] + root[0] - sweep * k
        rings[k, :, 1] = section[:, 1] * thickness[k] + root[1] + rise * k
        rings[k, :, 2] = root[2] + span * k
    return loft(rings)


def rectangle(width: float, height: float, radius: float = 0.0, steps: int = 3) -> list[tuple[float, float]]:
    """Outline of a rectangle about the origin, its corners rounded in `steps` pieces."""
    if radius <= 0:
        return [
            (width / 2, -height / 2),
            (width / 2, height / 2),
            (-width / 2, height / 2),
            (-width / 2, -height / 2),
        ]
    r = min(radius, 0.499 * width, 0.499 * height)
    outline = []
    for quarter, (sx, sy) in enumerate(((1, -1), (1, 1), (-1, 1), (-1, -1))):
        for step in range(steps + 1):
            angle = radians(90 * (quarter - 1 + step / steps))
            outline.append((sx * (width / 2 - r) + r * cos(angle), sy * (height / 2 - r) + r * sin(angle)))
    return outline


def ellipse(width: float, height: float, sides: int = 16) -> list[tuple[float, float]]:
    """Outline of an ellipse about the origin."""
    s, c = _circle(sides)
    return [(width / 2 * float(a), height / 2 * float(b)) for a, b in zip(c, s, strict=True)]


def arc(radius: float, start: float, stop: float, steps: int) -> list[tuple[float, float]]:
    """Points on a circle from `start` to `stop`, in degrees counter-clockwise, both ends included."""
    angles = [radians(start + (stop - start) * k / steps) for k in range(steps + 1)]
    return [(radius * cos(a), radius * sin(a)) for a in angles]


def band(radius: float, width: float, start: float, stop: float, steps: int) -> list[tuple[float, float]]:
    """Outline of an arc with thickness, `width` wide about `radius`, angles as in `arc`."""
    return arc(radius + width / 2, start, stop, steps) + arc(radius - width / 2, start, stop, steps)[::-1]


def move(mesh: Mesh, offset: Vector) -> Mesh:
    """The mesh shifted by `offset`."""
    return Mesh(mesh.vertices + np.array(offset, dtype=np.float64), mesh.faces)


def turn(mesh: Mesh, axis: str, degrees: float, about: Vector = (0, 0, 0)) -> Mesh:
    """The mesh rotated about the axis through `about`, counter-clockwise seen from the axis' tip."""
    u, v = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    c, s = cos(radians(degrees)), sin(radians(degrees))
    vertices = mesh.vertices - np.array(about, dtype=np.float64)
    a, b = vertices[:, u].copy(), vertices[:, v].copy()
    vertices[:, u], vertices[:, v] = c * a - s * b, s * a + c * b
    return Mesh(vertices + np.array(about, dtype=np.float64), mesh.faces)
