"""Contact sheet of the embedded data set: one row per category, one column per shape.

``python -m datasets.sources.procedural.sheet --out sheet.png``
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from zoo.geometry.camera import Camera
from zoo.geometry.render import render

from . import ProceduralConfig, ProceduralSource
from .families import FAMILIES

BACKGROUND = 240
LABEL = 70
"""Width of the column of names, in pixels."""


def contact_sheet(columns: int = 8, size: int = 96, seed: int = 0, split: str = "train") -> Image.Image:
    """The first shapes of every category, as many as there are columns, all styles taking turns.

    Args:
        columns: shapes per category.
        size: pixels per picture edge.
        seed: of the data set.
        split: train, val or test.
    """
    config = ProceduralConfig.model_validate({"seed": seed, "train": 0, "val": 0, "test": 0, split: columns})
    source = ProceduralSource(config)
    sheet = Image.new("RGB", (LABEL + columns * size, len(FAMILIES) * size), (BACKGROUND,) * 3)
    text = ImageDraw.Draw(sheet)
    for position, item in enumerate(source.items()):
        row, column = divmod(position, columns)
        if column == 0:
            text.text((6, row * size + size // 2 - 6), item.category, fill="black")
        shape = source.shape(item)
        diagonal = float(np.sqrt((np.ptp(shape.mesh.vertices, axis=0) ** 2).sum()))
        camera = Camera((35, 325, 55, 305)[column % 4], 27, 1.2 * diagonal)
        rgba = render(shape.mesh, camera, (size, size), 3, face_colors=shape.face_colors).rgba
        tile = Image.fromarray(rgba)
        sheet.paste(tile, (LABEL + column * size, row * size), tile)
    return sheet


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw a sheet into a file."""
    description = "Draw a contact sheet: one row per category, one column per shape."
    parser = argparse.ArgumentParser(
        prog="python -m datasets.sources.procedural.sheet", description=description
    )
    parser.add_argument("--out", type=Path, required=True, help="picture to write")
    parser.add_argument("--columns", type=int, default=8, help="shapes per category (default: %(default)s)")
    parser.add_argument("--size", type=int, default=96, help="pixels per picture edge (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the data set (default: %(default)s)")
    parser.add_argument("--split", choices=("train", "val", "test"), default="train")
    args = parser.parse_args(arguments)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    contact_sheet(args.columns, args.size, args.seed, args.split).save(args.out, optimize=True)


if __name__ == "__main__":
    main()
