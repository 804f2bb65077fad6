"""The trainer: what learns, what is refused, and that a stop at any step leaves no trace."""

import json
import math
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace

import pytest
import torch
from torch import nn

from zoo.model import build_discriminator, build_model
from zoo.seeding import derive
from zoo.testing.smoke import SmokeSource
from zoo.training.checkpoint import CheckpointError, checkpoints, load_pretrained
from zoo.training.interrupt import Interrupted
from zoo.training.precision import to_fast_memory_format
from zoo.training.sampler import batch_indices
from zoo.training.trainer import NonFiniteLoss, Trainer, report_dict, train
from zoo.types import ContractError

CPU = torch.device("cpu")
HARD = (
    # everything that could keep state between steps: noise, dropout, crops, stages, momenta, clipping
    "encoder={name: attention_cnn, heads: [2], head_dim: 4, attention_dropout: 0.2, dropout: 0.2}",
    "encoder.widths=[4, 8]",
    "encoder.pools=[2, 2]",
    "encoder.hidden=[16]",
    "encoder.latent_dim=8",
    "preprocess.crop=0.8",
    "preprocess.flip=true",
    "preprocess.background_train=[0.2, 0.9]",
    "preprocess.jitter=[0.2, 0.3, 0.4]",
    "train.mirror=true",
    "train.extra_views=2",
    "train.optimizers={decoder: {lr: 0.002}}",
    "losses.kl.reaches=[encoder]",
    "losses.adversarial.fakes=both",
    "frame=azimuth",
    "train.clip=0.5",
    "train.optimizer.schedule=cosine",
    "train.stages=[{name: all, share: 3}, {name: decoder, share: 2, trains: [decoder, discriminator]}]",
    "train.steps=5",
    "train.batch_size=3",
)


def fit(config, source, run_dir, seed=0, **kwargs):
    return train(config, source, run_dir, seed=seed, device=CPU, **kwargs)


def log_of(run_dir):
    return [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def final_of(run_dir):
    """Bytes of the weights, and the optimiser state with its tensors as lists."""
    path = checkpoints(run_dir)[-1]
    weights = [(path / f).read_bytes() for f in ("model.safetensors", "discriminator.safetensors")]
    states = torch.load(path / "optimizers.pt", weights_only=True)
    plain = {
        key: [{k: v.tolist() for k, v in moments.items()} for moments in state["state"].values()]
        + state["param_groups"]
        for key, state in states.items()
    }
    return path.name, weights, plain


def without_critic(config):
    """The same model as a plain VAE."""
    losses = {key: loss for key, loss in config.losses.items() if key != "adversarial"}
    return config.model_copy(update={"discriminator": None, "losses": losses})


def send(number):
    """A signal to this process; returns when its handler has run, which may be a moment later."""
    handler = signal.getsignal(number)
    os.kill(os.getpid(), number)
    for _ in range(10_000):
        if signal.getsignal(number) is not handler:
            return
        time.sleep(0.001)


def stop_at(step, number=signal.SIGTERM):
    def on_step(done, steps, figures):
        if done == step:
            send(number)

    return on_step


def fresh(config, seed=0):
    """The weights that a run starts from."""
    model = build_model(config, seed=derive(seed, "weights"))
    return model, build_discriminator(config, model.decoder, seed=derive(seed, "critic"))


def changed(before, after):
    """Names of tensors that differ."""
    return {k for k, v in before.state_dict().items() if not torch.equal(v, after.state_dict()[k])}


# --- learning


class Halves(SmokeSource):
    """Four halves of the cube, and pictures of them: nothing is gained without reading the picture."""

    def fetch(self, indices, views):
        batch = super().fetch(indices, views)
        voxels, image = torch.zeros_like(batch.voxels), torch.zeros_like(batch.image)
        half = slice(0, 16), slice(16, 32)
        for i, index in enumerate(indices):
            x, y = (half[index % 2], slice(None)) if index < 2 else (slice(None), half[index % 2])
            voxels[i, x, y] = 1
            image[i, :, 3] = 255 * voxels[i, ::2, ::2, 0].to(torch.uint8)  # black on what is behind
        return replace(batch, voxels=voxels, image=image)


def test_overfits_four_shapes(tiny_config, tmp_path):
    source = Halves(count=4, size=(16, 16))
    config = without_critic(
        tiny_config("train.steps=60", "train.batch_size=4", "train.optimizer.lr=0.02", "decoder.width=16")
    )
    fit(config, source, tmp_path)
    losses = [row["voxel_bce"] for row in log_of(tmp_path)]
    assert losses[0] > 0.9 * 32**3 * math.log(2)
    assert losses[-1] < 0.1 * losses[0]
    batch = source.fetch(range(4), [[0]] * 4)
    for shape, true in zip(load_pretrained(tmp_path).reconstruct(batch.image), batch.voxels, strict=True):
        assert ((shape.occupancy > 0.5) == (true.numpy() > 0.5)).mean() > 0.98


def test_the_generator_learns_to_fool_and_the_critic_to_tell(tiny_config, tiny_source, tmp_path):
    """With the adversarial term alone, each side lowers its own loss while the other stands still."""
    # the generator against a fixed critic
    config = tiny_config("train.steps=15", "train.optimizer.lr=0.01", "train.gate=1e-9")
    config = config.model_copy(update={"losses": {"adversarial": config.losses["adversarial"]}})
    fit(config, tiny_source, tmp_path / "generator")
    rows = log_of(tmp_path / "generator")
    assert rows[-1]["adversarial"] < rows[0]["adversarial"]
    # the critic against a fixed generator
    stages = "train.stages=[{trains: [discriminator]}]"
    config = tiny_config("train.steps=15", "train.discriminator_optimizer.lr=0.01", stages)
    fit(config, tiny_source, tmp_path / "critic")
    rows = log_of(tmp_path / "critic")
    assert rows[-1]["d_loss"] < 0.7 * rows[0]["d_loss"]
    assert rows[-1]["d_accuracy"] == 1.0


def test_what_is_logged_adds_up(tiny_config, tiny_source, tmp_path):
    """loss = bce + ramp * kl + 5 adversarial, with the ramp over the first half of six steps."""
    fit(tiny_config("train.optimizer.schedule=cosine", "train.clip=1000"), tiny_source, tmp_path)
    rows = log_of(tmp_path)
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    for i, row in enumerate(rows):
        want = row["voxel_bce"] + min(1, (i + 1) / 3) * row["kl"] + 5 * row["adversarial"]
        assert row["loss"] == pytest.approx(want, rel=1e-5)
        assert row["rate"] > 0
        assert row["grad_norm"] > 0
        assert row["stage"] == "main"
    assert rows[0]["lr"] == 1e-3
    assert rows[3]["lr"] == pytest.approx(0.5e-3)


def test_sparse_logs_have_the_last_step(tiny_config, tiny_source, tmp_path):
    fit(tiny_config("train.log_every=4"), tiny_source, tmp_path)
    assert [row["step"] for row in log_of(tmp_path)] == [4, 6]


def test_progress_is_told_after_every_step(tiny_config, tiny_source, tmp_path):
    told = []
    fit(tiny_config("train.log_every=2"), tiny_source, tmp_path, on_step=lambda *a: told.append(a))
    assert [(done, steps) for done, steps, _ in told] == [(i, 6) for i in range(1, 7)]
    assert "loss" not in told[0][2]
    assert told[1][2]["loss"] == log_of(tmp_path)[0]["loss"]


def test_denormals_are_flushed_in_training_alone(tiny_config, tiny_source, tmp_path):
    """A model that is sure of itself has gradients so small that a CPU is several times slower at them."""
    denormal, found = 2.0**-140, []
    can = torch.set_flush_denormal(False)  # says whether this processor is able to

    def on_step(done, steps, figures):
        found.append(float(torch.tensor(denormal) * 1))

    fit(tiny_config(), tiny_source, tmp_path, on_step=on_step)
    assert found == [0.0 if can else denormal] * 6 and float(torch.tensor(denormal) * 1) == denormal


def test_the_report(tiny_config, tiny_source, tmp_path):
    config = tiny_config()
    report = fit(config, tiny_source, tmp_path)
    model, _ = fresh(config)
    assert report.checkpoint == tmp_path / "step-0000006"
    assert report.steps == 6
    assert report.parameters == sum(p.numel() for p in model.parameters())
    assert report.images_per_second == pytest.approx(12 / report.seconds)
    assert report.peak_memory_mib > 50
    plain = json.loads(json.dumps(report_dict(report)))
    assert plain["checkpoint"] == "step-0000006"


def test_clipping_bounds_the_gradient(tiny_config, tiny_source, tmp_path):
    """After one step Adam's first moment is (1 - beta1) times the gradient that it was given."""
    moments = {}
    for clip in ("null", "0.01"):
        run = tmp_path / clip
        report = fit(tiny_config(f"train.clip={clip}", "train.steps=1"), tiny_source, run)
        states = torch.load(report.checkpoint / "optimizers.pt", weights_only=True)["generator"]["state"]
        moments[clip] = torch.cat([s["exp_avg"].flatten() for s in states.values()]) / 0.1
    assert moments["null"].norm() > 1
    assert moments["0.01"].norm().item() == pytest.approx(0.01, rel=1e-3)
    cosine = nn.functional.cosine_similarity(moments["null"], moments["0.01"], dim=0)
    assert cosine.item() == pytest.approx(1, abs=1e-3)


def test_a_frozen_part_is_not_clipped_with(tiny_config, tiny_source, tmp_path):
    """Its last gradient, from the stage before, must not count in the norm."""
    stages = "train.stages=[{trains: [encoder, decoder]}, {trains: [decoder]}]"
    config = tiny_config("train.steps=2", "train.clip=1e9", "losses.kl.weight=0", stages)
    fit(config, tiny_source, tmp_path / "both")
    trainer = Trainer(config, tiny_source, tmp_path / "by hand", seed=0, device=CPU)
    trainer.run()
    own = torch.cat([p.grad.flatten() for p in trainer.model.decoder.parameters()]).norm()
    assert log_of(tmp_path / "both")[1]["grad_norm"] == pytest.approx(own.item(), rel=1e-5)
    assert all(p.grad is None for p in trainer.model.encoder.parameters())


# --- what learns and what does not


def test_all_parts_learn(tiny_config, tiny_source, tmp_path):
    config = tiny_config()
    model, critic = fresh(config)
    trainer = Trainer(config, tiny_source, tmp_path, seed=0, device=CPU)
    assert changed(model, trainer.model) == set(), "a run starts from the weights of its seed"
    trainer.run()
    assert changed(model, trainer.model) == set(model.state_dict())
    assert changed(critic, trainer.discriminator) == set(critic.state_dict())


@pytest.mark.parametrize("trains", ["encoder", "decoder", "discriminator", "encoder, decoder"])
def test_frozen_parts_do_not_change(tiny_config, tiny_source, tmp_path, trains):
    """Batch-norm statistics included; what learns does change, statistics included."""
    config = tiny_config(f"train.stages=[{{trains: [{trains}]}}]", "train.steps=2")
    model, critic = fresh(config)
    trainer = Trainer(config, tiny_source, tmp_path, seed=0, device=CPU)
    trainer.run()
    for part, before, after in (
        ("encoder", model.encoder, trainer.model.encoder),
        ("decoder", model.decoder, trainer.model.decoder),
        ("discriminator", critic, trainer.discriminator),
    ):
        assert changed(before, after) == (set(before.state_dict()) if part in trains else set()), part


def test_the_critic_never_trains_on_the_generators_loss(tiny_config, tiny_source, tmp_path):
    """With the gate shut its weights stay, though gradients of the generator's term pass through it."""
    config = tiny_config("train.gate=1e-9")
    _, critic = fresh(config)
    trainer = Trainer(config, tiny_source, tmp_path, seed=0, device=CPU)
    trainer.run()
    parameters = {name for name, _ in critic.named_parameters()}
    assert changed(critic, trainer.discriminator) & parameters == set()


def test_the_generator_never_trains_on_the_critics_loss(tiny_config, tiny_source, tmp_path):
    """The first update of the model is the same, whether the critic then learns or not."""
    weights = []
    for gate in ("null", "1e-9"):
        report = fit(tiny_config("train.steps=1", f"train.gate={gate}"), tiny_source, tmp_path / gate)
        weights.append((report.checkpoint / "model.safetensors").read_bytes())
    assert weights[0] == weights[1]


def test_the_gate_opens_when_the_critic_is_weak(tiny_config, tiny_source, tmp_path):
    config = tiny_config("train.gate=1.0", "train.steps=1")
    _, critic = fresh(config)
    trainer = Trainer(config, tiny_source, tmp_path, seed=0, device=CPU)
    trainer.run()
    assert {name for name, _ in critic.named_parameters()} <= changed(critic, trainer.discriminator)


def test_adversarial_weight_nought_is_a_plain_vae(tiny_config, tiny_source, tmp_path):
    """The formulas of the report as they stand; the critic then does not run at all."""
    config = tiny_config("losses.adversarial.weight=0")
    _, critic = fresh(config)
    trainer = Trainer(config, tiny_source, tmp_path / "a", seed=0, device=CPU)
    trainer.run()
    assert changed(critic, trainer.discriminator) == set()
    assert "adversarial" not in log_of(tmp_path / "a")[0]
    fit(without_critic(config), tiny_source, tmp_path / "b")
    assert final_weights(tmp_path / "a") == final_weights(tmp_path / "b")


def final_weights(run_dir):
    return (checkpoints(run_dir)[-1] / "model.safetensors").read_bytes()


def test_stages_have_their_own_losses(tiny_config, tiny_source, tmp_path):
    stages = (
        "train.stages=[{name: warm, losses: [voxel_bce, kl]}, {name: gan, losses: [voxel_bce, adversarial]}]"
    )
    fit(tiny_config(stages), tiny_source, tmp_path)
    rows = log_of(tmp_path)
    assert [row["stage"] for row in rows] == ["warm"] * 3 + ["gan"] * 3
    assert all(("kl" in row) == (row["stage"] == "warm") for row in rows)
    assert all(("adversarial" in row, "d_loss" in row) == (row["stage"] == "gan",) * 2 for row in rows)


def test_several_views(tiny_config, tiny_source, tmp_path):
    views = "train.views=[1, 3]", "decoder={name: voxel_gru, channels: 4}", "discriminator.width=2"
    fit(tiny_config(*views, "train.steps=3"), tiny_source, tmp_path)
    assert len(log_of(tmp_path)) == 3


def test_bf16(tiny_config, tiny_source, tmp_path):
    fit(tiny_config("train.precision=bf16", "train.steps=2"), tiny_source, tmp_path / "bf16")
    fit(tiny_config("train.precision=auto", "train.steps=2"), tiny_source, tmp_path / "fp32")
    half, full = (log_of(tmp_path / name)[0]["loss"] for name in ("bf16", "fp32"))
    assert half != full
    assert half == pytest.approx(full, rel=0.02)
    loaded = load_pretrained(tmp_path / "bf16")
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}


def test_memory_format_leaves_cpu_weights_alone():
    conv = nn.Conv3d(2, 2, 3)
    to_fast_memory_format(conv)
    assert conv.weight.is_contiguous()


# --- seeds


def test_one_seed_one_result(tiny_config, tiny_source, tmp_path):
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        torch.manual_seed(hash(name))  # the state that a caller left must not matter
        fit(tiny_config(*HARD), tiny_source, tmp_path / name, seed=seed)
    assert final_of(tmp_path / "a") == final_of(tmp_path / "b")
    assert final_of(tmp_path / "a")[1][0] != final_of(tmp_path / "c")[1][0]


def test_another_seed_starts_elsewhere(tiny_config, tiny_source, tmp_path):
    one, other = (Trainer(tiny_config(), tiny_source, tmp_path, seed=s, device=CPU) for s in (0, 1))
    assert not torch.equal(one.model.encoder.head.mean.weight, other.model.encoder.head.mean.weight)
    assert not torch.equal(one.discriminator.out.weight, other.discriminator.out.weight)


# --- stopping and going on


@pytest.fixture
def uninterrupted(tiny_config, tiny_source, tmp_path):
    fit(tiny_config(*HARD), tiny_source, tmp_path / "whole")
    return final_of(tmp_path / "whole")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_a_stop_at_any_step_leaves_no_trace(tiny_config, tiny_source, tmp_path, uninterrupted, step, number):
    """Weights and optimiser state bit-equal; step 3 is the border between the stages."""
    config, run = tiny_config(*HARD), tmp_path / "stopped"
    with pytest.raises(Interrupted) as stopped:
        fit(config, tiny_source, run, on_step=stop_at(step, number))
    assert str(stopped.value) == f"stopped after step {step} of 5; saved in {run}"
    assert (stopped.value.run_dir, stopped.value.step, stopped.value.steps) == (run, step, 5)
    assert checkpoints(run)[-1].name == f"step-{step:07d}"
    fit(config, tiny_source, run)
    assert final_of(run) == uninterrupted
    assert [row["step"] for row in log_of(run)] == [1, 2, 3, 4, 5]


def test_a_stop_after_every_step_leaves_no_trace(tiny_config, tiny_source, tmp_path, uninterrupted):
    config, run = tiny_config(*HARD), tmp_path / "stopped"
    for step in (1, 2, 3, 4):
        with pytest.raises(Interrupted):
            fit(config, tiny_source, run, on_step=stop_at(step))
    fit(config, tiny_source, run)
    assert final_of(run) == uninterrupted


@pytest.mark.parametrize("step", [1, 3, 5])
def test_a_crash_between_checkpoints_leaves_no_trace(tiny_config, tiny_source, tmp_path, uninterrupted, step):
    """The run goes on from the checkpoint before, or from the start."""

    def crash(done, steps, figures):
        if done == step:
            raise MemoryError

    config, run = tiny_config(*HARD), tmp_path / "crashed"
    with pytest.raises(MemoryError):
        fit(config, tiny_source, run, on_step=crash)
    assert [p.name for p in checkpoints(run)][-1:] == ([] if step == 1 else [f"step-{step - 1:07d}"])
    fit(config, tiny_source, run)
    assert final_of(run) == uninterrupted
    assert [row["step"] for row in log_of(run)] == [1, 2, 3, 4, 5]


KILLED = """
import os, signal, sys, torch
from pathlib import Path
from zoo.testing.smoke import SmokeSource
from zoo.config import parse_model
from zoo.training.trainer import train
import json

torch.set_num_threads(1)
config = parse_model(json.loads(sys.argv[1]))
source = SmokeSource(count=4, resolution=32, size=(16, 16))

def on_step(done, steps, figures):
    if done == 5:
        os.kill(os.getpid(), signal.SIGKILL)

train(config, source, Path(sys.argv[2]), seed=0, device=torch.device("cpu"), on_step=on_step)
"""


def test_sigkill_in_the_middle_leaves_no_trace(tiny_config, tiny_source, tmp_path, uninterrupted):
    config, run = tiny_config(*HARD), tmp_path / "killed"
    command = [sys.executable, "-c", textwrap.dedent(KILLED), json.dumps(config.resolved()), str(run)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert checkpoints(run)[-1].name == "step-0000004"
    fit(config, tiny_source, run)
    assert final_of(run) == uninterrupted


def test_a_stop_at_the_last_step_is_an_end(tiny_config, tiny_source, tmp_path):
    report = fit(tiny_config(), tiny_source, tmp_path, on_step=stop_at(6))
    assert report.checkpoint.name == "step-0000006"


def test_a_second_signal_acts_as_usual(tiny_config, tiny_source, tmp_path):
    def twice(done, steps, figures):
        send(signal.SIGINT)
        send(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        fit(tiny_config(), tiny_source, tmp_path, on_step=twice)


def test_signals_are_given_back(tiny_config, tiny_source, tmp_path):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(Interrupted):
        fit(tiny_config(), tiny_source, tmp_path, on_step=stop_at(1))
    fit(tiny_config(), tiny_source, tmp_path)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_run_in_a_thread_trains_without_signals(tiny_config, tiny_source, tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor() as pool:
        report = pool.submit(fit, tiny_config("train.steps=2"), tiny_source, tmp_path).result()
    assert report.checkpoint.name == "step-0000002"


def test_a_finished_run_returns_at_once(tiny_config, tiny_source, tmp_path):
    first = fit(tiny_config(), tiny_source, tmp_path)
    before = final_of(tmp_path)

    def fetch(indices, views):
        raise AssertionError("a finished run must not read data")

    tiny_source.fetch = fetch
    again = fit(tiny_config(), tiny_source, tmp_path)
    assert again == first
    assert final_of(tmp_path) == before


def test_time_is_counted_over_all_the_parts(tiny_config, tiny_source, tmp_path):
    with pytest.raises(Interrupted):
        fit(tiny_config(), tiny_source, tmp_path, on_step=stop_at(3))
    seconds = json.loads((checkpoints(tmp_path)[-1] / "state.json").read_text(encoding="utf-8"))["seconds"]
    report = fit(tiny_config(), tiny_source, tmp_path)
    assert report.seconds > seconds > 0


def test_a_half_written_log_line_is_dropped(tiny_config, tiny_source, tmp_path):
    with pytest.raises(Interrupted):
        fit(tiny_config(), tiny_source, tmp_path, on_step=stop_at(3))
    with (tmp_path / "metrics.jsonl").open("a", encoding="utf-8") as log:
        log.write('{"step": 4, "lo')
    fit(tiny_config(), tiny_source, tmp_path)
    assert [row["step"] for row in log_of(tmp_path)] == [1, 2, 3, 4, 5, 6]


# --- refusals


def test_another_config_is_refused(tiny_config, tiny_source, tmp_path):
    fit(tiny_config(), tiny_source, tmp_path)
    with pytest.raises(
        CheckpointError, match=r"step-0000006 was trained with another config; choose another run"
    ):
        fit(tiny_config("train.optimizer.lr=0.5"), tiny_source, tmp_path)


def test_another_refine_is_the_same_training(tiny_config, tiny_source, tmp_path):
    first = fit(tiny_config(), tiny_source, tmp_path)
    assert fit(tiny_config("refine.steps=2", "refine.losses=[kl]"), tiny_source, tmp_path) == first


def test_another_seed_or_data_set_is_refused(tiny_config, tiny_source, tmp_path):
    fit(tiny_config(), tiny_source, tmp_path)
    with pytest.raises(CheckpointError, match="with seed 0 on data smoke, now asked for seed 1 on smoke"):
        fit(tiny_config(), tiny_source, tmp_path, seed=1)
    tiny_source.fingerprint = "other"
    with pytest.raises(CheckpointError, match="with seed 0 on data smoke, now asked for seed 0 on other"):
        fit(tiny_config(), tiny_source, tmp_path)


@pytest.mark.parametrize("name", ["config.json", "state.json", "model.safetensors", "optimizers.pt"])
def test_a_damaged_checkpoint_is_refused_where_it_is_the_only_one(tiny_config, tiny_source, tmp_path, name):
    with pytest.raises(Interrupted):
        fit(tiny_config(), tiny_source, tmp_path, on_step=stop_at(1))
    (checkpoints(tmp_path)[-1] / name).write_bytes(b"\xff\x00")
    with pytest.raises(CheckpointError, match=rf"{name}: cannot be read.*delete the folder \S+-0000001 and"):
        fit(tiny_config(), tiny_source, tmp_path)


def test_an_empty_split_is_refused(tiny_config, tmp_path):
    with pytest.raises(ContractError, match="the training split is empty"):
        fit(tiny_config(), SmokeSource(count=0), tmp_path)


def test_data_without_voxels_is_refused_before_the_first_step(tiny_config, tiny_source, tmp_path):
    tiny_source.provides = frozenset({"image", "points"})
    with pytest.raises(ContractError) as error:
        fit(tiny_config(), tiny_source, tmp_path)
    assert str(error.value) == (
        "model 'tiny': loss 'voxel_bce' needs voxels from the data set, which provides image, points"
    )
    assert list(tmp_path.iterdir()) == []


def test_data_of_another_resolution(tiny_config, tmp_path):
    with pytest.raises(ContractError, match=r"set decoder.resolution to the data set's"):
        fit(tiny_config(), SmokeSource(resolution=64, size=(16, 16)), tmp_path)


# --- losses that are not finite


class Poisoned(SmokeSource):
    """Sample 2 holds a NaN."""

    def fetch(self, indices, views):
        batch = super().fetch(indices, views)
        for i, index in enumerate(indices):
            if index == 2:
                batch.voxels[i, 0, 0, 0] = float("nan")
        return batch


@pytest.mark.parametrize("log_every", [1, 5])
def test_a_loss_that_is_not_finite_stops_the_run(tiny_config, tmp_path, log_every):
    source = Poisoned(count=6, size=(16, 16))
    order = [batch_indices(6, 2, step, derive(4, "data")).tolist() for step in range(3)]
    bad = next(step for step, indices in enumerate(order) if 2 in indices)
    config = tiny_config("train.checkpoint_every=1", f"train.log_every={log_every}")
    with pytest.raises(NonFiniteLoss) as error:
        fit(config, source, tmp_path, seed=4)
    path = tmp_path / "nonfinite.json"
    assert str(error.value) == (
        f"model 'tiny': the loss is nan at step {bad}; the ids of the batch are in {path}. "
        "Lower train.optimizer.lr or set train.clip"
    )
    saved = json.loads(path.read_text(encoding="utf-8"))
    assert saved == {"step": bad, "loss": "nan", "ids": [f"smoke/{i}" for i in order[bad]]}
    kept = checkpoints(tmp_path)
    assert [p.name for p in kept][-1:] == ([f"step-{bad:07d}"] if bad else [])
    for checkpoint in kept:
        model = load_pretrained(checkpoint)
        assert all(torch.isfinite(v).all() for v in model.state_dict().values())


def test_a_learning_rate_that_explodes_stops_the_run(tiny_config, tiny_source, tmp_path):
    with pytest.raises(
        NonFiniteLoss, match=r"the loss is (nan|inf) at step [1-5]; .* Lower train.optimizer.lr"
    ):
        fit(tiny_config("train.optimizer.lr=1e30"), tiny_source, tmp_path)
