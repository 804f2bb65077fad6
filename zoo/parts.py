"""The table of the kinds of parts: where the registry of each lies, and where its contract is checked.

Configs, checks, the command line, the names that `zoo` exports and the contract tests all go by `KINDS`, so
a new kind is its folder and one row here; what a model does with it, `zoo.config.ModelConfig` and `zoo.model`
say. Nothing is imported before it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from zoo.registry import Registry

PartName = Literal["sketcher", "encoder", "shape_encoder", "fusion", "head", "decoder", "discriminator"]
"""Every part that a model may have, by the key that holds it in a YAML; see `zoo.config.ModelConfig`."""

MODEL_PARTS: tuple[PartName, ...] = get_args(PartName)


@dataclass(frozen=True)
class Kind:
    """One kind of part.

    Attributes:
        name: what one part of it is called, as `Registry.kind` says it.
        module: the package that holds its base class and its registry, one file per part.
        checks: function of a registry entry that gives its contract as checks, as ``module:function``; empty
            where the contract is checked elsewhere.
    """

    name: str
    module: str
    checks: str = ""

    @property
    def plural(self) -> str:
        """What `zoo list` calls them: the last word of the package."""
        return self.module.rpartition(".")[2]

    @property
    def constant(self) -> str:
        """Name of the registry in its package, and in `zoo`."""
        return self.plural.upper()

    @property
    def registry(self) -> Registry[Any]:
        """The registry; imports its package."""
        found: Registry[Any] = getattr(import_module(self.module), self.constant)
        return found


KINDS: tuple[Kind, ...] = (
    Kind("sketcher", "zoo.sketchers", "zoo.testing.sketchers:sketcher_checks"),
    Kind("encoder", "zoo.encoders", "zoo.testing.encoders:encoder_checks"),
    Kind("shape_encoder", "zoo.shape_encoders", "zoo.testing.shape_encoders:shape_encoder_checks"),
    Kind("fusion", "zoo.fusions", "zoo.testing.fusions:fusion_checks"),
    Kind("head", "zoo.heads", "zoo.testing.heads:head_checks"),
    Kind("decoder", "zoo.decoders", "zoo.testing.decoders:decoder_checks"),
    Kind("discriminator", "zoo.discriminators", "zoo.testing.discriminators:discriminator_checks"),
    Kind("loss", "zoo.losses", "zoo.testing.losses:loss_checks"),
    Kind("metric", "zoo.metrics"),
)
"""Every kind, in the order in which `zoo list` prints them."""


def kind_of(name: str) -> Kind:
    """The kind called `name`.

    Raises:
        KeyError: there is none.
    """
    return {kind.name: kind for kind in KINDS}[name]


def registry_of(name: str) -> Registry[Any]:
    """The registry of a kind, as 'encoder' or 'loss'."""
    return kind_of(name).registry


def registries() -> Iterator[tuple[Kind, Registry[Any]]]:
    """Every kind with its registry."""
    return ((kind, kind.registry) for kind in KINDS)
