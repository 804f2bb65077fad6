"""What arrays are by their names: a file of another kind is not to be taken for the nearest one.

Occupancy Networks keep two files per shape: `pointcloud.npz` has points on the surface, `points.npz` has
points all over space and tells which of them are inside. Both call them 'points'.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import numpy as np

from .. import BadItem

Header = tuple[tuple[int, ...], str]
"""Shape of an array and the kind of its numbers, as NumPy letters them with their size ('f4')."""

VOXELS = ("voxels", "voxel", "occupancy")

_INSIDE = {"occupancies", "occupancy", "occ", "occs", "inside", "winding", "density", "densities", "sigma"}
_DISTANCES = {"sdf", "sdfs", "udf", "udfs", "tsdf", "tsdfs", "esdf", "df", "distance", "distances"}
_OF_SPACE = _INSIDE | _DISTANCES
_ANY_SCAN = {"density", "densities", "sigma", "distance", "distances"}
"""What the points of a scan may have too, by the programs that write .ply."""
_OPEN = {"label", "labels", "value", "values"}
"""In an .npz samples of space; in the .ply of a scanner something on its surface."""
_FACES = {"face", "faces", "triangle", "triangles", "tri", "tris"}
_PICTURES = {"depth", "depths", "image", "images", "img", "imgs", "rgb", "rgba", "flow", "disparity"}
_CAMERAS = {
    "k",
    "r",
    "t",
    "rt",
    "intrinsic",
    "intrinsics",
    "extrinsic",
    "extrinsics",
    "camera",
    "cameras",
    "cam",
}
_CAMERAS |= {
    "cams",
    "pose",
    "poses",
    "rotation",
    "rotations",
    "translation",
    "translations",
    "transform",
    "mat",
}
_PARTS = {
    "normal",
    "normals",
    "color",
    "colors",
    "colour",
    "colours",
    "uv",
    "uvs",
    "vertices",
    "verts",
    "vertex",
}
_PARTS |= {
    "edge",
    "edges",
    "feature",
    "features",
    "latent",
    "latents",
    "code",
    "codes",
    "joints",
    "keypoints",
}
_NO_SHAPE = _DISTANCES | _FACES | _PICTURES | _CAMERAS | _PARTS

_ON_SURFACE = {
    "intensity",
    "curvature",
    "confidence",
    "area",
    "areas",
    "weight",
    "weights",
    "index",
    "indices",
}
"""What a point on a surface may have one number of."""
_PLACE = {"loc", "scale"}
_HINT = "the surface of Occupancy Networks' shapes is in pointcloud.npz"


def check_beside_points(arrays: Mapping[str, Header]) -> None:
    """Refuse 'points' that are no samples of a surface, by what lies beside them.

    Args:
        arrays: all of an .npz, 'points' (N, 3) among them.

    Raises:
        BadItem: they are samples of space with a value each, or the corners of a mesh.
    """
    count = arrays["points"][0][0]
    for name, (shape, kind) in arrays.items():
        size, words = math.prod(shape), _words(name)
        if name == "points" or size <= 1 or (name in VOXELS and len(shape) == 3):
            continue
        one_each = count > 3 and (size == count or (kind == "u1" and size == -(-count // 8)))
        if words & (_OF_SPACE | _OPEN) or (one_each and not words & (_ON_SURFACE | _PLACE)):
            raise BadItem(
                f"'points' with '{name}' {shape} are samples of space, each with a value, no points on a "
                f"surface; {_HINT}"
            )
        if words & _FACES and len(shape) == 2:
            raise BadItem(
                f"'points' with '{name}' {shape} are the corners of a mesh, no points on its surface; write "
                f"the mesh as .ply or .obj"
            )


def check_alone(name: str) -> None:
    """Refuse the only array of a file whose name says that it is no occupancy and no surface.

    Raises:
        BadItem: as it says.
    """
    if found := _words(name) & _NO_SHAPE:
        what = "distances, no occupancy" if found & _DISTANCES else "neither voxels nor points on a surface"
        raise BadItem(
            f"'{name}' is {what} by its name; if it is, call it 'voxels' (occupancy from 0 to 1) or 'points'"
        )


def check_properties(names: Sequence[str]) -> None:
    """Refuse the vertices of a .ply that are no points on a surface, by what else each of them has.

    Raises:
        BadItem: they are samples of space, or Gaussian splats.
    """
    if found := [name for name in names if _words(name) & (_OF_SPACE - _ANY_SCAN)]:
        raise BadItem(f"vertices with '{found[0]}' are samples of space, no points on a surface; {_HINT}")
    if "f_dc_0" in names or {"opacity", "scale_0"} <= set(names):
        raise BadItem("vertices with 'opacity' and 'scale_0' are Gaussian splats, no points on a surface")


def is_matrix_of_a_camera(values: np.ndarray) -> bool:
    """Whether numbers (3, 3) are a rotation or the intrinsics of a camera rather than three points."""
    turns = np.allclose(values @ values.T, np.eye(3), atol=1e-3)
    upper = values[1, 0] == 0 and values[2].tolist() == [0, 0, 1]
    return bool(turns or (upper and values[0, 0] > 0 and values[1, 1] > 0))


def _words(name: str) -> set[str]:
    return set(re.split(r"[^a-z]+", name.lower()))
