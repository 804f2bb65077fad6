"""What was measured of a checkpoint lies beside its weights, and its shapes know the threshold."""

import hashlib
import json
import shutil
from datetime import UTC, datetime, timedelta

import pytest
import torch

from zoo.model.decision import Decision, main_decision
from zoo.testing.smoke import SmokeSource
from zoo.training.checkpoint import CheckpointError, checkpoints, load_pretrained
from zoo.training.decisions import DECISIONS, MAX_BYTES, read_decisions, write_decision
from zoo.training.integrity import damage, weights_sum
from zoo.training.trainer import train

MONDAY = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of a small model that has seen shapes of few cells, so that it believes in none of them."""
    from tests.conftest import TINY
    from zoo.config import merge, parse_model, parse_overrides

    config = parse_model(merge(TINY, parse_overrides(["train.steps=12"])), source="tiny")
    run = tmp_path_factory.mktemp("run")
    source = SmokeSource(count=4, resolution=32, size=(16, 16))
    return train(config, source, run, seed=0, device=torch.device("cpu")).checkpoint


@pytest.fixture
def checkpoint(trained, tmp_path):
    """A copy of the newest checkpoint, in a run folder of its own."""
    return shutil.copytree(trained, tmp_path / "run" / trained.name)


def decision(checkpoint, cell="a", **changes):
    facts = {
        "cell": cell * 64,
        "weights": weights_sum(checkpoint),
        "model": "tiny",
        "seed": 0,
        "preset": "quick",
        "protocol": "r3d-v1",
        "protocol_version": 2,
        "dataset": "procedural",
        "dataset_version": "3",
        "data": "0123abcd",
        "n": 130,
        "threshold": 0.15,
        "chosen_by": "validation",
        "rule": "highest mean IoU on 26 validation instances",
        "metrics": {"iou@val": 0.25, "cd": 0.125},
        "date": MONDAY,
    }
    return Decision(**{**facts, **changes})


def test_what_is_written_is_read(checkpoint):
    assert read_decisions(checkpoint) == () and load_pretrained(checkpoint).decision is None
    first, second = decision(checkpoint), decision(checkpoint, "b", views=3, date=MONDAY - timedelta(1))
    write_decision(checkpoint, first)
    write_decision(checkpoint, second)
    assert read_decisions(checkpoint) == (second, first)  # oldest first
    model = load_pretrained(checkpoint.parent)
    assert model.decisions == (second, first) and model.decision == first


def test_a_measurement_made_again_takes_the_place_of_the_first(checkpoint):
    write_decision(checkpoint, decision(checkpoint))
    again = decision(checkpoint, threshold=0.2, date=MONDAY + timedelta(1))
    write_decision(checkpoint, again)
    assert read_decisions(checkpoint) == (again,)


def test_a_part_of_the_split_does_not_replace_the_whole(checkpoint):
    whole = decision(checkpoint)
    part = decision(checkpoint, "b", data="other", n=10, whole=130, threshold=0.3, date=MONDAY + timedelta(9))
    write_decision(checkpoint, whole)
    write_decision(checkpoint, part)
    assert read_decisions(checkpoint) == (whole, part) and load_pretrained(checkpoint).decision == whole


def test_validation_goes_before_a_fixed_level_and_the_newer_before_the_older(checkpoint):
    old, new = decision(checkpoint), decision(checkpoint, "b", date=MONDAY + timedelta(1))
    fixed = decision(checkpoint, "c", chosen_by="protocol", threshold=0.4, date=MONDAY + timedelta(2))
    assert main_decision([fixed, old, new]) == new
    assert main_decision([fixed]) == fixed and main_decision([]) is None
    part = decision(checkpoint, "d", whole=200)
    assert main_decision([fixed, part]) == part  # its threshold is the same as of the whole


def test_the_checkpoint_is_the_same_checkpoint(checkpoint):
    before = weights_sum(checkpoint), (checkpoint / "sha256.json").read_bytes()
    write_decision(checkpoint, decision(checkpoint))
    assert (weights_sum(checkpoint), (checkpoint / "sha256.json").read_bytes()) == before
    assert all(damage(checkpoint / name) is None for name in json.loads(before[1]))
    assert checkpoints(checkpoint.parent) == [checkpoint]
    assert sorted(p.name for p in checkpoint.iterdir() if p.name.startswith(".")) == []


def test_it_travels_with_the_folder(checkpoint, tmp_path):
    write_decision(checkpoint, decision(checkpoint))
    copied = shutil.copytree(checkpoint, tmp_path / "elsewhere")
    assert load_pretrained(copied).decision == decision(checkpoint)


def test_its_shapes_have_a_surface_where_none_reaches_one_half(checkpoint):
    """The snippet of the README: load, reconstruct, mesh, without a level."""
    pictures = SmokeSource(count=4, size=(16, 16)).fetch(range(4), [[0]] * 4)
    before = load_pretrained(checkpoint)
    shapes = before.reconstruct(pictures.image)
    highest = max(float(shape.occupancy.max()) for shape in shapes)
    assert highest < 0.5 and [shape.mesh() for shape in shapes] == [None] * 4
    assert [shape.level for shape in shapes] == [0.5] * 4
    level = min(float(shape.occupancy.mean()) for shape in shapes)
    write_decision(checkpoint, decision(checkpoint, threshold=level))
    model = load_pretrained(checkpoint)
    after = model.reconstruct(pictures.image)
    assert all(len(shape.mesh().faces) for shape in after)
    assert all(one.equals(other) for one, other in zip(shapes, after, strict=True))  # the level alone is new
    assert {shape.level for shape in after + model.predict(pictures).shapes.split()} == {level}
    assert after[0].mesh(0.5) is None  # who says a level gets it


def test_a_decision_without_a_threshold_changes_no_level(checkpoint):
    write_decision(checkpoint, decision(checkpoint, threshold=None, chosen_by=None, rule=""))
    shape = load_pretrained(checkpoint).reconstruct(SmokeSource(size=(16, 16)).fetch([0], [[0]]).image)[0]
    assert shape.level == 0.5


def test_it_says_itself_in_a_line(checkpoint):
    assert str(decision(checkpoint)) == (
        "r3d-v1 on procedural 3, test, n = 130, 2026-03-02: iou@val 0.25, cd 0.125; threshold 0.15, highest "
        "mean IoU on 26 validation instances"
    )
    assert ", n = 10 of 130, " in str(decision(checkpoint, n=10, whole=130))
    assert str(decision(checkpoint, threshold=None)).endswith("cd 0.125")


def test_fields_of_later_versions_are_left_aside(checkpoint):
    write_decision(checkpoint, decision(checkpoint))
    data = json.loads((checkpoint / DECISIONS).read_text(encoding="utf-8"))
    data["later"], data["decisions"][0]["later"] = 1, {"x": [1]}
    (checkpoint / DECISIONS).write_text(json.dumps(summed(data)), encoding="utf-8")
    assert read_decisions(checkpoint) == (decision(checkpoint),)


def summed(data):
    """The same file as a version that has these fields writes it."""
    text = json.dumps(data.get("decisions"), sort_keys=True, separators=(",", ":"))
    return data | {"sha256": hashlib.sha256(text.encode()).hexdigest()}


def changed(checkpoint, change, whole=False):
    """Change the text of a file of decisions; `whole` makes it one that was written so."""
    write_decision(checkpoint, decision(checkpoint))
    file = checkpoint / DECISIONS
    text = change(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(summed(json.loads(text))) if whole else text, encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "whole", "said"),
    [
        (lambda text: text[:-20], False, "cannot be read: "),
        (lambda text: "[]", False, "cannot be read: no format is given"),
        (
            lambda text: text.replace('"format": 1', '"format": 2'),
            False,
            "has format 2, this version",
        ),
        (lambda text: text.replace("0.15", "0.16"), False, "is not what was written (its SHA-256 differs)"),
        (
            lambda text: text.replace("0.15", "1.5"),
            True,
            "0.threshold: Input should be less than",
        ),
        (
            lambda text: text.replace("0.25", "NaN"),
            True,
            "0.metrics.iou@val: Input should be a finite",
        ),
        (lambda text: text.replace('"decisions"', '"decision"'), True, "Input should be a valid list"),
        (lambda text: text.replace('"n": 130', '"n": 0'), True, "0.n: Input should be greater than"),
        (lambda text: "[" * 100_000, False, "cannot be read: "),
        (lambda text: text + " " * MAX_BYTES, False, "bytes, the limit is 4,194,304"),
    ],
)
def test_what_cannot_be_read_is_named_with_the_mend(checkpoint, change, whole, said):
    changed(checkpoint, change, whole)
    for use in (load_pretrained, lambda folder: write_decision(folder, decision(folder))):
        with pytest.raises(CheckpointError) as error:
            use(checkpoint)
        assert str(error.value).startswith(f"{checkpoint / DECISIONS}: ") and said in str(error.value)
        assert "delete the file to use the weights without it" in str(error.value)
    (checkpoint / DECISIONS).unlink()
    assert load_pretrained(checkpoint).decision is None


def test_another_checkpoints_decisions_are_not_believed(checkpoint):
    other = decision(checkpoint, weights="0" * 64)
    with pytest.raises(CheckpointError, match="a decision about other weights cannot be written here"):
        write_decision(checkpoint, other)
    changed(checkpoint, lambda text: text.replace(weights_sum(checkpoint), "0" * 64), whole=True)
    with pytest.raises(CheckpointError, match="is about other weights than those beside it"):
        load_pretrained(checkpoint)


def test_a_damaged_decision_does_not_bring_older_weights(trained, tmp_path):
    """Unlike damaged weights, which `load_pretrained` replaces by the checkpoint before, with a warning."""
    run = shutil.copytree(trained.parent, tmp_path / "run")
    older, newest = checkpoints(run)[-2:]
    changed(newest, lambda text: text[:-9])
    with pytest.raises(CheckpointError, match=DECISIONS):
        load_pretrained(run)
    assert load_pretrained(older).decision is None
