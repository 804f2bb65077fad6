"""The two index files that describe Pix3D's photographs: the release's own, and Mesh R-CNN's in COCO's form.

An index is trusted as little as any other file: what a photograph's entry lacks or garbles costs that
photograph, when it is built.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ... import BadItem, DataError

FLAGS = ("truncated", "occluded", "slightly_occluded")
SENSOR_WIDTH = 32.0
"""Millimetres that the width of every photograph stands for, in the focal lengths of the release."""

_LARGEST, _SHORTEST = 1e9, 1e-6
"""Limits on the numbers of an entry and on a focal length in pixels: beyond them geometry overflows."""

_FIELDS = ("mask", "model", "voxel", "img_size", "bbox", "rot_mat", "trans_mat", "focal_length", "K")
_JOINTS = re.compile(r"(_-?\d+\.\d+(e-?\d+)?)+$")
_TO_OPENCV = np.diag([-1.0, -1.0, 1.0])
"""Pix3D's camera has x to the left and y up; the zoo's, as OpenCV's, x to the right and y down."""


@dataclass(frozen=True)
class Photo:
    """One photograph with its annotation, checked.

    Attributes:
        mask, model, voxel: paths relative to the data root.
        size: (height, width) in pixels.
        box: left, upper, right and lower border of the object in pixels, inside the photograph.
        focal: focal length in pixels.
        principal: column and row where the optical axis meets the photograph.
        rotation, translation: (3, 3) and (3,), from the model's coordinates to the camera's (x right, y down,
            z forward).
    """

    mask: str
    model: str
    voxel: str
    size: tuple[int, int]
    box: tuple[float, float, float, float]
    focal: float
    principal: tuple[float, float]
    rotation: np.ndarray
    translation: np.ndarray


@dataclass(frozen=True)
class Entry:
    """One photograph as an index lists it.

    Attributes:
        id: path of the photograph, relative to the data root.
        category: as the index names it.
        shape: the model's path without suffix and joint angles, which tell the poses of one chair apart.
        flags: which of `FLAGS` hold; None where the index does not say.
        fields: the annotation, unchecked.
    """

    id: str
    category: str
    shape: str
    flags: frozenset[str] | None
    fields: Mapping[str, Any]

    def photo(self) -> Photo:
        """The annotation, checked.

        Raises:
            BadItem: something is missing or makes no sense; says what.
        """
        try:
            return self._photo()
        except KeyError as error:
            raise BadItem(f"the index entry of {self.id} has no {error}") from error
        except OverflowError as error:  # an integer of any length is JSON
            raise BadItem(f"the index entry of {self.id}: a number beyond {_LARGEST:g}: {error}") from error
        except (TypeError, ValueError) as error:
            raise BadItem(f"the index entry of {self.id}: {error}") from error

    def _photo(self) -> Photo:
        width, height = self._numbers("img_size", 2)
        left, upper, right, lower = self._numbers("bbox", 4)
        if "K" in self.fields:  # Mesh R-CNN's form: pixels, and a box with its width and height
            focal, column, row = self._numbers("K", 3)
            right, lower = left + right, upper + lower
        else:
            (focal_mm,) = self._numbers("focal_length", 1)
            focal, column, row = focal_mm / SENSOR_WIDTH * width, width / 2, height / 2
        if not focal > _SHORTEST:
            raise ValueError(f"a focal length of {focal:g} pixels")
        left, right = max(left, 0.0), min(right, width)
        upper, lower = max(upper, 0.0), min(lower, height)
        if not (left < right and upper < lower):
            raise ValueError(f"box {self.fields['bbox']} is empty inside {width:g} x {height:g} pixels")
        for name in ("mask", "model", "voxel"):
            _check_path(self.fields[name])
        return Photo(
            mask=self.fields["mask"],
            model=self.fields["model"],
            voxel=self.fields["voxel"],
            size=(int(height), int(width)),
            box=(left, upper, right, lower),
            focal=focal,
            principal=(column, row),
            rotation=_TO_OPENCV @ np.reshape(self._numbers("rot_mat", 9), (3, 3)),
            translation=_TO_OPENCV @ self._numbers("trans_mat", 3),
        )

    def _numbers(self, name: str, count: int) -> np.ndarray:
        values = np.asarray(self.fields[name], dtype=np.float64).ravel()
        if len(values) != count or not (np.abs(values) < _LARGEST).all():  # NaN neither
            found = str(self.fields[name])
            raise ValueError(
                f"'{name}' must hold {count} finite number(s) below {_LARGEST:g}, got {found[:80]}"
            )
        return values


def read_release(path: Path) -> list[Entry]:
    """Entries of `pix3d.json`.

    Raises:
        DataError: it cannot be read, or is of another form.
    """
    rows = _json(path)
    if not isinstance(rows, list):
        raise DataError(f"{path}: expected a list of photographs, got {type(rows).__name__}")
    return [_entry(path, number, row, flagged=True) for number, row in enumerate(rows)]


def read_coco(path: Path) -> list[Entry]:
    """Entries of one of Mesh R-CNN's files, which do not say what is truncated or occluded.

    Raises:
        DataError: it cannot be read, or is of another form.
    """
    content = _json(path)
    try:
        images = {row["id"]: row for row in content["images"]}
        categories = {row["id"]: row["name"] for row in content["categories"]}
        rows = [
            _as_release(row, images[row["image_id"]], categories[row["category_id"]])
            for row in content["annotations"]
        ]
    except (KeyError, TypeError) as error:
        raise DataError(
            f"{path}: expected 'images', 'categories' and 'annotations' that name each other, as in Mesh "
            f"R-CNN's files: {type(error).__name__} {error}"
        ) from error
    return [_entry(path, number, row, flagged=False) for number, row in enumerate(rows)]


def _as_release(row: Any, image: Any, category: Any) -> dict[str, Any]:
    """One annotation under the names that the release uses; 'K' and the box stay what they are."""
    size = [image["width"], image["height"]]
    names = {"img": image["file_name"], "category": category, "mask": row["segmentation"], "img_size": size}
    return {**row, **names}


def _entry(path: Path, number: int, row: Any, flagged: bool) -> Entry:
    try:
        for name in ("img", "model"):
            _check_path(row[name])
        return Entry(
            id=str(PurePosixPath(row["img"])),
            category=str(row["category"]),
            shape=_JOINTS.sub("", str(PurePosixPath(row["model"]).with_suffix(""))),
            flags=frozenset(f for f in FLAGS if _is_true(row[f])) if flagged else None,
            fields={name: row[name] for name in _FIELDS if name in row},
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: entry {number}: {type(error).__name__} {error}") from error


def _is_true(value: Any) -> bool:
    # the release's text announces words, its file holds JSON's truth values
    if value in (True, False, "true", "false"):
        return value in (True, "true")
    raise ValueError(f"a flag is true or false, got {value!r}")


def _check_path(path: Any) -> None:
    if not isinstance(path, str) or not path:
        raise ValueError(f"{path!r} is no path")
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or "\\" in path or "\0" in path:
        raise ValueError(f"path '{path}' leads out of the data set")


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON: {error}") from error
