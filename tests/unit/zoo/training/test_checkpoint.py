"""Checkpoints: whole or not there, readable without running code, and clear when they do not fit."""

import json
import os
import pickle

import pytest
import torch
from torch import nn

import zoo.training.checkpoint as checkpoint
from zoo.files import atomic_folder, write_atomic
from zoo.model import build_discriminator, build_model
from zoo.training.checkpoint import (
    CheckpointError,
    TrainState,
    checkpoints,
    load_optimizers,
    load_pretrained,
    load_state,
    load_weights,
    save_checkpoint,
)


@pytest.fixture
def parts(tiny_config):
    """Config, model, critic and optimisers that have made a step."""
    config = tiny_config()
    model = build_model(config, seed=1)
    critic = build_discriminator(config, model.decoder, seed=2)
    optimizers = {
        "generator": torch.optim.AdamW(model.parameters()),
        "discriminator": torch.optim.Adam(critic.parameters()),
    }
    for p in [*model.parameters(), *critic.parameters()]:
        p.grad = torch.randn_like(p)
    for optimizer in optimizers.values():
        optimizer.step()
    return config, model, critic, optimizers


@pytest.fixture
def saved(parts, tmp_path):
    """A checkpoint folder."""
    config, model, critic, optimizers = parts
    return save_checkpoint(
        tmp_path, config, TrainState(step=7, seed=3, data="abc"), model, critic, optimizers
    )


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(v, other[k]) for k, v in one.items())


# --- round trip


def test_everything_comes_back(parts, saved, tiny_config):
    config, model, critic, optimizers = parts
    assert saved.name == "step-0000007"
    assert sorted(p.name for p in saved.iterdir()) == [
        "config.json", "discriminator.safetensors", "model.safetensors", "optimizers.pt", "sha256.json",
        "state.json",
    ]  # fmt: skip
    state = load_state(saved)
    assert (state.step, state.seed, state.data) == (7, 3, "abc")
    other = build_model(config, seed=9)
    other_critic = build_discriminator(config, other.decoder, seed=9)
    assert not same(model.state_dict(), other.state_dict())
    load_weights(other, saved / "model.safetensors")
    load_weights(other_critic, saved / "discriminator.safetensors")
    assert same(model.state_dict(), other.state_dict())
    assert same(critic.state_dict(), other_critic.state_dict())
    others = {
        "generator": torch.optim.AdamW(other.parameters()),
        "discriminator": torch.optim.Adam(other_critic.parameters()),
    }
    load_optimizers(saved, others)
    for key, optimizer in optimizers.items():
        mine, theirs = optimizer.state_dict(), others[key].state_dict()
        assert mine["param_groups"] == theirs["param_groups"]
        assert all(same(mine["state"][i], theirs["state"][i]) for i in mine["state"])


def test_a_model_comes_back_from_checkpoint_and_run_folder(parts, saved, tmp_path):
    model, image = parts[1].eval(), torch.rand(2, 1, 1, 16, 16)
    for path in (saved, tmp_path, str(tmp_path)):
        loaded = load_pretrained(path)
        assert not loaded.training
        assert loaded.config == parts[0]
        assert torch.equal(loaded(image).shapes.logits, model(image).shapes.logits)


def test_a_run_folder_gives_its_newest(parts, saved, tmp_path):
    config, model, critic, optimizers = parts
    nn.init.zeros_(model.encoder.head.mean.weight)
    save_checkpoint(tmp_path, config, TrainState(step=10), model, critic, optimizers)
    assert not load_pretrained(tmp_path).encoder.head.mean.weight.any()
    assert load_pretrained(saved).encoder.head.mean.weight.any()


def test_memory_layout_does_not_matter(parts, tmp_path):
    config, model, critic, _ = parts
    plain = {k: v.clone() for k, v in critic.state_dict().items()}
    critic.to(memory_format=torch.channels_last_3d)
    path = save_checkpoint(tmp_path / "run", config, TrainState(step=1), model, critic, {})
    fresh = build_discriminator(config, model.decoder, seed=5)
    load_weights(fresh, path / "discriminator.safetensors")
    assert same(fresh.state_dict(), plain)


def test_without_a_discriminator(parts, tmp_path):
    config, model, _, _ = parts
    path = save_checkpoint(tmp_path / "run", config, TrainState(step=1), model, None, {})
    assert not (path / "discriminator.safetensors").exists()


# --- rotation and atomicity


def test_the_newest_two_are_kept(parts, tmp_path):
    config, model, _, _ = parts
    for step in (5, 20, 100, 90_000):
        save_checkpoint(tmp_path, config, TrainState(step=step), model, None, {})
    assert [p.name for p in checkpoints(tmp_path)] == ["step-0000100", "step-0090000"]


def test_no_run_no_checkpoints(tmp_path):
    assert checkpoints(tmp_path / "nowhere") == []


def test_a_crash_while_writing_leaves_the_old_one(parts, saved, tmp_path, monkeypatch):
    config, model, critic, optimizers = parts
    before = load_pretrained(tmp_path).state_dict()

    def crash(*args):
        raise OSError("disk full")

    monkeypatch.setattr(checkpoint.torch, "save", crash)
    nn.init.zeros_(model.encoder.head.mean.weight)
    with pytest.raises(OSError, match="disk full"):
        save_checkpoint(tmp_path, config, TrainState(step=8), model, critic, optimizers)
    assert [p.name for p in tmp_path.iterdir()] == [saved.name], "and no half-written rest"
    assert same(load_pretrained(tmp_path).state_dict(), before)


def test_what_a_killed_run_left_is_no_checkpoint_and_goes_at_the_next_save(parts, saved, tmp_path):
    config, model, critic, optimizers = parts
    rest = tmp_path / ".step-0000008.x1y2.part"
    rest.mkdir()
    (rest / "config.json").write_text("{", encoding="utf-8")
    assert checkpoints(tmp_path) == [saved]
    save_checkpoint(tmp_path, config, TrainState(step=9), model, critic, optimizers)
    assert not rest.exists()


def test_atomic_folder_replaces(tmp_path):
    for content in ("old", "new"):
        with atomic_folder(tmp_path / "deep" / "folder") as folder:
            (folder / content).write_text(content, encoding="utf-8")
    assert [p.name for p in (tmp_path / "deep" / "folder").iterdir()] == ["new"]
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["folder"]
    assert oct((tmp_path / "deep" / "folder").stat().st_mode)[-3:] == "755"


def test_write_atomic(tmp_path, monkeypatch):
    path = tmp_path / "deep" / "file"
    write_atomic(path, "ä")
    assert path.read_bytes() == "ä".encode()
    write_atomic(path, b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"

    def crash(number):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", crash)
    with pytest.raises(OSError, match="disk full"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"\x00\xff"
    assert list(path.parent.iterdir()) == [path]


# --- what does not fit


def test_misfit_names_the_tensors(saved, tiny_config):
    other = build_model(tiny_config("encoder.latent_dim=5", "encoder.hidden=[16, 4]"), seed=0)
    with pytest.raises(CheckpointError) as error:
        load_weights(other, saved / "model.safetensors")
    text = str(error.value)
    assert text.startswith(f"{saved}/model.safetensors does not fit its config: ")
    assert "missing encoder.linears.2.weight (4, 16)" in text
    assert "encoder.head.mean.weight is (8, 16), the config asks for (5, 4)" in text
    assert "decoder" in text


def test_unexpected_tensors_are_named(saved, tiny_config):
    other = build_model(tiny_config("decoder.norm=none"), seed=0)
    with pytest.raises(CheckpointError, match=r"unexpected decoder\.layers\.1\.bias \(4,\)"):
        load_weights(other, saved / "model.safetensors")


def test_a_long_list_of_misfits_is_cut(saved):
    with pytest.raises(CheckpointError, match=r"; unexpected \S+ \(.*\) and \d+ more; delete") as error:
        load_weights(nn.Linear(3, 3), saved / "model.safetensors")
    assert error.value.what.count(";") == 7


def test_a_misfit_changes_nothing(saved, tiny_config):
    other = build_model(tiny_config("encoder.hidden=[7]"), seed=0)
    before = {k: v.clone() for k, v in other.state_dict().items()}
    with pytest.raises(CheckpointError):
        load_weights(other, saved / "model.safetensors")
    assert same(other.state_dict(), before)


def test_other_optimisers(parts, saved):
    with pytest.raises(
        CheckpointError, match=r"optimizers.pt holds \['discriminator', 'generator'\], expected \['x'\]"
    ):
        load_optimizers(saved, {"x": parts[3]["generator"]})


# --- what is damaged


def test_damaged_weights(saved):
    path = saved / "model.safetensors"
    raw = path.read_bytes()
    for damaged in (raw[:100], raw[:-10], b"", b"\xff" * 64):
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=r"model\.safetensors: cannot be read: "):
            load_pretrained(saved)
    path.unlink()
    with pytest.raises(CheckpointError, match=r"model\.safetensors: cannot be read: "):
        load_pretrained(saved)


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"", None])
@pytest.mark.parametrize("name", ["config.json", "state.json"])
def test_damaged_json(saved, name, content):
    (saved / name).unlink() if content is None else (saved / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"{name}: cannot be read: "):
        checkpoint.read_json(saved / name)


def test_json_of_another_kind(saved):
    (saved / "state.json").write_text("[1, 2]", encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"state\.json: expected keys and values, got list"):
        load_state(saved)


def test_state_with_unknown_keys(saved):
    (saved / "state.json").write_text(json.dumps({"format": 1, "stepp": 3}), encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"state\.json: .*stepp"):
        load_state(saved)


def test_newer_format(saved):
    (saved / "state.json").write_text(json.dumps({"format": 2, "step": 3}), encoding="utf-8")
    with pytest.raises(CheckpointError, match="checkpoint format 2, this version reads 1"):
        load_state(saved)


@pytest.mark.parametrize("content", [b"", b"junk", None])
def test_damaged_optimiser_state(parts, saved, content):
    path = saved / "optimizers.pt"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"optimizers\.pt: cannot be read: "):
        load_optimizers(saved, parts[3])


class Bomb:
    """What an attacker puts into a pickle."""

    def __reduce__(self):
        return os.mkdir, ("exploded",)


@pytest.mark.parametrize("plain", [True, False])
def test_no_code_runs_from_a_checkpoint(parts, saved, tmp_path, monkeypatch, plain):
    monkeypatch.chdir(tmp_path)
    bomb = {"generator": Bomb(), "discriminator": Bomb()}
    if plain:
        (saved / "optimizers.pt").write_bytes(pickle.dumps(bomb))
    else:
        torch.save(bomb, saved / "optimizers.pt")
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_optimizers(saved, parts[3])
    (saved / "model.safetensors").write_bytes(pickle.dumps(bomb))
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_pretrained(saved)
    assert not (tmp_path / "exploded").exists()


def test_a_config_that_is_no_longer_valid(saved):
    data = json.loads((saved / "config.json").read_text(encoding="utf-8"))
    data["encoder"]["depth"] = 3
    (saved / "config.json").write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(ValueError, match=r"config\.json: encoder\.depth: unknown key"):
        load_pretrained(saved)


def test_nothing_there(tmp_path):
    with pytest.raises(CheckpointError, match=r"neither a checkpoint \(no config.json\) nor a run folder"):
        load_pretrained(tmp_path)
