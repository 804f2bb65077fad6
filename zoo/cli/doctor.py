"""What is installed, what is active, and why not what is not: ``python -m zoo doctor``."""

from __future__ import annotations

import argparse
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

from zoo.cli.console import Verbs, add_verb, plain_console

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


@dataclass(frozen=True)
class Line:
    """One finding: state is 'ok', 'off' (optional, not used) or 'bad'."""

    name: str
    state: str
    text: str


def add(verbs: Verbs, **given: Any) -> None:
    """Add the verb."""
    text = "print versions, device and which optional backends are active and why not"
    add_verb(verbs, "doctor", _doctor, text, **given)


def diagnose() -> list[Line]:
    """Findings in the order in which a reader wants them."""
    from zoo.system.version import __version__

    lines = [Line("zoo", "ok", __version__), Line("python", "ok", platform.python_version())]
    for package in REQUIRED:
        try:
            lines.append(Line(package, "ok", version(package)))
        except PackageNotFoundError:
            lines.append(Line(package, "bad", f"not installed; pip install {package}"))
    lines.append(_device())
    return [*lines, *_neighbours(), _pytorch3d(), *_plugins()]


def _doctor(args: argparse.Namespace) -> int:
    from rich.text import Text

    console, colours = plain_console(), {"ok": "green", "off": "yellow", "bad": "red"}
    lines = diagnose()
    for line in lines:
        state = (f"{line.state:4}", colours[line.state])
        console.print(Text.assemble(state, f" {line.name:20} {line.text}"))
    return 1 if any(line.state == "bad" for line in lines) else 0


def _device() -> Line:
    import torch

    from zoo.device import describe_device, pick_device

    device = pick_device()
    why = "" if device.type == "cuda" else f" (torch {torch.__version__} sees no GPU)"
    return Line("device", "ok", f"{device.type}: {describe_device(device)}{why}")


def _neighbours() -> list[Line]:
    """What searches on the CPU, where metrics are computed, and on the device of losses if it is another."""
    from zoo.device import pick_device
    from zoo.metrics.neighbours import BackendError, running_backend

    lines = []
    for device in dict.fromkeys(("cpu", pick_device().type)):
        name = "nearest neighbours" if device == "cpu" else f"neighbours, {device}"
        try:
            backend = running_backend(device)
            lines.append(Line(name, "ok", f"{backend.name}: {backend.reason}"))
        except BackendError as error:
            lines.append(Line(name, "bad", str(error)))
    return lines


def _pytorch3d() -> Line:
    """PyTorch3D by what it does: each device finds one point, for a package may lack its extension."""
    from zoo.device import pick_device
    from zoo.metrics.neighbours import why_not

    name, device = "pytorch3d", pick_device().type
    if find_spec(name) is None:
        return Line(name, "off", "not installed: nearest neighbours on a GPU are the zoo's own torch kernel")
    if (problem := why_not(name)) is not None:
        return Line(name, "bad", f"{problem}; build it for this torch (see its INSTALL.md), or uninstall it")
    if device == "cuda" and (problem := why_not(name, device)) is not None:
        return Line(name, "off", f"{problem}; the zoo's own torch kernel does, until it is built with CUDA")
    return Line(name, "ok", f"searches on {'the CPU and CUDA' if device == 'cuda' else 'the CPU'}")


def _plugins() -> list[Line]:
    from zoo.parts import registries

    return [
        Line(f"plugin {name}", "bad", f"{type(error).__name__}: {error}")
        for _, registry in registries()
        for name, error in registry.broken().items()
    ]
