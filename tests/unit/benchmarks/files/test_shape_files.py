"""One file with a shape in it: every format gives the shape that was written, and hostile ones a reason."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from datasets import BadItem
from datasets.formats.binvox import write_binvox
from datasets.formats.shapes import SUFFIXES, holds_grid, read_shape
from tests.helpers.writers import write_voxel_mat
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


SPACE = rng.random((1000, 3)).astype(np.float16)
INSIDE = np.packbits(rng.random(1000) < 0.3)
SAMPLES = "are samples of space, each with a value, no points on a surface; .* pointcloud.npz"
CORNERS = "are the corners of a mesh"
NEITHER = "is neither voxels nor points on a surface by its name"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"points": SPACE, "occupancies": INSIDE, "loc": np.ones(3), "scale": np.float64(2)}, SAMPLES),
        ({"points": SPACE, "occupancies": rng.random(1000) < 0.3}, SAMPLES),
        ({"points": SPACE, "sdf": SPACE[:, 0]}, SAMPLES),
        ({"points": SPACE, "sdf": SPACE[:, :1]}, SAMPLES),
        ({"points": SPACE, "UDF": SPACE[:, 0]}, SAMPLES),
        ({"points": SPACE, "gt_tsdf": SPACE[:, 0]}, SAMPLES),
        ({"points": SPACE, "labels": np.zeros(1000, np.int64)}, SAMPLES),
        ({"points": SPACE, "is_inside": np.zeros(1000, bool)}, SAMPLES),
        ({"points": SPACE, "signed_distances": SPACE[:, 0]}, SAMPLES),
        ({"points": SPACE, "occupancy": SPACE[:, 0]}, SAMPLES),
        ({"points": SPACE, "values": SPACE[:, 0]}, SAMPLES),
        ({"points": SPACE, "whatever": SPACE[:, 0]}, SAMPLES),
        ({"points": SPACE, "bits": INSIDE}, SAMPLES),
        ({"points": SPACE, "normals": SPACE, "occ": INSIDE}, SAMPLES),
        ({"points": SPACE, "faces": np.zeros((2000, 3), np.int64)}, CORNERS),
        ({"points": SPACE, "triangles": np.zeros((2000, 3), np.int64)}, CORNERS),
        ({"pos": SPACE, "neg": SPACE}, "no array 'points' and not one array alone; it holds pos, neg"),
        ({"sdf": SOFT}, "'sdf' is distances, no occupancy by its name"),
        ({"udf": SOFT}, "'udf' is distances, no occupancy by its name"),
        ({"tsdf_grid": SOFT}, "'tsdf_grid' is distances"),
        ({"anything": SOFT - 0.5}, "must lie between 0 and 1, got .*; distances, logits and colours are no"),
        ({"voxels": SOFT * 3}, "must lie between 0 and 1"),
        ({"logits": SOFT * 8 - 4}, "must lie between 0 and 1"),
        ({"depth": SPACE[:6, :1] * np.ones((6, 3))}, NEITHER),
        ({"images": np.zeros((6, 6, 6), np.uint8)}, NEITHER),
        ({"K": np.eye(3)}, NEITHER),
        ({"camera_pose": np.eye(3)}, NEITHER),
        ({"normals": SPACE}, NEITHER),
        ({"faces": np.zeros((20, 3), np.int64)}, NEITHER),
        ({"vertices": SPACE}, NEITHER),
        ({"colors": SPACE}, NEITHER),
        ({"depth": np.zeros((480, 640))}, NEITHER),
        ({"image": np.zeros((137, 137, 3), np.uint8)}, "neither voxels nor points"),
        ({"depth": SOFT, "K": np.eye(3)}, "not one array alone; it holds depth, K"),
    ],
)
def test_arrays_of_another_kind_are_refused_by_name(tmp_path, content, reason):
    write(tmp_path / "a.npz", content)
    with pytest.raises(BadItem, match=reason) as error:
        read_shape(tmp_path / "a.npz")
    assert str(tmp_path / "a.npz") in str(error.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (np.zeros((480, 640), np.float32), r"must be \(N, 3\), got \(480, 640\)"),
        (np.zeros((137, 137, 3), np.uint8), "must be a cube"),
        (np.zeros((4, 4)), r"must be \(N, 3\), got \(4, 4\)"),
        (np.eye(3), "the matrix of a camera, no three points"),
        (np.array([[525.0, 0, 320], [0, 525, 240], [0, 0, 1]]), "the matrix of a camera"),
        (np.linalg.qr(CLOUD[:3])[0], "the matrix of a camera"),
        (CLOUD[:8, :1].repeat(8, 1)[None].repeat(8, 0), "must lie between 0 and 1, got -"),
        (np.full((5, 5, 5), 2, np.uint8), "must lie between 0 and 1, got 2 to 2"),
        (np.full((5, 5, 5), -1, np.int8), "must lie between 0 and 1, got -1 to -1"),
        (np.full((5, 5, 5), 1e30), "must lie between 0 and 1"),
        (np.zeros((1000, 4)), r"must be \(N, 3\), got \(1000, 4\)"),
    ],
)
def test_a_bare_array_of_another_kind_is_refused(tmp_path, content, reason):
    np.save(tmp_path / "a.npy", content)
    with pytest.raises(BadItem, match=reason):
        read_shape(tmp_path / "a.npy")


@pytest.mark.parametrize(
    "content",
    [
        {"points": SPACE, "normals": SPACE, "loc": np.ones(3), "scale": np.float64(2)},
        {"points": SPACE, "colors": SPACE},
        {"points": SPACE, "intensity": SPACE[:, 0]},
        {"points": SPACE, "face_index": np.zeros(1000, np.int64)},
        {"points": SPACE, "label": np.int64(3), "name": np.array("chair")},
        {"points": SPACE, "camera": np.eye(4)},
        {"points": SPACE[:3], "loc": np.ones(3)},
        {"cloud": SPACE},
        {"arr_0": SPACE},
    ],
)
def test_points_on_a_surface_may_have_company(tmp_path, content):
    write(tmp_path / "a.npz", content)
    shape = read_shape(tmp_path / "a.npz")
    assert isinstance(shape, PointShape)
    np.testing.assert_array_equal(shape.cloud, next(iter(content.values())))


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        (["sdf"], "vertices with 'sdf' are samples of space"),
        (["occupancy"], "vertices with 'occupancy' are samples of space"),
        (["scalar_tsdf"], "vertices with 'scalar_tsdf' are samples of space"),
        (["inside"], "samples of space"),
        (["f_dc_0", "opacity", "scale_0", "rot_0"], "are Gaussian splats"),
        (["opacity", "scale_0"], "are Gaussian splats"),
        (["intensity"], ""),
        (["quality", "density"], ""),
        (["scalar_C2C_distances"], ""),
        (["red", "alpha"], ""),
    ],
)
def test_ply_without_faces_is_a_cloud_unless_its_vertices_say_otherwise(tmp_path, properties, reason):
    names = ["x", "y", "z", *properties]
    header = "".join(f"property float {name}\n" for name in names)
    body = "".join(" ".join(["0.5"] * len(names)) + "\n" for _ in range(4))
    text = f"ply\nformat ascii 1.0\nelement vertex 4\n{header}end_header\n{body}"
    (tmp_path / "a.ply").write_text(text, encoding="utf-8")
    if not reason:
        assert isinstance(read_shape(tmp_path / "a.ply"), PointShape)
        return
    with pytest.raises(BadItem, match=reason):
        read_shape(tmp_path / "a.ply")


@pytest.mark.parametrize(
    "content",
    [
        {"voxels": SOFT, "sdf": SOFT - 1},
        {"points": SPACE, "occupancy": SOFT},
        {"depth": SPACE, "voxel": SOFT},
        {"occupancies": SOFT},
        {"density": SOFT},
        {"mask": SOFT},
    ],
)
def test_grids_by_name_and_by_shape(tmp_path, content):
    write(tmp_path / "a.npz", content)
    np.testing.assert_array_equal(read_shape(tmp_path / "a.npz").occupancy, SOFT)


def test_whether_a_file_holds_a_grid(tmp_path):
    for name, content in (("a.npz", {"x": SOFT}), ("a.npy", GRID), ("a.binvox", GRID), ("a.mat", GRID)):
        write(tmp_path / name, content)
        assert holds_grid(tmp_path / name)
    write(tmp_path / "b.npz", {"points": SPACE})
    (tmp_path / "b.obj").write_text("not read for this", encoding="utf-8")
    assert not holds_grid(tmp_path / "b.npz") and not holds_grid(tmp_path / "b.obj")
    write(tmp_path / "c.npy", SOFT - 1)
    with pytest.raises(BadItem, match="must lie between 0 and 1"):
        holds_grid(tmp_path / "c.npy")


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
