"""The mutation command: a sample of what it does whole under -m slow, and that it notices faults."""

import pytest

from tests.mutate.__main__ import main, summary, trials
from tests.mutate.mutations import MUTATIONS
from tests.mutate.readers import Reader, all_readers
from tests.mutate.trial import Bench, Trial, _try
from zoo.errors import UserError

pytest.importorskip("resource")  # it limits the memory of a trial

SEEDS = range(7)
WHOLE = b"0123456789" * 20


def test_every_reader_stands_a_sample_of_mutations():
    names = list(all_readers())
    found = list(trials(names, SEEDS))
    assert len(found) == len(names) * len(SEEDS) > 200
    assert not [one for one in found if one.failed], summary(found)
    assert {one.outcome for one in found} == {"accepted", "refused"}


def outcomes(tmp_path, read, **traits):
    """What is said of a reader, over many seeds; its sample is ten lines."""
    reader = Reader("x", lambda folder: (folder / "x").write_bytes(WHOLE), read, ("x",), **traits)
    (tmp_path / "trials").mkdir(exist_ok=True)
    return {_try({"x": reader}, "x", seed, tmp_path / "trials", {})[0] for seed in range(200)}


def careful(folder):
    data = (folder / "x").read_bytes() if (folder / "x").is_file() else b""
    if data != WHOLE:
        raise UserError("not what was written")
    return len(data), data


def careless(folder):
    data = (folder / "x").read_bytes() if (folder / "x").is_file() else WHOLE
    return len(data), data


def broken(folder):
    return careless(folder) if careless(folder)[1] == WHOLE else {}["key"]


def silent(folder):
    if careless(folder)[1] != WHOLE:
        raise UserError("")
    return careless(folder)


def greedy(folder):
    found = careless(folder)
    if found[1] != WHOLE:
        assert sum((b"x" * (60 << 20))[::4096]) > 0
    return found


@pytest.mark.parametrize(
    ("read", "traits", "said"),
    [
        (careful, {}, {"accepted", "refused"}),
        (careful, {"refuses": False}, {"accepted", "refused what it can do without"}),
        (careless, {}, {"accepted", "less was accepted"}),
        (careless, {"tells": False}, {"accepted"}),
        (careless, {"exact": True}, {"accepted", "another value was accepted"}),
        (broken, {"tells": False}, {"accepted", "KeyError"}),
        (silent, {"tells": False}, {"accepted", "an error without a word"}),
        (lambda folder: 1 / 0, {}, {"the sample itself is not read"}),
    ],
)
def test_what_a_reader_must_not_do_is_noticed(tmp_path, read, traits, said):
    assert outcomes(tmp_path, read, **traits) <= said
    assert outcomes(tmp_path, read, **traits) - {"accepted", "refused"} == said - {"accepted", "refused"}


def test_memory_that_is_taken_for_nothing_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.mutate.trial.MEMORY", 20 << 10)
    reader = Reader("x", lambda folder: (folder / "x").write_bytes(WHOLE), greedy, ("x",), tells=False)
    (tmp_path / "trials").mkdir()
    seed = next(
        s for s in range(99) if "truncated" in _try({"x": reader}, "x", s, tmp_path / "trials", {})[1]
    )
    assert _try({"x": reader}, "x", seed, tmp_path / "trials", {})[0] == "memory"


def test_a_trial_that_takes_too_long_and_a_process_that_dies_cost_themselves():
    bench = Bench(seconds=0.0)
    try:
        assert bench.run("store", 0).outcome == "no answer in 0 s"
        bench.seconds = 60
        bench._process.kill()
        bench._process.join()
        assert bench.run("off", 0).outcome == "the process died"
        assert not bench.run("off", 0).failed
    finally:
        bench.close()


def test_the_same_seed_is_the_same_trial():
    one, two = (list(trials(["off", "metrics"], [5])) for _ in range(2))
    assert [(t.outcome, t.what.split("/tmp")[0]) for t in one] == [
        (t.outcome, t.what.split("/tmp")[0]) for t in two
    ]


def test_the_summary_counts_and_says_how_to_replay(capsys):
    text = summary([Trial("off", 1, "accepted", ""), Trial("off", 7, "KeyError", "x.off flipped: 'key'")])
    assert "off                    2         1        0       1" in text
    assert "KeyError: python -m tests.mutate --only 'off' --seed 7\n  x.off flipped: 'key'" in text
    assert main(["--only", "off", "--seed", "3"]) == 0
    assert capsys.readouterr().out.startswith("off: ")


@pytest.mark.parametrize("mutation", [mutation for mutation, _ in MUTATIONS])
def test_mutations_take_any_bytes_and_are_drawn_by_the_generator(mutation):
    from random import Random

    for data in (
        b"",
        b"\0",
        b"{}",
        b"v 1 2 3\nf 1 2 3\n",
        b'{"a": [1, {"b": 2.5}]}\n{"c": null}\n',
        bytes(range(256)),
    ):
        for seed in range(20):
            made = mutation(data, Random(seed))
            assert isinstance(made, bytes)
            assert made == mutation(data, Random(seed))
