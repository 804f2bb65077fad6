"""Shapes drawn without a picture: the prior, the display rule, what is written, and what goes wrong."""

from __future__ import annotations

import json
import math
import os

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from zoo import sampling
from zoo.__main__ import main
from zoo.config import parse_model
from zoo.model import build_model
from zoo.sampling import Display, between, decode, draw_latents, sheet, write_samples
from zoo.shapes import PointShape, VoxelShape
from zoo.training.checkpoint import load_pretrained, newest_run
from zoo.training.trainer import train
from zoo.types import ContractError


@pytest.fixture
def gan_data(tiny_data):
    """The tiny model with the prior of 3D-GAN in place of its encoder."""
    encoder = {"name": "unconditional", "latent_dim": 8}
    tiny_data.update(name="tiny_gan", encoder=encoder, losses={"adversarial": {}})
    return tiny_data


@pytest.fixture
def run(gan_data, tmp_path, tiny_source):
    """A function that trains the tiny generator in a run folder as benchmarks.run names it."""

    def make(digest="0123456789ab", name="tiny_gan", steps=1):
        config = parse_model({**gan_data, "name": name, "train": {"steps": steps, "batch_size": 2}})
        folder = tmp_path / "runs" / "runs" / f"{name}-{digest}"
        train(config, tiny_source, folder, seed=0, device=torch.device("cpu"))
        return folder

    return make


def ball(r=16, center=0.0, radius=0.3):
    ticks = (np.arange(r) + 0.5) / r - 0.5
    x, y, z = np.meshgrid(ticks, ticks, ticks, indexing="ij")
    return np.clip(0.5 + 8 * (radius - np.sqrt((x - center) ** 2 + y**2 + z**2)), 0, 1).astype(np.float32)


# --- the prior


@pytest.mark.parametrize(
    ("distribution", "mean", "variance", "low", "high"),
    [("uniform", 0.5, 1 / 12, 0.0, 1.0), ("normal", 0.0, 1.0, -6.0, 6.0)],
)
def test_draws_have_the_moments_of_their_distribution(gan_data, distribution, mean, variance, low, high):
    gan_data["encoder"] = {"name": "unconditional", "latent_dim": 4096, "distribution": distribution}
    z = draw_latents(build_model(parse_model(gan_data), seed=0), 4, seed=0)
    assert z.shape == (4, 4096)
    assert z.mean().item() == pytest.approx(mean, abs=4 * math.sqrt(variance / z.numel()))
    assert z.var().item() == pytest.approx(variance, rel=0.05)
    assert low <= z.min() and z.max() <= high


def test_other_encoders_draw_from_the_standard_normal(tiny_data):
    tiny_data["encoder"]["latent_dim"] = 4096
    z = draw_latents(build_model(parse_model(tiny_data), seed=0), 2, seed=0)
    assert abs(z.mean().item()) < 0.05 and z.std().item() == pytest.approx(1, rel=0.05)
    assert z.min() < -2


def test_draws_follow_the_seed_and_not_the_number(gan_data):
    model = build_model(parse_model(gan_data), seed=0)
    few, many, other = (draw_latents(model, n, seed) for n, seed in ((2, 0), (5, 0), (5, 1)))
    assert torch.equal(few, many[:2])
    assert not torch.equal(many, other)
    assert len(torch.unique(many, dim=0)) == 5


def test_decoding_a_draw_is_the_decoder_alone(gan_data, monkeypatch):
    monkeypatch.setattr(sampling, "BATCH", 2)
    model = build_model(parse_model(gan_data), seed=0).train()
    z = draw_latents(model, 3, seed=0)
    shapes = decode(model, z)
    with torch.inference_mode():
        alone = torch.sigmoid(model.decoder.layers(model.decoder.stem(z[2:]))[0, 0])
    assert len(shapes) == 3
    np.testing.assert_allclose(shapes[2].occupancy, alone.numpy(), atol=1e-6)


def test_a_decoder_of_several_views_gets_one(gan_data):
    gan_data.update(decoder={"name": "voxel_gru", "channels": 4})
    model = build_model(parse_model(gan_data), seed=0)
    assert decode(model, draw_latents(model, 2, seed=0))[1].resolution == 32


def test_a_decoder_that_reads_the_picture_cannot(gan_data, monkeypatch):
    model = build_model(parse_model(gan_data), seed=0)
    monkeypatch.setattr(type(model.decoder), "latent_fields", frozenset({"features"}))
    with pytest.raises(ContractError, match="decoder 'voxel_deconv' needs features of a picture"):
        decode(model, torch.zeros(1, 8))


def test_the_way_between_two_latents_is_straight_and_has_its_ends():
    z = torch.tensor([[0.0, 1.0], [1.0, -1.0], [5.0, 5.0]])
    way = between(z, 5)
    torch.testing.assert_close(
        way, torch.tensor([[0, 1], [0.25, 0.5], [0.5, 0], [0.75, -0.5], [1, -1]], dtype=torch.float32)
    )
    with pytest.raises(ValueError, match="needs two shapes and two steps, got 1 and 5"):
        between(z[:1], 5)


# --- display


def test_specks_are_dropped_and_the_rest_is_untouched():
    grid = ball()
    speck = grid.copy()
    speck[0, 0, 0] = 0.9
    shown = Display(threshold=0.5).of(VoxelShape(speck))
    np.testing.assert_array_equal(shown.occupancy, grid)
    kept = Display(threshold=0.5, all_components=True).of(VoxelShape(speck))
    np.testing.assert_array_equal(kept.occupancy, speck)


def test_what_is_below_the_threshold_is_no_speck():
    grid = ball()
    grid[0, 0, 0] = 0.09
    np.testing.assert_array_equal(Display().of(VoxelShape(grid)).occupancy, grid)


def test_points_are_shown_as_they_are():
    cloud = PointShape(np.zeros((3, 3)))
    assert Display().of(cloud) is cloud


# --- files


@pytest.mark.parametrize("file_type", ["obj", "ply"])
def test_meshes_arrays_and_sheet(tmp_path, file_type):
    shapes = [VoxelShape(ball()), VoxelShape(np.zeros((16,) * 3, np.float32)), VoxelShape(ball(center=0.1))]
    z = torch.arange(6.0).reshape(3, 2)
    written = write_samples(tmp_path, z, shapes, Display(threshold=0.5), file_type)
    names = [f"000.{file_type}", f"002.{file_type}", "shapes.npz", "sheet.png"]
    assert [path.name for path in written] == names == sorted(path.name for path in tmp_path.iterdir())
    mesh = trimesh.load_mesh(written[0])
    assert mesh.is_watertight and mesh.volume == pytest.approx(4 / 3 * math.pi * 0.3**3, rel=0.05)
    assert trimesh.load_mesh(written[1]).centroid[0] == pytest.approx(0.1, abs=0.01)
    with np.load(tmp_path / "shapes.npz") as arrays:
        np.testing.assert_array_equal(arrays["z"], z.numpy())
        np.testing.assert_array_equal(arrays["voxels"], np.stack([s.occupancy for s in shapes]))


def test_points_are_written_as_ply(tmp_path):
    cloud = np.random.default_rng(0).uniform(-0.5, 0.5, (20, 3))
    write_samples(tmp_path, torch.zeros(1, 2), [PointShape(cloud)], Display())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000.ply", "shapes.npz", "sheet.png"]
    np.testing.assert_allclose(trimesh.load(tmp_path / "000.ply").vertices, cloud, atol=1e-6)
    with np.load(tmp_path / "shapes.npz") as arrays:
        assert arrays["points"].shape == (1, 20, 3)


def test_the_sheet_shows_each_shape_in_its_place():
    shapes = [VoxelShape(ball()), VoxelShape(ball(radius=0.15)), VoxelShape(ball(radius=0.4))]
    picture = np.asarray(sheet(shapes, 0.5, 2, ["a", "b", "c"])).astype(int)
    wide = 2 * sampling.TILE + sampling.GAP
    high = sampling.TILE + sampling.LINE + sampling.GAP
    assert picture.shape == (2 * high + sampling.GAP, 2 * wide + sampling.GAP, 3)
    blue = picture[..., 2] > picture[..., 0] + 20
    first, second, third, none = (
        blue[y : y + high, x : x + wide].sum() for y in (0, high) for x in (0, wide)
    )
    assert third > first > second > 500 and none == 0


def test_nothing_is_left_half_written(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_samples(tmp_path, torch.zeros(1, 2), [VoxelShape(ball())], Display())
    assert list(tmp_path.iterdir()) == []


# --- the command


def test_the_command_draws_from_the_newest_finished_run(run, tmp_path, capsys):
    old, new = run("0" * 12), run("1" * 12)
    os.utime(old / "step-0000001", (1, 1))
    out = tmp_path / "drawn"
    words = ["sample", "tiny_gan", "-n", "3", "--runs", str(tmp_path / "runs"), "--threshold", "0.4"]
    assert main([*words, "--interpolate", "4", "--out", str(out)]) == 0
    text = "".join(capsys.readouterr().out.split())
    assert new.name in text and old.name not in text
    with np.load(out / "shapes.npz") as arrays:
        model = load_pretrained(new)
        np.testing.assert_array_equal(arrays["z"], draw_latents(model, 3, 0).numpy())
        assert arrays["voxels"].shape == (3, 32, 32, 32)
    with Image.open(out / "interpolation.png") as way:
        assert way.width == 4 * (2 * sampling.TILE + sampling.GAP) + sampling.GAP
    first = {path.name: path.read_bytes() for path in out.iterdir()}
    assert main([*words, "--interpolate", "4", "--out", str(out), "--weights", str(new)]) == 0
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.suffix != ".npz"} == {
        name: content for name, content in first.items() if not name.endswith(".npz")
    }


def test_a_run_that_is_not_finished_or_of_another_model_does_not_count(run, tmp_path):
    folder = tmp_path / "runs" / "runs"
    assert newest_run(folder, "tiny_gan") is None
    half = run(steps=1)
    path = half / "step-0000001" / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["train"]["steps"] = 2
    path.write_text(json.dumps(config), encoding="utf-8")
    (path.parent / "sha256.json").unlink()  # a change that is meant
    other = run(name="tiny_gan-small")
    assert newest_run(folder, "tiny_gan") is None
    assert newest_run(folder, "tiny_gan-small") == other


def test_no_run_says_how_to_train_one(tmp_path, capsys):
    assert main(["sample", "gan_3d", "--runs", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    how = f"train one with 'python -m benchmarks.run --models gan_3d --out {tmp_path}'"
    where = tmp_path / "runs"
    assert error == f"error: no finished run of 'gan_3d' in {where}; {how}, or name a run with --weights\n"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-n", "0"], "-n must be at least 1"),
        (["-n", "1", "--interpolate"], "with --interpolate at least 2"),
        (["--interpolate", "1"], "STEPS at least 2; got -n 16 --interpolate 1"),
        (["--threshold", "0"], "--threshold must lie between 0 and 1, got 0.0"),
        (["--weights", "nowhere"], "nowhere: neither a checkpoint"),
    ],
)
def test_bad_input_is_one_clear_line(words, message, tmp_path, capsys):
    assert main(["sample", "gan_3d", "--out", str(tmp_path / "out"), *words]) == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("error: ")
    assert not (tmp_path / "out").exists()


def test_weights_of_another_model_are_refused(run, tmp_path, capsys):
    folder = run()
    words = ["sample", "gan_3d", "--weights", str(folder), "--out", str(tmp_path / "out")]
    assert main(words) == 2
    assert f"{folder} holds 'tiny_gan', not 'gan_3d'" in capsys.readouterr().err


def test_the_help_says_how(capsys):
    with pytest.raises(SystemExit) as done:
        main(["sample", "--help"])
    text = capsys.readouterr().out
    assert done.value.code == 0
    assert "python -m benchmarks.run --models gan_3d" in text and "--all-components" in text
