"""The decisions about a checkpoint, in a file of its folder: written when it is measured, read with it.

``decisions.json`` comes into the folder after the checkpoint is whole, so it is not among the sums of
`zoo.training.integrity`; it names the weights that were measured, counts for no others, and holds a sum of
its own.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from zoo.files import write_atomic, writing_to
from zoo.model.decision import Decision
from zoo.system.plain_data import parse_json
from zoo.training.integrity import CheckpointError, weights_sum

DECISIONS = "decisions.json"
FORMAT = 1
MAX_BYTES = 4 << 20
"""A decision takes about a kilobyte; whatever is larger was not written here."""

_LIST = TypeAdapter(list[Decision])


def read_decisions(checkpoint: Path) -> tuple[Decision, ...]:
    """The decisions about a checkpoint, oldest first; none where it has not been measured.

    Raises:
        CheckpointError: the file is damaged, of a newer format, or about other weights; says how to do
            without it.
    """
    file = checkpoint / DECISIONS
    if not file.exists():
        return ()
    try:
        if file.stat().st_size > MAX_BYTES:
            raise ValueError(f"{file.stat().st_size:,} bytes, the limit is {MAX_BYTES:,}")
        data = parse_json(file.read_bytes())
        if not isinstance(data, dict) or not isinstance(data.get("format"), int):
            raise ValueError("no format is given")
        if data["format"] > FORMAT:
            raise _unusable(file, f"has format {data['format']}, this version reads {FORMAT}")
        if data.get("sha256") != _sum(data.get("decisions")):
            raise _unusable(file, "is not what was written (its SHA-256 differs)")
        found = _LIST.validate_python(data.get("decisions"))
    except ValidationError as error:
        first = error.errors()[0]
        raise _unusable(file, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except (OSError, ValueError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise _unusable(file, f"cannot be read: {error}") from error
    weights = weights_sum(checkpoint)
    if any(each.weights != weights for each in found):
        raise _unusable(file, "is about other weights than those beside it")
    return tuple(found)


def write_decision(checkpoint: Path, decision: Decision) -> None:
    """Note a decision in the folder of a checkpoint, atomically, in place of an earlier one of its cell.

    Raises:
        CheckpointError: the checkpoint has other weights than the decision, or decisions that cannot be read.
        zoo.files.WriteError: the file cannot be written.
    """
    if decision.weights != weights_sum(checkpoint):
        raise CheckpointError(f"{checkpoint}: a decision about other weights cannot be written here")
    others = [each for each in read_decisions(checkpoint) if each.cell != decision.cell]
    kept = sorted([*others, decision], key=lambda each: (each.date, each.cell))
    noted = [each.model_dump(mode="json") for each in kept]
    data = {"format": FORMAT, "sha256": _sum(noted), "decisions": noted}
    with writing_to(checkpoint, "the result itself is kept; the same command writes it anew"):
        write_atomic(checkpoint / DECISIONS, json.dumps(data, indent=1, allow_nan=False) + "\n")


def _sum(decisions: Any) -> str:
    """SHA-256 of what is noted, fields of later versions included."""
    text = json.dumps(decisions, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _unusable(file: Path, what: str) -> CheckpointError:
    return CheckpointError(
        f"{file}: {what}; delete the file to use the weights without it, the command that measured them "
        f"writes it anew"
    )
