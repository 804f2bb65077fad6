"""What a failed instance says of itself: nothing was there, it could not be read, or not be measured."""

from __future__ import annotations

import builtins
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

Kind = Literal["nothing", "unreadable", "unmeasurable"]

NOTHING = ("no prediction", "empty", "no cell reaches", "no value reaches")
"""How reasons begin that protocols give for predictions in which there is nothing."""
UNREADABLE = "BadItem: "
"""How the reason of a file begins that cannot be read."""
MACHINE = {
    "OutOfMemoryError",
    *(
        name
        for name, found in vars(builtins).items()
        if isinstance(found, type) and issubclass(found, OSError | ImportError | MemoryError)
    ),
}
"""Names of errors that say nothing about a prediction."""


def kind_of(reason: str | None) -> Kind:
    """What a failure was, by its reason."""
    if reason is None or reason.startswith(NOTHING):
        return "nothing"
    return "unreadable" if reason.startswith(UNREADABLE) else "unmeasurable"


def by_the_machine(reason: str | None) -> bool:
    """Whether what is said to be a prediction's failure was the machine's: memory, files, libraries, GPU."""
    if kind_of(reason) != "unmeasurable":
        return False
    error = re.match(r"(\w+): ", reason or "")
    return error is not None and (error[1] in MACHINE or "CUDA" in (reason or ""))


def no_predictions_fault(kind: str, name: str, rows: Sequence[Mapping[str, Any]]) -> str | None:
    """Why stored rows must not be used, where a fault of the machine counts in them as failures.

    The truth against itself never fails by itself. Rows are measured together: what hit it may have hit the
    others, whose reasons tell.
    """
    floor = (kind, name) == ("control", "floor")
    for row in rows:
        if row["failed"] and (floor or by_the_machine(row["reason"])):
            return f"'{row['id']}': {row['reason']}"
    return None
