"""Which shapes train, validate and test: the rules and list files of the field."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from . import SPLITS, DataError

TRAIN_SHARE = 0.8
VAL_SHARE = 0.1


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


def read_split_file(path: Path, *, may_lack: Sequence[str] = ()) -> dict[str, str]:
    """Split of each '<taxonomy_id>/<model id>' of a JSON list in Pix2Vox's form.

    The form: a list with one object per category, with `taxonomy_id` and lists of model ids under
    `train`, `val` and `test`; other keys are ignored.

    Args:
        path: the file.
        may_lack: lists that may be absent, and then are empty.

    Raises:
        DataError: the file is missing or has another form, or puts one shape into two splits.
    """
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(f"split file {path}: {error.strerror}") from error
    except ValueError as error:
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
    # ids become folder names: nothing that leaves the data root
    return isinstance(model, str) and bool(model) and not set(model) & set("/\\") and model not in (".", "..")
