"""The reprojection loss against a slow loop in float64, on closed forms, and its gradient."""

import math

import numpy as np
import pytest
import torch

from zoo.geometry.camera import ROW, Camera
from zoo.losses.reprojection import Reprojection, ReprojectionConfig
from zoo.sketches import SILHOUETTE
from zoo.types import Batch, Prediction, Sketches, Voxels

R = 5


def scene(cameras, size=(6, 7), stored=None, seed=0, views=1, resolution=R):
    """Random maps and occupancies in float64: clear object, clear background, and pixels in between."""
    pictures = len(cameras)
    draw = torch.Generator().manual_seed(seed)
    rand = lambda *shape: torch.rand(*shape, generator=draw, dtype=torch.float64)  # noqa: E731
    normals = torch.nn.functional.normalize(rand(pictures, 3, *size) - 0.5, dim=1)
    sketches = Sketches(0.2 + 0.6 * rand(pictures, *size), normals, 1.4 * rand(pictures, *size) - 0.2)
    logits = 4 * rand(pictures // views, resolution, resolution, resolution) - 2
    rows = torch.tensor([[getattr(c, name) for name in ROW] for c in cameras], dtype=torch.float64)
    image = torch.zeros(pictures // views, views, 4, *(stored or size), dtype=torch.uint8)
    batch = Batch(tuple(map(str, range(pictures // views))), image, camera=rows.reshape(-1, views, 7))
    return Prediction(sketches=sketches, shapes=Voxels(logits)), batch


def crossed(origin, direction, resolution):
    """(entry, exit, cell) of every cell that a ray crosses: one slab test per cell."""
    found = []
    for cell in np.ndindex(resolution, resolution, resolution):
        low = np.array(cell) / resolution - 0.5
        with np.errstate(divide="ignore"):
            a, b = (low - origin) / direction, (low + 1 / resolution - origin) / direction
        entry, leave = max(np.minimum(a, b).max(), 0.0), np.maximum(a, b).min()
        if entry < leave:
            found.append((entry, leave, cell))
    return sorted(found)


def slow_loss(prediction, cameras, stored, corner, inner, views=1, weight=1.0):
    """The definition, pixel by pixel and cell by cell."""
    maps, total, count = prediction.sketches, 0.0, 0
    for k, camera in enumerate(cameras):
        v = torch.sigmoid(prediction.shapes.logits[k // views]).numpy()
        resolution = len(v)
        axes = camera.matrix()[:3, :3]
        for row, column in np.ndindex(*inner):
            count += 1
            there = (k, corner[0] + row, corner[1] + column)
            u, w = (column + 0.5) * stored[1] / inner[1], (row + 0.5) * stored[0] / inner[0]
            middle, focal = camera.principal(stored), camera.focal(stored)
            slope = np.array([(u - middle[0]) / focal, (w - middle[1]) / focal, 1.0])
            direction = axes.T @ slope / np.linalg.norm(slope)
            cells = crossed(camera.position, direction, resolution)
            silhouette = float(maps.silhouette[there])
            if silhouette < SILHOUETTE:
                total += sum(v[cell] ** 2 for *_, cell in cells)
            elif silhouette > 0.5:
                depth = camera.distance - math.sqrt(3) * (float(maps.depth[there]) - 0.5)
                at = depth * np.linalg.norm(slope)
                for entry, leave, cell in cells:
                    total += v[cell] ** 2 * (leave <= at) + (1 - v[cell]) ** 2 * (entry <= at < leave)
                x, y, z = maps.normals[k, :, there[1], there[2]].numpy()
                for step in (np.array([0, -1, y / z]), np.array([-1, 0, x / z])):
                    step = step / np.abs(step).max() / resolution
                    index = np.floor((camera.position + at * direction + axes.T @ step + 0.5) * resolution)
                    if (index >= 0).all() and (index < resolution).all():
                        total += weight * (1 - v[tuple(index.astype(int))]) ** 2
    return total / count


def loss(prediction, batch, **settings):
    return Reprojection(ReprojectionConfig(rays=None, **settings))(prediction, batch)


CAMERAS = [
    Camera(30, 20, 1.6),
    Camera(200, -35, 1.4, 15, 60, 0.05, -0.1),
    Camera(0, 0, 1.8),
    Camera(90, 80, 2),
]


@pytest.mark.parametrize("weight", [0.0, 1.0, 0.3])
def test_against_the_definition(weight):
    prediction, batch = scene(CAMERAS)
    slow = slow_loss(prediction, CAMERAS, (6, 7), (0, 0), (6, 7), weight=weight)
    assert slow > 0.5
    assert loss(prediction, batch, normals=weight).item() == pytest.approx(slow, rel=1e-9)


def test_pictures_of_another_size_and_aspect():
    """Stored 4 x 8, read at 8 x 8: padded above and below, where nothing is known; and 12 x 16 at 6 x 8."""
    for stored, size, corner, inner in (((4, 8), (8, 8), (2, 0), (4, 8)), ((12, 16), (8, 8), (1, 0), (6, 8))):
        prediction, batch = scene(CAMERAS[:2], size, stored)
        slow = slow_loss(prediction, CAMERAS[:2], stored, corner, inner)
        assert loss(prediction, batch).item() == pytest.approx(slow, rel=1e-9)


def test_every_view_belongs_to_its_shape():
    prediction, batch = scene(CAMERAS, views=2)
    slow = slow_loss(prediction, CAMERAS, (6, 7), (0, 0), (6, 7), views=2)
    assert loss(prediction, batch).item() == pytest.approx(slow, rel=1e-9)


def parallel(silhouette, nearness, logits, n=(0.0, 0.0, -1.0)):
    """One pixel, seen through a lens so long that its ray is parallel to x through the middle of a cell."""
    maps = Sketches(
        torch.full((1, 1, 1), nearness),
        torch.tensor(n)[None, :, None, None],
        torch.full((1, 1, 1), silhouette),
    )
    camera = torch.tensor([[[0.0, 0, 0, 50, 0.1, 0, 0]]])
    batch = Batch(("one",), torch.zeros(1, 1, 4, 1, 1, dtype=torch.uint8), camera=camera)
    return Prediction(sketches=maps, shapes=Voxels(logits)), batch


@pytest.mark.parametrize(
    ("silhouette", "nearness", "want"),
    [
        (0.0, 0.0, 3 * 0.25),  # background: all three cells
        (1.0, 0.5, 0.25 + 0.25 + 0.5),  # the middle cell: one before it, itself, and its two neighbours
        (1.0, 0.5 + 0.4 / 3**0.5, 0.25 + 0.5),  # the nearest cell: none before it
        (1.0, 0.5 - 0.4 / 3**0.5, 0.5 + 0.25 + 0.5),  # the farthest: two before it
        (1.0, 0.0, 0.75),  # behind the grid: all are before it, and no neighbour is in the grid
        (1.0, 1.0, 0.0),  # before the grid
        (0.4, 0.5, 0.0),  # neither object nor background
    ],
)
def test_occupancy_of_one_half_everywhere(silhouette, nearness, want):
    prediction, batch = parallel(silhouette, nearness, torch.zeros(1, 3, 3, 3))
    assert loss(prediction, batch).item() == pytest.approx(want, abs=1e-6)


def test_the_neighbours_lie_up_and_to_the_left_in_the_surface():
    """A camera at +x: up is +y, left is +z. A surface that leans back to the left has that cell farther."""
    logits = torch.full((1, 3, 3, 3), 20.0)
    for n, cells in (
        ((0.0, 0.0, -1.0), {(1, 2, 1), (1, 1, 2)}),
        ((-1.0, 0.0, -1.0), {(1, 2, 1), (0, 1, 2)}),
        ((0.0, 1.0, -1.0), {(2, 2, 1), (1, 1, 2)}),
    ):
        for cell in np.ndindex(3, 3, 3):
            empty = logits.clone()
            empty[(0, *cell)] = -20.0
            missing = loss(*parallel(1.0, 0.5, empty, n)).item() - loss(*parallel(1.0, 0.5, logits, n)).item()
            on_the_ray = {(2, 1, 1): -1.0, (1, 1, 1): 1.0}
            assert missing == pytest.approx(on_the_ray.get(cell, 0.0) + (cell in cells), abs=1e-5), (n, cell)


def test_gradient():
    prediction, batch = scene(CAMERAS[:2], (3, 4), resolution=3)
    logits = prediction.shapes.logits.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x: loss(Prediction(sketches=prediction.sketches, shapes=Voxels(x)), batch), (logits,)
    )


def test_the_maps_get_no_gradient():
    prediction, batch = scene(CAMERAS[:1])
    for tensor in (prediction.sketches.depth, prediction.sketches.normals, prediction.sketches.silhouette):
        tensor.requires_grad_()
    prediction.shapes.logits.requires_grad_()
    loss(prediction, batch).backward()
    assert prediction.sketches.depth.grad is None
    assert prediction.shapes.logits.grad.abs().sum() > 0


def test_drawn_rays_are_some_of_all_and_follow_the_seed():
    prediction, batch = scene(CAMERAS[:1], (12, 12))
    some = Reprojection(ReprojectionConfig(rays=9))

    def drawn(seed):
        torch.manual_seed(seed)
        return some(prediction, batch).item()

    assert drawn(1) == drawn(1) != drawn(2)
    everything = Reprojection(ReprojectionConfig(rays=1000))(prediction, batch)
    assert everything.item() == pytest.approx(loss(prediction, batch).item(), rel=1e-12)
    assert np.mean([drawn(seed) for seed in range(300)]) == pytest.approx(everything.item(), rel=0.05)
