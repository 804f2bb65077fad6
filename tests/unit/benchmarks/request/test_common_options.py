"""Options said once: every study takes the data set from wherever it lies."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from benchmarks.request.common_options import DATA, add_common, open_store
from benchmarks.studies import planted
from benchmarks.studies.classify import __main__ as classify
from benchmarks.studies.overfit import __main__ as overfit
from benchmarks.studies.pose import __main__ as pose

SMALL = ["data.train=1", "data.val=1", "data.test=1", "prepare.resolutions=[32]"]


def parsed(*words: str, names: tuple[str, ...] = DATA, **defaults) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_common(parser, *names, **defaults)
    return parser.parse_args(words)


def test_defaults_and_what_a_command_puts_in_their_place():
    assert vars(parsed()) == {
        "dataset": "procedural",
        "data_root": None,
        "preset": "quick",
        "workers": None,
        "overrides": [],
        "plugin": [],
    }
    args = parsed(names=("out", "device"), out=Path("elsewhere"))
    assert (args.out, args.device) == (Path("elsewhere"), "auto") and not hasattr(args, "dataset")


def test_help_says_the_default_that_counts():
    parser = argparse.ArgumentParser()
    add_common(parser, "out", "preset", out=Path("elsewhere"))
    assert "(default: elsewhere/)" in parser.format_help() and "(default: quick)" in parser.format_help()


def test_an_unknown_option_is_a_bug_of_the_command():
    with pytest.raises(KeyError):
        parsed(names=("data_root",))


def test_the_store_is_the_one_that_was_asked_for(tmp_path):
    words = ["--data-root", str(tmp_path), "--workers", "0", *(w for s in SMALL for w in ("--set", s))]
    chosen, store = open_store(parsed(*words))
    assert store.path.parent == tmp_path and store.resolutions == (32,)
    assert chosen.dataset == "procedural" and chosen.data_config["train"] == 1


@pytest.mark.parametrize("study", [overfit, planted, pose, classify], ids=lambda study: study.__name__)
def test_every_study_reads_any_data_set_from_any_folder(study, capsys):
    with pytest.raises(SystemExit):
        study.main(["--help"])
    text = capsys.readouterr().out
    assert all(f"--{name} " in text for name in (*DATA, "set", "plugin"))


@pytest.mark.parametrize("study", [overfit, planted, classify], ids=lambda study: study.__name__)
def test_files_that_are_not_there_are_one_line(study, tmp_path, capsys):
    assert study.main(["--dataset", "folder", "--data-root", str(tmp_path / "absent")]) == 2
    assert "absent" in capsys.readouterr().err
