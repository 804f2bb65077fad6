"""Which samples and views a step sees."""

import threading
from collections import Counter
from itertools import count
from time import monotonic, sleep

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.testing.smoke import SmokeSource
from zoo.training.sampler import AHEAD, THREADS, LoadError, batch_indices, batch_views, batches, shard

CPU = torch.device("cpu")


def epoch_of(size, batch_size, steps, seed=0):
    return np.concatenate([batch_indices(size, batch_size, step, seed) for step in range(steps)])


@settings(max_examples=40, deadline=None)
@given(count=st.integers(1, 30), batch_size=st.integers(1, 40), seed=st.integers(0, 2**62))
def test_every_epoch_is_a_permutation(count, batch_size, seed):
    """However the batches lie across its ends."""
    epochs = 3
    steps = -(-epochs * count // batch_size)
    seen = epoch_of(count, batch_size, steps, seed)[: epochs * count].reshape(epochs, count)
    for epoch in seen:
        assert sorted(epoch) == list(range(count))


def test_epochs_and_seeds_differ():
    first, second = epoch_of(50, 10, 10).reshape(2, 50)
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, epoch_of(50, 10, 5, seed=1))
    assert np.array_equal(first, epoch_of(50, 10, 5))


def test_a_step_depends_on_seed_and_number_only():
    alone = batch_indices(20, 6, 7, seed=3)
    assert np.array_equal(alone, epoch_of(20, 6, 8, seed=3)[42:])


def test_the_order_is_the_same_on_every_machine():
    """Written down once; another order would make old runs and new ones differ."""
    assert batch_indices(8, 8, 0, 0).tolist() == [3, 2, 1, 5, 4, 0, 6, 7]


@settings(max_examples=40, deadline=None)
@given(stored=st.integers(1, 12), data=st.data())
def test_views_of_a_sample_are_different_ones(stored, data):
    most = data.draw(st.integers(1, stored))
    least = data.draw(st.integers(1, most))
    views = batch_views(stored, (least, most), 5, data.draw(st.integers(0, 1000)), 0)
    assert views.shape[0] == 5
    assert least <= views.shape[1] <= most
    for row in views:
        assert len(set(row.tolist())) == len(row)
        assert 0 <= row.min() <= row.max() < stored


def test_every_view_and_number_of_views_is_drawn():
    seen, numbers = Counter(), Counter()
    for step in range(300):
        views = batch_views(4, (1, 3), 2, step, 0)
        numbers[views.shape[1]] += 1
        seen.update(views.flatten().tolist())
    assert set(numbers) == {1, 2, 3}
    assert min(numbers.values()) > 70
    assert set(seen) == {0, 1, 2, 3}
    assert min(seen.values()) > 0.8 * max(seen.values())


def test_items_of_a_batch_draw_their_own_views():
    views = batch_views(24, (1, 1), 64, 0, 0)
    assert len(set(views.flatten().tolist())) > 12


def test_more_views_than_stored():
    with pytest.raises(ValueError, match=r"train.views asks for up to 6 views, the data set has 5"):
        batch_views(5, (1, 6), 2, 0, 0)


SMALL = {"batch_size": 3, "views": (1, 2), "seed": 0, "device": CPU}


def stream(source, first, last, **changes):
    return list(batches(source, **(SMALL | changes), first=first, last=last))


def test_batches_start_anywhere(tiny_source):
    whole, rest = stream(tiny_source, 0, 6), stream(tiny_source, 4, 6)
    assert len(whole) == 6
    for one, other in zip(whole[4:], rest, strict=True):
        assert one.ids == other.ids
        assert torch.equal(one.image, other.image)
        assert torch.equal(one.voxels, other.voxels)


def test_batches_are_those_of_their_step(tiny_source):
    for step, batch in enumerate(stream(tiny_source, 0, 4, seed=9)):
        indices = batch_indices(len(tiny_source), 3, step, 9)
        views = batch_views(5, (1, 2), 3, step, 9)
        want = tiny_source.fetch(indices.tolist(), views.tolist())
        assert batch.ids == want.ids
        assert torch.equal(batch.image, want.image)


def test_no_steps_no_batches(tiny_source):
    assert stream(tiny_source, 3, 3) == []


def test_nothing_is_read_beyond_the_last_step(tiny_source):
    calls = []
    fetch = tiny_source.fetch
    tiny_source.fetch = lambda *args: calls.append(args) or fetch(*args)
    stream(tiny_source, 0, 5)
    assert len(calls) == 5


def test_errors_of_the_source_arrive_with_the_samples(tiny_source):
    """In the place of the batch, after those before it."""
    fetch = tiny_source.fetch
    ids = [[tiny_source.ids[i] for i in batch_indices(4, 3, step, 0)] for step in range(3)]

    def broken(indices, views):
        if [tiny_source.ids[i] for i in indices] == ids[2]:
            raise OSError("disk gone")
        return fetch(indices, views)

    tiny_source.fetch = broken
    assert ids[2] not in ids[:2]
    seen = []
    with pytest.raises(LoadError) as error:
        for batch in batches(tiny_source, **SMALL, first=0, last=9):
            seen.append(list(batch.ids))
    assert seen == ids[:2]
    assert str(error.value) == f"step 2 could not read {', '.join(ids[2])}: OSError: disk gone"
    assert isinstance(error.value.__cause__, OSError)
    assert loaders() == []


def test_what_a_config_asks_for_in_vain_is_no_error_of_the_data(tiny_source):
    with pytest.raises(ValueError, match=r"train.views asks for up to 6 views, the data set has 5"):
        stream(tiny_source, 0, 1, views=(1, 6))


# --- threads


def loaders():
    """Loader threads that are alive."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("loader")]


def counted(source):
    """The source with a list of the calls of its `fetch`."""
    calls, fetch = [], source.fetch
    source.fetch = lambda *args: calls.append(args) or fetch(*args)
    return calls


def test_closing_early_stops_the_threads(tiny_source):
    calls = counted(tiny_source)
    iterator = batches(tiny_source, **SMALL, first=0, last=1000)
    next(iterator)
    assert len(loaders()) == THREADS
    iterator.close()
    assert loaders() == []
    assert len(calls) <= AHEAD + 1


def test_no_more_is_read_ahead_than_memory_was_planned_for(tiny_source):
    calls = counted(tiny_source)
    iterator = batches(tiny_source, **SMALL, first=0, last=1000)
    for used in range(1, 6):
        next(iterator)
        deadline = monotonic() + 10
        while len(calls) < used + AHEAD and monotonic() < deadline:
            sleep(0.001)
        assert len(calls) == used + AHEAD
    iterator.close()


def test_slow_reads_do_not_mix_up_the_order(tiny_source):
    """Every second batch takes long, the others overtake it in the other thread."""
    fetch, turn = tiny_source.fetch, count()

    def uneven(indices, views):
        if next(turn) % 2 == 0:
            sleep(0.02)
        return fetch(indices, views)

    want = [batch.ids for batch in stream(tiny_source, 0, 8)]
    tiny_source.fetch = uneven
    assert [batch.ids for batch in stream(tiny_source, 0, 8)] == want


# --- several processes


@settings(max_examples=30, deadline=None)
@given(world=st.integers(1, 4), size=st.integers(4, 11), data=st.data())
def test_shards_are_disjoint_and_cover_the_batch(world, size, data):
    parts = [range(size)[shard(size, rank, world)] for rank in range(world)]
    assert [place for part in parts for place in part] == list(range(size))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("world", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [4, 5, 7])
def test_processes_together_see_what_one_sees(world, size):
    """Samples, views, and their order; from the beginning and resumed in the middle of an epoch."""
    source = SmokeSource(count=11, size=(8, 8), resolution=4)
    options = {"batch_size": size, "views": (1, 3), "seed": 5, "device": CPU, "last": 7}
    whole = list(batches(source, **options, first=0))
    for first in (0, 3):
        ranks = [
            list(batches(source, **options, first=first, rank=rank, world_size=world))
            for rank in range(world)
        ]
        for step, parts in enumerate(zip(*ranks, strict=True), first):
            assert sum((part.ids for part in parts), ()) == whole[step].ids
            for field in ("image", "voxels", "camera"):
                joined = torch.cat([getattr(part, field) for part in parts])
                assert torch.equal(joined, getattr(whole[step], field))
    seen = [shape_id for batch in whole for shape_id in batch.ids]
    for epoch in range(len(seen) // 11):
        assert len(set(seen[11 * epoch : 11 * epoch + 11])) == 11


@pytest.mark.parametrize(
    ("rank", "world", "text"),
    [
        (2, 2, "rank 2 is not one of 2 processes"),
        (-1, 2, "rank -1 is not"),
        (0, 4, "4 processes cannot share batches of 3; raise train.batch_size"),
    ],
)
def test_impossible_shards(tiny_source, rank, world, text):
    with pytest.raises(ValueError, match=text):
        list(batches(tiny_source, **SMALL, first=0, last=1, rank=rank, world_size=world))
