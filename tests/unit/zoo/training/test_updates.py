"""One update: divided batches, a discriminator that is asked seldom, a budget of time, given weights."""

from __future__ import annotations

import sys

import pytest
import torch

from zoo.config import ConfigError
from zoo.errors import UserError
from zoo.model import build_model
from zoo.seeding import derive
from zoo.testing.smoke import SmokeSource
from zoo.training.checkpoint import CheckpointError, checkpoints, load_state
from zoo.training.plan import ends_within
from zoo.training.precision import autocast_type, grad_scaler
from zoo.training.start import start_from
from zoo.training.trackers import make_tracker, tensorboard
from zoo.training.trainer import Trainer, train
from zoo.types import ContractError

CPU = torch.device("cpu")


def fit(config, source, run_dir, **more):
    return train(config, source, run_dir, seed=0, device=CPU, **more)


# --- divided batches


def test_a_batch_is_divided_without_loss():
    source = SmokeSource(count=5, resolution=32, size=(16, 16))
    batch = source.fetch(range(5), [[0]] * 5)
    parts = batch.divide(2)
    assert [len(part) for part in parts] == [2, 3] and batch.divide(1)[0] is batch
    assert sum((part.ids for part in parts), ()) == batch.ids
    assert torch.equal(torch.cat([part.voxels for part in parts]), batch.voxels)


def gradients(config, source, run_dir):
    """Gradients of the first step, before anything is changed by it."""
    trainer = Trainer(config, source, run_dir, seed=0, device=CPU)
    trainer.enter(trainer.stages[0])
    for name, optimizer in trainer.optimizers.items():
        optimizer.step = lambda name=name: None
    batch = source.fetch(range(4), [[0]] * 4).to(CPU)
    figures = trainer.step(batch, trainer.stages[0])
    found = [p.grad for module in trainer.modules() for p in module.parameters()]
    return figures, [g for g in found if g is not None]


@pytest.mark.parametrize("parts", [2, 3])
def test_the_gradient_of_a_divided_batch_is_that_of_the_whole(tmp_path, parts):
    from zoo.config import load_config

    # r2n2 has neither batch norm nor noise
    source = SmokeSource(count=4, size=(48, 48), resolution=32)
    few = ["train.batch_size=4", "train.clip=null", "train.steps=2", "train.views=[1,1]", "preprocess.crop=1"]
    few += ["preprocess.flip=false", "preprocess.background_train=null", "preprocess.jitter=[0,0,0]"]
    whole = gradients(load_config("r2n2", "quick", few), source, tmp_path / "a")
    few += [f"train.accumulate={parts}"]
    divided = gradients(load_config("r2n2", "quick", few), source, tmp_path / "b")
    assert float(divided[0]["loss"]) == pytest.approx(float(whole[0]["loss"]), rel=1e-5)
    scale = max(g.abs().max() for g in whole[1])
    for one, other in zip(whole[1], divided[1], strict=True):
        assert (one - other).abs().max() < 1e-4 * scale


# --- the discriminator


def test_a_discriminator_is_updated_and_asked_every_kth_step(tiny_config, tiny_source, tmp_path):
    config = tiny_config("train.steps=5", "train.discriminator_every=2", "train.gate=null")
    trainer = Trainer(config, tiny_source, tmp_path, seed=0, device=CPU)
    trainer.enter(trainer.stages[0])
    for step in range(5):
        before = [p.clone() for p in trainer.discriminator.parameters()]
        figures = trainer.step(tiny_source.fetch([0, 1], [[0], [0]]).to(CPU), trainer.stages[0])
        trainer.done += 1
        moved = any(
            not torch.equal(a, b) for a, b in zip(before, trainer.discriminator.parameters(), strict=True)
        )
        asked = step % 2 == 0
        assert moved == asked and ("d_loss" in figures) == asked and ("adversarial" in figures) == asked


def test_a_model_whose_every_loss_is_adversarial_is_asked_always(tiny_config, tiny_source, tmp_path):
    config = tiny_config("train.discriminator_every=2", "losses={adversarial: {}}")
    only = config.model_copy(update={"losses": {"adversarial": config.losses["adversarial"]}})
    with pytest.raises(
        ContractError, match=r"train.discriminator_every=2 leaves steps without a loss in stage 'main'"
    ):
        fit(only, tiny_source, tmp_path)


# --- a budget of time


def test_a_budget_is_divided_by_what_steps_cost():
    assert ends_within(100.0, [0.5, 0.5], [1.0, 0.1]) == [50, 550]
    assert ends_within(-5.0, [0.5, 0.5], [1.0, 1.0]) == [1, 2]  # the trials took all of it


def test_a_budget_becomes_a_number_of_steps_that_trains_the_same_again(tiny_config, tiny_source, tmp_path):
    stages = "train.stages=[{name: a}, {name: b, trains: [decoder]}]"
    budget = tiny_config("train.minutes=0.02", "train.optimizer.schedule=cosine", stages)
    report = fit(budget, tiny_source, tmp_path / "budget")
    plan = load_state(checkpoints(tmp_path / "budget")[-1]).plan
    assert len(plan) == 2 and plan[-1] == report.steps > 2
    second = f"{{name: b, share: {plan[1] - plan[0]}, trains: [decoder]}}"
    shares = f"train.stages=[{{name: a, share: {plan[0]}}}, {second}]"
    steps = tiny_config(f"train.steps={report.steps}", "train.optimizer.schedule=cosine", shares)
    again = fit(steps, tiny_source, tmp_path / "steps")
    weights = [(r.checkpoint / "model.safetensors").read_bytes() for r in (report, again)]
    assert weights[0] == weights[1]


def test_a_budget_that_was_counted_stays(tiny_config, tiny_source, tmp_path, monkeypatch):
    config = tiny_config("train.minutes=0.02")
    report = fit(config, tiny_source, tmp_path)
    monkeypatch.setattr("zoo.training.trainer.plan_steps", lambda *a, **k: pytest.fail("counted again"))
    assert fit(config, tiny_source, tmp_path).steps == report.steps


# --- precision


def test_precision_by_name(monkeypatch):
    assert autocast_type("auto", CPU) is None and autocast_type("bf16", CPU) is torch.bfloat16
    with pytest.raises(ConfigError, match="fp16 needs a GPU"):
        autocast_type("fp16", CPU)
    asked = []
    monkeypatch.setattr(
        torch.cuda,
        "is_bf16_supported",
        lambda including_emulation: asked.append(including_emulation) or False,
    )
    assert autocast_type("auto", torch.device("cuda")) is torch.float16 and asked == [False]
    assert not grad_scaler(None, CPU).is_enabled() and grad_scaler(torch.float16, CPU).is_enabled()


def test_scaled_gradients_are_the_gradients(tiny_config, tiny_source, tmp_path):
    """Powers of two scale exactly: with and without a scaler the weights are the same to the last bit."""
    found = []
    for scaled in (False, True):
        trainer = Trainer(
            tiny_config("train.steps=3", "train.clip=0.5"),
            tiny_source,
            tmp_path / str(scaled),
            seed=0,
            device=CPU,
        )
        trainer.scaler = torch.amp.GradScaler("cpu", enabled=scaled)
        report = trainer.run()
        found.append((report.checkpoint / "model.safetensors").read_bytes())
        assert bool(load_state(report.checkpoint).scaler) == scaled
    assert found[0] == found[1]


# --- given weights


def test_a_training_starts_from_given_weights(tiny_config, tiny_source, tmp_path):
    first = fit(tiny_config("train.steps=2"), tiny_source, tmp_path / "first")
    config = tiny_config(f"train.init_from={tmp_path / 'first'}", "train.steps=1", "train.optimizer.lr=1e-30")
    fit(config, tiny_source, tmp_path / "second")
    theirs, ours = (
        build_model(config, seed=0).state_dict() | torch_file(tmp_path / name) for name in ("first", "second")
    )
    assert all(torch.equal(theirs[k], ours[k]) for k in theirs if k.endswith("weight"))
    assert first.checkpoint.exists()


def torch_file(run):
    from safetensors.torch import load_file

    return load_file(checkpoints(run)[-1] / "model.safetensors")


def test_parts_that_fit_are_taken_over_and_none_is_an_error(tiny_config, tiny_source, tmp_path):
    fit(tiny_config("train.steps=1"), tiny_source, tmp_path)
    other = build_model(tiny_config("encoder.widths=[4, 12]"), seed=derive(0, "weights"))
    assert start_from(other, tmp_path) == ("decoder",)
    neither = build_model(tiny_config("encoder.latent_dim=12"), seed=0)
    with pytest.raises(CheckpointError, match=r"no part of it fits the model: encoder .* differ.*; decoder"):
        start_from(neither, tmp_path)
    with pytest.raises(CheckpointError, match="neither a checkpoint"):
        start_from(neither, tmp_path / "nowhere")


# --- trackers


def test_a_tracker_sees_every_row(tiny_config, tiny_source, tmp_path):
    rows = []
    fit(tiny_config("train.steps=4", "train.log_every=2"), tiny_source, tmp_path, trackers=[rows.append])
    assert [row["step"] for row in rows] == [2, 4] and all("loss" in row for row in rows)


def test_tensorboard_holds_what_the_log_says(tiny_config, tiny_source, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    rows = []
    track = make_tracker("tensorboard", tmp_path)
    config = tiny_config("train.steps=4", "train.log_every=2")
    fit(config, tiny_source, tmp_path / "run", trackers=[track, rows.append])
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    losses = [(event.step, event.value) for event in events.Scalars("loss")]
    assert losses == [(row["step"], pytest.approx(row["loss"])) for row in rows]


def test_a_tracker_that_cannot_be_had_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UserError, match=r"pip install 'r3d-zoo\[tracking\]'"):
        tensorboard(tmp_path)
    with pytest.raises(UserError, match="tracker 'wandb': neither tensorboard nor the module:function"):
        make_tracker("wandb", tmp_path)
