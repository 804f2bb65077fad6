"""How ShapeNetCore lies on disk, v1 and v2, and which way its models look there.

    v1    <root>/<synset>/<model>/model.obj, model.mtl, images/
    v2    <root>/<synset>/<model>/models/model_normalized.{obj,mtl,json,solid.binvox,surface.binvox}
          <root>/<synset>/<model>/images/, screenshots/<model>-<number>.png

Frame. Both have y up. The front of v1 is +x, as ours; that of v2 is -z. Some models of v1 are mirrored
(shapenet.org/annotations); nothing in the files says which.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from ...categories import SHAPENET_CATEGORIES
from ...making.axes import Axes


@dataclass(frozen=True)
class Layout:
    """One version of ShapeNetCore: paths below a model's folder, and its axes.

    Attributes:
        mark: what only a model of this version has.
        mesh: the mesh.
        axes: which way its meshes and grids look.
        solid, surface: 128^3 grids in the frame of the mesh; empty where the version has none.
        screenshots: folder of the data set's own pictures; empty where the version has none.
    """

    mark: str
    mesh: str
    axes: Axes
    solid: str = ""
    surface: str = ""
    screenshots: str = ""


LAYOUTS: dict[int, Layout] = {
    1: Layout(mark="model.obj", mesh="model.obj", axes=Axes()),
    2: Layout(
        mark="models",
        mesh="models/model_normalized.obj",
        axes=Axes(front="-z"),
        solid="models/model_normalized.solid.binvox",
        surface="models/model_normalized.surface.binvox",
        screenshots="screenshots",
    ),
}
"""By version."""


def category_folders(root: Path) -> Iterator[Path]:
    """Folders of the root that are named as categories are, whatever is in them."""
    return (root / synset for synset in SHAPENET_CATEGORIES if (root / synset).is_dir())


def versions_in(root: Path) -> set[int]:
    """Versions whose files lie under a root, by the first model of each category that is not empty."""
    found: set[int] = set()
    for folder in category_folders(root):
        for model in sorted(folder.iterdir()):
            if here := {version for version, layout in LAYOUTS.items() if (model / layout.mark).exists()}:
                found |= here
                break
    return found


def instead(folder: Path) -> str:
    """What a model's folder holds where its mesh is missing, to end a message with."""
    if not folder.is_dir():
        return ""
    if not any(folder.iterdir()):
        return ", the folder is empty"
    others = [f"v{version}" for version, layout in LAYOUTS.items() if (folder / layout.mesh).exists()]
    return f", only the mesh of {others[0]}" if others else ""


def nearest(root: Path) -> tuple[list[Path], str]:
    """Folders near a root that hold models, and why nothing is found under it, where that can be told."""
    if not root.is_dir():
        return [], "There is no such folder."
    if packed := [p.name for p in sorted(root.glob("*.zip")) if p.stem in SHAPENET_CATEGORIES]:
        return [], f"{len(packed)} archives there, such as {packed[0]}, are not unpacked."
    near = [root.parent, *sorted(p for p in root.iterdir() if p.is_dir())]
    return list(islice(filter(versions_in, near), 1)), ""
