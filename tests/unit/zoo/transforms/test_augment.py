"""Mirrored samples: against loops over indices, against the renderer, and in the trainer."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from zoo.geometry.camera import Camera
from zoo.geometry.mesh import Mesh
from zoo.geometry.render import Light, Rendering, render
from zoo.geometry.surface import marching_cubes
from zoo.testing.smoke import SmokeSource
from zoo.training.trainer import Trainer
from zoo.transforms.augment import mirror, random_mirror
from zoo.types import Batch

CPU = torch.device("cpu")
SIZE = (48, 64)
ABOVE = Light(direction=(0.0, -0.7, -0.6))
"""A light that looks the same in a mirror."""


PLAIN = ("ids", "inputs", "span")
"""Fields of a batch that are no tensors."""


def smoke(count=4):
    source = SmokeSource(count=count, resolution=6, size=(5, 7))
    return source.fetch(range(count), [[0, 3]] * count)


def tensors(batch):
    return {f.name: getattr(batch, f.name) for f in fields(batch) if f.name not in PLAIN}


def test_each_field_is_mirrored_as_its_meaning_demands():
    batch, chosen = smoke(), torch.tensor([True, False, True, False])
    out = mirror(batch, chosen)
    assert out.ids == batch.ids
    for b in range(4):
        one, other = (
            {name: t[b].numpy() for name, t in tensors(batch).items()},
            {name: t[b].numpy() for name, t in tensors(out).items()},
        )
        if not chosen[b]:
            for name, field in one.items():
                np.testing.assert_array_equal(other[name], field)
            continue
        for j in range(7):
            np.testing.assert_array_equal(other["image"][..., j], one["image"][..., 6 - j])
            np.testing.assert_array_equal(other["depth"][..., j], one["depth"][..., 6 - j])
            for axis, sign in enumerate((-1, 1, 1)):
                np.testing.assert_array_equal(
                    other["normals"][:, axis, :, j], sign * one["normals"][:, axis, :, 6 - j]
                )
        for k in range(6):
            np.testing.assert_array_equal(other["voxels"][:, :, k], one["voxels"][:, :, 5 - k])
        np.testing.assert_array_equal(other["points"], one["points"] * [1, 1, -1])
        for view in range(2):
            before, after = Camera.from_row(one["camera"][view]), Camera.from_row(other["camera"][view])
            kept = ("elevation", "distance", "fov", "cy")
            assert [getattr(before, k) for k in kept] == [getattr(after, k) for k in kept]
            turned = ("azimuth", "in_plane", "cx")
            assert [getattr(before, k) for k in turned] == [-getattr(after, k) for k in turned]


def test_mirrored_twice_is_as_it_was():
    batch, chosen = smoke(), torch.tensor([True, True, False, True])
    again = tensors(mirror(mirror(batch, chosen), chosen))
    for name, field in tensors(batch).items():
        assert torch.equal(again[name], field), name


def test_the_batch_that_came_in_is_not_changed():
    batch, before = smoke(), tensors(smoke())
    mirror(batch, torch.ones(4, dtype=torch.bool))
    for name, field in tensors(batch).items():
        assert torch.equal(field, before[name]), name


def test_what_is_not_there_stays_away():
    batch = smoke()
    alone = mirror(Batch(ids=batch.ids, image=batch.image), torch.ones(4, dtype=torch.bool))
    assert torch.equal(alone.image, batch.image.flip(-1))
    assert all(field is None for name, field in tensors(alone).items() if name != "image")


def test_half_of_the_samples_follow_the_generator():
    batch = smoke(200)
    one, same, other = (random_mirror(batch, torch.Generator().manual_seed(s)) for s in (3, 3, 4))
    mirrored = (one.image == batch.image.flip(-1)).flatten(1).all(1)
    assert 70 < mirrored.sum() < 130
    assert torch.equal((one.points == batch.points).flatten(1).all(1), ~mirrored)
    assert torch.equal(one.image, same.image) and torch.equal(one.voxels, same.voxels)
    assert not torch.equal(one.image, other.image)


# --- the renderer agrees


def lopsided() -> np.ndarray:
    """An L with a knob: no two of its sides look alike."""
    grid = np.zeros((16, 16, 16), bool)
    grid[3:6, 2:14, 2:12] = True
    grid[3:13, 2:5, 8:12] = True
    grid[8:11, 5:8, 3:6] = True
    return grid


def picture(mesh: Mesh, camera: Camera) -> Rendering:
    return render(mesh, camera, SIZE, supersample=2, light=ABOVE)


def sample(grid: np.ndarray, camera: Camera) -> Batch:
    """One sample as a store would hold it."""
    mesh = marching_cubes(grid, 0.5)
    seen = picture(mesh, camera)
    return Batch(
        ids=("x",),
        image=torch.from_numpy(seen.rgba.transpose(2, 0, 1)[None, None].copy()),
        voxels=torch.from_numpy(grid[None].astype(np.float32)),
        points=torch.from_numpy(mesh.vertices[None].astype(np.float32)),
        depth=torch.from_numpy(seen.depth[None, None]),
        normals=torch.from_numpy(seen.normals.transpose(2, 0, 1)[None, None].copy()),
        camera=torch.from_numpy(camera.as_row()[None, None]),
    )


@pytest.mark.parametrize(
    "camera",
    [
        Camera(30, 25, 1.6),
        Camera(-110, -10, 1.8, in_plane=20),
        Camera(200, 40, 1.7, in_plane=-65, fov=60, cx=0.15, cy=-0.1),
        Camera(75, 89, 2.0, cx=-0.2),
    ],
)
def test_a_mirrored_sample_is_a_picture_of_its_own_voxels(camera):
    """What the mirrored camera sees of the mirrored voxels is the mirrored picture, light and all."""
    out = mirror(sample(lopsided(), camera), torch.tensor([True]))
    turned = Camera.from_row(out.camera[0, 0].numpy())
    seen = picture(marching_cubes(out.voxels[0].numpy() > 0.5, 0.5), turned)
    mask = out.mask[0, 0].numpy()
    assert mask.sum() > 200
    assert (mask != seen.mask).mean() < 1e-3  # samples exactly on an edge go to either side
    both = mask & seen.mask
    image = out.image[0, 0].permute(1, 2, 0).numpy().astype(int)
    close = np.abs(image - seen.rgba)[both].max(-1) <= 2
    assert close.mean() > 0.98
    depth, normals = out.depth[0, 0].numpy(), out.normals[0, 0].permute(1, 2, 0).numpy()
    assert np.quantile(np.abs(depth[both] - seen.depth[both]), 0.98) < 1e-3
    assert ((normals * seen.normals).sum(-1)[both] > 0.999).mean() > 0.98
    # an unmirrored camera, or an unmirrored shape, is caught
    for grid, look in ((out.voxels[0].numpy(), camera), (lopsided(), turned)):
        wrong = picture(marching_cubes(grid > 0.5, 0.5), look).mask
        assert (mask & wrong).sum() / (mask | wrong).sum() < 0.93
    # and the surface points lie on the mirrored surface
    surface = marching_cubes(out.voxels[0].numpy() > 0.5, 0.5).vertices
    points = out.points[0].numpy()
    assert np.abs(np.sort(surface[:, 2]) - np.sort(points[:, 2])).max() < 1e-6


# --- in the trainer


def seen_in_training(config, source, tmp_path, steps):
    """Batches as the losses get them, by step."""
    trainer = Trainer(config, source, tmp_path, seed=0, device=CPU)
    trainer.enter(trainer.stages[0])
    batch = source.fetch([0, 1], [[0], [0]])
    found, loss = [], trainer.losses["kl"]
    loss.register_forward_pre_hook(lambda module, inputs: found.append(inputs[1]))
    for step in steps:
        trainer.state.step = step
        trainer.step(batch, trainer.stages[0])
    return batch, found


def test_the_trainer_mirrors_by_seed_and_step(tiny_config, tiny_source, tmp_path):
    config = tiny_config("train.mirror=true")
    batch, found = seen_in_training(config, tiny_source, tmp_path, range(6))
    _, again = seen_in_training(config, tiny_source, tmp_path, (4, 2))
    for one, other in zip((found[4], found[2]), again, strict=True):
        assert torch.equal(one.voxels, other.voxels) and torch.equal(one.image, other.image)
    turned = torch.stack([(b.image == batch.image.flip(-1)).flatten(1).all(1) for b in found])
    assert {True, False} == set(turned.flatten().tolist())
    for out, which in zip(found, turned, strict=True):
        assert torch.equal(out.voxels, mirror(batch, which).voxels)


def test_the_trainer_does_not_mirror_unasked(tiny_config, tiny_source, tmp_path):
    batch, found = seen_in_training(tiny_config(), tiny_source, tmp_path, range(4))
    assert len(found) == 4
    assert all(torch.equal(out.image, batch.image) for out in found)


def test_a_packed_batch_is_decoded_first():
    grid = lopsided()
    packed = replace(
        sample(grid, Camera(30, 25, 1.6)), voxels=torch.from_numpy(np.packbits(grid, axis=-1)[None])
    )
    out = mirror(packed, torch.tensor([True]))
    np.testing.assert_array_equal(out.voxels[0].numpy(), grid[:, :, ::-1].astype(np.float32))
