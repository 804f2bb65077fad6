"""One predicted or true 3D shape, as everything after the network sees it: numpy only, picklable.

Metrics, controls and galleries take a `Shape` and never ask what kind of network made it. The package
does not import torch, so that processes which only score start in a moment.

Frame and units (see also `zoo.types`): object-centred canonical pose, right-handed, y up, front towards +x,
inside the unit cube [-0.5, 0.5]^3; lengths in cube edges. A voxel array is indexed [x][y][z]; the centre of
cell i of R lies at (i + 0.5) / R - 0.5.
"""

from zoo.shapes.kinds import MeshShape as MeshShape
from zoo.shapes.kinds import PatchShape as PatchShape
from zoo.shapes.kinds import PointShape as PointShape
from zoo.shapes.kinds import VoxelShape as VoxelShape
from zoo.shapes.saving import EmptyShapeError as EmptyShapeError
from zoo.shapes.saving import FormatError as FormatError
from zoo.shapes.shape import Shape as Shape
