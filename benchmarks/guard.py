"""Is `datasets` our folder? A well-known package has the same name, and Python takes the first it finds.

`python -m benchmarks.run` from the repository's root always finds ours. Anything that puts another folder
first (running the file itself, an isolated interpreter, an edited PYTHONPATH) may find the other one, and
would then fail far from the cause.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMAND = "python -m benchmarks.run"


def wrong_datasets_package() -> str | None:
    """What Python finds as `datasets` when that is not this repository's folder; None when all is well.

    Looks without importing: the wrong package may be slow to import, or fail to.
    """
    expected = ROOT / "datasets" / "__init__.py"
    try:
        spec = importlib.util.find_spec("datasets")
    except ValueError:  # already imported, by something that left it without a spec
        return str(getattr(sys.modules["datasets"], "__file__", None))
    if spec is None:
        return "nothing of that name"
    if spec.origin is None:  # a folder without __init__.py
        return ", ".join(spec.submodule_search_locations or ["a package without a file"])
    return None if Path(spec.origin).resolve() == expected else spec.origin


def check_datasets_package() -> None:
    """Leave with exit status 2, naming the file found and the right command, unless `datasets` is ours."""
    found = wrong_datasets_package()
    if found is None:
        return
    asked = sys.orig_argv
    command = f"python -m {asked[asked.index('-m') + 1]}" if "-m" in asked[:-1] else COMMAND
    sys.stderr.write(
        f"error: `datasets` must be {ROOT / 'datasets'}, but Python found {found}.\n"
        f"Run from the root of the repository, as a module: cd {ROOT} && {command}\n"
    )
    raise SystemExit(2)
