"""Pictures in whatever form a user has them, as a model reads them.

One picture is a path, a PIL image, or an array (a numpy array or a torch tensor) of gray, RGB or RGBA:
(H, W), (H, W, C) or (C, H, W). A batch is an array with one axis more, or with two, of which the second is
that of the views; or a list of pictures, of any sizes. A list within a list holds the views of one shape.

Numbers are bytes, or floats in [0, 1], which are rounded to bytes: a model reads no finer. What does not say
which picture it is, is refused: floats beyond 1, other types, axes that may be colours as well as pixels.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from zoo.errors import ContractError
from zoo.images.reading import read_rgba, to_rgba
from zoo.images.rgba import check_rgba, described
from zoo.types.batch import Batch

Array = np.ndarray | Tensor
Single = str | os.PathLike[str] | Image.Image
Several = list[Any] | tuple[Any, ...]
Pictures = Single | Array | Several

CHANNELS = (1, 3, 4)
AT_ONCE = 16
"""Pictures of a list that are predicted together."""

ALLOWED = (
    "a picture is a path, a PIL image, or an array (H, W), (H, W, C) or (C, H, W) with C of 1, 3 or 4, uint8 "
    "or floats in [0, 1]; a batch has one axis more, (B, V, C, H, W) with views, or is a list"
)


class OpaquePicture(UserWarning):
    """A picture without a transparent pixel, where a model expects an object that is cut out.

    >>> import warnings, numpy as np, zoo
    >>> model = zoo.create_model("vae_gan_baseline", preset="quick", seed=0).eval()
    >>> with warnings.catch_warnings(record=True) as found:
    ...     warnings.simplefilter("always")
    ...     shape = model.reconstruct(np.zeros((96, 128, 3), np.uint8))
    >>> [w.category.__name__ for w in found]
    ['OpaquePicture']
    """


@dataclass(frozen=True)
class Given:
    """Pictures as a model reads them.

    Attributes:
        batches: uint8 RGBA (B, V, 4, H, W), straight alpha, in the order in which they were given.
        single: whether it was one picture, without a batch around it.
    """

    batches: list[Tensor]
    single: bool


def pictures_of(given: Pictures) -> Given:
    """Pictures as a model reads them; see the top of the file.

    Raises:
        ContractError: it cannot be told which pictures these are; says what was given and what is allowed.
        zoo.images.reading.UnreadableFile: a file, or a PIL image, that cannot be read.
    """
    if isinstance(given, list | tuple):
        shapes = [_views(each, f"picture {k}") for k, each in enumerate(given)]
        runs = [list(run) for _, run in groupby(shapes, lambda views: views.shape)]
        parts = [run[k : k + AT_ONCE] for run in runs for k in range(0, len(run), AT_ONCE)]
        return Given([torch.stack(part) for part in parts], False)
    if isinstance(given, np.ndarray | Tensor):
        rgba = _rgba_of(given, "pictures")
        return Given([rgba] if len(rgba) else [], given.ndim < 4)
    return Given([_picture(given, "pictures")[None, None]], True)


def warn_of_opaque(batches: Sequence[Tensor], stacklevel: int) -> None:
    """Warn where pictures have no transparent pixel, so that a model takes all of each for the object."""
    opaque = sum(int((batch[:, :, 3].flatten(1) == 255).all(1).sum()) for batch in batches)
    if opaque:
        count = sum(len(batch) for batch in batches)
        which = "the picture has" if count == 1 else f"{opaque} of {count} pictures have"
        warnings.warn(
            f"{which} no transparent pixel, so that the background counts as part of the object; models are "
            f"trained on objects that are cut out: give RGBA with alpha 0 around the object",
            OpaquePicture,
            stacklevel=stacklevel + 1,
        )


def _views(given: Any, name: str) -> Tensor:
    """The views (V, 4, H, W) of one shape of a list."""
    if not isinstance(given, list | tuple):
        return _picture(given, name)[None]
    views = [_picture(each, f"{name}, view {k}") for k, each in enumerate(given)]
    sizes = sorted({tuple(view.shape[1:]) for view in views})
    if len(sizes) != 1:
        said = " and ".join(f"{height} x {width}" for height, width in sizes) or "none"
        raise ContractError(f"{name}: the views of one shape must be of one size, got {said}")
    return torch.stack(views)


def _picture(given: Any, name: str) -> Tensor:
    """One picture (4, H, W)."""
    if isinstance(given, str | os.PathLike):
        return _of_numpy(read_rgba(given))
    if isinstance(given, Image.Image):
        return _of_numpy(to_rgba(given, name=name))
    if isinstance(given, Batch):
        raise ContractError(f"{name}: got a whole batch; model.predict(x) reads one")
    if not isinstance(given, np.ndarray | Tensor):
        raise ContractError(f"{name}: got {type(given).__name__}; {ALLOWED}")
    rgba = _rgba_of(given, name)
    if given.ndim > 3:
        raise ContractError(f"{name}: a picture in a list has at most 3 axes, got {described(given)}")
    return rgba[0, 0]


def _of_numpy(rgba: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(rgba, -1, 0)))


def _rgba_of(given: Array, name: str) -> Tensor:
    """An array of any allowed layout as (B, V, 4, H, W) uint8."""
    array = _bytes_of(given, name)
    if array.ndim == 5 and array.dtype == torch.uint8 and array.shape[2] == 4:
        rgba = array  # as a data set gives it, however narrow
    else:
        rgba = _with_alpha(_channels_first(array, name))
        rgba = rgba[:, None] if rgba.ndim == 4 else rgba[None, None] if rgba.ndim == 3 else rgba
    check_rgba(rgba)
    return rgba


def _bytes_of(given: Array, name: str) -> Tensor:
    """Pixel values as uint8."""
    array = _tensor_of(given, name) if isinstance(given, np.ndarray) else given.detach()
    if array.dtype == torch.uint8:
        if array.numel() and int(array.max()) == 1:
            raise ContractError(
                f"{name}: got bytes that are all 0 or 1, {described(given)}; bytes use 0...255: multiply "
                f"them by 255, and leave floats in [0, 1] as they are"
            )
        return array
    low, high = _range(array)
    if array.is_floating_point() and low >= 0 and high <= 1:
        return (array.float() * 255).round().to(torch.uint8)
    raise ContractError(
        f"{name}: numbers must be uint8 or floats in [0, 1], got {described(given)}; {_mend(array)}"
    )


def _tensor_of(given: np.ndarray, name: str) -> Tensor:
    """A numpy array as a tensor: bytes and bools as they are, floats as float64, other integers as int64."""
    known = {"b": np.bool_, "u": np.int64, "i": np.int64, "f": np.float64}
    if given.dtype.kind not in known:
        raise ContractError(f"{name}: got {described(given)}; {ALLOWED}")
    own = np.uint8 if given.dtype == np.uint8 else known[given.dtype.kind]
    return torch.from_numpy(np.array(given, own, order="C"))


def _range(array: Tensor) -> tuple[float, float]:
    """Lowest and highest value; (0, 0) of none, NaN where there is one, infinity of complex numbers."""
    if array.is_complex():
        return float("-inf"), float("inf")
    values = array.double()
    return (float(values.min()), float(values.max())) if array.numel() else (0.0, 0.0)


def _mend(array: Tensor) -> str:
    """What makes a picture of numbers that are neither bytes nor floats in [0, 1]."""
    if array.is_complex():
        return "complex numbers are no picture"
    if array.dtype == torch.bool:
        return "multiply a mask by 255 and make it uint8"
    low, high = _range(array)
    if not (low >= 0 and high <= 255):  # NaN is neither
        return "bring values to 0...1 (undo a normalisation by mean and deviation, look for NaN)"
    return "divide by 255" if array.is_floating_point() else "make them uint8"


def _channels_first(array: Tensor, name: str) -> Tensor:
    """(..., C, H, W) of an array of 2 to 5 axes.

    Raises:
        ContractError: it cannot be told which axis the channels are.
    """
    shape = tuple(array.shape)
    if array.ndim == 2:
        return array[None]
    if not 3 <= array.ndim <= 5:
        raise ContractError(f"{name}: got {described(array)}; {ALLOWED}")
    first, last = shape[-3] in CHANNELS, shape[-1] in CHANNELS
    if first and last:
        raise ContractError(
            f"{name}: {shape} may have its channels first or last, which are other pictures; give uint8 "
            f"RGBA as (B, V, 4, H, W), or PIL images"
        )
    if not (first or last):
        raise ContractError(f"{name}: no axis of {shape} has the 1, 3 or 4 channels of a picture; {ALLOWED}")
    return array if first else array.movedim(-1, -3)


def _with_alpha(array: Tensor) -> Tensor:
    """(..., 4, H, W) of gray, RGB or RGBA; what has no alpha is opaque."""
    if array.shape[-3] == 4:
        return array
    rgb = array.expand(*array.shape[:-3], 3, *array.shape[-2:])
    return torch.cat([rgb, torch.full_like(rgb[..., :1, :, :], 255)], -3)
