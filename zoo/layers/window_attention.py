"""Self-attention within windows of a feature map: its cost grows with the positions alone."""

from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from zoo.layers.attention import Attention2d


class WindowAttention2d(Attention2d):
    """Multi-head self-attention within square windows that do not overlap (Swin, arXiv:2103.14030, 3.2).

    Without Swin's relative position bias, so that the parameters are those of `SelfAttention2d`. Windows
    that reach over the edge of the map hold what there is of it: no position sees padding. The windows of
    a shifted block are moved by half their side; Swin's cyclic shift with its mask is another way to
    compute the same.

    Args:
        window: side of a window in positions.
        shift: how far the windows are moved towards the top left; smaller than the side.
        others: see `Attention2d`.
    """

    def __init__(
        self, channels: int, heads: int, head_dim: int, *, window: int, shift: int = 0, **others: Any
    ) -> None:
        super().__init__(channels, heads, head_dim, **others)
        if not 0 <= shift < window:
            raise ValueError(f"shift must be at least 0 and smaller than the window of {window}, got {shift}")
        self.window, self.shift = window, shift

    def attend(self, q: Tensor, k: Tensor, v: Tensor, size: tuple[int, int]) -> Tensor:
        return window_attention(q, k, v, size, self.window, self.shift)


def window_attention(
    q: Tensor, k: Tensor, v: Tensor, size: tuple[int, int], window: int, shift: int = 0
) -> Tensor:
    """Softmax attention within windows, (B, heads, H*W, d).

    The map is padded to whole windows, by `shift` at its top left too; padded keys are hidden.

    Args:
        q, k, v: (B, heads, H*W, d), positions in raster order.
        size: H and W.
        window: side of a window.
        shift: the first window reaches this far beyond the top left corner.
    """
    height, width = size
    bottom, right = (-(side + shift) % window for side in size)
    pads = (shift, right, shift, bottom)
    down, across = (height + shift + bottom) // window, (width + shift + right) // window

    def windows(x: Tensor) -> Tensor:
        """(B, heads, H*W, c) to (B, windows, heads, window^2, c), zeros where the map ends."""
        maps = F.pad(x.unflatten(2, size), (0, 0, *pads))
        return rearrange(maps, "b g (i r) (j s) c -> b (i j) g (r s) c", i=down, j=across)

    seen = None
    if any(pads):
        seen = windows(torch.ones(1, 1, height * width, 1, device=q.device))[..., 0].bool()[:, :, :, None]
    mixed = F.scaled_dot_product_attention(windows(q), windows(k), windows(v), attn_mask=seen)
    maps = rearrange(mixed, "b (i j) g (r s) c -> b g (i r) (j s) c", i=down, j=across, r=window, s=window)
    return maps[:, :, shift : shift + height, shift : shift + width].flatten(2, 3)
