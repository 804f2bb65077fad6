"""Fusions of views: closed forms, slow loops in float64, and what a whole model makes of several views."""

import math
from dataclasses import replace

import pytest
import torch

from zoo.config import list_presets, load_config
from zoo.fusions.pool import Pool, PoolConfig
from zoo.fusions.recurrent import Recurrent, RecurrentConfig
from zoo.model import build_model, takes_views
from zoo.testing.smoke import SmokeSource
from zoo.types import ContractError, Latent

OVER = ("mean", "max", "product")


def drawn(*shape, seed=0, gaussian=True):
    generator = torch.Generator().manual_seed(seed)
    mean, log_var = (torch.randn(*shape, generator=generator, dtype=torch.float64) for _ in range(2))
    return Latent(mean, log_var if gaussian else None)


def pool(over, dim=4):
    return Pool(PoolConfig(over=over), latent_dim=dim)


# --- pool


def test_mean_averages_means_and_sigmas():
    latent = drawn(2, 3, 4)
    found = pool("mean")(latent)
    sigma = sum(torch.exp(0.5 * latent.log_var[:, v]) for v in range(3)) / 3
    torch.testing.assert_close(found.mean, sum(latent.mean[:, v] for v in range(3)) / 3)
    torch.testing.assert_close(torch.exp(0.5 * found.log_var), sigma)


def test_mean_is_the_mean_of_draws_with_one_noise():
    latent, noise = drawn(2, 5, 4), drawn(2, 4, seed=1).mean
    found = pool("mean")(latent)
    draws = latent.mean + torch.exp(0.5 * latent.log_var) * noise[:, None]
    torch.testing.assert_close(found.mean + torch.exp(0.5 * found.log_var) * noise, draws.mean(1))


def test_max_takes_the_posterior_of_one_view_in_each_dimension():
    latent = drawn(2, 3, 4)
    found = pool("max")(latent)
    for b in range(2):
        for d in range(4):
            v = max(range(3), key=lambda v: latent.mean[b, v, d].item())
            assert found.mean[b, d] == latent.mean[b, v, d]
            assert found.log_var[b, d] == latent.log_var[b, v, d]


def test_product_is_the_normalised_product_of_the_densities():
    """log q is the sum of the views' log densities up to one constant, wherever it is looked at."""
    latent = drawn(1, 4, 1)
    found = pool("product", 1)(latent)
    at = torch.linspace(-3, 3, 7, dtype=torch.float64)

    def log_density(mean, log_var):
        return -0.5 * ((at - mean) ** 2 / log_var.exp() + log_var + math.log(2 * math.pi))

    views = sum(log_density(latent.mean[0, v], latent.log_var[0, v]) for v in range(4))
    difference = views - log_density(found.mean[0], found.log_var[0])
    torch.testing.assert_close(difference, difference[:1].expand(7))


def test_product_of_equals_is_surer_by_their_number():
    mean, log_var = torch.full((1, 4, 2), 0.5), torch.full((1, 4, 2), -1.0)
    found = pool("product", 2)(Latent(mean, log_var))
    torch.testing.assert_close(found.mean, mean[:, 0])
    torch.testing.assert_close(found.log_var, log_var[:, 0] - math.log(4))


@pytest.mark.parametrize(
    ("over", "gaussian"),
    [("mean", True), ("mean", False), ("max", True), ("max", False), ("product", True)],
)
def test_one_view_stays_as_it_is(over, gaussian):
    latent = drawn(3, 1, 4, gaussian=gaussian)
    found = pool(over)(latent)
    assert torch.equal(found.mean, latent.mean[:, 0])
    assert found.log_var is None if not gaussian else torch.equal(found.log_var, latent.log_var[:, 0])


@pytest.mark.parametrize("over", OVER)
def test_the_order_of_the_views_does_not_matter(over):
    latent, order = drawn(2, 5, 4), [3, 0, 4, 1, 2]
    found, other = pool(over)(latent), pool(over)(Latent(latent.mean[:, order], latent.log_var[:, order]))
    torch.testing.assert_close(found.mean, other.mean)
    torch.testing.assert_close(found.log_var, other.log_var)


@pytest.mark.parametrize("over", OVER)
def test_extreme_sigmas_stay_finite(over):
    """log sigma is clamped to [-10, 10]: log-variances from -20 to 20."""
    log_var = torch.tensor([[[-20.0], [20.0]], [[20.0], [20.0]], [[-20.0], [-20.0]]])
    found = pool(over, 1)(Latent(torch.tensor([1.0, -1.0]).expand(3, 2)[..., None], log_var))
    assert torch.isfinite(found.mean).all() and torch.isfinite(found.log_var).all()
    assert found.log_var.min() >= -21 and found.log_var.max() <= 20


@pytest.mark.parametrize("over", OVER)
def test_gradients_match_finite_differences(over):
    latent = drawn(2, 3, 2)
    inputs = [latent.mean.requires_grad_(), latent.log_var.requires_grad_()]

    def fused(mean, log_var):
        found = pool(over, 2)(Latent(mean, log_var))
        return found.mean, found.log_var

    assert torch.autograd.gradcheck(fused, inputs)


def test_a_product_of_vectors_without_posterior_is_refused():
    with pytest.raises(ValueError, match="needs a Gaussian posterior"):
        pool("product")(drawn(2, 3, 4, gaussian=False))


# --- recurrent


def test_recurrent_is_the_equations_of_the_unit():
    """arXiv:1406.1078 as torch writes it, view after view, from a state of zeros."""
    module = Recurrent(RecurrentConfig(hidden=3), latent_dim=4).double()
    latent, state = drawn(2, 5, 4), torch.zeros(2, 3, dtype=torch.float64)
    w, u, b, c = module.cell.parameters()
    for v in range(5):
        read = (latent.mean[:, v] @ w.T + b).chunk(3, 1)
        own = (state @ u.T + c).chunk(3, 1)
        reset, update = (torch.sigmoid(read[i] + own[i]) for i in (0, 1))
        state = update * state + (1 - update) * torch.tanh(read[2] + reset * own[2])
    found = module(latent)
    torch.testing.assert_close(found.mean, state @ module.out.weight.T + module.out.bias)
    torch.testing.assert_close(torch.exp(found.log_var / 2), torch.exp(latent.log_var / 2).mean(1))


def test_recurrent_reads_every_view():
    module, latent = Recurrent(RecurrentConfig(hidden=6), latent_dim=4).double(), drawn(1, 3, 4)
    for v in range(3):
        mean = latent.mean.clone()
        mean[:, v] += 1
        assert not torch.allclose(module(latent).mean, module(Latent(mean)).mean)


# --- in a model


def fused_config(tiny_config, over, *more):
    fusion = "recurrent, hidden: 8" if over == "recurrent" else f"pool, over: {over}"
    return tiny_config(f"fusion={{name: {fusion}}}", *more)


@pytest.mark.parametrize("over", OVER)
def test_one_view_through_a_pool_is_the_model_without_it(tiny_config, tiny_source, over):
    batch = tiny_source.fetch([0, 1], [[0], [3]])
    plain = build_model(tiny_config(), seed=0).predict(batch)
    pooled = build_model(fused_config(tiny_config, over), seed=0).predict(batch)
    assert torch.equal(pooled.shapes.logits, plain.shapes.logits)
    assert torch.equal(pooled.latent.log_var, plain.latent.log_var)


@pytest.mark.parametrize("over", [*OVER, "recurrent"])
def test_any_voxel_decoder_takes_several_views(tiny_config, tiny_source, over):
    model = build_model(fused_config(tiny_config, over), seed=0)
    found = model.predict(tiny_source.fetch([0, 1], [[0, 1, 2], [3, 4, 0]]))
    assert found.latent.mean.shape == found.latent.log_var.shape == (2, 8)
    assert found.shapes.logits.shape == (2, 32, 32, 32)


def test_views_of_one_shape_are_fused_and_of_others_not(tiny_config, tiny_source):
    model = build_model(fused_config(tiny_config, "mean"), seed=0)
    views = [[0, 1, 2], [3, 4, 0]]
    found = model.predict(tiny_source.fetch([0, 1], views)).latent.mean
    for place, own in enumerate(views):
        alone = [model.predict(tiny_source.fetch([place], [[v]])).latent.mean[0] for v in own]
        torch.testing.assert_close(found[place], torch.stack(alone).mean(0))


def test_a_model_says_whether_it_takes_views(tiny_config):
    assert not takes_views(tiny_config())
    assert takes_views(fused_config(tiny_config, "max"))
    assert takes_views(load_config("r2n2"))
    assert not takes_views(load_config("r3d"))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ("fusion={name: pool, over: product}", "encoder={name: residual_cnn}"),
            "fusion 'pool' needs log_var of the latent, which encoder 'residual_cnn' does not give; ",
        ),
        (
            ("fusion={name: pool}", "decoder={name: voxel_gru}"),
            "decoder 'voxel_gru' reads several views itself; leave out the model's fusion",
        ),
    ],
)
def test_what_a_fusion_does_not_fit_is_said_when_it_is_built(tiny_config, overrides, message):
    with pytest.raises(ContractError, match=message), torch.device("meta"):
        build_model(tiny_config(*overrides))


def test_a_decoder_of_maps_takes_no_fusion(tiny_config, monkeypatch):
    from zoo.decoders import DECODERS
    from zoo.encoders import ENCODERS

    monkeypatch.setattr(DECODERS.get("voxel_deconv").cls, "latent_fields", frozenset({"features"}))
    monkeypatch.setattr(ENCODERS.get("cnn").cls, "provides", frozenset({"features", "log_var"}))
    with pytest.raises(ContractError, match="needs features of one view; a fusion makes one vector"):
        build_model(fused_config(tiny_config, "mean"))


# --- the systems


@pytest.mark.parametrize("preset", [None, *list_presets()])
@pytest.mark.parametrize(
    ("name", "base", "parts"),
    [
        ("r3d_multiview", "r3d", {"fusion"}),
        ("r3d_recurrent", "r3d", {"fusion"}),
        ("r3d_depth", "r3d", {"preprocess"}),
    ],
)
def test_nothing_else_differs(name, base, parts, preset):
    about = {"name", "title", "summary", "citation", "follows", "departs", *parts}

    def rest(model):
        data = load_config(model, preset).resolved()
        data["train"] = {k: v for k, v in data["train"].items() if k != "views"}
        return {k: v for k, v in data.items() if k not in about}

    assert rest(name) == rest(base)


def test_views_of_the_systems():
    for name in ("r3d_multiview", "r3d_recurrent", "r2n2"):
        assert load_config(name).train.views == (1, 5)
        assert load_config(name, "quick").train.views == (1, 2)
    assert load_config("r3d_depth").preprocess.in_channels == 2


def test_depth_adds_one_input_channel_to_r3d():
    with torch.device("meta"):
        ours, theirs = (
            sum(p.numel() for p in build_model(load_config(name)).parameters())
            for name in ("r3d_depth", "r3d")
        )
    assert ours - theirs == 32 * 9


def test_depth_is_read_and_must_be_given(tiny_config):
    model = build_model(tiny_config("preprocess.depth=true"), seed=0)
    assert model.batch_fields == {"image", "depth"}
    batch = SmokeSource(size=(16, 16)).fetch([0], [[0]])
    depth = batch.depth.clone()
    depth[..., :4, :4] += 5
    assert not torch.equal(model.predict(batch).z, model.predict(replace(batch, depth=depth)).z)
    with pytest.raises(ContractError, match="model 'tiny' needs depth of each picture, which is not given"):
        model.predict(replace(batch, depth=None))
