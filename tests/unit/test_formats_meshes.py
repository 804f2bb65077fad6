from __future__ import annotations

import io
import json
import logging
import os
import struct
import tracemalloc
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from datasets import BadItem
from datasets.formats.meshes import FORMATS, GRAY, read_mesh
from zoo.geometry.camera import Camera
from zoo.geometry.render import render

TRIANGLE = b"v 0 0 0\nv 1 0 0\nv 0 1 0\n"
RED, GREEN, BLUE = [1, 0, 0], [0, 1, 0], [0, 0, 1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("meshes")


def put(folder: Path, name: str, data: bytes | str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def picture(folder: Path, name: str, pixels: Any) -> Path:
    path = put(folder, name, b"")
    Image.fromarray(np.asarray(pixels, np.uint8)).save(path)
    return path


def glb(tree: dict[str, Any], body: bytes = b"", **claims: int) -> bytes:
    """A GLB of its parts; `claims` lie about version, length, json_length, body_length."""
    text = json.dumps({"asset": {"version": "2.0"}, **tree}).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<II", claims.get("json_length", len(text)), 0x4E4F534A) + text
    chunks += struct.pack("<II", claims.get("body_length", len(body)), 0x004E4942) + body
    length = claims.get("length", 12 + len(chunks))
    return struct.pack("<4sII", b"glTF", claims.get("version", 2), length) + chunks


POSITIONS = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], np.float32)


def triangle_tree(**changes: Any) -> dict[str, Any]:
    """One triangle with indices, to break as a test likes."""
    tree = {
        "buffers": [{"byteLength": 42}],
        "bufferViews": [
            {"buffer": 0, "byteOffset": 0, "byteLength": 36},
            {"buffer": 0, "byteOffset": 36, "byteLength": 6},
        ],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"},
            {"bufferView": 1, "componentType": 5123, "count": 3, "type": "SCALAR"},
        ],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "nodes": [{"mesh": 0}],
        "scenes": [{"nodes": [0]}],
        "scene": 0,
    }
    return tree | changes


BODY = POSITIONS.tobytes() + np.array([0, 1, 2], np.uint16).tobytes()


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


def test_up_axis(tmp_path):
    path = put(tmp_path, "a.obj", b"v 0 0 0\nv 1 0 0\nv 0 0 2\nf 1 2 3\n")
    np.testing.assert_array_equal(read_mesh(path).mesh.vertices[2], [0, 0, 2])
    turned = read_mesh(path, up="z").mesh.vertices
    np.testing.assert_array_equal(turned, [[0, 0, 0], [1, 0, 0], [0, 2, 0]])
    # up and front to the viewer's left: what was y is now away from z
    other = put(tmp_path, "b.obj", b"v 0 0 0\nv 1 0 0\nv 0 2 0\nf 1 2 3\n")
    np.testing.assert_array_equal(read_mesh(other, up="z").mesh.vertices[2], [0, 0, -2])


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


# --- colours -----------------------------------------------------------------------------------------------


def test_colours_of_faces_and_vertices(tmp_path):
    box = trimesh.creation.box()
    box.visual.face_colors = np.tile([[255, 0, 0, 255], [0, 51, 0, 255]], (6, 1))
    read = read_mesh(put(tmp_path, "a.ply", box.export(file_type="ply")))
    np.testing.assert_allclose(read.face_colors, np.tile([[1, 0, 0], [0, 0.2, 0]], (6, 1)))
    text = "v 0 0 0 1 0 0\nv 1 0 0 0 1 0\nv 0 1 0 0 0 1\nf 1 2 3\n"
    read = read_mesh(put(tmp_path, "a.obj", text))
    np.testing.assert_allclose(read.face_colors, [[1 / 3] * 3], atol=1e-2)
    assert read_mesh(tmp_path / "a.obj", colors=False).mesh.vertices.shape == (3, 3)


OBJ = (
    "mtllib a.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nvt 0.25 0.25\nvt 0.75 0.75\nvt 7.25 -2.25\n"
    "usemtl red\nf 1 2 3\nusemtl painted\nf 1/1 2/1 4/1\nf 2/2 3/2 4/2\nf 1/3 3/3 4/3\n"
)
MTL = "newmtl red\nKd 1 0 0\nnewmtl painted\nKd 0 0 0.2\nmap_Kd {}\n"
PIXELS = [[[0, 0, 255], [0, 255, 0]], [[255, 255, 0], [0, 255, 255]]]


@pytest.mark.parametrize(
    ("place", "named"),
    [
        ("m/t.png", "t.png"),
        ("m/tex/t.png", "tex/t.png"),
        ("images/t.png", "../images/t.png"),
        ("images/t.png", r"..\images\t.png"),
        ("m/t.png", "C:\\Users\\somebody\\t.png"),
        ("textures/t.png", "/home/somebody/t.png"),
        ("m/a b.png", "a b.png"),
    ],
)
def test_obj_with_materials_and_textures(tmp_path, place, named):
    picture(tmp_path, place, PIXELS)
    put(tmp_path, "m/a.mtl", MTL.format(named))
    read = read_mesh(put(tmp_path, "m/a.obj", OBJ))
    # by the corner that a face lacks; (.25, .25) is below left, (.75, .75) above right, and (7.25, -2.25)
    # repeats to (.25, .75), above left
    expected = {(0, 0, 1): RED, (0, 1, 0): [1, 1, 0], (0, 0, 0): GREEN, (1, 0, 0): BLUE}
    points = {(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)}
    for triangle, color in zip(read.mesh.triangles, read.face_colors, strict=True):
        (absent,) = points - set(map(tuple, triangle.tolist()))
        assert color.tolist() == expected.pop(absent)
    assert expected == {}
    assert read_mesh(tmp_path / "m/a.obj", colors=False).face_colors is None


def test_a_face_over_a_texture_has_a_mean_of_it(tmp_path):
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, 2)
    picture(tmp_path, "t.png", ramp)
    put(tmp_path, "a.mtl", "newmtl m\nmap_Kd t.png\n")
    text = "mtllib a.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 0.5 1\nusemtl m\nf 1/1 2/2 3/3\n"
    np.testing.assert_allclose(read_mesh(put(tmp_path, "a.obj", text)).face_colors, [[0.5] * 3], atol=0.01)


def test_what_is_missing_leaves_the_colour_of_the_material_or_gray(tmp_path, capfd):
    put(tmp_path, "m/a.obj", OBJ)
    assert read_mesh(tmp_path / "m/a.obj").face_colors is None
    put(tmp_path, "m/a.mtl", MTL.format("absent.png"))
    read = read_mesh(tmp_path / "m/a.obj")
    assert sorted(np.round(read.face_colors, 6).tolist()) == [[0, 0, 0.2]] * 3 + [RED]
    put(tmp_path, "m/absent.png", b"\x89PNG\r\n\x1a\n and no more")
    np.testing.assert_array_equal(read_mesh(tmp_path / "m/a.obj").face_colors, read.face_colors)
    put(tmp_path, "m/a.mtl", "newmtl red\nKd 1 0 0\n")
    read = read_mesh(tmp_path / "m/a.obj")
    assert sorted(np.round(read.face_colors, 6).tolist()) == [[GRAY] * 3] * 3 + [RED]
    assert capfd.readouterr() == ("", "")


def test_a_texture_of_gigabytes_is_not_decoded(tmp_path):
    path = picture(tmp_path, "t.png", PIXELS)
    data = bytearray(path.read_bytes())
    data[16:24] = struct.pack(">II", 60_000, 60_000)
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    path.write_bytes(data)
    put(tmp_path, "a.mtl", MTL.format("t.png"))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        read = read_mesh(put(tmp_path, "a.obj", OBJ))
    assert sorted(np.round(read.face_colors, 6).tolist()) == [[0, 0, 0.2]] * 3 + [RED]
    assert seen == []


SECRET = "newmtl red\nKd 0 1 0\n"


@pytest.mark.parametrize("named", ["../../secret.mtl", "../secret.mtl", "link.mtl", "{root}/secret.mtl"])
def test_materials_from_elsewhere_are_not_read(tmp_path, named):
    put(tmp_path, "secret.mtl", SECRET)
    put(tmp_path, "set/secret.mtl", SECRET)
    (tmp_path / "set/m").mkdir()
    (tmp_path / "set/m/link.mtl").symlink_to(tmp_path / "secret.mtl")
    text = OBJ.replace("a.mtl", named.format(root=tmp_path))
    assert read_mesh(put(tmp_path, "set/m/a.obj", text)).face_colors is None
    # the same file in the model's folder is read: the test would notice
    put(tmp_path, "set/m/secret.mtl", SECRET)
    (tmp_path / "set/m/link.mtl").unlink()
    put(tmp_path, "set/m/link.mtl", SECRET)
    assert GREEN in read_mesh(tmp_path / "set/m/a.obj").face_colors.tolist()


@pytest.mark.parametrize(
    "uri", ["../../secret.bin", "/etc/passwd", "file:///etc/passwd", "http://a.b/c.bin", "a\0b"]
)
def test_buffers_from_elsewhere_fail_the_shape(tmp_path, uri):
    put(tmp_path, "secret.bin", BODY)
    tree = triangle_tree(buffers=[{"byteLength": 42, "uri": uri}])
    path = put(tmp_path, "set/m/a.gltf", json.dumps(tree))
    with pytest.raises(BadItem, match=r"a\.gltf: names '.*': no file in its folder, nor in images"):
        read_mesh(path)
    put(tmp_path, "set/m/secret.bin", BODY)
    if uri.endswith("secret.bin"):
        assert len(read_mesh(path).mesh.faces) == 1


def test_a_folder_of_files_is_limited_too(tmp_path):
    tree = triangle_tree(buffers=[{"byteLength": 42, "uri": "a.bin"}])
    path = put(tmp_path, "a.gltf", json.dumps(tree))
    put(tmp_path, "a.bin", BODY + bytes(2_000_000))
    with pytest.raises(BadItem, match=r"a\.bin: 2,000,042 bytes, the limit is 1,000,000"):
        read_mesh(path, max_bytes=1_000_000)


def colored(material: dict[str, Any] | None, color: np.ndarray | None = None, uv: Any = None) -> bytes:
    """A GLB triangle with a material, colours of its vertices, texture coordinates, and a picture in it."""
    body, tree = BODY + b"\0\0", triangle_tree()
    primitive = tree["meshes"][0]["primitives"][0]
    codes = {"float32": 5126, "uint8": 5121, "uint16": 5123}

    def add(name: str, values: np.ndarray, kind: str) -> None:
        nonlocal body
        tree["bufferViews"].append({"buffer": 0, "byteOffset": len(body), "byteLength": values.nbytes})
        tree["accessors"].append(
            {
                "bufferView": len(tree["bufferViews"]) - 1,
                "componentType": codes[str(values.dtype)],
                "count": len(values),
                "type": kind,
                "normalized": values.dtype != np.float32,
            }
        )
        body += values.tobytes() + bytes(-values.nbytes % 4)
        primitive["attributes"][name] = len(tree["accessors"]) - 1

    if color is not None:
        add("COLOR_0", color, f"VEC{color.shape[1]}")
    if uv is not None:
        add("TEXCOORD_0", uv, "VEC2")
        buffer = io.BytesIO()
        Image.fromarray(np.asarray(PIXELS, np.uint8)).save(buffer, "PNG")
        tree["bufferViews"].append(
            {"buffer": 0, "byteOffset": len(body), "byteLength": len(buffer.getvalue())}
        )
        body += buffer.getvalue()
        tree["images"] = [{"bufferView": len(tree["bufferViews"]) - 1, "mimeType": "image/png"}]
        tree["textures"] = [{"source": 0}]
    if material is not None:
        tree["materials"] = [{"pbrMetallicRoughness": material}]
        primitive["material"] = 0
    tree["buffers"] = [{"byteLength": len(body)}]
    return glb(tree, body)


UV = np.full((3, 2), 0.25, np.float32)  # glTF counts from above: above left, blue
TEXTURED = {"baseColorTexture": {"index": 0}}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (colored(None), None),
        (colored({"baseColorFactor": [0.2, 0.4, 0.6, 1]}), [0.2, 0.4, 0.6]),
        (colored({}), [1, 1, 1]),
        (colored(TEXTURED, uv=UV), BLUE),
        (colored(TEXTURED | {"baseColorFactor": [1, 1, 0.4, 1]}, uv=UV), [0, 0, 0.4]),
        (colored(TEXTURED), [1, 1, 1]),
        (colored(None, color=np.tile(np.float32([0.2, 0.4, 0.6]), (3, 1))), [0.2, 0.4, 0.6]),
        (colored(None, color=np.tile(np.uint8([51, 102, 153, 255]), (3, 1))), [0.2, 0.4, 0.6]),
        (colored(None, color=np.tile(np.uint16([13107, 26214, 39321, 65535]), (3, 1))), [0.2, 0.4, 0.6]),
        (colored({"baseColorFactor": [1, 0.4, 0, 1]}, color=np.full((3, 3), 0.5, np.float32)), [0.5, 0.2, 0]),
    ],
)
def test_colours_of_glb(tmp_path, data, expected):
    colors = read_mesh(put(tmp_path, "a.glb", data)).face_colors
    if expected is None:
        assert colors is None
    else:
        np.testing.assert_allclose(colors, [expected], atol=1e-3)


def test_colours_of_parts_are_told_apart(tmp_path):
    scene = trimesh.Scene()
    for place, color in ((0, [255, 0, 0, 255]), (3, [0, 0, 255, 255])):
        material = trimesh.visual.material.PBRMaterial(baseColorFactor=color)
        box = trimesh.creation.box()
        box.visual = trimesh.visual.TextureVisuals(material=material)
        scene.add_geometry(box, transform=trimesh.transformations.translation_matrix([place, 0, 0]))
    read = read_mesh(put(tmp_path, "a.glb", scene.export(file_type="glb")))
    left = read.mesh.triangles.mean(1)[:, 0] < 1.5
    assert (left.sum(), (~left).sum()) == (12, 12)
    assert (read.face_colors[left] == RED).all()
    assert (read.face_colors[~left] == BLUE).all()
    # as the renderer takes them
    picture = render(read.mesh.normalized(), Camera(30, 20, 2.0), (32, 32), face_colors=read.face_colors).rgba
    assert picture[..., 0].any() and picture[..., 2].any() and not picture[..., 1].any()


def test_ply_with_a_texture(tmp_path, capfd):
    header = (
        "ply\nformat ascii 1.0\ncomment TextureFile t.png\nelement vertex 3\nproperty float x\n"
        "property float y\nproperty float z\nproperty float s\nproperty float t\nelement face 1\n"
        "property list uchar int vertex_indices\nend_header\n"
    )
    path = put(tmp_path, "a.ply", header + "0 0 0 .2 .9\n1 0 0 .2 .9\n0 1 0 .2 .9\n3 0 1 2\n")
    assert read_mesh(path).face_colors is None
    picture(tmp_path, "t.png", PIXELS)
    np.testing.assert_allclose(read_mesh(path).face_colors, [BLUE])
    assert capfd.readouterr() == ("", "")


# --- hostile files -----------------------------------------------------------------------------------------

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
        ("a.obj", TRIANGLE + b"f 1 2 4\n", "broken obj"),
        ("a.obj", TRIANGLE + b"f 0 1 2\n", "line 4 names v 0, which does not exist"),
        ("a.obj", TRIANGLE + b"f -1 -2 -4\n", "line 4 names v -4, which does not exist"),
        ("a.obj", TRIANGLE + b"f 1 2 99999999999999999999\n", "broken obj"),
        ("a.obj", TRIANGLE + b"f 1 2 x\n", "broken obj"),
        ("a.obj", b"v 0 0 0\nv 1 0 zero\nv 0 1 0\nf 1 2 3\n", "broken obj"),
        ("a.obj", b"v 0 0 0\nv 1 0 nan\nv 0 1 0\nf 1 2 3\n", "NaN or infinity"),
        ("a.obj", b"v 0 0 0\nv 1 0 inf\nv 0 1 0\nf 1 2 3\n", "NaN or infinity"),
        ("a.obj", b"v 0 0 0\nv 1 0 1e300\nv 0 1 0\nf 1 2 3\n", r"coordinates up to 1e\+300"),
        ("a.obj", b"v 0 0\nv 1 0\nv 0 1\nf 1 2 3\n", "broken obj"),
        ("a.obj", TRIANGLE + b"f 1 1 2\nf 2 2 2\n", "none of its 2 triangles has an area"),
        ("a.off", b"", "not an OFF file"),
        ("a.off", b"PLY\n3 1 0\n", "not an OFF file"),
        ("a.off", OFF[:-8], "truncated: 3 lines for 3 vertices and 1 faces"),
        ("a.off", OFF.replace(b"3 0 1 2", b"3 0 1"), "broken or truncated face '3 0 1'"),
        ("a.off", OFF.replace(b"3 0 1 2", b"3 0 1 7"), "broken off"),
        ("a.off", OFF.replace(b"3 0 1 2", b"3 0 1 -1"), "broken off"),
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
        ("a.ply", PLY % (ASCII, 3, 1) + ASCII_BODY[:-2], "truncated face '3 0 1 ?'"),
        ("a.ply", PLY % (ASCII, 3, 1) + ASCII_BODY.replace(b"3 0 1 2", b"3 0 1 9"), "outside 0...2"),
        ("a.ply", PLY % (ASCII, 3, 1) + ASCII_BODY.replace(b"3 0 1 2", b"3 0 1 -1"), "outside 0...2"),
        ("a.ply", PLY % (ASCII, 3, 1) + ASCII_BODY.replace(b"1 0 0", b"1 0 x"), "broken ply"),
        ("a.ply", PLY % (BINARY, 3, 1) + PLY_BODY[:-1], "broken ply: .*unexpected length"),
        ("a.ply", PLY % (BINARY, 3, 1), "broken ply"),
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
        ("a.glb", glb(triangle_tree(), BODY[:-2]), "broken glb"),
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
        ("a.glb", glb(accessor(0, sparse={}), BODY), "compressed or sparse"),
        ("a.glb", glb(accessor(0, type="VEC2"), BODY), "positions of type 5126 VEC2"),
        ("a.glb", glb(accessor(0, bufferView=9), BODY), "broken glb"),
        ("a.glb", glb(accessor(1, byteOffset=2), BODY), "broken glb"),
        (
            "a.glb",
            glb(triangle_tree(bufferViews=[{"buffer": 0, "byteLength": 10**9}] * 9), BODY),
            "its views hold 9,000,000,000 bytes",
        ),
        ("a.glb", glb(triangle_tree(extensionsRequired=["KHR_draco_mesh_compression"]), BODY), "KHR_draco"),
        ("a.glb", glb(nested(10_001), BODY), "10,001 nodes, the limit is 10,000"),
        ("a.glb", glb(triangle_tree(nodes=[{"children": [1, 1]}, {"mesh": 0}]), BODY), "two parents"),
        ("a.glb", glb(triangle_tree(nodes=[{"children": [0], "mesh": 0}]), BODY), "two parents"),
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
def test_hostile_files_are_named(tmp_path, name, data, reason, capfd):
    path = put(tmp_path, name, data)
    with warnings.catch_warnings(record=True) as seen, pytest.raises(BadItem, match=reason) as caught:
        warnings.simplefilter("always")
        read_mesh(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert seen == []
    assert capfd.readouterr() == ("", "")


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


def test_the_logger_is_as_it_was(tmp_path):
    log = logging.getLogger("trimesh")
    with pytest.raises(BadItem):
        read_mesh(put(tmp_path, "a.obj", b""))
    assert not log.disabled


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


# --- real files --------------------------------------------------------------------------------------------


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
        materials = path.with_suffix(".mtl").read_text()
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
        distance = np.abs(read.face_colors[:, None] - np.array(factors)).max(-1).min(1)
        assert distance.max() < 0.003
    assert len(paths) >= 25


@pytest.mark.data
def test_real_pix3d_models(samples):
    for path in sorted(samples.glob("pix3d_layout/models/*/*.obj")):
        read = read_mesh(path)
        # photographed boxes: brown, not the gray of their material
        assert (read.face_colors[:, 0] > read.face_colors[:, 2] + 0.05).mean() > 0.5
