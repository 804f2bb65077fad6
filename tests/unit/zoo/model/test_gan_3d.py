"""3D-GAN and 3D-VAE-GAN: sizes, what learns from what, and why the paper's weights teach nothing."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from zoo.config import load_config
from zoo.discriminators import Discriminator
from zoo.encoders.strided_cnn import StridedCNN, StridedCNNConfig
from zoo.encoders.unconditional import Unconditional, UnconditionalConfig
from zoo.losses.adversarial import Adversarial, AdversarialConfig
from zoo.losses.voxel_l2 import VoxelL2, VoxelL2Config
from zoo.model import build_discriminator, build_model
from zoo.registry import EntryConfig
from zoo.testing.smoke import SmokeSource
from zoo.training.trainer import Trainer
from zoo.types import Batch, ContractError, Latent, Prediction, Voxels

CPU = torch.device("cpu")


def count(module):
    return sum(p.numel() for p in module.parameters())


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def batch_of(voxels):
    image = torch.zeros(len(voxels), 1, 4, 2, 2, dtype=torch.uint8)
    return Batch(ids=tuple(map(str, range(len(voxels)))), image=image, voxels=voxels)


def predict(logits, prior=None):
    latent = Latent(torch.zeros(len(logits), 1))
    return Prediction(latent, latent.mean, Voxels(logits), prior=None if prior is None else Voxels(prior))


# --- sizes


@pytest.mark.parametrize("name", ["gan_3d", "vae_gan_3d", "vae_gan_3d_literal"])
def test_published_numbers_of_parameters(name):
    config = load_config(name)
    with torch.device("meta"):
        model = build_model(config)
        critic = build_discriminator(config, model.decoder, seed=0)
    assert count(model.decoder) == 17_569_664
    assert count(critic) == 11_048_832
    assert count(model.encoder) == (0 if name == "gan_3d" else 17_433_952)


def test_sides_of_the_maps_at_the_published_size():
    encoder = StridedCNN(StridedCNNConfig(), in_channels=3, image_size=(256, 256)).to("meta")
    sides, x = [], torch.empty(1, 3, 256, 256, device="meta")
    for layer in encoder.layers:
        if isinstance(layer, torch.nn.Conv2d):
            x = layer(x)
            sides.append((x.shape[1], x.shape[-1]))
    assert sides == [(64, 64), (128, 32), (256, 16), (512, 8), (400, 1)]
    assert [c.kernel_size[0] for c in encoder.layers if isinstance(c, torch.nn.Conv2d)] == [11, 5, 5, 5, 8]


@pytest.mark.parametrize("size", [(48, 48), (64, 64), (48, 64), (37, 50), (1, 1)])
def test_any_size_of_picture(size):
    config = StridedCNNConfig(latent_dim=5, widths=(3, 4), kernels=(11, 5), strides=(4, 2))
    encoder = StridedCNN(config, in_channels=1, image_size=size).eval()
    latent = encoder(torch.rand(2, 1, *size))
    assert latent.mean.shape == latent.log_var.shape == (2, 5)


def test_without_the_last_norm_there_is_a_bias_and_the_variance_is_bounded():
    config = StridedCNNConfig(latent_dim=5, widths=(3,), kernels=(5,), strides=(4,), norm_out=False)
    encoder = StridedCNN(config, in_channels=3, image_size=(16, 16)).eval()
    assert count(encoder) == 3 * 3 * 25 + 2 * 3 + 3 * 10 * 16 + 10
    assert encoder(1e9 * noise(4, 3, 16, 16)).log_var.abs().max() == 20


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"widths": (4,)}, "1 widths, 4 kernels and 4 strides; give one of each per convolution"),
        ({"kernels": (11, 5, 4, 5)}, "kernels must be odd, got 4"),
        ({"strides": (4, 2, 0, 2)}, "widths, kernels and strides must be at least 1"),
    ],
)
def test_sizes_that_do_not_fit(changes, message):
    with pytest.raises(ValueError, match=message):
        StridedCNNConfig(**changes)


# --- the prior in place of an encoder


@pytest.mark.parametrize("distribution", ["uniform", "normal"])
def test_the_prior_ignores_the_picture(distribution):
    config = UnconditionalConfig(latent_dim=7, distribution=distribution)
    encoder = Unconditional(config, in_channels=3, image_size=(8, 8))
    latent, other = encoder(torch.rand(2, 3, 8, 8)), encoder(torch.zeros(2, 3, 8, 8))
    assert torch.equal(latent.mean, other.mean) and latent.family == distribution
    mean, variance = (0.5, 1 / 12) if distribution == "uniform" else (0.0, 1.0)
    torch.testing.assert_close(latent.mean, torch.full((2, 7), mean))
    torch.testing.assert_close(latent.log_var.exp(), torch.full((2, 7), variance))
    if distribution == "uniform":
        z = Latent(torch.full((1, 10_000), 0.5), torch.full((1, 10_000), math.log(1 / 12)), family="uniform")
        drawn = z.sample(torch.Generator().manual_seed(0))
        assert 0 <= drawn.min() < 0.01 and 0.99 < drawn.max() <= 1


def test_fakes_of_the_prior_are_drawn_from_the_encoders_own(tiny_config):
    seen = []
    for distribution in ("uniform", "normal"):
        config = tiny_config().model_copy()
        model = build_model(config, seed=0)
        model.encoder = Unconditional(
            UnconditionalConfig(latent_dim=8, distribution=distribution), in_channels=1, image_size=(16, 16)
        )
        model.decoder.register_forward_pre_hook(lambda _, args: seen.append(args[0].mean))
        model(torch.zeros(64, 1, 1, 16, 16), torch.Generator().manual_seed(0), prior=True)
    (_, uniform, _, normal) = seen
    assert uniform.min() >= 0 and uniform.max() <= 1 and not torch.equal(*seen[:2])
    assert normal.min() < -1.5


# --- losses


def test_the_forms_of_the_generators_loss():
    """Closed forms, and that only the saturating one loses its gradient where the critic is sure."""
    for form, want in (
        ("saturating", lambda p: (1 - p).log()),
        ("non-saturating", lambda p: -p.log()),
    ):
        loss = Adversarial(AdversarialConfig(form=form))
        gradients = []
        for score in (0.3, -12.0):
            offset = torch.tensor(score, requires_grad=True)
            value = loss(predict(torch.zeros(1, 1, 1, 1)), batch_of(torch.zeros(1, 1, 1, 1)), Shifted(offset))
            torch.testing.assert_close(value, want(torch.sigmoid(offset)).detach(), rtol=1e-4, atol=1e-6)
            gradients.append(torch.autograd.grad(value, offset)[0].item())
        assert all(g < 0 for g in gradients), "both want the score to rise"
        assert (abs(gradients[1]) < 1e-5) == (form == "saturating")


class Shifted(Discriminator):
    """A critic that gives every shape one score."""

    representation = "voxels"

    def __init__(self, score):
        super().__init__(EntryConfig(), resolution=1)
        self.score = score

    def forward(self, shapes):
        return self.score.expand(len(shapes))


def test_the_distance_is_a_norm_for_each_sample():
    logits, target = noise(3, 4, 4, 4), (noise(3, 4, 4, 4, seed=1) > 0).float()
    squares = [0.0, 0.0, 0.0]
    for i, x, y, z in itertools.product(range(3), range(4), range(4), range(4)):
        squares[i] += (1 / (1 + math.exp(-logits[i, x, y, z])) - target[i, x, y, z].item()) ** 2
    norm, square = (
        VoxelL2(VoxelL2Config(squared=squared))(predict(logits), batch_of(target)).item()
        for squared in (False, True)
    )
    assert norm == pytest.approx(sum(math.sqrt(s) for s in squares) / 3, rel=1e-5)
    assert square == pytest.approx(sum(squares) / 3, rel=1e-5)


def test_a_perfect_prediction_has_a_finite_gradient():
    logits = torch.full((1, 2, 2, 2), 200.0, requires_grad=True)
    value = VoxelL2(VoxelL2Config())(predict(logits), batch_of(torch.ones(1, 2, 2, 2)))
    value.backward()
    assert value.item() == 0 and torch.equal(logits.grad, torch.zeros_like(logits))


def test_distance_of_another_grid():
    with pytest.raises(ContractError, match=r"voxel_l2: the decoder gives \(1, 4, 4, 4\) voxels"):
        VoxelL2(VoxelL2Config())(predict(torch.zeros(1, 4, 4, 4)), batch_of(torch.zeros(1, 2, 2, 2)))


# --- who learns from what


SMALL = [
    *("encoder.latent_dim=4", "encoder.widths=[4,8]", "encoder.kernels=[5,5]", "encoder.strides=[4,4]"),
    *("preprocess.size=[16,16]", "decoder.resolution=32", "decoder.width=8", "discriminator.width=2"),
    *("train.steps=3", "train.batch_size=2", "train.gate=null"),
]


def trainer(tmp_path, *overrides, name="vae_gan_3d"):
    config = load_config(name, overrides=[*SMALL, *overrides])
    return Trainer(config, SmokeSource(resolution=32, size=(16, 16)), tmp_path, seed=0, device=CPU)


def gradients(found, parts):
    made = {}
    for name in parts:
        module = getattr(found.model, name)
        made[name] = torch.cat([p.grad.flatten() for p in module.parameters()])
    return made


def stepped(tmp_path, *overrides):
    """Gradients of encoder and decoder in the first step."""
    found = trainer(tmp_path, *overrides)
    found.enter(found.stages[0])
    batch = found.source.fetch([0, 1], [[0], [1]]).to(CPU)
    found.step(batch, found.stages[0])
    return gradients(found, ("encoder", "decoder"))


def test_the_encoder_learns_from_distance_and_divergence_the_generator_from_distance_and_critic(tmp_path):
    all_three = stepped(tmp_path)
    without_critic = stepped(tmp_path, "losses.adversarial.weight=0")
    without_kl = stepped(tmp_path, "losses.kl.weight=0")
    torch.testing.assert_close(all_three["encoder"], without_critic["encoder"])
    torch.testing.assert_close(all_three["decoder"], without_kl["decoder"])
    for part, other in (("decoder", without_critic), ("encoder", without_kl)):
        assert not torch.allclose(all_three[part], other[part], rtol=1e-3)


def test_the_critic_sees_true_shapes_and_draws_of_the_prior(tmp_path):
    found = trainer(tmp_path)
    found.enter(found.stages[0])
    batch = found.source.fetch([0, 1], [[0], [1]]).to(CPU)
    seen, drawn = [], []
    found.discriminator.register_forward_pre_hook(lambda _, args: seen.append(args[0].detach()))
    found.model.decoder.register_forward_hook(
        lambda *call: drawn.append(torch.sigmoid(call[-1].logits.detach()))
    )
    found.step(batch, found.stages[0])
    _, from_prior = drawn
    assert torch.equal(seen[0], from_prior), "the generator's term"
    assert torch.equal(seen[1], batch.voxels) and torch.equal(seen[2], from_prior), "the critic's"
    assert len(seen) == 3


def test_every_part_has_its_own_rate(tmp_path):
    figures = []
    trainer(tmp_path, "train.log_every=1").run(lambda done, steps, logged: figures.append(logged))
    assert figures[-1]["lr_encoder"] == 1e-4 and figures[-1]["lr_decoder"] == 2.5e-3
    assert load_config("vae_gan_3d").train.discriminator_optimizer.lr == 1e-5
    assert load_config("gan_3d").train.optimizer.lr == 2.5e-3


def test_the_generator_alone_trains_on_noise(tmp_path):
    """Two batches of different pictures of the same shapes give the same step: nothing of them is read."""
    config = load_config("gan_3d", overrides=[*SMALL[4:], "encoder.latent_dim=4"])
    made = []
    for view in (0, 1):
        found = Trainer(config, SmokeSource(resolution=32, size=(16, 16)), tmp_path, seed=0, device=CPU)
        found.enter(found.stages[0])
        found.step(found.source.fetch([0, 1], [[view], [view]]).to(CPU), found.stages[0])
        made.append(torch.cat([p.detach().flatten() for p in found.model.parameters()]))
    assert torch.equal(*made)


# --- the paper's weights


def test_the_papers_weights_leave_no_room_for_the_picture():
    """Bound on the information in the latent at the optimum of the encoder's objective.

    Answering with the prior costs no divergence and at most alpha2 sqrt(R^3) of distance; so no better answer
    pays for more divergence than alpha2 sqrt(R^3) / alpha1, which bounds the mutual information of picture
    and latent. To tell two equally frequent shapes apart takes log 2.
    """
    rooms = {}
    for name in ("vae_gan_3d", "vae_gan_3d_literal"):
        config = load_config(name)
        weights = {key: part.config.weight for key, part in config.losses.items()}
        rooms[name] = weights["voxel_l2"] * config.decoder.config.resolution**1.5 / weights["kl"]
    assert rooms["vae_gan_3d_literal"] == pytest.approx(0.01024)
    assert rooms["vae_gan_3d_literal"] < math.log(2) / 50
    assert rooms["vae_gan_3d"] > 1000 * math.log(13)


def test_the_divergence_outpulls_the_distance_a_thousandfold_under_the_papers_weights():
    """Gradients of both terms with respect to the posterior mean, at the size of the quick preset."""
    ratios = {}
    for name in ("vae_gan_3d", "vae_gan_3d_literal"):
        config = load_config(name, "quick")
        model = build_model(config, seed=0).train()
        mean = (0.1 * noise(4, model.encoder.latent_dim)).requires_grad_()
        target = (noise(4, 32, 32, 32, seed=1) > 1).float()
        distance = VoxelL2(VoxelL2Config())(predict(model.decoder(Latent(mean)).logits), batch_of(target))
        divergence = 0.5 * mean.square().sum(1).mean()
        weights = {key: part.config.weight for key, part in config.losses.items()}
        pulls = [
            torch.autograd.grad(weights[key] * term, mean)[0].norm().item()
            for key, term in (("kl", divergence), ("voxel_l2", distance))
        ]
        ratios[name] = pulls[0] / pulls[1]
    assert ratios["vae_gan_3d_literal"] > 1000
    assert ratios["vae_gan_3d"] < 1
