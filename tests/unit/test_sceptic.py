"""The thirty tests that a sceptical reviewer would run: those that no other file holds, and that none lacks.

`pytest -m sceptic` runs all of them, wherever they are.
"""

from __future__ import annotations

import ast
import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from zoo.metrics.chamfer import chamfer
from zoo.metrics.emd import emd
from zoo.metrics.fscore import fscore
from zoo.metrics.iou import iou
from zoo.testing.smoke import SmokeSource
from zoo.training.checkpoint import load_pretrained
from zoo.training.trainer import train

RADIUS = 0.1


def clouds(seed: int, n: int = 200, m: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Two clouds that overlap in part."""
    rng = np.random.default_rng(seed)
    return rng.random((n, 3)), rng.random((m, 3)) * [1, 0.6, 0.3] + 0.1


def everything(p: np.ndarray, g: np.ndarray, radius: float = RADIUS) -> np.ndarray:
    """Chamfer distances, EMD and F-score with its halves."""
    return np.array([*chamfer(p, g), emd(p, g), *fscore(p, g, radius)])


@pytest.mark.sceptic(2)
def test_swapping_prediction_and_truth():
    p, g = clouds(0)
    there, back = chamfer(p, g), chamfer(g, p)
    assert (there.accuracy, there.completeness) == (back.completeness, back.accuracy)
    assert there.cd == back.cd and there.cd_sq == back.cd_sq
    assert emd(p, g) == pytest.approx(emd(g, p), rel=1e-12)
    one, other = fscore(p, g, RADIUS), fscore(g, p, RADIUS)
    assert (one.precision, one.recall) == (other.recall, other.precision)
    assert one.fscore == pytest.approx(other.fscore) and one.precision != one.recall
    a, b = np.zeros((2, 8, 8, 8), bool)
    a[:5], b[2:, :4] = True, True
    assert iou(a, b) == iou(b, a) == (3 * 4 * 8) / (5 * 64 + 6 * 32 - 3 * 32)


@pytest.mark.sceptic(6)
def test_a_rigid_motion_of_both_changes_nothing():
    p, g = clouds(1)
    before = everything(p, g)
    for k in range(5):
        turn = Rotation.random(random_state=k)
        shift = np.array([0.3, -7.0, 2.0]) * k
        np.testing.assert_allclose(
            everything(turn.apply(p) + shift, turn.apply(g) + shift), before, rtol=1e-6
        )


@pytest.mark.sceptic(7)
@pytest.mark.parametrize("scale", [0.1, 0.57, 10.0])
def test_scale(scale):
    p, g = clouds(2)
    acc, comp, cd, cd_sq, earth, *f = everything(p, g)
    expected = [acc * scale, comp * scale, cd * scale, cd_sq * scale**2, earth * scale, *f]
    np.testing.assert_allclose(everything(p * scale, g * scale, RADIUS * scale), expected, rtol=1e-9)


@pytest.mark.sceptic(8)
def test_order_and_layout_do_not_matter():
    p, g = clouds(3, 300, 300)
    before, rng = everything(p, g), np.random.default_rng(0)
    wide = np.zeros((300, 6))
    wide[:, ::2] = p
    for other in (p[rng.permutation(300)], np.asfortranarray(p), wide[:, ::2]):
        np.testing.assert_allclose(everything(other, g[rng.permutation(300)]), before, rtol=1e-9)


@pytest.mark.sceptic(10)
def test_parity_with_an_independent_tree():
    p, g = clouds(4, 3000, 2000)
    to_g, to_p = cKDTree(g).query(p)[0], cKDTree(p).query(g)[0]
    found = chamfer(p, g)
    assert found.cd == pytest.approx(to_g.mean() + to_p.mean(), rel=1e-6)
    assert found.cd_sq == pytest.approx((to_g**2).mean() + (to_p**2).mean(), rel=1e-6)
    precision, recall = (to_g < RADIUS).mean(), (to_p < RADIUS).mean()
    assert fscore(p, g, RADIUS).fscore == pytest.approx(
        2 * precision * recall / (precision + recall), rel=1e-6
    )


@pytest.mark.sceptic(14)
@given(st.integers(0, 10_000), st.integers(1, 60), st.floats(0.01, 1))
@settings(max_examples=60, deadline=None)
def test_bounds(seed, n, radius):
    """Half of c bounds the EMD from below, as does the way between the centroids; c <= sqrt(2 CD_sq)."""
    p, g = clouds(seed, n, n)
    found, earth, slack = chamfer(p, g), emd(p, g), 1 + 1e-9
    assert found.cd / 2 <= earth * slack
    assert np.linalg.norm(p.mean(0) - g.mean(0)) <= earth * slack
    assert found.cd <= np.sqrt(2 * found.cd_sq) * slack
    assert all(0 <= share <= 1 for share in fscore(p, g, radius))
    a, b = (np.random.default_rng(seed).random((2, 4, 4, 4)) < 0.5) | np.eye(4, dtype=bool)
    assert 0 <= iou(a, b) <= 1


@pytest.mark.sceptic(29)
def test_means_recomputed_by_another_program(tmp_path):
    """From the stored rows.csv, with nothing but csv and sums: instance and category mean of the record."""
    from benchmarks.protocols.r3d_v1 import R3DV1, R3DV1Config
    from benchmarks.records.storage import load, save
    from benchmarks.statistics.comparison import compare

    folder = Path(__file__).parents[1] / "golden" / "results_v1" / "model"
    record, rows = load(folder)
    columns = R3DV1(R3DV1Config()).columns
    rng = np.random.default_rng(0)
    own = [
        {
            **{key: row[key] for key in ("id", "view", "failed", "reason")},
            "category": "chair" if k % 3 else "table",  # unequal sizes, so that the two means differ
            **{column.name: float(rng.random()) for column in columns},
        }
        for k, row in enumerate(rows)
    ]
    save(record, own, tmp_path)
    protocol = R3DV1(R3DV1Config())
    info = record.protocol.model_copy(update={"id": protocol.id, "version": protocol.version})
    record = load(tmp_path)[0].model_copy(update={"protocol": info})
    row = compare([(record, load(tmp_path)[1])], _AsStored(protocol, info.settings)).rows[0]

    with (tmp_path / "rows.csv").open(newline="", encoding="utf-8") as file:
        stored = list(csv.DictReader(file))
    assert len(stored) > 3
    for column in columns:
        groups: dict[str, list[float]] = {}
        for line in stored:
            groups.setdefault(line["category"], []).append(float(line[column.name]))
        values = [v for group in groups.values() for v in group]
        instance = sum(values) / len(values)
        category = sum(sum(group) / len(group) for group in groups.values()) / len(groups)
        assert instance != category
        assert row.instance_mean[column.name].mean == pytest.approx(instance, rel=1e-12)
        assert row.category_mean[column.name].mean == pytest.approx(category, rel=1e-12)


class _AsStored:
    """A protocol with the settings of a stored record."""

    def __init__(self, protocol, stored):
        self._protocol, self.settings = protocol, stored

    def __getattr__(self, name):
        return getattr(self._protocol, name)


class Halves(SmokeSource):
    """Four pictures, each bright on one side, of four shapes, each full on one side."""

    def fetch(self, indices, views):
        batch = super().fetch(indices, views)
        voxels, image = torch.zeros_like(batch.voxels), torch.zeros_like(batch.image)
        image[:, :, 3] = 255
        for k, index in enumerate(indices):
            half, axis = 8 * (index % 2), index // 2
            image[k, :, :3].narrow(2 + axis, half, 8).fill_(255)
            voxels[k].narrow(axis, 2 * half, 16).fill_(1)
        return dataclasses.replace(batch, voxels=voxels, image=image)


@pytest.mark.sceptic(30)
def test_a_learned_model_needs_its_picture(tiny_config, tmp_path):
    """Shown a blank picture, or that of another shape, it scores no better than the mean of the shapes."""
    source = Halves(count=4, resolution=32, size=(16, 16))
    config = tiny_config("train.steps=300", "train.batch_size=4", "train.checkpoint_every=300")
    config = config.model_copy(
        update={"discriminator": None, "losses": {"voxel_bce": config.losses["voxel_bce"]}}
    )
    report = train(config, source, tmp_path, seed=0, device=torch.device("cpu"))
    model = load_pretrained(report.checkpoint)
    batch = source.fetch(range(4), [[0]] * 4)
    truth = batch.voxels.numpy() > 0.5

    def score(images: torch.Tensor) -> float:
        shapes = model.predict(dataclasses.replace(batch, image=images)).shapes
        return float(
            np.mean([iou(torch.sigmoid(x).numpy(), t) for x, t in zip(shapes.logits, truth, strict=True)])
        )

    mean = truth.mean(0)
    prior = max(np.mean([iou(mean, t, level) for t in truth]) for level in (0.2, 0.5, 0.7))
    own, blank, other = (
        score(x) for x in (batch.image, torch.zeros_like(batch.image), batch.image.roll(1, 0))
    )
    assert own > 0.9
    assert blank <= prior + 0.05 and other <= prior


def test_all_thirty_are_there():
    """By number: every one is the mark of some test of the suite."""
    found = {}
    for path in sorted(Path(__file__).parents[1].rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef):
                continue
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.sceptic":
                    assert node.name.startswith("test_"), node.name
                    found.setdefault(ast.literal_eval(mark.args[0]), []).append(node.name)
    assert sorted(found) == list(range(1, 31)), sorted(set(range(1, 31)) - set(found))
