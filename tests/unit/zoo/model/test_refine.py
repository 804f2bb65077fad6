"""Fine-tuning on each picture: it follows its loss, depends on nothing else, and leaves the model alone."""

import dataclasses

import pytest
import torch

from zoo.config import ConfigError, load_config
from zoo.losses.reprojection import Reprojection, ReprojectionConfig
from zoo.model import build_model, reconstructor
from zoo.testing.smoke import SmokeSource
from zoo.transforms.frames import to_frame
from zoo.types import ContractError, Points, Prediction, Sketches, Voxels, joined

TINY = ["sketcher.widths=[4,4,4,4]", "sketcher.up=4", "encoder.backbone=test_resnet", "encoder.options={}",
        "decoder.width=8", "losses.reprojection.rays=64"]  # fmt: skip
ON = ["refine.steps=3", "refine.optimizer.lr=0.01"]


def model(*overrides, name="marrnet"):
    built = build_model(load_config(name, "quick", [*TINY, *overrides]), seed=0)
    with torch.no_grad():
        built.sketcher.decoders["silhouette"].out[-1].weight.abs_()  # so that there is an object to see
    return built


@pytest.fixture(scope="module")
def batch():
    return SmokeSource(size=(48, 48)).fetch([0, 1, 2], [[0], [1], [2]])


def test_off_by_default(batch):
    plain = model()
    assert plain.config.refine.steps == 0
    assert not torch.equal(plain.predict(batch).shapes.logits, model(*ON).predict(batch).shapes.logits)


def test_the_model_stays_as_it_was(batch):
    refined = model(*ON)
    before = {key: value.clone() for key, value in refined.state_dict().items()}
    refined.train()
    refined.predict(batch)
    assert refined.training
    assert all(torch.equal(value, before[key]) for key, value in refined.state_dict().items())
    assert all(p.grad is None for p in refined.parameters())


def test_a_picture_does_not_depend_on_its_batch_or_on_chance(batch):
    refined = model(*ON)
    whole = refined.predict(batch).shapes.logits
    torch.manual_seed(17)
    state = torch.random.get_rng_state()
    for i in range(len(batch)):
        assert torch.equal(refined.predict(batch.item(i)).shapes.logits, whole[i : i + 1])
    assert torch.equal(torch.random.get_rng_state(), state)


def test_the_loss_falls(batch):
    loss = Reprojection(ReprojectionConfig(rays=None))

    def inconsistency(steps):
        on = [f"refine.steps={steps}", "refine.optimizer.lr=0.05", "refine.trains=[encoder, decoder]"]
        refined = model(*on, "frame=canonical")
        return loss(refined.predict(batch), batch).item()

    assert inconsistency(20) < 0.95 * inconsistency(0)


def test_only_the_parts_that_it_names_move(batch):
    plain = model().predict(batch)
    encoder = model(*ON).predict(batch)
    decoder = model(*ON, "refine.trains=[decoder]").predict(batch)
    assert torch.allclose(encoder.sketches.depth, plain.sketches.depth, atol=1e-5)
    assert not torch.equal(encoder.latent.mean, plain.latent.mean)
    assert torch.allclose(decoder.latent.mean, plain.latent.mean, atol=1e-6)
    assert not torch.equal(decoder.shapes.logits, plain.shapes.logits)


def test_the_camera_is_asked_for(batch):
    assert "camera" not in model("frame=canonical").batch_fields
    refined = model("frame=canonical", *ON)
    assert "camera" in refined.batch_fields
    with pytest.raises(ContractError, match="model 'marrnet' needs camera of each picture"):
        refined.predict(dataclasses.replace(batch, camera=None))


def test_shapes_come_back_in_the_canonical_frame(batch, monkeypatch):
    """`refine` works in the model's frame, on a batch turned there; `predict` turns its shapes back."""
    one = torch.zeros(3, 32, 32, 32)
    one[:, 16:, 14:18, 14:18] = 6.0  # an arm towards the viewer
    own = model(*ON)
    kept = reconstructor.refine(own, own.config, own.preprocess, batch.to(torch.device("cpu")))
    monkeypatch.setattr(reconstructor, "refine", lambda *_: dataclasses.replace(kept, shapes=Voxels(one - 3)))
    turned = torch.sigmoid(model(*ON).predict(batch).shapes.logits)
    front = to_frame(dataclasses.replace(batch, voxels=turned), "viewer").voxels
    assert (front[:, 18:24, 15:17, 15:17] > 0.8).all()
    assert (front[:, 4:12, 15:17, 15:17] < 0.2).all()


@pytest.mark.parametrize(
    ("overrides", "why"),
    [
        (["refine.losses=[voxel_bce]"], "'voxel_bce' needs voxels, which no picture comes with"),
        (["refine.losses=[reprojektion]"], "no loss 'reprojektion'. Did you mean 'reprojection'"),
        (["refine.losses=[]", "refine.steps=2"], "refine.losses: 2 steps need a loss to follow"),
        (["refine.trains=[head]", "refine.steps=2"], "refine.trains: the model has none of head"),
    ],
)
def test_what_cannot_be_refined_is_said(overrides, why):
    with pytest.raises(ConfigError) as error:
        load_config("marrnet", overrides=overrides)
    assert why in str(error.value)


def test_predictions_are_joined_along_the_batch():
    def part(n, start):
        t = start + torch.arange(float(n))
        maps = Sketches(t[:, None, None], t[:, None, None, None].expand(n, 3, 1, 1), t[:, None, None])
        return Prediction(sketches=maps, z=t[:, None], shapes=Points(t[:, None, None].expand(n, 2, 3)))

    whole = joined([part(2, 0), part(1, 2)])
    assert whole.latent is None
    assert whole.z.flatten().tolist() == [0, 1, 2]
    assert whole.sketches.depth.flatten().tolist() == [0, 1, 2]
    assert whole.shapes.xyz[:, 0, 0].tolist() == [0, 1, 2]
    assert joined([{"a": (torch.zeros(1),)}, {"a": (torch.ones(1),)}])["a"][0].tolist() == [0, 1]
