"""Categories by a linear classifier on what a discriminator answers: descriptors, classifier, the command."""

from __future__ import annotations

import json
import re
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.cells import work
from benchmarks.studies.classify.__main__ import main
from benchmarks.studies.classify.descriptors import discriminator_features, pooled_voxels
from benchmarks.studies.classify.linear import PENALTIES, fit, fit_chosen
from benchmarks.studies.classify.measure import score_row
from zoo.discriminators import Discriminator
from zoo.discriminators.voxel_conv import VoxelConv, VoxelConvConfig
from zoo.errors import UserError
from zoo.registry import EntryConfig
from zoo.types import ContractError


def critic(resolution, down="stride"):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return VoxelConv(VoxelConvConfig(width=2, down=down), resolution=resolution).eval()


def grids(count, r, seed=0):
    return (np.random.default_rng(seed).random((count, r, r, r)) < 0.3).astype(np.float32)


# --- descriptors


@pytest.mark.parametrize("down", ["stride", "maxpool"])
def test_responses_are_those_of_every_convolution_and_lead_to_the_score(down):
    module, shapes = critic(32, down), torch.from_numpy(grids(2, 32))
    responses = module.responses(shapes)
    assert [tuple(r.shape) for r in responses] == [(2, 2, 16, 16, 16), (2, 4, 8, 8, 8), (2, 8, 4, 4, 4)]
    torch.testing.assert_close(module.out(responses[-1].flatten(1)).squeeze(1), module(shapes))


def test_features_at_64_have_the_sides_8_4_and_2():
    shapes = grids(2, 64)
    found = discriminator_features(critic(64), shapes)
    responses = critic(64).responses(torch.from_numpy(shapes))
    assert [r.shape[-1] for r in responses] == [32, 16, 8, 4]
    parts = []
    for response in responses[1:]:
        b, c, side = response.shape[:3]
        blocks = response.detach().numpy().reshape(b, c, side // 2, 2, side // 2, 2, side // 2, 2)
        parts.append(blocks.max((3, 5, 7)).reshape(b, -1))
    assert [p.shape[1] for p in parts] == [4 * 8**3, 8 * 4**3, 16 * 2**3]
    np.testing.assert_allclose(found, np.concatenate(parts, 1), atol=1e-6)


def test_features_at_32_have_what_there_is():
    assert discriminator_features(critic(32), grids(40, 32)).shape == (40, 4 * 4**3 + 8 * 2**3)


def test_a_discriminator_without_responses_is_refused():
    class Blind(Discriminator):
        """No convolutions."""

        representation = "voxels"

        def forward(self, shapes):
            return shapes.flatten(1).mean(1)

    with pytest.raises(ContractError, match="Blind gives no responses of a second convolution"):
        discriminator_features(Blind(EntryConfig(), resolution=8), grids(1, 8))


def test_voxels_are_pooled_by_their_maximum():
    grid = np.zeros((1, 32, 32, 32), np.float32)
    grid[0, 5, 30, 0] = 1
    pooled = pooled_voxels(grid).reshape(8, 8, 8)
    assert pooled.sum() == 1 and pooled[1, 7, 0] == 1


# --- the classifier


def blobs(count, seed, classes=3, features=5):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, count)
    centers = 2 * np.random.default_rng(9).normal(size=(classes, features))
    return centers[y] + rng.normal(size=(count, features)), y


def linear(model):
    """Weights (F, C) and bias (C,) of a fit, on standardised descriptors."""
    found = model.named_steps["logisticregression"]
    return torch.from_numpy(found.coef_.T.copy()), torch.from_numpy(found.intercept_.copy())


def test_the_fit_is_the_minimum():
    """The gradient of the objective vanishes there, and no step away from it lowers the objective."""
    x, y = blobs(60, 0)
    best, bias = linear(fit((x, y), 0.1))
    weights, offset = best.clone().requires_grad_(), bias.clone().requires_grad_()
    scaled = torch.from_numpy((x - x.mean(0)) / x.std(0))

    def objective(w, b):
        return F.cross_entropy(scaled @ w + b, torch.from_numpy(y)) + 0.05 * (w**2).sum()

    objective(weights, offset).backward()
    assert max(weights.grad.abs().max(), offset.grad.abs().max()) < 1e-4
    least = objective(best, bias)
    for seed in range(5):
        step = 0.01 * torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        assert objective(best + step, bias) > least


def test_units_of_the_descriptor_do_not_matter_and_constants_are_left_out():
    x, y = blobs(60, 0)
    scaled = np.concatenate([x * np.array([1e4, 1, 1e-4, 1, 1]) + 3, np.full((60, 1), 7.0)], 1)
    ours, theirs = fit((x, y), 0.01), fit((scaled, y), 0.01)
    torch.testing.assert_close(linear(theirs)[0][:5], linear(ours)[0], atol=1e-3, rtol=1e-3)
    assert not linear(theirs)[0][5].any()
    assert (theirs.predict(scaled) == ours.predict(x)).all()


def test_it_learns_what_a_line_can_tell():
    train, validation, test = (blobs(120, seed) for seed in (0, 1, 2))
    model, penalty, accuracy = fit_chosen(train, validation)
    assert penalty in PENALTIES
    assert accuracy == (model.predict(validation[0]) == validation[1]).mean()
    assert (model.predict(test[0]) == test[1]).mean() > 0.85


def test_noise_is_met_by_the_strongest_penalty_of_equals():
    """Where every penalty is equally right on the validation split, the simplest model is kept."""
    x, y = blobs(60, 0)
    assert fit_chosen((x, y), (x[:1], fit((x, y), 10.0).predict(x[:1])))[1:] == (10.0, 1.0)


def test_one_class_alone_is_refused():
    x, y = blobs(60, 0)
    with pytest.raises(UserError, match="all training shapes are of one category"):
        fit((x, np.zeros_like(y)), 1.0)


def test_a_missing_library_is_one_line_with_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    assert main([]) == 2
    assert re.search(r"^error: .*needs scikit-learn.*'studies': pip install", capsys.readouterr().err)


@pytest.mark.parametrize(("right", "n"), [(0, 10), (7, 10), (10, 10), (111, 130)])
def test_the_interval_is_wilsons(right, n):
    row = score_row("a", "a", np.arange(n) < right)
    z, p = 1.959963984540054, right / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert row.accuracy == p
    assert (row.low, row.high) == pytest.approx((max(middle - half, 0), min(middle + half, 1)), abs=1e-9)


# --- the command


WIDTHS = ["--set", "decoder.width=8", "--set", "discriminator.width=2"]
TINY = [
    *("--workers", "0", "--device", "cpu", "--set", "data.categories=chair,table"),
    *("--set", "data.train=4", "--set", "data.val=2", "--set", "data.test=3", "--set", "prepare.views=1"),
    *("--set", "prepare.points=1024", "--set", "train.steps=2", "--set", "train.batch_size=2"),
    *WIDTHS,
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("classify")
    words = ["--out", str(folder / "out"), "--data-root", str(folder / "data"), *TINY]
    assert main(words) == 0
    return folder / "out", words


def record(out):
    return json.loads((out / "classify-gan_3d.json").read_text(encoding="utf-8"))


def test_every_row_is_there(finished):
    found = record(finished[0])
    rows = {row["name"]: row for row in found["rows"]}
    assert list(rows) == ["discriminator", "untrained", "voxels", "majority"]
    assert rows["discriminator"]["numbers"] == rows["untrained"]["numbers"] == 4 * 4**3 + 8 * 2**3
    assert rows["voxels"]["numbers"] == 512
    assert rows["majority"]["accuracy"] == 0.5, "as many chairs as tables"
    assert all(row["low"] <= row["accuracy"] <= row["high"] for row in rows.values())
    assert found["dataset"]["n"] == 6
    assert found["config"]["train"]["steps"] == 2


def test_a_second_time_nothing_is_trained_and_the_rows_are_the_same(finished, monkeypatch, capsys):
    out, words = finished
    before = record(out)
    (run,) = (out / "runs").glob("*/")
    weights = (run / "step-0000002" / "discriminator.safetensors").stat().st_mtime_ns
    assert main(words) == 0
    assert (run / "step-0000002" / "discriminator.safetensors").stat().st_mtime_ns == weights
    assert record(out)["rows"] == before["rows"]

    def refuse(*args, **kwargs):
        raise AssertionError("trained although weights were given")

    monkeypatch.setattr(work, "train", refuse)
    assert main([*words, "--weights", str(run)]) == 0
    assert record(out)["rows"] == before["rows"]
    assert "95 % (Wilson)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model", "gan3d"], "unknown model 'gan3d'.*Did you mean 'gan_3d'"),
        (["--set", "decoder.resolution=64"], r"reads 64\^3 voxels, the prepared 'procedural' holds \(32,\)"),
        (["--weights", "nowhere"], "nowhere: neither a checkpoint"),
    ],
)
def test_bad_input_is_one_clear_line(finished, words, message, capsys):
    assert main([*finished[1], *words]) == 2
    error = capsys.readouterr().err
    assert re.search(message, error) and error.startswith("error: ")


def test_a_model_without_a_discriminator_is_refused(finished, capsys):
    words = finished[1][: -len(WIDTHS)]
    assert main([*words, "--model", "r2n2"]) == 2
    assert "model 'r2n2' has no discriminator to read" in capsys.readouterr().err


def test_a_training_that_fails_is_not_hidden(finished, monkeypatch, tmp_path):
    def broken(*args, **kwargs):
        raise RuntimeError("no memory")

    monkeypatch.setattr(work, "train", broken)
    with pytest.raises(RuntimeError, match="no memory"):
        main([*finished[1], "--out", str(tmp_path)])


def test_the_trained_discriminator_is_the_one_that_is_read(finished):
    from zoo.training.checkpoint import load_discriminator

    (run,) = (finished[0] / "runs").glob("*/")
    module = load_discriminator(run)
    assert isinstance(module, nn.Module) and not module.training
    assert module.layers[1].num_batches_tracked > 0
