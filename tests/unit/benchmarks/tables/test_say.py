"""Names, paths and errors on a terminal: as they are, whatever is in them."""

import io

import pytest
from rich.console import Console

from benchmarks.cells.events import Event
from benchmarks.driver.terminal import Bars
from benchmarks.run import main
from benchmarks.tables.say import say, say_failed
from tests.unit.benchmarks.test_benchmark_run import TINY

TEXTS = [
    "[/data/x]",
    "[red]",
    "[bold",
    "[/]",
    "]",
    "[[x]]",
    "\\[/x]",
    "[link=file:///etc]x[/link]",
    "[@click=f()]x",
    ":smile: :x:",
    "CUDA out of memory. Tried 1 GiB [GPU 0; 2 GiB] (malloc at [/src/c10.cpp:1])",
    "{note} {task.fields[note]} %s",
    "100 % \u00b1 \u2191",
]


def printed(call, *args):
    out = io.StringIO()
    call(Console(file=out, width=1000, force_terminal=True, color_system=None), *args)
    return out.getvalue()


@pytest.mark.parametrize("text", TEXTS)
def test_text_is_printed_as_it_is(text):
    assert printed(say, text) == f"{text}\n"
    assert printed(say, text, text, "red") == f"{text} {text}\n"
    assert printed(say_failed, text, RuntimeError(text)) == f"failed {text}: RuntimeError: {text}\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b[31mred", "\\x1b[2J\\x1b[31mred"),
        ("\x9b31m", "\\x9b31m"),
        ("\x07\x08", "\\x07\\x08"),
        ("a\rb", "a\\rb"),
        ("f\udcfcr", "f\\udcfcr"),
        ("\u202egnp", "\\u202egnp"),
        ("two\nlines", "two\nlines"),
    ],
)
def test_codes_do_nothing(text, shown):
    assert printed(say, text) == f"{shown}\n"


def test_an_error_of_the_system_names_its_file():
    assert printed(say_failed, "r3d (seed 0)", OSError(28, "No space left on device", "runs/[/x]")) == (
        "failed r3d (seed 0): OSError: runs/[/x]: No space left on device\n"
    )


@pytest.mark.parametrize("text", TEXTS)
def test_a_bar_shows_any_name(text):
    def bar(console):
        with Bars(console) as shown:
            shown(Event("training", text, done=1, total=2))

    assert f"training {text}" in printed(bar)


def test_a_model_that_fails_with_markup_in_its_error_costs_itself(tmp_path, monkeypatch, capsys):
    def broken(*args, **kwargs):
        raise RuntimeError("tried [/data/x] [bold")

    monkeypatch.setattr("benchmarks.cells.work.train", broken)
    out, data = tmp_path / "out [/x]", tmp_path / "data"
    words = ["--models", "vae_gan_baseline", "--out", str(out), "--data-root", str(data), *TINY]
    assert main(words) == 1
    text = " ".join(capsys.readouterr().out.split())
    assert "failed vae_gan_baseline (seed 0): RuntimeError: tried [/data/x] [bold" in text
    assert "no model has a result; see the failures above" in text
