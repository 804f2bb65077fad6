"""What is installed, what is active, and why not what is not: ``python -m zoo doctor``."""

from __future__ import annotations

import importlib
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

REQUIRED = (
    "torch",
    "timm",
    "numpy",
    "scipy",
    "numba",
    "trimesh",
    "scikit-image",
    "pydantic",
    "safetensors",
    "rich",
)
OPTIONAL = {
    "pytorch3d": "nearest neighbours on the GPU through PyTorch3D; without it the zoo's own torch kernel",
}


@dataclass(frozen=True)
class Line:
    """One finding: state is 'ok', 'off' (optional, not there) or 'bad'."""

    name: str
    state: str
    text: str


def diagnose() -> list[Line]:
    """Findings in the order in which a reader wants them."""
    from zoo import __version__

    lines = [Line("zoo", "ok", __version__), Line("python", "ok", platform.python_version())]
    for package in REQUIRED:
        try:
            lines.append(Line(package, "ok", version(package)))
        except PackageNotFoundError:
            lines.append(Line(package, "bad", f"not installed; pip install {package}"))
    lines.append(_device())
    lines.append(_neighbours())
    for package, use in OPTIONAL.items():
        try:
            importlib.import_module(package)
            lines.append(Line(package, "ok", use.partition(";")[0]))
        except ImportError as error:
            lines.append(Line(package, "off", f"{use} ({error})"))
    return lines + _plugins()


def _device() -> Line:
    import torch

    from zoo.device import describe_device, pick_device

    device = pick_device()
    why = "" if device.type == "cuda" else f" (torch {torch.__version__} sees no GPU)"
    return Line("device", "ok", f"{device.type}: {describe_device(device)}{why}")


def _neighbours() -> Line:
    from zoo.metrics.neighbours import active_backend

    backend = active_backend()
    return Line("nearest neighbours", "ok", f"{backend.name}: {backend.reason}")


def _plugins() -> list[Line]:
    from zoo.config import _registries
    from zoo.metrics import METRICS

    return [
        Line(f"plugin {name}", "bad", f"{type(error).__name__}: {error}")
        for registry in (*_registries().values(), METRICS)
        for name, error in registry.broken().items()
    ]
