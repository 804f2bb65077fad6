"""The viewpoint benchmark: its figures on closed forms, and on a model that knows the answer."""

import dataclasses

import pytest
import torch

from benchmarks.studies.pose.measure import accuracy, measure
from zoo.pose import ANGLES
from zoo.testing.smoke import SmokeSource
from zoo.types import Latent, Prediction


def test_four_answers():
    true, found = torch.tensor([0.0, 90.0, 180.0, 270.0]), torch.tensor([10.0, 80.0, 180.0, 0.0])
    figures = accuracy(ANGLES["azimuth"], found, true)
    assert figures.median == 10
    assert figures.share == 0.75
    # the others: 80 170 100 | 80 100 170 | 180 90 90 | 0 90 180
    assert figures.chance_median == pytest.approx(95)
    assert figures.chance_share == pytest.approx(1 / 12)


def test_the_same_answer_to_everything_is_no_better_than_chance():
    true = torch.tensor([0.0] * 9 + [180.0])
    figures = accuracy(ANGLES["azimuth"], torch.zeros(10), true)
    assert figures.share == pytest.approx(figures.chance_share) == pytest.approx(0.9)


class Knowing:
    """Puts the true bins, each `off` bins further, where a head puts its scores."""

    def __init__(self, off):
        self.off = off

    def predict(self, batch):
        angle = ANGLES["azimuth"]
        bins = (angle.bins(angle.of(batch.camera[:, 0]), 24) + self.off) % 24
        return Prediction(latent=Latent(torch.zeros(len(batch), 1), aux={"azimuth": torch.eye(24)[bins]}))


@pytest.mark.parametrize(("off", "share"), [(0, 1.0), (1, 1.0), (3, 0.0)])
def test_a_model_that_knows(off, share):
    source = SmokeSource(count=7)
    found = measure(Knowing(off), source, batch_size=3)
    assert set(found) == {"azimuth"}
    assert found["azimuth"].share == share
    assert abs(found["azimuth"].median - 15 * off) <= 7.5


def test_a_model_without_a_head():
    class Plain(Knowing):
        config = dataclasses.make_dataclass("Config", [("name", str)])("plain")

        def predict(self, batch):
            return Prediction(latent=Latent(torch.zeros(len(batch), 1)))

    with pytest.raises(ValueError, match="model 'plain' has no viewpoint head"):
        measure(Plain(0), SmokeSource())
