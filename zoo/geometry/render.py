"""Pictures of meshes: a z-buffer with supersampling, shading, mask, depth and normals, on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import no_type_check

import numpy as np

from zoo.geometry.camera import Camera
from zoo.geometry.mesh import Mesh
from zoo.geometry.rasterize import rasterize
from zoo.system.compiled import njit


@no_type_check  # for run-time checkers, which refuse whole numbers where floats are announced
@dataclass(frozen=True)
class Light:
    """One lamp that moves with the camera, plus light from everywhere.

    Attributes:
        direction: towards the lamp, camera frame (x right, y down, z forward); any length. The default
            shines from the upper left behind the camera.
        ambient: share of the colour that needs no lamp.
        diffuse: share that the lamp adds on a face turned towards it.
    """

    direction: tuple[float, float, float] = (-0.4, -0.7, -0.6)
    ambient: float = 0.35
    diffuse: float = 0.65


DEFAULT_LIGHT = Light()


@dataclass(frozen=True)
class Rendering:
    """One picture. Where `mask` is False, depth is infinite and normals are zero.

    Attributes:
        rgba: (H, W, 4) uint8, straight alpha: the colour is the mean over the covered samples only, 0
            where nothing is covered; alpha is the covered share of the pixel.
        mask: (H, W) bool, at least half of the pixel is covered (alpha >= 128).
        depth: (H, W) float32, along the optical axis in cube edges, of the sample nearest to the camera.
        normals: (H, W, 3) float32, unit, camera frame, turned towards the camera, of the same sample.
    """

    rgba: np.ndarray
    mask: np.ndarray
    depth: np.ndarray
    normals: np.ndarray


def render(
    mesh: Mesh,
    camera: Camera,
    size: tuple[int, int],
    supersample: int = 2,
    base_color: tuple[float, float, float] = (0.7, 0.7, 0.7),
    light: Light = DEFAULT_LIGHT,
    face_colors: np.ndarray | None = None,
    smooth: bool = False,
) -> Rendering:
    """Draw a mesh as `camera` sees it.

    Perspective z-buffer with `supersample`^2 samples per pixel. Faces are lit from both sides, because
    meshes made by artists have no consistent orientation: colour x (ambient + diffuse |n . l|) where the
    normal n is first turned towards the camera and lamps behind the face add nothing.

    Args:
        mesh: in the object frame; without faces the picture is empty.
        camera: where from; `Camera.project` gives the same pixels.
        size: (height, width) in pixels.
        supersample: samples per pixel edge.
        base_color: RGB in [0, 1] of every face.
        light: moves with the camera.
        face_colors: (F, 3) RGB in [0, 1], instead of `base_color`.
        smooth: interpolate normals over faces that share vertices, instead of one normal per face.

    Raises:
        ValueError: a size or `supersample` below 1, colours of the wrong shape or outside [0, 1], coordinates
            that `Mesh.check_reach` refuses.
    """
    height, width = size
    if height < 1 or width < 1 or supersample < 1:
        raise ValueError(f"size and supersample must be at least 1, got {size} and {supersample}")
    given, shape = (base_color, (3,)) if face_colors is None else (face_colors, (len(mesh.faces), 3))
    colors = _checked(given, shape)
    direction = np.asarray(light.direction, dtype=np.float64)
    if not np.linalg.norm(direction) > 0:
        raise ValueError("the light needs a direction")
    mesh.check_reach()
    matrix = camera.matrix()
    vertices = mesh.vertices @ np.ascontiguousarray(matrix[:3, :3].T)  # a transposed view is slow here
    vertices += matrix[:3, 3]
    inverse_depth = np.zeros((height * supersample, width * supersample))
    owner = np.full(inverse_depth.shape, -1, dtype=np.int32)
    focal = camera.focal(size) * supersample
    # sample (column i, row j) is the whole number (i, j)
    cx, cy = (supersample * middle - 0.5 for middle in camera.principal(size))
    rasterize(vertices, mesh.faces, focal, cx, cy, inverse_depth, owner)
    face_normals = _seen_normals(vertices, mesh.faces, owner)
    vertex_normals = _vertex_normals(vertices, mesh.faces) if smooth else np.zeros((0, 3))
    rgba = np.zeros((height, width, 4), dtype=np.uint8)
    depth = np.full((height, width), np.inf, dtype=np.float32)
    normals = np.zeros((height, width, 3), dtype=np.float32)
    _shade(
        *(vertices, mesh.faces, face_normals, vertex_normals, np.atleast_2d(colors)),
        *(direction / float(np.linalg.norm(direction)), light.ambient, light.diffuse),
        *(focal, cx, cy, inverse_depth, owner, supersample),
        *(rgba, depth, normals),
    )
    return Rendering(rgba, rgba[..., 3] >= 128, depth, normals)


def _checked(colors: Sequence[float] | np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Colours as float64, once they are known to be of this shape and in [0, 1]."""
    values = np.asarray(colors, dtype=np.float64)
    if values.shape != shape:
        raise ValueError(f"colours must be RGB of shape {shape}, got {values.shape}")
    if values.size and not (values.min() >= 0 and values.max() <= 1):
        raise ValueError("colours must be in [0, 1]")
    return values


@njit
@no_type_check
def _shade(
    vertices, faces, face_normals, vertex_normals, colors, to_light, ambient, diffuse,
    focal, cx, cy, inverse_depth, owner, supersample, rgba, depth, normals,
):  # fmt: skip
    """Shade the samples and average them into pixels."""
    height, width = depth.shape
    smooth = vertex_normals.shape[0] > 0
    point, n, best = np.empty(3), np.empty(3), np.empty(3)
    for row in range(height):
        for column in range(width):
            covered, closest = 0, 0.0
            red, green, blue = 0.0, 0.0, 0.0
            for j in range(row * supersample, (row + 1) * supersample):
                for i in range(column * supersample, (column + 1) * supersample):
                    face = owner[j, i]
                    if face < 0:
                        continue
                    covered += 1
                    n[0], n[1], n[2] = face_normals[face, 0], face_normals[face, 1], face_normals[face, 2]
                    if smooth:
                        z = 1 / inverse_depth[j, i]
                        point[0], point[1], point[2] = (i - cx) * z / focal, (j - cy) * z / focal, z
                        _interpolate(vertices, faces[face], vertex_normals, point, n)
                    lit = max(n[0] * to_light[0] + n[1] * to_light[1] + n[2] * to_light[2], 0.0)
                    shade = min(ambient + diffuse * lit, 1.0)
                    color = face if colors.shape[0] > 1 else 0
                    red += shade * colors[color, 0]
                    green += shade * colors[color, 1]
                    blue += shade * colors[color, 2]
                    if inverse_depth[j, i] > closest:
                        closest = inverse_depth[j, i]
                        best[0], best[1], best[2] = n[0], n[1], n[2]
            if covered == 0:
                continue
            scale = 255.0 / covered
            rgba[row, column, 0] = int(red * scale + 0.5)
            rgba[row, column, 1] = int(green * scale + 0.5)
            rgba[row, column, 2] = int(blue * scale + 0.5)
            rgba[row, column, 3] = int(255.0 * covered / (supersample * supersample) + 0.5)
            if rgba[row, column, 3] >= 128:
                depth[row, column] = 1 / closest
                for d in range(3):
                    normals[row, column, d] = best[d]


@njit
@no_type_check
def _interpolate(vertices, corners, vertex_normals, point, n):
    """Replace the face normal `n` by the interpolated one at `point`, turned towards the camera."""
    a, b, c = vertices[corners[0]], vertices[corners[1]], vertices[corners[2]]
    whole = _dot_cross(n, b, a, c)
    if whole == 0:
        return
    wa, wb = _dot_cross(n, c, b, point) / whole, _dot_cross(n, a, c, point) / whole
    wc = 1 - wa - wb
    na, nb, nc = vertex_normals[corners[0]], vertex_normals[corners[1]], vertex_normals[corners[2]]
    x = wa * na[0] + wb * nb[0] + wc * nc[0]
    y = wa * na[1] + wb * nb[1] + wc * nc[1]
    z = wa * na[2] + wb * nb[2] + wc * nc[2]
    length = np.sqrt(x * x + y * y + z * z)
    if length < 1e-6:  # the normals of opposite neighbours cancel
        return
    if x * point[0] + y * point[1] + z * point[2] > 0:
        length = -length
    n[0], n[1], n[2] = x / length, y / length, z / length


@njit
@no_type_check
def _dot_cross(n, p, q, r):
    """Signed area of a triangle in the plane of normal n: n . ((p - q) x (r - q))."""
    ax, ay, az = p[0] - q[0], p[1] - q[1], p[2] - q[2]
    bx, by, bz = r[0] - q[0], r[1] - q[1], r[2] - q[2]
    return n[0] * (ay * bz - az * by) + n[1] * (az * bx - ax * bz) + n[2] * (ax * by - ay * bx)


@njit
@no_type_check
def _seen_normals(vertices, faces, owner):
    """Unit normal (F, 3), turned towards the camera, of each face that owns a sample; others undefined."""
    normals = np.empty((faces.shape[0], 3))
    known = np.zeros(faces.shape[0], dtype=np.bool_)
    for f in owner.ravel():
        if f < 0 or known[f]:
            continue
        known[f] = True
        a, b, c = vertices[faces[f, 0]], vertices[faces[f, 1]], vertices[faces[f, 2]]
        x, y, z = _cross(a, b, c)
        length = np.sqrt(x * x + y * y + z * z)
        if length == 0:
            normals[f] = 0
            continue
        # a plane is seen from one side only: any of its points tells which
        if x * a[0] + y * a[1] + z * a[2] > 0:
            length = -length
        normals[f, 0], normals[f, 1], normals[f, 2] = x / length, y / length, z / length
    return normals


@njit
@no_type_check
def _vertex_normals(vertices, faces):
    """Area-weighted sum of the unit normals around each vertex, scaled to length 1 (V, 3)."""
    normals = np.zeros_like(vertices)
    for f in range(faces.shape[0]):
        x, y, z = _cross(vertices[faces[f, 0]], vertices[faces[f, 1]], vertices[faces[f, 2]])
        for k in range(3):
            normals[faces[f, k], 0] += x
            normals[faces[f, k], 1] += y
            normals[faces[f, k], 2] += z
    for v in range(normals.shape[0]):
        length = np.sqrt((normals[v] ** 2).sum())
        if length > 0:
            normals[v] /= length
    return normals


@njit
@no_type_check
def _cross(a, b, c):
    """(b - a) x (c - a)."""
    px, py, pz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    qx, qy, qz = c[0] - a[0], c[1] - a[1], c[2] - a[2]
    return py * qz - pz * qy, pz * qx - px * qz, px * qy - py * qx
