"""A new representation is two files: a decoder with its shapes, and a loss. Nothing else knows of it.

The two are `tests.helpers.fourier_field`, an implicit field that is asked at points, and
`tests.helpers.fourier_loss`.
"""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from benchmarks.protocols import Truth
from benchmarks.records.storage import ResultStore
from benchmarks.request.settings import build_protocol
from benchmarks.run import main
from benchmarks.scoring.score import score
from tests.conftest import TINY
from tests.helpers.protocol_shapes import box
from zoo.config import merge, parse_model, parse_overrides
from zoo.decoders import DECODERS
from zoo.losses import LOSSES
from zoo.model import build_model
from zoo.registry import load_plugin
from zoo.shapes import VoxelShape
from zoo.testing.checks import checks_for
from zoo.testing.smoke import SmokeSource
from zoo.training.checkpoint import load_pretrained
from zoo.training.trainer import train
from zoo.transforms.frames import SPAN, rotation

PLUGINS = ("tests.helpers.fourier_field", "tests.helpers.fourier_loss")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module", autouse=True)
def registered():
    """Both modules, for this file alone."""
    with pytest.MonkeyPatch.context() as patch:
        for registry in (DECODERS, LOSSES):
            assert registry.names()
            patch.setattr(registry, "_entries", dict(registry._entries))
        for module in PLUGINS:
            patch.delitem(sys.modules, module, raising=False)
        for module in PLUGINS:
            load_plugin(module)
        yield


@pytest.fixture(scope="module")
def plain(registered):
    """The config of a model that makes it, as a YAML would say it."""
    data = {key: value for key, value in TINY.items() if key != "discriminator"}
    changes = parse_overrides(["train.steps=60", "train.optimizer.lr=0.01", "train.batch_size=4"])
    return merge(data | {"decoder": {"name": "fourier_field"}, "losses": {"field_bce": {}}}, changes)


@pytest.fixture(scope="module")
def trained(plain, tmp_path_factory):
    """A checkpoint of a model that has learned boxes."""
    source = Boxes(count=4, resolution=16, size=(16, 16))
    config = parse_model(plain, source="test")
    return train(
        config, source, tmp_path_factory.mktemp("run"), seed=0, device=torch.device("cpu")
    ).checkpoint


class Boxes(SmokeSource):
    """The same box for every picture."""

    def fetch(self, indices, views):
        batch = super().fetch(indices, views)
        batch.voxels[:] = torch.from_numpy(box(self.resolution)).float()
        return batch


def test_nothing_else_knows_of_it():
    files = [path for folder in ("zoo", "datasets", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    assert len(files) > 300
    assert [p for p in files if "fourier_field" in p.read_text(encoding="utf-8").lower()] == []


@pytest.mark.parametrize(("registry", "name"), [(DECODERS, "fourier_field"), (LOSSES, "field_bce")])
def test_it_passes_the_checks_of_every_part(registry, name):
    checks = checks_for(registry.get(name))
    assert checks
    for check in checks:
        check.run()


def test_it_trains_and_is_reconstructed(trained):
    model = load_pretrained(trained)
    pictures = Boxes(size=(16, 16)).fetch([0, 1], [[0], [0]]).image
    shapes = model.reconstruct(pictures)
    assert [type(shape).__name__ for shape in shapes] == ["FourierShape"] * 2
    inside = shapes[0].voxels(32)[box(32)].mean()
    assert inside > 0.5 > shapes[0].voxels(32)[~box(32)].mean()
    size = np.ptp(shapes[0].bounds(), axis=0)
    np.testing.assert_allclose(size, (1, 0.6, 0.3), atol=0.15)


def test_it_is_turned_back_by_the_pose(plain):
    config = parse_model(merge(plain, parse_overrides(["frame=viewer"])), source="test")
    model = build_model(config, seed=0).eval()
    batch = SmokeSource(size=(16, 16)).fetch([0, 1], [[0], [0]])
    own, turned = model(model.preprocess(batch.image)).shapes, model.predict(batch).shapes
    points = torch.rand(20, 3) - 0.5
    there = points[None] @ rotation(batch.camera[:, 0], "viewer").float().mT / SPAN["viewer"]
    for k in range(2):
        torch.testing.assert_close(turned.query(points)[k], own.query(there[k])[k], atol=1e-5, rtol=1e-4)


def test_it_is_saved(trained, tmp_path):
    model = load_pretrained(trained)
    shape = model.reconstruct(Boxes(size=(16, 16)).fetch([0], [[0]]).image)[0]
    assert shape.formats == (".obj", ".ply", ".glb", ".stl", ".off")
    assert shape.save(tmp_path / "a.obj").stat().st_size > 1000


def test_it_is_scored(trained):
    model, protocol = load_pretrained(trained), build_protocol("r3d-v1", {"points": 1024})
    truths = [Truth(str(k), "box", 0, VoxelShape(box(32))) for k in range(2)]
    predicted = model.reconstruct(Boxes(size=(16, 16)).fetch([0, 1], [[0], [0]]).image)
    choice = protocol.choose_threshold(predicted, truths)
    scores = score({"field": predicted}, truths, protocol, {"field": choice.value}, workers=0)
    assert not scores.died
    for row in scores.rows["field"]:
        assert not row["failed"] and row["iou@val"] > 0.6 and row["cd"] < 0.2


def test_the_main_command_takes_it(plain, tmp_path):
    encoder = {"name": "cnn", "latent_dim": 8, "widths": [4, 8, 8], "pools": [2, 2, 2], "hidden": [16]}
    data = plain | {"name": "fields", "encoder": encoder, "preprocess": {"size": [32, 32], "channels": 1}}
    (tmp_path / "fields.yaml").write_text(yaml.safe_dump(data), encoding="utf-8")
    command = [
        *("--models", str(tmp_path / "fields.yaml"), "--plugin", PLUGINS[0], "--plugin", PLUGINS[1]),
        *("--out", str(tmp_path / "out"), "--data-root", str(tmp_path / "data")),
        *("--workers", "0", "--executor", "inline", "--device", "cpu", "--categories", "chair"),
        *("--set", "data.train=3", "--set", "data.val=1", "--set", "data.test=2", "--set", "prepare.views=1"),
        *("--set", "prepare.points=1024", "--set", "protocol.points=1024", "--set", "train.steps=3"),
    ]
    assert main(command) == 0
    [record] = [r for r in ResultStore(tmp_path / "out" / "cells").list().records if r.kind == "model"]
    assert record.name == "fields" and record.threshold is not None and record.n == 2
