"""PSGN's networks: parameter counts as released, sizes inferred, points in their order."""

import pytest
import torch
import torch.nn.functional as F

from zoo.config import load_config
from zoo.decoders.point_set import PointSet, PointSetConfig
from zoo.decoders.psgn import PSGN, PSGNDecoderConfig
from zoo.encoders.psgn_hourglass import PSGNHourglass
from zoo.encoders.psgn_two_branch import PSGNConfig, PSGNTwoBranch
from zoo.layers.psgn import Step, halved
from zoo.model import build_model
from zoo.types import ContractError, Latent, Points

ENCODERS = {"psgn_hourglass": PSGNHourglass, "psgn_two_branch": PSGNTwoBranch}
SMALL = PSGNConfig(latent_dim=16, widths=(4, 4, 8, 8, 8, 8))


@pytest.mark.parametrize(("name", "count"), [("psgn", 70_154_419), ("psgn_two_branch", 38_910_019)])
def test_parameters_as_released(name, count):
    with torch.device("meta"):
        model = build_model(load_config(name))
    assert sum(p.numel() for p in model.parameters()) == count
    assert model.decoder.points == 1024
    assert model.encoder.feature_shapes[-1] == (512, 3, 4)


@pytest.mark.parametrize("size", [(48, 48), (64, 64), (50, 70), (33, 47), (96, 128)])
@pytest.mark.parametrize("name", ENCODERS)
def test_every_picture_size(name, size):
    """Sizes that are not powers of two round up; the map's pixels and the vector give the points."""
    encoder = ENCODERS[name](SMALL, in_channels=4, image_size=size)
    config = PSGNDecoderConfig(vector_points=5, hidden=8, widths=(8, 8, 8), pixel_points=2)
    decoder = PSGN(config, latent_dim=16, feature_shapes=encoder.feature_shapes)
    latent = encoder(torch.rand(2, 4, *size))
    assert [m.shape[1:] for m in latent.features] == list(encoder.feature_shapes)
    height, width = halved(size, 3)
    assert latent.features[-4].shape[2:] == (height, width)
    assert decoder(latent).xyz.shape == (2, 5 + 2 * height * width, 3)
    assert decoder.points == 5 + 2 * height * width


def test_points_of_the_vector_come_first_then_the_pixels_by_row():
    encoder = PSGNTwoBranch(SMALL, in_channels=3, image_size=(64, 64))
    config = PSGNDecoderConfig(vector_points=2, hidden=4, widths=(4,), pixel_points=2)
    decoder = PSGN(config, latent_dim=16, feature_shapes=encoder.feature_shapes)
    found: list[torch.Tensor] = []
    decoder.pixels.register_forward_hook(lambda module, given, out: found.append(out.detach()))
    with torch.no_grad():
        latent = encoder(torch.rand(1, 3, 64, 64))
        xyz = decoder(latent).xyz[0]
        torch.testing.assert_close(xyz[:2].reshape(-1), decoder.vector(latent.mean)[0])
    pixels = found[0][0]
    assert pixels.shape == (6, 2, 2)
    want = [
        pixels[3 * k : 3 * k + 3, row, column] for row in range(2) for column in range(2) for k in range(2)
    ]
    torch.testing.assert_close(xyz[2:], torch.stack(want))


def test_fewer_widths_use_the_coarsest_maps():
    """A decoder of two steps must not read the finest map."""
    encoder = PSGNTwoBranch(SMALL, in_channels=3, image_size=(64, 64))
    config = PSGNDecoderConfig(vector_points=2, hidden=4, widths=(4, 4))
    decoder = PSGN(config, latent_dim=16, feature_shapes=encoder.feature_shapes)
    latent = encoder(torch.rand(1, 3, 64, 64))
    maps = tuple(m.detach().requires_grad_() for m in latent.features)
    gradients = torch.autograd.grad(
        decoder(Latent(latent.mean, features=maps)).xyz.sum(), maps, allow_unused=True
    )
    assert [g is not None for g in gradients] == [False, False, False, True, True, True]


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        ([(8, 4, 4), (8, 2, 2)], "with 2 widths needs 3 maps, the encoder gives 2"),
        ([(8, 8, 8), (8, 8, 8), (8, 4, 4)], r"halves the one before, got sizes \[\(8, 8\), \(8, 8\)"),
    ],
)
def test_maps_that_do_not_fit(maps, message):
    with pytest.raises(ContractError, match=message):
        PSGN(PSGNDecoderConfig(widths=(8, 8)), latent_dim=4, feature_shapes=maps)


@pytest.mark.parametrize("name", ENCODERS)
def test_signals_keep_their_size(name):
    """What comes out neither vanishes nor explodes over some thirty layers, borders of zeros included."""
    torch.manual_seed(0)
    config = PSGNConfig(latent_dim=128, widths=(16, 16, 32, 64))
    encoder = ENCODERS[name](config, in_channels=4, image_size=(128, 128))
    decoder = PSGN(
        PSGNDecoderConfig(widths=(64, 32, 32)), latent_dim=128, feature_shapes=encoder.feature_shapes
    )
    xyz = decoder(encoder(torch.rand(2, 4, 128, 128))).xyz
    for branch in (xyz[:, :256], xyz[:, 256:]):
        assert 0.01 < branch.square().mean().sqrt().item() < 1


def test_a_step_against_its_listing():
    """Resized map plus a convolution of the skip, ReLU, convolution, ReLU; to the very size of the skip."""
    torch.manual_seed(0)
    x, skip = torch.rand(2, 3, 3, 4), torch.rand(2, 5, 5, 8)
    step = Step(3, 5, 6, up=True)
    resized = F.conv_transpose2d(x, step.resize.weight, step.resize.bias, 2, 2, output_padding=(0, 1))
    added = F.conv2d(skip, step.skip.weight, step.skip.bias, padding=1)
    want = F.relu(F.conv2d(F.relu(resized + added), step.out.weight, step.out.bias, padding=1))
    torch.testing.assert_close(step(x, skip), want)
    assert step.resize.weight.shape[2:] == (5, 5)


def test_the_hourglass_meets_maps_of_its_own_size():
    """Five steps up, each with a map of the first way down; four down, each with a map of the way up."""
    encoder = PSGNHourglass(SMALL, in_channels=4, image_size=(64, 64))
    met: list[tuple[int, int]] = []
    for step in (*encoder.up, *encoder.again):
        step.register_forward_hook(lambda module, given, out: met.append((given[1].shape[2], out.shape[2])))
    encoder(torch.rand(1, 4, 64, 64))
    assert met == [(n, n) for n in (2, 4, 8, 16, 32, 16, 8, 4, 2)]


def test_three_stages_at_least():
    with pytest.raises(ValueError, match="at least three widths"):
        PSGNConfig(widths=(4, 4))


def test_another_picture_size_is_refused():
    for cls in ENCODERS.values():
        encoder = cls(SMALL, in_channels=4, image_size=(64, 64))
        with pytest.raises(ValueError, match=r"built for images of \(64, 64\), got \(32, 64\)"):
            encoder(torch.zeros(1, 4, 32, 64))


# --- point_set


def test_point_set_is_a_perceptron():
    torch.manual_seed(0)
    decoder = PointSet(PointSetConfig(points=500, hidden=(6, 7)), latent_dim=4)
    z = torch.rand(3, 4)
    first, second, last = (decoder.layers[i] for i in (0, 2, 4))
    hidden = torch.relu(torch.relu(z @ first.weight.T + first.bias) @ second.weight.T + second.bias)
    want = (hidden @ last.weight.T + last.bias).reshape(3, 500, 3)
    shapes = decoder(Latent(z))
    assert isinstance(shapes, Points)
    torch.testing.assert_close(shapes.xyz, want)
    assert last.bias.std().item() == pytest.approx(0.25, rel=0.05)


def test_point_set_without_hidden_layers():
    decoder = PointSet(PointSetConfig(points=5, hidden=()), latent_dim=4)
    assert decoder(Latent(torch.zeros(2, 4))).xyz.shape == (2, 5, 3)
    with pytest.raises(ValueError, match="widths must be at least 1"):
        PointSetConfig(hidden=(0,))
