"""Metrics as plain functions, for scripts: two arrays in, numbers out.

>>> import numpy as np
>>> from zoo.metrics import functional
>>> cloud = np.random.default_rng(0).random((100, 3))
>>> functional.chamfer(cloud, cloud).cd, functional.emd(cloud, cloud)
(0.0, 0.0)

The table's numbers are these, on points and grids that a protocol prepares; see `benchmarks.protocols`.
"""

from __future__ import annotations

from zoo.metrics.chamfer import Chamfer, chamfer
from zoo.metrics.emd import emd
from zoo.metrics.fscore import FScore, fscore
from zoo.metrics.iou import iou, iou_curve

__all__ = ["Chamfer", "FScore", "chamfer", "emd", "fscore", "iou", "iou_curve"]
