"""Polygons of any outline are covered by their triangles and by nothing else, in every format."""

from __future__ import annotations

import random
import struct

import numpy as np
import pytest

from datasets import BadItem
from datasets.formats.meshes import read_mesh
from tests.helpers.mesh_files import put

U = [(0, 0), (3, 0), (3, 3), (2, 3), (2, 1), (1, 1), (1, 3), (0, 3)]


def ring(count: int, radii=(1.0,), turn: float = 0.0) -> list[tuple[float, float]]:
    angles = 2 * np.pi * np.arange(count) / count + turn
    radius = np.resize(radii, count)
    return list(zip(radius * np.cos(angles), radius * np.sin(angles), strict=True))


def keyhole(outer: list, hole: list) -> list:
    """An outline that goes in along a bridge, around a hole the other way, and back along the bridge."""
    return [*outer, outer[0], hole[0], *hole[:0:-1], hole[0]]


def comb(teeth: int) -> list:
    up = [(x, 3 if x % 2 else 1) for x in range(2 * teeth + 1)]
    return [*up, (2 * teeth, 0), (0, 0)]


def spiral(count: int) -> list:
    angle = np.linspace(0, 8 * np.pi, count)
    inner = np.stack([angle * np.cos(angle), angle * np.sin(angle)], axis=1)
    outer = np.stack([(angle + 2) * np.cos(angle), (angle + 2) * np.sin(angle)], axis=1)
    return [*map(tuple, outer), *map(tuple, inner[::-1])]


SIMPLE = {
    "U": U,
    "arrowhead": [(0, 0), (2, 1), (0, 2), (1, 1)],
    "arrowhead, from its dent": [(1, 1), (0, 0), (2, 1), (0, 2)],
    "L": [(0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)],
    "dart": [(0, 0), (4, 0), (1, 1), (0, 4)],
    "star": ring(10, (1, 0.4)),
    "star of 50": ring(100, (1, 0.9)),
    "gear of 3,000": ring(3000, (1, 1, 0.7, 0.7)),
    "comb": comb(9),
    "comb of 800": comb(400),
    "spiral": spiral(30),
    "spiral of 1,000": spiral(500),
    "hole": keyhole([(0, 0), (4, 0), (4, 4), (0, 4)], [(1, 1), (3, 1), (3, 3), (1, 3)]),
    "round hole": keyhole(ring(200), ring(100, (0.5,))),
    "touches its edge": [(0, 0), (2, 0), (2, 2), (1, 0), (0, 2)],
    "touches its corner": [(0, 0), (1, 1), (2, 0), (2, 2), (1, 1), (0, 2)],
    "corners in line": [
        (0, 0),
        (1, 0),
        (2, 0),
        (3, 0),
        (3, 1),
        (2, 1),
        (2, 3),
        (1, 3),
        (1, 2),
        (1, 1),
        (0, 1),
    ],
    "corner twice": [(0, 0), (3, 0), (3, 0), (3, 3), (2, 3), (2, 1), (2, 1), (0, 1)],
    "spike": [(0, 0), (4, 0), (4, 4), (2, 4), (2, 7), (2, 4), (2, 2), (0, 2)],
}
"""Outlines, counter-clockwise."""


def area(triangles: np.ndarray) -> float:
    return float(np.linalg.norm(np.cross(*np.moveaxis(np.diff(triangles, axis=1), 1, 0)), axis=1).sum() / 2)


def shoelace(outline: list) -> float:
    x, y = np.array(outline, float).T
    return abs(float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2))


def obj(points: np.ndarray, faces: list) -> bytes:
    lines = [f"v {x!r} {y!r} {z!r}" for x, y, z in points.tolist()]
    return "\n".join([*lines, *("f " + " ".join(str(i + 1) for i in face) for face in faces)]).encode()


def off(points: np.ndarray, faces: list) -> bytes:
    lines = ["OFF", f"{len(points)} {len(faces)} 0", *(f"{x!r} {y!r} {z!r}" for x, y, z in points.tolist())]
    return "\n".join([*lines, *(" ".join(map(str, [len(face), *face])) for face in faces)]).encode()


def ply(points: np.ndarray, faces: list, form: str = "ascii") -> bytes:
    head = (
        f"ply\nformat {form} 1.0\nelement vertex {len(points)}\nproperty double x\nproperty double y\n"
        f"property double z\nelement face {len(faces)}\nproperty list int int vertex_indices\nend_header\n"
    ).encode()
    if form == "ascii":
        return head + off(points, faces).split(b"\n", 2)[2] + b"\n"
    order = "<" if "little" in form else ">"
    body = points.astype(order + "f8").tobytes()
    return head + body + b"".join(np.array([len(f), *f], order + "i4").tobytes() for f in faces)


WRITERS = {
    "obj": obj,
    "off": off,
    "ply": ply,
    "little.ply": lambda *mesh: ply(*mesh, form="binary_little_endian"),
    "big.ply": lambda *mesh: ply(*mesh, form="binary_big_endian"),
}


def turned(outline: list, seed: int) -> np.ndarray:
    """The outline somewhere in space."""
    rng = np.random.default_rng(seed)
    flat = np.column_stack([np.array(outline, float), np.zeros(len(outline))])
    return flat @ np.linalg.qr(rng.normal(size=(3, 3)))[0] * rng.uniform(0.01, 100) + rng.normal(size=3)


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("name", SIMPLE)
def test_the_area_is_that_of_the_outline(tmp_path, name, kind):
    outline = SIMPLE[name]
    points = np.column_stack([np.array(outline, float), np.zeros(len(outline))])
    read = read_mesh(put(tmp_path, f"a.{kind}", WRITERS[kind](points, [list(range(len(points)))])))
    assert area(read.mesh.triangles) == pytest.approx(shoelace(outline), rel=1e-9)


@pytest.mark.parametrize("name", SIMPLE)
def test_anywhere_in_space_and_from_any_corner_on(tmp_path, name):
    outline = SIMPLE[name]
    for seed in range(4):
        points = turned(outline, seed)
        faces = [np.roll(np.arange(len(points)), seed * 7).tolist()[:: -1 if seed % 2 else 1]]
        read = read_mesh(put(tmp_path, "a.obj", obj(points, faces)))
        total = np.cross(points, np.roll(points, -1, 0)).sum(0)
        assert area(read.mesh.triangles) == pytest.approx(np.linalg.norm(total) / 2, rel=1e-8)
        a, b, c = read.mesh.triangles.transpose(1, 0, 2)
        sides = np.cross(b - a, c - a) @ total * (-1 if seed % 2 else 1)
        assert (sides > -1e-9 * sides.max()).all()  # all look to the side that the outline looks to


@pytest.mark.parametrize("seed", range(40))
def test_outlines_of_random_cells(tmp_path, seed):
    """As many triangles' area as there are cells, corners in line and corners that touch included."""
    rng = random.Random(seed)
    cells = {(0, 0)}
    while len(cells) < rng.choice([4, 10, 40, 120]):
        (x, y), (dx, dy) = rng.choice(sorted(cells)), rng.choice([(1, 0), (-1, 0), (0, 1), (0, -1)])
        cells.add((x + dx, y + dy))
    outline = around(cells)
    if outline is None:
        cells, outline = {(0, 0), (1, 0), (1, 1)}, around({(0, 0), (1, 0), (1, 1)})
    read = read_mesh(put(tmp_path, "a.off", off(turned(outline, seed) * 1.0, [list(range(len(outline)))])))
    scale = area(turned([(0, 0), (1, 0), (0, 1)], seed)[None]) * 2
    assert area(read.mesh.triangles) == pytest.approx(len(cells) * scale, rel=1e-8)


def around(cells: set) -> list | None:
    """The outline of cells without holes, around one cell after the other; None if there are holes."""
    sides = (
        ((0, 0), (1, 0), (0, -1)),
        ((1, 0), (1, 1), (1, 0)),
        ((1, 1), (0, 1), (0, 1)),
        ((0, 1), (0, 0), (-1, 0)),
    )
    after: dict = {}
    for x, y in sorted(cells):
        for (a, b), (c, d), (e, f) in sides:
            if (x + e, y + f) not in cells:
                after.setdefault((x + a, y + b), []).append((x + c, y + d))
    edges, here = sum(map(len, after.values())), min(after)
    outline, way = [], (0, -1)
    for _ in range(edges):
        outline.append(here)
        there = max(after[here], key=lambda p: way[0] * (p[1] - here[1]) - way[1] * (p[0] - here[0]))
        after[here].remove(there)
        here, way = there, (there[0] - here[0], there[1] - here[1])
        if not after[here] and len(outline) < edges:
            return None
    return outline


@pytest.mark.parametrize("lift", [0.0, 0.1, 0.5, 2.0])
def test_polygons_that_are_not_flat_are_cut_as_seen_along_their_normal(tmp_path, lift):
    rng = np.random.default_rng(0)
    points = np.column_stack([np.array(U, float), rng.uniform(-lift, lift, len(U))])
    read = read_mesh(put(tmp_path, "a.obj", obj(points, [list(range(8))])))
    normal = np.cross(points, np.roll(points, -1, 0)).sum(0)
    a, b, c = read.mesh.triangles.transpose(1, 0, 2)
    shadows = np.cross(b - a, c - a) @ normal / np.linalg.norm(normal) / 2
    assert (shadows > -1e-9).all()
    assert shadows.sum() == pytest.approx(np.linalg.norm(normal) / 2)


@pytest.mark.parametrize(
    ("outline", "expected"),
    [
        ([(0, 0), (1, 0), (2, 0), (3, 0)], 0),  # a line
        ([(0, 0), (1, 0), (2, 1), (1, 0)], 0),  # there and back
        ([(0, 0), (0, 0), (0, 0), (0, 0), (0, 0)], 0),  # a point
        ([(0, 0), (1, 0), (1, 1), (1, 0), (2, 0), (2, -1), (0, -1)], 2),  # a spike beside a square
    ],
)
def test_outlines_without_an_inside(tmp_path, outline, expected):
    points = np.column_stack(
        [np.array([*outline, (9, 9), (9, 10), (10, 9)], float), np.zeros(len(outline) + 3)]
    )
    faces = [list(range(len(outline))), [len(outline), len(outline) + 1, len(outline) + 2]]
    read = read_mesh(put(tmp_path, "a.obj", obj(points, faces)))
    assert area(read.mesh.triangles) == pytest.approx(expected + 0.5)


def test_convex_polygons_are_fans_and_quads_halves_as_ever(tmp_path):
    points = np.column_stack([np.array(ring(6)), np.zeros(6)])
    for kind, write in WRITERS.items():
        quads = read_mesh(put(tmp_path, f"q.{kind}", write(points, [[0, 1, 2, 3], [3, 4, 5, 0]])))
        assert quads.mesh.faces.tolist() == [[0, 1, 2], [3, 4, 5], [2, 3, 0], [5, 0, 3]]
        fan = read_mesh(put(tmp_path, f"f.{kind}", write(points, [[0, 1, 2, 3, 4, 5]])))
        assert fan.mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 4, 5]]
        # a quad that is bent along a diagonal has no dent
        bent = points + np.eye(6, 3) * 0 + np.array([0, 0, 0.3]) * (np.arange(6) == 1)[:, None]
        bent_quad = read_mesh(put(tmp_path, f"b.{kind}", write(bent[:4], [[0, 1, 2, 3]])))
        assert bent_quad.mesh.faces.tolist() == [[0, 1, 2], [2, 3, 0]]


def test_textures_and_colours_follow_their_corners(tmp_path):
    text = "".join(f"v {x} {y} 0 {x / 3} 0 0\n" for x, y in U) + "f 1 2 3 4 5 6 7 8\n"
    read = read_mesh(put(tmp_path, "a.obj", text))
    np.testing.assert_allclose(read.face_colors[:, 0], read.mesh.triangles[..., 0].mean(1) / 3, atol=0.01)


def test_a_polygon_that_is_too_large_to_be_cut_is_named(tmp_path):
    points = np.column_stack([np.array(ring(10_002, (1, 0.9))), np.zeros(10_002)])
    with pytest.raises(BadItem, match="a polygon of 10,002 corners that bends inwards, the limit is 10,000"):
        read_mesh(put(tmp_path, "a.off", off(points, [list(range(len(points)))])))
    round_one = np.column_stack([np.array(ring(10_002)), np.zeros(10_002)])
    assert len(read_mesh(put(tmp_path, "b.off", off(round_one, [list(range(10_002))]))).mesh.faces) == 10_000


def test_a_prism_of_polygons_is_the_prism_of_triangles(tmp_path):
    outline = np.array(U, float)
    points = np.concatenate([np.column_stack([outline, np.full(8, z)]) for z in (0, 1)])
    walls = [[i, (i + 1) % 8, 8 + (i + 1) % 8, 8 + i] for i in range(8)]
    read = read_mesh(
        put(tmp_path, "a.obj", obj(points, [list(range(7, -1, -1)), list(range(8, 16)), *walls]))
    )
    assert area(read.mesh.triangles) == pytest.approx(2 * 7 + 16)
    a, b, c = read.mesh.triangles.transpose(1, 0, 2)
    assert (np.cross(a, b) * c).sum() / 6 == pytest.approx(7)


def test_binary_lists_of_every_type(tmp_path):
    """Mixed polygons: each list says its own length, in any type of number."""
    points = np.column_stack([np.array(U, float), np.zeros(8)])
    faces = [[0, 1, 2, 3, 4, 5, 6, 7], [0, 1, 4], [0, 1, 2, 3]]
    codes = {"char": "b", "uchar": "B", "short": "h", "ushort": "H", "int": "i", "uint": "I"}
    for form, order in (("binary_little_endian", "<"), ("binary_big_endian", ">")):
        for count, a in codes.items():
            for index, b in codes.items():
                head = ply(points, faces, form).partition(b"end_header\n")[0]
                head = head.replace(b"list int int", f"list {count} {index}".encode()) + b"end_header\n"
                rows = b"".join(struct.pack(f"{order}{a}{len(f)}{b}", len(f), *f) for f in faces)
                read = read_mesh(put(tmp_path, "a.ply", head + points.astype(order + "f8").tobytes() + rows))
                assert area(read.mesh.triangles) == pytest.approx(7 + 1.5 + 6)
