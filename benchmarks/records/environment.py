"""Where a number comes from: versions, code, device, command."""

from __future__ import annotations

import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from benchmarks.records.schema import Git

PACKAGES = ("torch", "timm", "numpy", "scipy", "scikit-image", "numba", "trimesh")


def versions() -> dict[str, str]:
    """Versions of what a number depends on."""
    from zoo.system.version import __version__

    found = {"zoo": __version__, "python": sys.version.split()[0]}
    return found | {package: version(package) for package in PACKAGES}


def git() -> Git:
    """Commit of the checkout that this file lies in, and whether it has changes; None outside one."""
    here = Path(__file__).resolve().parent

    def ask(*words: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", *words], cwd=here, capture_output=True, encoding="utf-8", check=True
            )
        except (OSError, subprocess.CalledProcessError):
            return None
        return done.stdout.strip()

    commit = ask("rev-parse", "HEAD")
    return Git(commit=commit, dirty=bool(commit and ask("status", "--porcelain", "--untracked-files=no")))


def command() -> str:
    """The command line, as it can be typed again."""
    asked = sys.orig_argv
    module = asked[asked.index("-m") + 1] if "-m" in asked[:-1] else "benchmarks.run"
    return f"python -m {module} {shlex.join(sys.argv[1:])}"
