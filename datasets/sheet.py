"""Contact sheets: is every picture the right way up, and do the voxels lie where the picture shows them?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from zoo.geometry.camera import Camera
from zoo.geometry.render import render
from zoo.geometry.surface import marching_cubes

from .store import Store, StoreSplit

GAP, LABEL = 4, 14
WHITE = 255
SIZE = 137
LOOK = Camera(35, 27, 2.0)
"""From where shapes without cameras are seen."""


def contact_sheet(store: Store, count: int = 8, views: int = 2, resolution: int | None = None) -> Image.Image:
    """One row per shape; per view its picture, mask, the voxels seen by its camera, and stored maps.

    Where cameras are not known, the voxels are seen from the front and somewhat above and aside.

    Args:
        store: a prepared data set.
        count: rows, spread evenly over the splits as far as they go and, inside a split, over its shapes;
            all shapes where there are no more.
        views: views per row, spread evenly over the stored ones.
        resolution: of the voxels; the highest stored one by default.
    """
    resolution = resolution or max(store.resolutions)
    splits = [store.split(name, resolution) for name in store.splits]
    chosen = [
        (split, int(i))
        for split, n in zip(splits, _shared_out(count, [len(split) for split in splits]), strict=True)
        for i in np.linspace(0, len(split) - 1, n).astype(int)
    ]
    rows = [_row(split, index, views) for split, index in chosen]
    height, width = rows[0].shape[:2]
    sheet = Image.new("RGB", (width, len(rows) * (height + LABEL)), "white")
    draw = ImageDraw.Draw(sheet)
    for position, ((split, index), row) in enumerate(zip(chosen, rows, strict=True)):
        top = position * (height + LABEL)
        draw.text((2, top + 1), f"{split.name}  {split.categories[index]}  {split.ids[index]}", fill="black")
        sheet.paste(Image.fromarray(row), (0, top + LABEL))
    return sheet


def _shared_out(count: int, sizes: Sequence[int]) -> list[int]:
    """How many of each part to take, so that they are `count` together and as even as the sizes allow."""
    taken = [0] * len(sizes)
    for _ in range(min(count, sum(sizes))):
        least = min((k for k, size in enumerate(sizes) if taken[k] < size), key=taken.__getitem__)
        taken[least] += 1
    return taken


def _row(split: StoreSplit, index: int, views: int) -> np.ndarray:
    surface = marching_cubes(split.voxels([index])[0], 0.5)
    tiles = []
    if not split.num_views:
        tiles.append(on_white(render(surface, LOOK, (SIZE, SIZE)).rgba))
    else:
        numbers = np.linspace(0, split.num_views - 1, min(views, split.num_views)).astype(int).tolist()
        batch = split.fetch([index], [numbers]).decode()
        for view in range(len(numbers)):
            rgba = batch.image[0, view].numpy().transpose(1, 2, 0)
            camera = LOOK if batch.camera is None else Camera.from_row(batch.camera[0, view].numpy())
            drawn = render(surface, camera, rgba.shape[:2])
            tiles += [on_white(rgba), np.repeat(rgba[..., 3:], 3, axis=-1), on_white(drawn.rgba)]
            if batch.depth is not None:
                tiles.append(_depth_tile(batch.depth[0, view].numpy()))
            if batch.normals is not None:
                normals = batch.normals[0, view].numpy().transpose(1, 2, 0)
                tiles.append(((normals + 1) * 127.5).astype(np.uint8))
    gap = np.full((tiles[0].shape[0], GAP, 3), WHITE, np.uint8)
    return np.concatenate([part for tile in tiles for part in (tile, gap)], axis=1)


def on_white(rgba: np.ndarray) -> np.ndarray:
    """Straight-alpha RGBA (H, W, 4) over white, uint8 (H, W, 3)."""
    alpha = rgba[..., 3:].astype(np.float32) / 255
    return np.rint(rgba[..., :3] * alpha + WHITE * (1 - alpha)).astype(np.uint8)


def _depth_tile(depth: np.ndarray) -> np.ndarray:
    """Near is bright, the background black; each picture uses the whole range."""
    hit = np.isfinite(depth)
    gray = np.zeros(depth.shape, np.uint8)
    if hit.any():
        near, far = depth[hit].min(), depth[hit].max()
        gray[hit] = 255 - 215 * (depth[hit] - near) / max(far - near, 1e-6)
    return np.repeat(gray[..., None], 3, axis=-1)
