"""ShapeNetCore's own pictures: cut out, in order, scaled, or named as what they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets import BadItem
from datasets.sources.shapenet.screenshots import read_screenshots


def add_screenshots(folder: Path, count: int, *, alpha: bool = True, size=(40, 30)) -> Path:
    """Pictures `<model>-<n>.png` with a square whose red is the number, on white."""
    place = folder / "screenshots"
    place.mkdir()
    for n in range(count):
        pixels = np.full((size[1], size[0], 4), 255, np.uint8)
        pixels[..., 3] = 0 if alpha else 255
        pixels[10:20, 10:30] = (10 * n, 100, 100, 255)
        pixels[14:16, 14:16, :3] = 255  # a white spot that is not background
        image = Image.fromarray(pixels if alpha else pixels[..., :3])
        image.save(place / f"{folder.name}-{n}.png")
    return place


@pytest.mark.parametrize("alpha", [True, False])
def test_screenshots_are_cut_out_and_in_order(tmp_path, alpha):
    (tmp_path / "m7").mkdir()
    folder = add_screenshots(tmp_path / "m7", 12, alpha=alpha)
    images = read_screenshots(folder, 12, (30, 40))
    assert images.shape == (12, 30, 40, 4)
    assert images[:, 12, 12, 0].tolist() == [10 * n for n in range(12)]
    mask = np.zeros((30, 40), bool)
    mask[10:20, 10:30] = True
    np.testing.assert_array_equal(images[..., 3], np.broadcast_to(255 * mask, (12, 30, 40)))


def test_screenshots_are_scaled_and_padded(tmp_path):
    (tmp_path / "m").mkdir()
    folder = add_screenshots(tmp_path / "m", 1)
    image = read_screenshots(folder, 1, (20, 20))[0]  # 40 x 30 becomes 20 x 15, with rows 2...16
    opaque = np.argwhere(image[..., 3] >= 128)
    assert opaque.min(0).tolist() == [7, 5] and opaque.max(0).tolist() == [11, 14]
    edges = image[(image[..., 3] >= 16) & (image[..., 3] < 255)]  # below, rounding is coarse
    assert len(edges) and (edges[:, 1] <= 110).all()  # no white of the background leaks in


def test_bad_screenshots_are_named(tmp_path):
    (tmp_path / "m").mkdir()
    folder = add_screenshots(tmp_path / "m", 2)
    with pytest.raises(BadItem, match="screenshots: 2 screenshots, 3 were asked for"):
        read_screenshots(folder, 3, (8, 8))
    with pytest.raises(BadItem, match="0 screenshots, 1 were asked for"):
        read_screenshots(tmp_path / "none", 1, (8, 8))
    Image.new("RGB", (8, 8), (9, 9, 9)).save(folder / "m-0.png")
    with pytest.raises(BadItem, match=r"m-0\.png: neither alpha nor a white background"):
        read_screenshots(folder, 1, (8, 8))
    Image.new("RGB", (8, 8), "white").save(folder / "m-0.png")
    with pytest.raises(BadItem, match=r"m-0\.png: an empty picture"):
        read_screenshots(folder, 1, (8, 8))
    (folder / "m-0.png").write_bytes(b"nothing")
    with pytest.raises(BadItem, match=r"m-0\.png: no picture"):
        read_screenshots(folder, 1, (8, 8))
