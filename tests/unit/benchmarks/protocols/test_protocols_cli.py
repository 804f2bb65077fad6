"""`python -m benchmarks.protocols`: what it prints, and what it says to a wrong name."""

from __future__ import annotations

import pytest

from benchmarks.protocols import PROTOCOLS
from benchmarks.protocols.__main__ import main


def test_list_names_every_protocol(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["list"]) == 0
    printed = capsys.readouterr().out
    for entry in PROTOCOLS:
        line = next(x for x in printed.splitlines() if x.startswith(f"{entry.name} "))
        assert entry.cls.compares[:20] in line


def test_show_prints_the_description_and_the_settings(capsys):
    assert main(["show", "occnet"]) == 0
    printed = capsys.readouterr().out
    entry = PROTOCOLS.get("occnet")
    assert entry.cls(entry.config()).describe() in printed
    assert "--set protocol.points=100000: Points per side on the surfaces" in printed
    assert main(["show", "pix3d"]) == 0
    assert "Sun et al. 2018 (arXiv:1804.04610)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "pixd3"], "unknown protocol 'pixd3'. Did you mean 'pix3d'"),
        (["lst"], "unknown command 'lst'. Did you mean 'list'?"),
    ],
)
def test_wrong_names(arguments, message, capsys):
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "status"), [([], 2), (["show"], 2), (["--help"], 0)])
def test_usage(arguments, status, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == status
    printed = capsys.readouterr()
    assert "COMMAND" in printed.out + printed.err or "NAME" in printed.err
    if arguments == ["--help"]:
        assert "python -m benchmarks.protocols show pix3d" in printed.out
