"""Textures of glTF wherever their coordinates lie and however they are stored; none is lost in silence."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.helpers.gltf_file import File
from tests.helpers.mesh_files import PIXELS


@pytest.fixture
def file() -> File:
    return File()


def painted(file: File, picture: Any = PIXELS, form: str = "PNG", **texture: Any) -> None:
    """A texture on the tetrahedron; blue, green above yellow, cyan if not said otherwise."""
    buffer = io.BytesIO()
    if form == "MPO":
        other = Image.new("RGB", (8, 8), (0, 255, 0))
        Image.fromarray(np.asarray(picture, np.uint8)).save(
            buffer, "MPO", save_all=True, append_images=[other]
        )
    else:
        Image.fromarray(np.asarray(picture, np.uint8)).save(buffer, form)
    file.tree["images"] = [{"bufferView": file.view(buffer.getvalue()), "mimeType": "image/png"}]
    file.tree["textures"] = [{"source": 0}]
    file.tree["materials"] = [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0, **texture}}}]
    file.primitive["material"] = 0


def at(file: File, u: float, v: float, name: str = "TEXCOORD_0") -> None:
    file.primitive["attributes"][name] = file.add(np.tile(np.float32([u, v]), (4, 1)))


BLUE, GREEN, YELLOW, CYAN = [0, 0, 1], [0, 1, 0], [1, 1, 0], [0, 1, 1]


def moved(**transform: Any) -> dict[str, Any]:
    return {"extensions": {"KHR_texture_transform": transform}}


@pytest.mark.parametrize(
    ("texture", "expected"),
    [
        ({}, BLUE),
        (moved(offset=[0.5, 0]), GREEN),
        (moved(offset=[0, 0.5]), YELLOW),
        (moved(scale=[3, 1]), GREEN),
        (moved(scale=[3, 3]), CYAN),
        (moved(scale=[3, 1], offset=[0, 0.5]), CYAN),
        (moved(rotation=np.pi, offset=[1, 1]), CYAN),
        (moved(rotation=np.pi / 2, scale=[1, 3], offset=[0, 1]), CYAN),
        (moved(rotation=-np.pi / 2, scale=[3, 1], offset=[1, 0]), CYAN),
        ({"texCoord": 1}, CYAN),
        ({"texCoord": 1, **moved(offset=[0.5, 0])}, YELLOW),
        (moved(texCoord=1), CYAN),
    ],
)
def test_texture_coordinates_are_moved(tmp_path, file, texture, expected):
    painted(file, **texture)
    at(file, 0.25, 0.25)
    at(file, 0.75, 0.75, "TEXCOORD_1")
    np.testing.assert_allclose(file.read(tmp_path).face_colors, [expected] * 4, atol=1e-9)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_texture_coordinates_in_whole_numbers(tmp_path, file, dtype):
    painted(file)
    values = np.tile(np.array([0.75, 0.25]) * np.iinfo(dtype).max, (4, 1)).astype(dtype)
    file.primitive["attributes"]["TEXCOORD_0"] = file.add(values, normalized=True)
    np.testing.assert_allclose(file.read(tmp_path).face_colors, [GREEN] * 4, atol=1e-9)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "MPO", "WEBP", "BMP", "TIFF", "GIF"])
def test_textures_of_every_format(tmp_path, file, form):
    painted(file, np.full((8, 8, 3), (200, 30, 30)), form)
    at(file, 0.5, 0.5)
    np.testing.assert_allclose(file.read(tmp_path).face_colors * 255, [[200, 30, 30]] * 4, atol=6)


@pytest.mark.parametrize("factor", [None, [0.2, 0.4, 0.6, 1]])
def test_a_texture_that_cannot_be_read_is_not_white(tmp_path, file, factor):
    painted(file)
    file.tree["images"][0]["bufferView"] = file.view(b"neither of them")
    at(file, 0.25, 0.25)
    if factor is None:
        assert file.read(tmp_path).face_colors is None
    else:
        file.tree["materials"][0]["pbrMetallicRoughness"]["baseColorFactor"] = factor
        assert file.read(tmp_path).face_colors.std(0).max() == 0
        assert file.read(tmp_path).face_colors[0, 0] < 0.5


def test_webp_beside_a_plain_picture(tmp_path, file):
    painted(file)
    at(file, 0.25, 0.25)
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), (0, 255, 0)).save(buffer, "WEBP", lossless=True)
    file.tree["images"].append({"bufferView": file.view(buffer.getvalue()), "mimeType": "image/webp"})
    file.tree["textures"][0]["extensions"] = {"EXT_texture_webp": {"source": 1}}
    np.testing.assert_allclose(file.read(tmp_path).face_colors, [GREEN] * 4, atol=0.01)


def test_materials_of_the_older_kind(tmp_path, file):
    glossy = {"diffuseFactor": [0.2140411, 0, 0, 1], "specularFactor": [0, 0, 0], "glossinessFactor": 0.0}
    file.tree["materials"] = [{"extensions": {"KHR_materials_pbrSpecularGlossiness": glossy}}]
    file.primitive["material"] = 0
    colors = file.read(tmp_path).face_colors
    assert colors[0, 0] > 0.4 and colors[0, 1] == colors[0, 2] < 0.05
