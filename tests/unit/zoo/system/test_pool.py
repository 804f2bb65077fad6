"""One task a process: what is done, lost and tried again, and that nothing else pays for it."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator

import pytest

from tests.helpers.pool_work import work
from zoo.system import pool as module
from zoo.system.pool import Done, Lost, Pool, PoolError


def events(*tasks: str | None, workers: int = 2, **options) -> list[Done[str] | Lost[str]]:
    return list(Pool[str](work, ("a", 1), workers, **options).run(iter(tasks)))


def test_every_task_is_done_once_and_the_state_is_there():
    found = events("state", *map(str, range(9)), workers=3)
    assert sorted(str(event.task) for event in found) == sorted(["state", *map(str, range(9))])
    assert all(isinstance(event, Done) and not event.alone for event in found)
    results = {event.task: event.result for event in found if isinstance(event, Done)}
    assert results["state"] == ("a", 1) and results["7"] == "7"


def test_no_tasks_start_no_process(monkeypatch):
    monkeypatch.setattr(module, "start_child", None)
    assert events() == [] and events(None, None) == []


def test_few_tasks_are_under_way():
    asked = []

    def tasks() -> Iterator[str]:
        for number in range(12):
            asked.append(number)
            yield str(number)

    run = Pool[str](work, (), 2).run(tasks())
    next(run)
    assert len(asked) <= 5  # two at work, two waiting, one done
    run.close()
    assert multiprocessing.active_children() == []


def test_results_come_while_no_task_is_there_yet():
    """A task that follows from the result of the one before."""
    done: list[str] = []

    def tasks() -> Iterator[str | None]:
        for number in range(3):
            while len(done) < number:
                yield None
            yield str(number)

    for event in Pool[str](work, (), 2).run(tasks()):
        done.append(event.task)
    assert done == ["0", "1", "2"]


def test_questions_are_answered_for_their_task():
    found = events("ask:x", "ask:y", answer=lambda task, question: f"{task} {question}!")
    assert {e.task: e.result for e in found if isinstance(e, Done)} == {
        "ask:x": "ask:x x!",
        "ask:y": "ask:y y!",
    }


def test_what_kills_its_process_twice_is_lost_with_its_place():
    own = Pool[str](work, (), 2)
    found = {event.task: event for event in own.run(iter(["exit:row 5", "a", "exit at once", "b"]))}
    assert found["exit:row 5"] == Lost("exit:row 5", "row 5", "exit status 3", alone=True)
    assert found["exit at once"] == Lost("exit at once", None, "exit status 3", alone=True)
    assert isinstance(found["a"], Done) and isinstance(found["b"], Done) and own.deaths == 4


def test_an_innocent_is_tried_again_alone(tmp_path):
    task = f"once:{tmp_path / 'mark'}"
    found = {event.task: event for event in events("a", task, "b")}
    assert found[task] == Done(task, task, alone=True) and len(found) == 3


def test_what_says_nothing_for_too_long_is_lost_and_what_goes_on_is_not():
    found = {event.task: event for event in events("hang:row 2", "slow:0.6", "a", limit=2.0)}
    assert found["hang:row 2"] == Lost("hang:row 2", "row 2", None, alone=False)
    assert isinstance(found["slow:0.6"], Done) and isinstance(found["a"], Done)


def test_a_task_can_be_put_back_and_is_amended_each_time():
    own = Pool[str](work, (), 1, amend=lambda task: task + "'")
    seen = []
    for event in own.run(iter(["a", "b"])):
        seen.append((event.task, event.result if isinstance(event, Done) else None))
        if len(seen) == 1:
            own.again(event)
    assert seen == [("a'", "a'"), ("a''", "a''"), ("b'", "b'")]


def test_errors_of_the_whole_end_the_run():
    with pytest.raises(ValueError, match=r"^the index is torn$"):
        events("a", "ValueError:the index is torn", errors=(KeyError, ValueError))
    with pytest.raises(RuntimeError, match=r"(?s)Traceback.*KeyError: 'x'"):
        events("a", "KeyError:x", errors=(ValueError,))
    assert multiprocessing.active_children() == []


def test_processes_that_cannot_begin(monkeypatch):
    def refuse(*args, **kwargs):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    with monkeypatch.context() as patch:
        patch.setattr(module, "start_child", refuse)
        with pytest.raises(PoolError, match=r"^no worker process can be started \(Resource temporarily un"):
            events("a")
    monkeypatch.setattr(module, "_serve", work)  # which is no body of a process
    with pytest.raises(PoolError, match=r"^3 worker processes ended before they began \(the last: exit st"):
        events("a", workers=1)
