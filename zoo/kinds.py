"""The kinds of parts that a model is made of. Their registries are in the folders of these names."""

from typing import Literal, get_args

PartName = Literal["sketcher", "encoder", "shape_encoder", "fusion", "head", "decoder", "discriminator"]
"""Every part that a model may have, by the key that holds it in a YAML; see `zoo.config.ModelConfig`."""

MODEL_PARTS: tuple[PartName, ...] = get_args(PartName)
