"""Cut-outs of photographs by a turned camera, against the pinhole's equations and averages by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from datasets.sources.pix3d.photo import cut_out, look_at_box

SIZE = (40, 60)


def photo(height: int, width: int) -> np.ndarray:
    rgba = np.random.default_rng(0).integers(0, 256, (height, width, 4), dtype=np.uint8)
    rgba[..., 3] = 255
    return rgba


@pytest.mark.parametrize("times", [1, 2, 3])
def test_on_the_axis_pixels_are_averaged(times):
    """A window of 40 x 60 blocks of whole pixels round the principal point: their means, as PIL rounds."""
    pixels = photo(160, 240)
    height, width = SIZE[0] * times, SIZE[1] * times
    column, row = 120 - 13, 80 + 7  # the principal point need not be the middle
    box = (column - width / 4, row - height / 4, column + width / 4, row + height / 4)
    window = look_at_box(box, 500.0, (column, row), SIZE, 0.5)
    np.testing.assert_allclose(window.turn, np.eye(3), atol=1e-12)
    assert window.fov == pytest.approx(math.degrees(2 * math.atan(height / 2 / 500)))
    inside = pixels[row - height // 2 :, column - width // 2 :][:height, :width]
    blocks = inside.reshape(SIZE[0], times, SIZE[1], times, 4).astype(float).mean((1, 3))
    found = cut_out(pixels, 500.0, (column, row), window, SIZE)
    assert np.abs(found - blocks).max() <= 1.5
    assert (found[..., 3] == 255).all()
    if times == 1:
        np.testing.assert_array_equal(found, inside)


@pytest.mark.parametrize("middle", [(400, 120), (60, 330), (250, 200)])
@pytest.mark.parametrize("focal", [220.0, 600.0])
def test_off_the_axis_every_pixel_shows_its_ray(middle, focal):
    """A photograph whose colours are its coordinates: each pixel must show where its ray went."""
    height, width = 400, 500
    rows, columns = np.mgrid[0.5:height, 0.5:width]
    ramps = [columns / width, rows / height, np.zeros_like(rows), np.ones_like(rows)]
    pixels = np.rint(np.stack(ramps, -1) * 255).astype(np.uint8)
    principal = (240.0, 190.0)
    box = (middle[0] - 20, middle[1] - 30, middle[0] + 20, middle[1] + 30)
    window = look_at_box(box, focal, principal, SIZE, 0.8)
    found = cut_out(pixels, focal, principal, window, SIZE)
    v, u = np.mgrid[0.5 : SIZE[0], 0.5 : SIZE[1]]
    focal_out = SIZE[0] / 2 / math.tan(math.radians(window.fov) / 2)
    rays = np.stack([(u - SIZE[1] / 2) / focal_out, (v - SIZE[0] / 2) / focal_out, np.ones_like(u)], -1)
    x, y, z = np.moveaxis(rays @ window.turn, -1, 0)  # the inverse turn
    seen = np.stack([(principal[0] + focal * x / z) / width, (principal[1] + focal * y / z) / height], -1)
    within = ((seen > 0.01) & (seen < 0.99)).all(-1)
    assert within.mean() > 0.6
    np.testing.assert_allclose(found[within][:, :2], 255 * seen[within], atol=1.5)
    assert (found[within][:, 3] == 255).all()
    outside = ((seen < -0.01) | (seen > 1.01)).any(-1)
    assert (found[outside] == 0).all()


@pytest.mark.parametrize("size", [(64, 64), (40, 90), (90, 40)])
def test_the_turned_box_fills_its_share(size):
    focal, principal, box = 300.0, (200.0, 150.0), (250.0, 20.0, 390.0, 110.0)
    window = look_at_box(box, focal, principal, size, 0.7)
    corners = [(u, v) for u in box[::2] for v in box[1::2]]
    rays = np.array([((u - principal[0]) / focal, (v - principal[1]) / focal, 1) for u, v in corners])
    x, y, z = (rays @ window.turn.T).T
    half = math.tan(math.radians(window.fov) / 2)
    across, down = np.abs(x / z).max() / (half * size[1] / size[0]), np.abs(y / z).max() / half
    assert max(across, down) == pytest.approx(0.7)
    middle = np.array([(320 - principal[0]) / focal, (65 - principal[1]) / focal, 1])
    np.testing.assert_allclose(window.turn @ middle, [0, 0, np.linalg.norm(middle)], atol=1e-12)


def test_small_objects_are_enlarged():
    pixels = photo(50, 50)
    window = look_at_box((20, 20, 30, 30), 100.0, (25, 25), (100, 100), 1.0)
    found = cut_out(pixels, 100.0, (25, 25), window, (100, 100))
    middles = found[5::10, 5::10]  # close to the middles of the ten photographed pixels
    assert np.abs(middles.astype(int) - pixels[20:30, 20:30]).mean() < 10


def test_colours_are_weighted_by_alpha():
    pixels = np.zeros((20, 20, 4), np.uint8)
    pixels[:, 1::2] = (200, 100, 50, 255)
    pixels[:, ::2] = (255, 255, 255, 0)  # a hidden colour that must not bleed in
    window = look_at_box((5, 5, 15, 15), 100.0, (10, 10), (5, 5), 1.0)
    found = cut_out(pixels, 100.0, (10, 10), window, (5, 5))
    np.testing.assert_allclose(found[..., :3], np.broadcast_to([200, 100, 50], (5, 5, 3)), atol=1)
    np.testing.assert_allclose(found[..., 3], 128, atol=1)


def test_boxes_that_no_single_look_can_hold():
    with pytest.raises(ValueError, match="too wide for one look at a focal length of 10 pixels"):
        look_at_box((190, 199, 250, 201), 10.0, (200, 200), SIZE, 1.0)
    with pytest.raises(ValueError, match="reaches behind the camera"):
        look_at_box((0, 150, 200, 250), 60.0, (200, 200), SIZE, 0.3)
