"""A pretrained network of timm as a way to compare pictures: used where its weights are on this machine.

Nothing is downloaded unless a backbone is asked for by name.
"""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.controls.features import BACKGROUND, Describe, Feature, in_batches
from zoo.config import ConfigError
from zoo.layers.timm_models import create_backbone, pad_image, require_backbone

DEFAULT = "resnet18.a1_in1k"
"""Taken where its weights are there and no other was asked for."""
WEIGHTS = "model.safetensors"
SIDE = 96
"""Pictures are brought to so many pixels: pretrained networks see little in smaller ones."""


def find_backbone(name: str | None, device: torch.device, download: bool = True) -> Feature | None:
    """The backbone that was asked for, downloaded where it must be; else `DEFAULT`, where its weights are.

    Args:
        name: of timm, with or without a weights tag; None where none was asked for.
        download: whether one that was asked for may be downloaded.

    Raises:
        RegistryError: timm knows no such backbone, tag or weights.
        ConfigError: the weights are not there and may not or cannot be downloaded, or not by their name.
    """
    if name is None:
        cached = _cached(f"timm/{DEFAULT}", WEIGHTS)  # asked without timm, whose import takes seconds
        return None if cached is None else _feature(DEFAULT, cached, device)
    require_backbone(name, pretrained=True)
    import timm

    known = timm.get_pretrained_cfg(name)
    if known is None or not known.hf_hub_id:
        raise ConfigError(f"--retrieval-backbone {name}: its weights are not on the Hugging Face Hub")
    full = f"{known.architecture}.{known.tag}" if known.tag else name
    return _feature(full, _fetched(full, known.hf_hub_id, known.hf_hub_filename or WEIGHTS, download), device)


def _feature(name: str, weights: Path, device: torch.device) -> Feature:
    with weights.open("rb") as file:
        own = hashlib.file_digest(file, "sha256").hexdigest()
    identity = {"backbone": name, "weights": own, "side": SIDE}
    return Feature(name, f"features of {name}", identity, partial(_load, name, weights, device))


def _cached(repo: str, file: str) -> Path | None:
    """The file in the cache of the Hugging Face Hub on this machine."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repo, file)
    return Path(found) if isinstance(found, str) else None


def _fetched(name: str, repo: str, file: str, download: bool) -> Path:
    found = _cached(repo, file)
    if found is not None:
        return found
    if not download:
        raise ConfigError(
            f"--retrieval-backbone {name}: {file} of {repo} is not on this machine, and --only-cache "
            f"downloads nothing; leave out one of the two"
        )
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(repo, file))
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(
            f"--retrieval-backbone {name}: {file} of {repo} is not on this machine and cannot be downloaded "
            f"({type(error).__name__}: {reason}); leave the option out, or put the weights into the cache "
            f"that HF_HUB_CACHE names"
        ) from error


def _load(name: str, weights: Path, device: torch.device) -> Describe:
    """What makes unit vectors of pictures, so that their distance is that of their directions."""
    import timm

    from zoo.encoders.timm_backbone import accepted_size

    size, sized, _ = accepted_size(name, {"in_chans": 3}, (SIDE, SIDE))
    options = {"img_size": size} if sized else {}
    local = {"file": str(weights), "custom_load": False}
    network = create_backbone(name, pretrained=True, pretrained_cfg_overlay=local, **options)
    network = network.to(device).eval()
    own = timm.get_pretrained_cfg(name)
    assert own is not None
    mean, std = (torch.tensor(v, device=device).view(3, 1, 1) for v in (own.mean, own.std))

    @torch.inference_mode()
    def vectors(rgba: Tensor) -> Tensor:
        values = rgba.to(device).float() / 255
        alpha = values[:, 3:]
        rgb = values[:, :3] * alpha + BACKGROUND / 255 * (1 - alpha)
        rgb = F.interpolate(rgb, (SIDE, SIDE), mode="bilinear", antialias=True)
        return F.normalize(network(pad_image((rgb - mean) / std, size)).flatten(1), dim=1)

    return lambda images: in_batches(images, vectors)
