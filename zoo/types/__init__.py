"""What flows through the zoo: image, encoder, latent, decoder, shapes.

Frame and units, written here once:

- **Frame**: object-centred canonical pose, right-handed, y up, front towards +x (as ShapeNetCore v1),
  inside the unit cube [-0.5, 0.5]^3. Distances are in cube edges.
- **Voxels** are indexed [x][y][z]; the centre of cell i of R lies at (i + 0.5) / R - 0.5.
- **Images** leave a store as uint8 RGBA with straight alpha, (B, V, 4, H, W); the model's own
  `zoo.transforms.preprocess.Preprocess` turns them into floats (B, V, C, H, W).
- **What a store packs** (voxels as bits, depth and normals as small numbers) crosses the bus packed and
  becomes floats on the device: see `Batch.decode`.
- **Latents** carry the log-variance log(sigma^2), never log(sigma).
"""

from zoo.errors import ContractError as ContractError
from zoo.types.batch import Batch as Batch
from zoo.types.batch import Source as Source
from zoo.types.latent import Latent as Latent
from zoo.types.latent import Sketches as Sketches
from zoo.types.prediction import Prediction as Prediction
from zoo.types.prediction import joined as joined
from zoo.types.shapes import Patches as Patches
from zoo.types.shapes import Points as Points
from zoo.types.shapes import Shapes as Shapes
from zoo.types.shapes import Voxels as Voxels
