from __future__ import annotations

import io
import os
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from datasets import BadItem
from datasets.formats.images import fitted, has_alpha, read_mask, read_rgba

relaxed = settings(deadline=None, max_examples=40)
sides = hnp.array_shapes(min_dims=2, max_dims=2, max_side=9)


def saved(folder: Path, image: Image.Image, kind: str = "png", **options) -> Path:
    path = folder / f"picture.{kind}"
    image.save(path, **options)
    return path


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, depth: int, color: int, rows: bytes, *extra: bytes) -> bytes:
    """A PNG from its parts: rows begin with their filter byte."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + body + chunk(b"IEND", b"")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """One folder for all the examples of a property."""
    return tmp_path_factory.mktemp("pictures")


@relaxed
@given(data=st.data(), kind=st.sampled_from(["png", "webp", "tga", "tiff"]))
def test_rgba_round_trip(folder, data, kind):
    shape = data.draw(sides)
    rgba = data.draw(hnp.arrays(np.uint8, (*shape, 4)))
    options = {"lossless": True, "exact": True} if kind == "webp" else {}
    read = read_rgba(saved(folder, Image.fromarray(rgba), kind, **options))
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, rgba)


@relaxed
@given(data=st.data(), kind=st.sampled_from(["png", "bmp"]))
def test_rgb_is_opaque(folder, data, kind):
    rgb = data.draw(hnp.arrays(np.uint8, (*data.draw(sides), 3)))
    read = read_rgba(saved(folder, Image.fromarray(rgb), kind))
    np.testing.assert_array_equal(read[..., :3], rgb)
    assert (read[..., 3] == 255).all()


def test_gray_and_its_alpha(tmp_path):
    gray = np.arange(256, dtype=np.uint8).reshape(16, 16)
    read = read_rgba(saved(tmp_path, Image.fromarray(gray)))
    np.testing.assert_array_equal(read, np.stack([gray] * 3 + [np.full_like(gray, 255)], -1))
    both = Image.merge("LA", [Image.fromarray(gray), Image.fromarray(gray.T.copy())])
    read = read_rgba(saved(tmp_path, both))
    np.testing.assert_array_equal(read, np.stack([gray] * 3 + [gray.T], -1))


def test_palette_with_transparent_entries(tmp_path):
    image = Image.frombytes("P", (2, 2), bytes([0, 1, 2, 1]))
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    read = read_rgba(saved(tmp_path, image, transparency=b"\x00\x80"))
    expected = [[[10, 20, 30, 0], [40, 50, 60, 128]], [[70, 80, 90, 255], [40, 50, 60, 128]]]
    np.testing.assert_array_equal(read, expected)


def test_one_bit_and_cmyk(tmp_path):
    bits = np.array([[True, False], [False, True]])
    read = read_rgba(saved(tmp_path, Image.fromarray(bits)))
    np.testing.assert_array_equal(read[..., 0], bits * 255)
    ink = Image.new("CMYK", (8, 8), (0, 255, 255, 0))  # magenta and yellow: red
    read = read_rgba(saved(tmp_path, ink, "jpg", quality=95))
    np.testing.assert_allclose(read[4, 4], [255, 0, 0, 255], atol=3)


def test_16_bit_gray_reaches_white(tmp_path):
    values = np.array([[0, 1, 128, 129], [257, 32768, 65534, 65535]], np.uint16)
    read = read_rgba(saved(tmp_path, Image.fromarray(values)))
    np.testing.assert_array_equal(read[..., 0], np.round(values / 257))
    np.testing.assert_array_equal(read[..., 0], read[..., 2])
    assert read[-1, -1].tolist() == [255] * 4


def test_16_bit_gray_with_a_transparent_value(tmp_path):
    rows = b"\0" + struct.pack(">3H", 0, 7, 65535)
    (tmp_path / "a.png").write_bytes(png(3, 1, 16, 0, rows, chunk(b"tRNS", struct.pack(">H", 7))))
    assert read_rgba(tmp_path / "a.png", require_alpha=True)[0, :, 3].tolist() == [255, 0, 255]


def test_16_bit_rgba(tmp_path):
    rows = b"\0" + struct.pack(">8H", 65535, 0, 0x8000, 65535, 0x1234, 65535, 0, 0)
    (tmp_path / "a.png").write_bytes(png(2, 1, 16, 6, rows))
    expected = [[[255, 0, 0x80, 255], [0x12, 255, 0, 0]]]
    np.testing.assert_array_equal(read_rgba(tmp_path / "a.png"), expected)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["png", "jpg", "webp", "tiff"])
def test_exif_orientation(tmp_path, orientation, kind):
    rgb = np.zeros((16, 24, 3), np.uint8)
    rgb[:8, :8], rgb[8:, :8], rgb[8:, 16:] = (250, 0, 0), (0, 250, 0), (0, 0, 250)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path, Image.fromarray(rgb), kind, exif=exif)
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGBA"))
    assert expected.shape[:2] == ((16, 24) if orientation < 5 else (24, 16))
    np.testing.assert_array_equal(read_rgba(path), expected)


def test_stored_order_of_a_picture_that_exif_turns(tmp_path):
    rgb = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    path = saved(tmp_path, Image.fromarray(rgb), exif=exif)
    np.testing.assert_array_equal(read_rgba(path, upright=False)[..., :3], rgb)
    np.testing.assert_array_equal(read_rgba(path)[..., :3], np.rot90(rgb, -1))


def test_orientation_that_stands_for_nothing_leaves_the_picture(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 77
    path = saved(tmp_path, Image.new("RGB", (3, 2)), exif=exif)
    assert read_rgba(path).shape == (2, 3, 4)


BROKEN_EXIF = {
    "text": b"this is no EXIF",
    "nothing": b"",
    "header alone": b"Exif\0\0",
    "order alone": b"Exif\0\0MM\0*",
    "directory beyond the end": b"MM\0*\xff\xff\xff\xff",
    "directory cut off": b"Exif\0\0II*\0\x08\0\0\0\xff\xff",
    "entry cut off": b"II*\0\x08\0\0\0\x01\0\x12\x01\x03",
    "unknown type": b"II*\0\x08\0\0\0\x01\0\x12\x01\x63\0\1\0\0\0\6\0\0\0\0\0\0\0",
    "orientation is text": b"II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\2\0\0\0x\0\0\0\0\0\0\0",
    "many orientations": b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\xff\xff\0\0\6\0\0\0\0\0\0\0",
    "directory is itself": b"II*\0\0\0\0\0",
    "zeros": bytes(40),
    "ones": b"\xff" * 40,
}


@pytest.mark.parametrize("exif", BROKEN_EXIF)
@pytest.mark.parametrize("kind", ["png", "webp", "jpg"])
def test_broken_exif_counts_as_none(tmp_path, kind, exif):
    pixels = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
    options = {"lossless": True} if kind == "webp" else {}
    plain = read_rgba(saved(tmp_path, Image.fromarray(pixels), kind, **options))
    path = saved(tmp_path, Image.fromarray(pixels), kind, exif=BROKEN_EXIF[exif], **options)
    assert exif in ("nothing", "header alone") or BROKEN_EXIF[exif][6:] in path.read_bytes()
    for upright in (True, False):
        np.testing.assert_array_equal(read_rgba(path, upright=upright), plain)
    assert read_mask(path).shape == (16, 24) and has_alpha(path) is False


def test_broken_exif_in_the_text_of_a_png(tmp_path):
    """Where ImageMagick writes it: as hexadecimal digits, of which there may be anything."""
    text = chunk(b"tEXt", b"Raw profile type exif\0\nexif\n 8\nno digits\n")
    (tmp_path / "a.png").write_bytes(png(2, 1, 8, 0, b"\0\x07\x09", text))
    assert read_rgba(tmp_path / "a.png")[0, :, 0].tolist() == [7, 9]


def test_the_array_is_the_callers_own(tmp_path):
    assert read_rgba(saved(tmp_path, Image.new("RGBA", (2, 2)))).flags.writeable


def test_alpha_may_be_required(tmp_path):
    path = saved(tmp_path, Image.new("RGB", (2, 2)))
    with pytest.raises(BadItem, match=r"picture\.png: a picture of mode RGB without alpha"):
        read_rgba(path, require_alpha=True)
    assert read_rgba(saved(tmp_path, Image.new("RGBA", (2, 2))), require_alpha=True).shape == (2, 2, 4)


def test_alpha_is_found_without_decoding(tmp_path):
    gray = np.full((4, 5), 7, np.uint8)
    pictures = {
        "rgba.png": (Image.fromarray(np.dstack([gray] * 4)), True),
        "rgb.png": (Image.fromarray(np.dstack([gray] * 3)), False),
        "gray_alpha.png": (Image.fromarray(np.dstack([gray] * 2), "LA"), True),
        "photo.jpg": (Image.fromarray(gray), False),
    }
    for name, (image, expected) in pictures.items():
        image.save(tmp_path / name)
        assert has_alpha(tmp_path / name) is expected, name
    noise = np.random.default_rng(0).integers(0, 256, (30, 30, 4), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "cut.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:1000])
    assert has_alpha(tmp_path / "cut.png")
    (tmp_path / "none.png").write_bytes(b"")
    for name in ("none.png", "absent.png"):
        with pytest.raises(BadItem, match=name):
            has_alpha(tmp_path / name)


@pytest.mark.parametrize(
    ("size", "inner"),
    [
        ((10, 20), (0, 10, 0, 20)),
        ((30, 20), (10, 20, 0, 20)),
        ((10, 60), (0, 10, 20, 40)),
        ((40, 40), (10, 30, 0, 40)),
    ],
)
def test_fitted_into_a_size(size, inner):
    rgba = np.full((10, 20, 4), (10, 20, 30, 255), np.uint8)
    result = fitted(rgba, size)
    assert result.shape == (*size, 4) and result.dtype == np.uint8
    top, bottom, left, right = inner
    assert (result[top:bottom, left:right] == (10, 20, 30, 255)).all()
    result = result.copy()
    result[top:bottom, left:right] = 0
    assert not result[..., 3].any()


def test_fitting_weights_colours_by_alpha():
    rgba = np.zeros((8, 8, 4), np.uint8)
    rgba[:, :, 1] = 255  # green, where nothing is seen
    rgba[2:6, 2:6] = (200, 0, 0, 255)
    small = fitted(rgba, (4, 4))
    seen = small[small[..., 3] > 0]
    assert len(seen) >= 4 and (seen[:, 1] == 0).all() and (abs(seen[:, 0].astype(int) - 200) <= 4).all()


@relaxed
@given(data=st.data(), value=st.integers(1, 255))
def test_masks_of_two_values(folder, data, value):
    mask = data.draw(hnp.arrays(np.bool_, data.draw(sides)))
    read = read_mask(saved(folder, Image.fromarray(mask.astype(np.uint8) * np.uint8(value))))
    assert read.dtype == np.bool_
    np.testing.assert_array_equal(read, mask)


def test_masks_with_soft_edges_and_from_alpha(tmp_path):
    soft = np.array([[0, 127], [128, 255]], np.uint8)
    expected = [[False, False], [True, True]]
    np.testing.assert_array_equal(read_mask(saved(tmp_path, Image.fromarray(soft))), expected)
    rgba = np.full((2, 2, 4), 200, np.uint8)
    rgba[..., 3] = soft
    np.testing.assert_array_equal(read_mask(saved(tmp_path, Image.fromarray(rgba))), expected)
    red = np.zeros((2, 2, 3), np.uint8)
    red[..., 0] = soft
    np.testing.assert_array_equal(read_mask(saved(tmp_path, Image.fromarray(red))), expected)


def whole(kind: str) -> bytes:
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TGA", "TIFF"])
@pytest.mark.parametrize("part", [0.02, 0.3, 0.6, 0.95])
def test_truncated_pictures(tmp_path, kind, part):
    data = whole(kind)
    path = tmp_path / "cut.img"
    path.write_bytes(data[: int(len(data) * part)])
    with pytest.raises(BadItem, match=r"cut\.img: (corrupt image|no picture)"):
        read_rgba(path)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no picture, or an empty file; known formats are PNG, JPEG"),
        (b"#!/bin/sh\necho hello\n" * 20, "no picture, or an empty file; known formats"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no picture"),
        (b"\x89PNG\r\n\x1a\n", "no picture"),
        (png(4, 4, 8, 0, b"\0\0\0"), "corrupt image"),
        (b"P6 2 2 255\n" + bytes(12), "no picture"),
    ],
)
def test_hostile_files_are_named(tmp_path, data, reason):
    path = tmp_path / "picture.png"
    path.write_bytes(data)
    for read in (read_rgba, read_mask):
        with pytest.raises(BadItem, match=reason) as caught:
            read(path)
        assert str(path) in str(caught.value)


@pytest.mark.parametrize("mode", ["I", "F"])
def test_numbers_without_a_white_are_refused(tmp_path, mode):
    with pytest.raises(BadItem, match=rf"numbers of 32 bits \(mode {mode}\) have no fixed white"):
        read_rgba(saved(tmp_path, Image.new(mode, (2, 2), 1), "tif"))


def test_a_file_far_too_long_for_its_pixels_is_not_read(tmp_path):
    path = saved(tmp_path, Image.new("L", (2, 2)))
    with path.open("ab") as file:
        file.truncate(20_000_000)
    with pytest.raises(BadItem, match="20,000,000 bytes, the limit is 16,777,248"):
        read_rgba(path, max_pixels=4)


def test_what_the_decoder_reports_is_not_logged(tmp_path, caplog):
    data = bytearray(whole("TIFF"))
    place = data.index(struct.pack("<HH", 277, 3))  # samples per pixel
    data[place + 8 : place + 10] = struct.pack("<H", 2048)
    path = tmp_path / "samples.tif"
    path.write_bytes(data)
    with pytest.raises(BadItem):
        read_rgba(path)
    assert caplog.records == []
    with pytest.raises(UnidentifiedImageError):
        Image.open(path)
    assert "More samples per pixel" in caplog.text  # there is something to silence


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(BadItem, match=r"absent\.png: No such file"):
        read_rgba(tmp_path / "absent.png")
    with pytest.raises(BadItem, match="not a regular file"):
        read_rgba(tmp_path)


def test_limit_on_pixels(tmp_path):
    path = saved(tmp_path, Image.new("L", (30, 20)))
    assert read_rgba(path, max_pixels=600).shape == (20, 30, 4)
    with pytest.raises(BadItem, match="30 x 20 = 600 pixels, the limit is 599"):
        read_rgba(path, max_pixels=599)


def test_tiff_with_a_tile_of_gigabytes(tmp_path):
    one = {256: 16, 257: 16, 258: 8, 259: 5, 262: 1, 277: 1, 322: 60_000, 323: 50_000, 324: 200, 325: 50}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in one.items())
    path = tmp_path / "tile.tiff"
    path.write_bytes(b"II*\0" + struct.pack("<IH", 8, len(one)) + entries + bytes(400))
    with pytest.raises(BadItem, match=r"tile\.tiff: 60000 x 50000 = 3,000,000,000 pixels, the limit is"):
        read_rgba(path)


@pytest.mark.parametrize(
    ("width", "height", "reason"),
    [
        (8193, 8192, "67,117,056 pixels, the limit is 67,108,864"),
        (10_000, 10_000, "100,000,000 pixels, the limit is 67,108,864"),  # PIL warns here
        (20_000, 20_000, "too large: .*the limit here is 67,108,864 pixels"),  # and raises here
        (2**31 - 1, 2**31 - 1, "too large"),
    ],
)
def test_pictures_of_gigabytes_are_refused_before_they_are_decoded(
    tmp_path, monkeypatch, width, height, reason
):
    path = tmp_path / "bomb.png"
    path.write_bytes(png(width, height, 8, 6, bytes(1 << 24)))
    decoded = []
    monkeypatch.setattr(ImageFile.ImageFile, "load", decoded.append)
    with warnings.catch_warnings(record=True) as seen, pytest.raises(BadItem, match=reason):
        warnings.simplefilter("always")
        read_rgba(path)
    assert seen == []
    assert decoded == []


def test_broken_exif_is_no_warning(tmp_path):
    # a directory of 50 entries in a block that ends after one
    block = b"Exif\0\0II*\0\x08\0\0\0\x32\0" + struct.pack("<HHII", 0x0112, 3, 1, 6) + b"\x01"
    path = saved(tmp_path, Image.new("RGB", (3, 2)), "jpg", exif=block)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert read_rgba(path).size == 24
    assert seen == []


@settings(deadline=None, max_examples=150)
@given(
    noise=st.binary(max_size=300),
    kind=st.sampled_from(["", "PNG", "JPEG", "WEBP", "BMP", "GIF", "TGA", "TIFF"]),
)
def test_noise_is_a_picture_or_a_bad_item(folder, noise, kind):
    head = whole(kind)[: 30 + len(noise) % 40] if kind else b""
    path = folder / "noise.png"
    path.write_bytes(head + noise)
    for read in (read_rgba, read_mask):
        try:
            assert read(path, 10_000).size <= 40_000
        except BadItem as error:
            assert str(error).startswith(str(path))


@settings(deadline=None, max_examples=100)
@given(data=st.data(), kind=st.sampled_from(["PNG", "JPEG", "WEBP", "BMP", "GIF", "TGA", "TIFF"]))
def test_flipped_bytes_are_a_picture_or_a_bad_item(folder, data, kind):
    broken = bytearray(whole(kind))
    for place in data.draw(st.lists(st.integers(0, len(broken) - 1), min_size=1, max_size=5)):
        broken[place] = data.draw(st.integers(0, 255))
    path = folder / "flipped.img"
    path.write_bytes(broken)
    try:
        assert read_rgba(path, 1_000_000).dtype == np.uint8
    except BadItem as error:
        assert str(error).startswith(str(path))


@pytest.mark.data
def test_real_pictures():
    data = os.environ.get("R3D_SAMPLE_DATA")
    if not data:
        pytest.skip("R3D_SAMPLE_DATA is not set: the folder of real samples")
    render = min(Path(data).glob("r2n2/ShapeNetRendering/*/*/rendering/00.png"))
    assert read_rgba(render, require_alpha=True).shape == (137, 137, 4)
    photos = sorted(Path(data).glob("photos/chairs/*.jpg"))
    for path in photos:
        assert (read_rgba(path)[..., 3] == 255).all()
    with pytest.raises(BadItem, match="without alpha"):
        read_rgba(photos[0], require_alpha=True)
    masks = sorted(Path(data).glob("pix3d_layout/masks/*/*.png"))
    pictures = sorted(Path(data).glob("pix3d_layout/Images/*/*.png"))
    assert len(masks) == len(pictures) == 32
    for mask, picture in list(zip(masks, pictures, strict=True))[::8]:
        found = read_mask(mask)
        assert found.shape == read_rgba(picture).shape[:2] == (1080, 1920)
        assert 0.01 < found.mean() < 0.5
