"""The channels besides the colours: masks and depth, at the same places as the colours whatever happens."""

import pytest
import torch

from zoo.transforms.preprocess import Preprocess, PreprocessConfig, nearness
from zoo.types import ContractError

INF = float("inf")
EVERYTHING = {
    "size": (12, 9),
    "crop": 0.7,
    "flip": True,
    "jitter": (0.3, 0.3, 0.3),
    "background_train": (0.2, 0.9),
    "mean": (0.4, 0.5, 0.6),
    "std": (0.2, 0.3, 0.4),
}


def prepared(rgba, maps=None, training=False, seed=0, **config):
    settings = PreprocessConfig.model_validate({"size": tuple(rgba.shape[-2:]), **config})
    generator = torch.Generator().manual_seed(seed)
    return Preprocess(settings)(rgba, training=training, generator=generator, depth=maps)


def pictures(batch=4, views=2, size=(16, 20), seed=3):
    """Noise with a round object, and depth on it: (B, V, 4, H, W) uint8 and (B, V, H, W)."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.randint(256, (batch, views, 4, *size), dtype=torch.uint8, generator=generator)
    rows, columns = (torch.linspace(-1, 1, side) for side in size)
    there = rows[:, None] ** 2 + columns**2 < 0.7
    image[:, :, 3] = 255 * there
    depth = 1 + torch.rand(batch, views, *size, generator=generator)
    return image, torch.where(there, depth, INF)


def same_in_red_and_depth(batch=40, size=(16, 20), seed=0):
    """Opaque pictures whose red is the nearness: 255 at the nearest point, 0 at the farthest."""
    red = torch.randint(256, (batch, 1, *size), dtype=torch.uint8, generator=torch.manual_seed(seed))
    red[..., 0, 0], red[..., -1, -1] = 255, 0
    image = torch.zeros(batch, 1, 4, *size, dtype=torch.uint8)
    image[:, :, 0], image[:, :, 3] = red, 255
    return image, 3.0 - 1.5 * red.float() / 255


# --- nearness


def test_nearest_is_one_and_farthest_and_background_are_zero():
    depth = torch.tensor([[[2.0, INF], [4.0, 2.5]], [[INF, 1.0], [1.5, INF]]])
    want = torch.tensor([[[1.0, 0.0], [0.0, 0.75]], [[0.0, 1.0], [0.0, 0.0]]])
    torch.testing.assert_close(nearness(depth), want)


def test_each_picture_has_its_own_range():
    _, depth = pictures()
    flat = depth.flatten(0, 1)
    near = nearness(flat)
    assert near.flatten(1).amax(1).tolist() == [1.0] * 8
    assert near.amin() == 0
    torch.testing.assert_close(nearness(2 * flat + 7), near, rtol=0, atol=1e-5)


def test_flat_and_empty_pictures_are_finite():
    assert torch.equal(nearness(torch.full((1, 2, 2), INF)), torch.zeros(1, 2, 2))
    assert torch.equal(nearness(torch.full((1, 2, 2), 1.5)), torch.zeros(1, 2, 2))


@pytest.mark.parametrize("size", [(16, 20), (7, 7), (50, 41)])
def test_the_range_is_zero_to_one_at_any_size(size):
    image, depth = pictures()
    out = prepared(image, depth, size=size, depth=True)
    assert out.shape == (4, 2, 4, *size)
    assert out[:, :, 3].min() >= 0
    assert 0.5 < out[:, :, 3].max() <= 1


# --- masks


@pytest.mark.parametrize(("mask", "values"), [("background", (1.0, 0.8, 0.0)), ("object", (0.0, 0.2, 1.0))])
def test_a_mask_is_alpha_or_what_is_left_of_it(mask, values):
    image = torch.zeros(1, 1, 4, 1, 3, dtype=torch.uint8)
    image[0, 0, 3, 0] = torch.tensor([0, 51, 255])
    out = prepared(image, mask=mask, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    torch.testing.assert_close(out[0, 0, 3, 0], torch.tensor(values))  # not normalised


@pytest.mark.parametrize(("mask", "outside"), [("background", 1.0), ("object", 0.0)])
def test_what_is_padded_is_background(mask, outside):
    image = torch.full((1, 1, 4, 4, 8), 255, dtype=torch.uint8)
    out = prepared(image, size=(8, 8), mask=mask)[0, 0, 3]
    assert torch.equal(out[:2], torch.full((2, 8), outside))
    assert torch.equal(out[-2:], torch.full((2, 8), outside))
    assert torch.equal(out[2:-2], torch.full((4, 8), 1 - outside))


def test_masks_are_complements():
    image, _ = pictures()
    there, not_there = (
        prepared(image, size=(7, 7), crop=0.8, mask=m)[:, :, 3] for m in ("object", "background")
    )
    torch.testing.assert_close(there + not_there, torch.ones_like(there))
    assert 0 < there.mean() < 1


# --- aligned with the colours


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"crop": 0.6},
        {"size": (9, 13)},
        {"size": (40, 24)},
        {"flip": True},
        {"crop": 0.6, "size": (24, 24), "flip": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("training", [False, True])
def test_depth_lies_where_the_colours_lie(config, training):
    """Black behind the pictures, so that padding is 0 in both."""
    image, depth = same_in_red_and_depth()
    out = prepared(image, depth, training, depth=True, background=0.0, **config)
    torch.testing.assert_close(out[:, :, 3], out[:, :, 0], rtol=0, atol=1e-5)
    assert out[:, :, 3].std() > 0.05


def test_a_mask_lies_where_the_colours_lie():
    """A white object before black: its red is its alpha."""
    image, _ = pictures(batch=20)
    image[:, :, :3] = 255
    for training in (False, True):
        out = prepared(
            image,
            training=training,
            size=(24, 24),
            crop=0.6,
            flip=True,
            background=0.0,
            mask="object",
        )
        torch.testing.assert_close(out[:, :, 3], out[:, :, 0])


# --- the other channels


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("training", [False, True])
def test_the_other_channels_stay_as_they_are_to_the_bit(training, channels):
    image, depth = pictures()
    config = dict(EVERYTHING, channels=channels, mean=(0.5,) * channels, std=(0.3,) * channels)

    def made(**more):
        out = prepared(image, depth, training, **config, **more)
        assert out.shape[2] == channels + len(more)
        return out

    plain = made()
    masked, near, both = made(mask="object"), made(depth=True), made(mask="object", depth=True)
    for out in (masked, near, both):
        assert torch.equal(out[:, :, :channels], plain)
    assert torch.equal(both[:, :, channels], masked[:, :, channels])
    assert torch.equal(both[:, :, channels + 1], near[:, :, channels])


def test_depth_is_asked_for_where_it_is_read():
    image, _ = pictures()
    with pytest.raises(ContractError, match="but the pictures come without depth"):
        prepared(image, depth=True)
