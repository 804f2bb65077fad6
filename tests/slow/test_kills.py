"""Commands that are killed at random: what they had done is kept, and nothing of them is left running.

Left out of the ordinary suite; ``pytest -m slow tests/slow/test_kills.py`` kills a hundred times, in half an
hour or so on two cores. R3D_KILLS is another number, R3D_KILL_SEED another choice of moments.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
KILLS = int(os.environ.get("R3D_KILLS", "100"))
SEED = int(os.environ.get("R3D_KILL_SEED", "0"))
SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP")
GRACE = 30.0
"""Seconds that a command may take to put things away, and its children to follow it."""
RUN = [
    *("-m", "benchmarks.run", "--models", "vae_gan_baseline,psgn", "--categories", "chair,table"),
    *("--set", "data.train=6", "--set", "data.val=2", "--set", "data.test=3", "--set", "prepare.views=2"),
    *("--set", "prepare.points=1024", "--set", "protocol.points=1024", "--set", "train.steps=12"),
    *("--set", "train.batch_size=2", "--set", "train.checkpoint_every=3", "--set", "train.log_every=1"),
]
PHASES = 4
"""Kills of one command in a row, before it is left to finish."""


def start(folder: Path, mark: str) -> subprocess.Popen[bytes]:
    """The command in a session of its own, as a terminal would start it."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "R3D_KILL_MARK": mark}
    words = [sys.executable, *RUN, "--data-root", str(folder / "data"), "--out", str(folder / "out")]
    with (folder / "said.txt").open("ab") as said:
        return subprocess.Popen(
            words, cwd=ROOT, env=environment, stdout=said, stderr=said, start_new_session=True
        )


def running(mark: str) -> list[str]:
    """Command lines of all processes that a marked command started, itself included."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if (
                folder.name.isdigit()
                and f"R3D_KILL_MARK={mark}".encode() in (folder / "environ").read_bytes()
            ):
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                found += [f"{folder.name} {line}"] if line else []  # a zombie has none
        except OSError:  # it ended meanwhile, or is somebody else's
            continue
    return found


def wait_for_silence(mark: str) -> None:
    """Return once nothing of the command runs any more."""
    until = time.monotonic() + GRACE
    while left := running(mark):
        assert time.monotonic() < until, f"still running {GRACE:g} s after the command: {left}"
        time.sleep(0.1)


def results(out: Path) -> dict[str, str]:
    """Digest of whatever must not depend on kills: rows of every cell, final weights of every training."""
    found = {}
    for folder in (out / "cells").iterdir():
        if (folder / "record.json").is_file():
            name = json.loads((folder / "record.json").read_text(encoding="utf-8"))["name"]
            found[f"rows of {name}"] = digest(folder / "rows.csv")
    for weights in out.glob("runs/*/step-0000012/*.safetensors"):
        found[f"{weights.parent.parent.name.rpartition('-')[0]} {weights.name}"] = digest(weights)
    return found


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def leftovers(folder: Path) -> Iterator[str]:
    """Half-written files and folders."""
    yield from (str(path) for path in folder.rglob("*.part"))
    yield from (str(path) for path in folder.rglob("measured.jsonl"))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")
def test_killed_at_random_it_ends_with_the_results_of_an_undisturbed_run(tmp_path):
    calm = tmp_path / "calm"
    calm.mkdir()
    began = time.monotonic()
    assert start(calm, "calm").wait() == 0, (calm / "said.txt").read_text(encoding="utf-8")
    whole = time.monotonic() - began
    expected = results(calm / "out")
    assert len(expected) > 10
    generator = np.random.default_rng(SEED)
    done, commands, codes = 0, itertools.count(), Counter[tuple[str, int]]()
    while done < KILLS:
        folder = tmp_path / f"killed-{next(commands)}"
        folder.mkdir()
        for _ in range(min(PHASES, KILLS - done)):
            name = SIGNALS[generator.integers(len(SIGNALS))]
            mark = f"{SEED}-{done}"
            command = start(folder, mark)
            try:
                code = command.wait(timeout=generator.uniform(0.02, 0.9) * whole)
            except subprocess.TimeoutExpired:
                command.send_signal(getattr(signal, name))
                code = command.wait(timeout=GRACE)
                codes[name, code] += 1
                done += 1
                print(f"{done} of {KILLS}: {name} in {folder.name}, status {code}", flush=True)
            wait_for_silence(mark)
            if code == 0:
                break
        else:
            assert start(folder, "end").wait() == 0, (folder / "said.txt").read_text(encoding="utf-8")[-3000:]
        wait_for_silence("end")
        assert results(folder / "out") == expected, (folder / "said.txt").read_text(encoding="utf-8")[-3000:]
        assert list(leftovers(folder)) == []
        assert "Traceback" not in (folder / "said.txt").read_text(encoding="utf-8")
    print(f"{done} kills: {dict(codes)}; an undisturbed run takes {whole:.0f} s")
    assert {name for name, _ in codes} == set(SIGNALS) or done < 20
