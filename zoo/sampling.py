"""Shapes drawn from a trained model without a picture, as meshes, voxels and pictures.

A latent is drawn from the model's own prior: what its encoder says there is without a picture, which is the
uniform distribution for 3D-GAN and the standard normal for the others. What is written::

    000.obj ...         surface of each shape at the threshold; points as .ply, where there is no surface
    shapes.npz          z (N, D), and the voxels (N, R, R, R) float32 probabilities or points (N, P, 3)
    sheet.png           all of them
    interpolation.png   on the straight line between the first two latents, where asked for

Frame and units of `zoo.types`; a model of another frame than the canonical one draws in its own.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from zoo.files import write_atomic
from zoo.geometry.components import largest_component
from zoo.model import Reconstructor
from zoo.seeding import derive
from zoo.shapes import EmptyShapeError, Shape, VoxelShape
from zoo.training.checkpoint import CheckpointError, newest_run
from zoo.types import ContractError, Latent
from zoo.visualize import FAINT, PALETTE, PAPER, put_text, strip, write_png

ANGLES = ((35.0, 20.0), (125.0, 20.0))
"""Azimuth and elevation in degrees of the views of each shape."""
TILE, GAP, LINE = 128, 8, 16
BATCH = 16
"""Latents decoded at once."""


@dataclass(frozen=True)
class Display:
    """How probabilities become a surface; the defaults are those of 3D-GAN's authors.

    Attributes:
        threshold: probability from which on a cell is occupied.
        all_components: keep what is not connected to the largest part, too.
        reach: cells of a part are at most so many cells apart.
    """

    threshold: float = 0.1
    all_components: bool = False
    reach: float = 2.0

    def of(self, shape: Shape) -> Shape:
        """The shape as it is shown; what is dropped is empty, what is kept has its probabilities."""
        grid = shape.grid
        if grid is None or self.all_components:
            return shape
        kept = largest_component(grid >= self.threshold, self.reach)
        # what is below the threshold stays: the surface between the cells depends on it
        dropped = (grid >= self.threshold) & ~kept
        return VoxelShape(np.where(dropped, 0, grid))


def find_weights(model: str, weights: Path | None, runs: Path) -> Path:
    """The run or checkpoint to draw from: the one that is given, else the newest finished run.

    Raises:
        CheckpointError: no run of the model is finished; says how to train one.
    """
    if weights is not None:
        return weights
    found = newest_run(runs / "runs", model)
    if found is None:
        raise CheckpointError(
            f"no finished run of '{model}' in {runs / 'runs'}; train one with "
            f"'python -m benchmarks.run --models {model} --out {runs}', or name a run with --weights"
        )
    return found


def draw_latents(model: Reconstructor, count: int, seed: int) -> Tensor:
    """Latents (count, D) from the model's prior; the first ones do not depend on how many there are."""
    like = torch.empty(1, model.encoder.latent_dim)
    draws = [
        model.encoder.prior(like).sample(torch.Generator().manual_seed(derive(seed, "draw", i)))
        for i in range(count)
    ]
    return torch.cat(draws)


@torch.inference_mode()
def decode(model: Reconstructor, z: Tensor) -> list[Shape]:
    """One shape per latent (N, D), in evaluation mode.

    Raises:
        ContractError: the decoder needs more than a vector.
    """
    decoder = model.decoder
    if decoder.latent_fields:
        raise ContractError(
            f"model '{model.config.name}' cannot draw shapes: decoder '{model.config.decoder.name}' needs "
            f"{', '.join(sorted(decoder.latent_fields))} of a picture"
        )
    codes = z.unsqueeze(1) if decoder.reads_views else z
    decoder.eval()
    return [shape for part in codes.split(BATCH) for shape in decoder(Latent(part)).split()]


def between(z: Tensor, steps: int) -> Tensor:
    """Latents (steps, D) on the line from the first of z to its second, both included.

    Raises:
        ValueError: fewer than two latents or steps.
    """
    if len(z) < 2 or steps < 2:
        raise ValueError(f"an interpolation needs two shapes and two steps, got {len(z)} and {steps}")
    return torch.lerp(z[0], z[1], torch.linspace(0, 1, steps)[:, None])


def write_samples(
    out: Path,
    z: Tensor,
    shapes: Sequence[Shape],
    display: Display,
    file_type: Literal["obj", "ply", "glb", "stl", "off"] = "obj",
) -> list[Path]:
    """Write meshes, arrays and the contact sheet, each file atomically; see the top of this file.

    Args:
        shapes: of the latents z (N, D), as the model made them.

    Returns:
        The files. A shape that is empty at the threshold has no mesh.
    """
    shown = [display.of(shape) for shape in shapes]
    written = []
    for i, shape in enumerate(shown):
        suffix = f".{file_type}" if f".{file_type}" in shape.formats else ".ply"
        with suppress(EmptyShapeError):
            written.append(shape.save(out / f"{i:03d}{suffix}", display.threshold))
    buffer = io.BytesIO()
    np.savez_compressed(buffer, z=z.numpy(), **_arrays(shapes))
    written += [out / "shapes.npz", out / "sheet.png"]
    write_atomic(written[-2], buffer.getvalue())
    columns = math.ceil(math.sqrt(len(shapes) / len(ANGLES)))
    write_png(written[-1], sheet(shown, display.threshold, columns, [f"{i:03d}" for i in range(len(shown))]))
    return written


def write_strip(out: Path, shapes: Sequence[Shape], display: Display) -> Path:
    """Write ``interpolation.png``, shapes on the way from one latent to another in one row."""
    path, shown = out / "interpolation.png", [display.of(shape) for shape in shapes]
    labels = [f"{i / (len(shown) - 1):.2f}" for i in range(len(shown))]
    write_png(path, sheet(shown, display.threshold, len(shown), labels))
    return path


def sheet(shapes: Sequence[Shape], level: float, columns: int, labels: Sequence[str]) -> Image.Image:
    """Every shape from the angles of `ANGLES`, row by row, each with its label below.

    Args:
        level: occupancy probability of the surface.
        columns: shapes per row.
    """
    wide, high = TILE * len(ANGLES) + GAP, TILE + LINE + GAP
    rows = math.ceil(len(shapes) / columns)
    canvas = Image.new("RGB", (columns * wide + GAP, rows * high + GAP), PAPER)
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(size=12)
    for i, (shape, label) in enumerate(zip(shapes, labels, strict=True)):
        x, y = GAP + i % columns * wide, GAP + i // columns * high
        canvas.paste(strip(shape, level, PALETTE[0], ANGLES, TILE), (x, y))
        put_text(draw, (x, y + TILE + 1), label, font, FAINT, wide)
    return canvas


def _arrays(shapes: Sequence[Shape]) -> dict[str, Any]:
    """What the model made, by name of the array; nothing of meshes, which have their files."""
    grids = [np.asarray(s.grid, np.float32) for s in shapes if s.grid is not None]
    clouds = [np.asarray(s.own_points, np.float32) for s in shapes if s.own_points is not None]
    return {name: np.stack(made) for name, made in (("voxels", grids), ("points", clouds)) if made}
