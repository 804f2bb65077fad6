"""The loading benchmark: every layout gives back what was written, and the text says what was measured."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.speed.consumption import H100, Work, work_of
from benchmarks.speed.layouts import LAYOUTS, Data
from benchmarks.speed.loading import measure as loading
from benchmarks.speed.loading.__main__ import main
from benchmarks.speed.loading.measure import Speed, consumption, make_data, verdicts
from zoo.config import load_config
from zoo.layers.attention import SelfAttention2d
from zoo.model import build_model
from zoo.testing.smoke import SmokeSource
from zoo.training.trainer import Trainer

SMALL = ["preprocess.size=[32,32]", "decoder.resolution=32"]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Data:
    return make_data(tmp_path_factory.mktemp("data"), samples=5, views=2, size=(12, 16), resolution=8)


# webdataset leaves its tar to the garbage collector
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.title)
def test_a_layout_gives_back_what_was_written(layout, data, tmp_path):
    if why := layout.missing():
        pytest.skip(f"{layout.title}: {why}")
    if layout.write:
        layout.write(tmp_path, data)
    read = layout.open(tmp_path if layout.write else data.store)
    chosen = [[0, 1, 2], [3, 4]] if layout.sequential else [[3, 0, 3], [4, 1]]
    for indices in map(np.array, chosen):
        images, voxels = map(np.asarray, read(indices))
        np.testing.assert_array_equal(images, data.images[indices])
        loading._compare(layout, data, indices, images, voxels)
        with pytest.raises(RuntimeError, match="what was read is not what was written"):
            loading._compare(layout, data, (indices + 1) % 5, images, voxels)


def test_samples_are_pictures_and_solids(data):
    assert data.images.shape == (5, 2, 4, 12, 16)
    assert data.voxels.shape == (5, 8, 8, 8)
    assert data.bits.shape == (5, 64)
    assert data.voxels.any((1, 2, 3)).all() and (data.images[:, :, 3] > 0).any((2, 3)).all()


def test_the_command(monkeypatch, capsys, tmp_path):
    """Layouts in processes of their own, and one whose library is not there."""
    files, npz, store = LAYOUTS[0], LAYOUTS[2], next(x for x in LAYOUTS if x.title == "store")
    absent = replace(npz, title="x", needs=("no_such_module",), package="nothing")
    monkeypatch.setattr(loading, "LAYOUTS", (files, absent, npz, replace(store, threads=2)))
    monkeypatch.setattr(loading, "SECONDS", 0.01)
    out = tmp_path / "record.json"
    words = (
        f"loading --samples 4 --batch 3 --size 12 16 --resolution 8 --rounds 1 --consumed 100 --json {out}"
    )
    monkeypatch.setattr("sys.argv", words.split())
    main()
    record = json.loads(out.read_text(encoding="utf-8"))
    rows = {row["layout"]: row for row in record["rows"]}
    assert list(rows) == [files.title, npz.title, "store"]
    assert all(row["samples_per_second"] > 0 and row["per_core"] > 0 for row in rows.values())
    assert rows[npz.title]["bytes_per_sample"] > 4 * 12 * 16 + 64
    assert list(record["missing"]) == ["x"]
    text = " ".join(capsys.readouterr().out.split())
    assert "4 samples: 1 x 12x16 RGBA, 8^3 voxels; random batches of 3" in text
    assert "x: not installed (No module named 'no_such_module'): pip install nothing" in text
    assert "times the 100 images/s that r3d takes in (--consumed)" in text


def test_a_resolution_whose_bits_fill_no_bytes(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["loading", "--resolution", "20"])
    with pytest.raises(SystemExit):
        main()
    assert "--resolution must be a multiple of 8, got 20" in capsys.readouterr().err


def test_verdicts_are_ratios_per_core():
    found = [
        Speed("files", False, 100, 110, 1),
        Speed("readers", False, 200, 210, 1),
        Speed("fast", True, 900, 1100, 1),
        Speed("wide", True, 5000, 1000, 1),
        Speed("store, decoded", False, 9e9, 9e9, 1),
        Speed("store", False, 3000, 3300, 1),
    ]
    assert verdicts(found, 2, 500, "somebody takes in") == [
        "store, per core: 30 times files",
        "store, per core: 3.0 times the best library here, fast",
        "store, one thread: 12.0 times the 500 images/s that somebody takes in",
    ]


# --- what a training takes in


def test_what_was_measured_is_read(tmp_path):
    path = tmp_path / "speed.json"
    rows = [{"model": m, "device": "a GPU", "images_per_second": n} for m, n in (("a", 5.0), ("r3d", 7.0))]
    path.write_text(json.dumps({"rows": rows}), encoding="utf-8")
    assert consumption(str(path), "r3d", "quick") == (7.0, f"r3d took in on a GPU ({path})")
    assert consumption("12.5", "r3d", "quick") == (12.5, "r3d takes in (--consumed)")


@pytest.mark.parametrize("content", [None, "{", "{}", '{"rows": [{"model": "a"}]}'])
def test_what_was_not_measured_is_refused(content, tmp_path):
    path: Path = tmp_path / "speed.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(SystemExit, match="neither a number nor a record"):
        consumption(str(path), "r3d", "quick")


def test_the_ceiling_is_that_of_the_slower_unit():
    assert Work(2 * H100.flops, H100.exponentials).images_per_second(H100) == 0.5
    assert Work(H100.flops, 4 * H100.exponentials).images_per_second(H100) == 0.25


def test_exponentials_are_those_of_every_attention_weight():
    """Heads times tokens squared, of the attention layers that a picture passes, twice."""
    model, weights = build_model(load_config("r3d", None, SMALL), seed=0), []
    for layer in model.modules():
        if isinstance(layer, SelfAttention2d):
            layer.register_forward_hook(
                lambda module, inputs, output: weights.append(module.heads * inputs[0][0, 0].numel() ** 2)
            )
    model(torch.rand(1, 1, 1, 32, 32))
    assert len(weights) == 2
    assert work_of("r3d", None, SMALL).exponentials == 2 * sum(weights)
    assert consumption(None, "r3d", "quick")[1].startswith("r3d takes in at most on an H100 SXM: ")


def test_shapes_without_numbers_count_what_numbers_would(tmp_path):
    config = load_config("vae_gan_baseline", None, [*SMALL, "train.gate=null", "train.precision=fp32"])
    source = SmokeSource(size=(32, 32))
    trainer = Trainer(config, source, tmp_path, seed=0, device=torch.device("cpu"))
    trainer.enter(trainer.stages[0])
    with FlopCounterMode(display=False) as counter:
        trainer.step(source.fetch([0, 1, 2], [[0]] * 3), trainer.stages[0])
    work = work_of("vae_gan_baseline", None, SMALL)
    assert work.flops == pytest.approx(counter.get_total_flops() / 3)
    assert work.exponentials == 0
