"""What pictures are compared by: a trained model's latent, a backbone whose weights are on the machine."""

from __future__ import annotations

from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
import timm
import torch
from huggingface_hub import constants
from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors.torch import save_file

from benchmarks.cells.cell import ModelCell
from benchmarks.cells.latent import latent_feature
from benchmarks.controls import CONTROLS, backbone, controls, recognition, title_of
from benchmarks.controls.features import BACKGROUND, BATCH, Feature, image_features
from benchmarks.controls.lookup import Training
from benchmarks.protocols import Truth
from zoo.config import ConfigError, load_config
from zoo.model import build_model
from zoo.registry import RegistryError
from zoo.shapes import VoxelShape
from zoo.training.checkpoint import TrainState, save_checkpoint

NAME = "test_vit.r160_in1k"
CPU = torch.device("cpu")


def pictures(*size: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (*size, 4), dtype=np.uint8)


# Controls


def training(count: int = 4, views: int = 2) -> Training:
    """Shapes that differ in one cell."""
    grids = np.zeros((count, 8, 8, 8), bool)
    grids[np.arange(count), np.arange(count), 0, 0] = True
    return Training(grids, pictures(count, views, 8, 8), ["a"] * count)


def test_two_controls_for_every_feature_stand_beside_those_of_pixels():
    features = [Feature(n, f"latent of {n}", {"x": n}, lambda: image_features) for n in ("one", "two")]
    assert [c.name for c in controls(features)] == [
        *("floor", "ceiling", "mean_shape", "category_mean"),
        *("image_retrieval", "retrieval[one]", "retrieval[two]", "neighbours", "oracle"),
        *("clusters", "clusters[one]", "clusters[two]", "box", "empty"),
    ]
    assert [title_of(n) for n in ("retrieval[one]", "floor", "r3d", "odd[one]")] == [
        *("retrieval[one]", CONTROLS[0].title, None, None)
    ]
    assert controls() == CONTROLS and not any(c.identity for c in CONTROLS)  # their old results are found
    for control in recognition(features[0]):
        assert control.identity == {"feature": {"x": "one"}}
        assert "latent of one" in control.title and "latent of one" in control.explanation


def test_the_nearest_picture_is_that_of_the_feature_and_each_is_described_once():
    """A feature that sees only the first pixel's red, against pictures that are otherwise unlike."""
    split, seen, loaded = training(), [], []

    def red(images: np.ndarray) -> np.ndarray:
        seen.append(len(images))
        return images[:, 0, 0, :1].astype(np.float32)

    def load():
        loaded.append(True)
        return red

    feature = Feature("red", "red of a corner", {}, load)
    retrieval, clusters = recognition(feature)
    split.images[:, :, 0, 0, 0] = np.array([[10, 200], [60, 90], [120, 130], [240, 250]])
    queries = pictures(5, 8, 8, seed=1)
    queries[:, 0, 0, 0] = [70, 205, 12, 126, 255]
    truths = [Truth(str(k), "a", 0, VoxelShape(split.voxels[0])) for k in range(5)]
    assert not loaded
    found = retrieval.fit(split, truths, queries)(truths, queries)
    assert [int(shape.occupancy.argmax()) // 64 for shape in found] == [1, 0, 0, 2, 3]
    means = clusters.fit(split, truths, queries)(truths, queries)
    assert all(np.array_equal(m.occupancy, means[0].occupancy) for m in means)  # four shapes: one cluster
    assert loaded == [True] and seen.count(8) == 1  # the training pictures, for both controls


def test_pictures_that_are_read_in_parts_give_the_same_vectors(monkeypatch):
    class Parts:
        def __init__(self, whole: np.ndarray) -> None:
            self.whole, self.shape, self.dtype, self.largest = whole, whole.shape, whole.dtype, 0

        def __getitem__(self, part: slice) -> np.ndarray:
            self.largest = max(self.largest, len(self.whole[part]))
            return self.whole[part]

    monkeypatch.setattr("benchmarks.controls.lookup.PICTURES", 5)
    split = training(7)
    parts = Parts(split.images)
    found = Training(split.voxels, parts, split.categories).described(image_features)
    np.testing.assert_array_equal(found, [image_features(views) for views in split.images])
    assert parts.largest == 2  # of two views each


# A model's latent


def cell(tmp_path: Path, *overrides: str) -> ModelCell:
    config = load_config("vae_gan_baseline", "quick", overrides)
    return ModelCell(config, 0, "c" * 64, tmp_path / "run")


def test_the_latent_is_the_mean_that_the_trained_model_gives(tmp_path):
    own = cell(tmp_path)
    model = build_model(own.config, seed=3)
    save_checkpoint(own.run_dir, own.config, TrainState(step=1), model, None, {})
    feature = latent_feature(own, CPU)
    assert feature.identity == {"latent": own.hash} and feature.name == "vae_gan_baseline"
    images = pictures(BATCH + 3, 20, 20)
    found = feature.describe(images)
    assert found.shape == (BATCH + 3, model.encoder.latent_dim) and found.dtype == np.float32
    one = torch.from_numpy(images[-1].transpose(2, 0, 1))[None, None]
    with torch.inference_mode():
        mean = model.eval().encoder(model.preprocess(one)[:, 0]).mean
    np.testing.assert_allclose(found[-1], mean[0].numpy(), rtol=1e-4, atol=1e-5)
    assert feature.describe is feature.describe


def test_a_model_that_reads_depth_has_no_latent_of_a_picture(tmp_path):
    assert latent_feature(cell(tmp_path, "preprocess.depth=true"), CPU) is None


# A backbone


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty cache of the Hugging Face Hub, and no way to download."""

    def offline(repo: str, file: str):
        raise LocalEntryNotFoundError(f"cannot reach {repo}\nand more")

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", offline)
    return tmp_path / "hub"


def store(hub: Path, name: str, network: torch.nn.Module) -> Path:
    """Weights as the hub's own downloads leave them."""
    repo = hub / f"models--timm--{name}"
    (repo / "refs").mkdir(parents=True)
    (repo / "snapshots/abc").mkdir(parents=True)
    (repo / "refs/main").write_text("abc", encoding="utf-8")
    file = repo / "snapshots/abc/model.safetensors"
    save_file(network.state_dict(), file)
    return file


def test_no_weights_no_backbone_and_nothing_is_downloaded(hub):
    assert backbone.find_backbone(None, CPU) is None
    with pytest.raises(ConfigError, match=r"test_vit\.r160_in1k: model\.safetensors of timm/test_vit\.r160"):
        backbone.find_backbone("test_vit", CPU)
    with pytest.raises(ConfigError, match=r"LocalEntryNotFoundError: cannot reach timm/[^\n]*HF_HUB_CACHE"):
        backbone.find_backbone(NAME, CPU)
    with pytest.raises(ConfigError, match=r"test_vit.*--only-cache downloads nothing"):
        backbone.find_backbone("test_vit", CPU, download=False)


def test_a_backbone_that_is_asked_for_is_downloaded(hub, monkeypatch):
    asked = []

    def download(repo: str, file: str):
        asked.append((repo, file))
        return str(store(hub, NAME, timm.create_model("test_vit")))

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    first = backbone.find_backbone("test_vit", CPU)
    second = backbone.find_backbone(NAME, CPU)
    assert asked == [(f"timm/{NAME}", "model.safetensors")]
    assert first.identity == second.identity and first.name == NAME


@pytest.mark.parametrize("architecture", ["test_vit", "test_resnet"])
def test_a_backbone_gives_unit_vectors_of_its_own_weights(hub, monkeypatch, architecture):
    """Pictures of the network's side, opaque: nothing is resized or filled, only normalised."""
    torch.manual_seed(0)
    name = f"{architecture}.r160_in1k"
    network = timm.create_model(architecture)
    file = store(hub, name, network)
    monkeypatch.setattr(backbone, "DEFAULT", name)
    monkeypatch.setattr(backbone, "SIDE", 160)
    feature = backbone.find_backbone(None, CPU)
    assert feature.identity["backbone"] == name and len(feature.identity["weights"]) == 64
    images = pictures(BATCH + 1, 160, 160)
    images[..., 3] = 255
    found = feature.describe(images)
    own = timm.get_pretrained_cfg(name)
    values = (images[-1, ..., :3] / 255 - own.mean) / own.std
    with torch.inference_mode():
        network.reset_classifier(0)
        expected = network.eval()(torch.from_numpy(values.transpose(2, 0, 1)[None]).float())[0].numpy()
    np.testing.assert_allclose(found[-1], expected / np.linalg.norm(expected), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)
    before = feature.identity["weights"]
    save_file({k: v + 1 for k, v in timm.create_model(architecture).state_dict().items()}, file)
    assert backbone.find_backbone(None, CPU).identity["weights"] != before


def test_small_pictures_are_enlarged_and_what_is_transparent_is_filled(hub, monkeypatch):
    store(hub, NAME, timm.create_model("test_vit"))
    monkeypatch.setattr(backbone, "DEFAULT", NAME)
    describe = backbone.find_backbone(None, CPU).describe
    clear, filled = pictures(1, 20, 30), np.full((1, 20, 30, 4), BACKGROUND, np.uint8)
    clear[..., 3], filled[..., 3] = 0, 255
    np.testing.assert_allclose(describe(clear), describe(filled), atol=1e-5)


def test_names_that_timm_does_not_know(hub):
    with pytest.raises(RegistryError, match=r"unknown timm backbone 'resnet81'\. Did you mean"):
        backbone.find_backbone("resnet81", CPU)
    with pytest.raises(RegistryError, match="has no weights 'a9'"):
        backbone.find_backbone("resnet18.a9", CPU)
