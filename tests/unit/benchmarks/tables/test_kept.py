"""The folder that a comparison keeps for itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from benchmarks.tables.kept import comparison_name, keep
from tests.helpers.comparisons import example, make_comparison, make_row


def test_a_name_says_what_was_compared_and_ends_with_what_exactly() -> None:
    name = comparison_name(example())
    assert name.startswith("psgn-r2n2-r3d-and-1-more-procedural-quick-r3d-v1-") and len(name) < 80
    assert name == comparison_name(example())
    one, other = (make_comparison(make_row("vae_gan_baseline", 0.4, 0.1, cell=c * 64)) for c in "ab")
    assert comparison_name(one).startswith("vae_gan_baseline-procedural-quick-r3d-v1-")
    assert comparison_name(one) != comparison_name(other)
    hostile = comparison_name(make_comparison(make_row("../../\x1b[x ü", 0.4, 0.1)))
    assert not set(hostile) - set("abcdefghijklmnopqrstuvwxyz0123456789-_")


@pytest.mark.parametrize("links", [True, False])
def test_what_was_written_is_kept_when_the_next_command_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    if not links:

        def refused(*_: Any) -> None:
            raise OSError("no links here")

        monkeypatch.setattr(os, "link", refused)
    (tmp_path / "plots").mkdir()
    files = [tmp_path / "table.md", tmp_path / "plots" / "a.png"]
    for path in files:
        path.write_text("first", encoding="utf-8")
    folder = keep(example(), tmp_path, files)
    assert folder.parent == tmp_path / "tables"
    new = tmp_path / "new"
    new.write_text("second", encoding="utf-8")
    new.replace(files[0])  # as every file is written
    assert (folder / "table.md").read_text(encoding="utf-8") == "first"
    assert (folder / "plots" / "a.png").read_text(encoding="utf-8") == "first"
    keep(example(), tmp_path, files)
    assert (folder / "table.md").read_text(encoding="utf-8") == "second"
    assert sorted(p.name for p in folder.iterdir()) == ["plots", "table.md"]
    assert not list(tmp_path.rglob("*.part"))  # of the file, too, that was the same already
