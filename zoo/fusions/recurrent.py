"""Views read one after the other by a recurrent network."""

from dataclasses import replace

from pydantic import Field
from torch import nn

from zoo.fusions import FUSIONS, Fusion
from zoo.fusions.pool import mean_sigma
from zoo.registry import EntryConfig
from zoo.types import Latent


class RecurrentConfig(EntryConfig):
    """A gated recurrent unit over the views."""

    hidden: int = Field(256, ge=1)
    """Width of the state."""


@FUSIONS.register(
    "recurrent", config=RecurrentConfig, smoke={"hidden": 8}, cite="arXiv:1406.1078; arXiv:1604.00449"
)
class Recurrent(Fusion):
    """A GRU reads the vectors of the views in turn; a linear map of its last state is the code.

    It carries 3D-R2N2's idea, a state that every further view refines, to decoders of one vector. Of
    Gaussian posteriors it reads the means; sigma is the mean of the views', as `pool` has it.
    """

    def __init__(self, config: RecurrentConfig, *, latent_dim: int) -> None:
        super().__init__(config, latent_dim=latent_dim)
        self.cell = nn.GRUCell(latent_dim, config.hidden)
        self.out = nn.Linear(config.hidden, latent_dim)

    def forward(self, latent: Latent) -> Latent:
        state = None
        for view in latent.mean.unbind(1):
            state = self.cell(view, state)
        log_var = None if latent.log_var is None else mean_sigma(latent.log_var)
        return replace(latent, mean=self.out(state), log_var=log_var)
