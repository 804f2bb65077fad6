"""Frames: what the camera sees stays what it sees, and turning back gives what was turned."""

import numpy as np
import pytest
import torch

from zoo.geometry.camera import Camera
from zoo.geometry.render import render
from zoo.geometry.surface import marching_cubes
from zoo.transforms.frames import SPAN, rotation, to_canonical, to_frame
from zoo.types import Batch, ContractError, Points, Shapes, Voxels

CAMERAS = (
    Camera(0, 0, 2.0),
    Camera(90, 0, 1.5),
    Camera(37, 25, 1.8, in_plane=12, fov=40),
    Camera(-130, -35, 2.4, in_plane=-50, cx=0.1, cy=-0.05),
    Camera(300, 80, 1.2),
)
ANGLES = tuple((a, e, r) for a in range(0, 360, 15) for e in (-60, 0, 35, 45) for r in (0, 30, 45))
FRAMES = ("canonical", "azimuth", "viewer")
SIZE = (96, 128)


def letter(r=64):
    """An L lying on its side, with a bump towards +x at one end: no turn or mirror takes it to itself."""
    grid = torch.zeros(r, r, r)
    low, thick, mid, high = r // 8, r // 8 + r // 5, r // 2, 7 * r // 8
    grid[low:thick, low:thick, low:high] = 1
    grid[low:thick, low:high, low:thick] = 1
    grid[low:mid, low:thick, high - r // 5 : high] = 1
    return grid


def cells(grid, level=0.5):
    """Centres (N, 3) of the occupied cells."""
    places = (grid >= level).nonzero().double()
    return (places + 0.5) / grid.shape[0] - 0.5


def rows(*cameras):
    return torch.from_numpy(np.stack([camera.as_row() for camera in cameras]))


def batch_of(*cameras, points=None, voxels=None, depth=None):
    count = len(cameras)
    image = torch.zeros(count, 1, 4, 1, 2, dtype=torch.uint8)
    ids = tuple(map(str, range(count)))
    return Batch(ids, image, voxels=voxels, points=points, depth=depth, camera=rows(*cameras)[:, None])


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("camera", CAMERAS, ids=str)
def test_rotations_are_those_of_the_camera(frame, camera):
    """The frame's rotation is proper, and the turned camera's matrix after it is the camera's own."""
    turn = rotation(rows(camera), frame)[0].numpy()
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-6)
    assert np.linalg.det(turn) == pytest.approx(1)
    turned = Camera.from_row(to_frame(batch_of(camera), frame).camera[0, 0].numpy())
    np.testing.assert_allclose(turned.matrix()[:3, :3] @ turn, camera.matrix()[:3, :3], atol=1e-5)
    assert turned.distance == pytest.approx(camera.distance / SPAN[frame])
    assert (turned.fov, turned.cx, turned.cy) == pytest.approx((camera.fov, camera.cx, camera.cy))


def test_what_each_frame_leaves_of_the_pose():
    camera = Camera(37, 25, 1.8, in_plane=12)
    left = {frame: tuple(to_frame(batch_of(camera), frame).camera[0, 0, :3].tolist()) for frame in FRAMES}
    assert left["canonical"] == pytest.approx((37, 25, 12))
    assert left["azimuth"] == pytest.approx((0, 25, 12))
    assert left["viewer"] == pytest.approx((0, 0, 0))


def test_axes_of_the_frames():
    """Seen from -z, what points there points to the viewer; up stays up unless the camera looks down."""
    camera = Camera(90, 30, 2.0)
    towards, up = torch.tensor([0.0, 0, -1]).double(), torch.tensor([0.0, 1, 0]).double()
    azimuth, viewer = (rotation(rows(camera), frame)[0] for frame in ("azimuth", "viewer"))
    torch.testing.assert_close(azimuth @ towards, torch.tensor([1.0, 0, 0]).double())
    torch.testing.assert_close(azimuth @ up, up)
    seen = torch.from_numpy(camera.position / np.linalg.norm(camera.position))
    torch.testing.assert_close(viewer @ seen, torch.tensor([1.0, 0, 0]).double(), atol=1e-6, rtol=0)


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("camera", CAMERAS, ids=str)
def test_points_appear_on_the_same_pixels(frame, camera):
    points = cells(letter())
    turned = to_frame(batch_of(camera, points=points[None].float()), frame)
    before, depth_before = camera.project(points.numpy(), SIZE)
    after = Camera.from_row(turned.camera[0, 0].numpy())
    uv, depth = after.project(turned.points[0].numpy(), SIZE)
    np.testing.assert_allclose(uv, before, atol=1e-3)
    np.testing.assert_allclose(depth * SPAN[frame], depth_before, atol=1e-5)


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("camera", CAMERAS, ids=str)
def test_voxels_appear_on_the_same_pixels(frame, camera):
    """Drawn by the turned camera, the turned grid covers what the grid covered; its mirror image does not."""
    grid = letter()
    turned = to_frame(batch_of(camera, voxels=grid[None]), frame)
    after = Camera.from_row(turned.camera[0, 0].numpy())
    seen = silhouette(camera, grid)
    assert overlap(seen, silhouette(after, turned.voxels[0])) > 0.95
    assert max(overlap(seen, silhouette(after, turned.voxels[0].flip(axis))) for axis in (0, 1, 2)) < 0.85


def silhouette(camera, grid):
    return torch.from_numpy(render(marching_cubes(grid.numpy(), 0.5), camera, SIZE).mask)


def overlap(a, b):
    return ((a & b).sum() / (a | b).sum()).item()


@pytest.mark.parametrize("frame", FRAMES)
def test_points_come_back_exactly(frame):
    points = torch.rand(len(CAMERAS), 50, 3, generator=torch.Generator().manual_seed(0)) - 0.5
    turned = to_frame(batch_of(*CAMERAS, points=points), frame)
    assert turned.points.abs().max() <= 0.5  # nothing leaves the frame's cube
    back = to_canonical(Points(turned.points), rows(*CAMERAS), frame)
    torch.testing.assert_close(back.xyz, points, atol=1e-6, rtol=0)


@pytest.mark.parametrize("frame", FRAMES)
def test_voxels_come_back(frame):
    """After two resamplings at most, the first to cells that are coarser than their own."""
    grid = letter()
    turned = to_frame(batch_of(*CAMERAS, voxels=grid.expand(len(CAMERAS), -1, -1, -1)), frame)
    logits = torch.logit(turned.voxels, eps=1e-6)
    back = torch.sigmoid(to_canonical(Voxels(logits), rows(*CAMERAS), frame).logits) >= 0.5
    for found in back:
        assert overlap(found, grid > 0) > 0.9
        assert max(overlap(found.flip(axis), grid > 0) for axis in (0, 1, 2)) < 0.6


@pytest.mark.parametrize("frame", FRAMES)
def test_nothing_is_cut_off(frame):
    """Every corner of the cube lies within the frame's cube, at any angle."""
    angles = [Camera(azimuth, elevation, 2.0, roll) for azimuth, elevation, roll in ANGLES]
    corners = torch.tensor([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
    turned = to_frame(batch_of(*angles, points=corners.expand(len(angles), 8, 3)), frame)
    assert turned.points.abs().max() <= 0.5 + 1e-6


def test_depth_shrinks_with_the_frame():
    depth = torch.tensor([1.5, float("inf")]).reshape(1, 1, 1, 2)
    turned = to_frame(batch_of(CAMERAS[2], depth=depth), "azimuth")
    torch.testing.assert_close(turned.depth, depth / 2**0.5)


def test_gradients_pass_back():
    xyz = torch.rand(1, 4, 3, dtype=torch.float64).requires_grad_()
    torch.autograd.gradcheck(lambda p: to_canonical(Points(p), rows(CAMERAS[2]), "azimuth").xyz, xyz)


def test_the_canonical_frame_needs_no_camera():
    batch = Batch(("a",), torch.zeros(1, 1, 4, 2, 2, dtype=torch.uint8), points=torch.zeros(1, 2, 3))
    assert to_frame(batch, "canonical") is batch
    with pytest.raises(ContractError, match="frame 'azimuth' needs the camera of each picture"):
        to_frame(batch, "azimuth")


def test_further_views_follow_in_azimuth_alone():
    """Another camera of the same shape sees the turned shape where it saw the shape."""
    first, second = CAMERAS[2], CAMERAS[3]
    points = cells(letter())
    image = torch.zeros(1, 2, 4, 2, 2, dtype=torch.uint8)
    batch = Batch(("a",), image, points=points[None].float(), camera=rows(first, second)[None])
    turned = to_frame(batch, "azimuth")
    after = Camera.from_row(turned.camera[0, 1].numpy())
    want, found = second.project(points.numpy(), SIZE)[0], after.project(turned.points[0].numpy(), SIZE)[0]
    np.testing.assert_allclose(found, want, atol=1e-3)
    with pytest.raises(ContractError, match="frame 'viewer' is of one view"):
        to_frame(batch, "viewer")


def test_shapes_of_any_kind_are_moved_by_the_way_back():
    asked = []

    class Blob(Shapes):
        representation = "blob"

        def split(self):
            return []

        def tensors(self):
            return {}

        def moved(self, turn, scale):
            asked.append((turn, scale))
            return self

        def __len__(self):
            return 1

    camera = rows(CAMERAS[0])
    to_canonical(Blob(), camera, "viewer")
    [(turn, scale)] = asked
    torch.testing.assert_close(turn @ rotation(camera, "viewer"), torch.eye(3).double()[None])
    assert scale == 3**0.5


def test_shapes_that_cannot_be_moved_cannot_be_made():
    class Blob(Shapes):
        representation = "blob"

        def split(self):
            return []

        def __len__(self):
            return 1

    with pytest.raises(TypeError, match=r"abstract methods '?moved'?, '?tensors"):
        Blob()
