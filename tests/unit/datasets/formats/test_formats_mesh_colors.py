from __future__ import annotations

import io
import json
import struct
import warnings
import zlib
from typing import Any

import numpy as np
import pytest
import trimesh
from PIL import Image

from datasets import BadItem
from datasets.formats.meshes import GRAY, read_mesh
from tests.helpers.mesh_files import BODY, MTL, OBJ, PIXELS, glb, picture, put, srgb, triangle_tree
from zoo.geometry.camera import Camera
from zoo.geometry.render import render

RED, GREEN, BLUE = [1, 0, 0], [0, 1, 0], [0, 0, 1]


def test_colours_of_faces_and_vertices(tmp_path):
    box = trimesh.creation.box()
    box.visual.face_colors = np.tile([[255, 0, 0, 255], [0, 51, 0, 255]], (6, 1))
    read = read_mesh(put(tmp_path, "a.ply", box.export(file_type="ply")))
    np.testing.assert_allclose(read.face_colors, np.tile([[1, 0, 0], [0, 0.2, 0]], (6, 1)))
    text = "v 0 0 0 1 0 0\nv 1 0 0 0 1 0\nv 0 1 0 0 0 1\nf 1 2 3\n"
    read = read_mesh(put(tmp_path, "a.obj", text))
    np.testing.assert_allclose(read.face_colors, [[1 / 3] * 3], atol=1e-2)
    assert read_mesh(tmp_path / "a.obj", colors=False).mesh.vertices.shape == (3, 3)


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


def test_what_is_missing_leaves_the_colour_of_the_material_or_gray(tmp_path, caplog):
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
    assert caplog.records == []


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
        (colored(TEXTURED), None),  # a picture that is not there: nobody knows
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
        # numbers of glTF are linear light, and trimesh rounds them to bytes
        np.testing.assert_allclose(colors, [srgb(expected)], atol=0.003)


def test_light_of_glb_becomes_srgb(tmp_path):
    data = colored({"baseColorFactor": [0.2140411, 0.0, 1.0, 1]})
    np.testing.assert_allclose(read_mesh(put(tmp_path, "a.glb", data)).face_colors, [[0.5, 0, 1]], atol=0.003)
    # a texture is sRGB already, and stays as it is without a factor
    textured = colored(TEXTURED, uv=UV)
    np.testing.assert_allclose(read_mesh(put(tmp_path, "b.glb", textured)).face_colors, [BLUE], atol=1e-9)


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
    np.testing.assert_allclose(read.face_colors[left], [RED] * 12, atol=1e-9)
    np.testing.assert_allclose(read.face_colors[~left], [BLUE] * 12, atol=1e-9)
    # as the renderer takes them
    picture = render(read.mesh.normalized(), Camera(30, 20, 2.0), (32, 32), face_colors=read.face_colors).rgba
    assert picture[..., 0].any() and picture[..., 2].any() and not picture[..., 1].any()


def test_ply_with_a_texture(tmp_path, caplog):
    header = (
        "ply\nformat ascii 1.0\ncomment TextureFile t.png\nelement vertex 3\nproperty float x\n"
        "property float y\nproperty float z\nproperty float s\nproperty float t\nelement face 1\n"
        "property list uchar int vertex_indices\nend_header\n"
    )
    path = put(tmp_path, "a.ply", header + "0 0 0 .2 .9\n1 0 0 .2 .9\n0 1 0 .2 .9\n3 0 1 2\n")
    assert read_mesh(path).face_colors is None
    picture(tmp_path, "t.png", PIXELS)
    np.testing.assert_allclose(read_mesh(path).face_colors, [BLUE])
    assert caplog.records == []
