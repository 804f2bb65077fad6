"""Earth mover's distance between equal numbers of points: exact, by linear assignment."""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from zoo.metrics import METRICS, Column, Metric
from zoo.metrics.chamfer import DIAGONAL
from zoo.metrics.inputs import Measured, check_points
from zoo.registry import EntryConfig
from zoo.system.compiled import njit

COARSE, FINE, SHRINK = 1 / 4, 1e-4, 0.2
"""First and last price increment of the auction, as shares of the median cost, and their ratio."""
MAX_BIDS = 100
"""Bids per point after which the auction hands over what it has; 20 to 35 are usual at 1,024 points."""
BLOCK = 64
"""Columns that a bidder looks at together; fewer or more took half as long again at 1,024 points."""


def emd(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Mean Euclidean distance under the best one-to-one assignment of two clouds (n, 3).

    EMD = min over bijections b of (1/n) sum_i |p_i - g_b(i)|. The optimum is exact, unlike the auction of
    Pix3D (0.4-2.8 % above) and the soft matching of PSGN (18-41 %), and it is the mean, not the sum.

    Returns:
        Distance in the unit of the clouds; sqrt(3) for an empty prediction.

    Raises:
        ValueError: the counts differ, the truth is empty, or a cloud is not finite.

    Examples:
        Both predicted points are nearest to the same true point, but only one can have it:

        >>> truth = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
        >>> prediction = np.array([[0.0, 0.0, 0.0], [0.2, 0.0, 0.0]])
        >>> round(emd(prediction, truth), 3)
        0.4
    """
    prediction = check_points(prediction, "prediction")
    truth = check_points(truth, "truth", allow_empty=False)
    if not len(prediction):
        return DIAGONAL
    if len(prediction) != len(truth):
        raise ValueError(
            f"EMD needs as many predicted as true points, got {len(prediction)} and {len(truth)}"
        )
    cost = cdist(prediction, truth)
    return float(cost[np.arange(len(cost)), assignment(cost)].mean())


def assignment(cost: np.ndarray) -> np.ndarray:
    """Column of each row (n,) in an assignment of least total cost (n, n).

    scipy's shortest augmenting paths start from dual prices of zero, which is far from the optimum when the
    clouds are far apart. A short auction finds prices that are nearly right. Adding any constant to a row
    or to a column changes every assignment's cost by the same amount, so the problem with the prices
    subtracted has the same solutions, whatever the prices: the auction, in single precision, decides only the
    speed (`benchmarks.speed.metrics` measures it against scipy alone).
    """
    if len(cost) < BLOCK:
        return linear_sum_assignment(cost)[1]
    some = cost[:: len(cost) // BLOCK, :: len(cost) // BLOCK]
    # the largest would let one stray point set the steps
    typical = float(np.median(some)) or float(cost.max()) or 1.0
    padded = np.full((len(cost), -(-len(cost) // BLOCK) * BLOCK), np.inf, np.float32)
    with np.errstate(over="ignore"):
        np.divide(cost, typical, out=padded[:, : len(cost)], casting="same_kind")
    prices = _prices(padded)[: len(cost)].astype(float) * typical
    if not np.isfinite(prices).all():  # points so far out that single precision does not hold them
        prices[:] = 0
    reduced = cost - prices
    reduced -= reduced.min(axis=1, keepdims=True)
    return linear_sum_assignment(reduced)[1]


@njit
@no_type_check
def _prices(cost):
    """Column prices (m,) by a Gauss-Seidel auction with shrinking increments (Bertsekas 1988).

    A bidder starts from the two columns that it liked best last time, and looks closely only at blocks of
    columns that hold something better than the second of them. The test of a block has no branches, so that
    the compiler makes vector instructions of it.

    Args:
        cost: (n, m) float32 in shares of the median cost; m is the next multiple of `BLOCK`, and columns from
            n on are infinite.
    """
    n, m = cost.shape
    price = np.zeros(m, np.float32)
    owner = np.empty(m, np.int64)
    waiting = np.empty(n, np.int64)
    liked = np.zeros((n, 2), np.int64)
    liked[:, 1] = 1
    step, bids = np.float32(COARSE), 0
    while True:
        # each round begins with nobody assigned and the prices of the round before: only they are the result
        owner[:] = -1
        for i in range(n):
            waiting[i] = n - 1 - i
        top = n
        while top > 0:
            top -= 1
            row = waiting[top]
            # Invariant: `first` <= `second` are the values of the two best columns seen so far, `choice` and
            # `other`. What was best last time is a good bound to begin with, for prices change little.
            choice, other = liked[row, 0], liked[row, 1]
            first, second = cost[row, choice] - price[choice], cost[row, other] - price[other]
            if second < first:
                first, second, choice, other = second, first, other, choice
            for begin in range(0, m, BLOCK):
                own, asked = cost[row, begin : begin + BLOCK], price[begin : begin + BLOCK]
                better = 0
                for k in range(BLOCK):
                    better |= own[k] - asked[k] < second
                if better:
                    for k in range(BLOCK):
                        value = own[k] - asked[k]
                        if value < second and begin + k != choice:
                            if value < first:
                                first, second, choice, other = value, first, begin + k, choice
                            else:
                                second, other = value, begin + k
            liked[row, 0], liked[row, 1] = choice, other
            # the bid: so much cheaper that `other` would be as good, and a step more, so that every bid makes
            # progress even between equals; the column's owner has to bid again
            price[choice] -= second - first + step
            if owner[choice] >= 0:
                waiting[top] = owner[choice]
                top += 1
            owner[choice] = row
            bids += 1
            if bids >= MAX_BIDS * n:  # any prices will do, better ones only save time
                return price
        if step <= np.float32(FINE):
            return price
        step = max(step * np.float32(SHRINK), np.float32(FINE))


class EMDConfig(EntryConfig):
    """How many points are matched."""

    points: int = 1024
    """Points per side, a random subset of the clouds."""


@METRICS.register("emd", config=EMDConfig, smoke={"points": 64}, cite="Rubner et al. 2000")
class EMDMetric(Metric):
    """Earth mover's distance: mean distance under the exact best one-to-one assignment."""

    config: EMDConfig

    @property
    def columns(self) -> tuple[Column, ...]:
        unit = f"longest edges of the truth; {self.config.points:,} points"
        return (Column("emd", "EMD", "lower", DIAGONAL, 4, unit),)

    def __call__(self, prediction: Measured, truth: Measured) -> dict[str, float | None]:
        check_points(truth.points, "truth", allow_empty=False)
        if not len(prediction.points):
            return {"emd": DIAGONAL}
        return {"emd": emd(prediction.subset(self.config.points), truth.subset(self.config.points))}
