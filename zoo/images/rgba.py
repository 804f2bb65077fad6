"""What pictures must be, uint8 RGBA with straight alpha (B, V, 4, H, W), and how to mend any others."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from zoo.types import Batch, ContractError

WANTED = "a uint8 tensor (B, V, 4, H, W) of red, green, blue and straight alpha"


def check_rgba(pictures: Any, *, values: bool = False) -> None:
    """Refuse what would be read as another picture than it is. A batch of no pictures is one.

    Args:
        values: also look at the values, for which a GPU has to be waited for: bytes that are all 0 and 1 were
            floats in [0, 1], and are all but invisible.

    Raises:
        ContractError: says what was given, and how to make pictures of it.
    """
    if not isinstance(pictures, Tensor):
        raise ContractError(f"pictures must be {WANTED}, got {_no_tensor(pictures)}")
    if pictures.dtype != torch.uint8 or pictures.ndim != 5 or pictures.shape[2] != 4:
        steps = [*_to_bytes(pictures), *_to_layout(tuple(pictures.shape))]
        mend = f"; with x for what was given: {', then '.join(steps)}" if steps else ""
        raise ContractError(f"pictures must be {WANTED}, got {described(pictures)}{mend}")
    if 0 in pictures.shape[1:]:
        raise ContractError(f"pictures need at least one view and one pixel, got {described(pictures)}")
    if values and pictures.numel() and int(pictures.max()) == 1:
        raise ContractError(
            "pictures must use 0...255, got bytes that are all 0 or 1; of floats in [0, 1] make them by "
            "(x * 255).round().to(torch.uint8)"
        )


def described(pictures: Tensor | np.ndarray) -> str:
    """Type, shape and, where it says something, range of an array."""
    if isinstance(pictures, np.ndarray):
        kind = pictures.dtype.name if pictures.dtype.kind in "iuf" else str(pictures.dtype)
        ranged = pictures.dtype.kind in "iuf" and kind != "uint8"
        values: Any = pictures
    else:
        kind = str(pictures.dtype).removeprefix("torch.")
        ranged = kind not in ("uint8", "bool") and not pictures.is_complex()
        values = pictures.detach().double() if ranged else pictures
    text = f"{kind} {tuple(pictures.shape)}"
    if not ranged or 0 in pictures.shape:
        return text
    return f"{text} within [{float(values.min()):.6g}, {float(values.max()):.6g}]"


def _no_tensor(given: Any) -> str:
    if isinstance(given, np.ndarray):
        return f"a numpy array, {given.dtype} {given.shape}; torch.from_numpy(x) is a tensor"
    if isinstance(given, Batch):
        return "a whole batch; model.predict(x) reads one"
    if isinstance(given, list | tuple):
        return f"a {type(given).__name__} of {len(given)}; torch.stack(x) makes one tensor of tensors"
    return (
        f"{type(given).__name__}; of an image that Pillow opened make pictures by "
        "torch.from_numpy(numpy.array(image.convert('RGBA'))).movedim(-1, 0)[None, None]"
    )


def _to_bytes(pictures: Tensor) -> list[str]:
    """What brings values to 0...255."""
    if pictures.dtype == torch.uint8 or pictures.is_complex() or not pictures.numel():
        return []
    if pictures.dtype == torch.bool:
        return ["x.to(torch.uint8) * 255"]
    low, high = float(pictures.min()), float(pictures.max())
    if not (low >= 0 and high <= 255):  # NaN is neither
        return ["bring values to 0...255 (undo a normalisation by mean and deviation, look for NaN)"]
    if not pictures.is_floating_point():
        return ["x.to(torch.uint8)"]
    return ["(x * 255).round().to(torch.uint8)" if high <= 1 else "x.round().to(torch.uint8)"]


def _to_layout(shape: tuple[int, ...]) -> list[str]:
    """What brings axes to (B, V, 4, H, W); nothing where it cannot be told which axis is which."""
    if not 3 <= len(shape) <= 5:
        return []
    steps = []
    if shape[-3] not in (1, 3, 4):
        if shape[-1] not in (1, 3, 4):
            return []
        shape = (*shape[:-3], shape[-1], *shape[-3:-1])
        steps.append("x.movedim(-1, -3)")
    if shape[-3] == 1:
        steps.append("x.repeat_interleave(3, -3)")
    if shape[-3] != 4:
        steps.append("torch.cat([x, torch.full_like(x[..., :1, :, :], 255)], -3)")
    if len(shape) < 5:
        steps.append("x[:, None]" if len(shape) == 4 else "x[None, None]")
    return steps
