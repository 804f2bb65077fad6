"""What a user of the wheel does in an empty folder: list, create, check, train, save, load, reconstruct."""

import json
import sys
from pathlib import Path

import torch

import zoo
from zoo.__main__ import main
from zoo.testing.smoke import SmokeSource

installed = Path(zoo.__file__).parent
names = zoo.list_models()
assert "r3d" in names and zoo.create_model("r3d").config.name == "r3d"
assert main(["check", "cnn"]) == 0

config = zoo.load_config("vae_gan_baseline", "quick", train={"steps": 5, "batch_size": 2})
source = SmokeSource(resolution=config.decoder.config.resolution, size=config.preprocess.size)
report = zoo.train(config, source, Path("trained"), seed=0, device=torch.device("cpu"))

rgba = source.fetch([0, 1], [[0], [0]]).image
shapes = zoo.load_pretrained("trained").reconstruct(rgba)
again = zoo.load_pretrained("trained").reconstruct(rgba)
assert all((a.occupancy == b.occupancy).all() for a, b in zip(shapes, again, strict=True))
print(
    json.dumps(
        {
            "installed": str(installed),
            "models": names,
            "presets": zoo.list_presets(),
            "steps": report.steps,
            "shapes": [type(shape).__name__ for shape in shapes],
            "clone": [name for name in ("benchmarks", "datasets") if name in sys.modules],
        }
    )
)
