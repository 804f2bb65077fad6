"""DRC: the ray losses against a loop over single rays, and the network of the published size."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.helpers.ray_walk import walk
from zoo.config import load_config
from zoo.decoders.drc_deconv import DRCDeconv, DRCDeconvConfig
from zoo.encoders.drc_cnn import DRCCNN, DRCCNNConfig
from zoo.geometry.camera import Camera
from zoo.losses._rays import Crossings, cross, pixel_rays
from zoo.losses.ray_consistency import (
    RayDepth,
    RayDepthConfig,
    RayMask,
    RayMaskConfig,
    expected_cost,
    log_empty,
)
from zoo.model import build_losses, build_model, supervision
from zoo.testing.smoke import SmokeSource
from zoo.types import Batch, ContractError, Latent, Prediction, Voxels

SIZE, R = 24, 8
CAMERAS = [Camera(a, e, 2.0) for a, e in [(0, 20), (80, 0), (170, 35), (250, -20), (310, 60)]]


def noise(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def rows(cameras=CAMERAS):
    return torch.tensor(np.stack([camera.as_row() for camera in cameras]))


def every_ray(cameras=CAMERAS):
    """The rays of all pixels, row by row, one camera after the other."""
    j, i = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    uv = torch.stack([i, j], -1).reshape(1, -1, 2) + 0.5
    return pixel_rays(rows(cameras), uv.expand(len(cameras), -1, 2), (SIZE, SIZE))


def ball(r=R, radius=0.35):
    ticks = (torch.arange(r) + 0.5) / r - 0.5
    x, y, z = torch.meshgrid(ticks, ticks, ticks, indexing="ij")
    return x**2 + y**2 + (z - 0.1) ** 2 < radius**2


def pictures(grid, inputs=None, cameras=CAMERAS):
    """What the cameras see of a grid whose cells are opaque or not: a batch of one."""
    rays = every_ray(cameras)
    crossings = cross(rays, grid.shape[0])
    hit = grid.flatten()[crossings.cell] & crossings.inside
    first = hit.float().argmax(1)
    stop = torch.where(hit.any(1), crossings.entry.gather(1, first[:, None])[:, 0], torch.inf)
    distance = torch.full((len(rays.origin),), torch.inf)
    distance[crossings.ray] = stop
    depth = (distance * rays.cosine).view(1, len(cameras), SIZE, SIZE)
    image = torch.zeros(1, len(cameras), 4, SIZE, SIZE, dtype=torch.uint8)
    image[:, :, 3] = 255 * depth.isfinite()
    return Batch(("a",), image, depth=depth, camera=rows(cameras)[None], inputs=inputs)


def of(probability):
    """A prediction with these probabilities of occupancy, clamped to what float32 logits can say."""
    logits = torch.logit(probability.double(), eps=1e-9).float()
    return Prediction(Latent(torch.zeros(1, 1)), torch.zeros(1, 1), Voxels(logits[None]))


def mask_loss(prediction, batch, seed=0, **config):
    torch.manual_seed(seed)
    return RayMask(RayMaskConfig(**{"rays": 2000, "reduction": "mean", **config}))(prediction, batch)


def depth_loss(prediction, batch, seed=0, **config):
    torch.manual_seed(seed)
    return RayDepth(RayDepthConfig(**{"rays": 2000, "reduction": "mean", **config}))(prediction, batch)


# --- events and their expected cost


def slow_cost(x, stop, escape):
    """Event by event, for one ray."""
    going, cost = 1.0, 0.0
    for xi, ci in zip(x, stop, strict=True):
        cost += going * (1 - xi) * ci
        going *= xi
    return cost + going * escape


def test_expected_cost_is_that_of_a_loop():
    x, stop, escape = torch.sigmoid(noise(6, 9, dtype=torch.float64)), noise(6, 9).abs(), noise(6, seed=1)
    stop, escape = stop.double(), escape.double()
    want = [slow_cost(*map(torch.Tensor.tolist, row)) for row in zip(x, stop, escape, strict=True)]
    torch.testing.assert_close(
        expected_cost(x.log(), stop, escape), torch.tensor(want, dtype=torch.float64), rtol=1e-12, atol=0
    )


def test_probabilities_of_events_sum_to_one():
    """The cost that is 1 for one event and 0 for the others is that event's probability."""
    empty = torch.sigmoid(3 * noise(1, 6, dtype=torch.float64)).log()
    events = torch.eye(7, dtype=torch.float64)
    found = expected_cost(empty.expand(7, 6), events[:, :6], events[:, 6])
    x = empty.exp()[0].tolist()
    want = [math.prod(x[:i]) * (1 - x[i]) for i in range(6)] + [math.prod(x)]
    torch.testing.assert_close(found, torch.tensor(want, dtype=torch.float64))
    assert found.sum().item() == pytest.approx(1, abs=1e-12)


def test_nothing_vanishes_at_certain_cells():
    """An occupied cell so certain that its emptiness underflows still learns to open up."""
    logits = torch.full((1, 2, 2, 2), -200.0)
    logits[0, 0, 0, 0] = 200.0
    logits.requires_grad_()
    cells = Crossings(
        torch.tensor([0]),
        torch.tensor([[0, 1]]),
        torch.tensor([[1.0, 2.0]]),
        torch.ones(1, 2, dtype=torch.bool),
    )
    empty = log_empty(logits, torch.tensor([0]), cells)
    assert empty[0].tolist() == [-200.0, 0.0]
    empty.sum().backward()
    assert logits.grad[0, 0, 0, 0] == -1


@pytest.mark.parametrize("mode", ["mask", "depth"])
def test_gradients_on_a_tiny_grid(mode):
    logits = noise(1, 3, 3, 3, dtype=torch.float64).requires_grad_()
    rays = every_ray(CAMERAS[:1])
    crossings = cross(rays, 3)
    some = slice(0, None, 7)
    crossings = Crossings(
        crossings.ray[some], crossings.cell[some], crossings.entry[some], crossings.inside[some]
    )
    sample = torch.zeros(len(crossings.ray), dtype=torch.long)
    seen = torch.rand(len(sample), 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 1.5

    def total(logits):
        empty = log_empty(logits, sample, crossings)
        if mode == "mask":
            return empty.sum(1).exp().sum()
        return expected_cost(empty, (crossings.entry - seen).abs(), 10 - seen[:, 0]).sum()

    assert torch.autograd.gradcheck(total, logits)


# --- the losses


def slow_loss(mode, probability, batch, pixels, background, escape=10.0):
    """Mean over the drawn pixels of each view; one ray at a time in float64."""
    r, costs = len(probability), []
    p = probability.double().flatten().tolist()
    for view, camera in enumerate(CAMERAS):
        position = camera.position
        right_down_forward = camera.matrix()[:3, :3]
        for pixel in pixels[view].tolist():
            uv = np.array([pixel % SIZE + 0.5, pixel // SIZE + 0.5])
            slope = (uv - camera.principal((SIZE, SIZE))) / camera.focal((SIZE, SIZE))
            along = np.array([*slope, 1.0])
            cosine = 1 / np.linalg.norm(along)
            path = walk(position, along * cosine @ right_down_forward, r)
            path = [(c, a) for c, a, b in path if b - a > 1e-6]
            j, i = divmod(pixel, SIZE)
            if not path:
                costs.append(0.0)
                continue
            if mode == "mask":
                there = bool(batch.mask[0, view, j, i])
                stop, go = [0.0 if there else 1.0] * len(path), 1.0 if there else 0.0
            else:
                depth = batch.depth[0, view, j, i].item()
                there = math.isfinite(depth)
                seen = depth / cosine if there else escape
                stop, go = [abs(a - seen) for _, a in path], abs(escape - seen)
            cost = slow_cost([1 - p[c] for c, _ in path], stop, go)
            costs.append(cost if there else background * cost)
    return np.mean(costs)


@pytest.mark.parametrize("mode", ["mask", "depth"])
def test_loss_is_that_of_a_loop_over_rays(mode):
    batch, n = pictures(ball()), 60
    probability = torch.sigmoid(noise(R, R, R))
    loss = mask_loss if mode == "mask" else depth_loss
    found = loss(of(probability), batch, rays=n, background=0.3)
    torch.manual_seed(0)
    pixels = torch.randint(SIZE * SIZE, (1, len(CAMERAS), n))[0]
    want = slow_loss(mode, probability, batch, pixels, background=0.3)
    assert found.item() == pytest.approx(want, rel=1e-4)


def test_sum_and_mean_differ_by_the_rays():
    batch, prediction = pictures(ball()), of(torch.sigmoid(noise(R, R, R)))
    mean, total = (mask_loss(prediction, batch, rays=50, reduction=how) for how in ("mean", "sum"))
    torch.testing.assert_close(total, mean * 50 * len(CAMERAS))


def test_several_samples_are_a_mean_over_them():
    shapes = [ball(), ball(radius=0.2), ~ball()]
    alone = [pictures(shape) for shape in shapes]
    batch = Batch(("a", "b", "c"), *(torch.cat([getattr(b, f) for b in alone]) for f in ("image",)))
    batch = replace(batch, camera=rows()[None].expand(3, -1, -1), depth=torch.cat([b.depth for b in alone]))
    logits = noise(3, R, R, R)
    whole = Prediction(shapes=Voxels(logits))
    torch.manual_seed(0)
    value = RayDepth(RayDepthConfig(rays=4000, reduction="mean"))(whole, batch)
    parts = [
        depth_loss(Prediction(shapes=Voxels(logits[i : i + 1])), b, rays=4000, seed=i)
        for i, b in enumerate(alone)
    ]
    assert value.item() == pytest.approx(torch.stack(parts).mean().item(), rel=0.05)


def test_views_that_the_model_reads_are_not_looked_at():
    prediction, batch = of(torch.sigmoid(noise(R, R, R))), pictures(ball(), inputs=2)
    image, depth = batch.image.clone(), batch.depth.clone()
    image[:, :2, 3], depth[:, :2] = 0, torch.inf
    blind = replace(batch, image=image, depth=depth)
    for loss in (mask_loss, depth_loss):
        value = loss(prediction, batch)
        assert value == loss(prediction, blind)
        assert value != loss(prediction, replace(batch, inputs=None))


def test_rays_past_the_grid_cost_nothing():
    away = [replace(camera, cx=5.0) for camera in CAMERAS]
    batch = pictures(ball(), cameras=away)
    assert mask_loss(of(torch.full((R, R, R), 0.5)), batch) == 0
    assert depth_loss(of(torch.full((R, R, R), 0.5)), batch) == 0


def test_the_visual_hull_has_no_loss_and_the_way_there_goes_down():
    """The hull: every cell that no ray of the background crosses."""
    shape = ball()
    batch, crossings = pictures(shape), cross(every_ray(), R)
    background = ~batch.mask.flatten()[crossings.ray]
    hull = torch.ones(R**3, dtype=torch.bool)
    hull[crossings.cell[background][crossings.inside[background]]] = False
    hull = hull.view(R, R, R)
    assert (hull | ~shape).all() and hull.sum() > shape.sum()
    start = torch.sigmoid(noise(R, R, R))
    losses = [
        mask_loss(of(torch.lerp(start, hull.float(), t)), batch).item() for t in torch.linspace(0, 1, 9)
    ]
    assert (np.diff(losses) < 0).all()
    assert losses[-1] == pytest.approx(0, abs=1e-5)


def test_the_truth_has_no_depth_loss_and_its_hull_has():
    shape = ball()
    batch = pictures(shape)
    start = torch.sigmoid(noise(R, R, R))
    losses = [
        depth_loss(of(torch.lerp(start, shape.float(), t)), batch).item() for t in torch.linspace(0, 1, 9)
    ]
    assert (np.diff(losses) < 0).all()
    assert losses[-1] == pytest.approx(0, abs=1e-4)
    assert depth_loss(of(ball(radius=0.45).float()), batch) > 0.01


def test_gradients_open_the_background_and_close_the_object():
    batch = pictures(ball())
    logits = torch.zeros(1, R, R, R, requires_grad=True)
    mask_loss(Prediction(shapes=Voxels(logits)), batch).backward()
    assert (logits.grad[0, 0, 0] >= 0).all() and logits.grad[0, 0, 0].sum() > 0
    assert logits.grad[0, R // 2, R // 2, R // 2] < 0


def test_noise_is_on_the_object_alone_and_bounded():
    batch, truth = pictures(ball()), of(ball().float())
    quiet, loud = depth_loss(truth, batch), depth_loss(truth, batch, noise=0.2)
    assert quiet < 1e-4
    share = batch.mask.float().mean().item()  # of rays; the mean of |U(-0.2, 0.2)| is 0.1
    assert loud.item() == pytest.approx(0.1 * share, rel=0.15)
    empty = replace(batch, depth=torch.full_like(batch.depth, torch.inf))
    assert depth_loss(truth, empty, noise=0.2) == depth_loss(truth, empty)


def test_same_seed_same_pixels():
    batch, prediction = pictures(ball()), of(torch.sigmoid(noise(R, R, R)))
    values = [mask_loss(prediction, batch, rays=20, seed=seed) for seed in (0, 0, 1)]
    assert values[0] == values[1] != values[2]


def test_what_a_batch_lacks_is_named():
    batch, prediction = pictures(ball()), of(torch.full((R, R, R), 0.5))
    with pytest.raises(ContractError, match="ray consistency needs the cameras"):
        mask_loss(prediction, replace(batch, camera=None))
    with pytest.raises(ContractError, match="ray_depth needs depth"):
        depth_loss(prediction, replace(batch, depth=None))


# --- the network and the systems


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_parameter_counts_are_those_published():
    with torch.device("meta"):
        encoder = DRCCNN(DRCCNNConfig(), in_channels=3, image_size=(64, 64))
        decoder = DRCDeconv(DRCDeconvConfig(), latent_dim=encoder.latent_dim)
    assert (count(encoder), count(decoder)) == (160_680, 802_369)


@pytest.mark.parametrize("name", ["drc", "drc_depth", "drc_voxel"])
def test_the_systems_have_the_published_network_and_schedule(name):
    config = load_config(name)
    with torch.device("meta"):
        model = build_model(config)
    assert count(model) == 963_049
    assert (config.train.steps, config.train.batch_size) == (10_000, 8)
    assert (config.train.optimizer.name, config.train.optimizer.lr) == ("adam", 1e-4)
    assert config.decoder.config.output == ("occupied" if name == "drc_voxel" else "empty")


@pytest.mark.parametrize(("name", "needed"), [("drc", {"mask"}), ("drc_depth", {"depth"})])
def test_no_shape_is_ever_seen(name, needed):
    config = load_config(name)
    assert config.train.extra_views == 5
    assert supervision(config) == {"image", "camera"} | needed
    provides = SmokeSource.provides - needed
    with torch.device("meta"):
        model = build_model(config)
    with pytest.raises(ContractError, match=f"model '{name}': loss 'ray_.*' needs {needed.pop()}"):
        build_losses(config, model, provides)


def test_the_output_is_the_probability_that_a_cell_is_empty():
    torch.manual_seed(0)
    empty = DRCDeconv(DRCDeconvConfig(width=16), latent_dim=5).eval()
    occupied = DRCDeconv(DRCDeconvConfig(width=16, output="occupied"), latent_dim=5).eval()
    occupied.load_state_dict(empty.state_dict())
    code = Latent(noise(2, 5))
    published = (torch.tanh(empty.layers(empty.stem(code.mean)).squeeze(1)) + 1) / 2
    torch.testing.assert_close(1 - torch.sigmoid(empty(code).logits), published)
    torch.testing.assert_close(torch.sigmoid(occupied(code).logits), published)


@pytest.mark.parametrize("resolution", [32, 64, 128])
def test_further_doublings_keep_the_width(resolution):
    with torch.device("meta"):
        decoder = DRCDeconv(DRCDeconvConfig(resolution=resolution), latent_dim=100)
        assert decoder(Latent(torch.zeros(2, 100))).logits.shape == (2, *[resolution] * 3)
    doublings = {32: 0, 64: 1, 128: 2}[resolution]
    assert count(decoder) == 802_369 + doublings * (8 * 8 * 64 + 8 + 16)


def test_initial_weights():
    torch.manual_seed(0)
    decoder = DRCDeconv(DRCDeconvConfig(), latent_dim=100)
    linear, norm, conv = decoder.stem[0], decoder.stem[1], decoder.layers[0]
    for weight, mean in ((linear.weight, 0), (norm.weight, 1), (conv.weight, 0)):
        assert weight.mean().item() == pytest.approx(mean, abs=0.003)
        assert weight.std().item() == pytest.approx(0.02, rel=0.06)
    assert not any(layer.bias.any() for layer in (linear, norm, conv))


def test_pictures_that_vanish():
    with pytest.raises(ContractError, match=r"images of 16x64 vanish when halved 5 times"):
        DRCCNN(DRCCNNConfig(), in_channels=3, image_size=(16, 64))
