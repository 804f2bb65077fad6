"""Rendered boxes in the form that Mesh R-CNN gave Pix3D: frame and cameras of the loader, by projection."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from datasets import BadItem, Item, PrepareOptions, Sample
from datasets.prepare import open_dataset
from datasets.sources.pix3d import Pix3D, Pix3DConfig
from zoo.geometry.camera import Camera
from zoo.geometry.render import render
from zoo.geometry.surface import marching_cubes

pytestmark = pytest.mark.data

# the grids of these samples, which are not the release's, lie in the axes of their models
CONFIG = Pix3DConfig(split="s1", voxel_axes="model")
OPTIONS = PrepareOptions(resolutions=(64, 32), views=1, points=1000)
PHOTO = (1920, 1080)


@pytest.fixture(scope="module")
def data() -> Path:
    folder = os.environ.get("R3D_SAMPLE_DATA")
    if not folder:
        pytest.skip("R3D_SAMPLE_DATA is not set: the folder of real samples")
    if not (Path(folder) / "pix3d_layout").is_dir():
        pytest.skip(f"{folder} holds no samples in Pix3D's layout")
    return Path(folder)


@pytest.fixture(scope="module")
def samples(data) -> list[tuple[Item, Sample]]:
    source = Pix3D(CONFIG, data / "pix3d_layout")
    return [(item, source.build(item, OPTIONS)) for item in source.items()]


@pytest.fixture(scope="module")
def whole(data, samples) -> list[Sample]:
    """Those whose object is not cut by the border of its picture."""
    index = json.loads((data / "pix3d_layout" / "pix3d_s1_train.json").read_text(encoding="utf-8"))
    cut = set()
    for image, row in zip(index["images"], index["annotations"], strict=True):
        left, upper, width, height = row["bbox"]
        if min(left, upper) < 2 or left + width > PHOTO[0] - 2 or upper + height > PHOTO[1] - 2:
            cut.add(image["file_name"].removeprefix("./"))
    assert len(cut) < 4
    return [sample for item, sample in samples if item.id not in cut]


def silhouette_iou(sample: Sample, grid: np.ndarray, camera: Camera | None = None) -> float:
    """Overlap of the drawn voxels with the picture's alpha."""
    camera = camera or Camera.from_row(sample.cameras[0])
    drawn = render(marching_cubes(grid, 0.5), camera, sample.images.shape[1:3]).mask
    seen = sample.images[0, ..., 3] >= 128
    return float((drawn & seen).sum() / (drawn | seen).sum())


@pytest.mark.parametrize(("resolution", "mean", "least"), [(64, 0.97, 0.93), (32, 0.94, 0.92)])
def test_voxels_project_into_the_masks(whole, resolution, mean, least):
    scores = [silhouette_iou(sample, sample.voxels[resolution]) for sample in whole]
    print(f"silhouette IoU at {resolution}^3: mean {np.mean(scores):.4f}, least {min(scores):.4f}")
    assert np.mean(scores) >= mean and min(scores) >= least


def test_no_other_frame_fits(whole):
    fits = [silhouette_iou(sample, sample.voxels[64]) for sample in whole]
    for change in (np.s_[::-1], np.s_[:, ::-1], np.s_[:, :, ::-1], np.s_[::-1, :, ::-1]):
        others = [silhouette_iou(sample, sample.voxels[64][change]) for sample in whole]
        assert np.mean(others) < np.mean(fits) - 0.004  # boxes: little but their open flaps has a side


def test_points_lie_on_the_voxels(samples):
    for _, sample in samples[::8]:
        cells = np.clip(((sample.points + 0.5) * 64).astype(int), 0, 63)
        near = ndimage.binary_dilation(sample.voxels[64], np.ones((3, 3, 3)))
        share = near[tuple(cells.T)].mean()
        print(f"{share:.3f} of the points")
        assert share > 0.95


def test_grids_in_the_axes_of_the_models_are_noticed(data):
    source = Pix3D(Pix3DConfig(split="s1"), data / "pix3d_layout")
    for item in source.items()[::16]:
        with pytest.raises(BadItem, match="set voxel_axes=model"):
            source.build(item, OPTIONS)


def test_published_list_of_photographs(data):
    path = data / "splits" / "pix2vox_pix3d.json"
    items = Pix3D(Pix3DConfig(split=str(path)), data / "pix3d_layout").items()
    assert len(items) == 2894 and {i.split for i in items} == {"test"}


def test_prepared_as_a_user_would(data, samples, tmp_path):
    listed = {"taxonomy_id": "BoxA", "train": ["0"], "val": ["7"], "test": ["12", "3"]}
    (tmp_path / "list.json").write_text(json.dumps([listed]), encoding="utf-8")
    store = open_dataset(
        "pix3d",
        data_root=data / "pix3d_layout",
        cache_root=tmp_path,
        config_overrides=CONFIG.model_dump() | {"split": str(tmp_path / "list.json")},
        options=OPTIONS,
        workers=1,
        progress=False,
    )
    assert {name: len(store.split(name)) for name in store.splits} == {"train": 1, "val": 1, "test": 2}
    assert store.skipped == [] and store.verify() == []
    # all four show one model: validation and test leak
    assert sorted(leak["id"] for leak in store.leaks) == [f"Images/BoxA/{n}.png" for n in (12, 3, 7)]
    by_id = {item.id: sample for item, sample in samples}
    split = store.split("test")
    assert split.ids == ("Images/BoxA/12.png", "Images/BoxA/3.png")
    image = split.fetch([0], [[0]]).decode().image[0, 0]
    np.testing.assert_array_equal(image.permute(1, 2, 0), by_id[split.ids[0]].images[0])
