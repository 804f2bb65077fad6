"""Whether the predictions of a row lie where the truth does, or in other units, turned, mirrored or moved.

A look at a few points of a few instances, which alters no number: a hint for somebody whose files have
another frame than the truth's, where every distance is right and means nothing. A hint needs one change that
explains most of the instances: it must bring them much nearer to the truth, which guessing badly does not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from itertools import permutations, product

import numpy as np
from scipy.spatial import cKDTree

from zoo.seeding import rng
from zoo.shapes import Shape

LOOKED_AT = 48
"""Instances of a row that are looked at, at most."""
POINTS, ASKED = 1024, 96
"""Points of each side, and how many of them look for their nearest on the other."""
NEAR, NOISE = 0.04, 0.01
"""Mean distance in own longest edges that so few points leave between equal shapes, and how it varies."""
FACTOR, STEP = 1.5, 0.2
"""Ratio of sizes, and distance of centres in longest edges, from which on they are worth a word."""
EXPLAINS, EXPLAINS_WELL = 0.65, 0.4
"""A change explains what leaves at most so much of the distance. A small change of size or place must do
well: what is scattered about has a large box, and a mere speck lies anywhere."""
FAR, ALIKE = 4.0, 0.18
"""Ratio from which on a change of size is no small one. What is so much too small must be so near to the
truth in its own box that it is no speck."""
UNITS = {
    1000.0: "millimetres for metres",
    100.0: "centimetres for metres",
    39.37: "inches for metres",
    10.0: "millimetres for centimetres",
    3.281: "feet for metres",
    2.54: "centimetres for inches",
}


def _turns() -> list[np.ndarray]:
    """The 48 matrices (3, 3) that permute and flip axes: the plainest first, rotations before mirrors."""
    every = [
        np.diag(signs)[list(order)]
        for order in permutations(range(3))
        for signs in product((1, -1), repeat=3)
    ]
    return sorted(
        every, key=lambda m: (np.linalg.det(m) < 0, not (m.diagonal() == 1).any(), -np.trace(m), m[1, 1] != 1)
    )


TURNS = _turns()


class Standing:
    """A true shape that predictions are compared with."""

    def __init__(self, truth: Shape) -> None:
        self._points = _cloud(truth, 0.5)

    @cached_property
    def _tree(self) -> cKDTree:
        return cKDTree(self._points)

    @cached_property
    def _own(self) -> tuple[np.ndarray, np.ndarray, float]:
        return _boxed(self._points)

    def look(self, prediction: Shape, level: float) -> tuple[float, ...]:
        """Where a prediction lies; nothing where a side has no extent.

        Returns:
            Its longest edge over the truth's; from the truth's centre to its own in longest edges of the
            truth, x y z; the mean distance between them as they are, and with the centres in one place, in
            the same unit; and the mean distance with each shape in its own box (centred, longest edge 1), for
            every one of `TURNS`, or for the first alone where that is small.
        """
        with np.errstate(over="ignore", invalid="ignore"):  # what lies too far to tell is no number
            numbers = self._numbers(_cloud(prediction, level))
        return tuple(map(float, numbers)) if np.isfinite(numbers).all() else ()

    def _numbers(self, found: np.ndarray) -> tuple[float, ...]:
        if not (len(found) and len(self._points)):
            return ()
        true, centre, edge = self._own
        own, there, long = _boxed(found)
        if not (0 < edge < math.inf and 0 < long < math.inf):
            return ()
        apart, centred = (
            float(_apart([each[:ASKED]], [self._points[:ASKED]], cKDTree(each), self._tree)[0]) / edge
            for each in (found, found - (there - centre))
        )
        trees = cKDTree(own), cKDTree(true)
        turned = _apart([own[:ASKED]], [true[:ASKED]], *trees)
        if turned[0] >= NEAR:
            turned = _apart([own[:ASKED] @ m.T for m in TURNS], [true[:ASKED] @ m for m in TURNS], *trees)
        return (long / edge, *(there - centre) / edge, apart, centred, *turned)


def _apart(
    ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray], tree: cKDTree, other: cKDTree
) -> np.ndarray:
    """Mean distance of points to the other side's, both ways, of each of K pairs of clouds."""
    there = other.query(np.concatenate(ours))[0].reshape(len(ours), -1)
    back = tree.query(np.concatenate(theirs))[0].reshape(len(theirs), -1)
    return np.asarray(there.mean(1) + back.mean(1)) / 2


def _boxed(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Points with their box centred and its longest edge 1; centre (3,) and edge of the box as it was."""
    low, high = points.min(0), points.max(0)
    centre, edge = (low + high) / 2, float((high - low).max())
    return (points - centre) / (edge or 1.0), centre, edge


def _cloud(shape: Shape, level: float) -> np.ndarray:
    """At most `POINTS` points on the surface, in no order; of a grid, centres of cells at its border."""
    generator = rng(0, "placement")
    if shape.grid is not None:
        inside = np.pad(shape.grid >= np.float32(level), 1)
        core = inside[1:-1, 1:-1, 1:-1].copy()
        for axis, step in product(range(3), (-1, 1)):
            core &= np.roll(inside, step, axis)[1:-1, 1:-1, 1:-1]
        cells = np.argwhere(inside[1:-1, 1:-1, 1:-1] & ~core)
        found = (cells + 0.5) / len(shape.grid) - 0.5
    else:
        try:
            found = shape.points(POINTS, generator, level)
        except ValueError:  # a mesh without area: some protocols take it, and it lies nowhere
            return np.zeros((0, 3))
    return found[generator.permutation(len(found))[:POINTS]]


def hints(looks: Sequence[Sequence[float]], own_frames: bool = False) -> tuple[str, ...]:
    """Sentences about a row, of what was looked at; none where nothing is common to most of it.

    Args:
        looks: of `Standing.look`, one for each instance.
        own_frames: the protocol puts each side into its own box, so that size and place do not matter.
    """
    looks = [look for look in looks if look]
    if not looks:
        return ()
    turned = np.array([[*look[6:]] if len(look) > 7 else [look[6]] * len(TURNS) for look in looks])
    turn = _common_turn(turned)
    said = [] if own_frames else _moved(np.array([look[:6] for look in looks]), turned[:, turn], turn == 0)
    return (*said, *([_words(TURNS[turn])] if turn else []))


def _common_turn(turned: np.ndarray) -> int:
    """Which of `TURNS` brings most instances much nearer; 0, which is none, where none does.

    Args:
        turned: (N, 48) mean distances after each.
    """
    nearer = turned <= EXPLAINS * turned[:, :1]
    if not _most(nearer[:, int(nearer.sum(0).argmax())]):
        return 0
    mean = np.where(nearer.sum(0) == nearer.sum(0).max(), turned.mean(0), np.inf)
    return int(np.flatnonzero(mean <= mean.min() + NOISE)[0])  # the plainest of those that are as good


def _moved(looks: np.ndarray, boxed: np.ndarray, upright: bool) -> list[str]:
    """A common factor of size or, where there is none, a common shift.

    Args:
        looks: (N, 6) ratio of sizes, shift, distance, distance with the centres in one place.
        boxed: (N,) distance that is left once each side is in its own box and turned.
        upright: nothing was turned: what is turned about another point than its centre is shifted by that.
    """
    ratio, shift, apart, centred = np.log(looks[:, 0]), looks[:, 1:4], looks[:, 4], looks[:, 5]

    def explained(these: np.ndarray, after: np.ndarray, loosely: bool) -> bool:
        share = EXPLAINS if loosely else EXPLAINS_WELL
        return _most(these) and bool(after[these].mean() <= share * apart[these].mean())

    other = np.abs(ratio) > math.log(FACTOR)
    if other.any():
        factor = np.median(ratio[other])
        alike = other & (np.abs(ratio - factor) < math.log(FACTOR))
        far = abs(factor) > math.log(FAR) and (factor > 0 or boxed[other].mean() < ALIKE)
        if explained(alike, boxed, far):
            return [_size(math.exp(factor))]
    away = np.linalg.norm(shift, axis=1)
    other = away > STEP
    if upright and other.any():
        common = np.median(shift[other], axis=0)
        # in longest edges of each truth, which differ
        alike = other & (np.linalg.norm(shift - common, axis=1) < STEP + 0.3 * away)
        if explained(alike, centred, bool(np.linalg.norm(common) > 1)):
            x, y, z = common
            return [
                f"lie beside the true shapes, by about ({x:.2f}, {y:.2f}, {z:.2f}) of their longest edges: "
                f"is the origin another?"
            ]
    return []


def _size(factor: float) -> str:
    large = factor > 1
    times = factor if large else 1 / factor
    near = [words for unit, words in UNITS.items() if abs(math.log(times / unit)) < math.log(1.2)]
    unit = " in another unit"
    if near:
        one, other = near[0].split(" for ")
        unit = f" in {one}, the truth in {other}" if large else f" in {other}, the truth in {one}"
    size = f"{times:.2g}" if times < 10 else f"{times:,.0f}"
    return f"are about {size} times as {'large' if large else 'small'} as the true shapes: are they{unit}?"


def _words(turn: np.ndarray) -> str:
    axes = "xyz"
    read = ", ".join(("-" if row.sum() < 0 else "") + axes[int(np.abs(row).argmax())] for row in turn)
    fixed = [axes[k] for k in range(3) if turn[k, k] == 1]
    what = "with their axes exchanged"
    if np.linalg.det(turn) < 0:
        what = "mirrored"
    elif len(fixed) == 1:
        what = f"after {'a quarter' if np.trace(turn) == 1 else 'half a'} turn about {fixed[0]}"
    return (
        f"agree far better with the true shapes {what}, their (x, y, z) read as ({read}): is another axis "
        f"up, or ahead?"
    )


def _most(these: np.ndarray) -> bool:
    """At least half and at least three; of fewer, all."""
    return int(these.sum()) >= min(len(these), max(3, math.ceil(len(these) / 2)))
