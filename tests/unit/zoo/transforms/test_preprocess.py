"""Preprocessing of stored pictures, against values worked out by hand."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance

from zoo.transforms.preprocess import LUMA, Preprocess, PreprocessConfig


def run(rgba, training=False, seed=0, **config):
    config = PreprocessConfig.model_validate({"size": tuple(rgba.shape[-2:]), **config})
    generator = torch.Generator().manual_seed(seed)
    return Preprocess(config)(rgba, training=training, generator=generator)


def plain(colour, size=(4, 4), alpha=255, batch=1, views=1):
    pixel = torch.tensor([*colour, alpha], dtype=torch.uint8)
    return pixel[:, None, None].expand(batch, views, 4, *size).contiguous()


def noise(size=(6, 8), batch=2, views=3, alpha=None):
    image = torch.randint(256, (batch, views, 4, *size), dtype=torch.uint8, generator=torch.manual_seed(3))
    if alpha is not None:
        image[:, :, 3] = alpha
    return image


def ramp(height, width):
    """Opaque; red is 10 times the row, green 10 times the column."""
    image = torch.zeros(1, 1, 4, height, width, dtype=torch.uint8)
    image[0, 0, 0] = 10 * torch.arange(height)[:, None]
    image[0, 0, 1] = 10 * torch.arange(width)
    image[0, 0, 3] = 255
    return image


def test_opaque_pictures_of_the_right_size_only_change_their_scale():
    rgba = noise(alpha=255)
    assert torch.equal(run(rgba), rgba[:, :, :3].float() / 255)


def test_every_byte_survives():
    image = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 1, 16, 16).repeat(1, 1, 4, 1, 1)
    image[:, :, 3] = 255
    back = (run(image) * 255).round().to(torch.uint8)
    assert torch.equal(back, image[:, :, :3])


@pytest.mark.parametrize(
    ("colour", "gray"),
    [
        ((255, 0, 0), 0.299),
        ((0, 255, 0), 0.587),
        ((0, 0, 255), 0.114),
        ((255, 255, 255), 1.0),
        ((0, 0, 0), 0.0),
    ],
)
def test_gray_is_luma_of_red_green_blue(colour, gray):
    out = run(plain(colour), channels=1)
    assert out.shape == (1, 1, 1, 4, 4)
    torch.testing.assert_close(out, torch.full_like(out, gray), rtol=0, atol=1e-6)


def test_gray_mixes_linearly():
    rgba = noise(alpha=255)
    want = sum(w * rgba[:, :, i].float() / 255 for i, w in enumerate(LUMA))
    torch.testing.assert_close(run(rgba, channels=1)[:, :, 0], want)


@pytest.mark.parametrize("background", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("alpha", [0, 51, 255])
def test_straight_alpha_is_composited(background, alpha):
    out = run(plain((255, 102, 0), alpha=alpha), background=background)
    a = alpha / 255
    for channel, colour in enumerate((1.0, 0.4, 0.0)):
        want = torch.full((4, 4), a * colour + (1 - a) * background)
        torch.testing.assert_close(out[0, 0, channel], want)


def test_colours_under_transparent_pixels_never_show():
    """Red hides in the transparent half; at no size does the picture become reddish."""
    image = plain((0, 0, 0), size=(32, 32)).clone()
    image[..., 16:] = torch.tensor([255, 0, 0, 0], dtype=torch.uint8)[:, None, None]
    for size in ((32, 32), (11, 11), (50, 50)):
        out = run(image, size=size, background=0.0)
        assert out.max() == 0
        gray = run(image, size=size, background=1.0)
        torch.testing.assert_close(gray[:, :, 0], gray[:, :, 1])


def test_a_picture_of_one_colour_stays_one_colour_at_any_size():
    for size in ((3, 3), (48, 48), (7, 7)):
        out = run(plain((51, 102, 153), size=(16, 16)), size=size)
        for channel, colour in enumerate((0.2, 0.4, 0.6)):
            torch.testing.assert_close(out[0, 0, channel], torch.full(size, colour))


def test_shrinking_takes_the_mean_of_what_it_covers():
    image = plain((0, 0, 0), size=(8, 8)).clone()
    image[:, :, :3, :, ::2] = 255  # columns of white and black
    out = run(image, size=(2, 2))
    torch.testing.assert_close(out, torch.full_like(out, 0.5), atol=0.08, rtol=0)


@pytest.mark.parametrize(
    ("stored", "size", "inner"),
    [((8, 4), (8, 8), (8, 4)), ((4, 8), (8, 8), (4, 8)), ((4, 4), (4, 8), (4, 4)), ((2, 4), (8, 8), (4, 8))],
)
def test_other_aspects_are_padded_never_stretched(stored, size, inner):
    out = run(plain((0, 0, 0), size=stored), size=size, background=1.0)[0, 0, 0]
    dark = out < 0.5
    rows, columns = dark.any(1).nonzero().flatten(), dark.any(0).nonzero().flatten()
    assert (len(rows), len(columns)) == inner
    assert dark.sum() == inner[0] * inner[1], "the object must stay a full rectangle"
    top, left = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    assert (rows[0], columns[0]) == (top, left), "in the middle"
    assert torch.equal(out[~dark], torch.ones(size[0] * size[1] - inner[0] * inner[1]))


def test_pictures_of_extreme_aspect_keep_a_pixel():
    out = run(plain((0, 0, 0), size=(2, 400)), size=(16, 16))
    assert (out[0, 0, 0] < 0.5).sum() == 16


def test_centre_crop_outside_training():
    out = run(ramp(10, 20), size=(5, 10), crop=0.5)
    assert torch.equal((out[0, 0, 0, :, 0] * 25.5).round(), torch.arange(2.0, 7.0))
    assert torch.equal((out[0, 0, 1, 0] * 25.5).round(), torch.arange(5.0, 15.0))


def test_tiny_crops_keep_a_pixel():
    assert run(noise(alpha=255), size=(4, 4), crop=0.01).shape == (2, 3, 3, 4, 4)


def test_random_crops_are_windows_from_everywhere():
    batch = ramp(10, 20).expand(64, 1, 4, 10, 20)
    out = (run(batch, training=True, size=(5, 10), crop=0.5) * 25.5).round()
    tops, lefts = out[:, 0, 0, 0, 0], out[:, 0, 1, 0, 0]
    for image, top, left in zip(out[:, 0], tops, lefts, strict=True):
        assert torch.equal(image[0], (top + torch.arange(5.0))[:, None].expand(5, 10))
        assert torch.equal(image[1], (left + torch.arange(10.0)).expand(5, 10))
    assert set(tops.tolist()) == set(range(6)), "every row from the first to the last that fits"
    assert (lefts.min(), lefts.max()) == (0, 10)


def test_random_crops_follow_the_generator():
    image = noise(size=(10, 20), alpha=255)
    config = {"training": True, "size": (5, 10), "crop": 0.5}
    assert torch.equal(run(image, seed=1, **config), run(image, seed=1, **config))
    assert not torch.equal(run(image, seed=1, **config), run(image, seed=2, **config))


def test_training_background_is_drawn_per_image_and_channel():
    image = plain((9, 9, 9), alpha=0, batch=40, views=2)
    out = run(image, training=True, background_train=(0.2, 0.6)).flatten(0, 1)
    fills = out[:, :, 0, 0]
    assert torch.equal(out, fills[:, :, None, None].expand_as(out)), "one value all over an image"
    assert 0.2 <= fills.min() < 0.25
    assert 0.55 < fills.max() <= 0.6
    assert len(fills.unique()) == 240


def test_evaluation_uses_the_fixed_background():
    out = run(plain((9, 9, 9), alpha=0), background=0.3, background_train=(0.8, 0.9))
    torch.testing.assert_close(out, torch.full_like(out, 0.3))


def test_flip_mirrors_half_of_the_images_in_training_only():
    image = ramp(4, 8).expand(200, 1, 4, 4, 8)
    plain_out, out = run(image, flip=True), run(image, training=True, flip=True)
    kept = (out == plain_out).flatten(1).all(1)
    turned = (out == plain_out.flip(-1)).flatten(1).all(1)
    assert torch.equal(kept, ~turned)
    assert 70 < kept.sum() < 130


# --- colours


def factors_of(seed, count, jitter):
    """The factors that a seed gives, one row per picture."""
    drawn = torch.rand(count, 3, generator=torch.Generator().manual_seed(seed)).double()
    return 1 + torch.tensor(jitter, dtype=torch.float64) * (2 * drawn - 1)


def jittered_by_pillow(image, factors):
    """One opaque picture (3, H, W) in [0, 1], in steps of 1 / 255."""
    picture = Image.fromarray((image * 255).round().to(torch.uint8).permute(1, 2, 0).numpy())
    enhancers = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)
    for enhancer, factor in zip(enhancers, factors.tolist(), strict=True):
        picture = enhancer(picture).enhance(factor)
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1) / 255


@pytest.mark.parametrize(
    ("jitter", "roundings"),
    [((0.5, 0, 0), 1), ((0, 0.7, 0), 2), ((0, 0, 0.9), 2), ((0.3, 0.4, 1.0), 5)],
)
def test_opaque_pictures_change_as_in_pillow(jitter, roundings):
    rgba = noise(size=(9, 11), alpha=255)
    out = run(rgba, training=True, seed=5, jitter=jitter).flatten(0, 1)
    before = run(rgba).flatten(0, 1)
    for image, plain_image, factors in zip(out, before, factors_of(5, 6, jitter), strict=True):
        want = jittered_by_pillow(plain_image, factors)
        torch.testing.assert_close(image, want, atol=roundings / 255, rtol=0)
        assert (image - plain_image).abs().max() > 2 * roundings / 255


def test_transparent_pictures_change_as_the_object_alone_would():
    """Half of the picture is object; the same colours as an opaque picture of half the size."""
    half = noise(size=(8, 5), alpha=255)
    nothing = plain((200, 10, 90), size=(8, 5), alpha=0).expand_as(half)
    whole = torch.cat([half, nothing], -1)
    options = {"training": True, "seed": 2, "jitter": (0.4, 0.5, 0.6), "background": 0.3}
    out = run(whole, **options)
    torch.testing.assert_close(out[..., :5], run(half, **options))
    assert torch.equal(out[..., 5:], torch.full_like(out[..., 5:], 0.3)), "what lies behind keeps its value"


def test_pixels_that_are_partly_covered_change_by_what_covers_them():
    """Of one colour, so that contrast and the mean do not depend on the coverage."""
    options = {"training": True, "seed": 4, "jitter": (0.5, 0.5, 0.5)}
    opaque = run(plain((200, 100, 50)), **options)[0, 0]
    for background in (0.0, 1.0):
        out = run(plain((200, 100, 50), alpha=102), background=background, **options)[0, 0]
        torch.testing.assert_close(out, 0.4 * opaque + 0.6 * background)


def test_colours_are_drawn_per_picture_from_the_generator():
    image = plain((100, 100, 100), batch=40, views=2)
    values = run(image, training=True, jitter=(0.5, 0, 0))[:, :, 0, 0, 0].flatten() / (100 / 255)
    assert len(values.unique()) == 80
    assert 0.5 <= values.min() < 0.55
    assert 1.45 < values.max() <= 1.5
    again = run(image, training=True, jitter=(0.5, 0, 0))[:, :, 0, 0, 0].flatten() / (100 / 255)
    assert torch.equal(values, again)
    other = run(image, training=True, seed=1, jitter=(0.5, 0, 0))[:, :, 0, 0, 0].flatten() / (100 / 255)
    assert not torch.equal(values, other)


def test_colours_stay_as_they_are_outside_training():
    image = noise()
    assert torch.equal(run(image, jitter=(0.5, 0.5, 0.5)), run(image))


@pytest.mark.parametrize("jitter", [[0.1, 1.5, 0], [-0.1, 0, 0]])
def test_factors_below_zero_are_not_asked_for(jitter):
    with pytest.raises(ValueError, match=r"jitter must be within \[0, 1\], got"):
        PreprocessConfig.model_validate({"jitter": jitter})


def test_an_empty_picture_has_no_colours_to_change():
    image = plain((9, 9, 9), alpha=0)
    assert torch.equal(run(image, training=True, jitter=(1, 1, 1)), torch.ones(1, 1, 3, 4, 4))


def test_normalisation_is_the_last_step():
    mean, std = (0.1, 0.2, 0.3), (0.5, 2.0, 4.0)
    out = run(plain((51, 102, 255), alpha=255), mean=mean, std=std)
    want = [(v - m) / s for v, m, s in zip((0.2, 0.4, 1.0), mean, std, strict=True)]
    torch.testing.assert_close(out[0, 0, :, 0, 0], torch.tensor(want))
    white = run(plain((0, 0, 0), alpha=0), mean=mean, std=std)
    torch.testing.assert_close(white[0, 0, 2, 0, 0], torch.tensor((1 - 0.3) / 4))
    only_mean = run(plain((255, 255, 255)), channels=1, mean=(0.5,))
    torch.testing.assert_close(only_mean[0, 0, 0, 0, 0], torch.tensor(0.5))


def test_training_changes_nothing_that_is_not_asked_for():
    image = noise(size=(9, 7))
    assert torch.equal(run(image, size=(8, 8)), run(image, training=True, size=(8, 8)))


def test_views_and_batch_keep_their_places():
    image = noise(size=(6, 6))
    out = run(image, size=(4, 4))
    assert out.shape == (2, 3, 3, 4, 4)
    torch.testing.assert_close(out[1, 2], run(image[1:, 2:], size=(4, 4))[0, 0])


def test_the_range_is_zero_to_one():
    for jitter in ((0, 0, 0), (1, 1, 1)):
        out = run(noise(size=(50, 31), batch=3), training=True, size=(48, 48), jitter=jitter)
        assert out.min() >= 0
        assert out.max() <= 1
