"""`python -m datasets`: what data sets there are, what lies on the disk, and making stores of it."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from zoo.cli.command import known_command, leave, run_command
from zoo.cli.plugins import add_plugin, load_plugins
from zoo.config import ConfigError, parse_overrides
from zoo.system.processes import available_cores

from . import DATASETS, SPLITS, Item, PrepareOptions
from .prepare import ITEM_TIMEOUT, Request, open_dataset, request
from .store import MANIFEST, SKIPPED, Store
from .store.writer import count
from .verify import find_damage

EXAMPLES = """examples:
  python -m datasets list                                     all data sets
  python -m datasets info r2n2                                what it is, where to get it, its settings
  python -m datasets info r2n2 --root /data/ShapeNet          ... and what lies there
  python -m datasets prepare r2n2 --root /data/ShapeNet --views 24
  python -m datasets prepare r2n2 --root /data/ShapeNet --set categories=chair,car
  python -m datasets prepare procedural --resolution 32 64
  python -m datasets verify r2n2 --root /data/ShapeNet        read every file, and check the store
  python -m datasets show r2n2 --root /data/ShapeNet --out sheet.png

Stores lie in $R3D_CACHE, else $XDG_CACHE_HOME/r3d-zoo, else ~/.cache/r3d-zoo; those of generated data
sets under --root when it is given. A killed `prepare` goes on where it stopped when it is run again."""

out = Console(highlight=False, markup=False, soft_wrap=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit status: 0, 1 when `verify` found damage, 2 for a user's error."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser, commands = _parser()

    def body() -> int:
        known_command(arguments, commands)
        args = parser.parse_args(arguments)
        load_plugins(args.plugin, getattr(args, "name", None))
        return int(args.run(args) or 0)

    return run_command(body, "interrupted; what is done is kept, the same command goes on")


def list_command(args: argparse.Namespace) -> None:
    """All registered data sets."""
    table = Table("name", "kind", "summary", box=None)
    for entry in DATASETS:
        table.add_row(entry.name, entry.cls.kind, entry.summary)
    out.print(table)
    for name, error in DATASETS.broken().items():
        out.print(f"plugin '{name}' failed to import: {type(error).__name__}: {error}")


def info_command(args: argparse.Namespace) -> None:
    """The card of one data set, and what lies under the root."""
    entry = DATASETS.get(args.name)
    out.print(f"{entry.name} (version {entry.cls.version}, {entry.cls.kind}): {entry.summary}")
    out.print(f"  homepage  {entry.cls.homepage}\n  licence   {entry.cls.licence}")
    out.print(f"  gives     {', '.join(sorted(entry.cls.provides))}\n  get it    {entry.cls.how_to_get}")
    if entry.cite:
        out.print(f"  cite      {entry.cite}")
    for title, model in (("--set KEY=VALUE", entry.config), ("options of prepare", PrepareOptions)):
        out.print(f"\n{title}")
        for key, field in model.model_fields.items():
            text = " ".join((field.description or "").split())
            out.print(f"  {key} = {field.get_default(call_default_factory=True)}: {text}")
    if entry.cls.kind == "files" and args.root is None:
        out.print("\nGive --root DIR to see what lies there.")
        return
    wanted = _request(args)
    out.print()
    _print_counts(wanted.source.items())
    if (wanted.path / MANIFEST).is_file():
        store = Store.open(wanted.path)
        held = f"{len(store)} shapes, {len(store.skipped)} skipped"
        out.print(f"store: {store.path}, {held}, fingerprint {store.fingerprint[:12]}")
    else:
        out.print(f"store: not prepared with these options; it would lie at {wanted.path}")


def prepare_command(args: argparse.Namespace) -> None:
    """Make the store, or find it, and say what it holds."""
    store = _store(args, rebuild=args.rebuild)
    _print_counts(store.items)
    if notes := store.manifest["notes"]:
        out.print("solids: " + ", ".join(f"{number} {note}" for note, number in notes.items()))
    absent = store.skipped
    _print_some("missing", [item for item in absent if item["kind"] == "missing"], store.path / SKIPPED)
    reasons = Counter(item["reason"].partition(" as ")[0] for item in absent if item["kind"] == "left out")
    for reason, number in reasons.items():
        out.print(f"left out: {number} ({reason}), in {store.path / SKIPPED}")
    _print_some("in two splits", store.leaks, store.path / MANIFEST)
    out.print(f"store: {store.path}\nfingerprint: {store.fingerprint}")


def verify_command(args: argparse.Namespace) -> int:
    """Read every file as `prepare` would, then check the store's hashes; names all that is damaged."""
    if (Path(args.name) / MANIFEST).is_file():
        return _report(Store.open(args.name).verify(), f"store {args.name}")
    wanted = _request(args)
    damage = 0
    if wanted.source.kind == "files":
        items = wanted.source.items()
        workers = available_cores() if args.workers is None else args.workers
        found = find_damage(wanted.source, wanted.options, items, workers, ITEM_TIMEOUT)
        console = Console(stderr=True)
        reasons = dict(track(found, f"reading {wanted.name}", total=len(items), console=console))
        problems = [f"{item.id}: {reasons[item]}" for item in items if reasons.get(item)]
        unread = [f"{file}: of a kind that is not read" for file in wanted.source.unread()]
        damage |= _report(problems, f"{len(items)} items under {wanted.source.root}", unread)
    if (wanted.path / MANIFEST).is_file():
        damage |= _report(Store.open(wanted.path).verify(), f"store {wanted.path}")
    else:
        out.print(f"store: not prepared with these options; it would lie at {wanted.path}")
    return damage


def show_command(args: argparse.Namespace) -> None:
    """Write a contact sheet of the prepared store, preparing it first when needed."""
    from .sheet import contact_sheet

    if args.shapes < 1:
        raise ConfigError(f"--shapes must be at least 1, got {args.shapes}")
    store = _store(args, require=())
    contact_sheet(store, args.shapes).save(args.out)
    out.print(f"{args.out}: each row picture, mask and voxels, twice; from {store.path}")


def _request(args: argparse.Namespace) -> Request:
    return request(args.name, **_asked(args))


def _store(args: argparse.Namespace, **more: Any) -> Store:
    asked = _asked(args) | more
    return open_dataset(args.name, workers=args.workers, allow_missing=args.allow_missing, **asked)


def _asked(args: argparse.Namespace) -> dict[str, Any]:
    """What the options that all commands share say of a data set."""
    return {
        "data_root": args.root,
        "cache_root": args.cache_root,
        "config_overrides": _config(args),
        "options": _options(args),
    }


def _config(args: argparse.Namespace) -> dict[str, Any]:
    named = [f"categories={args.categories}"] if args.categories else []
    return parse_overrides([*named, *args.set])


def _options(args: argparse.Namespace) -> dict[str, Any]:
    given = {
        "resolutions": args.resolution,
        "views": args.views,
        "points": args.points,
        "image_size": args.image_size,
        "pooling": args.pooling,
        "leaks": args.leaks,
        "maps": args.maps or None,
    }
    return {key: value for key, value in given.items() if value is not None}


def _print_counts(items: Sequence[Item]) -> None:
    counts = count(items)
    table = Table("category", *SPLITS, box=None)
    for category in sorted({item.category for item in items}):
        table.add_row(category, *(str(counts[split].get(category, 0)) for split in SPLITS))
    table.add_row("total", *(str(counts[split]["total"]) for split in SPLITS))
    out.print(table)


def _print_some(what: str, absent: Sequence[dict[str, str]], file: Path, most: int = 10) -> None:
    for item in absent[:most]:
        out.print(f"{what}: {item['id']}: {item['reason']}")
    if len(absent) > most:
        out.print(f"... {len(absent) - most} more {what}, in {file}")


def _report(problems: Sequence[str], what: str, unread: Sequence[str] = ()) -> int:
    counts = [f"{len(problems)} damaged"] if problems else []
    counts += [f"{len(unread)} files of a kind that is not read"] if unread else []
    out.print(f"{what}: {', '.join(counts) or 'all well'}")
    for problem in (*problems, *unread):
        out.print(f"  {problem}")
    return int(bool(counts))


def _parser() -> tuple[argparse.ArgumentParser, list[str]]:
    parser = argparse.ArgumentParser(
        prog="python -m datasets",
        description="Data sets: list them, look at them, and pack them into the stores that training reads.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    add_plugin(common)
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("name", metavar="NAME", help="a data set of `list`, or module:Class")
    shared.add_argument("--root", metavar="DIR", help="folder of the files; of the store, if generated")
    shared.add_argument("--cache-root", metavar="DIR", help="folder that stores lie in")
    shared.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="a setting of NAME")
    shared.add_argument("--resolution", metavar="R", type=int, nargs="+", help="voxels per edge to store")
    shared.add_argument("--views", metavar="V", type=int, help="pictures per shape")
    shared.add_argument("--points", metavar="P", type=int, help="surface points per shape")
    shared.add_argument("--image-size", metavar=("H", "W"), type=int, nargs=2, help="of own renderings")
    shared.add_argument(
        "--categories", metavar="A,B", help="some categories only; the same as --set categories=A,B"
    )
    shared.add_argument("--pooling", choices=("max", "mean"), help="coarser voxels from finer ones")
    shared.add_argument("--leaks", choices=("flag", "drop"), help="shapes that are in two splits")
    shared.add_argument("--maps", action="store_true", help="store depth and normals too")
    parallel = argparse.ArgumentParser(add_help=False)
    parallel.add_argument("--workers", metavar="N", type=int, help="processes; all cores by default, 0: none")
    made = argparse.ArgumentParser(add_help=False, parents=[parallel])
    made.add_argument("--allow-missing", action="store_true", help="go on without items that cannot be read")

    def add(name: str, run: Any, help: str, *parents: argparse.ArgumentParser) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=help, description=run.__doc__, parents=[common, *parents])
        command.set_defaults(run=run)
        return command

    add("list", list_command, "all data sets")
    add("info", info_command, "one data set: licence, settings, what lies under --root", shared)
    prepare = add("prepare", prepare_command, "make the store that training reads", shared, made)
    prepare.add_argument("--rebuild", action="store_true", help="throw an existing store away first")
    add("verify", verify_command, "name every damaged file; NAME may be a store's folder", shared, parallel)
    show = add("show", show_command, "contact sheet of pictures, masks and voxels", shared, made)
    show.add_argument("--out", metavar="FILE", type=Path, required=True, help="the picture to write")
    show.add_argument("--shapes", metavar="N", type=int, default=8, help="rows (default 8)")
    return parser, list(commands.choices)


if __name__ == "__main__":
    leave(main())
