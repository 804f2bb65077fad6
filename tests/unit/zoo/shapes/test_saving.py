"""What is saved is read back the same: by the data set 'folder', and by the readers of `evaluate`."""

import numpy as np
import pytest
import trimesh

from datasets import PrepareOptions
from datasets.formats.shapes import read_shape
from datasets.sources.folder import Folder, FolderConfig
from zoo.files import WriteError
from zoo.geometry.mesh import Mesh
from zoo.geometry.voxelize import solid
from zoo.metrics.iou import iou
from zoo.shapes import EmptyShapeError, FormatError, MeshShape, PointShape, Shape, VoxelShape
from zoo.shapes.saving import GRIDS, MESHES, POINTS

R = 32
FULL = VoxelShape(np.ones((4, 4, 4)))
FACE = np.array([[0, 1, 2]])
TRIANGLE = MeshShape(Mesh(np.eye(3), FACE))
MADE_OF = {".binvox": "voxels"}
"""Folder of the data set that files of a kind lie in; 'meshes' by default."""


def chair() -> np.ndarray:
    """A chair with one armrest that looks along +x: no turn and no mirror brings it onto itself."""
    grid = np.zeros((R, R, R), np.bool_)
    grid[6:26, 12:16, 6:26] = True  # seat
    grid[6:9, 12:32, 6:26] = True  # back, at -x
    for x in (6, 23):
        for z in (6, 23):
            grid[x : x + 3, 0:12, z : z + 3] = True
    grid[6:20, 16:22, 6:9] = True  # armrest, at -z
    return grid


def read_by_folder(root, file_type, save) -> np.ndarray:
    """The grid that the data set makes of one saved file."""
    below = root / MADE_OF.get(file_type, "meshes")
    below.mkdir(parents=True)
    save(below / f"chair{file_type}")
    (root / "index.csv").write_text("id,split\nchair,test\n", encoding="utf-8")
    source = Folder(FolderConfig(fine=R), root)
    [item] = source.items()
    options = source.resolve_options(PrepareOptions(resolutions=(R,), views=0, points=0))
    return source.build(item, options).voxels[R]


@pytest.mark.parametrize("file_type", [*MESHES, ".binvox"])
def test_the_data_set_folder_reads_the_same_shape(file_type, tmp_path):
    truth = chair()
    probabilities = np.where(truth, 0.3, 0).astype(np.float32)
    shape = VoxelShape(probabilities, level=0.15)
    found = read_by_folder(tmp_path, file_type, shape.save)
    assert iou(found >= 0.5, truth) > 0.99
    turned = np.rot90(truth, axes=(0, 2))
    assert iou(found >= 0.5, turned) < 0.7  # another front would be seen


@pytest.mark.parametrize("file_type", MESHES)
def test_the_data_set_folder_reads_the_same_mesh(file_type, tmp_path):
    mesh = VoxelShape(chair()).mesh().normalized()
    want = solid(mesh, R)[0]
    found = read_by_folder(tmp_path, file_type, MeshShape(mesh).save)
    assert iou(found >= 0.5, want) > 0.99


@pytest.mark.parametrize("file_type", [*MESHES, *GRIDS])
def test_evaluation_reads_the_same_shape(file_type, tmp_path):
    shape = VoxelShape(np.where(chair(), 0.3, 0.05).astype(np.float32), level=0.2)
    found = read_shape(shape.save(tmp_path / f"a{file_type}"))
    if file_type == ".binvox":
        np.testing.assert_array_equal(found.grid, chair())
    elif file_type in GRIDS:
        assert found.equals(shape) and found.grid.dtype == np.float32
    else:
        mesh = shape.mesh()
        vertices = found.mesh().vertices
        if file_type == ".glb":  # in the axes of the file: front is +z
            vertices = np.stack([vertices[:, 2], vertices[:, 1], -vertices[:, 0]], 1)
        corners = vertices[found.mesh().faces]
        np.testing.assert_allclose(ordered(corners), ordered(mesh.triangles), atol=1e-6)


def ordered(triangles: np.ndarray) -> np.ndarray:
    """Triangles (F, 3, 3) in an order of their own, each beginning with its first corner."""
    triangles = triangles.round(6)
    first = [min(range(3), key=lambda k: tuple(corners[k])) for corners in triangles]
    rolled = np.stack([np.roll(c, -k, 0) for c, k in zip(triangles, first, strict=True)])
    return rolled[np.lexsort(rolled.reshape(len(rolled), -1).T[::-1])]


@pytest.mark.parametrize("file_type", POINTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_points_come_back(file_type, dtype, tmp_path):
    cloud = np.random.default_rng(0).uniform(-0.5, 0.5, (50, 3)).astype(dtype)
    found = read_shape(PointShape(cloud).save(tmp_path / f"a{file_type}"))
    np.testing.assert_allclose(found.own_points, cloud, atol=1e-7)


def test_gltf_looks_along_z(tmp_path):
    """By another reader: corners at the front (+x), at the top (+y) and at the side (+z)."""
    mesh = Mesh(np.diag([0.5, 0.25, 0.125]), FACE)
    scene = trimesh.load(MeshShape(mesh).save(tmp_path / "a.glb"))
    [found] = scene.geometry.values()
    np.testing.assert_allclose(found.triangles[0], [[0, 0, 0.5], [0, 0.25, 0], [-0.125, 0, 0]], atol=1e-7)
    np.testing.assert_allclose(
        trimesh.load(MeshShape(mesh).save(tmp_path / "a.obj")).triangles[0], mesh.vertices, atol=1e-7
    )


def test_the_level_is_the_shapes_own_unless_said(tmp_path):
    grid = np.zeros((8, 8, 8))
    grid[2:6, 2:6, 2:6], grid[3:5, 3:5, 3:5] = 0.3, 0.8
    for level, cells in ((None, 64), (0.5, 8)):
        saved = VoxelShape(grid, level=0.2).save(tmp_path / "a.binvox", level)
        assert np.count_nonzero(read_shape(saved).grid) == cells
        saved = VoxelShape(grid, level=0.2).save(tmp_path / "a.ply", level)
        size = np.ptp(read_shape(saved).mesh().bounds, axis=0)
        assert (size > 0.4).all() == (level is None)


def test_an_empty_surface_is_said_with_what_would_help(tmp_path):
    shape = VoxelShape(np.full((4, 4, 4), 0.31))
    with pytest.raises(EmptyShapeError) as error:
        shape.save(tmp_path / "a.obj")
    assert str(error.value) == (
        f"{tmp_path / 'a.obj'}: nothing to save, the shape has no surface at level 0.5, its highest "
        f"probability is 0.31; give a lower level, or save the probabilities as .npz"
    )
    with pytest.raises(EmptyShapeError, match=r"a.glb: nothing to save, the shape has no surface$"):
        MeshShape(Mesh(np.zeros((0, 3)), np.zeros((0, 3), int))).save(tmp_path / "a.glb")
    with pytest.raises(EmptyShapeError, match=r"a.ply: nothing to save, the shape has no point$"):
        PointShape(np.zeros((0, 3))).save(tmp_path / "a.ply")
    assert list(tmp_path.iterdir()) == []
    assert not read_shape(shape.save(tmp_path / "a.binvox")).grid.any()  # which a grid can say


@pytest.mark.parametrize(
    ("shape", "name", "said"),
    [
        (
            VoxelShape(np.ones((4, 4, 4))),
            "a.xyz",
            "cannot save this shape as '.xyz'; it can be .obj, .ply, .glb",
        ),
        (
            VoxelShape(np.ones((4, 4, 4))),
            "a",
            "cannot save this shape as ''; it can be .obj, .ply, .glb, .stl",
        ),
        (FULL, "a.ofg", r"as '.ofg'; .*Did you mean '.off'\?"),
        (
            MeshShape(Mesh(np.eye(3), FACE)),
            "a.npz",
            r"as '.npz'; it can be .obj, .ply, .glb, .stl, .off\.",
        ),
        (PointShape(np.eye(3)), "a.obj", r"as '.obj'; it can be .ply, .npz, .npy\."),
    ],
)
def test_another_kind_of_file_is_refused(shape, name, said, tmp_path):
    with pytest.raises(FormatError, match=said):
        shape.save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_suffixes_in_capitals_and_folders_that_are_not_there(tmp_path):
    path = FULL.save(str(tmp_path / "new" / "A.OBJ"))
    assert path.is_file() and list(path.parent.iterdir()) == [path]


def test_what_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(WriteError, match=r"cannot write to .*; save to another folder, or make room there"):
        FULL.save(tmp_path / "file" / "a.obj")


class Ball(Shape):
    """Somebody's own representation, which can only be meshed."""

    def points(self, n, rng, level=None):
        directions = rng.normal(size=(n, 3))
        return 0.4 * directions / np.linalg.norm(directions, axis=1, keepdims=True)

    def mesh(self, level=None):
        ball = trimesh.creation.icosphere(radius=0.4)
        return Mesh(ball.vertices, ball.faces)


def test_a_new_representation_is_saved_as_its_mesh(tmp_path):
    assert Ball().formats == MESHES
    found = read_shape(Ball().save(tmp_path / "a.stl"))
    np.testing.assert_allclose(found.bounds(), Ball().bounds(), atol=1e-6)
    with pytest.raises(FormatError, match=r"it can be .obj, .ply, .glb, .stl, .off"):
        Ball().save(tmp_path / "a.binvox")
