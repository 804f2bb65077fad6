"""Which samples and views a step sees: a pure function of seed and step, so resuming needs no state."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch

from zoo.seeding import rng
from zoo.types import Batch, Source


def batch_indices(count: int, batch_size: int, step: int, seed: int) -> np.ndarray:
    """Indices (batch_size,) of a step: consecutive stretches of one permutation per epoch."""
    positions = np.arange(step * batch_size, (step + 1) * batch_size)
    epochs, places = np.divmod(positions, count)
    permutations = {e: rng(seed, "epoch", e).permutation(count) for e in np.unique(epochs)}
    return np.array([permutations[e][p] for e, p in zip(epochs, places, strict=True)])


def batch_views(num_views: int, views: tuple[int, int], batch_size: int, step: int, seed: int) -> np.ndarray:
    """Views (batch_size, V) of a step: V is drawn from the range, then V different views per sample.

    Raises:
        ValueError: more views asked for than stored.
    """
    if views[1] > num_views:
        raise ValueError(f"train.views asks for up to {views[1]} views, the data set has {num_views}")
    generator = rng(seed, "views", step)
    count = int(generator.integers(views[0], views[1] + 1))
    return np.argsort(generator.random((batch_size, num_views)), axis=1)[:, :count]


def batches(
    source: Source,
    *,
    batch_size: int,
    views: tuple[int, int],
    first: int,
    last: int,
    seed: int,
    device: torch.device,
) -> Iterator[Batch]:
    """The batches of steps first...last-1 on the device, read ahead by a thread."""

    def load(step: int) -> Batch:
        indices = batch_indices(len(source), batch_size, step, seed)
        chosen = batch_views(source.num_views, views, batch_size, step, seed)
        batch = source.fetch(indices.tolist(), chosen.tolist())
        return batch.pin() if device.type == "cuda" else batch

    ahead = 2
    with ThreadPoolExecutor(max_workers=ahead, thread_name_prefix="loader") as pool:
        pending: list[Future[Batch]] = [pool.submit(load, s) for s in range(first, min(first + ahead, last))]
        for step in range(first, last):
            batch = pending.pop(0).result()
            if step + ahead < last:
                pending.append(pool.submit(load, step + ahead))
            yield batch.to(device)
