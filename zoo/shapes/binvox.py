"""binvox, written: run-length coded grids; `datasets.formats.binvox` reads them.

Format (Min, https://www.patrickmin.com/binvox/binvox.html): see there.
"""

import numpy as np

MAX_RUN = 255
"""Cells that one pair (value, count) can stand for."""


def format_binvox(
    voxels: np.ndarray,
    translate: tuple[float, float, float] = (0.0, 0.0, 0.0),
    scale: float = 1.0,
    version: int = 1,
) -> bytes:
    """The bytes of a binvox file: runs of 1...255 cells, no empty pairs.

    Raises:
        ValueError: `voxels` has not three axes of at least one cell, or `version` is not 1 or 2.
    """
    if voxels.ndim != 3 or 0 in voxels.shape:
        raise ValueError(f"voxels must be (nx, ny, nz) with at least one cell, got {voxels.shape}")
    if version not in (1, 2):
        raise ValueError(f"binvox version must be 1 or 2, got {version}")
    cells = (voxels != 0).transpose(0, 2, 1).reshape(-1)
    edges = np.flatnonzero(cells[1:] != cells[:-1]) + 1
    starts = np.concatenate([[0], edges])
    lengths = np.diff(np.concatenate([starts, [len(cells)]]))
    pieces = -(-lengths // MAX_RUN)  # a long run becomes several pairs, the last one with the remainder
    last = np.cumsum(pieces) - 1
    pairs = np.empty((int(pieces.sum()), 2), np.uint8)
    pairs[:, 0] = np.repeat(cells[starts], pieces)
    pairs[:, 1] = MAX_RUN
    pairs[last, 1] = lengths - (pieces - 1) * MAX_RUN
    header = (
        f"#binvox {version}\ndim {' '.join(map(str, voxels.shape))}\n"
        f"translate {' '.join(repr(float(t)) for t in translate)}\nscale {float(scale)!r}\ndata\n"
    )
    return header.encode("ascii") + pairs.tobytes()
