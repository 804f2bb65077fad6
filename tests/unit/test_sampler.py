"""Which samples and views a step sees."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.training.sampler import batch_indices, batch_views, batches

CPU = torch.device("cpu")


def epoch_of(count, batch_size, steps, seed=0):
    return np.concatenate([batch_indices(count, batch_size, step, seed) for step in range(steps)])


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


def stream(source, first, last, seed=0, views=(1, 2)):
    return list(batches(source, batch_size=3, views=views, first=first, last=last, seed=seed, device=CPU))


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


def test_errors_of_the_source_arrive(tiny_source):
    def fetch(indices, views):
        raise OSError("disk gone")

    tiny_source.fetch = fetch
    with pytest.raises(OSError, match="disk gone"):
        stream(tiny_source, 0, 3)
