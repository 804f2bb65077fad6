from __future__ import annotations

import json
import logging
import os
import struct
import tracemalloc
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets import BadItem
from datasets.formats.meshes import read_mesh
from tests.helpers.mesh_files import BODY, OBJ, POSITIONS, glb, put, triangle_tree

TRIANGLE = b"v 0 0 0\nv 1 0 0\nv 0 1 0\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("meshes")


PLY = (
    b"ply\nformat %s 1.0\nelement vertex %d\nproperty float x\nproperty float y\nproperty float z\n"
    b"element face %d\nproperty list uchar int vertex_indices\nend_header\n"
)
PLY_BODY = POSITIONS.tobytes() + b"\x03" + np.arange(3, dtype="<i4").tobytes()
ASCII, BINARY = b"ascii", b"binary_little_endian"
ASCII_BODY = b"0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n"
OFF = b"OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n"
STL = trimesh.creation.box().export(file_type="stl")
STL_TEXT = trimesh.creation.box().export(file_type="stl_ascii").encode()


def nested(count: int) -> dict[str, Any]:
    return triangle_tree(nodes=[{"mesh": 0}] * count)


def chain(count: int) -> dict[str, Any]:
    """Each node is the only child of the one before."""
    return triangle_tree(nodes=[{"children": [i + 1]} for i in range(count - 1)] + [{"mesh": 0}])


def accessor(index: int, **changes: Any) -> dict[str, Any]:
    tree = triangle_tree()
    tree["accessors"][index] |= changes
    return tree


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.dae", b"", "'.dae' is no known kind of mesh; known are obj, off, ply, stl, glb, gltf"),
        ("a.obj", b"", "no faces"),
        ("a.obj", b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "no faces"),
        ("a.obj", TRIANGLE, "no faces; a cloud of points or lines is no mesh"),
        ("a.obj", TRIANGLE + b"f 1 2 4\n", "faces name vertices outside 0...2"),
        ("a.obj", TRIANGLE + b"f 0 1 2\n", "line 4 names v 0, which does not exist"),
        ("a.obj", TRIANGLE + b"f -1 -2 -4\n", "line 4 names v -4, which does not exist"),
        ("a.obj", TRIANGLE + b"f 1 2 99999999999999999999\n", "broken obj|outside 0...2"),
        ("a.obj", TRIANGLE + b"f 1 2 x\n", "broken obj"),
        ("a.obj", b"v 0 0 0\nv 1 0 zero\nv 0 1 0\nf 1 2 3\n", "broken obj"),
        ("a.obj", b"v 0 0 0\nv 1 0 nan\nv 0 1 0\nf 1 2 3\n", "NaN or infinity"),
        ("a.obj", b"v 0 0 0\nv 1 0 inf\nv 0 1 0\nf 1 2 3\n", "NaN or infinity"),
        ("a.obj", b"v 0 0 0\nv 1 0 1e300\nv 0 1 0\nf 1 2 3\n", r"coordinates up to 1e\+300"),
        ("a.obj", b"v 0 0\nv 1 0\nv 0 1\nf 1 2 3\n", "broken vertex '0 0'"),
        ("a.obj", TRIANGLE + b"f 1 1 2\nf 2 2 2\n", "none of its 2 triangles has an area"),
        ("a.off", b"", "not an OFF file"),
        ("a.off", b"PLY\n3 1 0\n", "not an OFF file"),
        ("a.off", OFF[:-8], "truncated: 3 lines for 3 vertices and 1 faces"),
        ("a.off", OFF.replace(b"3 0 1 2", b"3 0 1"), "broken or truncated face '3 0 1'"),
        ("a.off", OFF.replace(b"3 0 1 2", b"3 0 1 7"), "outside 0...2"),
        ("a.off", OFF.replace(b"3 0 1 2", b"3 0 1 -1"), "outside 0...2"),
        (
            "a.off",
            OFF.replace(b"3 1 0\n", b"3 999999999999 0\n"),
            "999,999,999,999 faces, the limit is 2,000,000",
        ),
        ("a.off", OFF.replace(b"3 1 0\n", b"999999999999 1 0\n"), "truncated: 4 lines for 999,999,999,999"),
        ("a.off", OFF.replace(b"3 1 0\n", b"-3 1 0\n"), "not an OFF file"),
        ("a.off", OFF.replace(b"1 0 0\n", b"1 nan 0\n"), "NaN or infinity"),
        ("a.ply", b"", "not a PLY file"),
        ("a.ply", b"ply\nformat ascii 1.0\nelement vertex 3\n", "truncated in its header"),
        ("a.ply", PLY % (ASCII, 3, 1) + ASCII_BODY[:-8], "truncated: 3 lines, the header says 4"),
        ("a.ply", PLY % (ASCII, 3, 1) + ASCII_BODY + b"3 0 1 2\n", "too long: 5 lines"),
        ("a.ply", PLY % (ASCII, 3, 1) + ASCII_BODY[:-2], "truncated: it ends within its 1 elements 'face'"),
        ("a.ply", PLY % (ASCII, 3, 1) + ASCII_BODY.replace(b"3 0 1 2", b"3 0 1 9"), "outside 0...2"),
        ("a.ply", PLY % (ASCII, 3, 1) + ASCII_BODY.replace(b"3 0 1 2", b"3 0 1 -1"), "outside 0...2"),
        ("a.ply", PLY % (ASCII, 3, 1) + ASCII_BODY.replace(b"1 0 0", b"1 0 x"), "broken ply"),
        ("a.ply", PLY % (BINARY, 3, 1) + PLY_BODY[:-1], "truncated: it ends within its 1 elements 'face'"),
        ("a.ply", PLY % (BINARY, 3, 1), "truncated: it ends within its 3 elements 'vertex'"),
        ("a.ply", PLY % (BINARY, 3, 10**12) + PLY_BODY, "1,000,000,000,000 faces, the limit is 2,000,000"),
        (
            "a.ply",
            PLY % (BINARY, 10**15, 1) + PLY_BODY,
            "vertices and other elements, the limit is 8,000,000",
        ),
        ("a.ply", (PLY % (ASCII, 3, 1)).replace(b"vertex 3", b"vertex -3") + ASCII_BODY, "impossible counts"),
        ("a.ply", (PLY % (BINARY, 3, 0)) + POSITIONS.tobytes(), "no faces|broken ply"),
        ("a.ply", (PLY % (BINARY, 3, 1)) + b"\xff" * 36 + PLY_BODY[36:], "NaN or infinity"),
        ("a.stl", b"", "not an STL file, or truncated"),
        (
            "a.stl",
            STL[:-1],
            "not an STL file, or truncated: no text, and 683 bytes where the header says 684",
        ),
        (
            "a.stl",
            STL[:80] + struct.pack("<I", 2**32 - 1) + STL[84:],
            "where the header says 214,748,364,834",
        ),
        ("a.stl", STL[:80] + bytes(4), "no faces"),
        ("a.stl", STL_TEXT[:-40], "truncated: the text does not end with 'endsolid'"),
        ("a.stl", STL_TEXT.replace(b"vertex", b"vertex x", 1), "broken stl"),
        ("a.glb", b"", "not a GLB file"),
        ("a.glb", b"glTF\2\0\0\0", "truncated header"),
        ("a.glb", glb(triangle_tree(), BODY)[:-3], "truncated: the header says"),
        ("a.glb", glb(triangle_tree(), BODY, version=1), "GLB version 1"),
        ("a.glb", glb(triangle_tree(), BODY, length=2**32 - 1), "truncated: the header says 4,294,967,295"),
        ("a.glb", glb(triangle_tree(), BODY, json_length=2**32 - 1), "truncated: a chunk of 4,294,967,295"),
        ("a.glb", glb(triangle_tree(), BODY, body_length=2**32 - 1), "truncated: a chunk of 4,294,967,295"),
        ("a.glb", glb(triangle_tree(), BODY, json_length=8), "truncated|JSON cannot be read"),
        ("a.glb", glb(triangle_tree(), BODY[:-2]), "truncated: a view up to byte 42 of a buffer of 40"),
        ("a.gltf", b"{", "JSON cannot be read"),
        ("a.gltf", b"[]", "its JSON is no object"),
        ("a.gltf", b"[" * 100_000, "JSON cannot be read"),
        ("a.gltf", b"{}", "no faces|broken gltf"),
        ("a.gltf", b'{"nodes": [' + b"1," * 5_000_001 + b"1]}", "its JSON holds about 5,000,0.. values"),
        (
            "a.glb",
            glb(accessor(0, count=10**12), BODY),
            "its accessors hold 12,000,000,000,006 bytes, the limit",
        ),
        (
            "a.glb",
            glb(accessor(1, count=10**8), BODY),
            "100,000,003 vertices and indices, the limit is 12,000,000",
        ),
        ("a.glb", glb(accessor(0, count=-3), BODY), "'count' is -3, not a whole number"),
        ("a.glb", glb(accessor(0, count="3"), BODY), "'count' is 3, not a whole number"),
        ("a.glb", glb(accessor(0, componentType=7), BODY), "an accessor of type 7 VEC3"),
        ("a.glb", glb(accessor(0, sparse={}), BODY), "'count' is None, not a whole number"),
        ("a.glb", glb(accessor(0, type="VEC2"), BODY), "positions of type 5126 VEC2"),
        ("a.glb", glb(accessor(0, bufferView=9), BODY), "broken glb"),
        (
            "a.glb",
            glb(accessor(1, byteOffset=2), BODY),
            "truncated: 3 values of 2 bytes in a view of 6 bytes",
        ),
        (
            "a.glb",
            glb(triangle_tree(bufferViews=[{"buffer": 0, "byteLength": 10**9}] * 9), BODY),
            "its views hold 9,000,000,000 bytes",
        ),
        ("a.glb", glb(triangle_tree(extensionsRequired=["KHR_draco_mesh_compression"]), BODY), "KHR_draco"),
        ("a.glb", glb(nested(10_001), BODY), "10,001 nodes, the limit is 10,000"),
        ("a.glb", glb(triangle_tree(nodes=[{"children": [1, 1]}, {"mesh": 0}]), BODY), "two parents"),
        ("a.glb", glb(triangle_tree(nodes=[{"children": [0], "mesh": 0}]), BODY), "two parents"),
        ("a.glb", glb(chain(101), BODY), "nodes more than 100 deep"),
        ("a.glb", glb(triangle_tree(scenes=[{"nodes": [7]}]), BODY), "broken glb"),
        (
            "a.glb",
            glb(triangle_tree(meshes=[{"primitives": [{"attributes": {"POSITION": 0}}] * 10_001}]), BODY),
            "10,001 primitives, the limit is 10,000",
        ),
        (
            "a.glb",
            glb(triangle_tree(meshes=[{"primitives": [{"attributes": {}}]}]), BODY),
            "names accessor -1 of 2",
        ),
        ("a.glb", glb(triangle_tree(nodes=7), BODY), "'nodes' is no list of objects"),
        ("a.glb", glb(triangle_tree(), BODY[:36] + b"\1\0\2\0\3\0"), "outside 0...2"),
    ],
)
def test_hostile_files_are_named(tmp_path, name, data, reason, caplog):
    path = put(tmp_path, name, data)
    with warnings.catch_warnings(record=True) as seen, pytest.raises(BadItem, match=reason) as caught:
        warnings.simplefilter("always")
        read_mesh(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert seen == []
    assert caplog.records == []


def test_limits_on_faces(tmp_path):
    fan = put(tmp_path, "fan.obj", TRIANGLE + b"f 1 2 3" + b" 1 2 3" * 40 + b"\n")
    with pytest.raises(BadItem, match="121 faces, the limit is 50"):
        read_mesh(fan, max_faces=50)
    many = put(tmp_path, "many.obj", TRIANGLE + b"f 1 2 3\n" * 51)
    with pytest.raises(BadItem, match="51 faces, the limit is 50"):
        read_mesh(many, max_faces=50)
    assert len(read_mesh(many, max_faces=51).mesh.faces) == 51
    points = put(tmp_path, "points.obj", TRIANGLE * 60 + b"f 1 2 3\n")
    with pytest.raises(BadItem, match="180 lines 'v', the limit is 150"):
        read_mesh(points, max_faces=50)
    materials = "".join(f"usemtl {i}\nf 1 2 3\n" for i in range(10_001))
    with pytest.raises(BadItem, match="10,001 materials, the limit is 10,000"):
        read_mesh(put(tmp_path, "materials.obj", TRIANGLE + materials.encode()))
    instances = put(
        tmp_path,
        "a.glb",
        glb(triangle_tree(nodes=[{"mesh": 0}] * 51, scenes=[{"nodes": [*range(51)]}]), BODY),
    )
    with pytest.raises(BadItem, match="51 triangles or more, the limit is 50"):
        read_mesh(instances, max_faces=50)
    assert len(read_mesh(instances).mesh.faces) == 51


def test_nodes_may_be_deep(tmp_path):
    assert len(read_mesh(put(tmp_path, "a.glb", glb(chain(100), BODY))).mesh.faces) == 1


def test_limit_on_bytes_and_missing_files(tmp_path):
    path = put(tmp_path, "a.off", OFF)
    with pytest.raises(BadItem, match=f"{len(OFF)} bytes, the limit is 10"):
        read_mesh(path, max_bytes=10)
    with pytest.raises(BadItem, match=r"absent\.obj: No such file"):
        read_mesh(tmp_path / "absent.obj")
    os.mkfifo(tmp_path / "pipe.obj")
    with pytest.raises(BadItem, match=r"pipe\.obj: not a regular file"):
        read_mesh(tmp_path / "pipe.obj")
    (tmp_path / "dir.obj").mkdir()
    with pytest.raises(BadItem, match=r"dir\.obj: (not a regular file|Is a directory)"):
        read_mesh(tmp_path / "dir.obj")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.glb", glb(accessor(0, count=10**9), BODY)),
        (
            "a.glb",
            glb(triangle_tree(accessors=[{"componentType": 5126, "count": 10**9, "type": "MAT4"}]), BODY),
        ),
        ("a.ply", PLY % (BINARY, 3, 10**9) + PLY_BODY),
        ("a.stl", STL[:80] + struct.pack("<I", 2**31) + STL[84:]),
        ("a.off", OFF.replace(b"3 1 0\n", b"999999999 1 0\n")),
    ],
)
def test_refusing_allocates_little(tmp_path, name, data):
    path = put(tmp_path, name, data)
    tracemalloc.start()
    try:
        with pytest.raises(BadItem):
            read_mesh(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20


def test_what_the_loader_survives_is_not_logged(tmp_path, caplog):
    path = put(tmp_path, "a.stl", STL_TEXT.replace(b"normal", b"normal x"))
    assert len(read_mesh(path).mesh.faces) == 12
    assert caplog.records == []
    trimesh.load_mesh(path)
    assert "face_normals" in caplog.text  # there is something to silence


def test_the_logger_is_as_it_was(tmp_path):
    log = logging.getLogger("trimesh")
    before = log.level
    with pytest.raises(BadItem):
        read_mesh(put(tmp_path, "a.obj", b""))
    assert log.level == before


BINARY_FILES = {
    "off": OFF,
    "ply": PLY % (BINARY, 3, 1) + PLY_BODY,
    "stl": STL,
    "glb": glb(triangle_tree(), BODY),
}


@pytest.mark.parametrize("kind", BINARY_FILES)
def test_any_truncation_is_an_error(tmp_path, kind):
    data = BINARY_FILES[kind].rstrip(b"\n")
    path = tmp_path / f"a.{kind}"
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(BadItem, match=rf"a\.{kind}: "):
            read_mesh(path)


WHOLE = BINARY_FILES | {
    "obj": OBJ.encode(),
    "gltf": json.dumps(triangle_tree()).encode(),
    "stl": STL_TEXT,
}


@settings(deadline=None, max_examples=150)
@given(data=st.data(), kind=st.sampled_from(sorted(WHOLE)))
def test_flipped_bytes_are_a_mesh_or_a_bad_item(folder, data, kind):
    broken = bytearray(WHOLE[kind])
    for place in data.draw(st.lists(st.integers(0, len(broken) - 1), min_size=1, max_size=5)):
        broken[place] = data.draw(st.integers(0, 255))
    check_read(folder / f"flipped.{kind}", bytes(broken))


@settings(deadline=None, max_examples=150)
@given(noise=st.binary(max_size=200), kind=st.sampled_from(sorted(WHOLE)), cut=st.integers(0, 120))
def test_noise_is_a_mesh_or_a_bad_item(folder, noise, kind, cut):
    check_read(folder / f"noise.{kind}", WHOLE[kind][:cut] + noise)


def check_read(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    try:
        read = read_mesh(path)
    except BadItem as error:
        assert str(error).startswith(f"{path}: ")
    else:
        assert len(read.mesh.faces)
        assert read.face_colors is None or read.face_colors.shape == read.mesh.faces.shape
        assert read.face_colors is None or (read.face_colors.min() >= 0 and read.face_colors.max() <= 1)
