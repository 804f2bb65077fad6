"""AtlasNet: the decoder 'atlas', the shape encoder 'point_net', templates, patches and the stages."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from torch import nn

from zoo.config import load_config
from zoo.decoders.atlas import Atlas, AtlasConfig
from zoo.geometry.mesh import Mesh
from zoo.geometry.templates import sphere, square
from zoo.model import build_model
from zoo.shape_encoders.point_net import PointNet, PointNetConfig
from zoo.shapes import PatchShape
from zoo.testing.smoke import SmokeSource
from zoo.training.trainer import Trainer
from zoo.transforms.frames import rotation, to_canonical
from zoo.types import Batch, ContractError, Latent, Patches

CPU = torch.device("cpu")


def count(module):
    return sum(p.numel() for p in module.parameters())


def atlas(latent_dim=6, seed=0, **config):
    torch.manual_seed(seed)
    small = {"patches": 3, "points": 60, "vertices": 48, **config}
    return Atlas(AtlasConfig(**small), latent_dim=latent_dim)


def codes(batch=2, dim=6, seed=1):
    return Latent(torch.randn(batch, dim, generator=torch.Generator().manual_seed(seed)))


# --- the published numbers


@pytest.mark.parametrize(("architecture", "one"), [("v1", 1_716_498), ("v2", 1_059_843)])
def test_parameters_of_a_patch_are_those_published(architecture, one):
    with torch.device("meta"):
        parts = [Atlas(AtlasConfig(architecture=architecture, patches=n), latent_dim=1024) for n in (1, 25)]
    assert [count(part) for part in parts] == [one, 25 * one]


@pytest.mark.parametrize(("name", "total"), [("atlasnet", 54_614_274), ("atlasnet_v2", 38_197_899)])
def test_parameters_of_the_systems_are_those_published(name, total):
    with torch.device("meta"):
        model = build_model(load_config(name))
    # ResNet-18 without its classifier, and a linear layer of 512 x 1024 + 1024 in its place
    assert count(model.encoder.backbone) == 11_176_512
    assert count(model.encoder) == 11_176_512 + 525_312 == 11_701_824
    assert count(model.encoder) + count(model.decoder) == total


def test_the_sphere_has_one_coordinate_more():
    """Widths follow the input of 1027 as they do that of 1026: 1027, 513, 256."""
    with torch.device("meta"):
        decoder = build_model(load_config("atlasnet_sphere")).decoder
    layers = (1027 * 1027 + 1027) + (1027 * 513 + 513) + (513 * 256 + 256) + (256 * 3 + 3)
    assert count(decoder) == layers + 2 * (1027 + 513 + 256)


def test_the_published_schedules():
    """Epochs of 35,000 shapes in batches of 32: 200 and 400, or 150, 150 and 50."""
    for name, epochs in {
        "atlasnet": [200, 400],
        "atlasnet_sphere": [200, 400],
        "atlasnet_v2": [150, 150, 50],
    }.items():
        train = load_config(name).train
        assert [stage.share for stage in train.stages] == epochs
        assert train.steps == pytest.approx(sum(epochs) * 35_000 / 32, rel=2e-3)


# --- decoder


def reference(module, patch, places, z):
    """One patch of a batched decoder as a network of its own, written out after the source, in float64.

    Args: places (B, S, n); z (B, D). Returns (B, n, 3).
    """
    s = {name: tensor.double() for name, tensor in module.state_dict().items()}
    places, z = places.double(), z.double()[:, :, None]
    if module.code is not None:  # v1: place and latent concatenated
        weight = torch.cat([s["place.weight"][patch], s["code.weight"][patch]], 1)
        x = F.conv1d(torch.cat([places, z.expand(-1, -1, places.shape[2])], 1), weight[..., None])
        x = x + s["place.bias"][patch]
    else:
        x = F.conv1d(places, s["place.weight"][patch][..., None]) + s["place.bias"][patch] + z
    for i, layer in enumerate(module.layers):
        key = f"layers.{i}"
        if isinstance(layer, nn.BatchNorm1d):
            channels = x.shape[1]
            own = slice(patch * channels, (patch + 1) * channels)
            statistics = s[f"{key}.running_mean"][own], s[f"{key}.running_var"][own]
            affine = s[f"{key}.weight"][own], s[f"{key}.bias"][own]
            x = F.batch_norm(x, *statistics, *affine, training=False)
        elif isinstance(layer, nn.ReLU | nn.Tanh):
            x = layer(x)
        else:
            x = F.conv1d(x, s[f"{key}.weight"][patch][..., None]) + s[f"{key}.bias"][patch]
    return x.mT


@pytest.mark.parametrize("template", ["square", "sphere"])
@pytest.mark.parametrize("architecture", ["v1", "v2"])
def test_all_patches_at_once_equal_one_network_each(architecture, template):
    widths = None if architecture == "v1" else (5, 4)
    module = atlas(architecture=architecture, template=template, widths=widths)
    for _ in range(3):  # give the statistics something to say
        module(codes(4, seed=3))
    module.eval()
    latent = codes()
    found = module(latent).xyz.unflatten(1, (3, -1))
    grid = module.grid[None].expand(2, -1, -1)
    for patch in range(3):
        torch.testing.assert_close(
            found[:, patch].double(), reference(module, patch, grid, latent.mean), rtol=1e-4, atol=1e-6
        )
    assert isinstance(module.layers[-1], nn.Tanh) == (architecture == "v1")


def test_training_draws_places_and_normalises_each_patch_over_all_samples():
    """The same draws, one patch after the other through torch's own batch norm."""
    module, latent = atlas(), codes(3)
    torch.manual_seed(7)
    found = module(latent).xyz.unflatten(1, (3, -1))
    torch.manual_seed(7)
    places = torch.rand(3, 2, 3, 20)
    s = dict(module.named_parameters())
    for patch in range(3):
        own = places[patch].transpose(0, 1)
        together = torch.cat([own, latent.mean[:, :, None].expand(-1, -1, 20)], 1)
        weight = torch.cat([s["place.weight"][patch], s["code.weight"][patch]], 1)[..., None]
        x = F.conv1d(together, weight, s["place.bias"][patch, :, 0])
        for i in (2, 5, 8):
            x = F.batch_norm(x, None, None, training=True).relu()
            x = F.conv1d(x, s[f"layers.{i}.weight"][patch][..., None], s[f"layers.{i}.bias"][patch, :, 0])
        torch.testing.assert_close(found[:, patch], x.tanh().mT, rtol=1e-4, atol=1e-5)


def test_gradients_are_right():
    module = atlas(latent_dim=3, patches=2, points=8, vertices=24).double().eval()
    z = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda z: module(Latent(z)).xyz, (z,))


def test_training_draws_anew_by_the_global_generator_and_evaluation_never():
    module, latent = atlas(), codes()
    torch.manual_seed(1)
    one, other = module(latent).xyz, module(latent).xyz
    torch.manual_seed(1)
    assert torch.equal(module(latent).xyz, one) and not torch.equal(one, other)
    assert one.shape == (2, 60, 3)
    module.eval()
    state = torch.get_rng_state()
    assert torch.equal(module(latent).xyz, module(latent).xyz)
    assert torch.equal(torch.get_rng_state(), state)


def test_places_are_uniform_on_the_template():
    torch.manual_seed(0)
    flat = atlas(points=30_000)._draw(1)
    assert flat.shape == (3, 2, 1, 10_000)
    assert flat.min() >= 0 and flat.max() < 1
    counts = torch.histc(flat[0, 0], bins=10, min=0, max=1)
    assert (counts - 1000).abs().max() < 150  # five standard deviations
    ball = atlas(points=30_000, template="sphere")._draw(1)
    assert ball.shape == (3, 3, 1, 10_000)
    torch.testing.assert_close(ball.norm(dim=1), torch.ones(3, 1, 10_000))
    for axis in range(3):  # Archimedes: every coordinate of a uniform point is uniform
        counts = torch.histc(ball[0, axis], bins=10, min=-1, max=1)
        assert (counts - 1000).abs().max() < 150


def test_constants_are_not_saved():
    assert not {"grid", "faces", "face_patch"} & set(atlas().state_dict())


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"points": 24}, "points 24 must be at least the number of patches, 25"),
        ({"vertices": 299}, "vertices 299 must be at least 12 for each of the 25 patches"),
        ({"widths": ()}, r"widths must hold at least one layer, of at least 1, got \(\)"),
        ({"widths": (4, 0)}, r"widths must hold .*got \(4, 0\)"),
    ],
)
def test_sizes_that_do_not_fit(config, words):
    with pytest.raises(ValidationError, match=words):
        AtlasConfig(**config)


# --- templates and patches


def area(vertices, faces):
    a, b, c = np.moveaxis(vertices[faces], 1, 0)
    return np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2


def test_the_square_is_covered_once():
    vertices, faces = square(30)  # 5 x 5 fit
    assert vertices.shape == (25, 2) and faces.shape == (32, 3)
    assert sorted(map(tuple, vertices)) == [(x / 4, y / 4) for x in range(5) for y in range(5)]
    flat = np.pad(vertices, ((0, 0), (0, 1)))
    assert area(flat, faces) == pytest.approx(np.full(32, 1 / 32))
    a, b, c = np.moveaxis(flat[faces], 1, 0)
    assert (np.cross(b - a, c - a)[:, 2] > 0).all(), "counter-clockwise"
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    _, uses = np.unique(edges, axis=0, return_counts=True)
    assert (uses == 1).sum() == 16 and (uses == 2).sum() == 40, "16 edges on the border, none thrice"


@pytest.mark.parametrize(("most", "vertices"), [(12, 12), (41, 12), (42, 42), (161, 42), (162, 162)])
def test_the_sphere_is_closed_and_as_fine_as_fits(most, vertices):
    corners, faces = sphere(most)
    assert len(corners) == vertices and len(faces) == 2 * vertices - 4, "Euler's formula of a sphere"
    np.testing.assert_allclose(np.linalg.norm(corners, axis=1), 1)
    mesh = Mesh(corners, faces).to_trimesh()
    assert mesh.is_watertight and mesh.volume > 0, "counter-clockwise from outside"


def test_templates_too_small():
    with pytest.raises(ValueError, match="a square needs at least 4 vertices, got 3"):
        square(3)
    with pytest.raises(ValueError, match="an icosphere needs at least 12 vertices, got 11"):
        sphere(11)


def test_evaluation_gives_meshes_that_know_their_patches():
    module = atlas().eval()
    shapes = module(codes())
    pieces = shapes.split()
    assert len(pieces) == len(shapes) == 2
    for piece, own in zip(pieces, shapes.xyz, strict=True):
        assert isinstance(piece, PatchShape)
        mesh = piece.mesh()
        assert mesh.vertices.shape == (48, 3) and mesh.faces.shape == (3 * 18, 3)
        np.testing.assert_array_equal(mesh.vertices, own.detach().numpy())
        assert np.bincount(piece.patch).tolist() == [18, 18, 18]
        np.testing.assert_array_equal(mesh.faces // 16, piece.patch[:, None].repeat(3, 1))
        assert piece.voxels(32) is None
        assert piece.points(500, np.random.default_rng(0)).shape == (500, 3)


def test_points_of_a_mesh_follow_its_area():
    """Two squares of areas 1 and 4: one fifth of the points lies on the small one."""
    corners, faces = square(4)
    small, large = np.pad(corners, ((0, 0), (0, 1))), np.pad(2 * corners, ((0, 0), (0, 1)), constant_values=1)
    mesh = Mesh(np.concatenate([small, large]), np.concatenate([faces, faces + 4]))
    points = PatchShape(mesh, np.array([0, 0, 1, 1])).points(5000, np.random.default_rng(0))
    assert abs((points[:, 2] == 0).mean() - 0.2) < 0.03


def test_a_patch_for_every_face():
    mesh = Mesh(np.eye(3), np.array([[0, 1, 2]]))
    with pytest.raises(ValueError, match=r"patch must name one patch for each of 1 faces, got \(2,\)"):
        PatchShape(mesh, np.zeros(2, np.int64))


def test_random_points_have_no_mesh():
    with pytest.raises(ContractError, match="have no faces; predict in evaluation mode"):
        atlas()(codes()).split()


def test_patches_are_turned_whole():
    shapes = atlas().eval()(codes())
    camera = torch.tensor([[90.0, 0, 0, 1.5, 49, 0, 0]]).expand(2, -1)
    turned = to_canonical(shapes, camera, "azimuth")
    assert isinstance(turned, Patches)
    expected = math.sqrt(2) * shapes.xyz @ rotation(camera, "azimuth").float()
    torch.testing.assert_close(turned.xyz, expected)
    assert torch.equal(turned.faces, shapes.faces) and torch.equal(turned.patch, shapes.patch)
    assert turned.split()[0].mesh().vertices == pytest.approx(expected[0].detach().double().numpy())


# --- shape encoder


def point_net(**config):
    torch.manual_seed(0)
    small = {"widths": (4, 6, 10), "truth_points": 16, **config}
    return PointNet(PointNetConfig(**small), latent_dim=5)


def points_only(points):
    image = torch.zeros(len(points), 1, 4, 8, 8, dtype=torch.uint8)
    return Batch(tuple(map(str, range(len(points)))), image, points=points)


@pytest.mark.parametrize("linears", [1, 2])
def test_point_net_equals_the_table_written_out(linears):
    module = point_net(linears=linears).eval()
    points = torch.randn(3, 16, 3)
    s = module.state_dict()

    def norm(x, key):
        return F.batch_norm(x, *(s[f"{key}.{n}"] for n in ("running_mean", "running_var", "weight", "bias")))

    x = points.mT
    for i in (0, 3, 6):
        x = norm(F.conv1d(x, s[f"shared.{i}.weight"], s[f"shared.{i}.bias"]), f"shared.{i + 1}")
        x = x.relu() if i < 6 else x
    x = x.max(2).values
    for i in range(0, 3 * linears, 3):
        x = norm(F.linear(x, s[f"linears.{i}.weight"], s[f"linears.{i}.bias"]), f"linears.{i + 1}").relu()
    latent = module(points_only(points))
    torch.testing.assert_close(latent.mean, x)
    assert latent.log_var is None


def test_point_net_of_the_paper_has_its_parameters():
    with torch.device("meta"):
        module = PointNet(PointNetConfig(), latent_dim=1024)
    shared = 3 * 64 + 64 + 64 * 128 + 128 + 128 * 1024 + 1024 + 2 * (64 + 128 + 1024)
    assert count(module) == shared + 1024 * 1024 + 1024 + 2 * 1024


def test_point_net_does_not_see_the_order_of_points():
    module, points = point_net().eval(), torch.randn(2, 16, 3)
    shuffled = points[:, torch.randperm(16)]
    torch.testing.assert_close(module(points_only(points)).mean, module(points_only(shuffled)).mean)


def test_point_net_draws_in_training_and_takes_the_first_in_evaluation():
    module, points = point_net(), torch.randn(4, 64, 3)
    torch.manual_seed(0)
    assert not torch.equal(module(points_only(points)).mean, module(points_only(points)).mean)
    module.eval()
    first = points.clone()
    first[:, 16:] = math.nan
    assert torch.equal(module(points_only(points)).mean, module(points_only(first)).mean)
    with pytest.raises(ContractError, match="point_net needs points in the batch"):
        module(replace(points_only(points), points=None))


# --- stages


TINY = (
    "encoder={name: cnn, latent_dim: 8, widths: [4, 8], pools: [2, 2], hidden: [16]}",
    "preprocess.size=[48, 48]",
    "shape_encoder={widths: [8, 16], truth_points: 64}",
    "decoder={patches: 2, points: 128, vertices: 50, widths: [8, 8]}",
    "losses.chamfer.truth_points=128",
    "train.batch_size=4",
    "train.steps=4",
)


def parts_that_changed(name, tmp_path, *overrides):
    """By stage, the parts whose bytes (normalisation statistics included) are not what they were."""
    config = load_config(name, overrides=(*TINY, *overrides))
    trainer = Trainer(config, SmokeSource(count=8, size=(48, 48)), tmp_path, seed=0, device=CPU)
    found = {}
    steps = {step for stage in trainer.stages for step in (stage.last,)}
    before = {key: value.clone() for key, value in trainer.model.state_dict().items()}

    def at_the_end_of_a_stage(done, _, figures):
        nonlocal before
        assert math.isfinite(figures["chamfer"])
        if done in steps:
            now = {key: value.clone() for key, value in trainer.model.state_dict().items()}
            stage = next(s.config.name for s in trainer.stages if s.last == done)
            found[stage] = {key.partition(".")[0] for key in now if not torch.equal(now[key], before[key])}
            before = now

    trainer.run(at_the_end_of_a_stage)
    return found


def test_first_the_decoder_learns_from_shapes_then_the_encoder_through_it(tmp_path):
    assert parts_that_changed("atlasnet", tmp_path, "train.log_every=1") == {
        "autoencoder": {"shape_encoder", "decoder"},
        "single_view": {"encoder"},
    }


def test_the_rewrite_lets_both_learn_together_at_the_end(tmp_path):
    assert parts_that_changed("atlasnet_v2", tmp_path, "train.log_every=1", "train.steps=6") == {
        "autoencoder": {"shape_encoder", "decoder"},
        "single_view": {"encoder"},
        "together": {"encoder", "decoder"},
    }


def test_the_frozen_decoder_still_draws_points(tmp_path):
    """As many as in its own stage; the grid of evaluation has fewer."""
    trainer = Trainer(
        load_config("atlasnet", overrides=TINY), SmokeSource(size=(48, 48)), tmp_path, seed=0, device=CPU
    )
    trainer.enter(trainer.stages[1])
    one, other = (trainer.model.decoder(codes(2, 8)) for _ in range(2))
    assert one.faces is None and one.xyz.shape == (2, 128, 3)
    assert not torch.equal(one.xyz, other.xyz)
    assert len(trainer.model.eval().decoder(codes(2, 8)).xyz[0]) == 50
