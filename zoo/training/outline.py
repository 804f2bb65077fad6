"""The outline of a model: the names and shapes of its tensors, without the memory that they would take.

What a config asks for is compared with the weights that lie beside it before anything of that size is made:
nobody knows what has become of a file.
"""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import safe_open
from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from zoo.errors import UserError
from zoo.training.integrity import CONFIG, DamagedCheckpoint, damaged

M = TypeVar("M", bound=nn.Module)

SPARE = 2**20
"""Numbers that a model may make on the way and not keep, beside as many again as it keeps."""


class TooLarge(UserError, ValueError):
    """A model that would be larger than its weights."""


def build_to_fit(make: Callable[[], M], weights: Path) -> M:
    """What `make` builds, once it is known to fit the weights: what a damaged width asks for is not taken."""
    held = shapes_in(weights)
    try:
        planned = outline(make, most=sum(map(math.prod, held.values())))
        if planned is not None:
            check_fit(planned, held, weights)
        return make()
    except DamagedCheckpoint:
        raise
    except Exception as error:  # a width below 0 and the like: whatever torch says to that
        why = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        raise damaged(weights.with_name(CONFIG), f"no model can be built from it: {why}") from error


def outline(make: Callable[[], nn.Module], most: int) -> dict[str, tuple[int, ...]] | None:
    """The shapes of what `make` builds; None where a part of it cannot be built without its memory.

    Args:
        most: numbers that its weights hold; building is given up where it takes many times more, as a
            damaged width or depth would.

    Raises:
        TooLarge: see `most`. UserError: of `make`.
    """
    made = 0

    def count(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        nonlocal made
        made += 0 if parameter is None else parameter.numel()
        if made > 2 * most + SPARE:
            raise TooLarge(f"it asks for {made:,} numbers and more, the weights are {most:,}")

    hook = register_module_parameter_registration_hook(count)
    try:
        with torch.device("meta"):
            return shapes_of(make())
    except UserError:
        raise
    except Exception:  # a part of somebody's that computes while it is built, or a config that is none
        return None
    finally:
        hook.remove()


def shapes_of(module: nn.Module) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors of a module's state, by name."""
    return {key: tuple(value.shape) for key, value in module.state_dict().items()}


def shapes_in(path: Path) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors of a safetensors file, of which only the header is read."""
    try:
        with safe_open(path, framework="pt") as file:
            return {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
    except Exception as error:  # safetensors raises its own untyped errors for damaged files
        raise damaged(path, f"cannot be read: {error}") from error


def check_fit(own: Mapping[str, tuple[int, ...]], held: Mapping[str, tuple[int, ...]], path: Path) -> None:
    """Raise unless the tensors of a file are those of a module, by name and shape."""
    problems = [f"missing {k} {shape}" for k, shape in own.items() if k not in held]
    problems += [f"unexpected {k} {shape}" for k, shape in held.items() if k not in own]
    problems += [
        f"{k} is {held[k]}, the config asks for {shape}"
        for k, shape in own.items()
        if k in held and held[k] != shape
    ]
    if problems:
        more = f" and {len(problems) - 8} more" if len(problems) > 8 else ""
        what = f"{path} does not fit its config: {'; '.join(problems[:8])}{more}"
        raise DamagedCheckpoint(what, path.parent)
