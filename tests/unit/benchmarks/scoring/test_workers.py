"""Tasks that come over time: measuring beside whatever makes the predictions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.protocols import Truth
from benchmarks.protocols.r3d_v1 import R3DV1, R3DV1Config
from benchmarks.scoring.measuring import Task, measure_task
from benchmarks.scoring.workers import Measurers
from zoo.shapes import PointShape, VoxelShape

FAST = R3DV1(R3DV1Config(points=1024))


def task(place: int) -> Task:
    cloud = np.random.default_rng(place).uniform(-0.5, 0.5, (1100, 3))
    truth = Truth(f"shape-{place}", "c", 0, VoxelShape(np.ones((4, 4, 4), bool)))
    return Task([place], [truth], [{"row": PointShape(cloud)}])


def test_what_is_measured_comes_back_before_the_next_task_is_there():
    measured = {}

    def tasks() -> Iterator[Task | None]:
        for place in range(3):
            while len(measured) < place:
                yield None
            yield task(place)

    for part in Measurers(FAST, {"row": None}, workers=2, limit=None, died={}).run(tasks()):
        measured |= part
    alone = [measure_task(task(place), FAST, {"row": None})[place]["row"] for place in range(3)]
    assert [measured[place]["row"].values for place in range(3)] == [found.values for found in alone]
