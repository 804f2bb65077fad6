"""R3D zoo: interchangeable encoders and decoders that reconstruct a 3D shape from a single image.

    import zoo
    zoo.list_models("*vae*")
    model = zoo.create_model("r3d")       # or zoo.load_pretrained("runs/runs/r3d-...")
    shapes = model.reconstruct(rgba)      # uint8 (B, V, 4, H, W), straight alpha; one zoo.shapes.Shape each
    mesh = shapes[0].mesh(level=0.5)      # in the unit cube

Everything is loaded on first use: importing `zoo` imports neither torch nor timm.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from zoo.system.version import __version__ as __version__

_HOME = {
    "create_model": "zoo.model",
    "list_models": "zoo.config",
    "load_config": "zoo.config",
    "load_pretrained": "zoo.training.checkpoint",
    "Reconstructor": "zoo.model",
    "ENCODERS": "zoo.encoders",
    "DECODERS": "zoo.decoders",
    "DISCRIMINATORS": "zoo.discriminators",
    "LOSSES": "zoo.losses",
    "METRICS": "zoo.metrics",
}

__all__ = sorted(_HOME)

if TYPE_CHECKING:
    from zoo.config import list_models, load_config
    from zoo.decoders import DECODERS
    from zoo.discriminators import DISCRIMINATORS
    from zoo.encoders import ENCODERS
    from zoo.losses import LOSSES
    from zoo.metrics import METRICS
    from zoo.model import Reconstructor, create_model
    from zoo.training.checkpoint import load_pretrained


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'zoo' has no attribute '{name}'")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
