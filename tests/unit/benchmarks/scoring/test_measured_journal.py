"""The journal of a row that is being measured, whatever has become of it: less is known, nothing wrong."""

from __future__ import annotations

import pytest

from benchmarks.protocols import Measurement
from benchmarks.scoring.journal import Journal

FACTS = {"protocol": "r3d-v1"}
WHOLE = {(f"chair/{k}", 0): Measurement({"iou": k / 7, "cd": None}) for k in range(7)}


def swapped(text: str) -> str:
    """The measurement of one shape under another's name."""
    return text.replace("chair/3", "chair/4", 1)


HARMS = {
    "torn": lambda path, text: path.write_text(text[:-9], encoding="utf-8"),
    "empty": lambda path, text: path.write_text("", encoding="utf-8"),
    "gone": lambda path, text: path.unlink(),
    "a folder": lambda path, text: (path.unlink(), path.mkdir()),
    "no text": lambda path, text: path.write_bytes(b"\xff\xfe\x00" * 99),
    "another name": lambda path, text: path.write_text(swapped(text), encoding="utf-8"),
    "another number": lambda path, text: path.write_text(
        text.replace("0.2857142857142857", "0.9"), encoding="utf-8"
    ),
    "another head": lambda path, text: path.write_text(text.replace("r3d-v1", "r3d-v2"), encoding="utf-8"),
    "lines of others": lambda path, text: path.write_text(
        f"null\n[]\n{text}{{}}\n" + "[" * 99_999 + "\n", encoding="utf-8"
    ),
    "doubled": lambda path, text: path.write_text(text + text.partition("\n")[2], encoding="utf-8"),
}


@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
def test_what_is_taken_from_a_journal_was_measured(tmp_path, harm):
    path = tmp_path / "measured.jsonl"
    Journal(path, FACTS).add(WHOLE.items())
    harm(path, path.read_text(encoding="utf-8"))
    found = Journal(path, FACTS).measured
    assert {key: one.values for key, one in found.items()}.items() <= {
        key: one.values for key, one in WHOLE.items()
    }.items()
    Journal(path, FACTS).add(WHOLE.items())
    assert Journal(path, FACTS).measured.keys() == WHOLE.keys()
