from __future__ import annotations

import json
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from datasets.formats.meshes import FORMATS, read_mesh
from tests.helpers.mesh_files import BODY, glb, put, srgb, triangle_tree


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("meshes")


def corners(triangles: np.ndarray) -> list:
    """The triangles, however their corners are numbered and ordered."""
    return sorted(sorted(map(tuple, t)) for t in np.round(triangles, 5).tolist())


def area(triangles: np.ndarray) -> np.ndarray:
    return np.linalg.norm(np.cross(*np.moveaxis(np.diff(triangles, axis=1), 1, 0)), axis=1) / 2


@settings(deadline=None, max_examples=60)
@given(data=st.data(), kind=st.sampled_from(FORMATS))
def test_round_trip_of_each_format(folder, data, kind):
    coordinates = st.floats(-100, 100, width=32).filter(lambda x: x == 0 or abs(x) > 1e-3)
    vertices = data.draw(hnp.arrays(np.float64, (data.draw(st.integers(3, 12)), 3), elements=coordinates))
    faces = data.draw(hnp.arrays(np.int64, (6, 3), elements=st.integers(0, len(vertices) - 1)))
    faces = faces[area(vertices[faces]) > 1e-2]
    if not len(faces):
        return
    exported = trimesh.Trimesh(vertices, faces, process=False).export(file_type=kind)
    if kind == "gltf":
        for name, part in exported.items():
            put(folder, name, part)
        path = folder / "model.gltf"
    else:
        path = put(folder, f"model.{kind}", exported)
    read = read_mesh(path)
    assert len(read.mesh.faces) == len(faces)
    np.testing.assert_allclose(corners(read.mesh.triangles), corners(vertices[faces]), atol=2e-5)


# --- what is in a file -------------------------------------------------------------------------------------


def test_polygons_become_triangles(tmp_path):
    points = [(0, 0, 0), (1, 0, 0), (2, 1, 0), (1, 2, 0), (0, 1, 0)]
    text = "".join(f"v {x} {y} {z}\n" for x, y, z in points)
    read = read_mesh(put(tmp_path, "a.obj", text + "f 1 2 3 4 5\nf 1 2 3\n"))
    assert len(read.mesh.faces) == 4
    assert area(read.mesh.triangles).sum() == pytest.approx(2.5 + 0.5)
    assert read.face_colors is None
    quads = read_mesh(put(tmp_path, "b.obj", text + "f 1 2 3 4\nf 2 3 4 5\n"))
    assert len(quads.mesh.faces) == 4


def test_relative_indices_count_from_where_they_stand(tmp_path):
    first = "v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nf -3/-1 -2/-1 -1/-1\n"
    second = "v 0 0 5\nv 1 0 5\nv 0 1 5\nf -3 -2 -1\n"
    read = read_mesh(put(tmp_path, "a.obj", first + second))
    absolute = first.replace("-3/-1 -2/-1 -1/-1", "1 2 3") + second.replace("-3 -2 -1", "4 5 6")
    assert corners(read.mesh.triangles) == corners(read_mesh(put(tmp_path, "b.obj", absolute)).mesh.triangles)
    assert len(read.mesh.faces) == 2


def test_triangles_without_area_are_dropped_with_their_colours(tmp_path):
    text = "v 0 0 0 1 0 0\nv 1 0 0 1 0 0\nv 0 1 0 1 0 0\nv 2 0 0 0 0 1\n"
    read = read_mesh(put(tmp_path, "a.obj", text + "f 1 2 4\nf 1 2 3\nf 1 1 2\nf 2 4 3\n"))
    assert len(read.mesh.faces) == len(read.face_colors) == 2
    np.testing.assert_allclose(sorted(read.face_colors.tolist()), [[2 / 3, 0, 1 / 3], [1, 0, 0]], atol=1e-2)


def test_placement_of_parts_and_instances(tmp_path):
    nodes = [
        {"children": [1, 2], "translation": [10, 0, 0]},
        {"mesh": 0, "scale": [2, 2, 2]},
        {"mesh": 0, "scale": [-1, 1, 1], "translation": [0, 5, 0]},
    ]
    read = read_mesh(put(tmp_path, "a.glb", glb(triangle_tree(nodes=nodes), BODY)))
    expected = [
        [[10, 0, 0], [12, 0, 0], [10, 2, 0]],
        [[10, 5, 0], [9, 5, 0], [10, 6, 0]],
    ]
    assert corners(read.mesh.triangles) == corners(np.array(expected, float))
    a, b, c = read.mesh.triangles.transpose(1, 0, 2)
    # the mirrored part still looks towards +z
    assert (np.cross(b - a, c - a)[:, 2] > 0).all()


# real files


@pytest.fixture(scope="module")
def samples() -> Path:
    data = os.environ.get("R3D_SAMPLE_DATA")
    if not data:
        pytest.skip("R3D_SAMPLE_DATA is not set: the folder of real samples")
    return Path(data)


@pytest.mark.data
def test_real_shapenet_models(samples):
    paths = sorted(samples.glob("shapenet_v2/*/*/models/*.obj"))
    textured = 0
    for path in paths:
        read = read_mesh(path)
        plain = trimesh.load_mesh(path, process=False, skip_materials=True)
        assert 0 < len(read.mesh.faces) <= len(plain.faces)
        np.testing.assert_allclose(read.mesh.bounds, plain.bounds, atol=1e-9)
        assert read.face_colors.shape == read.mesh.faces.shape
        materials = path.with_suffix(".mtl").read_text(encoding="utf-8")
        if "map_Kd" in materials:
            textured += 1
            # pictures have colours that no material states
            stated = {tuple(line.split()[1:]) for line in materials.splitlines() if line.startswith("Kd")}
            known = np.array([[float(x) for x in row] for row in stated])
            distance = np.abs(read.face_colors[:, None] - known).max(-1).min(1)
            assert distance.max() > 0.01
    assert len(paths) >= 20
    assert textured >= 5


@pytest.mark.data
def test_real_glb_models_have_colours(samples):
    paths = sorted(samples.glob("meshes_cc0/*/**/*.glb"))[::8]
    for path in paths:
        read = read_mesh(path)
        assert read.face_colors.shape == read.mesh.faces.shape
        json_length = struct.unpack_from("<I", path.read_bytes(), 12)[0]
        tree = json.loads(path.read_bytes()[20 : 20 + json_length])
        factors = [m["pbrMetallicRoughness"]["baseColorFactor"][:3] for m in tree["materials"]]
        distance = np.abs(read.face_colors[:, None] - srgb(np.array(factors))).max(-1).min(1)
        assert distance.max() < 0.01  # trimesh rounds the factors to bytes
    assert len(paths) >= 25


@pytest.mark.data
def test_real_pix3d_models(samples):
    for path in sorted(samples.glob("pix3d_layout/models/*/*.obj")):
        read = read_mesh(path)
        # photographed boxes: brown, not the gray of their material
        assert (read.face_colors[:, 0] > read.face_colors[:, 2] + 0.05).mean() > 0.5
