"""Solids of meshes that are not closed: how close to the undamaged mesh's, and what they fall back on."""

import numpy as np
import pytest
import trimesh

from benchmarks.speed.damage import DAMAGES, closed_meshes
from zoo.geometry.crossings import AXES, votes
from zoo.geometry.mesh import Mesh
from zoo.geometry.voxelize import SolidStatus, solid, surface_cells
from zoo.metrics.iou import iou


@pytest.mark.parametrize("resolution", [32, 64])
@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_meshes(damage, resolution):
    """The kinds of damage of benchmarks.speed.voxelizing, against the solid of the undamaged mesh."""
    scores = {}
    for number, (name, mesh) in enumerate(closed_meshes().items()):
        damaged = DAMAGES[damage](mesh, np.random.default_rng(number))
        cells, status = solid(damaged.mesh, resolution)
        scores[name] = iou(cells, damaged.truth(resolution))
        whole = damage in ("none", "inner surface", "overlapping parts")
        assert status is (SolidStatus.CLOSED if whole else SolidStatus.REPAIRED), name
    if damage in ("none", "30 % doubled", "inner surface", "overlapping parts"):
        assert min(scores.values()) == 1.0, scores
    assert min(scores.values()) >= 0.9, scores
    assert np.mean(list(scores.values())) >= 0.98, scores


def test_the_diagonals_see_what_the_axes_miss():
    """A fifth of the faces gone: the axes alone lose one cell in nine."""
    mesh = closed_meshes()["ball"]
    damaged = DAMAGES["20 % gone"](mesh, np.random.default_rng(0)).mesh
    whole = solid(mesh, 32)[0]
    by_axes = votes(damaged.triangles, 32, AXES) > len(AXES)
    assert 0.85 < iou(by_axes, whole) < 0.93
    assert iou(solid(damaged, 32)[0], whole) > 0.99


def test_an_undecided_hollow_is_filled_and_a_true_one_stays():
    """A ball with a core turned both ways has no clear inside there; a hollow ball has."""
    outer, core = (Mesh(b.vertices, b.faces) for b in (trimesh.creation.icosphere(4, r) for r in (0.45, 0.3)))
    whole, inner = solid(outer, 64)[0], solid(core, 64)[0]
    rng = np.random.default_rng(0)
    inwards = core.faces[:, ::-1]
    muddled = np.where(rng.random((len(inwards), 1)) < 0.5, core.faces, inwards)
    filled, status = solid(Mesh.concatenate([outer, Mesh(core.vertices, muddled)]), 64)
    assert iou(filled, whole) > 0.97 and status is SolidStatus.REPAIRED
    torn = Mesh(outer.vertices, outer.faces[rng.random(len(outer.faces)) > 0.01])
    hollow, status = solid(Mesh.concatenate([torn, Mesh(core.vertices, inwards)]), 64)
    assert iou(hollow, whole & ~inner) > 0.97 and status is SolidStatus.REPAIRED


def test_a_chair_of_sheets_gives_its_surface_cells():
    """Nothing of it has a volume: winding, parity and containment would find no cell."""

    def sheet(at, one, other) -> np.ndarray:
        at, one, other = (np.asarray(v, float) for v in (at, one, other))
        return np.stack([at, at + one, at + one + other, at + other])

    parts = [sheet((-0.3, 0, -0.3), (0.6, 0, 0), (0, 0, 0.6))]  # the seat
    parts += [sheet((x, -0.4, z), (0, 0.4, 0), (0.05, 0, 0)) for x in (-0.3, 0.25) for z in (-0.3, 0.3)]
    parts += [sheet((-0.3, y, -0.3), (-0.03, 0.05, 0), (0, 0, 0.6)) for y in (0.1, 0.2, 0.3)]  # slats
    corners = np.concatenate(parts) @ trimesh.transformations.euler_matrix(0.2, 0.7, -0.3)[:3, :3].T
    faces = np.concatenate([[[k, k + 1, k + 2], [k, k + 2, k + 3]] for k in range(0, len(corners), 4)])
    for resolution in (32, 64):
        cells, status = solid(Mesh(corners, faces), resolution)
        assert status is SolidStatus.SHELL
        np.testing.assert_array_equal(cells, surface_cells(Mesh(corners, faces), resolution))
