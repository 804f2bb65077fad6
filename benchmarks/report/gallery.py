"""The cases that the page shows in three dimensions, as JSON: one island for each, unpacked when shown."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.gallery.cases import Cases
from benchmarks.gallery.picture import Case, Drawn
from benchmarks.report.surfaces import FAR, POINTS, SPAN, Surface, TruePoints, faces_each

RAMP, FIRST, LAST, STOPS = "YlOrRd", 0.2, 0.85, 9
"""Colours of distances: pale where the surface is right, so that its shape is seen, red where not. The ends
of the map are left out: one is too pale for points on a light page, the other too dark for a dark one."""


def pack_cases(cases: Cases, columns: Mapping[str, str]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What the page knows of all cases at once, and what it unpacks of each.

    An instance that is chosen twice, of all and of its category, is packed once with both tags.

    Args:
        columns: rows whose predictions are shown, with their headings.
    """
    found: dict[str, Case] = {}
    tags: dict[str, list[tuple[str, str]]] = {}
    for scope, chosen in (("", cases.overall), (None, cases.by_category)):
        for case in chosen:
            found.setdefault(case.id, case)
            tags.setdefault(case.id, []).append((case.category if scope is None else scope, case.group))
    order = sorted(found.values(), key=lambda case: (case.category, tags[case.id][-1][1], case.id))
    index = [
        {"id": case.id, "category": case.category, "tags": [list(tag) for tag in tags[case.id]]}
        for case in order
    ]
    faces = faces_each(len(order) * (len(columns) + 1))
    head = {
        "chosen": cases.chosen,
        "models": [list(column) for column in columns.items()],
        "cases": index,
        "faces": faces,
        "points": POINTS,
        "far": FAR,
        "span": SPAN,
        "ramp": ramp(),
    }
    return head, [_packed(case, list(columns), faces) for case in order]


def ramp() -> list[str]:
    """Colours of the distance scale from 0 to `FAR`, evenly spaced."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(colormaps[RAMP](x)) for x in np.linspace(FIRST, LAST, STOPS)]


def _packed(case: Case, models: list[str], faces: int) -> dict[str, Any]:
    truth = TruePoints(case.truth)
    camera = case.camera
    return {
        "image": None if case.image is None else _picture(case.image),
        "camera": [35.0, 20.0] if camera is None else [camera.azimuth, camera.elevation],
        "truth": Surface.of(case.truth, 0.5, faces=faces).packed(),
        "models": {name: _drawn(case.predictions, name, truth, faces) for name in models},
    }


def _drawn(
    predictions: Mapping[str, Drawn], name: str, truth: TruePoints, faces: int
) -> dict[str, Any] | None:
    drawn = predictions.get(name)
    if drawn is None:
        return None
    return {
        "surface": Surface.of(drawn.shape, drawn.level, truth, faces).packed(),
        "scores": [[label, value] for label, value in drawn.scores.items()],
        "maps": [_picture(image) for image in drawn.maps],
    }


def _picture(image: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
