"""Predictions in blocks: the same numbers whatever is asked for beside them, and none that is no number."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.cells.blocks import BLOCK, Blocks, checked
from benchmarks.cells.predictions import Predictions
from benchmarks.cells.predictor import PredictionFailed, PredictorHere, Recipe
from benchmarks.controls.features import BATCH, in_batches
from zoo.model import build_model
from zoo.testing.smoke import SmokeSource
from zoo.types import ContractError, Patches, Points, Prediction, Shapes, Voxels

CPU = torch.device("cpu")
COUNT = 21


@dataclass(frozen=True, eq=False)
class Whole(Recipe):
    """A model on a whole split, as `Trained` would make it; notes which pictures are read together."""

    model: Any
    split: Any = field(default_factory=lambda: SmokeSource(count=COUNT, resolution=32, size=(16, 16)))
    views: int = 1
    read: list[tuple[int, ...]] = field(default_factory=list)

    @property
    def splits(self):
        return {"test": self.split}

    def make(self, device):
        fetch = self.split.fetch

        def noted(indices, views):
            self.read.append(tuple(indices))
            return fetch(indices, views)

        self.split.fetch = noted
        return Blocks(self.model, {"test": self.split}, self.views)


def model_of(tiny_config, *overrides):
    return build_model(tiny_config(*overrides), seed=0).eval()


def predictions(model, places=range(COUNT)):
    recipe = Whole(model)
    ids = [recipe.split.ids[k] for k in places]
    return Predictions(PredictorHere(CPU), recipe, "test", ids, "tiny"), recipe


def grids(model, places=range(COUNT), order=None):
    found, _ = predictions(model, places)
    return {found._ids[k]: found[k].occupancy for k in (order or range(len(found)))}


@pytest.mark.parametrize(
    "places",
    [
        [0],
        [20],
        [7],
        [8],
        [3, 4],
        [0, 20],
        [5, 13],
        range(0, COUNT, 2),
        range(8),
        range(16, COUNT),
        [19, 2, 8],
    ],
    ids=str,
)
def test_a_prediction_is_the_same_number_whatever_else_is_asked_for(tiny_config, places):
    """By construction, on every processor: each is computed with the same pictures, at the same place."""
    model = model_of(tiny_config)
    whole, some = grids(model), grids(model, places)
    assert len(some) == len(places)
    for shape_id, grid in some.items():
        np.testing.assert_array_equal(grid, whole[shape_id])


def test_the_order_of_asking_and_asking_twice_change_nothing(tiny_config):
    model = model_of(tiny_config)
    whole = grids(model)
    mixed = grids(model, order=[20, 0, 9, 20, 1, 8, 0])
    for shape_id, grid in mixed.items():
        np.testing.assert_array_equal(grid, whole[shape_id])


def test_every_block_has_one_size_and_the_pictures_of_the_whole_split(tiny_config):
    found, recipe = predictions(model_of(tiny_config), [20, 9, 1])
    assert [found[k] for k in range(3)] and found.images == 5 + 8 + 8
    assert recipe.read == [(16, 17, 18, 19, *[20] * 4), tuple(range(8, 16)), tuple(range(8))]
    assert BLOCK == 8


def test_a_model_that_draws_noise_predicts_the_same_whatever_was_predicted_before(tiny_config):
    model = model_of(tiny_config)
    decode = model.decoder.forward

    def noisy(latent):
        shapes = decode(latent)
        return replace(shapes, logits=shapes.logits + torch.randn_like(shapes.logits))

    model.decoder.forward = noisy
    whole = grids(model)
    torch.manual_seed(5)
    state = torch.get_rng_state()
    some = grids(model, [9, 3])
    assert torch.equal(torch.get_rng_state(), state)
    for shape_id, grid in some.items():
        np.testing.assert_array_equal(grid, whole[shape_id])


@pytest.mark.parametrize("count", [1, 2, BATCH - 1, BATCH, BATCH + 1, 3 * BATCH - 5])
def test_pictures_are_described_by_whole_batches(count):
    sizes = []

    def describe(batch):
        sizes.append(len(batch))
        return batch.flatten(1).float().mean(1, keepdim=True)

    images = np.random.default_rng(0).integers(0, 255, (count, 4, 4, 4), dtype=np.uint8)
    found = in_batches(images, describe)
    assert set(sizes) == {BATCH} and found.shape == (count, 1)
    np.testing.assert_allclose(found[:, 0], images.reshape(count, -1).mean(1), rtol=1e-5)


# What cannot be scored


class Declares:
    """What a decoder says of itself."""

    def __init__(self, representation, resolution=None):
        self.representation, self.resolution = representation, resolution


VOXELS, CLOUD, MESH = Declares("voxels", 4), Declares("points"), Declares("mesh")


def logits(count=3, side=4):
    return torch.randn(count, side, side, side, generator=torch.Generator().manual_seed(0))


def spoiled(tensor, value, *place):
    tensor = tensor.clone()
    tensor[place] = value
    return tensor


def patches(xyz):
    return Patches(xyz, torch.tensor([[0, 1, 2]]), torch.tensor([0]))


@pytest.mark.parametrize(
    ("decoder", "shapes", "said"),
    [
        (VOXELS, Voxels(spoiled(logits(), float("nan"), 1)), "64 values are NaN or infinite"),
        (VOXELS, Voxels(spoiled(logits(), float("inf"), 1, 0, 0, 0)), "1 value is NaN or infinite"),
        (VOXELS, Voxels(spoiled(logits(), -float("inf"), 1, 2)), "16 values are NaN or infinite"),
        (VOXELS, Voxels(spoiled(logits().half(), float("nan"), 1, 0, 0)), "4 values are NaN or infinite"),
        (CLOUD, Points(spoiled(torch.rand(3, 5, 3), float("nan"), 1, 2)), "3 values are NaN or infinite"),
        (CLOUD, Points(spoiled(torch.rand(3, 5, 3), float("inf"), 1, 4, 0)), "1 value is NaN or infinite"),
        (MESH, patches(spoiled(torch.rand(3, 3, 3), float("nan"), 1, 0, 0)), "1 value is NaN or infinite"),
        (MESH, patches(spoiled(torch.rand(3, 3, 3), -float("inf"), 1)), "9 values are NaN or infinite"),
    ],
)
def test_a_prediction_that_is_no_number_is_named_and_costs_no_other(decoder, shapes, said):
    found = checked(Prediction(shapes=shapes), decoder, 3)
    assert found[1] == said
    assert not isinstance(found[0], str) and not isinstance(found[2], str)


class Foreign(Shapes):
    """Somebody's own kind of shapes."""

    representation = "voxels"

    def __init__(self, count=3, given=3):
        self.count, self.given = count, given

    def split(self):
        return Voxels(logits(self.given)).split()

    def tensors(self):
        return {}

    def moved(self, turn, scale):
        return self

    def __len__(self):
        return self.count


@pytest.mark.parametrize(
    ("decoder", "shapes", "said"),
    [
        (VOXELS, Voxels(logits(2)), "gave 2 shapes for 3 pictures"),
        (VOXELS, Voxels(logits(4)), "gave 4 shapes for 3 pictures"),
        (VOXELS, Voxels(logits(3, 5)), r"declares voxels \(4, 4, 4\), but gave \(5, 5, 5\)"),
        (VOXELS, Points(torch.rand(3, 5, 3)), "declares voxels, but gave points"),
        (CLOUD, Voxels(logits()), "declares points, but gave voxels"),
        (CLOUD, patches(torch.rand(3, 3, 3)), "declares points, but gave mesh"),
        (CLOUD, Points(torch.rand(1, 5, 3)), "gave 1 shapes for 3 pictures"),
        (VOXELS, None, "gave NoneType, not zoo.types.Shapes"),
        (VOXELS, logits(), "gave Tensor, not zoo.types.Shapes"),
        (VOXELS, Foreign(given=2), "Foreign split into 2 shapes for 3 pictures"),
        (VOXELS, Foreign(count=0), "gave 0 shapes for 3 pictures"),
    ],
)
def test_another_kind_or_number_or_shape_than_declared_is_refused(decoder, shapes, said, no_type_checks):
    found = Prediction()
    object.__setattr__(found, "shapes", shapes)
    with pytest.raises(ContractError, match=said):
        checked(found, decoder, 3)


def test_somebodys_own_kind_of_shapes_is_taken(no_type_checks):
    assert len(checked(Prediction(shapes=Foreign()), VOXELS, 3)) == 3


def test_the_failure_names_the_instance_and_the_model_and_other_instances_stand(tiny_config):
    model = model_of(tiny_config)
    decode = model.decoder.forward
    model.decoder.forward = lambda latent: Voxels(spoiled(decode(latent).logits, float("nan"), 2, 0, 0))
    found, recipe = predictions(model)
    with pytest.raises(PredictionFailed) as failed:
        found[10]
    said = f"the prediction of '{recipe.split.ids[10]}' by tiny: 32 values are NaN or infinite"
    assert str(failed.value) == said
    assert found[11].occupancy.shape == (32, 32, 32)
