"""Categories by ShapeNet's synset ids, and how a config names some of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo.registry import did_you_mean

R2N2_CATEGORIES: dict[str, str] = {
    "02691156": "airplane",
    "02828884": "bench",
    "02933112": "cabinet",
    "02958343": "car",
    "03001627": "chair",
    "03211117": "display",
    "03636649": "lamp",
    "03691459": "speaker",
    "04090263": "rifle",
    "04256520": "sofa",
    "04379243": "table",
    "04401088": "telephone",
    "04530566": "watercraft",
}
"""The 13 ShapeNet categories of the 3D-R2N2 benchmark: synset id to name."""

SHAPENET_CATEGORIES: dict[str, str] = dict(
    sorted(
        {
            **R2N2_CATEGORIES,
            "02747177": "trash_bin",
            "02773838": "bag",
            "02801938": "basket",
            "02808440": "bathtub",
            "02818832": "bed",
            "02834778": "bicycle",
            "02843684": "birdhouse",
            "02858304": "boat",
            "02871439": "bookshelf",
            "02876657": "bottle",
            "02880940": "bowl",
            "02924116": "bus",
            "02942699": "camera",
            "02946921": "can",
            "02954340": "cap",
            "02992529": "cellphone",
            "03046257": "clock",
            "03085013": "keyboard",
            "03207941": "dishwasher",
            "03261776": "earphone",
            "03325088": "faucet",
            "03337140": "file_cabinet",
            "03467517": "guitar",
            "03513137": "helmet",
            "03593526": "jar",
            "03624134": "knife",
            "03642806": "laptop",
            "03710193": "mailbox",
            "03759954": "microphone",
            "03761084": "microwave",
            "03790512": "motorbike",
            "03797390": "mug",
            "03928116": "piano",
            "03938244": "pillow",
            "03948459": "pistol",
            "03991062": "flowerpot",
            "04004475": "printer",
            "04074963": "remote_control",
            "04099429": "rocket",
            "04225987": "skateboard",
            "04330267": "stove",
            "04460130": "tower",
            "04468005": "train",
            "04554684": "washer",
        }.items()
    )
)
"""The folders of ShapeNetCore: synset id to name. v1 has all 57, v2 and the official split have 55 of them:
neither bicycle nor boat."""

CONTAINED: dict[str, str] = {"02858304": "04530566", "02992529": "04401088"}
"""Folders whose models lie in another folder as well: boats are watercraft, cellphones are telephones.
Without them v1 has 55 categories."""


def chosen_categories(value: Any, known: Mapping[str, str]) -> tuple[str, ...]:
    """Names of the chosen categories, in one order, so that equal choices share a store.

    Args:
        value: names or synset ids, as a sequence or as text separated by commas.
        known: synset id -> name.

    Raises:
        ValueError: an unknown category; gives the nearest one.
    """
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",")]
    names = list(known.values())
    chosen = set()
    for category in value:
        name = known.get(category, category)
        if name not in names:
            near = did_you_mean(str(category), names)
            raise ValueError(f"unknown category '{category}'.{near} Known: {', '.join(names)}")
        chosen.add(name)
    return tuple(name for name in names if name in chosen)
