"""One training step, for the checks of parts and of whole models."""

import tempfile
from pathlib import Path

import torch

from zoo.config import ModelConfig
from zoo.decoders import Decoder
from zoo.encoders import Encoder
from zoo.registry import Entry
from zoo.testing.asserts import Check, CheckFailed
from zoo.testing.smoke import SmokeSource, smoke_model
from zoo.training.trainer import train


def training_checks(encoder: Entry[Encoder], decoder: Entry[Decoder]) -> list[Check]:
    """One training step of the smallest model of an encoder and a decoder."""
    return [Check("one training step", lambda: train_one(smoke_model(encoder, decoder)))]


def train_one(config: ModelConfig) -> None:
    """Train a model for one step of each of its stages; raises CheckFailed unless weights are left."""
    few = {"steps": len(config.train.stages), "batch_size": 2, "gate": None}
    shrunk = config.model_copy(update={"train": config.train.model_copy(update=few)})
    resolution = getattr(config.decoder.config, "resolution", 32)
    size = config.preprocess.size
    with tempfile.TemporaryDirectory() as folder:
        source = SmokeSource(resolution=resolution, size=size)
        report = train(shrunk, source, Path(folder), seed=0, device=torch.device("cpu"))
        if not (report.checkpoint / "model.safetensors").is_file():
            raise CheckFailed("training left no weights")
