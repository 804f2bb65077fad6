"""Polygons cut into triangles that cover the polygon and nothing else.

Most polygons are convex, and a fan from their first corner is right. Where a fan would fold over, because the
polygon bends inwards, the cut of least area is taken. The area of a triangulation is never less than that of
its polygon, and equal to it only where no two triangles overlap: the least one is right, whatever the polygon
touches or repeats of itself (G. Barequet, M. Sharir, Filling Gaps in the Boundary of a Polyhedron, 1995).
It takes the cube of the corners, so that large polygons are first cut along diagonals (G. H. Meisters,
Polygons have ears, 1975).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .. import BadItem

MAX_CORNERS = 10_000
"""Corners of a polygon that bends inwards; cutting takes up to their square, some seconds here."""

_SMALL = 64
"""Corners of polygons that are cut at once."""
_BATCH = 1 << 21
"""Triples of corners that are looked at together."""
_ROUNDING = 1e-6
"""Share of a polygon's area by which a fan may fold over: as much as six digits in a file can do."""
_NEAR = 1e-9
"""Share of a polygon's size within which two corners are one point that the outline comes back to."""
_FOLDING = 1e3
"""How much worse than area it is that a triangle looks the other way than its polygon."""


def triangulated(
    points: np.ndarray, corners: np.ndarray, lengths: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Triangles that cover polygons.

    A polygon that is not flat is cut as seen along its mean normal. One that crosses itself has no inside of
    its own; it gets some triangles over its corners.

    Args:
        points: (V, 3).
        corners: indices of points (C,), one polygon after the other, each around its outline.
        lengths: corners of each polygon (P,); those with fewer than three have no triangle.

    Returns:
        Triangles (T, 3) as places in `corners`, and the polygon of each (T,): all triangles first, then the
        first halves of all quads and the second ones, then larger polygons in their order.

    Raises:
        BadItem: a corner names no point, or a polygon is too large to be cut.
    """
    if len(corners) and not (corners.min() >= 0 and corners.max() < len(points)):
        raise BadItem(f"faces name vertices outside 0...{len(points) - 1}")
    starts = np.cumsum(lengths) - lengths
    faces, owners = [np.zeros((0, 3), np.int64)], [np.zeros(0, np.int64)]
    for count in np.unique(lengths[lengths > 2]):
        which = np.flatnonzero(lengths == count)
        places = starts[which][:, None] + np.arange(count)
        cut = _fan(3)[None] if count == 3 else _cut(points[corners[places]])
        cut = cut + starts[which][:, None, None]
        owner = np.repeat(which[:, None], count - 2, axis=1)
        if count == 4:
            cut, owner = cut.swapaxes(0, 1), owner.T
        faces.append(cut.reshape(-1, 3))
        owners.append(owner.ravel())
    face, owner = np.concatenate(faces), np.concatenate(owners)
    if not (lengths > 5).any():
        return face, owner
    order = np.argsort(np.where(lengths[owner] > 4, owner, -1), kind="stable")  # small ones stay in front
    return face[order], owner[order]


def strips(corners: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Triangles of strips, all of which look to the same side.

    Args:
        corners: indices of points (C,), one strip after the other; one below 0 begins a strip anew.
        lengths: of each strip (S,).

    Returns:
        Triangles (T, 3) as places in `corners`, and the strip of each (T,).
    """
    owner = np.repeat(np.arange(len(lengths)), lengths)
    place = np.arange(len(corners))
    first = np.repeat(np.cumsum(lengths) - lengths, lengths)
    begin = np.maximum.accumulate(np.where(corners < 0, place + 1, first))
    last = place[place - begin >= 2]
    face = np.stack([last - 2, last - 1, last], axis=1)
    odd = (last - begin[last]) % 2 == 1
    face[odd] = face[odd, ::-1]
    return face, owner[last]


def _fan(count: int) -> np.ndarray:
    """Triangles (n - 2, 3) of a convex polygon; a quad's second half begins where its first one ends."""
    steps = np.arange(count - 2)
    fan = np.stack([0 * steps, steps + 1, steps + 2], axis=1)
    return np.array([[0, 1, 2], [2, 3, 0]]) if count == 4 else fan


def _cut(polygons: np.ndarray) -> np.ndarray:
    """Triangles (P, n - 2, 3) of polygons (P, n, 3), as numbers of their corners."""
    count = polygons.shape[1]
    cut = np.tile(_fan(count), (len(polygons), 1, 1))
    folded = np.flatnonzero(_folds(polygons))
    if len(folded) and count > MAX_CORNERS:
        raise BadItem(
            f"a polygon of {count:,} corners that bends inwards, the limit is {MAX_CORNERS:,}; "
            f"cut it into triangles first"
        )
    if count > _SMALL:
        for one in folded:
            cut[one] = _along_diagonals(polygons[one])
        return cut
    size = max(_BATCH // count**3, 1)
    for start in range(0, len(folded), size):
        some = folded[start : start + size]
        cut[some] = _least(polygons[some])
    return cut


def _folds(polygons: np.ndarray) -> np.ndarray:
    """Whether a fan of each polygon (P,) has triangles that look the other way, or that lie on each other."""
    normals = _fan_normals(polygons)
    total = normals.sum(1)
    squared = (total**2).sum(-1)
    back = ((normals * total[:, None]).sum(-1) < -_ROUNDING * squared[:, None]).any(1)
    return back | (np.sqrt(squared) < _ROUNDING * np.sqrt((normals**2).sum(-1)).sum(1))


def _fan_normals(polygons: np.ndarray) -> np.ndarray:
    """Normals (P, n - 2, 3) of the triangles of a fan, as long as twice their areas."""
    edges = polygons[:, 1:] - polygons[:, :1]
    return np.cross(edges[:, :-1], edges[:, 1:])


def _directions(polygons: np.ndarray) -> np.ndarray:
    """Unit normals (P, 3) of polygons (P, n, 3); zero where a polygon has none."""
    total = _fan_normals(polygons).sum(1)
    size = np.sqrt((total**2).sum(-1, keepdims=True))
    return total / np.where(size > 0, size, 1)


def _least(polygons: np.ndarray) -> np.ndarray:
    """Triangles (P, n - 2, 3) of least area: the best cuts of all stretches of the outline, short ones first.

    A triangle that looks the other way than its polygon counts as much more than its area.
    """
    number, count = polygons.shape[:2]
    direction = _directions(polygons)[:, None, None]
    cost = np.zeros((number, count, count))
    apex = np.zeros((number, count, count), np.int64)
    for span in range(2, count):
        i = np.arange(count - span)[:, None]
        k, j = i + np.arange(1, span), i + span
        a, b, c = polygons[:, i], polygons[:, k], polygons[:, j]
        normal = np.cross(b - a, c - a)
        backwards = np.maximum(-(normal * direction).sum(-1), 0)
        area = np.sqrt((normal**2).sum(-1)) + _FOLDING * backwards
        total = cost[:, i, k] + cost[:, k, j] + area
        best = total.argmin(-1)
        cost[:, i[:, 0], j[:, 0]] = np.take_along_axis(total, best[..., None], -1)[..., 0]
        apex[:, i[:, 0], j[:, 0]] = i[:, 0] + 1 + best
    return np.array([list(_traced(one, count)) for one in apex]).reshape(number, count - 2, 3)


def _traced(apex: np.ndarray, count: int) -> Iterator[tuple[int, int, int]]:
    """The triangles that the best cuts of all stretches lead to."""
    stretches = [(0, count - 1)]
    while stretches:
        i, j = stretches.pop()
        if j - i > 1:
            k = int(apex[i, j])
            yield i, k, j
            stretches += [(i, k), (k, j)]


def _along_diagonals(polygon: np.ndarray) -> np.ndarray:
    """Triangles (n - 2, 3) of one large polygon (n, 3), which is cut in two until its parts are small."""
    # seen along the axis that its normal is nearest to: the coordinates stay as they are
    direction = _directions(polygon[None])[0]
    axis = int(np.abs(direction).argmax())
    plane = polygon[:, [(axis + 1) % 3, (axis + 2) % 3]]
    if direction[axis] < 0:
        plane = plane[:, ::-1]
    near = _NEAR * float(np.ptp(plane, axis=0).max())
    parts, found = [(np.arange(len(polygon)), plane)], []
    while parts:
        names, ring = parts.pop()
        if len(names) <= _SMALL:
            found.append(names[_least(polygon[names][None])[0]])
            continue
        start, end = sorted(_diagonal(ring, near))
        parts.append((_without(names, start, end), _without(ring, start, end)))
        parts.append((names[start : end + 1], ring[start : end + 1]))
    return np.concatenate(found)


def _without(values: np.ndarray, start: int, end: int) -> np.ndarray:
    """All but those between two places."""
    return np.concatenate([values[: start + 1], values[end:]])


def _diagonal(ring: np.ndarray, near: float) -> tuple[int, int]:
    """Two corners of a polygon (n, 2), counter-clockwise, between which it can be cut in two.

    Its leftmost corner is one that bends outwards. Either the corners beside it see each other, or it sees
    the corner between them that lies farthest from the line between them.
    """
    x = ring[:, 0]
    left = np.flatnonzero(x == x.min())
    at = int(left[ring[left, 1].argmin()])
    before, behind = (at - 1) % len(ring), (at + 1) % len(ring)
    u, v, w = ring[before], ring[at], ring[behind]
    some = np.flatnonzero(x <= max(u[0], w[0]))
    some = some[(some != before) & (some != behind)]
    others = ring[some]
    depth = _turn(w, u, others)
    tiny = near * float(np.abs(np.stack([u - v, w - v])).max())
    between = (_turn(v, w, others) >= -tiny) & (_turn(u, v, others) >= -tiny) & (depth > tiny)
    between &= (np.abs(others - v) > near).any(1)
    if not between.any():
        return before, behind
    far = int(some[np.where(between, depth, -1).argmax()])
    same = np.flatnonzero((np.abs(ring - ring[far]) <= near).all(1))
    inner = [int(place) for place in same if _sees(ring, int(place), v)]
    return at, (inner or [far])[0]


def _turn(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Twice the signed area of triangles: positive where c lies to the left of the way from a to b."""
    ab, ac = b - a, c - a
    return ab[..., 0] * ac[..., 1] - ab[..., 1] * ac[..., 0]


def _sees(ring: np.ndarray, place: int, other: np.ndarray) -> bool:
    """Whether the way from a corner to a point begins inside the polygon."""
    here, before, behind = ring[place], ring[place - 1], ring[(place + 1) % len(ring)]
    left, right = _turn(before, here, other) > 0, _turn(here, behind, other) > 0
    return bool(left and right if _turn(before, here, behind) >= 0 else left or right)
