"""Which files are shapes by their names, whether they can be read or not.

A file that nobody reads must not vanish: whoever lists a folder of shapes names what it leaves aside.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path, PurePath

from ..names import name_of, some
from .shapes import SUFFIXES

_SCENES = "dae fbx 3ds 3mf usd usda usdc usdz blend x3d x3dv wrl vrml amf ase lwo lws max ma mb c4d skp 3dm"
_PARTS = "step stp iges igs brep ifc sldprt sldasm ipt catpart dxf dwg scad"
_SURFACES = "ctm drc msh mesh meshb vtk vtp vtu vti md2 md5mesh b3d smd nif ac x gts tri bgeo"
_CLOUDS = "pcd xyz xyzn xyzrgb pts ptx las laz e57 splat spz"
_GRIDS = "vox vdb nvdb nrrd nhdr mhd mha nii qb kvx bt h5 hdf5 pkl pickle pt pth"
OTHERS = tuple(f".{kind}" for text in (_SCENES, _PARTS, _SURFACES, _CLOUDS, _GRIDS) for kind in text.split())
"""Endings of shapes that are not read."""

_PACKED = (".gz", ".bz2", ".xz", ".zst", ".lz4", ".lzma", ".zip")


def ending(path: PurePath) -> str:
    """By what a name ends that is a shape's, in small letters: '.obj', '.dae', '.ply.gz'; '' of others."""
    kinds = [suffix.lower() for suffix in path.suffixes]
    packed = kinds[-2:] if kinds[-1:] and kinds[-1] in _PACKED else kinds[-1:]
    return "".join(packed) if packed and packed[0] in (*SUFFIXES, *OTHERS) else ""


def stem(path: PurePath) -> PurePath:
    """A path without the ending of a shape."""
    return path.with_name(path.name[: len(path.name) - len(ending(path))])


def unread_files(
    files: Iterable[Path], folder: Path, kinds: Collection[str], there: Collection[str]
) -> list[Path]:
    """Which files are shapes of a kind that is not read, and stand for nothing that is.

    Args:
        files: of a folder.
        kinds: endings that are read.
        there: paths below the folder, without extension, of what is read: the model of a program beside what
            it exported is no loss.

    Returns:
        Paths below the folder.
    """
    inside = (file.relative_to(folder) for file in files if ending(file))
    return [path for path in inside if ending(path) not in kinds and name_of(stem(path)) not in there]


def unread_text(files: Collection[Path], kinds: Collection[str]) -> str:
    """What to say of files that are not read."""
    names = some([name_of(file) for file in files])
    return f"{len(files):,} files of a kind that is not read: {names}; convert them to {', '.join(kinds)}"
