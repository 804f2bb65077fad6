"""``python -m benchmarks.speed.training``: training speed and memory of models, on random samples.

The figures are of the trainer's own step at the preset's sizes, loading left out. Each model runs in a
process of its own; ratios are against the first one. With ``--json`` the table is also kept as a record with
device, versions and commit.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from rich.console import Console
from rich.table import Table

from benchmarks.request.common_options import add_common
from benchmarks.request.models import resolve_models
from benchmarks.speed.record import write_record
from zoo.cli.plugins import load_plugins


@dataclass(frozen=True)
class Speed:
    """One model's figures."""

    model: str
    device: str
    parameters: int
    batch_size: int
    milliseconds_per_step: float
    images_per_second: float
    peak_mib: float | None
    """None where the system does not tell."""


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.training", description=__doc__)
    parser.add_argument(
        "--models", default="vae_gan_baseline,r3d", help="names, globs or 'all' (default: %(default)s)"
    )
    parser.add_argument("--steps", type=int, default=10, help="timed steps after three untimed ones")
    add_common(parser, "preset", "device")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    args = parser.parse_args()
    context, found = multiprocessing.get_context("spawn"), []
    for name in resolve_models(args.models):
        with context.Pool(1, load_plugins, (args.plugin,)) as pool:
            found.append(pool.apply(measure, (name, args.preset, args.overrides, args.steps, args.device)))
    table = Table(title=f"training step, preset {args.preset}, {found[0].device}")
    for column in ("model", "params M", "batch", "ms/step", "images/s", "ratio", "peak MiB", "ratio"):
        table.add_column(column, justify="left" if column == "model" else "right", no_wrap=True)
    first = found[0]
    for s in found:
        table.add_row(
            s.model,
            f"{s.parameters / 1e6:.2f}",
            str(s.batch_size),
            f"{s.milliseconds_per_step:.1f}",
            f"{s.images_per_second:.1f}",
            f"{s.images_per_second / first.images_per_second:.2f}x",
            "-" if s.peak_mib is None else f"{s.peak_mib:,.0f}",
            "-" if s.peak_mib is None or not first.peak_mib else f"{s.peak_mib / first.peak_mib:.2f}x",
        )
    Console().print(table)
    if args.json:
        settings = {"preset": args.preset, "overrides": args.overrides, "steps": args.steps}
        write_record(args.json, "training speed and memory", found, **settings)


def measure(name: str, preset: str, overrides: list[str], steps: int, device_name: str) -> Speed:
    """Time the trainer's step of one model."""
    import torch

    from zoo.config import load_config
    from zoo.device import describe_device, flushed_denormals, pick_device
    from zoo.testing.smoke import SmokeSource
    from zoo.training.trainer import Trainer

    config, device = load_config(name, preset, overrides), pick_device(device_name)
    train = config.train
    resolution = getattr(config.decoder.config, "resolution", 32)
    size: tuple[int, int] = config.preprocess.size
    source = SmokeSource(count=train.batch_size, resolution=resolution, size=size)
    with tempfile.TemporaryDirectory() as folder, flushed_denormals():
        trainer = Trainer(config, source, Path(folder), seed=0, device=device)
        stage = trainer.stages[0]
        trainer.enter(stage)
        views = [list(range(train.views[0]))] * train.batch_size
        batch = source.fetch(range(train.batch_size), views).to(device)

        def run(count: int) -> float:
            started = perf_counter()
            for _ in range(count):
                trainer.step(batch, stage)
                trainer.state.step += 1
                trainer.pending.clear()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            return perf_counter() - started

        run(3)
        trainer.memory.reset()
        seconds = run(steps)
        return Speed(
            model=name,
            device=describe_device(device),
            parameters=trainer.parameters,
            batch_size=train.batch_size,
            milliseconds_per_step=1000 * seconds / steps,
            images_per_second=steps * train.batch_size / seconds,
            peak_mib=trainer.memory.mib(),
        )


if __name__ == "__main__":
    main()
