"""ShapeNetCore's own voxels against ours."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import trimesh

from datasets.formats.binvox import read_binvox
from zoo.geometry.mesh import Mesh
from zoo.geometry.voxelize import SolidStatus, solid, surface_cells
from zoo.metrics.iou import iou

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def data() -> Path:
    folder = os.environ.get("R3D_SAMPLE_DATA")
    if not folder:
        pytest.skip("R3D_SAMPLE_DATA is not set: the folder of real samples")
    if not (Path(folder) / "shapenet_v2").is_dir():
        pytest.skip(f"{folder} holds no shapenet_v2 samples")
    return Path(folder)


def test_solids_are_those_of_the_data_set(data):
    """ShapeNetCore v2 cameras, nearly all drawn with every face on both sides, at their own 128^3.

    The data set's solids hold every cell that the surface touches, ours only cells with their centre
    inside, hence the union. The one that agrees in nothing, d5624d29, is a camera without a back: the data
    set's filling leaks in through it and leaves a shell of 105,281 cells, where the vote finds the body,
    748,300. The four others below .9 are small: old cameras with open reflectors, which the vote fills, and
    bellows and slots of a cell or two.
    """
    scores = {}
    for path in sorted((data / "shapenet_v2").glob("*/*/models/model_normalized.obj")):
        theirs = read_binvox(path.with_suffix(".solid.binvox"))
        shape = trimesh.load(path, force="mesh", process=False)
        mesh = Mesh((shape.vertices - theirs.translate) / theirs.scale - 0.5, shape.faces)
        cells, status = solid(mesh, 128)
        assert status is SolidStatus.REPAIRED
        scores[path.parts[-3]] = iou(cells | surface_cells(mesh, 128), theirs.voxels)
    for name, score in scores.items():
        print(f"{name} {score:.3f}")
    values = np.array(list(scores.values()))
    print(f"mean {values.mean():.3f}, median {np.median(values):.3f} of {len(values)}")
    assert len(values) >= 20
    assert np.median(values) > 0.94 and values.mean() > 0.88
    assert (values > 0.8).mean() > 0.87
    assert [name[:8] for name, score in scores.items() if score < 0.5] == ["d5624d29"]
