"""The matching that Pix3D calls its earth mover's distance: an auction that is stopped early.

Reproduced from what the CUDA kernel of Pix3D (eval/emd, launched with 512 threads per cloud) does at up to
1,024 points, in single precision:

- Predicted points wait in a first-in first-out queue and bid in turn. A bid goes to the true point of the
  least distance + price; the one that owned it goes to the end of the queue. The auction ends when nobody
  waits.
- The price should rise by (second least - least) + tolerance. The reduction that finds the two overwrites
  the least before it computes the second, so that the second comes out equal to the least whenever the
  winner was not thread 0's. Only bids for the true points 0 and 512, which are thread 0's, rise by the
  right amount; all others rise by the tolerance alone.
- The tolerance is 1e-4; after every 40 n bids it is multiplied by 100, up to 1, and the auction stops after
  40 n bids at 1. For clouds within the unit cube it always ends before: at tolerance 1 no point is bid for
  more than twice while another is free, whose price is 0 and whose distance is below 2.
- Of equal offers the reduction keeps that of the higher thread in bit-reversed order, and of one thread's
  two that of the higher column.

What is not reproduced: the compiler may contract the sum of squares (fused multiply-add), which changes the
last bit of a distance.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np

from zoo.system.compiled import njit

POINTS, THREADS = 1024, 512
FIRST, GROWTH, LAST, BIDS = 1e-4, 100.0, 1.0, 40
"""First tolerance, its growth, the last one, and the bids per point that each lasts."""


def auction_matching(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """True point (n,) that each predicted point is matched to; -1 where the auction stopped before.

    Raises:
        ValueError: the clouds are not both (n, 3) with n in 1...1,024.
    """
    if prediction.shape != truth.shape or prediction.ndim != 2 or prediction.shape[1] != 3:
        raise ValueError(f"clouds must be (n, 3) both, got {prediction.shape} and {truth.shape}")
    if not 1 <= len(truth) <= POINTS:
        raise ValueError(f"the auction is reproduced for 1 to {POINTS:,} points, got {len(truth)}")
    a, b = prediction.astype(np.float32), truth.astype(np.float32)
    difference = a[:, None] - b[None]
    cost = np.sqrt(np.square(difference).sum(2, dtype=np.float32))
    owner = _auction(cost, _order(len(truth)))
    matched = np.full(len(truth), -1)
    matched[owner[owner >= 0]] = np.flatnonzero(owner >= 0)
    return matched


def auction_emd(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Mean distance of the pairs that `auction_matching` finds, clouds (n, 3): at least the exact EMD.

    Raises:
        ValueError: as `auction_matching`; or the auction left points unmatched, whose partners the original
            reads from beyond its array.
    """
    matched = auction_matching(prediction, truth)
    if (matched < 0).any():
        raise ValueError(f"the auction left {(matched < 0).sum()} of {len(matched)} points unmatched")
    return float(np.linalg.norm(prediction - truth[matched], axis=1).mean())


def _order(n: int) -> np.ndarray:
    """Columns (n,) so that of equal offers the last one wins: by bit-reversed warp and lane, then column."""
    column = np.arange(n)
    warp, lane, high = column % THREADS // 32, column % 32, column // THREADS
    return np.lexsort((high, _reversed_bits(lane, 5), _reversed_bits(warp, 4)))


def _reversed_bits(values: np.ndarray, bits: int) -> np.ndarray:
    turned = np.zeros_like(values)
    for bit in range(bits):
        turned |= (values >> bit & 1) << (bits - 1 - bit)
    return turned


@njit
@no_type_check
def _auction(cost, order):
    """Owner (n,) of each true point, -1 for none."""
    n = len(cost)
    price = np.zeros(n, np.float32)
    owner = np.full(n, -1, np.int64)
    queue = np.arange(n)
    head, waiting, bids = 0, n, 0
    tolerance, last = np.float32(FIRST), np.float32(LAST)
    while waiting > 0:
        bidder = queue[head]
        best, second, choice = np.float32(np.inf), np.float32(np.inf), 0
        for k in range(n):
            column = order[k]
            offer = cost[bidder, column] + price[column]
            if offer <= best:
                second, best, choice = best, offer, column
            elif offer < second:
                second = offer
        if choice % THREADS == 0:
            price[choice] += second - best + tolerance
        else:
            price[choice] += tolerance
        head = (head + 1) % n
        waiting -= 1
        if owner[choice] >= 0:
            queue[(head + waiting) % n] = owner[choice]
            waiting += 1
        owner[choice] = bidder
        bids += 1
        if bids == BIDS * n:
            if tolerance == last:
                break
            tolerance = min(last, tolerance * np.float32(GROWTH))
            bids = 0
    return owner
