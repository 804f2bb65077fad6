"""Every registered protocol keeps its contract, and none changes under its name and version.

A new protocol is tested because it is registered; only its fingerprint has to be added here.
"""

from __future__ import annotations

import hashlib
import json
import math
import pickle
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from benchmarks.protocols import PROTOCOLS, Protocol, Truth, TruthError
from benchmarks.records.identity import canonical_json
from tests.helpers.protocol_shapes import box_mesh, boxes, truth
from zoo.geometry.mesh import Mesh
from zoo.registry import Entry
from zoo.shapes import MeshShape, PointShape, Shape, VoxelShape

ENTRIES = list(PROTOCOLS)
each_protocol = pytest.mark.parametrize("entry", ENTRIES, ids=[entry.name for entry in ENTRIES])
GRID = boxes(32, ((-0.4, -0.3, -0.2), (0.4, 0.3, 0.2)), ((-0.4, 0.3, -0.2), (0.0, 0.45, 0.2)))

# SHA-256 of what a protocol says and depends on. It may gain lines, and never changes one.
FINGERPRINTS = {
    "atlasnet 1": "7f35405e173a0142",
    "atlasnet 2": "d93a86e0f1723f95",
    "meshrcnn 1": "9839b9d2bcdf0094",
    "meshrcnn 2": "2a3700273606e9e9",
    "occnet 1": "e5055660b65089e8",
    "occnet 2": "774bcf82b76e6c10",
    "pix2vox 1": "33349c9bafdada08",
    "pix3d 1": "9fdb4985d1464274",
    "r2n2 1": "4387db065dbc4476",
    "r3d-v1 1": "988fa8aa7490f561",
    "r3d-v1 2": "34cd164ba389ccd1",
    "what3d 1": "aa05011fc01948db",
}


def default(entry: Entry[Protocol]) -> Protocol:
    return entry.cls(entry.config())


def small(entry: Entry[Protocol]) -> Protocol:
    return entry.cls(entry.smoke_config())


def shapes() -> dict[str, tuple[Shape | None, float | None]]:
    """One of every kind, with its threshold."""
    mesh = box_mesh((0.8, 0.6, 0.4))
    cloud = MeshShape(mesh).points(700, np.random.default_rng(0))
    return {
        "voxels": (VoxelShape(np.roll(GRID, 1, axis=0) * np.float32(0.9)), 0.4),
        "coarse voxels": (VoxelShape(boxes(16, ((-0.4, -0.3, -0.2), (0.4, 0.3, 0.2)))), 0.5),
        "nothing": (VoxelShape(np.zeros((32,) * 3, np.float32)), 0.5),
        "everything": (VoxelShape(np.ones((32,) * 3, np.float32)), 0.5),
        "mesh": (MeshShape(mesh), None),
        "points": (PointShape(cloud), None),
        "one point": (PointShape(cloud[:1]), None),
        "no points": (PointShape(np.zeros((0, 3))), None),
        "missing": (None, 0.5),
    }


PRINTED = ("name", "label", "better", "worst", "digits", "unit", "display")
"""Of a column: what its numbers mean and how they are shown."""


def fingerprint(protocol: Protocol) -> str:
    facts = {
        "id": protocol.id,
        "settings": protocol.settings,
        "description": protocol.describe(),
        "columns": [{name: asdict(c)[name] for name in PRINTED} for c in protocol.columns],
        "headline": protocol.headline,
        "curve": protocol.curve,
        "average": protocol.average,
    }
    return hashlib.sha256(canonical_json(facts).encode()).hexdigest()[:16]


@each_protocol
def test_published_and_therefore_unchanged(entry):
    protocol = default(entry)
    key, found = f"{entry.name} {protocol.version}", fingerprint(protocol)
    assert FINGERPRINTS.get(key) == found, (
        f"protocol '{entry.name}' version {protocol.version} is published: numbers measured by it lie in "
        f"result files. Put its settings, description and columns back, or give the change a new version (or "
        f"name) and add the line '{key}': '{found}'"
    )


@pytest.mark.parametrize(
    "edit",
    [
        {"text": "Protocol {id}, said otherwise"},
        {"constants": {"points": 1025}},
        {"columns": PROTOCOLS.get("pix3d").cls.columns[:3]},
        {"curve": (0.1, 0.2)},
        {"average": "category"},
        {"version": 2},
    ],
    ids=lambda edit: next(iter(edit)),
)
def test_every_edit_shows_in_the_fingerprint(edit):
    entry = PROTOCOLS.get("pix3d")
    edited = type("Edited", (entry.cls,), edit)
    assert fingerprint(edited(entry.config())) != FINGERPRINTS["pix3d 1"]


@each_protocol
def test_card(entry):
    """What `python -m benchmarks.protocols` prints, and what tables rely on."""
    protocol = default(entry)
    assert entry.summary.endswith(".") and len(entry.summary) < 130
    assert protocol.name == entry.name and protocol.version >= 1 and len(entry.cls.compares) < 80
    names = [c.name for c in protocol.columns]
    assert len(set(names)) == len(names)
    assert protocol.headline and {*protocol.headline, *protocol.cases} <= set(names)
    assert all(c.unit and math.isfinite(c.worst) for c in protocol.columns)
    assert list(protocol.curve) == sorted(set(protocol.curve))
    assert 0 < protocol.curve[0] <= protocol.curve[-1] <= 1
    assert protocol.average in ("instance", "category")
    text = protocol.describe()
    assert text.splitlines()[0] == f"Protocol {protocol.id}" and max(map(len, text.splitlines())) <= 110
    starts = {line[:11].strip() for line in text.splitlines()}
    assert {"Frame", "Threshold", "Failures", "Averages", "Compares"} <= starts
    assert json.loads(canonical_json(protocol.settings)) == json.loads(json.dumps(protocol.settings))
    for field, description in ((n, f.description) for n, f in entry.config.model_fields.items()):
        assert description, f"{entry.config.__name__}.{field} needs a docstring under it"


@each_protocol
def test_another_setting_is_another_id(entry):
    for field in entry.config.model_fields:
        if field == "points":
            assert entry.cls(entry.config(points=2000)).id != default(entry).id


@each_protocol
def test_every_kind_of_shape_is_measured_and_none_raises(entry):
    protocol, target = small(entry), truth(GRID)
    prepared = protocol.prepare(target)
    names = {c.name for c in protocol.columns}
    for kind, (shape, threshold) in shapes().items():
        result = (
            protocol.failure(threshold, target, "no prediction")
            if shape is None
            else protocol.measure(shape, threshold, target, prepared)
        )
        result = protocol.finish([result])[0]
        assert set(result.values) == names, kind
        numbers = [v for v in result.values.values() if v is not None]
        assert all(type(v) is float and math.isfinite(v) for v in numbers), kind
        assert result.failed == (result.reason is not None), kind
        if result.iou_curve is not None:
            assert result.iou_curve.shape == (len(protocol.curve),), kind
        if kind == "missing":
            assert (
                result.failed
                and result.values.items()
                <= {
                    **{c.name: c.worst for c in protocol.columns},
                    **{n: None for n, v in result.values.items() if v is None},
                }.items()
            )


@each_protocol
@pytest.mark.parametrize("kind", ["mesh", "points"])
def test_other_truths_than_voxels(entry, kind):
    protocol, target = small(entry), truth(shapes()[kind][0])
    prepared = protocol.prepare(target)
    for one in ("voxels", "nothing", "mesh", "points"):
        shape, threshold = shapes()[one]
        assert shape is not None
        result = protocol.finish([protocol.measure(shape, threshold, target, prepared)])[0]
        grids = {v for n, v in result.values.items() if n.startswith("iou") and n != "iou_volume"}
        assert result.iou_curve is None and grids <= {0.0, None}
    assert protocol.failure(0.5, target, "no prediction").failed


@each_protocol
def test_right_is_not_worse_than_wrong_and_repeats_exactly(entry):
    protocol, target = small(entry), truth(GRID)
    prepared = protocol.prepare(target)

    def scores(grid: np.ndarray) -> dict[str, Any]:
        measured = protocol.measure(VoxelShape(grid), 0.5, target, prepared)
        return protocol.finish([measured])[0].values

    right, wrong = scores(GRID), scores(GRID.transpose(1, 0, 2).copy())
    assert right == scores(GRID.copy())
    for column in protocol.columns:
        a, b = right[column.name], wrong[column.name]
        if a is not None and b is not None:
            # few points: the finest radius sees mostly noise
            assert a >= b - 0.02 if column.better == "higher" else a <= b, column.name


@each_protocol
def test_it_travels_to_another_process(entry):
    protocol, target = small(entry), truth(GRID)
    other = pickle.loads(pickle.dumps(protocol))
    shape = VoxelShape(np.roll(GRID, 2, axis=1))
    assert other.id == protocol.id
    assert (
        other.measure(shape, 0.5, target, other.prepare(target)).values
        == protocol.measure(shape, 0.5, target, protocol.prepare(target)).values
    )


def far(scale: float, shift: float = 0.0) -> list[tuple[str, Shape]]:
    """The mesh and the points of `shapes`, elsewhere."""
    mesh = box_mesh((0.8, 0.6, 0.4))
    moved = Mesh(mesh.vertices * scale + shift, mesh.faces)
    return [
        ("mesh", MeshShape(moved)),
        ("points", PointShape(MeshShape(mesh).points(700, np.random.default_rng(0)) * scale + shift)),
    ]


@each_protocol
@pytest.mark.parametrize(
    ("scale", "shift", "target"),
    [
        (100, 0, "voxels"),
        (1000, 0, "mesh"),
        (39.37, 0, "points"),
        (0.001, 50, "voxels"),
        (1, 3, "mesh"),
        (1, -1e6, "voxels"),
        (10, 10, "points"),
        (1e30, 0, "voxels"),
        (2, 1e12, "mesh"),
        (4, 0, "voxels"),
    ],
)
def test_no_value_is_worse_than_the_declared_worst(entry, scale, shift, target):
    """Otherwise leaving out the worst predictions would improve a mean."""
    protocol = small(entry)
    shape = VoxelShape(GRID) if target == "voxels" else dict(far(1))[target]
    true = truth(shape)
    prepared = protocol.prepare(true)
    for kind, prediction in far(scale, shift):
        found = protocol.finish([protocol.measure(prediction, None, true, prepared)])[0]
        missing = protocol.failure(None, true, "no prediction").values
        for column in protocol.columns:
            value, worst = found.values[column.name], missing[column.name]
            if value is None or worst is None:
                continue
            assert math.isfinite(value)
            assert value >= worst if column.better == "higher" else value <= worst, (kind, column.name)


def odd_truths() -> dict[str, Truth]:
    """Truths of which some protocols can make nothing."""
    grids = {
        "full": np.ones((32,) * 3, bool),
        "full but one": np.ones((32,) * 3, bool),
        "nothing": np.zeros((32,) * 3, bool),
        "one cell": np.zeros((32,) * 3, bool),
        "full and coarse": np.ones((4,) * 3, bool),
        "thin at 64": np.zeros((64,) * 3, bool),
        "border": np.ones((16,) * 3, bool),
        "level": np.full((16,) * 3, 0.5, np.float32),
        "soft and nowhere low": np.full((16,) * 3, 0.2, np.float32),
    }
    grids["full but one"][5, 6, 7] = grids["nothing"][0, 0, 0] = False
    grids["one cell"][3, 4, 5] = grids["thin at 64"][8, 8, 8] = True
    grids["border"][1:-1, 1:-1, 1:-1] = False
    grids["soft and nowhere low"][2:9, 2:9, 2:9] = 0.9
    meshes = {
        "flat triangle": Mesh(np.eye(3), np.array([[0, 1, 2]])),
        "triangle of one point": Mesh(np.ones((3, 3)), np.array([[0, 1, 2]])),
        "triangle of a line": Mesh(np.outer([0.0, 1, 2], np.ones(3)), np.array([[0, 1, 2]])),
        "no face": Mesh(np.eye(3), np.zeros((0, 3), np.int64)),
    }
    clouds = {
        "one point": np.ones((1, 3)),
        "one place": np.ones((9, 3)),
        "line of points": np.outer(np.arange(9.0), np.ones(3)),
        "no point": np.zeros((0, 3)),
    }
    shapes: dict[str, Shape] = {name: VoxelShape(grid) for name, grid in grids.items()}
    shapes |= {name: MeshShape(mesh) for name, mesh in meshes.items()}
    shapes |= {name: PointShape(cloud) for name, cloud in clouds.items()}
    return {name: truth(shape, name) for name, shape in shapes.items()}


@each_protocol
@pytest.mark.parametrize("name", odd_truths())
def test_a_truth_that_cannot_be_measured_against_is_known_before_anything_is(entry, name):
    """`check`, which is cheap, refuses exactly what `prepare` refuses."""
    protocol, target = small(entry), odd_truths()[name]
    said: list[str | None] = []
    for step in (protocol.check, protocol.prepare):
        try:
            step(target)
        except TruthError as error:
            said.append(str(error))
        else:
            said.append(None)
    assert said[0] == said[1]
    assert said[0] is None or f"'{name}'" in said[0]


def test_a_full_cube_is_no_truth_of_pix3d_and_one_of_the_others():
    full = odd_truths()["full"]
    for entry in ENTRIES:
        if entry.name != "pix3d":
            small(entry).check(full)
    with pytest.raises(TruthError, match=r"true shape 'full': no value below 0\.1"):
        small(PROTOCOLS.get("pix3d")).check(full)
