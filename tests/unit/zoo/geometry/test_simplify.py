"""Meshes with fewer triangles: never more than asked for, and on the same surface."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.geometry.mesh import Mesh
from zoo.geometry.sample import sample_surface
from zoo.geometry.simplify import simplify
from zoo.geometry.surface import marching_cubes
from zoo.metrics.neighbours import nearest


def _grid(resolution: int) -> np.ndarray:
    axis = (np.arange(resolution) + 0.5) / resolution - 0.5
    return np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)


def _ball(resolution: int, radius: float = 0.4) -> Mesh:
    distance = np.linalg.norm(_grid(resolution), axis=-1)
    return marching_cubes(1 / (1 + np.exp(20 * (distance - radius))), 0.5)


def _volume(mesh: Mesh) -> float:
    """Signed volume: positive where triangles are counter-clockwise seen from outside."""
    a, b, c = np.moveaxis(mesh.triangles, 1, 0)
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6)


@pytest.mark.parametrize("faces", [300, 1000, 4000])
def test_a_ball_stays_a_ball_with_fewer_faces(faces: int) -> None:
    ball = _ball(48)
    found = simplify(ball, faces)
    assert len(ball.faces) > 10_000
    assert faces / 2 < len(found.faces) <= faces
    radius = np.linalg.norm(found.vertices, axis=1)
    cell = np.sqrt(4 * np.pi * 0.16 / (len(found.faces) / 2))  # one vertex for each
    assert np.abs(radius - 0.4).max() < 0.25 * cell
    assert _volume(found) == pytest.approx(_volume(ball), rel=0.03)


def test_distances_to_the_simplified_surface_are_those_of_sampling() -> None:
    ball, rng = _ball(48), np.random.default_rng(0)
    found, again, plain = (sample_surface(m, 4000, rng) for m in (simplify(ball, 4000), ball, ball))
    floor = nearest(again, plain).mean()
    assert nearest(found, plain).mean() < 1.1 * floor
    assert nearest(plain, found).mean() < 1.1 * floor


def test_a_box_keeps_its_planes() -> None:
    half = np.array([0.25, 0.125, 0.375])
    box = marching_cubes((np.abs(_grid(64)) < half).all(-1), 0.5)
    found = simplify(box, 800)
    assert len(box.faces) > 800
    apart = Mesh(box.triangles.reshape(-1, 3), np.arange(3 * len(box.faces)).reshape(-1, 3))
    assert len(simplify(apart, 800).vertices) == len(found.vertices)  # as where they share their vertices
    off = np.abs(np.abs(found.vertices) - half).min(axis=1)  # distance to the nearest of the planes
    assert off.max() < 1 / 64
    assert np.median(off) < 1e-6
    np.testing.assert_allclose(found.bounds, box.bounds, atol=1e-3)


def test_a_small_mesh_is_returned_as_it_is() -> None:
    ball = _ball(16)
    assert simplify(ball, len(ball.faces)) is ball


def test_every_vertex_is_used_and_no_face_is_twice_or_without_area() -> None:
    found = simplify(_ball(32), 300)
    assert np.unique(found.faces).tolist() == list(range(len(found.vertices)))
    triples = np.sort(found.faces, axis=1)
    assert len(np.unique(triples, axis=0)) == len(triples)
    assert (np.diff(triples, axis=1) > 0).all()


def test_a_mesh_in_one_point_and_a_plate_do_not_break() -> None:
    point = Mesh(np.zeros((12, 3)), np.arange(12).reshape(4, 3).repeat(3, axis=0))
    assert len(simplify(point, 5).faces) == 0  # there is nothing to see
    x, z = np.meshgrid(np.linspace(-0.5, 0.5, 30), np.linspace(-0.5, 0.5, 30))
    vertices = np.stack([x.ravel(), np.zeros(900), z.ravel()], axis=1)
    corner = (np.arange(29)[:, None] * 30 + np.arange(29)).ravel()
    faces = np.stack([corner, corner + 1, corner + 30], axis=1)
    found = simplify(Mesh(vertices, faces), 200)
    assert 0 < len(found.faces) <= 200
    assert np.abs(found.vertices[:, 1]).max() == 0


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_many_small_pieces_of_any_size_take_several_rounds(unit: float) -> None:
    noise = marching_cubes(np.random.default_rng(0).random((24, 24, 24)) < 0.4, 0.5)
    found = simplify(Mesh(noise.vertices * unit, noise.faces), 500)
    assert len(noise.faces) > 40_000 and 250 < len(found.faces) <= 500
    assert np.abs(found.bounds / unit - noise.bounds).max() < 0.1


def test_what_cannot_be_simplified_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    def in_vain(vertices, faces, target_count):
        return vertices, faces

    monkeypatch.setattr("fast_simplification.simplify", in_vain)
    ball = _ball(16)
    found = simplify(ball, 100)
    assert len(found.faces) == 100
    np.testing.assert_allclose(found.triangles, ball.triangles[:100], atol=1e-15)


def test_too_few_faces_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 4 faces, got 3"):
        simplify(_ball(8), 3)
