"""Which samples and views a step sees: a pure function of seed and step, so resuming needs no state.

Several processes share the steps of one run: each reads its own slice of every batch, and together they see
what one process with the whole batch would see, epochs and views included.
"""

from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache
from itertools import islice

import numpy as np
import torch

from zoo.errors import UserError
from zoo.seeding import derive, rng
from zoo.types import Batch, Source

THREADS = 2
"""Threads that read batches. Copying out of a store releases Python's lock, so two are twice as fast as one;
more only compete for the memory."""

AHEAD = 4
"""Batches that are being read or wait to be used, which bounds the memory; those that wait bridge slow
reads."""


class LoadError(UserError, RuntimeError):
    """A data set could not give the samples of a step; names the step, the samples and the reason."""


def batch_indices(count: int, batch_size: int, step: int, seed: int) -> np.ndarray:
    """Indices (batch_size,) of a step: consecutive stretches of one permutation per epoch."""
    positions = np.arange(step * batch_size, (step + 1) * batch_size)
    epochs, places = np.divmod(positions, count)
    pairs = zip(epochs.tolist(), places.tolist(), strict=True)
    return np.array([_permutation(count, epoch, seed)[place] for epoch, place in pairs])


@lru_cache(maxsize=4)  # the epoch that ends and the one that begins, for training and a second reader
def _permutation(count: int, epoch: int, seed: int) -> np.ndarray:
    return rng(seed, "epoch", epoch).permutation(count)


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


def shard(batch_size: int, rank: int, world_size: int) -> slice:
    """The places of a batch that one of several processes reads; their sizes differ by one at most.

    Raises:
        ValueError: there is no such rank, or a process would have nothing to read.
    """
    if not 0 <= rank < world_size:
        raise ValueError(f"rank {rank} is not one of {world_size} processes, 0...{world_size - 1}")
    if batch_size < world_size:
        raise ValueError(
            f"{world_size} processes cannot share batches of {batch_size}; raise train.batch_size, "
            f"which counts the samples of all processes"
        )
    return slice(rank * batch_size // world_size, (rank + 1) * batch_size // world_size)


def batches(
    source: Source,
    *,
    batch_size: int,
    views: tuple[int, int],
    first: int,
    last: int,
    seed: int,
    device: torch.device,
    extra_views: int = 0,
    rank: int = 0,
    world_size: int = 1,
) -> Generator[Batch, None, None]:
    """The batches of steps first...last-1 on the device, read ahead by threads until the iterator is closed.

    Args:
        batch_size: of all processes together.
        views: least and most views per sample.
        extra_views: further views of each sample, drawn independently; `Batch.inputs` says where they begin.
        rank, world_size: which of how many processes this is; see `shard`.

    Raises:
        LoadError: the source failed; with the ids of the batch. ValueError: see `batch_views` and `shard`.
    """
    own = shard(batch_size, rank, world_size)

    def load(step: int) -> Batch:
        indices = batch_indices(len(source), batch_size, step, seed)[own].tolist()
        chosen = batch_views(source.num_views, views, batch_size, step, seed)[own]
        inputs = chosen.shape[1]
        if extra_views:
            more = (extra_views, extra_views)
            extra = batch_views(source.num_views, more, batch_size, step, derive(seed, "extra views"))[own]
            chosen = np.concatenate([chosen, extra], 1)
        try:
            batch = replace(source.fetch(indices, chosen.tolist()), inputs=inputs if extra_views else None)
        except Exception as error:
            ids = ", ".join(source.ids[i] for i in indices)
            raise LoadError(f"step {step} could not read {ids}: {type(error).__name__}: {error}") from error
        return batch.pin() if device.type == "cuda" else batch

    pool = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="loader")
    try:
        steps = iter(range(first, last))
        pending: deque[Future[Batch]] = deque(pool.submit(load, s) for s in islice(steps, AHEAD))
        while pending:
            batch = pending.popleft().result()
            pending.extend(pool.submit(load, s) for s in islice(steps, 1))
            yield batch.to(device)
    finally:
        pool.shutdown(cancel_futures=True)
