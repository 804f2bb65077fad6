"""3D-R2N2: the encoder 'residual_cnn', the decoder 'voxel_gru' and their layers."""

import copy
import itertools
import math
import pickle

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError

from zoo.config import load_config
from zoo.decoders import DECODERS
from zoo.decoders.voxel_gru import VoxelGRU, VoxelGRUConfig
from zoo.encoders import ENCODERS
from zoo.encoders.residual_cnn import ResidualCNN, ResidualCNNConfig
from zoo.layers.conv_gru import ConvGRU3d
from zoo.layers.unpool3d import UnpoolConv3d
from zoo.model import build_model
from zoo.types import Latent

SMALL_WIDTHS = (4, 6, 8, 8, 8, 8)


def count(module):
    return sum(p.numel() for p in module.parameters())


def encoder(depth="residual", size=(40, 33), channels=3, seed=0, latent_dim=8):
    torch.manual_seed(seed)
    config = ResidualCNNConfig(depth=depth, widths=SMALL_WIDTHS, latent_dim=latent_dim)
    return ResidualCNN(config, in_channels=channels, image_size=size)


def decoder(depth="residual", seed=0, latent_dim=5, **config):
    torch.manual_seed(seed)
    return VoxelGRU(VoxelGRUConfig(**{"depth": depth, "channels": 8, **config}), latent_dim=latent_dim)


def noise(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# --- the published numbers


@pytest.mark.parametrize(
    ("depth", "convolutions", "stages", "total"),
    [("residual", 4_892_512, 2_222_562, 35_968_706), ("shallow", 2_190_336, 1_163_298, 32_207_266)],
)
def test_parameter_counts_are_those_published(depth, convolutions, stages, total):
    with torch.device("meta"):
        image = ResidualCNN(ResidualCNNConfig(depth=depth), in_channels=3, image_size=(127, 127))
        voxels = VoxelGRU(VoxelGRUConfig(depth=depth), latent_dim=image.latent_dim)
    assert count(image.blocks) == convolutions
    assert count(image.linear) == 2_360_320
    assert count(voxels.gru) == 26_493_312
    assert count(voxels.stages) == stages
    assert count(image) + count(voxels) == total


@pytest.mark.parametrize("depth", ["residual", "shallow"])
def test_map_sizes_fall_as_published(depth):
    model = encoder(depth, (127, 127))
    x, sides = noise(1, 3, 127, 127), []
    for block in model.blocks:
        x = block(x)
        sides.append(tuple(x.shape[-2:]))
    assert sides == [(s, s) for s in (64, 33, 17, 9, 5, 3)]


# --- encoder


def lrelu(x):
    return torch.where(x > 0, x, 0.01 * x)


def pool(x):
    return F.max_pool2d(F.pad(x, (1, 1, 1, 1), value=-math.inf), 2, 2)


def conv(state, key, x):
    weight = state[f"{key}.weight"]
    apply = F.conv2d if weight.ndim == 4 else F.conv3d
    return apply(x, weight, state[f"{key}.bias"], padding=weight.shape[-1] // 2)


def test_residual_encoder_equals_the_table_written_out():
    model, x = encoder(), noise(2, 3, 40, 33)
    s = model.state_dict()

    def pair(block, x):
        return lrelu(conv(s, f"blocks.{block}.conv2", lrelu(conv(s, f"blocks.{block}.conv1", x))))

    y = pool(pair(0, x))
    y = pool(pair(1, y) + conv(s, "blocks.1.skip", y))
    y = pool(pair(2, y) + conv(s, "blocks.2.skip", y))
    y = pool(pair(3, y))
    y = pool(pair(4, y) + conv(s, "blocks.4.skip", y))
    y = pool(pair(5, y) + y)
    y = lrelu(y.flatten(1) @ s["linear.weight"].T + s["linear.bias"])
    latent = model(x)
    torch.testing.assert_close(latent.mean, y)
    assert latent.log_var is None
    assert s["blocks.0.conv1.weight"].shape[-2:] == (7, 7)


def test_shallow_encoder_pools_before_the_activation():
    model, x = encoder("shallow"), noise(2, 3, 40, 33)
    s, y = model.state_dict(), x
    for block in range(6):
        y = lrelu(pool(conv(s, f"blocks.{block}.conv", y)))
    y = lrelu(y.flatten(1) @ s["linear.weight"].T + s["linear.bias"])
    torch.testing.assert_close(model(x).mean, y)


def test_identity_skip_wants_equal_widths():
    with pytest.raises(ValidationError, match="blocks 5 and 6 must have equal widths, got 8 and 9"):
        ResidualCNNConfig(widths=(4, 6, 8, 8, 8, 9))
    ResidualCNNConfig(depth="shallow", widths=(4, 6, 8, 8, 8, 9))


# --- initial weights


def test_initial_weights_have_the_mean_fan_deviation():
    torch.manual_seed(0)
    config = ResidualCNNConfig(widths=(96, 128, 32, 32, 32, 32), latent_dim=64)
    model = ResidualCNN(config, in_channels=3, image_size=(127, 127))
    gru = ConvGRU3d(256, 32, 4)
    cases = [
        (model.blocks[0].conv1, 3 * 49, 96 * 49),
        (model.blocks[1].conv1, 96 * 9, 128 * 9),
        (model.linear, 32 * 9, 64),
        (gru.reset["state"], 32 * 27, 32 * 27),
        (gru.candidate["input"], 256, 32 * 64),
    ]
    for layer, fan_in, fan_out in cases:
        expected = math.sqrt(2 / ((fan_in + fan_out) / 2))
        assert layer.weight.std().item() == pytest.approx(expected, rel=0.03)
        assert abs(layer.weight.mean().item()) < 0.1 * expected
    for key, value in itertools.chain(
        model.named_parameters(), gru.named_parameters(), decoder().named_parameters()
    ):
        if key.endswith("bias"):
            assert (value == 0.1).all(), key


# --- recurrent unit


def gru_by_hand(gru, x):
    """The formula in loops over cells, float64."""
    w = {key: value.double().numpy() for key, value in gru.state_dict().items()}
    channels, size = gru.channels, gru.size

    def conv3(state, kernel):
        out = np.zeros_like(state)
        for c, i, j, k in np.ndindex(state.shape):
            for d, a, b, e in np.ndindex(channels, 3, 3, 3):
                at = (i + a - 1, j + b - 1, k + e - 1)
                if all(0 <= n < size for n in at):
                    out[c, i, j, k] += kernel[c, d, a, b, e] * state[(d, *at)]
        return out

    def linear(row, weight):
        flat = weight @ row
        out = np.zeros((channels, size, size, size))
        for c, i, j, k in np.ndindex(out.shape):
            out[c, i, j, k] = flat[
                ((i * channels + c) * size + j) * size + k
            ]  # depth, channel, height, width
        return out

    def sigmoid(v):
        return 1 / (1 + np.exp(-v))

    def gate(name, index, state, row):
        term = conv3(state, w[f"{name}.state.weight"]) + linear(row, w[f"{name}.input.weight"])
        return term + w["bias"][index][:, None, None, None]

    states = []
    for views in x.double().numpy():
        state = np.zeros((channels, size, size, size))
        for row in views:
            update = sigmoid(gate("update", 0, state, row))
            reset = sigmoid(gate("reset", 1, state, row))
            candidate = np.tanh(gate("candidate", 2, reset * state, row))
            state = update * state + (1 - update) * candidate
        states.append(state)
    return torch.from_numpy(np.stack(states))


@pytest.mark.parametrize("views", [1, 3])
def test_recurrent_unit_equals_the_formula_in_loops(views):
    torch.manual_seed(0)
    gru = ConvGRU3d(3, 2, 3)
    torch.nn.init.normal_(gru.bias)
    x = noise(2, views, 3)
    torch.testing.assert_close(gru(x).double(), gru_by_hand(gru, x), rtol=1e-5, atol=1e-6)


def test_update_of_one_keeps_the_old_state_and_of_zero_forgets_it():
    torch.manual_seed(0)
    gru = ConvGRU3d(3, 2, 4)
    x = noise(1, 2, 3)
    with torch.no_grad():
        gru.bias[0] = 100.0
        assert not gru(x).any()  # the zero that it started from
        gru.bias[0] = -100.0
        gru.bias[1] = -100.0  # reset to nothing: the candidate sees only the input
    torch.testing.assert_close(gru(x), gru(x[:, 1:]))


def test_no_view_is_an_error():
    with pytest.raises(ValueError, match="at least one view"):
        decoder()(Latent(noise(2, 0, 5)))


# --- unpooling


def unpool3d(x):
    """Values at even indices of a grid of twice the side, zeros between."""
    out = x.new_zeros(*x.shape[:2], *(2 * side for side in x.shape[2:]))
    for i, j, k in np.ndindex(*x.shape[2:]):
        out[:, :, 2 * i, 2 * j, 2 * k] = x[:, :, i, j, k]
    return out


def test_convolution_that_skips_zeros_equals_the_plain_one_with_gradients():
    torch.manual_seed(0)
    fast = UnpoolConv3d(4, 6).double()
    plain = torch.nn.Conv3d(4, 6, 3, padding=1).double()
    plain.load_state_dict(fast.state_dict())
    x1 = noise(2, 4, 3, 4, 5).double().requires_grad_()
    x2 = x1.detach().clone().requires_grad_()
    y1, y2 = fast(x1), plain(unpool3d(x2))
    torch.testing.assert_close(y1, y2)
    weights = noise(*y1.shape, seed=2).double()
    (y1 * weights).sum().backward()
    (y2 * weights).sum().backward()
    torch.testing.assert_close(x1.grad, x2.grad)
    torch.testing.assert_close(fast.weight.grad, plain.weight.grad)
    torch.testing.assert_close(fast.bias.grad, plain.bias.grad)


# --- decoder


def test_residual_decoder_equals_the_table_written_out():
    model, x = decoder(), noise(2, 2, 5)
    s, y = model.state_dict(), model.gru(x)
    for stage in range(3):
        y = unpool3d(y)
        first = lrelu(conv(s, f"stages.{stage}.conv1", y))
        second = lrelu(conv(s, f"stages.{stage}.conv2", first))
        y = second + (conv(s, f"stages.{stage}.skip", y) if stage == 2 else y)
    first = lrelu(conv(s, "stages.3.conv1", y))
    y = lrelu(conv(s, "stages.3.conv2", first)) + conv(s, "stages.3.skip", first)
    assert s["stages.3.skip.weight"].shape[-1] == 3
    torch.testing.assert_close(model.two_class_logits(x), conv(s, "stages.4", y))


def test_shallow_decoder_equals_the_table_written_out():
    model, x = decoder("shallow"), noise(2, 2, 5)
    s, y = model.state_dict(), model.gru(x)
    for stage in (0, 2, 4):
        y = lrelu(conv(s, f"stages.{stage}", unpool3d(y)))
    y = lrelu(conv(s, "stages.6", y))
    torch.testing.assert_close(model.two_class_logits(x), conv(s, "stages.8", y))


def test_the_one_logit_is_exactly_the_softmax_of_two():
    model, x = decoder(), noise(2, 1, 5)
    two, one = model.two_class_logits(x), model(Latent(x)).logits
    torch.testing.assert_close(torch.sigmoid(one), torch.softmax(two, dim=1)[:, 1])
    target = torch.rand(one.shape, generator=torch.Generator().manual_seed(3)) < 0.3
    torch.testing.assert_close(
        F.binary_cross_entropy_with_logits(one, target.float()), F.cross_entropy(two, target.long())
    )


@pytest.mark.parametrize("depth", ["residual", "shallow"])
@pytest.mark.parametrize(("resolution", "channels"), [(32, 4), (64, 8), (128, 16)])
def test_resolutions(depth, resolution, channels):
    with torch.device("meta"):  # shapes only: 128^3 takes seconds otherwise
        model = decoder(depth, resolution=resolution, channels=channels)
        assert model.resolution == resolution
        assert model(Latent(torch.empty(1, 1, 5))).logits.shape == (1, resolution, resolution, resolution)


def test_widths_halve_beyond_the_published_stages():
    assert VoxelGRUConfig().widths() == (128, 128, 64)
    assert VoxelGRUConfig(resolution=64).widths() == (128, 128, 64, 32)
    assert VoxelGRUConfig(resolution=128).widths() == (128, 128, 64, 32, 16)
    with pytest.raises(ValidationError, match="channels 24 must be a multiple of 16 at resolution 128"):
        VoxelGRUConfig(resolution=128, channels=24)
    with pytest.raises(ValidationError, match="32, 64 or 128"):
        VoxelGRUConfig(resolution=48)


def test_any_number_of_views_in_their_order():
    model = decoder().eval()
    x = noise(1, 5, 5)
    logits = [model(Latent(x[:, :v])).logits for v in range(1, 6)]
    assert all(not torch.equal(a, b) for a, b in itertools.pairwise(logits))
    assert not torch.equal(model(Latent(x.flip(1))).logits, logits[-1])


def test_decoder_refuses_a_vector_or_another_width():
    for bad in (noise(2, 5), noise(2, 1, 6)):
        with pytest.raises(ValueError, match=r"voxel_gru reads \(B, V, 5\), got"):
            decoder()(Latent(bad))


# --- what every part owes


def encode(model, batch=3):
    return model(noise(3, 3, 40, 33)[:batch]).mean


def decode(model, batch=3):
    return model(Latent(noise(3, 2, 5)[:batch])).logits


PARTS = [
    pytest.param(build, run, depth, id=f"{build.__name__}-{depth}")
    for (build, run), depth in itertools.product(
        [(encoder, encode), (decoder, decode)], ["residual", "shallow"]
    )
]


@pytest.mark.parametrize(("build", "run", "depth"), PARTS)
class TestContract:
    def test_gradients_reach_every_parameter(self, build, run, depth):
        model = build(depth)
        run(model).square().sum().backward()
        assert [key for key, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []

    def test_items_do_not_see_each_other(self, build, run, depth):
        model = build(depth).eval()
        torch.testing.assert_close(run(model, 1), run(model, 3)[:1], rtol=1e-4, atol=1e-5)

    def test_same_seed_same_weights_and_copies_agree(self, build, run, depth):
        model, other = build(depth), build(depth, seed=4)
        expected = run(model)
        assert torch.equal(run(build(depth)), expected)
        assert not torch.equal(run(other), expected)
        other.load_state_dict(model.state_dict())
        for same in (other, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
            assert torch.equal(run(same), expected)

    def test_bf16_autocast_is_finite_and_near(self, build, run, depth):
        model = build(depth)
        with torch.autocast("cpu", torch.bfloat16):
            rough = run(model).float()
        exact = run(model)
        assert rough.isfinite().all()
        assert (rough - exact).abs().max() < 0.05 * exact.abs().max() + 0.02


def test_entries_refuse_unknown_keys_and_other_image_sizes():
    for entry in (ENCODERS.get("residual_cnn"), DECODERS.get("voxel_gru")):
        with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
            entry.config.model_validate({**entry.smoke, "chanels": 3})
    with pytest.raises(ValueError, match=r"built for images of \(40, 33\), got \(33, 40\)"):
        encoder()(noise(1, 3, 33, 40))


# --- the models made of them


@pytest.mark.parametrize(("name", "total"), [("r2n2", 35_968_706), ("r2n2_shallow", 32_207_266)])
def test_shipped_configs_are_the_published_networks(name, total):
    config = load_config(name)
    with torch.device("meta"):
        model = build_model(config)
    assert count(model) == total
    assert config.preprocess.size == (127, 127)
    assert round(137 * config.preprocess.crop) == 127
    train = config.train
    assert (train.steps, train.batch_size, train.views) == (60_000, 36, (1, 5))
    assert (train.optimizer.name, train.optimizer.lr, train.optimizer.weight_decay) == ("adam", 1e-4, 5e-5)
    assert round(train.optimizer.milestones[0] * train.steps) == 20_000


@pytest.mark.parametrize("name", ["r2n2", "r2n2_shallow", "vit_r2n2", "attention_r2n2", "vit_vae_gan"])
@pytest.mark.parametrize("preset", [None, "quick", "standard", "paper"])
def test_every_preset_builds(name, preset):
    config = load_config(name, preset)
    with torch.device("meta"):
        model = build_model(config)
    assert model.decoder.resolution == config.decoder.config.resolution


# --- initial weights


@pytest.mark.parametrize("depth", ["residual", "shallow"])
def test_only_unpooling_convolutions_make_up_for_zeros(depth):
    published, nonzero = decoder(depth), decoder(depth, init="nonzero")
    scaled = {f"{name}.weight" for name, m in nonzero.named_modules() if isinstance(m, UnpoolConv3d)}
    assert len(scaled) == 3
    before = published.state_dict()
    for name, after in nonzero.state_dict().items():
        factor = math.sqrt(8) if name in scaled else 1
        torch.testing.assert_close(after, factor * before[name], rtol=1e-6, atol=0)


@pytest.mark.parametrize(("init", "expected"), [("published", 1 / math.sqrt(8)), ("nonzero", 1)])
def test_what_a_convolution_after_unpooling_keeps_of_its_input(init, expected):
    """Measured against the published weights where no input is zero, away from the border."""
    dense = decoder("shallow", channels=64).stages[0]
    conv = decoder("shallow", channels=64, init=init).stages[0]
    x = noise(8, 64, 6, 6, 6)
    with torch.no_grad():
        full = F.conv3d(x, dense.weight)
        kept = (conv(x) - conv.bias[:, None, None, None])[..., 2:-2, 2:-2, 2:-2]
    assert (kept.std() / full.std()).item() == pytest.approx(expected, rel=0.05)
