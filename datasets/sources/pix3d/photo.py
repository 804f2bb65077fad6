"""A photograph's object, cut out as a camera would see it that looks straight at it.

The zoo's camera looks at the object. A photograph's rarely does, and a plain cut-out of an object that stands
off the optical axis is stretched: no camera that looks at the object could have taken it. So the camera is
turned, about its own centre, to the middle of the object's box. What it sees then is known from the focal
length alone: the turn moves pixels (a homography) and needs neither depth nor pose. An object on the axis is
cut out as it is; t degrees off, its picture shrinks by up to cos(t)^2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from zoo.geometry.camera import turn_towards


@dataclass(frozen=True)
class Window:
    """Where a camera looks that was turned to an object, and how much it sees.

    Attributes:
        turn: (3, 3) from coordinates of the photograph's camera to those of the turned one.
        fov: vertical field of view of the turned camera, degrees; its optical axis meets the middle.
    """

    turn: np.ndarray
    fov: float


def look_at_box(
    box: tuple[float, float, float, float],
    focal: float,
    principal: tuple[float, float],
    size: tuple[int, int],
    share: float,
) -> Window:
    """The window in which an object's box fills a given share of the picture.

    Args:
        box: left, upper, right and lower border in pixels of the photograph.
        focal: focal length in pixels.
        principal: column and row where the optical axis meets the photograph.
        size: (height, width) of the cut-out.
        share: of the picture's height or width, whichever the turned box fills first; in (0, 1].

    Raises:
        ValueError: the box or the picture round it reaches beyond a right angle from the new axis.
    """
    left, upper, right, lower = box
    corners = _rays([(u, v) for u in (left, right) for v in (upper, lower)], focal, principal)
    turn = turn_towards(_rays([((left + right) / 2, (upper + lower) / 2)], focal, principal)[0])
    turned = corners @ turn.T
    aspect = size[1] / size[0]
    if not turned[:, 2].min() > 0:
        raise ValueError(f"box {box} is too wide for one look at a focal length of {focal:g} pixels")
    across, down = np.abs(turned[:, :2] / turned[:, 2:]).max(0)
    half = max(across / aspect, down) / share
    frame = np.array([(x * half * aspect, y * half, 1) for x in (-1, 1) for y in (-1, 1)])
    if not (frame @ turn)[:, 2].min() > 0:
        raise ValueError(
            f"the picture round box {box} reaches behind the camera ({focal:g} pixels focal length)"
        )
    return Window(turn, math.degrees(2 * math.atan(half)))


def cut_out(
    photo: np.ndarray, focal: float, principal: tuple[float, float], window: Window, size: tuple[int, int]
) -> np.ndarray:
    """What the turned camera sees of a photograph.

    Sampled bicubically, as finely as the photograph or more, and averaged over each pixel, with colours
    weighted by alpha. PIL cuts fractions off, so textures come out half a level of 255 too dark; even areas
    do not. What lies outside the photograph is transparent.

    Args:
        photo: uint8 RGBA (H, W, 4), straight alpha.
        focal, principal: of the photograph, in its pixels.
        window: from `look_at_box`.
        size: (height, width) of the result.

    Returns:
        uint8 RGBA (*size, 4), straight alpha.
    """
    height, width = size
    focal_out = 0.5 * height / math.tan(math.radians(window.fov) / 2)
    # pixels of the photograph per pixel of the result: the turn stretches by 1 / cos^2 at most
    finer = max(1, math.ceil(focal / focal_out / window.turn[2, 2] ** 2 - 1e-6))
    to_photo = (
        np.array([[focal, 0, principal[0]], [0, focal, principal[1]], [0, 0, 1]])
        @ window.turn.T
        @ np.array([[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, focal_out]])
        @ np.diag([1 / finer, 1 / finer, 1])
    )
    to_photo /= to_photo[2, 2]
    # PIL weights by alpha where it resamples RGBA, and fills with transparency
    drawn = Image.fromarray(photo).transform(
        (width * finer, height * finer),
        Image.Transform.PERSPECTIVE,
        to_photo.ravel()[:8].tolist(),
        Image.Resampling.BICUBIC,
    )
    return np.array(drawn.reduce(finer))


def _rays(pixels: list[tuple[float, float]], focal: float, principal: tuple[float, float]) -> np.ndarray:
    """Directions (N, 3) in which a camera sees points of its picture."""
    return np.array([((u - principal[0]) / focal, (v - principal[1]) / focal, 1.0) for u, v in pixels])
