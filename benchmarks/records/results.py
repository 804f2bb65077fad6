"""What one cell of the benchmark measured: the record, its per-instance rows, and where they are kept.

A cell is one (model, data set and split, preset, seed, protocol). Its result is a folder named by the
hash of exactly that, with `record.json` (what was run, on what, with which outcome) and `rows.csv` (one
line per instance with every raw metric). Means are never stored: they are recomputed from the rows.

`record.json` is written last and carries the hash of `rows.csv`. A folder without it is an unfinished
cell, and one whose files do not fit together is an error: neither ever counts as done.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from benchmarks.scoring.failures import no_predictions_fault
from zoo.errors import UserError
from zoo.files import write_atomic
from zoo.system.plain_data import parse_json

SCHEMA_VERSION: Literal[1] = 1
UPGRADES: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""Schema version to the function that turns such a record into one of the next version."""

ROW_KEYS = ("id", "category", "view", "failed", "reason")
"""Columns of `rows.csv` before the metrics."""

Rows = list[dict[str, Any]]
"""One dict per instance: `ROW_KEYS`, then metric name to float, or None where it is not defined."""


class ResultError(UserError, ValueError):
    """A stored result that cannot be used, or results that must not share a table."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


class ProtocolInfo(_Part):
    """The protocol by which the rows were measured."""

    id: str
    version: int
    settings: dict[str, Any]
    """Every setting that a number depends on: points, resolutions, levels."""


class DatasetInfo(_Part):
    """The instances that were measured."""

    name: str
    version: str
    fingerprint: str
    """Hash of data, preparation options and split, as `zoo.types.Source.fingerprint`."""
    split: str
    views: str
    """The rule by which views were chosen, in words."""
    n: int = Field(ge=1)
    """Instances of the split under that rule."""
    skipped: dict[str, int] = {}
    """Items that could not be read, by reason; somebody allowed for them."""
    left_out: dict[str, int] = {}
    """Items that are left out on purpose, by reason."""
    whole: int | None = None
    """Instances of the whole split where only `n` of them were measured; None where all were."""
    leaks: int = 0
    """Instances whose shape is in an earlier split too, by name or by an equal grid."""


class Threshold(_Part):
    """The occupancy probability from which on a cell is inside."""

    value: float = Field(ge=0, le=1)
    chosen: str
    """How it was chosen, in words; never on the test instances."""


class TrainCost(_Part):
    """What training cost on `Record.device`."""

    steps: int = Field(ge=0)
    seconds: float = Field(ge=0)
    images_per_second: float = Field(ge=0)
    peak_memory_mb: float | None = None
    """Peak of the accelerator's memory, or of the process on a CPU, in 10^6 bytes."""


class InferenceCost(_Part):
    """What prediction cost on `Record.device`."""

    images_per_second: float = Field(ge=0)


class Git(_Part):
    """The code that ran; `commit` is None outside a git checkout."""

    commit: str | None
    dirty: bool


class Record(_Part):
    """What was run for one cell, on what, with which outcome."""

    schema_version: Literal[1] = SCHEMA_VERSION
    kind: Literal["model", "control", "files"]
    """A model that was trained here, a control, or predictions that somebody else made."""
    name: str
    title: str
    cell: str = Field(pattern=r"^[0-9a-f]{64}$")
    """`cell_hash` of what identifies the cell."""
    protocol: ProtocolInfo
    dataset: DatasetInfo
    preset: str
    seed: int | None
    """Training seed; None for what was not trained here."""
    config: dict[str, Any]
    """The resolved model config; can be fed back."""
    threshold: Threshold | None
    """None where nothing is thresholded (points, meshes)."""
    n: int = Field(ge=1)
    n_failed: int = Field(ge=0)
    parameters: int | None = None
    train: TrainCost | None = None
    inference: InferenceCost | None = None
    iou_curve: tuple[tuple[float, float], ...] = ()
    """(threshold, mean IoU over the instances) pairs, thresholds ascending."""
    hints: tuple[str, ...] = ()
    """What the predictions look like where they lie otherwise than the truth; sentences after the name."""
    versions: dict[str, str]
    device: str
    git: Git
    code: dict[str, str] = {}
    """Digest of the code of each part that the weights were trained by, see `zoo.system.source`; of older
    records unknown."""
    neighbours: str
    """Which nearest-neighbour backend measured the distances."""
    command: str
    request: dict[str, Any] | None = None
    """What made it, as `benchmarks.request.run_request.RunRequest` reads it; None of what no run made, and of
    older records."""
    date: AwareDatetime
    rows_sha256: str | None = None
    """Filled in by `save`."""

    @model_validator(mode="after")
    def _consistent(self) -> Record:
        if (self.seed is None) != (self.kind != "model"):
            raise ValueError(f"kind '{self.kind}' has seed {self.seed}; models have one, others have none")
        if self.n_failed > self.n:
            raise ValueError(f"n_failed {self.n_failed} exceeds n {self.n}")
        return self


def canonical_json(value: Any) -> str:
    """The one JSON text of a value: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def cell_hash(
    *,
    kind: Literal["model", "control", "files"],
    name: str,
    config: Mapping[str, Any],
    dataset: DatasetInfo,
    protocol: ProtocolInfo,
    preset: str,
    seed: int | None,
) -> str:
    """sha256 (hex) over the canonical JSON of what identifies a cell.

    Counts (`n`, `whole`, `skipped`, `left_out`, `leaks`) follow from the fingerprint and do not enter; nor do
    device, code version and date, which say where a number comes from but not which number was asked for.

    Raises:
        TypeError: the config holds something that is not JSON.
    """
    identity = {
        "schema": SCHEMA_VERSION,
        "kind": kind,
        "name": name,
        "config": dict(config),
        "dataset": dataset.model_dump(mode="json", exclude={"n", "whole", "skipped", "left_out", "leaks"}),
        "protocol": protocol.model_dump(mode="json"),
        "preset": preset,
        "seed": seed,
    }
    return hashlib.sha256(canonical_json(identity).encode()).hexdigest()


def metric_names(rows: Rows) -> list[str]:
    """The metrics of the rows, in their order."""
    return [key for key in rows[0] if key not in ROW_KEYS] if rows else []


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
