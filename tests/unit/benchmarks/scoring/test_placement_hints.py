"""Hints about units and frames: one for every common slip, none for honest predictions however bad."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from benchmarks.protocols import PROTOCOLS, Truth
from benchmarks.scoring.placement import LOOKED_AT, TURNS, Standing, hints
from benchmarks.scoring.score import score
from tests.helpers.protocol_shapes import boxes, chair
from zoo.geometry.mesh import Mesh
from zoo.shapes import MeshShape, PointShape, Shape, VoxelShape

R = 32
Move = Callable[[np.ndarray], np.ndarray]


def seat(k: int) -> np.ndarray:
    """A chair of its own for each k: nothing about it is symmetric but left and right."""
    rng = np.random.default_rng(k)
    wide, deep, high = rng.uniform(0.18, 0.3, 3)
    thick = 0.06
    legs = [
        ((x - 0.03, -0.48, z - 0.03), (x + 0.03, 0.0, z + 0.03))
        for x in (-wide + 0.03, wide - 0.03)
        for z in (-deep + 0.03, deep - 0.03)
    ]
    back = ((-wide, 0.0, -deep), (wide, 0.2 + high, -deep + thick))
    return boxes(R, ((-wide, -thick, -deep), (wide, 0.0, deep)), back, *legs)


COUNT = 6
GRIDS = [seat(k) for k in range(COUNT)]
SURFACES = [VoxelShape(grid).mesh(0.5) for grid in GRIDS]


def moved(move: Move, kind: str = "mesh") -> list[Shape]:
    """The true surfaces, each vertex moved: as meshes, or as points."""
    meshes = [MeshShape(Mesh(move(mesh.vertices), mesh.faces)) for mesh in SURFACES if mesh is not None]
    if kind == "mesh":
        return list(meshes)
    return [PointShape(mesh.points(1500, np.random.default_rng(0))) for mesh in meshes]


def hint(predictions: list[Shape], truths: list[Shape] | None = None, level: float = 0.5) -> tuple[str, ...]:
    truths = [VoxelShape(grid) for grid in GRIDS] if truths is None else truths
    pairs = zip(truths, predictions, strict=True)
    return hints([Standing(truth).look(prediction, level) for truth, prediction in pairs])


def axes(*signed: int) -> Move:
    """The axes of a vertex read as others: 1, 2, 3 are x, y, z, and negative ones point the other way."""
    return lambda v: np.stack([np.sign(k) * v[:, abs(k) - 1] for k in signed], axis=1)


@pytest.mark.parametrize("kind", ["mesh", "points"])
@pytest.mark.parametrize(
    ("move", "said"),
    [
        (
            lambda v: 100 * v,
            "times as large as the true shapes: are they in centimetres, the truth in metres?",
        ),
        (lambda v: 1000 * v, "are they in millimetres, the truth in metres?"),
        (lambda v: 39.37 * v, "are they in inches, the truth in metres?"),
        (
            lambda v: v / 100,
            "times as small as the true shapes: are they in metres, the truth in centimetres?",
        ),
        (lambda v: 2 * v, "are about 2.1 times as large as the true shapes: are they in another unit?"),
        (lambda v: v / 2, "are about 1.9 times as small as the true shapes: are they in another unit?"),
        (lambda v: v * 1e9, "times as large"),
        (lambda v: v + np.array([0, 0.5, 0]), "lie beside the true shapes, by about (0.00, 0.5"),
        (lambda v: v + 0.5, "is the origin another?"),
        (lambda v: v - [40, 0, 0], "is the origin another?"),
        (axes(1, -3, 2), "after a quarter turn about x, their (x, y, z) read as (x, z, -y)"),
        (axes(1, 3, -2), "after a quarter turn about x, their (x, y, z) read as (x, -z, y)"),
        (axes(3, 2, -1), "after a quarter turn about y, their (x, y, z) read as (-z, y, x)"),
        (axes(-1, 2, -3), "after half a turn about y"),
        (axes(2, 3, 1), "with their axes exchanged, their (x, y, z) read as (z, x, y)"),
        (axes(1, -2, 3), "is another axis up, or ahead?"),
    ],
)
def test_another_unit_or_frame_is_said(move, said, kind):
    found = hint(moved(move, kind))
    assert len(found) == 1 and said in found[0]


def test_both_at_once():
    turned = axes(1, -3, 2)
    size, turn = hint(moved(lambda v: 100 * turned(v)))
    assert "centimetres" in size and "quarter turn about x" in turn


def test_a_quarter_turn_of_grids():
    assert (
        "quarter turn about y" in hint([VoxelShape(np.rot90(grid, axes=(0, 2)).copy()) for grid in GRIDS])[0]
    )


def test_a_mirror_shows_where_no_turn_does_the_same():
    whole = [boxes(R, *[((-0.4, -0.4, -0.4), (a, b, c)) for a, b, c in corners]) for corners in SCREWS]
    mirrored = [VoxelShape(grid[::-1].copy()) for grid in whole]
    assert "mirrored" in hint(mirrored, [VoxelShape(grid) for grid in whole])[0]


SCREWS = [((0.4, -0.3, -0.3 + k), (-0.3, 0.2, -0.3 + k), (-0.3 + k, -0.3, 0.0)) for k in (0.0, 0.02, 0.04)]


@pytest.mark.parametrize("truth", ["mesh", "points"])
def test_other_truths_than_grids(truth):
    truths = moved(lambda v: v, truth)
    assert hint(moved(lambda v: v), truths) == ()
    assert "centimetres" in hint(moved(lambda v: 100 * v), truths)[0]


OFF = [boxes(R, ((-0.4, -0.45, -0.4), (0.1 + 0.02 * k, 0.1, 0.1))) for k in range(COUNT)]
MEAN = np.mean(GRIDS, axis=0, dtype=np.float32)
CELLS = np.indices((R, R, R))


def speck(*middle: int, edge: int = 3) -> np.ndarray:
    return np.all([abs(CELLS[k] - middle[k]) < edge for k in range(3)], axis=0)


@pytest.mark.parametrize(
    "honest",
    {
        "the truth": GRIDS,
        "mean shape, low": [MEAN >= 0.2] * COUNT,
        "mean shape, high": [MEAN >= 0.8] * COUNT,
        "another's": GRIDS[1:] + GRIDS[:1],
        "everything": [np.ones((R,) * 3, bool)] * COUNT,
        "a speck": [speck(16, 16, 16)] * COUNT,
        "a speck at the feet": [speck(16, 4, 16)] * COUNT,
        "a ball": [speck(16, 16, 16, edge=9)] * COUNT,
        "half": [grid & (CELLS[0] < 16) for grid in GRIDS],
        "scattered cells": [np.random.default_rng(k).random((R,) * 3) < 0.003 for k in range(COUNT)],
        "noise on the truth": [
            grid ^ (np.random.default_rng(k).random((R,) * 3) < 0.05) for k, grid in enumerate(GRIDS)
        ],
        "one cell": [speck(9, 9, 9, edge=1)] * COUNT,
        "nothing": [np.zeros((R,) * 3, bool)] * COUNT,
    }.items(),
    ids=lambda named: named[0],
)
def test_honest_predictions_are_left_alone(honest):
    assert hint([VoxelShape(grid) for grid in honest[1]]) == ()


@pytest.mark.parametrize("share", [0.005, 0.01, 0.03, 0.08])
def test_noise_around_shapes_that_lie_beside_the_centre_is_no_shift(share):
    """Its box is the whole cube, whatever is in it."""
    noise = [np.random.default_rng(k).random((R,) * 3) < share for k in range(COUNT)]
    noisy = [VoxelShape(grid | cells) for grid, cells in zip(OFF, noise, strict=True)]
    assert hint(noisy, [VoxelShape(grid) for grid in OFF]) == ()


@pytest.mark.parametrize("factor", [1.0, 0.8, 1.25, 1.4])
def test_a_little_larger_or_smaller_is_no_unit(factor):
    assert hint(moved(lambda v: factor * v)) == ()


@pytest.mark.parametrize(
    ("wrong", "warns"), [(0, False), (1, False), (2, False), (3, True), (4, True), (6, True)]
)
def test_it_takes_half_of_them_and_three(wrong, warns):
    right, large = moved(lambda v: v), moved(lambda v: 100 * v)
    assert bool(hint([*large[:wrong], *right[wrong:]])) is warns


def test_of_fewer_than_three_it_takes_all():
    large, truths = moved(lambda v: 100 * v)[:2], [VoxelShape(grid) for grid in GRIDS[:2]]
    assert hint(large, truths)
    assert not hint([large[0], moved(lambda v: v)[1]], truths)
    assert not hint([large[0], moved(lambda v: v / 100)[1]], truths)
    assert hints([]) == hints([(), ()]) == ()


def test_the_plainest_turn_comes_first():
    assert len(TURNS) == 48 and (TURNS[0] == np.eye(3)).all()
    signs = [round(np.linalg.det(turn)) for turn in TURNS]
    assert signs == [1] * 24 + [-1] * 24
    assert len({turn.tobytes() for turn in TURNS}) == 48


@pytest.mark.parametrize(
    "shape",
    [
        PointShape(np.zeros((0, 3))),
        PointShape(np.ones((7, 3))),
        PointShape(np.array([[0.0, 0, 0], [1e308, 1e308, 1e308]])),
        PointShape(np.array([[-1e308, 0, 0], [1e308, 0, 0]])),
        MeshShape(Mesh(np.zeros((3, 3)), np.array([[0, 1, 2]]))),
        MeshShape(Mesh(np.eye(3), np.zeros((0, 3), np.int64))),
        VoxelShape(np.zeros((4,) * 3, bool)),
    ],
    ids=["no points", "one place", "far", "too far", "no area", "no faces", "no cells"],
)
def test_what_lies_nowhere_says_nothing(shape):
    assert Standing(VoxelShape(chair(R))).look(shape, 0.5) == ()
    assert Standing(shape).look(VoxelShape(chair(R)), 0.5) == ()


def test_no_number_changes_and_pix3d_forgives_size(monkeypatch):
    truths = [Truth(f"s{k}", "c", 0, VoxelShape(grid)) for k, grid in enumerate(GRIDS[:3])]
    rows, thresholds = {"far": moved(lambda v: 100 * v)[:3]}, {"far": None}
    for name, warned in (("what3d", True), ("pix3d", False)):
        entry = PROTOCOLS.get(name)
        protocol = entry.cls(entry.smoke_config())
        found = score(rows, truths, protocol, thresholds, workers=0)
        assert bool(found.hints["far"]) is warned
        with monkeypatch.context() as patch:
            patch.setattr(Standing, "look", lambda self, prediction, level: ())
            without = score(rows, truths, protocol, thresholds, workers=0)
        assert without.rows == found.rows and without.hints == {"far": ()}


def test_a_large_split_is_looked_at_here_and_there(monkeypatch):
    seen = []
    monkeypatch.setattr(Standing, "look", lambda self, prediction, level: seen.append(1) or ())
    count = 2 * LOOKED_AT + 3
    truths = [Truth(f"s{k}", "c", 0, VoxelShape(GRIDS[0])) for k in range(count)]
    entry = PROTOCOLS.get("r2n2")
    score({"row": [VoxelShape(GRIDS[1])] * count}, truths, entry.cls(entry.config()), {"row": 0.4}, workers=0)
    assert LOOKED_AT / 2 <= len(seen) <= LOOKED_AT
