"""Score anybody's predictions: folders of shapes against a folder of true shapes, by any protocol.

Shapes are obj, off, ply, stl, glb, gltf (meshes), ply, npz, npy (points) and npz, npy, binvox, mat (voxels).
They are paired by name: the path below the folder without its extension. A folder that holds one shape
alone, like <id>/model.obj, goes by the name <id> too, and letter case does not matter where nothing else is
meant. Everything is measured in the frame and units of the files, which prediction and truth must share. A
grid fills the unit cube around the origin, whatever a binvox header says, so that meshes and points that are
compared with it must lie there too.

What is missing, cannot be read or is empty counts as a failure with the protocol's worst values; nothing is
dropped. The numbers are those that the same shapes would get as a model's in benchmarks.run.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from shutil import rmtree
from typing import Any, Literal

from rich.console import Console
from rich.markup import escape
from rich.progress import track

from benchmarks.controls import CONTROLS
from benchmarks.files.pairing import Instance, instances, unread_lines
from benchmarks.files.predictions import PredictionFiles, TruthFiles, digest
from benchmarks.gallery.cases import write_gallery
from benchmarks.gallery.of_files import gather_foreign
from benchmarks.protocols import Protocol, ThresholdChoice, Truth, TruthError
from benchmarks.records import environment
from benchmarks.records.identity import cell_hash
from benchmarks.records.schema import DatasetInfo, ProtocolInfo, Record, Rows, Threshold
from benchmarks.records.storage import ResultStore, save
from benchmarks.report import charts, write_report
from benchmarks.report.surfaces import lighten
from benchmarks.request.evaluate_options import check, parser
from benchmarks.request.named_folders import named_folders
from benchmarks.request.settings import build_protocol, code_of, patience
from benchmarks.scoring.journal import JOURNAL
from benchmarks.scoring.score import score
from benchmarks.statistics.comparison import compare
from benchmarks.tables.columns import parse_columns
from benchmarks.tables.kept import TABLES, keep
from benchmarks.tables.outputs import FILES, parse_formats, write_outputs
from benchmarks.tables.rich import to_rich
from datasets import BadItem, DataError
from zoo.cli.command import leave, run_command
from zoo.cli.plugins import load_plugins
from zoo.config import ConfigError, parse_overrides
from zoo.files import try_folder
from zoo.metrics.neighbours import active_backend
from zoo.registry import did_you_mean

PRESET = "files"
"""What stands for the preset in the records of predictions that were not made here."""
WRITTEN = (*FILES, "gallery.png", "report.html")
"""Files of the folder that a command writes."""
FLOOR = next(control for control in CONTROLS if control.name == "floor")


@dataclass(frozen=True)
class _Row:
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
        return self.threshold.value if isinstance(self.threshold, ThresholdChoice) else self.threshold

    @property
    def config(self) -> dict[str, Any]:
        """What, beside its name, tells its cell from others."""
        return {"sha256": self.files.digest, "threshold": self.level}


def run(args: argparse.Namespace, console: Console) -> int:
    """Read, pair, score, print and write; returns the exit status.

    Raises:
        RegistryError, ConfigError, DataError, ResultError: bad input; names the file, the value and the mend.
    """
    load_plugins(args.plugin, args.protocol)
    protocol = build_protocol(args.protocol, parse_overrides(args.overrides))
    formats = parse_formats(args.format)
    check(args)
    columns = None if args.columns is None else parse_columns(args.columns, protocol)
    named, listed = named_folders(args.pred, FLOOR.name), instances(args.gt, args.names)
    for folder in (args.out, args.out / "cells", args.out / TABLES):
        try_folder(folder, WRITTEN)
    wanted, skipped = _usable(listed, protocol.check, args.allow_missing, console)
    folders = [PredictionFiles.below(path, name, wanted) for name, path in named.items()]
    for line in [*unread_lines(args.gt), *(line for files in folders for line in files.unpaired())]:
        _say(console, line)
    chosen = _chosen_thresholds(args, protocol, console)
    given = args.threshold if protocol.level is None else ThresholdChoice(protocol.level, (), 0, fixed=True)
    truth = PredictionFiles(FLOOR.name, tuple(one.truth for one in wanted))
    rows = [
        *(_Row(f, "files", f.name, chosen.get(f.name, given) if f.has_voxels else None) for f in folders),
        _Row(truth, "control", FLOOR.title, 0.5 if truth.has_voxels else None),
    ]
    names = [row.files.name for row in rows]
    if args.reference and args.reference not in names:
        raise ConfigError(
            f"unknown --reference '{args.reference}'.{did_you_mean(args.reference, names)} "
            f"Rows: {', '.join(names)}"
        )
    results, died = _score(rows, wanted, _dataset(args.gt, wanted, skipped), protocol, args, console)
    if not results:
        _tell(console, died, results)
        return 1
    reference = None if args.reference in died else args.reference
    comparison = compare(results, protocol, reference, wanted={name: [] for name in names})
    written = write_outputs(comparison, args.out, formats, columns=columns)
    found = {record.name: (record, scored) for record, scored in results}
    cases = gather_foreign(comparison, wanted, folders, found, lighten if "html" in formats else None)
    if cases.overall:
        written.append(write_gallery(args.out / "gallery.png", cases, comparison))
    if "html" in formats:
        written.append(write_report(comparison, cases, args.out))
    keep(comparison, args.out, [*written, *charts(written)])
    # last of all: a terminal may fail, and costs nothing then
    _tell(console, died, results)
    _say(console, "written: " + ", ".join(map(str, written)))
    if "rich" in formats:  # the result comes last
        shown = to_rich(comparison, console.width, verbose=args.verbose, columns=columns)
        console.print("", shown)
    return 1 if died else 0


def _tell(console: Console, died: Mapping[str, str], results: Sequence[tuple[Record, Rows]]) -> None:
    """Print which rows could not be measured, and which look as if they lay in another frame."""
    for name, why in died.items():
        _say(console, f"[red]failed[/red] {escape(name)}: {escape(why)}", markup=True)
    for record, _ in results:
        for hint in record.hints:
            _say(
                console,
                f"[yellow]look[/yellow] the predictions of {escape(record.name)} {escape(hint)}",
                markup=True,
            )


def _say(console: Console, line: str, markup: bool = False) -> None:
    """Print a line as it is: names, paths and reasons are other people's text."""
    console.print(line, markup=markup, highlight=False)


def _score(
    rows: Sequence[_Row],
    wanted: Sequence[Instance],
    dataset: DatasetInfo,
    protocol: Protocol,
    args: argparse.Namespace,
    console: Console,
) -> tuple[list[tuple[Record, Rows]], dict[str, str]]:
    """Record and rows of each row, and what became of those that killed the process which measured them.

    What was scored before, with exactly these files, is not scored again.
    """
    info = ProtocolInfo(id=protocol.id, version=protocol.version, settings=protocol.settings)
    store = ResultStore(args.out / "cells")
    code = code_of(protocol)
    cells = {
        row.files.name: cell_hash(
            kind=row.kind,
            name=row.files.name,
            config=row.config | ({"code": code} if code else {}),
            dataset=dataset,
            protocol=info,
            preset=PRESET,
            seed=None,
        )
        for row in rows
    }
    if args.force:
        for cell in cells.values():
            rmtree(store.folder(cell), ignore_errors=True)
    todo = [row for row in rows if store.find(cells[row.files.name]) is None]
    journals = {row.files.name: store.folder(cells[row.files.name]) / JOURNAL for row in todo}
    died: dict[str, str] = {}
    if todo:
        with console.status("measuring") as status:
            scores = score(
                {row.files.name: row.files.shapes for row in todo},
                TruthFiles(wanted),
                protocol,
                {row.files.name: row.level for row in todo},
                workers=args.workers,
                progress=lambda done, total: status.update(f"measuring {done} of {total}"),
                journals=journals,
                limit=None if args.workers == 0 else patience(args.time_limit),
            )
        died = scores.died
        for row in [row for row in todo if row.files.name not in died]:
            name = row.files.name
            record = _record(row, scores.rows[name], cells[name], dataset, info)
            measured = {"iou_curve": scores.iou_curve[name], "hints": scores.hints[name]}
            record = record.model_copy(update=measured)
            save(record, scores.rows[name], store.folder(record.cell))
            journals[name].unlink(missing_ok=True)  # an equal command may have been quicker
    found = [store.find(cells[row.files.name]) for row in rows]
    return [result for result in found if result is not None], died


def _record(row: _Row, rows: Rows, cell: str, dataset: DatasetInfo, protocol: ProtocolInfo) -> Record:
    threshold = None
    if isinstance(row.threshold, ThresholdChoice):
        threshold = Threshold(value=row.threshold.value, chosen=row.threshold.rule)
    elif row.threshold is not None:
        threshold = Threshold(value=row.threshold, chosen="given, not chosen on any data")
    return Record(
        kind=row.kind,
        name=row.files.name,
        title=row.title,
        cell=cell,
        protocol=protocol,
        dataset=dataset,
        preset=PRESET,
        seed=None,
        config=row.config,
        threshold=threshold,
        n=len(rows),
        n_failed=sum(one["failed"] for one in rows),
        versions=environment.versions(),
        device="CPU",
        git=environment.git(),
        neighbours=active_backend().name,
        command=environment.command(),
        date=datetime.now(UTC).replace(microsecond=0),
    )


def _usable(
    wanted: Sequence[Instance], check: Callable[[Truth], None], allow_missing: bool, console: Console
) -> tuple[list[Instance], dict[str, int]]:
    """The instances whose truth can be measured against, and how many were left out, by reason.

    Args:
        check: raises `TruthError` for one that cannot.

    Raises:
        DataError: some cannot, and that was not allowed for; or none can.
    """
    usable, problems = [], []
    truths = TruthFiles(wanted)
    for k, one in enumerate(track(wanted, "reading true shapes", console=console, transient=True)):
        try:
            check(truths[k])
        except (BadItem, TruthError) as error:
            problems.append(str(error))
        else:
            usable.append(one)
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
    args: argparse.Namespace, protocol: Protocol, console: Console
) -> dict[str, ThresholdChoice]:
    """Of each row that has validation predictions with voxels: what the protocol chooses on them.

    Raises:
        ConfigError: predictions without truths or the reverse, or for a name that is no row.
    """
    if bool(args.val_pred) != bool(args.val_gt):
        raise ConfigError("--val-pred and --val-gt go together: predictions and truths of validation shapes")
    if not args.val_gt:
        return {}
    rows, folders = (named_folders(words, FLOOR.name) for words in (args.pred, args.val_pred))
    if len(rows) == len(folders) == 1:
        folders = dict(zip(rows, folders.values(), strict=True))
    if strange := set(folders) - set(rows):
        raise ConfigError(
            f"--val-pred has {sorted(strange)}, --pred has {sorted(rows)}; say NAME= to give both one name"
        )
    wanted, _ = _usable(instances(args.val_gt), Truth.check, False, console)
    chosen = {}
    for name, folder in folders.items():
        files = PredictionFiles.below(folder, name, wanted)
        for line in files.unpaired():
            _say(console, f"validation, {line}")
        choice = files.choose_threshold(protocol, wanted)
        if choice is not None:
            chosen[name] = choice
    return chosen


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; exit status 0, 1 when a row could not be measured, 2 for bad input, 130 interrupted."""
    args = parser(__doc__).parse_args(argv)
    return run_command(lambda: run(args, Console()))


if __name__ == "__main__":
    leave(main())
