"""Pictures, by PIL, with what PIL leaves to its callers: one layout, one error, a limit on size.

The size in the header is compared with a limit before anything is decoded: a file of kilobytes may unpack to
gigabytes.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from zoo.system.limited import UnreadableFile as UnreadableFile
from zoo.system.limited import read_limited
from zoo.system.quiet import silenced

MAX_PIXELS = 8192**2
"""Default limit on height x width of one file: 256 MiB as RGBA, of which there are up to five at a time."""

_BYTES_PER_PIXEL = 8
_MAX_REST = 16 << 20
"""Bytes that a file may have besides its pixels, for previews, profiles and text."""

# What cameras and renderers write. Not EPS, which starts another program.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TGA", "TIFF")
_KNOWN = f"known formats are {', '.join(FORMATS)}"

_TIFF_TILE = (322, 323)  # width and length of a tile, TIFF 6.0
_ORIENTATION_TAG = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What brings a picture upright, by its EXIF orientation (CIPA DC-008, tag 274); 1 is upright."""


def read_rgba(
    path: str | os.PathLike[str],
    max_pixels: int = MAX_PIXELS,
    *,
    require_alpha: bool = False,
    upright: bool = True,
) -> np.ndarray:
    """One picture (H, W, 4) uint8, alpha straight: the colour under alpha 0 is what the file holds.

    Palettes, gray, CMYK and 16 bits per channel become 8-bit RGB; without alpha a picture is opaque, 255.
    Of several frames the first is read.

    Args:
        path: PNG, JPEG, WebP, BMP, GIF, TGA or TIFF; the bytes decide, not the name.
        max_pixels: refuse larger pictures before they are decoded.
        require_alpha: refuse pictures without transparency: an alpha channel, or a transparent colour.
        upright: turn the picture as its EXIF orientation says; False keeps the order of the stored pixels,
            which annotations made without regard to EXIF refer to (TIFF is turned in any case).

    Raises:
        UnreadableFile: the file is missing, no picture, broken, too large, or has no alpha where it must;
            names the file and the reason.
    """
    path = Path(path)
    data = io.BytesIO(read_limited(path, max_pixels * _BYTES_PER_PIXEL + _MAX_REST))
    with guarded(str(path), max_pixels), Image.open(data, formats=FORMATS) as image:
        if require_alpha and not image.has_transparency_data:
            raise UnreadableFile(f"{path}: a picture of mode {image.mode} without alpha; it must have one")
        return _converted(image, str(path), max_pixels, upright)


def to_rgba(image: Image.Image, max_pixels: int = MAX_PIXELS, name: str = "texture") -> np.ndarray:
    """As `read_rgba`, of a picture that another library has opened and nobody has decoded yet."""
    with guarded(name, max_pixels):
        # MPO: a JPEG with more pictures behind it, as phones write; PIL opens it as JPEG if asked for that
        if image.format is not None and image.format not in (*FORMATS, "MPO"):
            raise UnreadableFile(f"{name}: a picture of format {image.format}; {_KNOWN}")
        return _converted(image, name, max_pixels, upright=True)


@contextmanager
def guarded(name: str, max_pixels: int = MAX_PIXELS) -> Iterator[None]:
    """Every error inside becomes `UnreadableFile`, and no warning gets out."""
    try:
        with silenced("PIL"):  # bombs, which the limit here deals with, and broken EXIF, which counts as none
            yield
    except UnreadableFile:
        raise
    except UnidentifiedImageError as error:
        raise UnreadableFile(f"{name}: no picture, or an empty file; {_KNOWN}") from error
    except Image.DecompressionBombError as error:
        raise UnreadableFile(
            f"{name}: too large: {error}; the limit here is {max_pixels:,} pixels"
        ) from error
    except Exception as error:  # PIL's decoders raise nearly anything on broken bytes
        raise UnreadableFile(f"{name}: corrupt image: {error}") from error


def _converted(image: Image.Image, name: str, max_pixels: int, upright: bool) -> np.ndarray:
    """Decode, if the size in the header allows it and its numbers have a white."""
    width, height = _largest_part(image)
    if width * height > max_pixels:
        raise UnreadableFile(
            f"{name}: {width} x {height} = {width * height:,} pixels, the limit is {max_pixels:,}"
        )
    if image.mode in ("I", "F"):
        raise UnreadableFile(
            f"{name}: numbers of 32 bits (mode {image.mode}) have no fixed white; store 8 or 16 bits"
        )
    rgba = _from_16_bits(image) if image.mode.startswith("I;16") else image.convert("RGBA")
    # asked after decoding: PIL turns TIFF by itself, and then no longer says so
    turn = _turn(image) if upright else None
    return np.array(rgba if turn is None else rgba.transpose(turn))


def _turn(image: Image.Image) -> Image.Transpose | None:
    """What brings a picture upright; None where its EXIF says nothing, or cannot be read."""
    try:
        return _UPRIGHT.get(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # of JPEG PIL takes broken EXIF for none; of PNG and WebP it raises nearly anything
        return None


def _largest_part(image: Image.Image) -> tuple[int, int]:
    """Width and height of what is decoded at once: the picture, or the tile of a TIFF if that is larger."""
    width, height = image.size
    if image.format == "TIFF":
        tags = getattr(image, "tag_v2", {})
        tile_width, tile_height = (int(tags.get(tag, 0)) for tag in _TIFF_TILE)
        return max(width, tile_width), max(height, tile_height)
    return width, height


def _from_16_bits(image: Image.Image) -> Image.Image:
    """RGBA from 16-bit gray, 65,535 as 255 (PIL would cut at 255), its one transparent value included."""
    wide = np.asarray(image).astype(np.uint32)
    gray = ((wide + 128) // 257).astype(np.uint8)
    alpha = np.where(wide == image.info.get("transparency", -1), 0, 255).astype(np.uint8)
    return Image.fromarray(np.stack([gray, gray, gray, alpha], axis=-1))
