"""3D-R2N2's own renders and grids: the loader's frame and cameras, proved by projection."""

from __future__ import annotations

import io
import lzma
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from trimesh.exchange.binvox import load_binvox

from datasets import Item, PrepareOptions, Sample
from datasets.formats.binvox import read_binvox
from datasets.prepare import open_dataset
from datasets.sources.r2n2 import R2N2, R2N2Config
from zoo.geometry.camera import Camera
from zoo.geometry.render import render
from zoo.geometry.surface import marching_cubes

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def data() -> Path:
    folder = os.environ.get("R3D_SAMPLE_DATA")
    if not folder:
        pytest.skip("R3D_SAMPLE_DATA is not set: the folder of real samples")
    if not (Path(folder) / "r2n2").is_dir():
        pytest.skip(f"{folder} holds no r2n2 samples")
    return Path(folder)


@pytest.fixture(scope="module")
def samples(data) -> list[tuple[Item, Sample]]:
    source = R2N2(R2N2Config(), data / "r2n2")
    return [(item, source.build(item, PrepareOptions())) for item in source.items()]


def silhouette_iou(sample: Sample, grid: np.ndarray, camera_of=Camera.from_row) -> float:
    """Mean over the views of the overlap of the drawn voxels with the picture's alpha."""
    surface = marching_cubes(grid, 0.5)
    scores = []
    for image, row in zip(sample.images, sample.cameras, strict=True):
        drawn = render(surface, camera_of(row), image.shape[:2]).mask
        seen = image[..., 3] >= 128
        scores.append((drawn & seen).sum() / (drawn | seen).sum())
    return float(np.mean(scores))


@pytest.fixture(scope="module")
def scores(samples) -> list[float]:
    return [silhouette_iou(sample, sample.voxels[32]) for _, sample in samples]


def test_voxels_project_into_the_renders(scores):
    print(f"mean silhouette IoU {np.mean(scores):.4f} over {len(scores)} shapes x 24 views")
    assert np.mean(scores) >= 0.8
    assert min(scores) >= 0.5  # a lamp as thin as a cell


def test_the_camera_does_not_stand_anywhere_else(samples, scores):
    def mirrored(row):
        return Camera.from_row(row * np.array([-1, 1, 1, 1, 1, 1, 1], np.float32))

    def behind(row):
        return Camera.from_row(row + np.array([180, 0, 0, 0, 0, 0, 0], np.float32))

    for camera_of in (mirrored, behind):
        other = [silhouette_iou(s, s.voxels[32], camera_of) for _, s in samples]
        assert np.mean(other) < np.mean(scores) - 0.1


def test_the_grid_is_not_mirrored(samples, scores):
    # left and right differ in few shapes; on those the grid as it is must fit better than its mirror image
    for (_, sample), score in zip(samples, scores, strict=True):
        grid = sample.voxels[32]
        asymmetry = (grid ^ grid[:, :, ::-1]).sum() / (grid | grid[:, :, ::-1]).sum()
        if 0.02 < asymmetry < 0.1:
            assert silhouette_iou(sample, grid[:, :, ::-1]) < score


def test_grids_are_those_of_trimesh_and_of_the_packed_set(data, samples):
    ids = (data / "vox32" / "ids.txt").read_text(encoding="utf-8").split()
    packed = np.load(io.BytesIO(lzma.decompress((data / "vox32" / "occupancy.npy.xz").read_bytes())))
    for item, sample in samples:
        path = data / "r2n2" / "ShapeNetVox32" / item.id / "model.binvox"
        with path.open("rb") as file:
            np.testing.assert_array_equal(read_binvox(path).voxels, load_binvox(file).encoding.dense)
        row = np.unpackbits(packed[ids.index(item.id)]).reshape(32, 32, 32)
        np.testing.assert_array_equal(sample.voxels[32], row.astype(bool))


def test_prepared_as_a_user_would(data, samples, tmp_path):
    store = open_dataset("r2n2", data_root=data / "r2n2", cache_root=tmp_path, workers=1, progress=False)
    assert {name: len(store.split(name)) for name in store.splits} == {"train": 5, "val": 1, "test": 7}
    assert store.skipped == []
    assert store.verify() == []
    by_id = {item.id: sample for item, sample in samples}
    split = store.split("test")
    batch = split.fetch([0, 3], [[5], [23]]).to(torch.device("cpu"))
    for shape_id, view, image, voxels in zip(batch.ids, (5, 23), batch.image, batch.voxels, strict=True):
        np.testing.assert_array_equal(image[0].permute(1, 2, 0).numpy(), by_id[shape_id].images[view])
        np.testing.assert_array_equal(voxels.numpy(), by_id[shape_id].voxels[32])


def test_split_by_the_published_list(data):
    path = data / "splits" / "pix2vox_shapenet.json"
    items = R2N2(R2N2Config(split=str(path)), data / "r2n2").items()
    assert len(items) == 43_784
    counts = {name: sum(i.split == name for i in items) for name in ("train", "val", "test")}
    assert counts == {"train": 30_643, "val": 4_371, "test": 8_770}
