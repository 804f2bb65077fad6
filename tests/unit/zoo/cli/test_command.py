"""The one door of every command: errors as one line, signals as a clean stop, output for every terminal."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from zoo.cli.command import known_command, run_command
from zoo.config import ConfigError
from zoo.errors import UserError
from zoo.registry import RegistryError

ROOT = Path(__file__).resolve().parents[4]


def raising(error):
    def body():
        raise error

    return body


def full(*files):
    """An error of the system, with no file, one or two."""
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), *(x for file in files for x in (file, None)))


def moved(source, target):
    return OSError(errno.EXDEV, "Invalid cross-device link", source, None, target)


@pytest.mark.parametrize("status", [None, 0, 1, 3])
def test_a_body_that_ends_gives_its_status(status, capsys):
    assert run_command(lambda: status) == (status or 0)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (UserError("--width: 3 is no power of two"), "--width: 3 is no power of two"),
        (ConfigError("r3d.yaml: steps: unknown key"), "r3d.yaml: steps: unknown key"),
        (RegistryError("unknown model '[/r3d]'"), "unknown model '[/r3d]'"),
        (full(), "No space left on device"),
        (full("runs/table.md"), "runs/table.md: No space left on device"),
        (PermissionError(13, "Permission denied", "/root/x"), "/root/x: Permission denied"),
        (IsADirectoryError(21, "Is a directory", Path("out/table.md")), "out/table.md: Is a directory"),
        (moved("a", "b"), "a and b: Invalid cross-device link"),
        (FileNotFoundError(2, "No such file or directory", "a\nb"), "a\\nb: No such file or directory"),
        (OSError("out of inodes"), "out of inodes"),
        (OSError(), "OSError"),
        (MemoryError(), "not enough memory; try fewer --workers or --jobs, or smaller settings"),
        (UserError("a name with \x1b[31mred\x1b[0m"), "a name with \\x1b[31mred\\x1b[0m"),
        (UserError("a name of bytes \udcff"), "a name of bytes \\udcff"),
    ],
)
def test_what_the_user_can_mend_is_one_line_and_status_2(error, line, capsys):
    assert run_command(raising(error)) == 2
    assert capsys.readouterr().err == f"error: {line}\n"


def test_a_bug_keeps_its_traceback():
    for error in (ValueError("a bug"), KeyError("camera"), AssertionError()):
        with pytest.raises(type(error)):
            run_command(raising(error))


def test_a_message_of_several_lines_keeps_them(capsys):
    run_command(raising(UserError("two files:\n  a\n  b")))
    assert capsys.readouterr().err == "error: two files:\n  a\n  b\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_puts_everything_away_and_is_told_by_the_status(number, capsys):
    put_away = []

    def body():
        try:
            os.kill(os.getpid(), number)
            time.sleep(10)  # the signal ends it
        except Exception:
            put_away.append("taken for an error")
        finally:
            put_away.append("ended")

    before = signal.getsignal(number)
    assert run_command(body, "stopped; go on with the same command") == 128 + number
    assert put_away == ["ended"]
    assert capsys.readouterr().err == "\nstopped; go on with the same command\n"
    assert signal.getsignal(number) is before


def test_a_hangup_that_is_ignored_stays_so():
    """As nohup leaves it."""
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert run_command(lambda: os.kill(os.getpid(), signal.SIGHUP)) == 0
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, previous)


PRINTS = """
import sys
from zoo.cli.command import run_command
def body():
    print(TEXT)
    print(TEXT, file=sys.stderr)
    from rich.console import Console
    Console(width=80).print(TEXT, highlight=False)
sys.exit(run_command(body))
"""


@pytest.mark.parametrize(
    ("text", "encoding", "shown"),
    [
        ("IoU \u2191", "cp1252", "IoU ^"),
        ("IoU \u2191", "ascii", "IoU ^"),
        ("IoU \u2191", "latin-1", "IoU ^"),
        ("IoU \u2191", "ascii:strict", "IoU ^"),
        ("IoU \u2191", "utf-8", "IoU \u2191"),
        ("0.5 \u00b1 0.1 \u2192 \u2026", "ascii", "0.5 +- 0.1 -> ..."),
        ("0.5 \u00b1 0.1", "cp1252", "0.5 \u00b1 0.1"),
        ("\u2500\u2500\u2501", "ascii", "---"),
        ("\u6905 \u00e9", "ascii", "? ?"),
        ("\u6905 \u00e9", "cp1252", "? \u00e9"),
        ("a \udcff b", "utf-8", "a ? b"),
        ("a \udcff b", "cp1252", "a ? b"),
        ("\U0001f600", "cp437", "?"),
    ],
)
def test_every_terminal_takes_every_character(text, encoding, shown):
    result = subprocess.run(
        [sys.executable, "-c", PRINTS.replace("TEXT", ascii(text))],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding, "NO_COLOR": "1"},
        capture_output=True,
    )
    name = encoding.partition(":")[0]
    assert result.returncode == 0, result.stderr.decode(name)
    assert result.stdout.decode(name).splitlines() == [shown] * 2
    assert result.stderr.decode(name).splitlines() == [shown]


@pytest.mark.parametrize("name", ["C", "POSIX", "C.UTF-8"])
def test_any_locale_prints_the_list_of_models(name):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "PYTHONIO", "PYTHONUTF8"))}
    result = subprocess.run(
        [sys.executable, "-m", "benchmarks.run", "--list"],
        env={**clean, "LANG": name, "LC_ALL": name, "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        capture_output=True,
        cwd=ROOT,
    )
    assert result.returncode == 0, result.stderr
    assert b"vae_gan_baseline" in result.stdout


def test_a_reader_that_goes_away_is_no_error():
    code = (
        "import sys\nfrom zoo.cli.command import run_command\n"
        "def body():\n for k in range(10**6):\n  print(k)\n"
        "sys.exit(run_command(body))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == b"0\n"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 128 + 13


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_is_killed_says_one_line(number):
    code = (
        "import sys, time\nfrom zoo.cli.command import run_command\n"
        "def body():\n print('began', flush=True)\n time.sleep(60)\n"
        "sys.exit(run_command(body, 'stopped; nothing is lost'))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == b"began\n"
        process.send_signal(number)
        assert process.stderr.read() == b"\nstopped; nothing is lost\n"
        assert process.wait() == 128 + number


@pytest.mark.parametrize(
    ("words", "near"), [(["trian"], "train"), (["Train"], "train"), (["nothing"], None), ([""], None)]
)
def test_an_unknown_command_names_the_nearest(words, near):
    with pytest.raises(RegistryError, match=f"unknown command '{words[0]}'") as told:
        known_command(words, ["train", "check"])
    assert (f"Did you mean '{near}'" in str(told.value)) == (near is not None)
    assert "Known: train, check" in str(told.value)


@pytest.mark.parametrize("words", [[], ["train"], ["--help"], ["check", "nothing"]])
def test_known_commands_and_options_pass(words):
    assert known_command(words, ["train", "check"]) is None


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_while_the_process_leaves_prints_nothing(name, tmp_path):
    script = tmp_path / "command.py"
    script.write_text(
        "import atexit, time\n"
        "from zoo.cli.command import leave, run_command\n"
        "def linger():\n"
        "    print('leaving', flush=True)\n"
        "    time.sleep(60)\n"
        "atexit.register(linger)\n"
        "leave(run_command(lambda: print('table', flush=True)))\n",
        encoding="utf-8",
    )
    child = subprocess.Popen(
        [sys.executable, script], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert child.stdout is not None
    assert [child.stdout.readline(), child.stdout.readline()] == ["table\n", "leaving\n"]
    child.send_signal(getattr(signal, name))
    _, said = child.communicate(timeout=30)
    assert said == "" and child.returncode == -getattr(signal, name)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_that_is_lost_on_its_way_stops_the_command_all_the_same(name, capsys):
    """Compiled code that was running makes a SystemError of it, which counts as the failure of some row."""
    number = getattr(signal, name)

    def body():
        try:
            os.kill(os.getpid(), number)
        except KeyboardInterrupt as stop:
            with pytest.raises(SystemError):
                raise SystemError("returned a result with an exception set") from stop
        return 0

    assert run_command(body, stopped="the same command goes on") == 128 + number
    assert "the same command goes on" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
