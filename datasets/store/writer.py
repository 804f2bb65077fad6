"""Writing a store: resumable after a kill at any moment, visible to others only when it is whole.

Everything happens in `<store>.partial`: the arrays grow row by row, and a journal says which rows are
finished, with their digests. A killed writer leaves the folder behind; the next one checks each row of the
journal against its digest and goes on with the rest. At the end the files are flushed to the disk and the
folder takes its final name in one step.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoo.files import remove

from .. import SPLITS, DataError, DataSource, Item, PrepareOptions
from . import SKIPPED
from .journal import JOURNAL, journal_line, read_journal
from .leaks import find_leaks
from .manifest import FORMAT, ITEMS, MANIFEST, seal
from .row_checks import DIGESTS, VIEW_SUMS, view_spec
from .rows import (
    DIGEST,
    HEADER,
    OF_VIEWS,
    Layout,
    RowSpec,
    by_view,
    create_files,
    describe,
    digests_of,
    json_hash,
    read_row,
)
from .workers import Outcome


class StoreWriter:
    """The unfinished store of one data set.

    Attributes:
        done: outcomes of the items that are written, by index.
        skipped: reasons of the items that could not be built, by index.
        left_out: reasons of the items that are not wanted, by index.
    """

    def __init__(
        self, path: Path, source: DataSource, items: Sequence[Item], options: PrepareOptions
    ) -> None:
        """Start a store that will lie at `path`, or go on where a killed writer stopped."""
        self.path = path
        self.folder = path.with_name(path.name + ".partial")
        self.source = source
        self.items = items
        self.options = options
        self.done: dict[int, Outcome] = {}
        self.skipped: dict[int, str] = {}
        self.left_out = {n: source.known_bad[i.id] for n, i in enumerate(items) if i.id in source.known_bad}
        self.layout: Layout | None = None
        self._free: list[int] = []
        self._next = 0
        # the key in the folder's name covers all the rest
        self._header = {
            "format": FORMAT,
            "items": json_hash([[i.id, i.category, i.split, i.shape] for i in items]),
        }
        self._resume(list(read_journal(self.folder / JOURNAL)))
        self._journal = (self.folder / JOURNAL).open("a", encoding="utf-8")

    def place(self, layout: Layout) -> int | str:
        """The row for a sample of this layout, or why it does not fit to the others.

        Raises:
            DataError: the files cannot be created.
        """
        if self.layout is None:
            try:
                create_files(self.folder, layout)
                self._write({"layout": {name: [s.dtype, list(s.shape)] for name, s in layout.items()}})
            except OSError as error:
                raise DataError(f"cannot write to {self.folder}: {error.strerror or error}") from error
            self.layout = layout
        elif layout != self.layout:
            return f"holds {describe(layout)}, the other items {describe(self.layout)}"
        if self._free:
            return self._free.pop()
        self._next += 1
        return self._next - 1

    def release(self, row: int) -> None:
        """The row's writer died; somebody else may have it."""
        self._free.append(row)

    def record(self, outcome: Outcome) -> None:
        """Note a settled item. Skipped ones are not journaled: a resumed run tries them again."""
        if outcome.reason is not None:
            self.skipped[outcome.index] = outcome.reason
            return
        assert outcome.digests is not None
        self.done[outcome.index] = outcome
        assert self.layout is not None
        digests = {
            name: outcome.digests[name].hex() for name in self.layout
        }  # those of views follow from rows
        line = {"item": outcome.index, "row": outcome.row, "digests": digests, "note": outcome.note}
        self._write(line)

    def finish(self, name: str, stamp: str) -> None:
        """Write index, manifest and the list of what is not here; give the folder its final name."""
        assert self.layout is not None
        leaks = self._leaks()
        if self.options.leaks == "drop":
            self.left_out |= leaks
        order = sorted(set(self.done) - set(self.left_out))
        kept = [self.items[i] for i in order]
        rows = self._compact([self.done[i].row or 0 for i in order])
        digests = np.frombuffer(
            b"".join((self.done[i].digests or {})[array] for i in order for array in self.layout), np.uint8
        ).reshape(len(order), len(self.layout), DIGEST)
        with (self.folder / DIGESTS).open("wb") as file:
            np.save(file, digests)
        views_sha256 = self._write_view_sums(order)
        columns = {field: [getattr(i, field) for i in kept] for field in ("id", "category", "split", "shape")}
        notes = [self.done[i].note for i in order]
        index = json.dumps(columns | {"row": rows, "note": notes}).encode()
        (self.folder / ITEMS).write_bytes(index)
        dropped = self.options.leaks == "drop"
        manifest = self._manifest(name, stamp, kept) | {
            "notes": dict(sorted(Counter(filter(None, notes)).items())),
            "leaks": [] if dropped else [self._absence(n, leaks[n]) for n in sorted(leaks)],
            "items_sha256": hashlib.sha256(index).hexdigest(),
            "arrays": {
                array: {
                    "dtype": spec.dtype,
                    "shape": [len(order), *spec.shape],
                    "bytes": HEADER + len(order) * spec.nbytes,
                    "sha256": hashlib.sha256(digests[:, column].tobytes()).hexdigest(),
                }
                for column, (array, spec) in enumerate(self.layout.items())
            },
            "views_sha256": views_sha256,
        }
        self.list_skipped()
        text = json.dumps(seal(manifest), indent=1) + "\n"
        (self.folder / MANIFEST).write_text(text, encoding="utf-8")
        self._journal.close()
        for path in self.folder.iterdir():
            _flush(path)
        _flush(self.folder)
        self.folder.rename(self.path)
        _flush(self.path.parent)
        (self.path / JOURNAL).unlink()

    def _manifest(self, name: str, stamp: str, kept: Sequence[Item]) -> dict[str, Any]:
        """What the manifest says of the data set, and of what is held and what is not."""
        source = self.source
        return {
            "format": FORMAT,
            "dataset": name,
            "version": source.version,
            "licence": source.licence,
            "homepage": source.homepage,
            "config": source.identity(),
            "options": self.options.model_dump(mode="json"),
            "provides": sorted(source.provides),
            "fingerprint": fingerprint(name, source, self.options, kept),
            "stamp": stamp,
            "counts": count(kept),
            "missing": len(self.skipped),
            "skipped": self._absences(),
        }

    def _write_view_sums(self, order: Sequence[int]) -> str | None:
        """Write the sums of all views of the items; gives the file's sum, None where nothing has views."""
        assert self.layout is not None
        arrays = [name for name in self.layout if name in OF_VIEWS]
        if not arrays:
            return None
        views = self.layout[arrays[0]].shape[0]
        body = b"".join((self.done[i].digests or {})[by_view(name)] for i in order for name in arrays)
        header = view_spec(len(arrays), views).header(len(order))
        (self.folder / VIEW_SUMS).write_bytes(header + body)
        return hashlib.sha256(body).hexdigest()

    def list_skipped(self) -> Path:
        """Write the file that names what is not in the store, and why."""
        file = self.folder / SKIPPED
        with file.open("w", encoding="utf-8", newline="") as handle:
            rows = csv.DictWriter(handle, ["id", "category", "split", "kind", "reason"], lineterminator="\n")
            rows.writeheader()
            rows.writerows(self._absences())
        return file

    def _absences(self) -> list[dict[str, str]]:
        """What could not be read, then what was left out on purpose."""
        kinds = ("missing", self.skipped), ("left out", self.left_out)
        return [{**self._absence(n, why[n]), "kind": kind} for kind, why in kinds for n in sorted(why)]

    def _absence(self, index: int, reason: str) -> dict[str, str]:
        item = self.items[index]
        return {"id": item.id, "category": item.category, "split": item.split, "reason": reason}

    def _leaks(self) -> dict[int, str]:
        """What `find_leaks` says of the items that are done, by the finest grid that is stored."""
        assert self.layout is not None
        finest = f"voxels_{max(self.options.resolutions)}"
        order = sorted(self.done)
        grids = [(self.done[n].digests or {})[finest] for n in order]
        return {order[k]: why for k, why in find_leaks([self.items[n] for n in order], grids).items()}

    def close(self) -> None:
        """Stop here; the folder stays for the next run."""
        self._journal.close()

    def _write(self, line: dict[str, Any]) -> None:
        self._journal.write(journal_line(line))
        self._journal.flush()

    def _compact(self, rows: list[int]) -> list[int]:
        """Move the rows that lie behind gaps into them, cut the files, fill in their headers."""
        assert self.layout is not None
        gaps = sorted(set(range(len(rows))) - set(rows), reverse=True)
        moves = {row: gaps.pop() for row in rows if row >= len(rows)}
        for name, spec in self.layout.items():
            with (self.folder / f"{name}.npy").open("r+b") as file:
                for old, new in moves.items():
                    data = read_row(self.folder, name, spec, old)
                    file.seek(HEADER + new * spec.nbytes)
                    file.write(data)
                file.truncate(HEADER + len(rows) * spec.nbytes)
                file.seek(0)
                file.write(spec.header(len(rows)))
        return [moves.get(row, row) for row in rows]

    def _resume(self, lines: Sequence[dict[str, Any]]) -> None:
        """Take over what a killed writer finished; start afresh when it was another data set."""
        if lines[:1] != [self._header] or not self._take_over(lines[1:]):
            self.layout, self.done, self._next, lines = None, {}, 0, [self._header]
            remove(self.folder)
            self.folder.mkdir(parents=True)
        taken = {outcome.row for outcome in self.done.values()}
        self._free = [row for row in range(self._next) if row not in taken]
        # rewritten without what is torn, so that appending to it is safe
        (self.folder / JOURNAL).write_text("".join(map(journal_line, lines)), encoding="utf-8")

    def _take_over(self, lines: Sequence[dict[str, Any]]) -> bool:
        """Note the items whose rows are what the journal says; False where the files are not there."""
        for line in lines:
            if "layout" in line:
                specs = line["layout"].items()
                self.layout = {name: RowSpec(dtype, tuple(shape)) for name, (dtype, shape) in specs}
        if self.layout is None:
            return False
        for line in (line for line in lines if "item" in line):
            row, found = line["row"], dict[str, bytes]()
            self._next = max(self._next, row + 1)
            for name, spec in self.layout.items():
                try:
                    data = read_row(self.folder, name, spec, row)
                except OSError:
                    return False
                if len(data) == spec.nbytes:
                    found |= digests_of(name, data, spec.shape[0])
            if all(found.get(name, b"").hex() == value for name, value in line["digests"].items()):
                self.done[line["item"]] = Outcome(line["item"], row, found, note=line["note"])
        return True


def fingerprint(name: str, source: DataSource, options: PrepareOptions, items: Sequence[Item]) -> str:
    """sha256 over data set, version, configuration, options, ids and splits; no path, no bytes."""
    listed = [[i.id, i.category, i.split] for i in items]
    return json_hash([name, source.version, source.identity(), options.model_dump(mode="json"), listed])


def count(items: Sequence[Item]) -> dict[str, dict[str, int]]:
    """Shapes per split and category, with a 'total' for each split."""
    table = {}
    for split in SPLITS:
        per_category = Counter(i.category for i in items if i.split == split)
        table[split] = {"total": sum(per_category.values()), **dict(sorted(per_category.items()))}
    return table


def _flush(path: Path) -> None:
    """Bytes of a file, or entries of a folder, onto the disk."""
    if path.is_dir() and os.name == "nt":
        return  # Windows opens no folders
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
