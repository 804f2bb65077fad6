"""The contract checks find what they are there to find: each broken part fails the right one."""

import pytest
import torch
from torch import nn

from zoo.decoders import DECODERS, Decoder
from zoo.discriminators import DISCRIMINATORS, Discriminator
from zoo.encoders import ENCODERS, Encoder
from zoo.losses import LOSSES, Loss, LossConfig
from zoo.registry import EntryConfig
from zoo.testing.checks import checks_for
from zoo.types import Latent, Voxels


@pytest.fixture
def failures(monkeypatch):
    """``failures(cls, registry)``: names of the checks that a part fails, with their messages."""

    def run(cls, registry, config=EntryConfig):
        registry.names()
        others = {name: entry for name, entry in registry._entries.items() if name != "broken"}
        monkeypatch.setattr(registry, "_entries", others)
        # as if it stood at the top of this file, where pickle looks for it
        cls.__qualname__ = cls.__name__
        monkeypatch.setitem(globals(), cls.__name__, cls)
        registry.register("broken", config=config)(cls)
        found = {}
        for check in checks_for(registry.get("broken")):
            try:
                check.run()
            except Exception as error:  # a broken part may also break torch
                found[check.name] = str(error)
        return found

    return run


class Plain(Encoder):
    """A right one: mean of each channel, mapped to four numbers."""

    latent_dim = 4

    def __init__(self, config, *, in_channels, image_size):
        super().__init__(config, in_channels=in_channels, image_size=image_size)
        self.linear = nn.Linear(in_channels, 4)

    def forward(self, image):
        return Latent(self.linear(image.mean((2, 3))))


def test_a_right_encoder_passes(failures):
    assert failures(Plain, ENCODERS) == {}


def test_an_encoder_that_looks_at_its_batch(failures):
    class Mixing(Plain):
        """Subtracts the mean of the batch."""

        def forward(self, image):
            return super().forward(image - 2 * image.mean(0, keepdim=True))

    assert set(failures(Mixing, ENCODERS)) == {"independence"}


def test_an_encoder_that_samples(failures):
    class Sampling(Plain):
        """Adds noise, also in evaluation."""

        def forward(self, image):
            latent = super().forward(image)
            return Latent(latent.mean + torch.randn_like(latent.mean))

    found = failures(Sampling, ENCODERS)
    assert "deterministic in evaluation" in found
    assert found["deterministic in evaluation"].startswith(
        "two evaluations of the same input differ by up to"
    )


def test_an_encoder_that_gives_what_it_does_not_declare(failures):
    class Generous(Plain):
        """Gives tokens."""

        def forward(self, image):
            latent = super().forward(image)
            return Latent(latent.mean, tokens=latent.mean[:, None])

    assert failures(Generous, ENCODERS)["shapes"] == "declares provides=[], gave ['tokens']"


def test_an_encoder_of_another_width_than_it_says(failures):
    class Wide(Plain):
        """Says three, gives four."""

        latent_dim = 3

    assert failures(Wide, ENCODERS)["shapes"] == "mean must be (1, 3), is (1, 4)"


def test_an_encoder_with_an_idle_parameter(failures):
    class Idle(Plain):
        """Has a layer that nothing uses."""

        def __init__(self, config, **sizes):
            super().__init__(config, **sizes)
            self.idle = nn.Linear(2, 2)

    assert failures(Idle, ENCODERS)["gradients"] == "no gradient reaches idle.weight"


def test_an_encoder_with_numbers_of_its_own(failures):
    class Unseeded(Plain):
        """Draws weights from a generator that no seed reaches."""

        def __init__(self, config, **sizes):
            super().__init__(config, **sizes)
            fresh = torch.Generator()
            fresh.seed()
            nn.init.normal_(self.linear.weight, generator=fresh)

    assert (
        failures(Unseeded, ENCODERS)["same seed, same weights"]
        == "two builds with one seed differ in linear.weight"
    )


def test_an_encoder_that_overflows(failures):
    class Overflow(Plain):
        """Infinite in every precision."""

        def forward(self, image):
            return Latent(super().forward(image).mean * float("inf"))

    found = failures(Overflow, ENCODERS)
    assert found["shapes"] == "mean holds NaN or infinity"
    assert found["bf16 autocast"] == "not finite under bf16 autocast"


class Blob(Decoder):
    """One logit for the whole grid."""

    representation = "voxels"
    resolution = 32
    made = 32

    def __init__(self, config, *, latent_dim):
        super().__init__(config, latent_dim=latent_dim)
        self.linear = nn.Linear(latent_dim, 1)

    def forward(self, latent):
        return Voxels(self.linear(latent.mean)[:, :, None, None].expand(-1, self.made, self.made, self.made))


def test_decoders(failures):
    assert failures(Blob, DECODERS) == {}

    class Coarse(Blob):
        """Makes half of the resolution that it says."""

        made = 16

    assert failures(Coarse, DECODERS)["shapes"] == "logits must be (1, 32, 32, 32), is (1, 16, 16, 16)"

    class Liar(Blob):
        """Makes voxels and says points."""

        representation = "points"

    assert failures(Liar, DECODERS)["shapes"] == "declares points, made voxels"


def test_discriminators(failures):
    class Mean(Discriminator):
        """Scores the mean occupancy."""

        representation = "voxels"

        def __init__(self, config, *, resolution):
            super().__init__(config, resolution=resolution)
            self.scale = nn.Parameter(torch.ones(1))

        def forward(self, shapes):
            return self.scale * shapes.flatten(1).mean(1)

    assert failures(Mean, DISCRIMINATORS) == {}

    class Blind(Mean):
        """Never looks."""

        def forward(self, shapes):
            return super().forward(shapes.detach())

    assert failures(Blind, DISCRIMINATORS) == {"gradients": "passes no gradient on to the generator"}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (lambda p: p.shapes.logits.mean(), None),
        (lambda p: p.shapes.logits.mean((1, 2, 3)), "loss must be (), is (2,)"),
        (lambda p: p.shapes.logits.mean().log() * float("nan"), "loss holds NaN or infinity"),
        (lambda p: p.shapes.logits.mean() * 0.0, "no gradient reaches the model"),
    ],
)
def test_losses(failures, value, message):
    class Term(Loss):
        """What the test wants it to be."""

        representations = "voxels"

        def forward(self, prediction, batch, discriminator=None):
            return value(prediction)

    found = failures(Term, LOSSES, LossConfig)
    assert found == ({} if message is None else {"finite scalar with gradients": message})
