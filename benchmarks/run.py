"""``python -m benchmarks.run``: train what is missing, measure what is missing, print one honest table."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.cells.executor import EXECUTORS
from benchmarks.request.models import resolve_models
from benchmarks.request.settings import add_set, patience
from benchmarks.tables.options import add_table_options
from benchmarks.tables.say import say
from zoo.cli.command import leave, run_command
from zoo.cli.plugins import add_plugin, load_plugins
from zoo.config import ConfigError, list_models, load_config

EXAMPLES = """examples:
  python -m benchmarks.run --models r3d,vae_gan_baseline
  python -m benchmarks.run --models all --seeds 3 --preset standard --device cuda
  python -m benchmarks.run --models 'r3d*' --set train.steps=800 --set losses.kl.weight=0.5
  python -m benchmarks.run --models r2n2,r3d_multiview,r3d --views 1-5
  python -m benchmarks.run --models r3d --dataset r2n2 --data-root /data/ShapeNet
  python -m benchmarks.run --models my_model --plugin my_package.my_encoder
  python -m benchmarks.run --models all --limit 65
  python -m benchmarks.run --models all --seeds 3 --only-cache

--set takes keys of the model config (see python -m zoo show r3d), and with a prefix those of
the data set (data.split=...), of its preparation (prepare.views=12) and of the protocol
(protocol.points=30000). What is already trained or measured with exactly these settings is not done again.
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(
        prog="python -m benchmarks.run",
        description="Train models on the same data, measure them by one protocol, print one table.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument(
        "--models",
        default="r3d,vae_gan_baseline",
        help="names, globs, YAML files, or 'all'; of those that a pattern matches, models that the data set "
        "cannot train are left out by name (default: %(default)s)",
    )
    p.add_argument(
        "--dataset", default="procedural", help="data set (default: %(default)s, made on the spot)"
    )
    p.add_argument(
        "--data-root", type=Path, help="folder of the data set's files; of 'procedural', where to keep it"
    )
    p.add_argument(
        "--categories", metavar="A,B", help="some categories only; the same as --set data.categories=A,B"
    )
    p.add_argument(
        "--allow-missing",
        action="store_true",
        help="go on without items of the data set that cannot be read; the table counts them",
    )
    p.add_argument(
        "--allow-leaks",
        action="store_true",
        help="measure on test shapes that training or validation holds too; the table counts them",
    )
    p.add_argument("--preset", default="quick", help="quick, standard or paper (default: %(default)s)")
    p.add_argument(
        "--protocol",
        default="r3d-v1",
        help="how predictions are measured, see python -m benchmarks.protocols list (default: %(default)s)",
    )
    p.add_argument(
        "--seeds", type=int, default=1, metavar="N", help="train N times, with seeds 0...N-1 (default: 1)"
    )
    p.add_argument(
        "--views",
        default="1",
        metavar="N",
        help="pictures of each shape that models of several views are measured from, like 1-5 or 1,3,5; "
        "the main table is that of the fewest (default: %(default)s)",
    )
    p.add_argument(
        "--reference", help="model that the others are paired with (default: r3d, or the first of --models)"
    )
    p.add_argument(
        "--retrieval-backbone",
        metavar="NAME",
        help="timm network by whose features controls compare pictures too; its weights are downloaded where "
        "they are not on this machine (default: resnet18.a1_in1k, only where its weights are)",
    )
    p.add_argument(
        "--out", type=Path, default=Path("runs"), help="folder of runs, results and tables (default: runs/)"
    )
    p.add_argument(
        "--format",
        metavar="A,B",
        help="what is printed (rich) and written (md, csv, latex, json, html), or all; default: all, with "
        "--only-cache all but html",
    )
    p.add_argument(
        "--device",
        default="auto",
        help="auto, cpu, cuda (every GPU of the machine), cuda:1 (that one) or mps (default: %(default)s)",
    )
    p.add_argument(
        "--executor",
        default="local",
        choices=EXECUTORS,
        help="where trainings run. local: each in a process of its own, so that one that crashes costs its "
        "row alone; inline: in this process, one after the other, for debugging (default: %(default)s)",
    )
    p.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="trainings at a time, each with its share of the cores; spread over the GPUs in turn "
        "(default: one per GPU, 2 on a CPU)",
    )
    p.add_argument("--workers", type=int, help="processes for data and measuring (default: one per core)")
    p.add_argument(
        "--time-limit",
        type=float,
        default=30.0,
        metavar="MINUTES",
        help="the longest that a plugin may import, a model be built, a training go without finishing a "
        "step, a few pictures be predicted, or one prediction be measured: then that row fails and the "
        "others go on; 0 for no limit. Trainings and predictions of --executor inline have none, nor has "
        "what is measured with --workers 0 (default: %(default)g)",
    )
    add_set(p, "override a setting; see below")
    add_plugin(p)
    p.add_argument(
        "--limit",
        type=int,
        metavar="N",
        help="a quick look: measure on N test instances, the same for every model, drawn evenly over the "
        "categories. Training is whole; the results are kept apart from those of all instances, and the "
        "table says that they are not for publication",
    )
    again = p.add_mutually_exclusive_group()
    again.add_argument("--force", action="store_true", help="train and measure again what is already there")
    again.add_argument(
        "--only-cache",
        action="store_true",
        help="prepare, train and measure nothing: the table of the results that are there, in which those "
        "that are not stand as missing. Pictures and report, for which every model has to predict, are made "
        "where --format asks for html",
    )
    add_table_options(p)
    p.add_argument("--list", action="store_true", help="list the models and exit")
    return p


def overrides(args: argparse.Namespace) -> list[str]:
    """The settings that a command line asks for, ``--categories`` among them."""
    named = [f"data.categories={args.categories}"] if args.categories else []
    return [*named, *args.overrides]


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; exit status 0, 1 when a cell failed, 2 for bad input, 130 when interrupted."""
    args = parser().parse_args(argv)

    def body() -> int:
        console = Console()
        limit = patience(args.time_limit)
        load_plugins(args.plugin, args.dataset, args.protocol, limit=limit)
        if args.list:
            return _list(console)
        if args.seeds < 1:
            raise ConfigError(f"--seeds must be at least 1, got {args.seeds}")
        if args.limit is not None and args.limit < 1:
            raise ConfigError(f"--limit must be at least 1, got {args.limit}")
        from benchmarks.driver import run

        return run(args, resolve_models(args.models), overrides(args), console)

    return run_command(body, "stopped; what was finished is kept, the same command goes on from there")


def _list(console: Console) -> int:
    for name in list_models():
        say(console, load_config(name).summary, f"{name:20}", "bold")
    return 0


if __name__ == "__main__":
    leave(main())
