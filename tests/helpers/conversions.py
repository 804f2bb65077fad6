"""What published distances are in other people's units: only where the definitions allow it.

The same points and frame are assumed throughout: a conversion changes units, never a protocol. Between
squared and unsquared distances there is none, only `cd_bound`. Numbers in AtlasNet's or DISN's unit ball,
in raw ShapeNet units (Pixel2Mesh, the P2M setting of Mesh R-CNN) and means over categories cannot be
converted without the shapes.

cd and cd_sq are those of `zoo.metrics.chamfer`: sums of the two directed means, in longest edges.
"""

from __future__ import annotations

import math

OCCNET_PRINTED = 10.0
"""The paper of Occupancy Networks prints Chamfer-L1 in tenths of the longest edge."""
GT10_EDGE = 10.0
"""Longest edge of the truth in the gt-10 setting of Mesh R-CNN."""
BOUNDING_BOX_EDGE = 2.0
"""Longest edge with AtlasNet's BoundingBox option, which spans [-1, 1]."""
ATLASNET_PRINTED = 1000.0


def cd_of_occnet(printed: float) -> float:
    """cd of a Chamfer-L1 as the paper prints it: it is half the sum, times 10."""
    return 2 * printed / OCCNET_PRINTED


def occnet_of_cd(cd: float) -> float:
    """Chamfer-L1 as the paper of Occupancy Networks would print it."""
    return cd / 2 * OCCNET_PRINTED


def cd_sq_of_occnet(chamfer_l2: float) -> float:
    """cd_sq of the Chamfer-L2 in the code of Occupancy Networks, which is half the sum."""
    return 2 * chamfer_l2


def cd_sq_of_gt10(cd_sq: float) -> float:
    """cd_sq in longest edges of what Mesh R-CNN prints with the longest edge at 10."""
    return cd_sq / GT10_EDGE**2


def cd_sq_of_bounding_box(printed: float) -> float:
    """cd_sq in longest edges of what AtlasNet prints (x 1000) with its BoundingBox option."""
    return printed / ATLASNET_PRINTED / BOUNDING_BOX_EDGE**2


def cd_bound(cd_sq: float) -> float:
    """The largest cd that goes with a cd_sq: sqrt(2 cd_sq), where all distances are equal."""
    return math.sqrt(2 * cd_sq)
