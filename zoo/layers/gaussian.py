"""The head that turns an encoder's feature vector into a Gaussian posterior."""

from jaxtyping import Float
from torch import Tensor, nn

LOG_SIGMA_RANGE = (-10.0, 10.0)
"""Bounds of log sigma: exp never overflows, not even for images in [0, 255] (defect 29 of R3D's listing)."""


class GaussianHead(nn.Module):
    """Two linear maps from one feature vector: the mean, and log sigma clamped to `LOG_SIGMA_RANGE`.

    The network predicts log sigma, as R3D's listing does under the name ``fc_logvar``; what leaves the
    head is log(sigma^2) = 2 log sigma, the only convention that `zoo.types.Latent` knows.

    Args:
        in_features: width of the feature vector.
        latent_dim: D of mean and log-variance.
        variational: False for a deterministic head, the linear map of the mean alone.
    """

    def __init__(self, in_features: int, latent_dim: int, *, variational: bool = True) -> None:
        super().__init__()
        self.mean = nn.Linear(in_features, latent_dim)
        self.log_sigma = nn.Linear(in_features, latent_dim) if variational else None

    def forward(
        self, features: Float[Tensor, "*batch features"]
    ) -> tuple[Float[Tensor, "*batch d"], Float[Tensor, "*batch d"] | None]:
        """Mean and log(sigma^2); the latter is None for a deterministic head."""
        mean = self.mean(features)
        if self.log_sigma is None:
            return mean, None
        return mean, 2.0 * self.log_sigma(features).clamp(*LOG_SIGMA_RANGE)
