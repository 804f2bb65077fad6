"""``python -m benchmarks.run``: train what is missing, measure what is missing, print one honest table.

From Python the same is ``benchmarks.run(RunRequest(models="r3d"))``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from benchmarks.request.filling import add_config, add_plugins, fill
from benchmarks.tables.options import add_table_options
from zoo.cli.command import leave, run_command

if TYPE_CHECKING:
    from benchmarks.cells.events import Tell
    from benchmarks.request.run_request import RunRequest
    from benchmarks.statistics.comparison import Comparison

EXAMPLES = """examples:
  python -m benchmarks.run --models r3d,vae_gan_baseline
  python -m benchmarks.run --models all --seeds 3 --preset standard --device cuda
  python -m benchmarks.run --models r3d --seeds 3,4
  python -m benchmarks.run --models 'r3d*' --set train.steps=800 --set losses.kl.weight=0.5
  python -m benchmarks.run --models r2n2,r3d_multiview,r3d --views 1-5
  python -m benchmarks.run --models r3d --dataset r2n2 --data-root /data/ShapeNet
  python -m benchmarks.run --models my_model --plugin my_package.my_encoder
  python -m benchmarks.run --models all --limit 65
  python -m benchmarks.run --models all --seeds 3 --only-cache
  python -m benchmarks.run --config run.yaml --seeds 3

--set takes keys of the model config (see python -m zoo show r3d), and with a prefix those of
the data set (data.split=...), of its preparation (prepare.views=12), of the protocol
(protocol.points=30000) and of the executor (executor.jobs=4). What is already trained or measured
with exactly these settings is not done again.
"""


def parser() -> argparse.ArgumentParser:
    """The command line; what is not given is not in its namespace."""
    p = argparse.ArgumentParser(
        prog="python -m benchmarks.run",
        description="Train models on the same data, measure them by one protocol, print one table.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )
    add_config(p)
    _add_data(p)
    _add_what(p)
    _add_where(p)
    again = p.add_mutually_exclusive_group()
    again.add_argument("--force", action="store_true", help="train and measure again what is already there")
    again.add_argument(
        "--only-cache",
        action="store_true",
        help="prepare, train and measure nothing: the table of the results that are there, in which those "
        "that are not stand as missing. Pictures and report, for which every model has to predict, are made "
        "where --format asks for html",
    )
    p.add_argument("--list", action="store_true", default=False, help="list the models and exit")
    return p


def _add_data(p: argparse.ArgumentParser) -> None:
    """Models and data."""
    p.add_argument(
        "--models",
        help="names, globs, YAML files, or 'all'; of those that a pattern matches, models that the data set "
        "cannot train are left out by name (default: r3d,vae_gan_baseline)",
    )
    p.add_argument("--dataset", help="data set (default: procedural, made on the spot)")
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


def _add_what(p: argparse.ArgumentParser) -> None:
    """What else the numbers depend on."""
    p.add_argument("--preset", help="quick, standard or paper (default: quick)")
    p.add_argument(
        "--protocol",
        help="how predictions are measured, see python -m benchmarks.protocols list (default: r3d-v1)",
    )
    p.add_argument(
        "--seeds",
        metavar="N",
        help="train N times, with seeds 0...N-1, or with just these, like 3,4 (one alone: 7,) (default: 1)",
    )
    p.add_argument(
        "--views",
        metavar="N",
        help="pictures of each shape that models of several views are measured from, like 1-5 or 1,3,5; "
        "the main table is that of the fewest (default: 1)",
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
        "--set",
        action="append",
        dest="overrides",
        metavar="KEY=VALUE",
        help="override a setting; see below",
    )
    add_plugins(p)
    p.add_argument(
        "--limit",
        type=int,
        metavar="N",
        help="a quick look: measure on N test instances, the same for every model, drawn evenly over the "
        "categories. Training is whole; the results are kept apart from those of all instances, and the "
        "table says that they are not for publication",
    )


def _add_where(p: argparse.ArgumentParser) -> None:
    """Folders, formats, machine: what no number depends on but by its last bits."""
    p.add_argument("--out", type=Path, help="folder of runs, results and tables (default: runs/)")
    p.add_argument(
        "--format",
        dest="formats",
        metavar="A,B",
        help="what is printed (rich) and written (md, csv, latex, json, html), or all; default: all, with "
        "--only-cache all but html",
    )
    add_table_options(p)
    p.add_argument(
        "--device",
        help="auto, cpu, cuda (every GPU of the machine), cuda:1 (that one) or mps (default: auto)",
    )
    p.add_argument(
        "--executor",
        metavar="NAME",
        help="where cells run. local: each in a process of its own, so that one that crashes costs its row "
        "alone; inline: in this process, one after the other, for debugging; module:Class: your own "
        "(default: local)",
    )
    p.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="cells at a time, each with its share of the cores; spread over the GPUs in turn "
        "(default: one per GPU, 2 on a CPU)",
    )
    p.add_argument("--workers", type=int, help="processes for data and measuring (default: one per core)")
    p.add_argument(
        "--tracker",
        metavar="NAME",
        help="also report trainings to tensorboard (into the run folders), or to what module:function makes",
    )
    p.add_argument(
        "--init-from",
        metavar="RUN",
        help="start the trainings from the weights of a run or checkpoint, for every part that fits",
    )
    p.add_argument(
        "--time-limit",
        type=float,
        metavar="MINUTES",
        help="the longest that a plugin may import, a model be built, a training go without finishing a "
        "step, a few pictures be predicted, or one prediction be measured: then that row fails and the "
        "others go on; 0 for no limit. Trainings and predictions of --executor inline have none, nor has "
        "what is measured with --workers 0 (default: 30)",
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; exit status 0, 1 when a cell failed, 2 for bad input, 130 when interrupted."""
    args = parser().parse_args(argv)

    def body() -> int:
        from benchmarks.driver.terminal import list_models, run_in_terminal
        from benchmarks.request.run_request import RunRequest

        request = fill(RunRequest, args)
        if args.list:
            return list_models(request)
        return run_in_terminal(request)

    return run_command(body, "stopped; what was finished is kept, the same command goes on from there")


class _Callable(ModuleType):
    """This module, which is called too: `benchmarks.run(RunRequest(...))`."""

    def __call__(
        self, request: RunRequest | None = None, progress: Tell | None = None, **asked: Any
    ) -> Comparison:
        """See `benchmarks.driver.run`."""
        from benchmarks.driver import run

        return run(request, progress, **asked)


sys.modules[__name__].__class__ = _Callable

if __name__ == "__main__":
    leave(main())
