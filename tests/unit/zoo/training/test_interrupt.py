"""A first signal asks, a second one acts, and what is ignored stays so."""

import os
import signal
import threading

import pytest

from zoo.training.interrupt import SIGNALS, graceful_stop


@pytest.fixture
def acted():
    """Signals that acted as they would have without the block."""
    numbers = []
    previous = {n: signal.signal(n, lambda number, frame: numbers.append(number)) for n in SIGNALS}
    yield numbers
    for number, handler in previous.items():
        signal.signal(number, handler)


def send(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_first_signal_only_asks(acted, number):
    with graceful_stop() as stop:
        assert stop() == 0
        send(number)
        assert stop() == number and acted == []
    send(number)
    assert acted == [number]


@pytest.mark.parametrize("first", SIGNALS)
@pytest.mark.parametrize("second", SIGNALS)
def test_a_second_signal_acts_as_usual(acted, first, second):
    with graceful_stop() as stop:
        send(first)
        send(second)
        assert stop() == first and acted == [second]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_that_is_ignored_stays_so(acted, number):
    """SIGHUP of a command that nohup started, SIGINT of one that a script put in the background."""
    signal.signal(number, signal.SIG_IGN)
    with graceful_stop() as stop:
        send(number)
        assert stop() == 0
        assert signal.getsignal(number) is signal.SIG_IGN
    assert signal.getsignal(number) is signal.SIG_IGN


def test_handlers_are_back_after_an_error(acted):
    before = [signal.getsignal(number) for number in SIGNALS]
    with pytest.raises(RuntimeError), graceful_stop():
        raise RuntimeError("inside")
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_a_block_inside_a_block_takes_the_signal(acted):
    with graceful_stop() as outer, graceful_stop() as inner:
        send(signal.SIGTERM)
        assert (outer(), inner()) == (0, signal.SIGTERM)


def test_other_threads_change_nothing(acted):
    before = [signal.getsignal(number) for number in SIGNALS]
    found = []

    def body():
        with graceful_stop() as stop:
            found.extend([stop(), [signal.getsignal(number) for number in SIGNALS]])

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert found == [0, before]
