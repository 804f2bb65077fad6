"""A cell as one call: idempotent, picklable, the same from parts as from the whole."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch

from benchmarks.cells.events import silent
from benchmarks.cells.latent import latent_feature
from benchmarks.cells.predictor import PredictorHere
from benchmarks.cells.rows import read_vectors, vectors_folder
from benchmarks.cells.session import Session, sweep_scratch
from benchmarks.cells.work import CellWork, DescribeWork, train_cell
from benchmarks.controls import CONTROLS, recognition
from benchmarks.records.storage import load
from benchmarks.request.run_request import settings_of
from benchmarks.request.settings import settings
from datasets.prepare import open_dataset

CPU = torch.device("cpu")
SMALL = {
    "data": {"categories": ["chair", "table"], "train": 3, "val": 1, "test": 2},
    "prepare": {"views": 2, "points": 1024},
    "protocol.points": 1024,
    "train": {"steps": 1, "batch_size": 2},
}


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    chosen = settings("quick", "procedural", settings_of(SMALL))
    store = open_dataset(
        "procedural",
        data_root=folder / "data",
        config_overrides=chosen.data_config,
        options=chosen.options,
        progress=False,
        workers=0,
    )
    return Session(chosen, store, chosen.protocol("r3d-v1"), CPU, folder / "out")


@pytest.fixture(scope="module")
def model(session):
    return session.cell(session.settings.model("vae_gan_baseline"), 0)


def run(work, said=silent):
    """As in another process: the work travels by pickle."""
    return pickle.loads(pickle.dumps(work)).run(CPU, said, PredictorHere(CPU))


def test_a_cell_is_made_by_one_call_and_by_a_second_one_not_again(session, model, monkeypatch):
    said = []
    run(CellWork(session, model, workers=0), said.append)
    record, rows = load(session.results.folder(model.hash))
    assert (record.name, record.seed, record.n) == ("vae_gan_baseline", 0, 4) and len(rows) == 4
    assert [event.kind for event in said] == ["training"] + ["measuring"] * 4

    def refuse(*args, **kwargs):
        raise AssertionError("made again")

    for name in ("train", "score"):
        monkeypatch.setattr(f"benchmarks.cells.work.{name}", refuse)
    run(CellWork(session, model, workers=0))


@pytest.mark.parametrize("name", [control.name for control in CONTROLS])
def test_every_control_travels_and_is_a_cell(session, name):
    control = next(c for c in CONTROLS if c.name == name)
    cell = session.control_cell(control)
    work = CellWork(session, cell, workers=0)
    assert work.shares and not work.on_device and work.key == cell.hash
    run(work)
    assert load(session.results.folder(cell.hash))[0].name == name


@pytest.mark.parametrize("parts", [1, 2, 5])
def test_pictures_described_in_parts_are_the_vectors_of_the_whole(session, model, parts, monkeypatch):
    monkeypatch.setattr("benchmarks.controls.lookup.PICTURES", 4)  # two shapes a block: three blocks
    train_cell(session, model, CPU, silent)
    feature = latent_feature(model, CPU)
    assert feature is not None and read_vectors(session, feature) is None
    try:
        for k in range(parts):
            assert read_vectors(session, feature) is None
            run(DescribeWork(session, feature, k, parts))
        found = read_vectors(session, feature)
        whole = session.training().described(feature.describe)
        np.testing.assert_array_equal(found, whole)
        assert found.shape[:2] == (6, 2)
    finally:
        assert vectors_folder(session, feature).is_dir()
        sweep_scratch(session.out)
    assert not vectors_folder(session, feature).exists()


def test_a_control_by_latent_scores_the_same_with_and_without_vectors(session, model):
    train_cell(session, model, CPU, silent)
    feature = latent_feature(model, CPU)
    retrieval, _ = recognition(feature)
    cell = session.control_cell(retrieval)
    found = []
    for described in (False, True):
        if described:
            run(DescribeWork(session, feature, 0, 1))
        run(CellWork(session, cell, workers=0))
        folder = session.results.folder(cell.hash)
        found.append((folder / "rows.csv").read_bytes())
        (folder / "record.json").unlink()
    sweep_scratch(session.out)
    assert found[0] == found[1]
