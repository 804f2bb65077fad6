"""Which shapes train, validate and test: the rules and list files of the field."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from . import SPLITS, DataError
from .making.draw import Draw

TRAIN_SHARE = 0.8
VAL_SHARE = 0.1

_COLUMNS = ("synsetId", "modelId", "split")


def sorted_rule(ids: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """3D-R2N2's rule, with a validation part that the original does not have.

    The ids of each category are sorted; the first floor(.8 n) train, the rest test. The last floor(.1 m) of
    the m training ids of each category validate instead; when that is no shape at all, in a small data
    set, the last training id of the category with the most of them does. The test part is therefore the
    original one, and whatever validates never tests.

    Args:
        ids: category -> ids, each id unique in the whole.

    Returns:
        Split of each id.
    """
    split: dict[str, str] = {}
    train: dict[str, list[str]] = {}
    for category in sorted(ids):
        ordered = sorted(ids[category])
        cut = int(len(ordered) * TRAIN_SHARE)
        train[category] = ordered[:cut]
        split |= dict.fromkeys(ordered[:cut], "train") | dict.fromkeys(ordered[cut:], "test")
    held = [i for part in train.values() for i in part[len(part) - int(len(part) * VAL_SHARE) :]]
    if not held and any(train.values()):
        held = max(train.values(), key=len)[-1:]
    return split | dict.fromkeys(held, "val")


def drawn_rule(ids: Sequence[str], *keys: str | int) -> dict[str, str]:
    """Every shape draws its own split: 70 % train, 10 % validate, 20 % test.

    The draw depends on the keys and the id alone, so that shapes which come or go leave the others where they
    are. Only where there are three shapes or more and one of the splits drew none, the shape that was nearest
    to it moves there.

    Args:
        ids: of shapes, each once.
        keys: seed and data set.
    """
    places = {i: Draw("split", *keys, i).unit() for i in sorted(ids)}
    borders = {"test": (0.0, 0.2), "val": (0.2, 0.3), "train": (0.3, 1.0)}
    split = {i: next(s for s, (_, end) in borders.items() if place < end) for i, place in places.items()}
    for name, (start, end) in borders.items():
        sizes = Counter(split.values())
        if len(split) >= len(borders) and not sizes[name]:
            movable = [i for i in split if sizes[split[i]] > 1]
            split[min(movable, key=lambda i: max(start - places[i], places[i] - end))] = name
    return split


def drawn_evenly(ids: Sequence[str], categories: Sequence[str], count: int) -> list[int]:
    """Positions of `count` items, as many of each category as of any other while it has that many; ascending.

    The draw depends on the ids alone. Those of a smaller count are among those of a larger one.

    Args:
        ids, categories: one per item, each id once.
    """
    drawn = sorted(range(len(ids)), key=lambda k: Draw("evenly", ids[k]).unit())
    taken: Counter[str] = Counter()
    turns: dict[int, int] = {}
    for k in drawn:
        turns[k] = taken[categories[k]]
        taken[categories[k]] += 1
    return sorted(sorted(drawn, key=turns.__getitem__)[:count])  # in the last turn: who was drawn first


def read_split_file(path: Path, *, may_lack: Sequence[str] = ()) -> dict[str, str]:
    """Split of each '<synset>/<model id>' of a list: SHREC's csv by its suffix, else JSON as Pix2Vox has it.

    The JSON: a list with one object per category, with `taxonomy_id` and lists of model ids under `train`,
    `val` and `test`. The csv: one line per model, with columns `synsetId`, `modelId` and `split`; leading
    zeros of the synset, which the published file has lost, are put back. What else they hold is ignored.

    Args:
        path: the file.
        may_lack: lists that may be absent, and then are empty.

    Raises:
        DataError: the file is missing or has another form, or puts one shape into two splits.
    """
    if path.suffix.lower() == ".csv":
        return _read_csv(path)
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(f"split file {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"split file {path}: not JSON: {error}") from error
    if not isinstance(content, list):
        raise DataError(f"split file {path}: expected a list of categories, got {type(content).__name__}")
    split: dict[str, str] = {}
    for position, category in enumerate(content):
        for name in SPLITS:
            if name in may_lack and isinstance(category, dict) and name not in category:
                continue
            for model in _models(path, position, category, name):
                shape = f"{category['taxonomy_id']}/{model}"
                if split.setdefault(shape, name) != name:
                    raise DataError(f"split file {path}: {shape} is in '{split[shape]}' and in '{name}'")
    return split


def _read_csv(path: Path) -> dict[str, str]:
    split: dict[str, str] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if lacks := [c for c in _COLUMNS if c not in (rows.fieldnames or ())]:
                raise DataError(f"split file {path}: no column '{lacks[0]}'; it needs {', '.join(_COLUMNS)}")
            for row in rows:
                synset, model, name = (str(row[column]).strip() for column in _COLUMNS)
                shape = f"{synset.zfill(8)}/{model}"
                if not re.fullmatch(r"\d{8}", synset.zfill(8)) or not _plain(model) or name not in SPLITS:
                    raise DataError(
                        f"split file {path}: line {rows.line_num} says '{synset}', '{model}', '{name}'; "
                        f"expected a synset of up to 8 digits, a model id, and one of {', '.join(SPLITS)}"
                    )
                if split.setdefault(shape, name) != name:
                    raise DataError(f"split file {path}: {shape} is in '{split[shape]}' and in '{name}'")
    except OSError as error:
        raise DataError(f"split file {path}: {error.strerror}") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"split file {path}: no csv: {error}") from error
    return split


def file_hash(path: Path) -> str:
    """'sha256:...' of a split file; what fingerprints hold in place of its path.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    except OSError as error:
        raise DataError(f"split file {path}: {error.strerror}") from error


def _models(path: Path, position: int, category: Any, name: str) -> list[str]:
    known = isinstance(category, dict) and isinstance(category.get("taxonomy_id"), str)
    models = category.get(name) if known else None
    if not isinstance(models, list) or not all(_plain(m) for m in models):
        raise DataError(
            f"split file {path}: category {position} needs a 'taxonomy_id' and a list of model ids '{name}'"
        )
    return models


def _plain(model: Any) -> bool:
    # ids become folder names: nothing that leaves the data root, nothing that no folder can be called
    plain = isinstance(model, str) and model.isprintable() and not set(model) & set("/\\")
    return plain and model not in ("", ".", "..")
