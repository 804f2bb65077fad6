"""From files, or from nothing, to a packed store: `open_dataset` is what everybody else calls.

A store's folder is named `<data set>-<key>`, where the key covers the data set's version, configuration
and options, and for files the folder that they lie in. The same request therefore finds its store again
at once, another one gets its own. Stores lie in a cache folder of the user's, those of generated data
sets under the data root when one is given.
"""

from __future__ import annotations

import os
import time
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from zoo.config import validate
from zoo.errors import UserError
from zoo.files import expand_home, remove
from zoo.registry import EntryConfig
from zoo.system.locks import hold
from zoo.system.processes import available_cores

from . import DATASETS, SPLITS, DataError, DataSource, Item, PrepareOptions
from .store import FORMAT, MANIFEST, SKIPPED, Store
from .store.progress import bar
from .store.rows import json_hash
from .store.workers import build_all, check_workers
from .store.writer import StoreWriter

CHOOSE = "choose another folder with the variable R3D_CACHE, or with --cache-root of `python -m datasets`"
ITEM_TIMEOUT = 600.0
"""Seconds after which one item's process is stopped and the item skipped."""


@dataclass(frozen=True)
class Request:
    """One data set with all the choices made, and where its store lies or will lie."""

    name: str
    source: DataSource
    options: PrepareOptions
    store_dir: Path

    @property
    def path(self) -> Path:
        """Folder of the store; exists when it was prepared."""
        root = None if self.source.kind == "generated" else str(self.source.root)
        source, options = self.source, self.options.model_dump(mode="json")
        key = json_hash([FORMAT, self.name, source.version, source.identity(), options, root])
        return self.store_dir / f"{self.name}-{key[:12]}"


def default_cache() -> Path:
    """`$R3D_CACHE`, else `$XDG_CACHE_HOME/r3d-zoo`, else `~/.cache/r3d-zoo`.

    Raises:
        DataError: there is neither of them, for this user has no home.
    """
    if cache := os.environ.get("R3D_CACHE"):
        return expand_home(cache)
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "r3d-zoo"
    try:
        return expand_home("~/.cache/r3d-zoo")
    except UserError:
        raise DataError(f"there is no home folder to keep prepared data in; {CHOOSE}") from None


def request(
    name: str,
    *,
    data_root: str | Path | None = None,
    cache_root: str | Path | None = None,
    config_overrides: Mapping[str, Any] | None = None,
    options: PrepareOptions | Mapping[str, Any] | None = None,
) -> Request:
    """Resolve names, configuration and folders, without touching any data.

    Raises:
        zoo.registry.RegistryError: unknown data set; gives the nearest name.
        zoo.config.ConfigError: a wrong key or value; gives the nearest key.
        DataError: options that the data set cannot honour, or no data root.
    """
    entry = DATASETS.get(name)
    config = validate(entry.config, dict(config_overrides or {}), "", f"data set '{entry.name}'")
    if not isinstance(options, PrepareOptions):
        options = validate(PrepareOptions, dict(options or {}), "", "options of prepare")
    root = None if data_root is None else expand_home(data_root).resolve()
    if root is None and entry.cls.kind != "generated":
        raise DataError(f"data set '{entry.name}' needs the folder of its files. {entry.cls.where_to_get()}")
    if root is not None and entry.cls.kind == "generated":
        stores, root = root, None
    else:
        cache = default_cache() if cache_root is None else expand_home(cache_root)
        stores = cache.resolve() / "stores"
    source = entry.cls(config, root)
    return Request(entry.name, source, source.resolve_options(options), stores)


def open_dataset(
    name: str,
    *,
    data_root: str | Path | None = None,
    cache_root: str | Path | None = None,
    config_overrides: Mapping[str, Any] | None = None,
    options: PrepareOptions | Mapping[str, Any] | None = None,
    workers: int | None = None,
    progress: bool = True,
    rebuild: bool = False,
    require: Sequence[str] | None = None,
    allow_missing: bool = False,
    build: bool = True,
) -> Store:
    """The store of a data set; prepared first when there is none for exactly this request.

    Args:
        name: data set in the registry.
        data_root: folder of the files; for generated data sets where their store shall lie.
        cache_root: where stores of file data sets lie; `default_cache()` by default.
        config_overrides: fields of the data set's config.
        options: a `PrepareOptions`, or some of its fields.
        workers: processes; one per available core by default, 0 for none.
        progress: show a bar and a closing line on stderr.
        rebuild: throw an existing store away first.
        require: splits that may not be empty; by default those that the data set should fill.
        allow_missing: take a store that lacks items which could not be read; it says how many.
        build: False to open a store that is there, or to raise.

    Raises:
        zoo.registry.RegistryError, zoo.config.ConfigError, DataError: as `request` and `prepare` say.
    """
    wanted = request(
        name,
        data_root=data_root,
        cache_root=cache_root,
        config_overrides=config_overrides,
        options=options,
    )
    if not (build or (wanted.path / MANIFEST).is_file()):
        raise DataError(
            f"data set '{name}' is not prepared with these settings: there is no {wanted.path}; run the same "
            f"command without --only-cache, or choose the folder of stores that has it with $R3D_CACHE"
        )
    return _prepare(wanted, workers, progress, rebuild, require, allow_missing)


def prepare(
    source_name: str,
    config: EntryConfig,
    root: Path | None,
    options: PrepareOptions,
    store_dir: Path,
    workers: int | None = None,
    progress: bool = True,
    *,
    rebuild: bool = False,
    require: Sequence[str] | None = None,
    allow_missing: bool = False,
) -> Store:
    """Build every item in parallel and pack the good ones into a store inside `store_dir`.

    An item that fails, hangs or kills its process is skipped, counted and named in skipped.csv. A run
    that is interrupted goes on where it stopped when it is started again.

    Args:
        require: as `open_dataset`.

    Raises:
        DataError: nothing usable is there, a required split is empty, items are missing without
            `allow_missing` (what was built is kept), or the store cannot be written.
    """
    entry = DATASETS.get(source_name)
    source = entry.cls(config, root)
    wanted = Request(entry.name, source, source.resolve_options(options), expand_home(store_dir).resolve())
    return _prepare(wanted, workers, progress, rebuild, require, allow_missing)


def _prepare(
    wanted: Request,
    workers: int | None,
    progress: bool,
    rebuild: bool,
    require: Sequence[str] | None,
    allow_missing: bool,
) -> Store:
    path = wanted.path
    if workers is not None:
        check_workers(workers)
    if require is None:
        require = wanted.source.required()
    console = Console(stderr=True, quiet=not progress, markup=False, highlight=False, soft_wrap=True)
    if not rebuild and (path / MANIFEST).is_file():
        return _open(wanted, require, allow_missing)
    with ExitStack() as held:
        try:
            held.enter_context(
                hold(path, lambda p: console.print(f"another process is preparing {p}; waiting for it"))
            )
        except OSError as error:
            raise DataError(
                f"cannot write to {path.parent}, where prepared data is kept: {error.strerror or error}; "
                f"{CHOOSE}"
            ) from error
        try:
            if rebuild:
                remove(path)
                remove(path.with_name(path.name + ".partial"))
            if not (path / MANIFEST).is_file():  # else the process that we waited for made it
                if os.path.lexists(path):  # nothing of ours, or what is left of it: not to be built over
                    raise DataError(
                        f"{path}: no store, there is no {MANIFEST} in it; delete it and run the command again"
                    )
                _build(wanted, workers, console, require, allow_missing)
        except OSError as error:
            raise _unwritable(path.parent, error) from error
    return _open(wanted, require, allow_missing)


def _open(wanted: Request, require: Sequence[str], allow_missing: bool) -> Store:
    store = Store.open(wanted.path)
    if store.missing and not allow_missing:
        first = next(f"{e['id']}: {e['reason']}" for e in store.skipped if e["kind"] == "missing")
        raise _missing(wanted.name, first, store.missing, len(store) + store.missing, store.path / SKIPPED)
    if store.manifest["stamp"] != (now := wanted.source.stamp()) and now:
        warnings.warn(
            f"the files of '{wanted.name}' under {wanted.source.root} changed since {store.path.name} was "
            f"prepared; run `python -m datasets prepare {wanted.name} --root {wanted.source.root} --rebuild` "
            f"to read them again",
            stacklevel=4,
        )
    for split in require:
        if split not in store.splits:
            store.split(split)  # raises
    return store


def _build(
    wanted: Request, workers: int | None, console: Console, require: Sequence[str], allow_missing: bool
) -> None:
    started = time.monotonic()
    stamp = wanted.source.stamp()  # before anything is read: what changes later must be noticed
    name, source, options = wanted.name, wanted.source, wanted.options
    items = list(source.items())
    _check_items(name, items, require, source.how_to_split)
    if workers is None:
        workers = available_cores()
    writer = StoreWriter(wanted.path, source, items, options)
    before = len(writer.done)
    if before:
        console.print(f"{name}: going on after {before} of {len(items)} items in {writer.folder}")
    left = {n: item for n, item in enumerate(items) if n not in writer.done and n not in writer.left_out}
    try:
        outcomes = build_all(
            source, options, left, writer.folder, writer.place, writer.release, workers, ITEM_TIMEOUT
        )
        with closing(outcomes), bar(console) as shown:
            task = shown.add_task(f"preparing {name}", total=before + len(left), completed=before, skipped=0)
            for outcome in outcomes:
                writer.record(outcome)
                shown.update(task, advance=1, skipped=len(writer.skipped))
        _check_built(name, items, writer, require)
        if writer.skipped and not allow_missing:
            index, reason = min(writer.skipped.items())
            first = f"{items[index].id}: {reason}"
            raise _missing(name, first, len(writer.skipped), len(items), writer.list_skipped())
        writer.finish(name, stamp)
    except OSError as error:
        raise _unwritable(writer.folder, error) from error
    finally:
        writer.close()
    seconds = time.monotonic() - started
    kept = len(writer.done.keys() - writer.left_out.keys())
    absent = len(writer.skipped) + len(writer.left_out)
    skipped = f", {absent} skipped (reasons in {SKIPPED})" if absent else ""
    rate = (len(writer.done) - before) / seconds
    console.print(f"{name}: {kept} items{skipped} in {seconds:.1f} s ({rate:.1f}/s) -> {wanted.path}")


def _unwritable(folder: Path, error: OSError) -> DataError:
    return DataError(
        f"cannot write to {folder}: {error.strerror or error}; what is done is kept, the same command goes on"
    )


def _missing(name: str, first: str, count: int, total: int, file: Path) -> DataError:
    return DataError(
        f"data set '{name}': {count} of {total} items could not be read; first {first}. All of them are in "
        f"{file}. Repair the files and run the same command again (what is done is kept), or go on without "
        f"them with --allow-missing"
    )


def _check_items(name: str, items: Sequence[Item], require: Sequence[str], how_to_split: str) -> None:
    """What a source must keep to, checked before hours are spent."""
    if not items:
        raise DataError(f"data set '{name}': no items")
    twice = [i for i, n in Counter(item.id for item in items).items() if n > 1]
    if twice:
        raise DataError(f"data set '{name}': {len(twice)} ids appear more than once, first '{twice[0]}'")
    sizes = Counter(item.split for item in items)
    if unknown := sorted(set(sizes) - set(SPLITS)):
        raise DataError(f"data set '{name}': unknown split '{unknown[0]}'; splits are {', '.join(SPLITS)}")
    for split in require:
        if not sizes[split]:
            raise DataError(f"data set '{name}': split '{split}' is empty ({_sizes(sizes)}); {how_to_split}")


def _check_built(name: str, items: Sequence[Item], writer: StoreWriter, require: Sequence[str]) -> None:
    reasons = [f"{items[i].id}: {reason}" for i, reason in sorted(writer.skipped.items())]
    first = "; ".join(reasons[:3])
    if not writer.done:
        raise DataError(f"data set '{name}': none of {len(items)} items could be used. First: {first}")
    sizes = Counter(items[i].split for i in writer.done)
    for split in require:
        if not sizes[split]:
            lost = sum(items[i].split == split for i in writer.skipped)
            raise DataError(
                f"data set '{name}': split '{split}' is empty after {lost} of its items were skipped "
                f"({_sizes(sizes)}). First: {first}. Repair the files, or choose more categories"
            )


def _sizes(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{split} {sizes.get(split, 0)}" for split in SPLITS)
