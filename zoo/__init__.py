"""R3D zoo: interchangeable encoders and decoders that reconstruct a 3D shape from a single image.

    import zoo
    zoo.list_models("*vae*", representation="voxels")
    zoo.describe("r3d")                   # its card: parts, parameters, source, departures
    model = zoo.create_model("r3d", encoder={"latent_dim": 512})
    model = zoo.load_pretrained("runs/runs/r3d-...")               # the same, trained
    shape = model.reconstruct("chair.png")                         # a path, a PIL image or an array; RGBA
    mesh = shape.mesh()                   # in the unit cube, at the threshold that validation chose
    shape.save("chair.glb")

Everything is loaded on first use: importing `zoo` imports neither torch nor timm.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from zoo.parts import KINDS
from zoo.system.version import __version__ as __version__

_HOMES = {
    "zoo.cards": ("ModelCard", "ModelFacts", "PartCard", "describe", "list_models"),
    "zoo.config": ("ConfigError", "ModelConfig", "TrainConfig", "list_presets", "load_config"),
    "zoo.decoders": ("Decoder",),
    "zoo.discriminators": ("Discriminator",),
    "zoo.encoders": ("Encoder",),
    "zoo.errors": ("UserError",),
    "zoo.fusions": ("Fusion",),
    "zoo.geometry.camera": ("Camera",),
    "zoo.geometry.mesh": ("Mesh",),
    "zoo.heads": ("Head",),
    "zoo.losses": ("Loss",),
    "zoo.metrics": ("Metric",),
    "zoo.images.given": ("OpaquePicture",),
    "zoo.model": ("Reconstructor", "build_model", "create_model"),
    "zoo.model.decision": ("Decision",),
    "zoo.registry": ("Entry", "EntryConfig", "Registry", "RegistryError"),
    "zoo.shape_encoders": ("ShapeEncoder",),
    "zoo.shapes": (
        *("EmptyShapeError", "FormatError", "MeshShape", "PatchShape", "PointShape", "Shape", "VoxelShape"),
    ),
    "zoo.sketchers": ("Sketcher",),
    "zoo.training.checkpoint": ("load_pretrained",),
    "zoo.training.report": ("TrainReport",),
    "zoo.training.trainer": ("train",),
    "zoo.types": (
        *("Batch", "ContractError", "Latent", "Patches", "Points", "Prediction", "Shapes", "Sketches"),
        *("Source", "Voxels"),
    ),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}
_HOME |= {kind.constant: kind.module for kind in KINDS}

__all__ = sorted(_HOME)

if TYPE_CHECKING:
    from zoo.cards import ModelCard, ModelFacts, PartCard, describe, list_models
    from zoo.config import ConfigError, ModelConfig, TrainConfig, list_presets, load_config
    from zoo.decoders import DECODERS, Decoder
    from zoo.discriminators import DISCRIMINATORS, Discriminator
    from zoo.encoders import ENCODERS, Encoder
    from zoo.errors import UserError
    from zoo.fusions import FUSIONS, Fusion
    from zoo.geometry.camera import Camera
    from zoo.geometry.mesh import Mesh
    from zoo.heads import HEADS, Head
    from zoo.images.given import OpaquePicture
    from zoo.losses import LOSSES, Loss
    from zoo.metrics import METRICS, Metric
    from zoo.model import Reconstructor, build_model, create_model
    from zoo.model.decision import Decision
    from zoo.registry import Entry, EntryConfig, Registry, RegistryError
    from zoo.shape_encoders import SHAPE_ENCODERS, ShapeEncoder
    from zoo.shapes import (
        EmptyShapeError,
        FormatError,
        MeshShape,
        PatchShape,
        PointShape,
        Shape,
        VoxelShape,
    )
    from zoo.sketchers import SKETCHERS, Sketcher
    from zoo.training.checkpoint import load_pretrained
    from zoo.training.report import TrainReport
    from zoo.training.trainer import train
    from zoo.types import (
        Batch,
        ContractError,
        Latent,
        Patches,
        Points,
        Prediction,
        Shapes,
        Sketches,
        Source,
        Voxels,
    )


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'zoo' has no attribute '{name}'")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
