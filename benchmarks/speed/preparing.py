"""``python -m benchmarks.speed.preparing``: how `prepare` scales with its worker processes.

The same items are built into a store with each number of workers, one after the other, several times over,
so that a busy neighbour hits all of them alike. Seconds are those of the whole call: starting the processes,
building, packing, writing; ratios are of the medians, against one worker.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

from rich.console import Console
from rich.table import Table

from benchmarks.request.settings import add_set
from benchmarks.speed.record import write_record
from datasets.prepare import open_dataset
from zoo.cli.plugins import add_plugin, load_plugins
from zoo.config import parse_overrides


@dataclass(frozen=True)
class Scaling:
    """The figures of one number of workers; 0 builds in the calling process."""

    workers: int
    seconds: float
    items_per_second: float
    ratio: float


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.preparing", description=__doc__)
    parser.add_argument("--dataset", default="procedural", help="data set (default: %(default)s)")
    parser.add_argument("--root", type=Path, help="folder of its files")
    add_set(parser, "a setting of the data set, or with the prefix 'prepare.' an option of prepare")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="numbers to compare (1 2)")
    parser.add_argument("--rounds", type=int, default=3, help="times over (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    add_plugin(parser)
    args = parser.parse_args()
    from zoo.device import describe_device, pick_device  # after a --help, for they load torch

    load_plugins(args.plugin, args.dataset)
    options = parse_overrides(o.removeprefix("prepare.") for o in args.overrides if o.startswith("prepare."))
    config = parse_overrides(o for o in args.overrides if not o.startswith("prepare."))
    seconds: dict[int, list[float]] = {n: [] for n in args.workers}
    for _ in range(args.rounds):
        for workers in args.workers:
            with tempfile.TemporaryDirectory() as folder:
                started = perf_counter()
                store = open_dataset(
                    args.dataset,
                    data_root=args.root or folder,
                    cache_root=folder,
                    config_overrides=config,
                    options=options,
                    workers=workers,
                    progress=False,
                )
                seconds[workers].append(perf_counter() - started)
                count, held = len(store), store.manifest["options"]
    base = median(seconds[min((n for n in args.workers if n), default=args.workers[0])])
    rows = [
        Scaling(n, median(times), count / median(times), base / median(times)) for n, times in seconds.items()
    ]
    device = describe_device(pick_device("cpu"))
    table = Table(title=f"prepare {args.dataset}: {count:,} items, {device}")
    for column in ("workers", "seconds", "items/s", "ratio"):
        table.add_column(column, justify="right")
    for row in rows:
        figures = f"{row.seconds:.1f}", f"{row.items_per_second:.1f}", f"{row.ratio:.2f}x"
        table.add_row(str(row.workers or "none"), *figures)
    Console().print(table)
    if args.json:
        settings = {"dataset": args.dataset, "config": config, "options": held, "rounds": args.rounds}
        write_record(args.json, "prepare by workers", rows, device=device, items=count, **settings)


if __name__ == "__main__":
    main()
