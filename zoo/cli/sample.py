"""``python -m zoo sample``: shapes from a trained model, without a picture."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from zoo.cli.console import Verbs, add_verb, plain_console
from zoo.config import ConfigError

HELP = """Draw shapes from a trained model, without a picture.

A latent is drawn from what the model was trained to decode: the uniform distribution for 3D-GAN, the standard
normal for the others. Written are a mesh of each shape, shapes.npz with the latents and what the decoder
made of them, untouched, and sheet.png. As 3D-GAN's authors do, a cell counts from a probability of 0.1 on,
and what is not connected to the largest part is left out of meshes and pictures.

examples:
  python -m benchmarks.run --models gan_3d                     train it first
  python -m zoo sample gan_3d --out drawn                      16 shapes of the newest run in runs/
  python -m zoo sample gan_3d -n 4 --interpolate --out drawn   also the way from the first to the second
  python -m zoo sample r3d --weights runs/runs/r3d-0123456789ab --threshold 0.5 --all-components --out drawn
"""


def add(verbs: Verbs, **given: Any) -> None:
    """Add the verb."""
    raw = argparse.RawDescriptionHelpFormatter
    text = "draw shapes from a trained model, without a picture"
    sample = add_verb(
        verbs, "sample", _sample, text, **{**given, "description": HELP, "formatter_class": raw}
    )
    sample.add_argument("name", help="a model of the zoo")
    sample.add_argument("-n", type=int, default=16, metavar="N", help="how many (default: %(default)s)")
    sample.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of what is written")
    sample.add_argument(
        "--weights",
        type=Path,
        metavar="PATH",
        help="a run or a checkpoint (default: the newest finished run)",
    )
    sample.add_argument(
        "--runs", type=Path, default=Path("runs"), help="the --out of benchmarks.run (default: %(default)s/)"
    )
    sample.add_argument("--seed", type=int, default=0, help="of the draws (default: %(default)s)")
    sample.add_argument(
        "--interpolate",
        type=int,
        nargs="?",
        const=8,
        metavar="STEPS",
        help="also a strip of shapes between the first two, of so many steps (default: %(const)s)",
    )
    sample.add_argument(
        "--threshold",
        type=float,
        default=0.1,
        help="probability from which on a cell is occupied (default: %(default)s)",
    )
    sample.add_argument(
        "--all-components", action="store_true", help="keep what is not connected to the largest part, too"
    )
    sample.add_argument(
        "--format", choices=("obj", "ply"), default="obj", help="of the meshes (default: %(default)s)"
    )


def _sample(args: argparse.Namespace) -> int:
    from zoo.sampling import Display, between, decode, draw_latents, find_weights, write_samples, write_strip
    from zoo.training.checkpoint import load_pretrained

    if args.n < 1 or (args.interpolate is not None and (args.n < 2 or args.interpolate < 2)):
        raise ConfigError(
            f"-n must be at least 1, with --interpolate at least 2, and STEPS at least 2; got -n {args.n}"
            + ("" if args.interpolate is None else f" --interpolate {args.interpolate}")
        )
    if not 0 < args.threshold < 1:
        raise ConfigError(f"--threshold must lie between 0 and 1, got {args.threshold}")
    weights = find_weights(args.name, args.weights, args.runs)
    model = load_pretrained(weights)
    if model.config.name != args.name:
        raise ConfigError(f"{weights} holds '{model.config.name}', not '{args.name}'")
    console = plain_console()
    console.print(f"{model.config.title}, weights of {weights}")
    display = Display(args.threshold, args.all_components)
    z = draw_latents(model, args.n, args.seed)
    written = write_samples(args.out, z, decode(model, z), display, args.format)
    if args.interpolate is not None:
        way = decode(model, between(z, args.interpolate))
        written.append(write_strip(args.out, way, display))
    console.print(f"written: {len(written)} files in {args.out}, among them sheet.png")
    return 0
