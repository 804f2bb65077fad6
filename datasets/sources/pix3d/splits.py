"""Which of Pix3D's photographs make the data set, and which of them train, validate and test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath

from zoo.files import expand_home
from zoo.registry import did_you_mean

from ... import DataError
from ...making.draw import Draw
from ...splits import drawn_rule, read_split_file
from .index import FLAGS, Entry, read_coco, read_release

INDEX = "pix3d.json"
RULES = ("chairs2894", "s1", "s2", "shapes")
VAL_SHARE = 0.1
"""Share of the models of Mesh R-CNN's training lists that validate; those lists have no such part."""

Chosen = dict[str, tuple[Entry | None, str]]
"""Id -> entry and split; without an entry where a list names what the index does not."""


def choose(root: Path, split: str, seed: int, categories: Sequence[str], exclude: Sequence[str]) -> Chosen:
    """The photographs of a rule or list, sorted by id. `Pix3DConfig` says what the names mean.

    Args:
        root: folder of the index files; at least one is there.
        split: one of `RULES`, or the path of a list in Pix2Vox's form.
        seed: of the models that are drawn.
        categories: which ones; all when empty.
        exclude: flags of photographs that must not train or validate.

    Raises:
        DataError: an index is missing, unusable or without what the rule needs; nothing is left.
    """
    rules: dict[str, Callable[[], Chosen]] = {
        "chairs2894": lambda: _untouched_chairs(root),
        "s1": lambda: _mesh_rcnn(root, "s1", seed),
        "s2": lambda: _mesh_rcnn(root, "s2", seed),
        "shapes": lambda: _by_shape(root, seed),
    }
    chosen = rules[split]() if split in rules else _listed(root, expand_home(split))
    there = sorted({_category(i, entry) for i, (entry, _) in chosen.items()})
    for category in categories:
        if category not in there:
            near = did_you_mean(category, there)
            known = ", ".join(there) or "nothing"
            raise DataError(f"{root}: split '{split}' has no category '{category}'.{near} There is {known}")
    wanted = set(categories) or set(there)
    flags = _flags(root, chosen) if exclude else {}
    return {
        i: (entry, part)
        for i, (entry, part) in sorted(chosen.items())
        if _category(i, entry) in wanted and (part == "test" or not flags.get(i, frozenset()) & set(exclude))
    }


def read_list(path: Path) -> dict[str, str]:
    """Split of each '<category>/<number>' of a list in Pix2Vox's form, which may do without training.

    Raises:
        DataError: as `read_split_file`.
    """
    return read_split_file(path, may_lack=("train", "val"))


def index_files(root: Path) -> list[Path]:
    """The index files that are there: the release's own first, then Mesh R-CNN's."""
    names = [INDEX, *(f"pix3d_{rule}_{part}.json" for rule in ("s1", "s2") for part in ("train", "test"))]
    return [root / name for name in names if (root / name).is_file()]


def _untouched_chairs(root: Path) -> Chosen:
    if not (root / INDEX).is_file():
        raise DataError(
            f"split 'chairs2894' needs {root / INDEX}, which alone says what is truncated or occluded; "
            f"get it, or use split 's1', 's2' or 'shapes' (there is "
            f"{', '.join(f.name for f in index_files(root))})"
        )
    return {e.id: (e, "test") for e in _all(root) if e.category == "chair" and not e.flags}


def _mesh_rcnn(root: Path, rule: str, seed: int) -> Chosen:
    files = {part: root / f"pix3d_{rule}_{part}.json" for part in ("train", "test")}
    there = {part: file for part, file in files.items() if file.is_file()}
    if not there:
        raise DataError(f"split '{rule}' is not there: looked for {' and '.join(map(str, files.values()))}")
    parts = [(entry, part) for part, file in there.items() for entry in read_coco(file)]
    _refuse_twins(root, [entry for entry, _ in parts])
    return {e.id: (e, "test" if part == "test" else _trained(e, seed)) for e, part in parts}


def _listed(root: Path, path: Path) -> Chosen:
    listed = read_list(path)
    known: dict[str, Entry] = {}
    for entry in _all(root):
        name = f"{entry.category}/{PurePosixPath(entry.id).stem}"
        if known.setdefault(name, entry) is not entry and name in listed:
            raise DataError(f"split file {path}: '{name}' may be {known[name].id} or {entry.id}")
    return {known[n].id if n in known else n: (known.get(n), part) for n, part in listed.items()}


def _all(root: Path) -> list[Entry]:
    """Every photograph of the release's index, or of the files of one of Mesh R-CNN's splits."""
    first, *_ = files = index_files(root)
    if first.name == INDEX:
        entries = read_release(first)
    else:
        rule = first.name[: len("pix3d_s1")]
        entries = [entry for file in files if file.name.startswith(rule) for entry in read_coco(file)]
    _refuse_twins(root, entries)
    return entries


def _refuse_twins(root: Path, entries: Iterable[Entry]) -> None:
    twice = [i for i, count in Counter(entry.id for entry in entries).items() if count > 1]
    if twice:
        raise DataError(f"{root}: the index names {len(twice)} photographs twice, first {twice[0]}")


def _by_shape(root: Path, seed: int) -> Chosen:
    entries = _all(root)
    part = drawn_rule(sorted({entry.shape for entry in entries}), "pix3d", seed)
    return {entry.id: (entry, part[entry.shape]) for entry in entries}


def _trained(entry: Entry, seed: int) -> str:
    """Whether a model's photographs train or validate; it depends on the seed and the model's name alone."""
    return "val" if Draw("pix3d", seed, entry.shape).unit() < VAL_SHARE else "train"


def _category(item_id: str, entry: Entry | None) -> str:
    return entry.category if entry else item_id.partition("/")[0]


def _flags(root: Path, chosen: Chosen) -> dict[str, frozenset[str]]:
    """Flags of the photographs that train or validate; Mesh R-CNN's files leave them to the release's."""
    flags = {i: entry.flags for i, (entry, part) in chosen.items() if entry and part != "test"}
    if None in flags.values():
        known = {e.id: e.flags for e in read_release(root / INDEX)} if (root / INDEX).is_file() else {}
        flags = {i: own if own is not None else known.get(i) for i, own in flags.items()}
    lacking = [i for i, own in flags.items() if own is None]
    if lacking:
        raise DataError(
            f"{root}: nothing says which photographs are {', '.join(FLAGS)} ({len(lacking)} of {len(flags)}, "
            f"first {lacking[0]}); 'exclude' needs {INDEX}"
        )
    return {i: own for i, own in flags.items() if own is not None}
