"""Scoring files: read, pair, measure, compare, write; see `benchmarks.evaluate`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any, Literal

from benchmarks.cells.events import Event, Tell, silent
from benchmarks.controls import CONTROLS
from benchmarks.driver.outcome import Outcome
from benchmarks.files.pairing import Instance, instances, unread_lines
from benchmarks.files.predictions import PredictionFiles, TruthFiles, digest
from benchmarks.gallery.cases import write_gallery
from benchmarks.gallery.of_files import gather_foreign
from benchmarks.protocols import Protocol, ThresholdChoice, Truth, TruthError
from benchmarks.records import environment
from benchmarks.records.identity import cell_hash
from benchmarks.records.making import describe_protocol, make_record
from benchmarks.records.schema import DatasetInfo, Record, Rows
from benchmarks.records.storage import ResultStore, save
from benchmarks.report import charts, write_report
from benchmarks.report.surfaces import lighten
from benchmarks.request.evaluate_request import EvaluateRequest
from benchmarks.request.named_folders import named_folders
from benchmarks.request.settings import build_protocol, code_of, patience
from benchmarks.scoring.journal import JOURNAL
from benchmarks.scoring.score import Scores, score
from benchmarks.statistics.comparison import Comparison, compare
from benchmarks.tables.columns import parse_columns
from benchmarks.tables.kept import TABLES, keep
from benchmarks.tables.outputs import FILES, FORMATS, parse_formats, write_outputs
from datasets import BadItem, DataError
from zoo.cli.plugins import load_plugins
from zoo.config import ConfigError, parse_overrides
from zoo.files import try_folder
from zoo.registry import did_you_mean

PRESET = "files"
"""What stands for the preset in the records of predictions that were not made here."""
WRITTEN = (*FILES, "gallery.png", "report.html")
"""Files of the folder that a command writes."""
FLOOR = next(control for control in CONTROLS if control.name == "floor")


class Died(RuntimeError):
    """A row of files that could not be measured; the message says why."""


@dataclass(frozen=True)
class FileRow:
    """One row to be scored.

    Attributes:
        threshold: as it was chosen or given; None for shapes without voxels.
    """

    files: PredictionFiles
    kind: Literal["files", "control"]
    title: str
    threshold: ThresholdChoice | float | None

    @property
    def level(self) -> float | None:
        """Occupancy from which on a cell is inside."""
        return self.threshold.value if isinstance(self.threshold, ThresholdChoice) else self.threshold

    @property
    def config(self) -> dict[str, Any]:
        """What, beside its name, tells its cell from others."""
        return {"sha256": self.files.digest, "threshold": self.level}


def evaluate(
    request: EvaluateRequest | None = None, progress: Tell | None = None, **asked: Any
) -> Comparison:
    """Score folders of shapes against a folder of true ones, write the tables and give the comparison.

    Args:
        request: what is asked for; or its fields as keywords, like ``pred={"mine": "out/a"}, gt="true"``.
        progress: called with every event on the way; see `benchmarks.cells.events`.

    Raises:
        UserError: bad input, or no row could be measured.
    """
    outcome = Outcome()
    evaluate_files(request or EvaluateRequest(**asked), progress or silent, outcome)
    return outcome.result()


def evaluate_files(request: EvaluateRequest, tell: Tell, outcome: Outcome) -> None:
    """Measure folders of predictions; the outcome is noted as it comes.

    Raises:
        RegistryError, ConfigError, DataError, ResultError: bad input; names the file, the value and the mend.
    """
    load_plugins(request.plugins, request.protocol)
    protocol = build_protocol(request.protocol, parse_overrides(request.overrides))
    parse_formats(",".join(request.formats or FORMATS))
    columns = parse_columns(",".join(request.columns), protocol) if request.columns else None
    named, listed = named_folders(request.pred, FLOOR.name), instances(request.gt, request.names)
    for folder in (request.out, request.out / "cells", request.out / TABLES):
        try_folder(folder, WRITTEN)
    wanted, skipped = _usable(listed, protocol.check, request.allow_missing, tell)
    folders = [PredictionFiles.below(path, name, wanted) for name, path in named.items()]
    for line in [*unread_lines(request.gt), *(line for files in folders for line in files.unpaired())]:
        tell(Event("note", text=line))
    rows = _rows(request, folders, wanted, protocol, tell)
    names = [row.files.name for row in rows]
    if request.reference and request.reference not in names:
        raise ConfigError(
            f"unknown --reference '{request.reference}'.{did_you_mean(request.reference, names)} "
            f"Rows: {', '.join(names)}"
        )
    dataset = _dataset(request.gt, wanted, skipped)
    results = _score(rows, wanted, dataset, protocol, request, tell, outcome)
    if not results:
        return
    reference = None if request.reference in outcome.failed else request.reference
    outcome.comparison = compare(results, protocol, reference, wanted={name: [] for name in names})
    _write(request, outcome, results, wanted, folders, columns)
    for record, _ in results:
        for hint in record.hints:
            tell(Event("note", "look", f"the predictions of {record.name} {hint}"))


def _write(
    request: EvaluateRequest,
    outcome: Outcome,
    results: Sequence[tuple[Record, Rows]],
    wanted: Sequence[Instance],
    folders: Sequence[PredictionFiles],
    columns: Sequence[str] | None,
) -> None:
    """Write the tables, then pictures and report."""
    comparison, formats = outcome.result(), parse_formats(",".join(request.formats or FORMATS))
    outcome.written += write_outputs(comparison, request.out, formats, columns=columns)
    found = {record.name: (record, scored) for record, scored in results}
    cases = gather_foreign(comparison, wanted, folders, found, lighten if "html" in formats else None)
    if cases.overall:
        outcome.written.append(write_gallery(request.out / "gallery.png", cases, comparison))
    if "html" in formats:
        outcome.written.append(write_report(comparison, cases, request.out))
    keep(comparison, request.out, [*outcome.written, *charts(outcome.written)])


def _rows(
    request: EvaluateRequest,
    folders: Sequence[PredictionFiles],
    wanted: Sequence[Instance],
    protocol: Protocol,
    tell: Tell,
) -> list[FileRow]:
    """The rows of the predictions, and that of the truth against itself."""
    chosen = _chosen_thresholds(request, protocol, tell)
    given: ThresholdChoice | float = request.threshold
    if protocol.level is not None:
        given = ThresholdChoice(protocol.level, (), 0, fixed=True)
    truth = PredictionFiles(FLOOR.name, tuple(one.truth for one in wanted))
    return [
        *(FileRow(f, "files", f.name, chosen.get(f.name, given) if f.has_voxels else None) for f in folders),
        FileRow(truth, "control", FLOOR.title, 0.5 if truth.has_voxels else None),
    ]


def _score(
    rows: Sequence[FileRow],
    wanted: Sequence[Instance],
    dataset: DatasetInfo,
    protocol: Protocol,
    request: EvaluateRequest,
    tell: Tell,
    outcome: Outcome,
) -> list[tuple[Record, Rows]]:
    """Record and rows of each row; those that could not be measured are noted as failed.

    What was scored before, with exactly these files, is not scored again.
    """
    store, cells = ResultStore(request.out / "cells"), _cells(rows, dataset, protocol)
    if request.force:
        for cell in cells.values():
            rmtree(store.folder(cell), ignore_errors=True)
    named = {row.files.name: row for row in rows}
    todo = {name: row for name, row in named.items() if store.find(cells[name]) is None}
    journals = {name: store.folder(cells[name]) / JOURNAL for name in todo}
    if todo:
        scores = score(
            {name: row.files.shapes for name, row in todo.items()},
            TruthFiles(wanted),
            protocol,
            {name: row.level for name, row in todo.items()},
            workers=request.workers,
            progress=lambda done, total: tell(Event("measuring", "", done=done, total=total)),
            journals=journals,
            limit=None if request.workers == 0 else patience(request.time_limit),
        )
        outcome.failed |= {name: Died(why) for name, why in scores.died.items()}
        for name in scores.rows:
            record = _record(todo[name], cells[name], scores, dataset, protocol)
            save(record, scores.rows[name], store.folder(record.cell))
            journals[name].unlink(missing_ok=True)  # an equal command may have been quicker
    return list(filter(None, (store.find(cells[name]) for name in named)))


def _cells(rows: Sequence[FileRow], dataset: DatasetInfo, protocol: Protocol) -> dict[str, str]:
    """Hash of each row's result, by its name."""
    code = code_of(protocol)
    return {
        row.files.name: cell_hash(
            kind=row.kind,
            name=row.files.name,
            config=row.config | ({"code": code} if code else {}),
            dataset=dataset,
            protocol=describe_protocol(protocol),
            preset=PRESET,
            seed=None,
        )
        for row in rows
    }


def _record(row: FileRow, cell: str, scores: Scores, dataset: DatasetInfo, protocol: Protocol) -> Record:
    name = row.files.name
    return make_record(
        rows=scores.rows[name],
        threshold=row.threshold,
        kind=row.kind,
        name=name,
        title=row.title,
        cell=cell,
        protocol=describe_protocol(protocol),
        dataset=dataset,
        preset=PRESET,
        seed=None,
        config=row.config,
        device="CPU",
        command=environment.command(),
        iou_curve=scores.iou_curve[name],
        hints=scores.hints[name],
    )


def _usable(
    wanted: Sequence[Instance], check: Callable[[Truth], None], allow_missing: bool, tell: Tell
) -> tuple[list[Instance], dict[str, int]]:
    """The instances whose truth can be measured against, and how many were left out, by reason.

    Args:
        check: raises `TruthError` for one that cannot.

    Raises:
        DataError: some cannot, and that was not allowed for; or none can.
    """
    usable, problems = [], []
    truths = TruthFiles(wanted)
    for k, one in enumerate(wanted):
        tell(Event("data", text="reading true shapes", done=k, total=len(wanted)))
        try:
            check(truths[k])
        except (BadItem, TruthError) as error:
            problems.append(str(error))
        else:
            usable.append(one)
    tell(Event("data", text="reading true shapes", done=len(wanted), total=len(wanted)))
    if problems and not (allow_missing and usable):
        listed = "".join(f"\n  {problem}" for problem in problems[:5])
        raise DataError(
            f"{len(problems)} of {len(wanted)} true shapes cannot be measured against; mend them, or leave "
            f"them out with --allow-missing:{listed}"
        )
    return usable, {"true shape cannot be read": len(problems)} if problems else {}


def _dataset(folder: Path, wanted: Sequence[Instance], skipped: dict[str, int]) -> DatasetInfo:
    who = [[one.name, one.shape, one.category, one.view] for one in wanted]
    pictures = "one prediction of each shape"
    if len({one.shape for one in wanted}) < len(wanted):
        pictures = "several pictures of a shape, as named"
    return DatasetInfo(
        name=folder.name,
        version="files",
        fingerprint=digest([one.truth for one in wanted], who),
        split="all",
        views=pictures,
        n=len(wanted),
        skipped=skipped,
    )


def _chosen_thresholds(
    request: EvaluateRequest, protocol: Protocol, tell: Tell
) -> dict[str, ThresholdChoice]:
    """For each row that has validation predictions with voxels, what the protocol chooses on them.

    Raises:
        ConfigError: predictions without truths or the reverse, or for a name that is no row.
    """
    if bool(request.val_pred) != bool(request.val_gt):
        raise ConfigError("--val-pred and --val-gt go together: predictions and truths of validation shapes")
    if not request.val_gt:
        return {}
    rows, folders = (named_folders(words, FLOOR.name) for words in (request.pred, request.val_pred))
    if len(rows) == len(folders) == 1:
        folders = dict(zip(rows, folders.values(), strict=True))
    if strange := set(folders) - set(rows):
        raise ConfigError(
            f"--val-pred has {sorted(strange)}, --pred has {sorted(rows)}; say NAME= to give both one name"
        )
    wanted, _ = _usable(instances(request.val_gt), Truth.check, False, tell)
    chosen = {}
    for name, folder in folders.items():
        files = PredictionFiles.below(folder, name, wanted)
        for line in files.unpaired():
            tell(Event("note", text=f"validation, {line}"))
        choice = files.choose_threshold(protocol, wanted)
        if choice is not None:
            chosen[name] = choice
    return chosen
