"""One door for every command: errors as one line, signals as a clean stop, output for every terminal."""

from __future__ import annotations

import codecs
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from zoo.errors import UserError
from zoo.registry import RegistryError, did_you_mean
from zoo.system.text import printable

BAD_INPUT = 2
"""Exit status for whatever the user, or the machine's owner, has to mend."""

PLAIN = {
    **{
        "↑": "^",
        "↓": "v",
        "→": "->",
        "±": "+-",
        "−": "-",
        "×": "x",
        "≥": ">=",
        "≤": "<=",
        "…": "...",
        "·": ".",
    },
    **{
        "–": "-",
        "—": "-",
        "─": "-",
        "━": "-",
        "╸": "-",
        "╺": "-",
        "│": "|",
        "•": "*",
        "°": " deg",
        "²": "^2",
    },
}
"""What stands for a character that a terminal's encoding does not have; others become '?'."""


_STOPPING = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP

LINES = "\n\t"
"""What may stand in a message beside characters that print."""


class Stopped(KeyboardInterrupt):
    """A signal asked the command to stop.

    Attributes:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def run_command(body: Callable[[], int | None], stopped: str = "stopped") -> int:
    """Run the body of a command and return its exit status.

    A `UserError` becomes one line on stderr and status 2, as does an error of the system (a disk that is
    full, a folder that cannot be written), which names its file. SIGINT, SIGTERM and SIGHUP end the body as
    `KeyboardInterrupt` does, so that everything is put away, with status 128 + the signal's number; a hangup
    that is ignored (nohup) stays so. Characters that the terminal's encoding does not have are replaced.

    Args:
        stopped: printed when a signal ended it: what is kept and how to go on.
    """
    speak_plainly()
    try:
        with _signals() as came:
            status = body() or 0
            if came:  # lost on its way, as in compiled code, which makes a SystemError of it
                raise Stopped(came[0])
            return status
    except UserError as error:
        return _fail(str(error))
    except KeyboardInterrupt as stop:
        print(f"\n{stopped}", file=sys.stderr)
        return 128 + (stop.number if isinstance(stop, Stopped) else signal.SIGINT)
    except BrokenPipeError:  # the reader of a pipe went away, as `head` does
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - for the flush at exit
        return 128 + 13
    except OSError as error:
        return _fail(explain(error))
    except MemoryError:
        return _fail("not enough memory; try fewer --workers or --jobs, or smaller settings")


def leave(status: int) -> NoReturn:
    """End the process of a command; what a signal interrupts from here on is no more than the leaving.

    Processes that the command started are waited for while the interpreter ends, where a Ctrl-C would print a
    traceback below a finished table.
    """
    if threading.current_thread() is threading.main_thread():
        for name in _STOPPING:
            if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) is not signal.SIG_IGN:
                signal.signal(getattr(signal, name), signal.SIG_DFL)
    sys.exit(status)


def known_command(arguments: Sequence[str], known: Sequence[str]) -> None:
    """Raise `RegistryError` where a command line begins with a word that is none of its commands."""
    if arguments and not arguments[0].startswith("-") and arguments[0] not in known:
        near = did_you_mean(arguments[0], list(known))
        raise RegistryError(f"unknown command '{arguments[0]}'.{near} Known: {', '.join(known)}")


def explain(error: OSError) -> str:
    """An error of the system in one line, with the file that it is about."""
    why = error.strerror or str(error) or type(error).__name__
    files = [printable(str(name)) for name in (error.filename, error.filename2) if name is not None]
    return f"{' and '.join(files)}: {why}" if files else why


def speak_plainly() -> None:
    """Let standard output and error take every character, whatever their encoding."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_PLAIN)


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Within the block signals that ask for an end raise `Stopped`; gives the numbers of those that came."""
    names = [name for name in _STOPPING if hasattr(signal, name)]
    came: list[int] = []
    found = {number: signal.getsignal(number) for number in (signal.Signals[name] for name in names)}
    if threading.current_thread() is not threading.main_thread():
        found = {}

    def stop(number: int, frame: FrameType | None) -> None:
        came.append(number)
        raise Stopped(number)

    ours = [number for number, handler in found.items() if handler is not signal.SIG_IGN]
    for number in ours:
        signal.signal(number, stop)
    try:
        yield came
    finally:
        for number in ours:
            signal.signal(number, found[number])


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(PLAIN.get(sign, "?") for sign in missing), error.end


_PLAIN = "zoo.plain"
codecs.register_error(_PLAIN, _plain)


def _fail(message: str) -> int:
    print(f"error: {printable(message, keep=LINES)}", file=sys.stderr)
    return BAD_INPUT
