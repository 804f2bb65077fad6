"""Every model's training lowers its first loss: a few seconds' version of ``benchmarks.studies.overfit``."""

import json

import numpy as np
import pytest
import torch

from benchmarks.request.settings import settings
from datasets.prepare import open_dataset
from zoo.config import list_models
from zoo.model import supervision
from zoo.training.trainer import train

STEPS, ENDS = 30, 4
TWO_SHAPES = ("data.categories='chair,table'", "data.train=1", "prepare.points=1500", "prepare.views=2")


@pytest.fixture(scope="module")
def chosen():
    return settings("overfit", "procedural", TWO_SHAPES)


@pytest.fixture(scope="module")
def store(chosen, tmp_path_factory):
    return open_dataset(
        "procedural",
        data_root=tmp_path_factory.mktemp("data"),
        config_overrides=chosen.data_config,
        options=chosen.options,
        workers=0,
        progress=False,
    )


@pytest.mark.parametrize("name", list_models())
def test_the_first_loss_falls(name, chosen, store, tmp_path):
    config = chosen.model(name)
    small = {"steps": STEPS, "batch_size": 4, "log_every": 1, "extra_views": min(config.train.extra_views, 2)}
    small["views"] = (1, min(config.train.views[1], 2))
    config = config.model_copy(update={"train": config.train.model_copy(update=small)})
    source = store.split("train", max(store.resolutions), sorted(supervision(config)))
    train(config, source, tmp_path, seed=0, device=torch.device("cpu"))
    rows = [
        json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    stages = list(dict.fromkeys(row["stage"] for row in rows))
    assert stages == [stage.name for stage in config.train.stages]
    assert len(rows) == STEPS
    first = next(iter(config.losses))
    if first == "adversarial":  # two players: neither side's loss need fall
        assert all(np.isfinite(row["loss"]) for row in rows)
        return
    values = [row[first] for row in rows if first in row]
    assert np.mean(values[-ENDS:]) < np.mean(values[:ENDS]), values
