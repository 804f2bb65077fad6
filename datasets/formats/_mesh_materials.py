"""Materials of OBJ files: one colour and one texture each.

Reference: Wavefront Advanced Visualizer, Appendix B2, Material Library File Format.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable

import numpy as np
from PIL import Image

from .. import BadItem
from ._mesh_assets import Assets
from ._mesh_parts import Material

MAX_FILES = 100
"""Files of materials that one mesh may name."""

_OPTIONS = re.compile(
    r"(-(blendu|blendv|cc|clamp|texres|imfchan|bm|boost|type)\s+\S+\s+|-mm(\s+\S+){2}\s+"
    r"|-[ost](\s+[-+]?[\d.]+(e[-+]?\d+)?){1,3}\s+)+",
    re.IGNORECASE,
)
"""What may stand before the name of a texture; where it moves or scales the texture, that is left aside."""


def read_materials(text: str, assets: Assets) -> dict[str | None, Material]:
    """The materials of all the files that an OBJ names, by name; those that cannot be had are left out.

    Args:
        text: of the OBJ, with blanks for tabs.
        assets: where the files are.

    Raises:
        BadItem: it names more than `MAX_FILES`.
    """
    named = list(dict.fromkeys(name.strip() for name in re.findall(r"(?i)\n *mtllib ([^\n]*)", text)))
    if len(named) > MAX_FILES:
        raise BadItem(f"{len(named):,} files of materials, the limit is {MAX_FILES}")
    materials: dict[str | None, Material] = {}
    images: dict[str, Image.Image | None] = {}
    for name in named:
        for library in _libraries(name, assets):
            for key, lines in _blocks(library).items():
                materials.setdefault(key, _material(lines, assets, images))
    return materials


def _libraries(name: str, assets: Assets) -> Iterable[str]:
    """The files that a line names: one whose name may have blanks, or several."""
    whole = _text(name, assets)
    if whole is not None:
        return [whole]
    return [text for word in name.split()[:MAX_FILES] if (text := _text(word, assets)) is not None]


def _text(name: str, assets: Assets) -> str | None:
    try:
        data = assets.get(name)
    except BadItem:
        return None
    text = data if isinstance(data, str) else data.decode(errors="surrogateescape")
    return text.removeprefix("\ufeff")


def _blocks(library: str) -> dict[str, dict[str, str]]:
    """What stands behind the keys of each material, by its name; of two with one name the later."""
    found: dict[str, dict[str, str]] = {}
    lines: dict[str, str] = {}
    for line in library.splitlines():
        key, _, value = line.strip().replace("\t", " ").partition(" ")
        if key.lower() == "newmtl":
            lines = found[value.strip()] = {}
        else:
            lines[key.lower()] = value.strip()
    return found


def _material(lines: dict[str, str], assets: Assets, images: dict[str, Image.Image | None]) -> Material:
    name = _OPTIONS.sub("", lines.get("map_kd", ""), count=1)
    if name and name not in images:
        try:
            images[name] = Image.open(io.BytesIO(assets.get(name)))
        except Exception:  # PIL raises nearly anything on broken bytes; the shape does without
            images[name] = None
    return Material(_color(lines.get("kd", "")), images.get(name))


def _color(words: str) -> np.ndarray | None:
    """Three numbers from 0 to 1, or one for all three, in steps of bytes; None where there is no such."""
    try:
        numbers = [float(word) for word in words.partition("#")[0].split()]
    except ValueError:
        return None
    if len(numbers) not in (1, 3):
        return None
    return np.round(np.clip(np.nan_to_num(np.resize(numbers, 3)), 0, 1) * 255) / 255
