"""Loss terms against closed forms, and the direction in which they push."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from zoo.discriminators import Discriminator
from zoo.losses.adversarial import Adversarial, AdversarialConfig, tell_apart
from zoo.losses.kl import KL, KLConfig
from zoo.losses.voxel_bce import VoxelBCE, VoxelBCEConfig
from zoo.registry import EntryConfig
from zoo.types import Batch, ContractError, Latent, Prediction, Voxels


def seeded(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def batch_of(voxels=None, count=None):
    count = len(voxels) if count is None else count
    image = torch.zeros(count, 1, 4, 2, 2, dtype=torch.uint8)
    return Batch(ids=tuple(map(str, range(count))), image=image, voxels=voxels)


def predict(logits=None, mean=None, log_var=None):
    mean = torch.zeros(len(logits), 1) if mean is None else mean
    logits = torch.zeros(len(mean), 2, 2, 2) if logits is None else logits
    return Prediction(Latent(mean, log_var), mean, Voxels(logits))


class Critic(Discriminator):
    """The score is the mean occupancy, scaled: rising with every voxel."""

    representation = "voxels"

    def __init__(self, scale=1.0, offset=0.0):
        super().__init__(EntryConfig(), resolution=2)
        self.scale = nn.Parameter(torch.tensor(scale))
        self.offset = nn.Parameter(torch.tensor(offset))

    def forward(self, shapes):
        return self.scale * shapes.flatten(1).mean(1) + self.offset


# --- KL


@pytest.mark.parametrize("form", ["standard", "appendix"])
def test_kl_closed_form(form):
    mean, log_var = seeded(5, 7), seeded(5, 7, seed=1)
    sigma = torch.exp(log_var / 2)
    if form == "standard":
        want = -0.5 * (1 + (sigma**2).log() - mean**2 - sigma**2)
    else:
        want = sigma**2 + mean**2 - sigma.log() - 0.5
    value = KL(KLConfig(form=form))(predict(mean=mean, log_var=log_var), batch_of(count=5))
    torch.testing.assert_close(value, want.sum(1).mean())


def test_kl_is_the_divergence():
    """torch's own, and a Monte Carlo estimate of E_q[log q - log p]."""
    mean, log_var = torch.tensor([[0.7, -1.2]]), torch.tensor([[0.4, -0.8]])
    value = KL(KLConfig())(predict(mean=mean, log_var=log_var), batch_of(count=1))
    q = torch.distributions.Normal(mean, torch.exp(log_var / 2))
    p = torch.distributions.Normal(0.0, 1.0)
    torch.testing.assert_close(value, torch.distributions.kl_divergence(q, p).sum())
    torch.manual_seed(0)
    z = q.sample((200_000,))
    assert value.item() == pytest.approx((q.log_prob(z) - p.log_prob(z)).sum(-1).mean().item(), rel=0.01)


def test_appendix_kl_is_the_divergence_from_half_the_variance():
    mean, log_var = seeded(4, 6), seeded(4, 6, seed=1)
    value = KL(KLConfig(form="appendix"))(predict(mean=mean, log_var=log_var), batch_of(count=4))
    q = torch.distributions.Normal(mean, torch.exp(log_var / 2))
    p = torch.distributions.Normal(0.0, math.sqrt(0.5))
    want = torch.distributions.kl_divergence(q, p).sum(1).mean() + 6 * math.log(2) / 2
    torch.testing.assert_close(value, want)


def test_kl_pulls_towards_the_standard_normal():
    """Not away from it, as the formula that is printed in the report would."""
    mean = torch.tensor([[2.0, -2.0]], requires_grad=True)
    log_var = torch.tensor([[1.5, -1.5]], requires_grad=True)
    KL(KLConfig())(predict(mean=mean, log_var=log_var), batch_of(count=1)).backward()
    assert torch.equal(mean.grad.sign(), torch.tensor([[1.0, -1.0]]))
    assert torch.equal(log_var.grad.sign(), torch.tensor([[1.0, -1.0]]))


def test_kl_of_several_views_is_summed():
    mean, log_var = seeded(3, 2, 5), seeded(3, 2, 5, seed=1)
    prediction = Prediction(Latent(mean, log_var), mean, Voxels(torch.zeros(3, 2, 2, 2)))
    whole = KL(KLConfig())(prediction, batch_of(count=3))
    parts = [
        KL(KLConfig())(predict(mean=mean[:, v], log_var=log_var[:, v]), batch_of(count=3)) for v in (0, 1)
    ]
    torch.testing.assert_close(whole, sum(parts))


def test_kl_of_a_deterministic_encoder():
    with pytest.raises(ValueError, match="KL needs an encoder with a Gaussian posterior"):
        KL(KLConfig())(predict(mean=torch.zeros(1, 2)), batch_of(count=1))


# --- voxels


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_bce_closed_form(reduction):
    logits, target = (
        2 * seeded(3, 4, 4, 4),
        torch.rand(3, 4, 4, 4, generator=torch.Generator().manual_seed(1)),
    )
    p = torch.sigmoid(logits.double())
    each = -(target * p.log() + (1 - target) * (1 - p).log()).flatten(1)
    want = each.sum(1).mean() if reduction == "sum" else each.mean()
    value = VoxelBCE(VoxelBCEConfig(reduction=reduction))(predict(logits), batch_of(target))
    torch.testing.assert_close(value, want.float())


def test_bce_reductions_differ_by_the_number_of_voxels():
    prediction, batch = predict(seeded(2, 8, 8, 8)), batch_of((seeded(2, 8, 8, 8, seed=1) > 0).float())
    total, mean = (VoxelBCE(VoxelBCEConfig(reduction=r))(prediction, batch) for r in ("sum", "mean"))
    torch.testing.assert_close(total, mean * 512)


def test_bce_equals_the_two_class_softmax_of_3d_r2n2():
    """Values and gradients, when `Voxels.logits` is the difference of the two."""
    target = (seeded(2, 4, 4, 4, seed=1) > 0).float()
    two = seeded(2, 2, 4, 4, 4).requires_grad_()
    softmax = F.cross_entropy(two, target.long(), reduction="sum") / 2
    theirs = torch.autograd.grad(softmax, two)[0]
    ours_value = VoxelBCE(VoxelBCEConfig())(predict(two[:, 1] - two[:, 0]), batch_of(target))
    ours = torch.autograd.grad(ours_value, two)[0]
    torch.testing.assert_close(ours_value, softmax)
    torch.testing.assert_close(ours, theirs)


def test_bce_does_not_saturate():
    """Probabilities of exactly 0 or 1 would give infinity, or no gradient."""
    logits = torch.full((1, 2, 2, 2), -200.0, requires_grad=True)
    value = VoxelBCE(VoxelBCEConfig(reduction="mean"))(predict(logits), batch_of(torch.ones(1, 2, 2, 2)))
    value.backward()
    assert value.item() == 200.0
    torch.testing.assert_close(logits.grad, torch.full_like(logits, -1 / 8))


def test_bce_does_not_depend_on_the_batch_size():
    logits, target = seeded(1, 4, 4, 4), torch.ones(1, 4, 4, 4)
    loss = VoxelBCE(VoxelBCEConfig())
    one, three = (
        loss(predict(logits.repeat(n, 1, 1, 1)), batch_of(target.repeat(n, 1, 1, 1))) for n in (1, 3)
    )
    torch.testing.assert_close(one, three)


def test_bce_of_another_resolution():
    with pytest.raises(ContractError) as error:
        VoxelBCE(VoxelBCEConfig())(predict(torch.zeros(1, 4, 4, 4)), batch_of(torch.zeros(1, 2, 2, 2)))
    assert str(error.value) == (
        "voxel_bce: the decoder gives (1, 4, 4, 4) voxels, the data set (1, 2, 2, 2); "
        "set decoder.resolution to the data set's"
    )


def test_bce_without_voxels():
    with pytest.raises(ContractError, match="voxel_bce needs voxels in the batch"):
        VoxelBCE(VoxelBCEConfig())(predict(torch.zeros(1, 4, 4, 4)), batch_of(count=1))


# --- adversarial


def test_adversarial_closed_form():
    logits, critic = seeded(3, 2, 2, 2), Critic(2.0, -0.3)
    value = Adversarial(AdversarialConfig())(predict(logits), batch_of(count=3), critic)
    scores = critic(torch.sigmoid(logits))
    torch.testing.assert_close(value, F.binary_cross_entropy_with_logits(scores, torch.ones(3)))


def test_the_generator_moves_towards_what_the_critic_calls_real():
    """The critic likes occupied voxels: every logit must rise, also where it is saturated against them."""
    for offset in (0.0, -20.0):
        logits = seeded(2, 2, 2, 2).requires_grad_()
        Adversarial(AdversarialConfig())(predict(logits), batch_of(count=2), Critic(1.0, offset)).backward()
        assert (logits.grad < 0).all()


def test_the_critic_learns_that_real_is_one():
    """The labels of the report's prose; its formula has them the other way round."""
    critic = Critic(0.0, 0.0)
    loss, accuracy = tell_apart(critic, torch.ones(4, 2, 2, 2), torch.zeros(4, 2, 2, 2))
    loss.backward()
    assert critic.scale.grad < 0, "real shapes are fuller here: the score must rise with occupancy"
    assert loss.item() == pytest.approx(2 * math.log(2))
    assert accuracy.item() == 0.5


def test_discriminator_loss_closed_form():
    critic = Critic(3.0, -1.0)
    real, fake = torch.rand(3, 2, 2, 2), torch.rand(5, 2, 2, 2)
    loss, _ = tell_apart(critic, real, fake)
    want = F.binary_cross_entropy_with_logits(critic(real), torch.ones(3))
    want = want + F.binary_cross_entropy_with_logits(critic(fake), torch.zeros(5))
    torch.testing.assert_close(loss, want)


@pytest.mark.parametrize(
    ("real", "fake", "accuracy"), [(1.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 1.0, 0.5), (0.0, 0.0, 0.5)]
)
def test_accuracy_counts_both_halves(real, fake, accuracy):
    full = torch.ones(4, 2, 2, 2)
    found = tell_apart(Critic(2.0, -1.0), real * full, fake * full)[1]
    assert found.item() == accuracy
    assert not found.requires_grad


def test_real_and_fake_pass_the_critic_apart():
    """Together, batch norm would tell them apart by their common statistics."""
    seen = []

    class Spy(Critic):
        def forward(self, shapes):
            seen.append(shapes)
            return super().forward(shapes)

    real, fake = torch.ones(2, 2, 2, 2), torch.zeros(2, 2, 2, 2)
    tell_apart(Spy(), real, fake)
    assert [s is t for s, t in zip(seen, (real, fake), strict=True)] == [True, True]


def test_adversarial_without_a_critic():
    with pytest.raises(ContractError, match="the adversarial loss needs a discriminator; add one"):
        Adversarial(AdversarialConfig())(predict(torch.zeros(1, 2, 2, 2)), batch_of(count=1))
