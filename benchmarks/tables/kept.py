"""A folder of its own for what each comparison was written as: the next command does not replace it.

The newest files lie where they always lay, in the folder of the command. Beside them ``tables/<name>`` holds
the same files (the same bytes on the disk, where the disk can do that) under a name that says what was
compared and ends with digits of what exactly: the same command again writes the same folder.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from benchmarks.statistics.comparison import Comparison
from benchmarks.tables.blocks import slug

TABLES = "tables"
NAMED = 3
"""Models in a name; of more the first ones, and how many more."""
DIGITS = 6


def comparison_name(comparison: Comparison) -> str:
    """Models, data set, preset and protocol, and digits of the cells that are compared."""
    models = sorted(row.name for row in comparison.models)
    more = [f"and-{len(models) - NAMED}-more"] if len(models) > NAMED else []
    cells = sorted(record.cell for row in comparison.rows for record in row.records)
    digits = hashlib.sha256("".join(cells).encode()).hexdigest()[:DIGITS]
    protocol = comparison.protocol.id.partition(" ")[0]
    where = (comparison.dataset.name, comparison.preset, protocol)
    return "-".join([*map(_word, models[:NAMED]), *more, *map(_word, where), digits])


def keep(comparison: Comparison, out: Path, written: Iterable[Path]) -> Path:
    """Put written files into the comparison's own folder too; gives the folder.

    Args:
        out: folder of the command, in which the files lie.
        written: files in it or in folders below it.

    Raises:
        OSError: a file cannot be written; names it.
    """
    folder = out / TABLES / comparison_name(comparison)
    for path in written:
        place = folder / path.relative_to(out)
        place.parent.mkdir(parents=True, exist_ok=True)
        beside = place.with_name(f".{place.name}.{os.getpid()}.part")
        beside.unlink(missing_ok=True)
        try:
            os.link(path, beside)
        except OSError:  # a disk without links
            shutil.copyfile(path, beside)
        beside.replace(place)
        # where an equal command was first, both are names of one file, which the system leaves as they are
        beside.unlink(missing_ok=True)
    return folder


def _word(text: str) -> str:
    """A name as a part of a folder's, with the underscores that it has."""
    return "_".join(filter(None, map(slug, text.split("_")))) or "unnamed"
