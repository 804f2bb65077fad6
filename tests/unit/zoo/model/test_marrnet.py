"""MarrNet's two steps: layers, maps of any size, the loss of the maps, and what each stage changes."""

import dataclasses

import pytest
import torch

from zoo.config import ConfigError, load_config
from zoo.layers.timm_models import pad_image
from zoo.losses.sketch import SketchConfig, SketchError
from zoo.model import build_model
from zoo.sketchers.resnet_unet import ResNetUNet, ResNetUNetConfig
from zoo.sketches import true_sketches
from zoo.testing.smoke import SmokeSource
from zoo.training.trainer import Trainer
from zoo.types import Prediction, Sketches

TINY = ["sketcher.widths=[4,4,4,4]", "sketcher.up=4", "encoder.backbone=test_resnet", "encoder.options={}",
        "decoder.width=8", "decoder.resolution=32"]  # fmt: skip


def count(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("name", ["marrnet", "marrnet_canonical", "pix3d", "pix3d_pose"])
def test_parameters_of_the_release(name):
    with torch.device("meta"):
        model = build_model(load_config(name, overrides=["sketcher.pretrained=false"]))
    assert count(model.sketcher) == 25_363_904
    assert count(model.encoder) == 11_282_248
    assert count(model.decoder) == 17_699_745
    if model.head is not None:
        assert count(model.head) == 201 * (24 + 12)


def small(image_size, channels=3):
    torch.manual_seed(0)
    config = ResNetUNetConfig(widths=(4, 4, 8, 8), up=4)
    return ResNetUNet(config, in_channels=channels, image_size=image_size).eval()


@pytest.mark.parametrize("size", [(64, 64), (48, 64), (48, 48), (33, 95)])
def test_maps_lie_where_the_picture_lies(size):
    """What the padded picture's own network would draw, cut to the picture."""
    height, width = ((side + 31) // 32 * 32 for side in size)
    one, whole = small(size), small((height, width))
    image = torch.rand(2, 3, *size)
    found, full = one(image), whole(pad_image(image, (height, width)))
    top, left = (height - size[0]) // 2, (width - size[1]) // 2
    for name in ("depth", "normals", "silhouette"):
        expected = getattr(full, name)[..., top : top + size[0], left : left + size[1]]
        assert torch.equal(getattr(found, name), expected)


def test_every_decoder_has_its_own_map():
    sketcher = small((32, 32))
    image = torch.rand(1, 3, 32, 32)
    before = sketcher(image)
    with torch.no_grad():
        sketcher.decoders["depth"].out[-1].weight.mul_(2)
    after = sketcher(image)
    assert torch.allclose(after.depth, 2 * before.depth, atol=1e-5)
    assert torch.equal(after.normals, before.normals)
    assert torch.equal(after.silhouette, before.silhouette)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"widths": (8, 8, 8, 8), "pretrained": True}, "pretrained weights exist for widths"),
        ({"widths": (8, 0, 8, 8)}, "widths must be at least 1"),
    ],
)
def test_widths_that_cannot_be(values, why):
    with pytest.raises(ValueError, match=why):
        ResNetUNetConfig(**values)


@pytest.mark.parametrize("key", ["crop=0.9", "flip=true"])
def test_a_picture_may_not_move_under_its_maps(key):
    with pytest.raises(
        ConfigError, match=r"preprocess\.(crop|flip): .* a model with a sketcher needs (crop: 1|flip: false)"
    ):
        load_config("marrnet", overrides=[f"preprocess.{key}"])


def batch_with_object():
    """Two samples whose object fills a part of the picture."""
    batch = SmokeSource(size=(8, 8)).fetch([0, 1], [[0], [1]])
    depth = batch.depth.clone()
    depth[0, :, :, 3:], depth[1, :, 6:] = torch.inf, torch.inf
    return dataclasses.replace(batch, depth=depth)


def test_sketch_loss_is_the_sum_of_three_means():
    batch = batch_with_object()
    true = true_sketches(batch, (8, 8))
    found = Sketches(true.depth + 0.1, true.normals - 0.2, true.silhouette + 0.3)
    value = SketchError(SketchConfig(scale=1.0))(Prediction(sketches=found), batch)
    assert value.item() == pytest.approx(0.1**2 + 0.2**2 + 0.3**2, rel=1e-5)
    published = SketchError(SketchConfig())(Prediction(sketches=found), batch)
    assert published.item() == pytest.approx(1e4 * value.item(), rel=1e-5)
    assert SketchError(SketchConfig())(Prediction(sketches=true), batch) == 0


def test_sketch_loss_counts_pixels_of_the_whole_batch():
    batch = batch_with_object()
    true = true_sketches(batch, (8, 8))
    depth = true.depth.clone()
    depth[0, 0, 0] += 1  # one of the 24 + 48 pixels on the objects
    value = SketchError(SketchConfig(scale=1.0))(
        Prediction(sketches=dataclasses.replace(true, depth=depth)), batch
    )
    assert value.item() == pytest.approx(1 / (24 + 48), rel=1e-5)


def test_depth_and_normals_are_free_beside_the_object():
    batch = batch_with_object()
    true = true_sketches(batch, (8, 8))
    off = (true.silhouette == 0).float()
    found = Sketches(true.depth + off, true.normals + off[:, None], true.silhouette)
    assert SketchError(SketchConfig())(Prediction(sketches=found), batch) == 0


@pytest.fixture(scope="module")
def trainer(tmp_path_factory):
    config = load_config("marrnet", "quick", [*TINY, "train.batch_size=2", "train.steps=4"])
    source = SmokeSource(size=(48, 48))
    return Trainer(config, source, tmp_path_factory.mktemp("run"), seed=0, device=torch.device("cpu"))


def changed_parts(trainer, stage):
    """Parts whose weights or statistics a step of the stage changes."""
    before = {key: value.clone() for key, value in trainer.model.state_dict().items()}
    trainer.enter(stage)
    figures = trainer.step(trainer.source.fetch([0, 1], [[0], [1]]), stage)
    after = trainer.model.state_dict()
    return {key.partition(".")[0] for key in after if not torch.equal(before[key], after[key])}, figures


@pytest.mark.parametrize(
    ("index", "parts", "losses"),
    [
        (0, {"sketcher"}, {"sketch"}),
        (1, {"encoder", "decoder"}, {"voxel_bce"}),
        (2, {"encoder", "decoder"}, {"voxel_bce"}),
        (3, {"sketcher", "encoder", "decoder"}, {"sketch", "voxel_bce", "reprojection"}),
    ],
)
def test_a_stage_changes_its_parts_alone(trainer, index, parts, losses):
    """Normalisation statistics of what is frozen included: the whole state is compared."""
    changed, figures = changed_parts(trainer, trainer.stages[index])
    assert changed == parts
    assert set(figures) - {"lr", "loss"} == losses


def test_the_second_stage_reads_true_maps_and_the_third_predicted_ones(trainer):
    def loss(stage):
        trainer.enter(stage)
        trainer.model.load_state_dict(weights)
        return trainer.step(trainer.source.fetch([0, 1], [[0], [1]]), stage)["loss"].item()

    weights = {key: value.clone() for key, value in trainer.model.state_dict().items()}
    one = [loss(trainer.stages[i]) for i in (1, 2)]
    for key in weights:
        if key.startswith("sketcher.decoders") and key.endswith("out.3.weight"):
            weights[key] += 0.2
    other = [loss(trainer.stages[i]) for i in (1, 2)]
    assert one[0] == other[0]
    assert one[1] != other[1]
