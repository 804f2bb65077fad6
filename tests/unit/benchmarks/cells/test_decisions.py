"""What the main command measures is noted in the checkpoint that it was measured with."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import constants
from PIL import Image

from benchmarks.cells.cell import ModelCell
from benchmarks.cells.decisions import keep_decision
from benchmarks.records.storage import ResultStore
from benchmarks.request.settings import build_protocol
from benchmarks.run import main
from datasets.store import Store
from zoo.files import remove
from zoo.training.checkpoint import checkpoints, load_pretrained
from zoo.training.decisions import DECISIONS, read_decisions
from zoo.training.integrity import weights_sum

README = Path(__file__).parents[4] / "README.md"

TINY = [
    *("--workers", "0", "--executor", "inline", "--device", "cpu", "--format", "json"),
    *("--categories", "chair,table", "--set", "data.train=3", "--set", "data.val=1"),
    *("--set", "data.test=2", "--set", "prepare.views=2", "--set", "prepare.points=1024"),
    *("--set", "train.steps=2", "--set", "train.batch_size=2"),
    *("--set", "protocol.points=1024", "--models", "vae_gan_baseline"),
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run: its output folder, data root and checkpoint."""
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, "HF_HUB_CACHE", str(tmp_path_factory.mktemp("hub")))
        command = [*TINY, "--out", str(folder / "out"), "--data-root", str(folder / "data")]
        assert main(command) == 0
        [run] = filter(Path.is_dir, (folder / "out" / "runs").iterdir())
        yield folder, command, checkpoints(run)[-1]


def record_of(folder, whole=True):
    """The one result of the model, of the whole split or of a part of it."""
    found = ResultStore(folder / "out" / "cells").list()
    assert not found.broken
    wanted = [r for r in found.records if r.kind == "model" and (r.dataset.whole is None) == whole]
    assert len(wanted) == 1
    return wanted[0]


def test_the_record_stands_in_the_checkpoint(finished):
    folder, _, checkpoint = finished
    [decision], record = read_decisions(checkpoint)[:1], record_of(folder)
    assert (decision.cell, decision.threshold, decision.rule) == (
        record.cell,
        record.threshold.value,
        record.threshold.chosen,
    )
    assert decision.chosen_by == "validation" and decision.weights == weights_sum(checkpoint)
    assert (decision.protocol, decision.protocol_version) == (record.protocol.id, record.protocol.version)
    assert (decision.dataset, decision.data) == (record.dataset.name, record.dataset.fingerprint)
    assert (decision.n, decision.whole, decision.views, decision.seed) == (4, None, 1, 0)
    _, rows = ResultStore(folder / "out" / "cells").find(record.cell)
    assert decision.metrics["iou@val"] == pytest.approx(np.mean([row["iou@val"] for row in rows]))
    assert "cd" in decision.metrics and decision.date == record.date


def test_every_test_picture_gives_a_mesh(finished):
    """README: load_pretrained, reconstruct, mesh."""
    folder, _, checkpoint = finished
    [path] = (folder / "data").glob("procedural-*")
    split = Store.open(path).split("test")
    model = load_pretrained(checkpoint.parent)
    shapes = model.reconstruct(split.fetch(range(len(split)), [[0]] * len(split)).image)
    assert len(shapes) == 4 and {shape.level for shape in shapes} == {record_of(folder).threshold.value}
    assert all(len(shape.mesh().faces) for shape in shapes)


def test_the_snippet_of_the_readme_runs(finished, tmp_path, monkeypatch):
    folder, _, checkpoint = finished
    snippet = README.read_text(encoding="utf-8").partition("## In Python")[2].split("```")[1]
    snippet = snippet.removeprefix("python").replace("runs/runs/r3d-...", str(checkpoint.parent))
    [path] = (folder / "data").glob("procedural-*")
    picture = Store.open(path).split("test").fetch([0], [[0]]).image[0, 0].movedim(0, -1).numpy()
    Image.fromarray(picture).save(tmp_path / "chair.png")
    monkeypatch.chdir(tmp_path)
    scope = {}
    exec(snippet, scope)
    assert len(scope["mesh"].faces) and (tmp_path / "chair.glb").stat().st_size > 1000


def test_what_was_measured_before_is_noted_at_the_next_command(finished):
    _, command, checkpoint = finished
    before = (checkpoint / DECISIONS).read_bytes()
    (checkpoint / DECISIONS).unlink()
    assert main(command) == 0
    assert (checkpoint / DECISIONS).read_bytes() == before


def test_a_limited_measurement_stands_beside_the_whole_one(finished):
    folder, command, checkpoint = finished
    whole = record_of(folder)
    assert main([*command, "--limit", "2"]) == 0
    part = record_of(folder, whole=False)
    assert {d.cell: (d.n, d.whole) for d in read_decisions(checkpoint)} == {
        whole.cell: (4, None),
        part.cell: (2, 4),
    }
    assert load_pretrained(checkpoint).decision.cell == whole.cell


@pytest.fixture
def apart(finished, tmp_path):
    """A copy of the training without decisions, its cell, its result and its protocol."""
    folder, _, checkpoint = finished
    run = shutil.copytree(checkpoint.parent, tmp_path / "run")
    remove(checkpoints(run)[-1] / DECISIONS)
    record = record_of(folder)
    record, rows = ResultStore(folder / "out" / "cells").find(record.cell)
    cell = ModelCell(load_pretrained(run).config, 0, record.cell, run)
    return cell, record, rows, build_protocol("r3d-v1", {})


def kept(cell):
    return read_decisions(checkpoints(cell.run_dir)[-1])


def test_a_result_is_noted_once(apart):
    assert keep_decision(*apart, 1) and keep_decision(*apart, 1)
    assert len(kept(apart[0])) == 1


def test_weights_that_were_trained_after_the_result_are_not_those_measured(apart):
    cell, record, *_ = apart
    weights = checkpoints(cell.run_dir)[-1] / "model.safetensors"
    os.utime(weights, (record.date.timestamp() + 60,) * 2)
    assert not keep_decision(*apart, 1) and kept(cell) == ()


def test_a_result_of_other_refinement_is_not_of_the_model_that_is_loaded(apart):
    cell, *rest = apart
    other = cell.config.refine.model_copy(update={"steps": 3})
    config = cell.config.model_copy(update={"refine": other})
    assert not keep_decision(ModelCell(config, 0, cell.hash, cell.run_dir), *rest, 1) and kept(cell) == ()


def test_a_training_that_is_gone_is_no_error(apart):
    cell, *rest = apart
    shutil.rmtree(cell.run_dir)
    assert not keep_decision(cell, *rest, 1)


def test_controls_have_no_checkpoint(apart):
    cell, record, rows, protocol = apart
    control = record.model_copy(update={"kind": "control", "seed": None})
    assert not keep_decision(cell, control, rows, protocol, 1) and kept(cell) == ()


@pytest.mark.parametrize(("name", "by"), [("r2n2", "protocol"), ("r3d-v1", "validation")])
def test_a_level_that_the_protocol_fixes_is_no_choice(apart, name, by):
    cell, record, rows, _ = apart
    assert keep_decision(cell, record, rows, build_protocol(name, {}), 1)
    assert [decision.chosen_by for decision in kept(cell)] == [by]
