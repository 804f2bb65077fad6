"""The linear space of shapes: its components, codes, loss, and that a checkpoint holds what was fitted."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

import zoo
from zoo.config import load_config
from zoo.decoders.shape_space import ShapeSpace, ShapeSpaceConfig
from zoo.losses import LOSSES
from zoo.model import build_losses, build_model
from zoo.testing.smoke import SmokeSource
from zoo.training.checkpoint import checkpoints, load_pretrained
from zoo.training.trainer import train
from zoo.types import ContractError, Latent, Prediction

R = 8


class Grids(SmokeSource):
    """Given shapes with pictures of noise."""

    def __init__(self, voxels):
        super().__init__(count=len(voxels), resolution=voxels.shape[-1], size=(16, 16))
        self.voxels = voxels

    def fetch(self, indices, views):
        batch = super().fetch(indices, views)
        return dataclasses.replace(batch, voxels=self.voxels[list(indices)])


@pytest.fixture(scope="module")
def shapes():
    """Blobs that are not symmetric: 30 shapes in a space of few dimensions, cut at one half."""
    generator = torch.Generator().manual_seed(0)
    parts = (torch.rand(6, R, R, R, generator=generator) < 0.3).float()
    chosen = torch.rand(30, 6, generator=generator) < 0.5
    return (torch.einsum("nk,kxyz->nxyz", chosen.float(), parts) > 0).float()


@pytest.fixture
def space(shapes):
    fitted = ShapeSpace(ShapeSpaceConfig(resolution=R), latent_dim=12)
    fitted.fit(Grids(shapes))
    return fitted


def plain(shapes, count):
    """Mean, standard deviations and components of shapes and mirror images, by one plain decomposition."""
    rows = torch.cat([shapes, shapes.flip(-1)]).flatten(1).double().numpy()
    mean = rows.mean(0)
    _, singular, directions = np.linalg.svd(rows - mean, full_matrices=False)
    return mean, singular[:count] / np.sqrt(len(rows)), directions[:count]


def test_it_is_what_principal_components_of_shapes_and_mirror_images_are(space, shapes):
    mean, deviations, directions = plain(shapes, 12)
    np.testing.assert_allclose(np.sort(space.scales.numpy())[::-1], deviations, rtol=1e-3)
    codes = space.project(shapes)
    found = space.occupancy(codes).flatten(1).double().numpy()
    centred = shapes.flatten(1).double().numpy() - mean
    np.testing.assert_allclose(found, mean + centred @ directions.T @ directions, atol=2e-3)
    union = torch.cat([codes, space.project(shapes.flip(-1))])
    np.testing.assert_allclose(union.square().mean(0), 1, atol=5e-3)  # codes are in standard deviations


def test_with_enough_dimensions_training_shapes_come_back(shapes):
    space = ShapeSpace(ShapeSpaceConfig(resolution=R), latent_dim=64)
    space.fit(Grids(shapes))
    assert (space.scales == 0).any()  # there are no more
    np.testing.assert_allclose(space.occupancy(space.project(shapes)), shapes, atol=1e-3)
    logits = space(Latent(space.project(shapes))).logits
    assert torch.equal(logits > 0, shapes > 0.5)


def test_a_mirror_image_has_the_code_with_antisymmetric_signs_turned(space, shapes):
    codes, mirrored = space.project(shapes), space.project(shapes.flip(-1))
    n = int(space.symmetric)
    assert 0 < n < 12
    torch.testing.assert_close(mirrored[:, :n], codes[:, :n], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(mirrored[:, n:], -codes[:, n:], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(space.occupancy(mirrored), space.occupancy(codes).flip(-1), atol=1e-4, rtol=0)


def test_it_is_fitted_to_a_fixed_part_of_many_shapes(shapes):
    fitted = []
    for _ in range(2):
        torch.manual_seed(len(fitted))
        space = ShapeSpace(ShapeSpaceConfig(resolution=R, shapes=10), latent_dim=4)
        space.fit(Grids(shapes))
        fitted.append(space.state_dict())
    assert all(torch.equal(fitted[0][name], fitted[1][name]) for name in fitted[0])


def test_the_loss_is_the_distance_in_the_space(space, shapes):
    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.decoder = space

    loss = LOSSES.get("shape_code").cls(LOSSES.get("shape_code").config())
    loss.bind(Model())
    assert not list(loss.parameters())
    z = torch.randn(5, 12, generator=torch.Generator().manual_seed(1)).requires_grad_()
    batch = Grids(shapes).fetch(range(5), [[0]] * 5)
    value = loss(Prediction(latent=Latent(z), z=z), batch)
    seen = space.occupancy(space.project(batch.voxels))
    distance = (space.occupancy(z) - seen).flatten(1).square().sum(1).mean()
    expected = distance / space.scales.square().sum()
    torch.testing.assert_close(value, expected, rtol=1e-3, atol=0)
    (ours,) = torch.autograd.grad(value, z)
    (theirs,) = torch.autograd.grad(expected, z)
    torch.testing.assert_close(ours, theirs, rtol=1e-2, atol=1e-6)


def config(*overrides):
    small = ["preprocess.size=[16,16]", "encoder.widths=[4,8]", "encoder.latent_dim=6", "encoder.hidden=8"]
    more = ["train.steps=4", "train.batch_size=3", f"decoder.resolution={R}"]
    return load_config("shape_space", overrides=[*small, *more, *overrides])


def test_a_checkpoint_holds_the_space_and_a_run_that_goes_on_fits_none(shapes, tmp_path, monkeypatch):
    source = Grids(shapes)
    cpu = torch.device("cpu")
    report = train(config("train.checkpoint_every=2"), source, tmp_path / "whole", seed=0, device=cpu)
    model = load_pretrained(tmp_path / "whole")
    fitted = ShapeSpace(model.decoder.config, latent_dim=6)
    fitted.fit(source)
    torch.testing.assert_close(model.decoder.basis, fitted.basis)
    first = checkpoints(tmp_path / "whole")[0]
    (tmp_path / "cut").mkdir()
    first.rename(tmp_path / "cut" / first.name)
    monkeypatch.setattr(ShapeSpace, "fit", lambda *_: pytest.fail("fitted again"))
    again = train(config("train.checkpoint_every=2"), source, tmp_path / "cut", seed=0, device=cpu)
    names = ("model.safetensors", "learning.safetensors")
    assert all((report.checkpoint / n).read_bytes() == (again.checkpoint / n).read_bytes() for n in names)


def test_it_learns_to_tell_shapes_by_their_pictures(shapes, tmp_path):
    class Told(Grids):
        """Pictures that show which shape it is."""

        def fetch(self, indices, views):
            batch = super().fetch(indices, views)
            image = torch.full_like(batch.image, 255)
            for k, index in enumerate(indices):
                image[k, :, :3, :, index] = 0
            return dataclasses.replace(batch, image=image)

    source = Told(shapes[:8])
    report = train(
        config(
            "train.steps=300",
            "train.batch_size=8",
            "train.mirror=false",
            "train.ema=0.9",
            "encoder.hidden=64",
        ),
        source,
        tmp_path,
        seed=0,
        device=torch.device("cpu"),
    )
    model = load_pretrained(report.checkpoint)
    batch = source.fetch(range(8), [[0]] * 8)
    found = model.predict(batch).shapes.logits.sigmoid() >= 0.5
    true = shapes[:8] >= 0.5
    iou = (found & true).flatten(1).sum(1) / (found | true).flatten(1).sum(1)
    assert iou.mean() > 0.9


def test_what_cannot_be_fitted_is_said(shapes):
    class Blind(Grids):
        provides = SmokeSource.provides - {"voxels"}

    with pytest.raises(ContractError, match="fitted to voxels, which the data set does not have"):
        ShapeSpace(ShapeSpaceConfig(resolution=R), latent_dim=4).fit(Blind(shapes))
    with pytest.raises(ContractError, match=r"has 16\^3 cells, the data set's grids \(8, 8, 8\)"):
        ShapeSpace(ShapeSpaceConfig(resolution=16), latent_dim=4).fit(Grids(shapes))
    other = load_config("vae_gan_baseline", "quick")
    other = other.model_copy(update={"losses": config().losses, "discriminator": None})
    with pytest.raises(
        ContractError, match="'shape_code' works with decoder shape_space, not 'voxel_deconv'"
    ):
        build_losses(other, build_model(other, seed=0), frozenset({"voxels"}))


def test_its_size():
    """Convolutions 392,544, linear layers 589,824 + 32,896, two numbers for each normalised channel."""
    entry = zoo.ENCODERS.get("separable_cnn")
    encoder = entry.cls(entry.config(), in_channels=4, image_size=(48, 48))
    assert sum(p.numel() for p in encoder.parameters()) == 1_017_696
