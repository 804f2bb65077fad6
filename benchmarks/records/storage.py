"""Where results are kept: a folder for each cell, named by its hash, whole or not there at all.

It holds `record.json` (what was run, on what, with which outcome) and `rows.csv` (one line per instance with
every raw metric). `record.json` is written last and carries the hash of `rows.csv`. A folder without it is an
unfinished cell, and one whose files do not fit together is an error: neither ever counts as done.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from benchmarks.records.schema import ROW_KEYS, SCHEMA_VERSION, Record, ResultError, Rows, metric_names
from benchmarks.scoring.failures import no_predictions_fault
from zoo.files import write_atomic
from zoo.system.plain_data import parse_json

UPGRADES: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""Schema version to the function that turns such a record into one of the next version."""


def save(record: Record, rows: Rows, folder: Path) -> Record:
    """Write a finished cell into `folder` and return the record as stored.

    Each file is written beside its place, flushed to the disk and moved there; the record comes last. A
    process that dies in between leaves an unfinished cell, never a wrong one.

    Raises:
        ValueError: rows and record do not fit, or a metric is NaN or infinite (an undefined one is None).
    """
    content = _rows_to_csv(rows)
    _check_counts(record, rows, str(folder))
    record = record.model_copy(update={"rows_sha256": hashlib.sha256(content.encode()).hexdigest()})
    text = json.dumps(record.model_dump(mode="json"), indent=1, ensure_ascii=False, allow_nan=False)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "record.json").unlink(missing_ok=True)  # an older result must not vouch for the new rows
    write_atomic(folder / "rows.csv", content)
    write_atomic(folder / "record.json", text + "\n")
    return record


def load(folder: Path) -> tuple[Record, Rows]:
    """Read a finished cell, upgrading records of older schemas.

    Raises:
        ResultError: a file is missing, unreadable or does not fit the other; says which and what to do.
    """
    path = folder / "record.json"
    text = _read(path)
    try:
        data = parse_json(text)
    except ValueError as error:
        raise _broken(path, f"is not JSON ({error})") from error
    data = _upgrade(data, path)
    try:
        record = Record.model_validate(data)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:3])
        raise _broken(path, f"does not fit the schema ({problems})") from error
    rows_path = folder / "rows.csv"
    content = _read(rows_path)
    if hashlib.sha256(content.encode()).hexdigest() != record.rows_sha256:
        raise _broken(rows_path, "is not the file that record.json was written with (sha256 differs)")
    try:
        rows = _rows_from_csv(content)
        _check_counts(record, rows, str(rows_path))
    except (ValueError, csv.Error) as error:
        raise _broken(rows_path, f"cannot be read ({error})") from error
    if fault := no_predictions_fault(record.kind, record.name, rows):
        raise _broken(rows_path, f"counts a fault of the machine as failures of predictions ({fault})")
    return record, rows


class Listing(NamedTuple):
    """What a store holds: finished cells by folder name, and what cannot be used."""

    records: list[Record]
    broken: list[ResultError]


class ResultStore:
    """Folder of finished cells, each in a subfolder named by its hash."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, cell: str) -> Path:
        """Where the cell lives; its training may keep further files there."""
        return self.root / cell[:16]

    def find(self, cell: str) -> tuple[Record, Rows] | None:
        """The finished cell, or None where it has not been finished yet.

        Raises:
            ResultError: there is a record, but it cannot be used; to be reported, never counted as done.
        """
        folder = self.folder(cell)
        if not (folder / "record.json").exists():
            return None
        record, rows = load(folder)
        if record.cell != cell:
            raise _broken(folder / "record.json", f"belongs to cell {record.cell}, not to {cell}")
        return record, rows

    def list(self) -> Listing:
        """Every finished cell, and every folder whose rows or record are partial or corrupt."""
        listing = Listing([], [])
        folders = sorted(p for p in self.root.iterdir() if p.is_dir()) if self.root.is_dir() else []
        for folder in folders:
            if not any((folder / name).exists() for name in ("record.json", "rows.csv")):
                continue  # still training
            try:
                listing.records.append(load(folder)[0])
            except ResultError as error:
                listing.broken.append(error)
        return listing


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode()  # newlines as they were hashed
    except FileNotFoundError as error:
        raise _broken(path, "is missing") from error
    except OSError as error:
        raise _broken(path, f"cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise _broken(path, f"is not UTF-8 text ({error})") from error


def _broken(path: Path, what: str) -> ResultError:
    return ResultError(f"{path} {what}; delete the folder {path.parent} or run again with --force")


def _upgrade(data: Any, path: Path) -> dict[str, Any]:
    """The record in the present schema."""
    if not isinstance(data, dict) or not isinstance(data.get("schema_version"), int):
        raise _broken(path, "has no schema_version")
    while data["schema_version"] < SCHEMA_VERSION:
        version = data["schema_version"]
        if version not in UPGRADES:
            raise _broken(path, f"has schema version {version}, which cannot be upgraded")
        data = UPGRADES[version](data) | {"schema_version": version + 1}
    if data["schema_version"] > SCHEMA_VERSION:
        raise ResultError(
            f"{path} has schema version {data['schema_version']}, this code reads up to {SCHEMA_VERSION}; "
            f"use a newer version of the zoo, or another --out folder"
        )
    return data


def _rows_to_csv(rows: Rows) -> str:
    if not rows:
        raise ValueError("there are no rows to save")
    keys = [*ROW_KEYS, *metric_names(rows)]
    out = io.StringIO()
    # text is quoted throughout: a lone carriage return in a reason would otherwise end the line
    writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(keys)
    for row in rows:
        if set(row) != set(keys):
            raise ValueError(f"row '{row.get('id')}' has other columns: {sorted(set(row) ^ set(keys))}")
        for name in keys[len(ROW_KEYS) :]:
            if row[name] is not None and not math.isfinite(row[name]):
                raise ValueError(f"row '{row['id']}' has {name} = {row[name]}; undefined metrics are None")
        writer.writerow([_cell(row[key]) for key in keys])
    return out.getvalue()


def _cell(value: Any) -> str | int | float:
    if value is None or isinstance(value, str):
        return value or ""
    return int(value) if isinstance(value, bool | int) else float(value)


def _rows_from_csv(content: str) -> Rows:
    lines = csv.reader(io.StringIO(content, newline=""))
    keys = next(lines, [])
    if tuple(keys[: len(ROW_KEYS)]) != ROW_KEYS:
        raise ValueError(f"columns are {keys}, not {', '.join(ROW_KEYS)} and the metrics")
    rows: Rows = []
    for values in lines:
        if len(values) != len(keys):
            raise ValueError(f"line {lines.line_num} has {len(values)} columns, not {len(keys)}")
        row: dict[str, Any] = dict(zip(keys, values, strict=True))
        row["view"] = int(row["view"]) if row["view"] else None
        row["failed"] = bool(int(row["failed"]))
        row["reason"] = row["reason"] or None
        for name in keys[len(ROW_KEYS) :]:
            row[name] = float(row[name]) if row[name] else None
            if row[name] is not None and not math.isfinite(row[name]):
                raise ValueError(f"line {lines.line_num} has {name} = {row[name]}")
        rows.append(row)
    return rows


def _check_counts(record: Record, rows: Sequence[Mapping[str, Any]], where: str) -> None:
    failed = sum(row["failed"] for row in rows)
    if (len(rows), failed) != (record.n, record.n_failed):
        raise ValueError(
            f"{where}: {len(rows)} rows with {failed} failed, but the record says {record.n} with "
            f"{record.n_failed}"
        )
    if len({(row["id"], row["view"]) for row in rows}) != len(rows):
        raise ValueError(f"{where}: an instance (id, view) occurs twice")
