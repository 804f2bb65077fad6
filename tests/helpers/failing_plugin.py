"""A decoder that trains well, predicts for a while and then fails as it is told; for child processes."""

import os
import signal
import time
from pathlib import Path

import torch

from zoo.decoders import DECODERS
from zoo.decoders.voxel_deconv import VoxelDeconv, VoxelDeconvConfig
from zoo.types import Points, Shapes, Voxels


class FailingConfig(VoxelDeconvConfig):
    """A decoder of voxels."""

    fault: str = ""
    """How it fails; see `misbehave`."""
    after: int = 1
    """Blocks that it predicts well before."""
    folder: str = ""
    """Where it counts them, over all processes."""


@DECODERS.register("failing", config=FailingConfig, smoke={"resolution": 32, "width": 4})
class Failing(VoxelDeconv):
    """The plain decoder, until it fails."""

    def forward(self, latent):
        shapes, fault = super().forward(latent), self.config.fault
        if self.training or not fault:
            return shapes
        with (Path(self.config.folder) / f"{fault}.count").open("a+", encoding="utf-8") as counts:
            counts.write(".")
            return shapes if counts.tell() <= self.config.after else misbehave(fault, shapes)


def misbehave(fault: str, shapes: Voxels) -> Shapes:
    """Do what the fault says."""
    if fault == "raise":
        raise ZeroDivisionError("division by [zero]")
    if fault == "exit":
        os._exit(3)
    if fault == "leave":
        raise SystemExit(4)
    if fault == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if fault == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if fault == "hang":
        time.sleep(3600)
    if fault == "points":
        return Points(torch.zeros(len(shapes), 5, 3))
    if fault == "coarse":
        return Voxels(shapes.logits[:, ::2, ::2, ::2])
    if fault == "few":
        return Voxels(shapes.logits[1:])
    return Voxels(torch.full_like(shapes.logits, float(fault)))  # 'nan', 'inf'
