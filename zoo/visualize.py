"""Small pictures of shapes, and the text beside them: what galleries and sheets are made of.

Drawn by the zoo's own renderer and Pillow: no display, no window system, no plotting server.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from colorsys import hsv_to_rgb
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from zoo.files import write_atomic
from zoo.geometry.camera import Camera
from zoo.geometry.mesh import FAR, ColoredMesh, Mesh
from zoo.geometry.render import render
from zoo.shapes import Shape
from zoo.system.text import printable

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

INK, FAINT, RULE = (32, 34, 40), (120, 124, 134), (208, 211, 218)
PAPER, TILE = (255, 255, 255), (246, 247, 249)
TRUTH = (0.78, 0.78, 0.80)
PALETTE = (
    (0.38, 0.60, 0.86),
    (0.95, 0.64, 0.33),
    (0.42, 0.73, 0.53),
    (0.85, 0.50, 0.60),
    (0.62, 0.54, 0.82),
    (0.87, 0.77, 0.36),
    (0.36, 0.74, 0.78),
    (0.70, 0.60, 0.50),
)
FOV, DISTANCE = 25.0, 3.2  # a long lens: little perspective, and a shape with longest edge 1 fills the tile


def strip(
    shape: Shape,
    level: float,
    color: tuple[float, float, float],
    angles: Sequence[tuple[float, float]],
    tile: int,
) -> Image.Image:
    """All views of one shape side by side, or a tile that says 'empty' or that it lies out of sight.

    Args:
        level: occupancy probability of the surface that is drawn.
        color: RGB in [0, 1].
        angles: azimuth and elevation of each view in degrees.
        tile: edge of one view in pixels.
    """
    canvas = Image.new("RGB", (tile * len(angles), tile), TILE)
    found = _drawable(shape, level)
    if found is None or np.abs(found.mesh.vertices).max(initial=0) > FAR:
        font, word = ImageFont.load_default(size=14), "empty" if found is None else "out of sight"
        ImageDraw.Draw(canvas).text((canvas.width / 2, tile / 2), word, fill=FAINT, font=font, anchor="mm")
        return canvas
    for i, (azimuth, elevation) in enumerate(angles):
        camera = Camera(azimuth, elevation, DISTANCE, fov=FOV)
        size, colors = (tile, tile), found.face_colors
        picture = Image.fromarray(
            render(found.mesh, camera, size, 3, color, face_colors=colors, smooth=True).rgba
        )
        canvas.paste(picture, (i * tile, 0), picture)
    return canvas


def _drawable(shape: Shape, level: float, points: int = 2000, radius: float = 0.011) -> ColoredMesh | None:
    """The surface, its patches told apart by colour; a point cloud becomes small octahedra."""
    mesh = shape.mesh(level)
    if mesh is not None:
        patch = shape.parts
        return ColoredMesh(mesh, None if patch is None or not patch.any() else _patch_colors(patch))
    cloud = shape.points(points, np.random.default_rng(0), level)
    if not len(cloud):
        return None
    corners = radius * np.concatenate([np.eye(3), -np.eye(3)])
    eight = [[0, 1, 2], [1, 3, 2], [3, 4, 2], [4, 0, 2], [1, 0, 5], [3, 1, 5], [4, 3, 5], [0, 4, 5]]
    vertices = (cloud[:, None] + corners).reshape(-1, 3)
    faces = np.array(eight) + 6 * np.arange(len(cloud))[:, None, None]
    return ColoredMesh(Mesh(vertices, faces.reshape(-1, 3)))


def _patch_colors(patch: np.ndarray) -> np.ndarray:
    """The colour of each face (F, 3) by its patch: hues by the golden ratio stay apart, however many."""
    hues = np.arange(patch.max() + 1) * (5**0.5 - 1) / 2 % 1
    return np.array([hsv_to_rgb(hue, 0.5, 0.92) for hue in hues])[patch]


def put_text(
    draw: ImageDraw.ImageDraw,
    place: tuple[int, int],
    text: str,
    font: Font,
    color: tuple[int, int, int],
    width: int,
) -> None:
    """One line, shortened in the middle to the width: ids differ at both ends. No sign breaks it."""
    text = printable(text)
    short, keep = text, len(text)
    while draw.textlength(short, font=font) > width and keep > 2:
        keep -= 1
        short = text[: (keep + 1) // 2] + "..." + text[len(text) - keep // 2 :]
    draw.text(place, short, fill=color, font=font)


def write_png(path: Path, picture: Image.Image) -> None:
    """Write a picture as a PNG, atomically."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    write_atomic(path, buffer.getvalue())
