"""A linear space of shapes, fitted to the training split in closed form."""

import math

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from zoo.decoders import DECODERS, Decoder
from zoo.registry import EntryConfig
from zoo.seeding import derive, rng
from zoo.types import ContractError, Latent, Source, Voxels

BATCH = 64
ROUNDS, MORE = 2, 24
"""Power iterations of the randomised decomposition, and dimensions that it looks at beyond those kept."""


class ShapeSpaceConfig(EntryConfig):
    """Config of the shape space; its dimensions are those of the encoder's code."""

    resolution: int = Field(32, ge=4, multiple_of=2)
    """Side R of the voxel grid."""
    shapes: int = Field(4096, ge=1)
    """Training shapes that the space is fitted to at most, drawn with a fixed seed."""
    sharpness: float = Field(8.0, gt=0)
    """Slope from occupancy to logit that the training starts from."""


@DECODERS.register(
    "shape_space",
    config=ShapeSpaceConfig,
    smoke={"resolution": 32, "shapes": 16},
    cite="this project; principal components of shapes as in Turk and Pentland 1991 (eigenfaces)",
    tags={"representation": "voxels", "fitted": "yes"},
)
class ShapeSpace(Decoder):
    """Mean shape plus a weighted sum of principal components of the training shapes and their mirror images.

    A set of shapes with all its mirror images has components that are symmetric or antisymmetric in z, so
    halves of them are kept. Codes are in standard deviations. The occupancy o = mean + sum z_k s_k b_k gives
    the logit a (o - 1/2), whose slope a is the only weight that learns.

    Nothing is known before `fit`: until then the components are noise.
    """

    representation = "voxels"

    def __init__(self, config: ShapeSpaceConfig, *, latent_dim: int) -> None:
        super().__init__(config, latent_dim=latent_dim)
        self.resolution = self.side = r = config.resolution
        half = r * r * (r // 2)
        self.sharpness = nn.Parameter(torch.tensor(config.sharpness))
        self.mean: Tensor
        self.basis: Tensor
        self.scales: Tensor
        self.symmetric: Tensor
        self.register_buffer("mean", torch.zeros(half))
        self.register_buffer("basis", torch.randn(latent_dim, half) / math.sqrt(half))
        self.register_buffer("scales", torch.ones(latent_dim))
        self.register_buffer("symmetric", torch.tensor(latent_dim - latent_dim // 2))

    def fit(self, source: Source) -> None:
        """Take the principal components of a split's shapes.

        Raises:
            ContractError: the split has no voxels, or of another resolution.
        """
        assert isinstance(self.config, ShapeSpaceConfig)
        if "voxels" not in source.provides:
            raise ContractError("decoder 'shape_space' is fitted to voxels, which the data set does not have")
        chosen = sorted(rng(0, "shape space").permutation(len(source))[: self.config.shapes].tolist())
        even, odd = torch.empty(len(chosen), self.mean.numel()), torch.empty(len(chosen), self.mean.numel())
        for k in range(0, len(chosen), BATCH):
            some = chosen[k : k + BATCH]
            voxels = source.fetch(some, [[0]] * len(some)).decode().voxels
            assert voxels is not None
            even[k : k + BATCH], odd[k : k + BATCH] = self._halves(voxels)
        mean = even.mean(0)
        found = [_components(part, self.latent_dim) for part in (even.sub_(mean), odd)]
        deviations = torch.cat([scales for scales, _ in found])
        kept = deviations.argsort(descending=True, stable=True)[: self.latent_dim].sort().values
        count, symmetric = len(kept), len(found[0][0])
        self.mean.copy_(mean)
        self.basis.zero_()
        self.scales.zero_()
        self.basis[:count] = torch.cat([basis for _, basis in found])[kept]
        self.scales[:count] = deviations[kept]
        # what lies behind the last one is neither: its scale is 0
        self.symmetric.fill_(int((kept < symmetric).sum()))

    def project(self, voxels: Float[Tensor, "batch r r r"]) -> Float[Tensor, "batch d"]:
        """Codes (B, D) of the nearest shapes of the space."""
        even, odd = self._halves(voxels)
        n = int(self.symmetric)
        codes = torch.cat([(even - self.mean) @ self.basis[:n].T, odd @ self.basis[n:].T], 1)
        return codes / self.scales.clamp(min=1e-12) * (self.scales > 0)

    def occupancy(self, code: Float[Tensor, "batch d"]) -> Float[Tensor, "batch r r r"]:
        """Points (B, R, R, R) of the space; what is solid lies near 1, what is empty near 0."""
        n, r = int(self.symmetric), self.side
        scaled = code * self.scales
        even = torch.addmm(self.mean, scaled[:, :n], self.basis[:n])
        odd = scaled[:, n:] @ self.basis[n:]
        left, right = ((x / math.sqrt(2)).view(-1, r, r, r // 2) for x in (even + odd, even - odd))
        return torch.cat([left, right.flip(-1)], -1)

    def forward(self, latent: Latent) -> Voxels:
        return Voxels(self.sharpness * (self.occupancy(latent.mean) - 0.5))

    def _halves(self, voxels: Tensor) -> tuple[Tensor, Tensor]:
        """What is symmetric and what is antisymmetric in z (B, R^3 / 2), at the length of the whole."""
        r = self.side
        if tuple(voxels.shape[1:]) != (r, r, r):
            raise ContractError(
                f"decoder 'shape_space' has {r}^3 cells, the data set's grids {tuple(voxels.shape[1:])}; "
                "set decoder.resolution"
            )
        left, right = voxels[..., : r // 2], voxels.flip(-1)[..., : r // 2]
        return (left + right).flatten(1) / math.sqrt(2), (left - right).flatten(1) / math.sqrt(2)


def _components(rows: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Standard deviations (K) and directions (K, D) of the most that rows (N, D) vary in, about zero."""
    count = min(count, *rows.shape)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(0, "components"))
        _, singular, directions = torch.svd_lowrank(rows, min(count + MORE, *rows.shape), ROUNDS)
    deviations = singular[:count] / math.sqrt(len(rows))
    real = deviations > 1e-6 * deviations[0].clamp(min=1e-12)
    return deviations[real], directions[:, :count].T[real]
