"""Sequences whose items are made when they are asked for behave as lists do."""

import pytest

from zoo.system.lazy import LazySequence


class Squares(LazySequence[int]):
    def __init__(self) -> None:
        self.asked: list[int] = []

    def item(self, index):
        self.asked.append(index)
        return index**2

    def __len__(self):
        return 5


@pytest.mark.parametrize(
    "index", [0, 4, -1, -5, slice(None), slice(1, 3), slice(None, None, -2), slice(4, 99)]
)
def test_an_index_means_what_it_means_in_a_list(index):
    assert Squares()[index] == [0, 1, 4, 9, 16][index]


@pytest.mark.parametrize("index", [5, -6, 99])
def test_beyond_the_ends_nothing_is_made(index):
    squares = Squares()
    with pytest.raises(IndexError):
        squares[index]
    assert squares.asked == []


def test_what_is_asked_for_is_made_once_and_nothing_else():
    squares = Squares()
    assert squares[1:3] == [1, 4] and squares.asked == [1, 2]
    assert list(squares) == [0, 1, 4, 9, 16] and squares.asked == [1, 2, 0, 1, 2, 3, 4]
