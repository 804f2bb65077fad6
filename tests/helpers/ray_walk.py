"""The walk of one ray through a grid, in plain float64: what `zoo.losses._rays.cross` is measured against."""

import math

import numpy as np


def walk(origin, direction, r):
    """Amanatides and Woo's walk through the cube [-0.5, 0.5]^3: (cell, entry, exit) of each cell."""
    low, high = 0.0, math.inf
    for o, d in zip(origin, direction, strict=True):
        if d == 0:
            if not -0.5 <= o < 0.5:
                return []
            continue
        a, b = sorted(((-0.5 - o) / d, (0.5 - o) / d))
        low, high = max(low, a), min(high, b)
    if low >= high:
        return []
    start = (origin + low * direction + 0.5) * r
    cell, step, following, gap = [], [], [], []
    for s, o, d in zip(start, origin, direction, strict=True):
        on_plane = abs(s - round(s)) < 1e-9
        index = round(s) - (d < 0) if on_plane else math.floor(s)
        cell.append(min(max(index, 0), r - 1))
        step.append(1 if d > 0 else -1)
        plane = (cell[-1] + (d > 0)) / r - 0.5
        following.append((plane - o) / d if d else math.inf)
        gap.append(1 / (r * abs(d)) if d else math.inf)
    found, entry = [], low
    while all(0 <= c < r for c in cell):
        axis = int(np.argmin(following))
        found.append(((cell[0] * r + cell[1]) * r + cell[2], entry, min(following[axis], high)))
        entry = following[axis]
        cell[axis] += step[axis]
        following[axis] += gap[axis]
    return found
