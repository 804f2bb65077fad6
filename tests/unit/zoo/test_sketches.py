"""True 2.5D maps against a rendered ball and against closed forms, in every frame."""

import dataclasses

import numpy as np
import pytest
import torch
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.geometry.camera import Camera
from zoo.geometry.mesh import Mesh
from zoo.geometry.render import render
from zoo.sketches import SILHOUETTE, cut_out, sketch_pictures, surface_depth, true_sketches
from zoo.testing.smoke import SmokeSource
from zoo.transforms.frames import SPAN, to_frame
from zoo.types import Batch, ContractError, Sketches


def batch_of(depth, normals=None, distance=2.0, angles=(30.0, 20.0, 0.0)):
    """A sample per row of depth (B, V, H, W)."""
    depth = torch.as_tensor(depth, dtype=torch.float32)
    b, v, h, w = depth.shape
    there = torch.isfinite(depth)
    if normals is None:
        normals = torch.tensor([0.0, 0.0, -1.0])[:, None, None] * there[:, :, None]
    image = torch.zeros(b, v, 4, h, w, dtype=torch.uint8)
    image[:, :, 3] = 255 * there
    camera = torch.tensor([*angles, distance, 40.0, 0.0, 0.0]).expand(b, v, 7).clone()
    return Batch(tuple(map(str, range(b))), image, depth=depth, normals=normals, camera=camera)


def plane(depth, size=(6, 8)):
    return torch.full((1, 1, *size), float(depth))


@pytest.mark.parametrize(
    ("depth", "near"), [(2.0, 0.5), (1.5, 0.5 + 0.5 / 3**0.5), (2.25, 0.5 - 0.25 / 3**0.5)]
)
def test_nearness_is_measured_from_the_centre_in_cube_edges(depth, near):
    maps = true_sketches(batch_of(plane(depth)), (6, 8))
    assert torch.allclose(maps.depth, torch.tensor(near))
    assert torch.allclose(maps.silhouette, torch.tensor(1.0))


def test_a_rendered_ball():
    camera = Camera(40, 15, 2.2, fov=30)
    ball = trimesh.creation.icosphere(5, 0.4)
    seen = render(Mesh(ball.vertices, ball.faces), camera, (65, 65), smooth=True)
    rows = torch.from_numpy(camera.as_row())[None, None]
    batch = Batch(
        ("ball",),
        torch.from_numpy(seen.rgba).permute(2, 0, 1)[None, None],
        depth=torch.from_numpy(seen.depth)[None, None],
        normals=torch.from_numpy(seen.normals).permute(2, 0, 1)[None, None],
        camera=rows,
    )
    maps = true_sketches(batch, (65, 65))
    middle = (0, 32, 32)
    assert maps.depth[middle].item() == pytest.approx(0.5 + 0.4 / 3**0.5, abs=2e-3)
    assert maps.depth.amax() == maps.depth[middle]
    assert torch.allclose(maps.normals[0, :, 32, 32], torch.tensor([0.0, 0.0, -1.0]), atol=0.05)
    # left of the middle the ball faces left, above it up: x right, y down
    assert maps.normals[0, 0, 32, 18] < -0.3 < 0.3 < maps.normals[0, 0, 32, 46]
    assert maps.normals[0, 1, 18, 32] < -0.3 < 0.3 < maps.normals[0, 1, 46, 32]
    inside = maps.silhouette > 0.5
    assert torch.equal(maps.depth > 0, inside)
    lengths = maps.normals.norm(dim=1)
    assert torch.allclose(lengths[inside], torch.tensor(1.0), atol=1e-5)
    assert not lengths[~inside].any()


@pytest.mark.parametrize("frame", ["azimuth", "viewer"])
def test_the_maps_are_the_same_in_every_frame(frame):
    batch = SmokeSource().fetch([0, 1, 2], [[0], [1], [2]])
    batch = dataclasses.replace(batch, depth=batch.depth + batch.camera[..., 3, None, None] - 1.5)
    turned = to_frame(batch, frame)
    assert turned.span == SPAN[frame]
    own, other = true_sketches(batch, (32, 32)), true_sketches(turned, (32, 32))
    assert torch.allclose(own.image(), other.image(), atol=1e-5)
    assert own.depth.std() > 0.05
    depth = surface_depth(own, batch)
    assert torch.allclose(surface_depth(other, turned) * SPAN[frame], depth, atol=1e-5)


def test_depth_comes_back():
    batch = batch_of(torch.linspace(1.6, 2.4, 48).reshape(1, 1, 6, 8))
    assert torch.allclose(surface_depth(true_sketches(batch, (6, 8)), batch), batch.depth[:, 0], atol=1e-6)


@given(
    depth=st.floats(1.5, 2.5),
    left=st.integers(0, 5),
    width=st.integers(3, 8),  # 2 may fall half into either of two pixels, and fills more of none
    shrink=st.sampled_from([8, 10, 16]),
)
@settings(max_examples=40, deadline=None)
def test_the_background_does_not_bleed_into_the_edge(depth, left, width, shrink):
    """A flat face at one depth keeps that depth wherever it is said to be, however the maps are resized."""
    scene = torch.full((1, 1, 16, 16), torch.inf)
    scene[..., 3:12, left : left + width] = depth
    maps = true_sketches(batch_of(scene), (shrink, shrink))
    inside = maps.depth > 0
    near = 0.5 + (2 - depth) / 3**0.5
    assert torch.equal(inside, maps.silhouette > 0.5)
    assert inside.any()
    assert torch.allclose(maps.depth[inside], torch.tensor(near).float(), atol=1e-5)
    assert torch.allclose(maps.normals[:, 2][inside], torch.tensor(-1.0))
    assert not maps.normals.abs().sum(1)[~inside].any()


def test_other_aspects_are_padded():
    maps = true_sketches(batch_of(plane(2.0, (4, 8))), (8, 8))
    assert torch.allclose(maps.silhouette[0, 2:6], torch.ones(4, 8))
    assert not maps.silhouette[0, :2].any()
    assert not maps.silhouette[0, 6:].any()
    assert not maps.depth[0, :2].any()


def test_only_the_views_that_the_model_reads_picture_by_picture():
    depth = torch.tensor([[1.8, 1.9, 2.0], [2.1, 2.2, 2.3]])[..., None, None].expand(2, 3, 4, 4)
    whole, some = batch_of(depth), dataclasses.replace(batch_of(depth), inputs=2)
    expected = 0.5 + (2 - depth[..., 0, 0]) / 3**0.5
    assert torch.allclose(true_sketches(whole, (4, 4)).depth[:, 0, 0], expected.flatten())
    assert torch.allclose(true_sketches(some, (4, 4)).depth[:, 0, 0], expected[:, :2].flatten())


@pytest.mark.parametrize("field", ["depth", "normals", "camera"])
def test_what_is_missing_is_said(field):
    batch = dataclasses.replace(batch_of(plane(2.0)), **{field: None})
    with pytest.raises(ContractError, match="sketches need depth, normals and camera"):
        true_sketches(batch, (6, 8))


def test_what_an_encoder_is_shown_is_cut_out_by_the_silhouette():
    silhouette = torch.tensor([[[0.0, SILHOUETTE, SILHOUETTE + 1e-3, 1.0]]])
    maps = Sketches(torch.full((1, 1, 4), 0.7), torch.full((1, 3, 1, 4), 0.5), silhouette)
    cut = cut_out(maps)
    assert np.allclose(cut.depth.numpy(), [[[0, 0, 0.7, 0.7]]])
    assert np.allclose(cut.normals.numpy()[0, :, 0], [[0, 0, 0.5, 0.5]] * 3)
    assert torch.equal(cut.silhouette, silhouette)


def test_pictures_of_the_maps():
    silhouette = torch.tensor([[[0.0, 1.0]]])
    maps = Sketches(
        torch.full((1, 1, 2), 0.6),
        torch.tensor([1.0, 0.0, -1.0])[None, :, None, None].expand(1, 3, 1, 2),
        silhouette,
    )
    depth, normals, mask = sketch_pictures(maps)
    assert depth.tolist() == [[[0, 0, 0, 0], [153, 153, 153, 255]]]
    assert normals[0, 1].tolist() == [255, 128, 255, 255]  # to the right and towards the viewer
    assert normals[0, 0, 3] == 0
    assert mask.tolist() == [[[0, 0, 0, 255], [255, 255, 255, 255]]]
