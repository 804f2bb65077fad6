"""What reaches which part: losses of named parts, optimisers of their own, views for the losses alone."""

import json
from dataclasses import replace

import pytest
import torch

from zoo.config import ConfigError
from zoo.model import build_model
from zoo.seeding import derive
from zoo.testing.smoke import SmokeSource
from zoo.training.checkpoint import checkpoints
from zoo.training.sampler import batches
from zoo.training.trainer import Trainer, train
from zoo.types import ContractError, Voxels

CPU = torch.device("cpu")


def run(config, source, run_dir, seed=0):
    trainer = Trainer(config, source, run_dir, seed=seed, device=CPU)
    trainer.run()
    return trainer


def moved(config, trainer):
    """Largest change of each parameter since the beginning."""
    before = build_model(config, seed=derive(0, "weights"))
    pairs = zip(before.named_parameters(), trainer.model.parameters(), strict=True)
    return {name: (p - q).abs().max().item() for (name, p), q in pairs}


def parts_moved(config, trainer):
    return {name.partition(".")[0] for name, change in moved(config, trainer).items() if change > 0}


PLAIN = ("train.steps=1", "train.optimizer={name: adam, weight_decay: 0}")


def test_a_loss_reaches_only_its_parts(tiny_config, tiny_source, tmp_path):
    """The reconstruction teaches the decoder alone; without the KL term the encoder then learns nothing."""
    config = tiny_config(*PLAIN, "losses.voxel_bce.reaches=[decoder]", "losses.adversarial.reaches=[decoder]")
    stages = tiny_config(
        *PLAIN,
        "losses.voxel_bce.reaches=[decoder]",
        "train.stages=[{losses: [voxel_bce], trains: [encoder, decoder]}]",
    )
    assert parts_moved(stages, run(stages, tiny_source, tmp_path / "a")) == {"decoder"}
    assert parts_moved(config, run(config, tiny_source, tmp_path / "b")) == {"encoder", "decoder"}


def test_each_part_gets_the_gradient_of_its_own_losses(tiny_config, tiny_source, tmp_path):
    """Against autograd on the sum that each part should see."""
    config = tiny_config(
        "train.steps=1",
        "losses.voxel_bce.weight=2.0",
        "losses.kl.reaches=[encoder]",
        "losses.kl.warmup=0",
        "losses.adversarial.reaches=[decoder]",
        "train.optimizer.lr=1e-12",
    )
    trainer = Trainer(config, tiny_source, tmp_path, seed=0, device=CPU)
    (batch,) = batches(
        tiny_source, batch_size=2, views=(1, 1), first=0, last=1, seed=derive(0, "data"), device=CPU
    )
    trainer.enter(trainer.stages[0])
    trainer.step(batch, trainer.stages[0])
    got = {name: p.grad.clone() for name, p in trainer.model.named_parameters()}

    again = Trainer(config, tiny_source, tmp_path / "again", seed=0, device=CPU)
    again.enter(again.stages[0])
    torch.manual_seed(derive(0, "dropout", 0))
    noise = torch.Generator().manual_seed(derive(0, "noise", 0))
    image = again.model.preprocess(batch.image, training=True, generator=noise)
    found = again.model(image, noise)
    term = {key: loss(found, batch, again.discriminator) for key, loss in again.losses.items()}
    seen = {
        "encoder": 2 * term["voxel_bce"] + term["kl"],
        "decoder": 2 * term["voxel_bce"] + 5 * term["adversarial"],
    }
    for name, total in seen.items():
        part = getattr(again.model, name)
        want = torch.autograd.grad(total, list(part.parameters()), retain_graph=True)
        for (key, _), gradient in zip(part.named_parameters(), want, strict=True):
            torch.testing.assert_close(got[f"{name}.{key}"], gradient, rtol=1e-3, atol=1e-3)


def test_naming_every_part_is_naming_none(tiny_config, tiny_source, tmp_path):
    every = [f"losses.{key}.reaches=[encoder, decoder]" for key in ("voxel_bce", "kl", "adversarial")]
    one = run(tiny_config("train.steps=3"), tiny_source, tmp_path / "a").model.state_dict()
    other = run(tiny_config("train.steps=3", *every), tiny_source, tmp_path / "b").model.state_dict()
    for key, value in one.items():
        torch.testing.assert_close(value, other[key], rtol=1e-4, atol=1e-6)


def test_a_part_may_have_its_own_optimiser(tiny_config, tiny_source, tmp_path):
    """Adam's first step moves every weight by its learning rate, whatever the gradient."""
    config = tiny_config(
        *PLAIN, "train.optimizer.lr=1e-3", "train.optimizers={decoder: {name: adam, lr: 1e-5}}"
    )
    change = moved(config, run(config, tiny_source, tmp_path))
    for name, most in change.items():
        assert most == pytest.approx(1e-5 if name.startswith("decoder") else 1e-3, rel=0.02), name
    row = json.loads((tmp_path / "metrics.jsonl").read_text(encoding="utf-8"))
    assert (row["lr"], row["lr_decoder"]) == (1e-3, 1e-5)
    saved = torch.load(checkpoints(tmp_path)[-1] / "optimizers.pt", weights_only=True)
    assert set(saved) == {"generator", "decoder", "discriminator"}


def test_a_stage_may_have_its_own_optimiser(tiny_config, tiny_source, tmp_path):
    """It takes the place of every other, the parts' own included."""
    config = tiny_config(
        *PLAIN,
        "train.optimizers={decoder: {lr: 1e-5}}",
        "train.stages=[{optimizer: {name: adam, lr: 1e-4}}]",
    )
    change = moved(config, run(config, tiny_source, tmp_path))
    assert max(change.values()) == pytest.approx(1e-4, rel=0.02)
    assert min(change.values()) == pytest.approx(1e-4, rel=0.02)


@pytest.mark.parametrize("fakes", ["prior", "both"])
def test_fakes_from_the_prior_do_not_reach_the_encoder(tiny_config, tiny_source, tmp_path, fakes):
    stages = "train.stages=[{losses: [adversarial]}]"
    config = tiny_config(*PLAIN, stages, f"losses.adversarial.fakes={fakes}")
    expected = {"decoder"} if fakes == "prior" else {"encoder", "decoder"}
    trainer = run(config, tiny_source, tmp_path)
    assert parts_moved(config, trainer) == expected
    assert json.loads((tmp_path / "metrics.jsonl").read_text(encoding="utf-8"))["d_loss"] > 0


def test_draws_from_the_prior_are_decoded_standard_normals(tiny_config):
    model = build_model(tiny_config(), seed=0).eval()
    image = torch.rand(2, 1, 1, 16, 16)
    with torch.no_grad():
        found = model(image, torch.Generator().manual_seed(3), prior=True)
        noise = torch.randn(2, 8, generator=torch.Generator().manual_seed(3))
        want = model.decoder(replace(found.latent, mean=noise))
    torch.testing.assert_close(found.prior.logits, want.logits)


def test_views_for_the_losses_alone(tiny_config, tmp_path, monkeypatch):
    source = SmokeSource(size=(16, 16))
    trainer = Trainer(
        tiny_config("train.extra_views=3", "train.steps=2"), source, tmp_path, seed=0, device=CPU
    )
    read, seen = [], []
    preprocess, loss = trainer.model.preprocess, trainer.losses["kl"]

    def spy(image, **options):
        read.append(image.shape[1])
        return preprocess(image, **options)

    spy.config = preprocess.config
    monkeypatch.setattr(trainer.model, "preprocess", spy)
    loss.register_forward_pre_hook(lambda module, args: seen.append((args[1].image.shape[1], args[1].inputs)))
    trainer.run()
    assert read == [1, 1]
    assert seen == [(4, 1), (4, 1)]


def test_views_for_the_losses_are_drawn_independently():
    """Among five views the one that the model reads is also among two others in two of five draws."""
    source = SmokeSource(count=4, size=(4, 4), resolution=4)
    options = {"batch_size": 8, "views": (1, 1), "first": 0, "seed": 0, "device": CPU}
    drawn = list(batches(source, **options, last=60, extra_views=2))
    alone = list(batches(source, **options, last=60))
    repeated = 0
    for batch, plain in zip(drawn, alone, strict=True):
        assert torch.equal(batch.image[:, :1], plain.image), "the views that are read stay the same"
        same = (batch.camera[:, 1:] == batch.camera[:, :1]).all(-1)
        assert not (batch.camera[:, 1] == batch.camera[:, 2]).all(-1).any()
        repeated += int(same.any(1).sum())
    assert 0.3 < repeated / 480 < 0.5


def test_a_frame_turns_the_truth_before_the_losses(tiny_config, tiny_source, tmp_path, monkeypatch):
    trainer = Trainer(
        tiny_config("frame=azimuth", "train.steps=1"), tiny_source, tmp_path, seed=0, device=CPU
    )
    cameras = []
    trainer.losses["kl"].register_forward_pre_hook(lambda module, args: cameras.append(args[1].camera))
    trainer.run()
    assert torch.equal(cameras[0][:, 0, 0], torch.zeros(2))


def test_a_frame_needs_cameras(tiny_config, tiny_source, tmp_path):
    config = tiny_config("frame=viewer")
    tiny_source.provides = frozenset({"image", "voxels"})
    with pytest.raises(ContractError, match="model 'tiny' needs camera from the data set, which provides"):
        Trainer(config, tiny_source, tmp_path, seed=0, device=CPU)
    batch = tiny_source.fetch([0], [[0]])
    with pytest.raises(ContractError, match="model 'tiny' needs camera of each picture"):
        build_model(config).predict(replace(batch, camera=None))
    shapes = build_model(config).predict(batch).shapes
    assert isinstance(shapes, Voxels) and shapes.logits.shape == (1, 32, 32, 32)


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        ("{reads: sketches}", r"train.stages.0.reads: sketches needs a sketcher, the model has none"),
        ("{reads: shape}", r"train.stages.0.reads: shape needs a shape_encoder, the model has none"),
        ("{trains: [head]}", None),
    ],
)
def test_stages_that_the_model_cannot_do(tiny_config, stage, message):
    override = f"train.stages=[{stage}]"
    if message is None:
        assert tiny_config(override).train.stages[0].trains == ("head",)
        return
    with pytest.raises(ConfigError, match=message):
        tiny_config(override)


def test_a_stage_that_trains_nothing_that_is_there(tiny_config, tiny_source, tmp_path):
    """It runs, and nothing moves."""
    config = tiny_config("train.stages=[{trains: [head]}]", "train.steps=1")
    train(config, tiny_source, tmp_path, seed=0, device=CPU)
    assert checkpoints(tmp_path)
