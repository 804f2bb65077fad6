"""What every shape can be asked, whichever class it is."""

import pickle

import numpy as np
import pytest
import torch

from zoo.geometry.mesh import Mesh
from zoo.shapes import MeshShape, PatchShape, PointShape, VoxelShape
from zoo.types import Patches, Points, Voxels

GRID = np.zeros((8, 8, 8), np.float32)
GRID[1:5, 2:6, 3:7], GRID[2:4, 3:5, 4:6] = 0.3, 0.9
TRIANGLE = Mesh(np.eye(3), np.array([[0, 1, 2]]))
SHAPES = {
    "voxels": VoxelShape(GRID, level=0.2),
    "mesh": MeshShape(TRIANGLE),
    "patches": PatchShape(TRIANGLE, np.array([0])),
    "points": PointShape(np.eye(3)),
}


def test_a_field_alone_needs_a_threshold():
    assert {name: shape.has_field for name, shape in SHAPES.items()} == {
        "voxels": True,
        "mesh": False,
        "patches": False,
        "points": False,
    }


def test_what_a_shape_is_made_of():
    made_of = {
        n: (s.grid is not None, s.own_points is not None, s.parts is not None) for n, s in SHAPES.items()
    }
    assert made_of == {
        "voxels": (True, False, False),
        "mesh": (False, False, False),
        "patches": (False, False, True),
        "points": (False, True, False),
    }


def test_the_own_level_holds_unless_another_is_said():
    shape, rng = SHAPES["voxels"], np.random.default_rng
    np.testing.assert_array_equal(shape.mesh().vertices, shape.mesh(0.2).vertices)
    np.testing.assert_array_equal(shape.points(50, rng(0)), shape.points(50, rng(0), 0.2))
    assert np.ptp(shape.bounds(), axis=0).max() > 1.5 * np.ptp(shape.bounds(0.5), axis=0).max()
    assert shape.mesh(0.95) is None and shape.bounds(0.95) is None
    assert VoxelShape(GRID).level == VoxelShape(GRID > 0.5).level == 0.5


@pytest.mark.parametrize("name", ["mesh", "patches", "points"])
def test_other_shapes_ignore_the_level(name):
    shape = SHAPES[name]
    np.testing.assert_array_equal(shape.bounds(), shape.bounds(0.99))
    np.testing.assert_array_equal(shape.bounds(), [[0, 0, 0], [1, 1, 1]])


def test_equality_is_of_the_kind_and_the_arrays():
    for name, shape in SHAPES.items():
        assert shape.equals(pickle.loads(pickle.dumps(shape)))
        alike = {name, "mesh", "patches"} if name in ("mesh", "patches") else {name}
        assert {other for other, one in SHAPES.items() if shape.equals(one)} == alike
    assert SHAPES["voxels"].equals(VoxelShape(GRID)) and not SHAPES["voxels"].equals(VoxelShape(GRID + 0.01))
    assert not SHAPES["points"].equals(PointShape(2 * np.eye(3)))
    assert not SHAPES["mesh"].equals(MeshShape(Mesh(2 * np.eye(3), TRIANGLE.faces)))


def test_an_empty_cloud_has_no_bounds():
    assert PointShape(np.zeros((0, 3))).bounds() is None


def test_a_batch_gives_its_level_to_each_shape():
    shapes = Voxels(torch.zeros(2, 4, 4, 4)).at_level(0.15)
    turn = torch.eye(3).expand(2, 3, 3)
    assert [shape.level for shape in shapes.split() + shapes.moved(turn, 1.0).split()] == [0.15] * 4
    points = Points(torch.zeros(1, 3, 3))
    assert points.at_level(0.15) is points


def test_what_was_decoded_by_name():
    xyz, logits = torch.zeros(2, 3, 3), torch.zeros(2, 4, 4, 4)
    assert Voxels(logits).tensors()["logits"] is logits and Points(xyz).tensors()["xyz"] is xyz
    assert list(Patches(xyz).tensors()) == ["xyz"]


def test_patches_stay_patches_when_they_are_moved():
    patches = Patches(torch.eye(3)[None], torch.tensor([[0, 1, 2]]), torch.tensor([0]))
    moved = patches.moved(torch.eye(3).double()[None], 2.0)
    assert isinstance(moved, Patches) and torch.equal(moved.xyz, 2 * torch.eye(3)[None])
