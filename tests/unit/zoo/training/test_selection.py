"""What a training keeps: averaged weights, the best that were validated; when it ends; what a stop leaves."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from zoo.config import ConfigError
from zoo.testing.smoke import SmokeSource
from zoo.training.checkpoint import checkpoints, load_pretrained, load_state, newest_run
from zoo.training.interrupt import Interrupted
from zoo.training.selection import NonFiniteValidation, Selection
from zoo.training.trainer import Trainer, train
from zoo.training.validation import THRESHOLDS, Validated, Validation, overlaps
from zoo.types import ContractError

CPU = torch.device("cpu")
EVERYTHING = (
    *("train.steps=6", "train.batch_size=3", "train.ema=0.9", "train.validations=3", "train.log_every=1"),
    *("train.validation_shapes=3", "train.accumulate=2", "train.discriminator_every=2", "train.mirror=true"),
    "train.stages=[{name: all}, {name: decoder, share: 2, trains: [decoder, discriminator]}]",
)


@pytest.fixture
def held_out():
    return SmokeSource(count=5, resolution=32, size=(16, 16))


def fit(config, source, run_dir, **more):
    return train(config, source, run_dir, seed=0, device=CPU, **more)


def log_of(run_dir):
    return [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def files_of(run_dir):
    path = checkpoints(run_dir)[-1]
    return {file.name: file.read_bytes() for file in path.glob("*.safetensors")}


def script(monkeypatch, values):
    """Let validations find these values, one after the other."""
    values = iter(values)

    def found(self, model):
        value = next(values)
        return Validated("iou", value, value, 0.5)

    monkeypatch.setattr(Validation, "__call__", found)


# --- averaged weights


def test_the_average_is_the_recursion_of_its_definition(tiny_config, tiny_source, tmp_path):
    """timm's: decay(t) = min(ema, 1 - t^(-2/3)) after step t + 1, the first weights being copied."""
    trainer = Trainer(
        tiny_config("train.steps=4", "train.ema=0.5"), tiny_source, tmp_path, seed=0, device=CPU
    )
    seen = []
    follow = trainer.selection.follow

    def noted(model, step):
        seen.append({k: v.detach().clone() for k, v in model.state_dict().items()})
        follow(model, step)

    trainer.selection.follow = noted
    report = trainer.run()
    kept = load_file(report.checkpoint / "model.safetensors")
    learning = load_file(report.checkpoint / "learning.safetensors")
    expected = seen[0]
    for t, weights in enumerate(seen[1:], 1):
        decay = min(0.5, 1 - (1 + t) ** (-2 / 3))
        for name, value in weights.items():
            if value.is_floating_point():
                expected[name] = decay * expected[name] + (1 - decay) * value
    for name, value in kept.items():
        if value.is_floating_point():
            torch.testing.assert_close(value, expected[name])
    assert all(torch.equal(learning[name], seen[-1][name]) for name in learning)
    loaded = load_pretrained(tmp_path).state_dict()
    assert all(torch.equal(loaded[name], kept[name]) for name in kept)


def test_without_it_a_checkpoint_is_what_it_always_was(tiny_config, tiny_source, tmp_path):
    fit(tiny_config("train.steps=2"), tiny_source, tmp_path)
    assert set(files_of(tmp_path)) == {"model.safetensors", "discriminator.safetensors"}


# --- validation


def test_overlap_is_intersection_over_union():
    probabilities = torch.zeros(2, 4, 4, 4)
    probabilities[0, 0], probabilities[0, 1] = 0.9, 0.4
    true = torch.zeros(2, 4, 4, 4, dtype=torch.bool)
    true[0, 0], true[0, 2] = True, True
    found = dict(zip(THRESHOLDS, overlaps(probabilities, true).T.tolist(), strict=True))
    assert found[0.3] == [1 / 3, 1.0]  # 16 of 48 cells; nothing predicted where nothing is
    assert found[0.5] == [0.5, 1.0]
    assert found[0.95] == [0.0, 1.0]


def test_the_sample_is_fixed_and_of_the_size_that_was_asked_for(tiny_config, held_out):
    config = tiny_config("train.validations=1", "train.validation_shapes=3")
    one, again = Validation(config, held_out, 0), Validation(config, held_out, 0)
    assert one.indices == again.indices and one.views == again.views and len(one.indices) == 3


def test_a_model_is_measured_as_a_table_would_and_left_as_it_was(tiny_config, held_out):
    from zoo.metrics.iou import iou
    from zoo.model import build_model

    config = tiny_config("train.validations=1", "train.validation_shapes=5")
    model = build_model(config, seed=0).train()
    model.decoder.eval()
    modes = [module.training for module in model.modules()]
    validation = Validation(config, held_out, 0)
    found = validation(model)
    assert [module.training for module in model.modules()] == modes
    shapes, true = [], []
    for index, views in zip(validation.indices, validation.views, strict=True):
        batch = held_out.fetch([index], [views])
        shapes += model.predict(batch).shapes.split()
        true += [batch.decode().voxels[0].numpy() >= 0.5]
    means = [
        np.mean(
            [iou(shape.voxels(32) >= np.float32(t), grid) for shape, grid in zip(shapes, true, strict=True)]
        )
        for t in THRESHOLDS
    ]
    assert found.value == pytest.approx(max(means), abs=1e-6)
    assert found.threshold == THRESHOLDS[int(np.argmax(means))]


def test_points_are_measured_by_their_distance(held_out):
    from zoo.config import load_config
    from zoo.model import build_model

    config = load_config("psgn", "quick", ["train.validations=1", "preprocess.size=[48,48]"])
    found = Validation(config, SmokeSource(count=3, size=(48, 48)), 0)(build_model(config, seed=0))
    assert found.metric == "cd" and 0 < found.value < 4 and found.better == -found.value
    assert found.figures() == {"val_cd": found.value}


def test_validations_are_spread_over_the_last_stage_and_logged(tiny_config, tiny_source, held_out, tmp_path):
    config = tiny_config(
        "train.steps=8", "train.validations=2", "train.log_every=8", "train.stages=[{name: a}, {name: b}]"
    )
    report = fit(config, tiny_source, tmp_path, validation=held_out)
    rows = {row["step"]: row for row in log_of(tmp_path)}
    assert [step for step, row in rows.items() if "val_iou" in row] == [6, 8]
    assert 0 < report.validation_seconds < report.seconds
    best = max((row["val_iou"], -step) for step, row in rows.items() if "val_iou" in row)
    assert report.selected_step == -best[1]


def test_validation_does_not_change_what_is_learned(tiny_config, tiny_source, held_out, tmp_path):
    fit(tiny_config("train.steps=4"), tiny_source, tmp_path / "plain")
    fit(
        tiny_config("train.steps=4", "train.validations=4", "train.ema=0.9"),
        tiny_source,
        tmp_path / "validated",
        validation=held_out,
    )
    plain = files_of(tmp_path / "plain")["model.safetensors"]
    assert files_of(tmp_path / "validated")["learning.safetensors"] == plain


def test_the_best_weights_are_kept_not_the_last(tiny_config, tiny_source, held_out, tmp_path, monkeypatch):
    script(monkeypatch, [0.1, 0.3, 0.2])
    config = tiny_config("train.steps=3", "train.validations=3", "train.checkpoint_every=1")
    taken = []
    follow = Selection.follow

    def noted(self, model, step):
        taken.append({k: v.clone() for k, v in model.state_dict().items()})
        follow(self, model, step)

    monkeypatch.setattr(Selection, "follow", noted)
    report = fit(config, tiny_source, tmp_path, validation=held_out)
    kept = load_pretrained(tmp_path).state_dict()
    assert report.selected_step == 2 and report.steps == 3
    assert all(torch.equal(kept[name], taken[1][name]) for name in kept)
    assert not all(torch.equal(kept[name], taken[2][name]) for name in kept)


def test_patience_ends_a_training_for_good(tiny_config, tiny_source, held_out, tmp_path, monkeypatch):
    script(monkeypatch, [0.3, 0.2, 0.25, 0.9])
    config = tiny_config("train.steps=8", "train.validations=8", "train.patience=2")
    report = fit(config, tiny_source, tmp_path / "tiny-1", validation=held_out)
    assert (report.steps, report.selected_step, report.stopped) == (3, 1, "no better validation in 2")
    state = load_state(checkpoints(tmp_path / "tiny-1")[-1])
    assert state.finished(config) and newest_run(tmp_path, config.name) == tmp_path / "tiny-1"
    assert dataclasses.asdict(fit(config, tiny_source, tmp_path / "tiny-1", validation=held_out)) == (
        dataclasses.asdict(report)
    )


def test_a_validation_that_is_not_finite_ends_that_model(
    tiny_config, tiny_source, held_out, tmp_path, monkeypatch
):
    script(monkeypatch, [float("nan")])
    with pytest.raises(
        NonFiniteValidation, match=r"'tiny': val_iou is nan at step 2; lower train.optimizer.lr"
    ):
        fit(tiny_config("train.steps=4", "train.validations=2"), tiny_source, tmp_path, validation=held_out)


@pytest.mark.parametrize("stop_after", range(1, 6))
def test_a_stop_at_any_step_leaves_no_trace(
    tiny_config, tiny_source, held_out, tmp_path, monkeypatch, stop_after
):
    config = tiny_config(*EVERYTHING)
    whole = fit(config, tiny_source, tmp_path / "whole", validation=held_out)
    stopped = Trainer(config, tiny_source, tmp_path / "stopped", seed=0, device=CPU, validation=held_out)
    from contextlib import contextmanager

    @contextmanager
    def asked():
        yield lambda: 15 if stopped.done == stop_after else 0

    with monkeypatch.context() as patch:
        patch.setattr("zoo.training.trainer.graceful_stop", asked)
        with pytest.raises(Interrupted):
            stopped.run()
    again = fit(config, tiny_source, tmp_path / "stopped", validation=held_out)
    assert files_of(tmp_path / "stopped") == files_of(tmp_path / "whole")
    assert {"learning.safetensors", "average.safetensors"} <= set(files_of(tmp_path / "whole"))
    assert again.selected_step == whole.selected_step
    states = [load_state(checkpoints(tmp_path / name)[-1]) for name in ("whole", "stopped")]
    assert len({(s.best, s.best_step, s.worse, s.step) for s in states}) == 1


@pytest.mark.parametrize("name", ["model", "learning", "average"])
@pytest.mark.parametrize("how", ["gone", "changed"])
def test_weights_that_are_damaged_are_never_gone_on_from(
    tiny_config, tiny_source, held_out, tmp_path, name, how
):
    """The checkpoint before is used; with a quiet fallback to other weights the run would end elsewhere."""
    config = tiny_config("train.steps=4", "train.ema=0.9", "train.validations=4", "train.checkpoint_every=2")
    fit(config, tiny_source, tmp_path, validation=held_out)
    whole = files_of(tmp_path)
    file = checkpoints(tmp_path)[-1] / f"{name}.safetensors"
    if how == "gone":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-1] + b"\x55")
    with pytest.warns(UserWarning, match=f"{name}.safetensors.* is used in its place"):
        fit(config, tiny_source, tmp_path, validation=held_out)
    assert files_of(tmp_path) == whole


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["train.minutes=0"], "train.minutes"),
        (["train.patience=3"], "patience counts validations; set validations, too"),
        (["train.accumulate=99"], "accumulate is 99, a batch has"),
    ],
)
def test_settings_that_cannot_be_meant(tiny_config, overrides, message):
    with pytest.raises(ConfigError, match=message):
        tiny_config(*overrides)


def test_what_validation_lacks_is_said(tiny_config, tiny_source, tmp_path):
    config = tiny_config("train.validations=1")
    with pytest.raises(ContractError, match="no validation split is given"):
        fit(config, tiny_source, tmp_path)

    class Blind(SmokeSource):
        provides = SmokeSource.provides - {"voxels"}

    with pytest.raises(ContractError, match=r"train.validations needs voxels from the data set"):
        fit(config, tiny_source, tmp_path, validation=Blind(count=2, resolution=32, size=(16, 16)))


def test_what_came_later_does_not_change_who_a_model_is(tiny_config):
    plain = tiny_config()
    assert "ema" in plain.resolved()["train"] and "ema" not in plain.identity()["train"]
    assert tiny_config("train.ema=0.9").identity()["train"]["ema"] == 0.9
