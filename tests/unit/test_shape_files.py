"""One file with a shape in it: every format gives the shape that was written, and hostile ones a reason."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from datasets import BadItem
from datasets.formats.binvox import write_binvox
from datasets.formats.mat import write_voxel_mat
from datasets.formats.shapes import SUFFIXES, read_shape
from zoo.shapes import MeshShape, PointShape, VoxelShape

rng = np.random.default_rng(0)
GRID = np.zeros((6, 6, 6), bool)
GRID[1:5, 2:4, 3] = True  # no axis is like another
SOFT = rng.random((6, 6, 6)).astype(np.float32)
CLOUD = rng.normal(size=(20, 3))


def write(path, content) -> None:
    if path.suffix == ".binvox":
        write_binvox(path, content)
    elif path.suffix == ".mat":
        write_voxel_mat(path, content)
    elif path.suffix == ".npy":
        np.save(path, content)
    else:
        np.savez_compressed(path, **content)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.binvox", GRID, GRID),
        ("a.mat", GRID, GRID),
        ("a.npy", GRID, GRID),
        ("a.npy", SOFT, SOFT),
        ("a.npy", GRID.astype(np.uint8), GRID),
        ("a.npy", np.asfortranarray(SOFT), SOFT),
        ("a.npz", {"voxels": SOFT, "z": CLOUD}, SOFT),
        ("a.npz", {"occupancy": GRID}, GRID),
        ("a.NPZ", {"anything": SOFT.astype(np.float64)}, SOFT.astype(np.float64)),
    ],
)
def test_grids(tmp_path, name, content, expected):
    path = tmp_path / name.lower()
    write(path, content)
    path = path.rename(tmp_path / name)
    shape = read_shape(path)
    assert isinstance(shape, VoxelShape)
    assert shape.occupancy.dtype == expected.dtype
    np.testing.assert_array_equal(shape.occupancy, expected)


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "b.npz", "a.ply"])
def test_points(tmp_path, name):
    path = tmp_path / name
    if name == "a.ply":
        trimesh.PointCloud(CLOUD).export(path)
    else:
        write(path, CLOUD if name == "a.npy" else {"points" if name == "a.npz" else "x": CLOUD})
    shape = read_shape(path)
    assert isinstance(shape, PointShape)
    np.testing.assert_allclose(shape.cloud, CLOUD, atol=1e-6)


@pytest.mark.parametrize("kind", ["obj", "off", "ply", "stl", "glb"])
def test_meshes(tmp_path, kind):
    box = trimesh.creation.box((1, 0.5, 0.25))
    box.export(tmp_path / f"a.{kind}")
    shape = read_shape(tmp_path / f"a.{kind}")
    assert isinstance(shape, MeshShape)
    np.testing.assert_allclose(shape.surface.bounds, [[-0.5, -0.25, -0.125], [0.5, 0.25, 0.125]], atol=1e-6)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.npy", np.zeros((4, 4, 5)), r"must be a cube \(R, R, R\), got \(4, 4, 5\)"),
        ("a.npy", SOFT * 255, "must lie between 0 and 1, got"),
        ("a.npy", np.full((3, 3, 3), np.nan), "must lie between 0 and 1, got nan"),
        ("a.npy", np.zeros((0, 0, 0)), "must be a grid"),
        ("a.npy", np.zeros((2, 2, 2, 2)), "must be a grid"),
        ("a.npy", np.zeros((5, 2)), r"must be \(N, 3\)"),
        ("a.npy", np.array([[[object()]]]), "holds object, not real numbers"),
        ("a.npy", SOFT.astype(complex), "holds complex"),
        ("a.npz", {"a": SOFT, "b": SOFT}, "no array 'points' and not one array alone"),
    ],
)
def test_no_shape(tmp_path, name, content, reason):
    write(tmp_path / name, content)
    with pytest.raises(BadItem, match=reason) as error:
        read_shape(tmp_path / name)
    assert str(tmp_path / name) in str(error.value)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("data", [None, b"", b"junk \x00\xff" * 40])
def test_broken_files_say_which(tmp_path, suffix, data):
    path = tmp_path / f"a{suffix}"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(BadItem) as error:
        read_shape(path)
    assert str(path) in str(error.value)


def test_truncated_grids(tmp_path):
    for name, content in (("a.npy", SOFT), ("a.npz", {"voxels": SOFT})):
        path = tmp_path / name
        write(path, content)
        path.write_bytes(path.read_bytes()[:-60])
        with pytest.raises(BadItem, match=name):
            read_shape(path)


def test_a_header_is_not_believed(tmp_path):
    path = tmp_path / "a.npy"
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "<f4", "fortran_order": False, "shape": (2000, 2000, 2000)}
        )
    with pytest.raises(BadItem, match="cells, the limit is 134,217,728"):
        read_shape(path)


def test_an_unknown_kind_names_the_known(tmp_path):
    with pytest.raises(BadItem, match=r"'\.txt' is no known kind of shape; known are \.obj"):
        read_shape(tmp_path / "a.txt")
