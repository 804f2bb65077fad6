"""OBJ however its lines are spaced, split, numbered and ended: the same cube, or a refusal that says why."""

from __future__ import annotations

import numpy as np
import pytest

from datasets import BadItem
from datasets.formats.meshes import GRAY, read_mesh
from tests.helpers.mesh_files import PIXELS, picture, put

VERTICES = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nv 0 0 1\nv 1 0 1\nv 1 1 1\nv 0 1 1\n"
FACES = "f 1 4 3 2\nf 5 6 7 8\nf 1 2 6 5\nf 2 3 7 6\nf 3 4 8 7\nf 4 1 5 8\n"
CUBE = VERTICES + FACES


def corners(triangles: np.ndarray) -> list:
    return sorted(sorted(map(tuple, t)) for t in triangles.tolist())


SPELLINGS = {
    "tabs after f": CUBE.replace("f ", "f\t"),
    "tabs everywhere": CUBE.replace(" ", "\t"),
    "indented": CUBE.replace("f 2", "  f 2").replace("v 1", "\tv 1"),
    "all indented": "    " + CUBE.replace("\n", "\n    "),
    "two blanks": CUBE.replace(" ", "  "),
    "blanks at the ends": CUBE.replace("\n", " \t\n"),
    "tab and blank": CUBE.replace("v ", "v \t").replace("f ", "f\t "),
    "CR LF": CUBE.replace("\n", "\r\n"),
    "CR alone": CUBE.replace("\n", "\r"),
    "mixed line ends": CUBE.replace("\n", "\r\n", 5).replace("f 5 6 7 8\n", "f 5 6 7 8\r"),
    "no line end at the end": CUBE.rstrip("\n"),
    "empty lines": CUBE.replace("\n", "\n\n  \n"),
    "vertical tabs and form feeds": CUBE.replace("f ", "f\v").replace("v 0 ", "v\f0 ") + "\f\n",
    "no-break spaces": CUBE.replace("f 1", "f\xa01"),
    "continued after a blank": CUBE.replace("f 1 4 3 2", "f 1 4 \\\n3 2"),
    "continued without one": CUBE.replace("f 1 4 3 2", "f 1 4\\\n3 2").replace("v 1 1 1", "v 1\\\n1 1"),
    "continued with CR LF": CUBE.replace("f 1 4 3 2", "f 1 4 \\\n   3 2").replace("\n", "\r\n"),
    "continued over three lines": CUBE.replace("f 1 4 3 2", "f\\\n1 4\\\n3\\\n2"),
    "a comment that ends in a folder": "# C:\\models\\\n"
    + CUBE.replace("f 5", "# D:\\\nf 5")
    + "f 1 2 \\\n4\n",
    "byte order mark": "\ufeff" + CUBE,
    "comments behind": CUBE.replace("\n", " # 1 2 3\n"),
    "capitals": CUBE.replace("v ", "V ").replace("f ", "F "),
    "fo, as before version 3": CUBE.replace("f ", "fo "),
    "counted backwards": VERTICES + "f -8 -5 -6 -7\nf -4 -3 -2 -1\n" + FACES[20:],
    "counted backwards by tabs": (VERTICES + "f -8 -5 -6 -7\n" + FACES[10:]).replace(" ", "\t"),
    "counted backwards amid vertices": VERTICES[:32] + "f -4 -1 -2 -3\n" + VERTICES[32:] + FACES[10:],
    "vertex and texture": "vt 0 0\n" + VERTICES + "f 1/1 4/1 3/1 2/1\n" + FACES[10:],
    "vertex and normal": "vn 0 0 1\n" + VERTICES + "f 1//1 4//1 3//1 2//1\n" + FACES[10:],
    "all three, backwards": "vt 0 0\nvn 0 0 1\n"
    + VERTICES
    + "f -8/-1/-1 -5/-1/-1 -6/-1/-1 -7/-1/-1\n"
    + FACES[10:],
    "slashes with nothing behind": VERTICES + "f 1/ 4/ 3/ 2/\nf 5// 6// 7// 8//\n" + FACES[20:],
    "each corner in its own form": "vt 0 0\nvn 0 0 1\n" + VERTICES + "f 1/1 4 3//1 2/1/1\n" + FACES[10:],
    "a triangle with textures that is no hexagon": "vt 0 0\n" * 9
    + VERTICES
    + "f 1/4 4/3 3/2\nf 1/1 3/3 2/2\n"
    + FACES[10:],
    "numbers with signs and exponents": VERTICES.replace("v 1", "v +1.0e+0").replace("v 0", "v -0E-5")
    + FACES,
    "a weight behind": VERTICES.replace("\n", " 1\n") + FACES,
    "a weight behind some": VERTICES.replace("v 1 1 1", "v 1 1 1 1") + FACES,
    "groups, objects and smoothing": "o a\ng b c\ns off\n"
    + VERTICES
    + "usemtl x\n"
    + FACES.replace("f 3", "s 1\ng\nf 3"),
    "usemtl by a tab": VERTICES + "usemtl\tx\n" + FACES.replace("f 3", " usemtl y\nf 3"),
    "points and lines": "p 1 2\n" + VERTICES + "l 1 2 3\n" + FACES + "l 4/1 5/1\n",
    "faces of two corners": CUBE + "f 1 2\nf 3\n",
    "faces before their vertices": FACES + VERTICES,
    "a texture that is not there": VERTICES + "f 1/9 4/9 3/9 2/9\n" + FACES[10:],
}


def expect_the_cube(read) -> None:
    assert len(read.mesh.faces) == len(set(map(str, corners(read.mesh.triangles)))) >= 12
    np.testing.assert_array_equal(read.mesh.bounds, [[0, 0, 0], [1, 1, 1]])
    a, b, c = read.mesh.triangles.transpose(1, 0, 2)
    assert np.linalg.norm(np.cross(b - a, c - a), axis=1)[:12].sum() / 2 == pytest.approx(6)
    assert (np.cross(a, b) * c)[:12].sum() / 6 == pytest.approx(1)


@pytest.mark.parametrize("name", SPELLINGS)
def test_the_cube_however_it_is_spelt(tmp_path, name):
    expect_the_cube(read_mesh(put(tmp_path, "a.obj", SPELLINGS[name])))


@pytest.mark.parametrize("coding", ["utf-16", "utf-8-sig", "latin-1"])
def test_codings(tmp_path, coding):
    expect_the_cube(read_mesh(put(tmp_path, "a.obj", ("# é\n" + CUBE).encode(coding))))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            CUBE + "cstype bezier\nsurf 0 1 0 1 1 2 3 4\nend\n",
            "line 16: 'surf' is not read; export it as polygons",
        ),
        (CUBE + "\n\tcall other.obj\n", "line 16: 'call' is not read"),
        (CUBE + "bzp 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n", "'bzp' is not read"),
        (CUBE.replace("f 5 6", "f,5,6"), "6 lines look like faces, and 5 of them can be read"),
        (CUBE.replace("f 5 6", "\u200bf 5 6"), "6 lines look like faces, and 5 of them can be read"),
        (CUBE.replace("f 5 6", "f\u20035 6"), "6 lines look like faces, and 5 of them can be read"),
        (CUBE.replace("v 0 1 1", "v;0;1;1"), "8 lines look like vertices, and 7 of them can be read"),
        (
            CUBE.replace("v 0 1 1", "\u00a0\u3000v 0 1 1"),
            "8 lines look like vertices, and 7 of them can be read",
        ),
        (CUBE.replace("v 0 1 1", "v"), "8 lines look like vertices, and 7 of them can be read"),
        (CUBE.replace("v 0 1 1", "v 0 1"), "broken vertex '0 1'"),
        (CUBE.replace("f 5 6 7 8", "f 5 6 7 9"), r"faces name vertices outside 0\.\.\.7"),
        (CUBE.replace("f 5 6 7 8", "f 5 6 7 0"), "line 10 names v 0, which does not exist"),
        (CUBE.replace("f 5 6 7 8", "f -9 6 7 8"), "line 10 names v -9, which does not exist"),
        (CUBE.replace("f 5 6 7 8", "f 5 6 7.5 8"), "broken obj"),
        (CUBE.replace("f 5 6 7 8", "f 5,6,7,8"), "broken obj"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, text, reason):
    with pytest.raises(BadItem, match=reason):
        read_mesh(put(tmp_path, "a.obj", text))


# --- colours


def colored(*colors: str) -> str:
    """The cube with a colour behind each vertex, in turn."""
    lines = VERTICES.strip().split("\n")
    return "\n".join(f"{line} {colors[i % len(colors)]}" for i, line in enumerate(lines)) + "\n" + FACES


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (colored("1 0.5 0"), [1, 0.5, 0]),
        (colored("255 128 0"), [1, 0.5, 0]),
        (colored("255.0 128.0 0.0"), [1, 0.5, 0]),
        (colored("1 0.5 0 1"), [1, 0.5, 0]),
        (colored("1 0.5 0").replace(" ", "\t"), [1, 0.5, 0]),
        (colored("0 0 0"), [0, 0, 0]),
        (colored("1 1 1"), [1, 1, 1]),
        (colored("2 2 2", "0 0 0"), None),  # from 0 to 255: nearly black
        (CUBE, "none"),
        (CUBE.replace("\n", " 1\n"), "none"),
    ],
)
def test_colours_of_vertices(tmp_path, text, expected):
    colors = read_mesh(put(tmp_path, "a.obj", text)).face_colors
    if expected == "none":
        assert colors is None
    elif expected is None:
        assert colors.max() < 0.01
    else:
        np.testing.assert_allclose(colors, np.tile(expected, (12, 1)), atol=0.003)


def moved(text: str, along: float) -> str:
    """The vertices of a cube elsewhere, its faces 8 numbers on."""
    lines = []
    for line in text.strip().split("\n"):
        key, *words = line.split()
        shift = [str(float(words[0]) + along), *words[1:]] if key == "v" else [str(int(w) + 8) for w in words]
        lines.append(" ".join([key, *shift]))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("first", [True, False])
def test_half_of_the_vertices_have_a_colour(tmp_path, first):
    red = colored("1 0 0")
    text = red + moved(CUBE, 2) if first else CUBE + moved(red, 2)
    read = read_mesh(put(tmp_path, "a.obj", text))
    is_red = (read.mesh.triangles.mean(1)[:, 0] < 1.5) == first
    np.testing.assert_array_equal(read.face_colors[is_red], np.tile([1, 0, 0], (12, 1)))
    np.testing.assert_array_equal(read.face_colors[~is_red], np.full((12, 3), GRAY))


RED, GREEN, BLUE = [1, 0, 0], [0, 1, 0], [0, 0, 1]
QUAD = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvt 0.25 0.75\n"


@pytest.mark.parametrize(
    ("text", "material", "expected"),
    [
        ("mtllib a.mtl\n{}usemtl m\nf 1 2 3 4\n", "newmtl m\nKd 1 0 0\n", RED),
        ("mtllib\ta.mtl\n{}usemtl\tm\nf\t1 2 3 4\n", "newmtl\tm\n\tKd\t1 0 0\n", RED),
        ("MTLLIB a.mtl\n{}USEMTL m\nf 1 2 3 4\n", "NEWMTL m\nKD 1 0 0\n", RED),
        ("mtllib absent.mtl\nmtllib a.mtl\n{}usemtl m\nf 1 2 3 4\n", "newmtl m\nKd 1 0 0\n", RED),
        ("mtllib absent.mtl a.mtl\n{}usemtl m\nf 1 2 3 4\n", "newmtl m\nKd 1 0 0\n", RED),
        ("# mtllib none.mtl\nmtllib a.mtl\n{}usemtl m\nf 1 2 3 4\n", "newmtl m\nKd 1 0 0\n", RED),
        ("mtllib a.mtl\r\n{}usemtl m\r\nf 1 2 3 4\r\n", "\ufeffnewmtl m\r\nKd 1 0 0\r\n", RED),
        ("mtllib a.mtl\n{}usemtl m\nf 1 2 3 4\n", "newmtl m\nKd 1 0 0 # red\n", RED),
        ("mtllib a.mtl\n{}usemtl m\nf 1 2 3 4\n", "newmtl m\nKd 0 1 0\nnewmtl m\nKd 1 0 0\n", RED),
        ("mtllib a.mtl\n{}usemtl m\nf 1 2 3 4\n", "newmtl m\nKd 1\n", [1, 1, 1]),
        ("mtllib a.mtl\n{}usemtl my stuff\nf 1 2 3 4\n", "newmtl my stuff\nKd 1 0 0\n", RED),
        ("mtllib a.mtl\n{}usemtl m\nf 1/1 2/1 3/1 4/1\n", "newmtl m\nmap_Kd t.png\n", BLUE),
        (
            "mtllib a.mtl\n{}usemtl m\nf 1/1 2/1 3/1 4/1\n",
            "newmtl m\nmap_Kd -s 1 1 1 -clamp on t.png\n",
            BLUE,
        ),
        ("mtllib a.mtl\n{}usemtl m\nf 1/1 2/1 3/1 4/1\n", "newmtl m\nmap_Kd -bm 0.5 -o 0 0 t.png\n", BLUE),
        ("mtllib a.mtl\n{}usemtl m\nf -4/-1 -3/-1 -2/-1 -1/-1\n", "newmtl m\nmap_Kd t.png\n", BLUE),
        ("mtllib a.mtl\n{}usemtl m\nf 1/1/ 2/1/ 3/1/ 4/1/\n", "newmtl m\nmap_Kd t.png\n", BLUE),
        ("mtllib a.mtl\n{}usemtl m\nf 1/9 2/9 3/9 4/9\n", "newmtl m\nmap_Kd absent.png\nKd 0 1 0\n", GREEN),
    ],
)
def test_materials_however_they_are_spelt(tmp_path, text, material, expected):
    picture(tmp_path, "t.png", PIXELS)
    put(tmp_path, "a.mtl", material)
    colors = read_mesh(put(tmp_path, "a.obj", text.format(QUAD))).face_colors
    np.testing.assert_array_equal(colors, [expected] * 2)


def test_some_faces_of_a_textured_material_have_no_coordinates(tmp_path):
    picture(tmp_path, "t.png", PIXELS)
    put(tmp_path, "a.mtl", "newmtl m\nmap_Kd t.png\n")
    text = "mtllib a.mtl\n" + QUAD + "usemtl m\nf 1/1 2/1 3/1\nf 1 3 4\n"
    read = read_mesh(put(tmp_path, "a.obj", text))
    assert read.face_colors.tolist() == [BLUE, [GRAY] * 3]


def test_colours_of_vertices_where_a_material_has_none(tmp_path):
    put(tmp_path, "a.mtl", "newmtl m\nKs 1 1 1\n")
    text = "mtllib a.mtl\n" + QUAD.replace(" 0\n", " 0 0 1 0\n") + "usemtl m\nf 1 2 3 4\n"
    assert read_mesh(put(tmp_path, "a.obj", text)).face_colors.tolist() == [GREEN, GREEN]


def test_too_many_files_of_materials(tmp_path):
    text = "".join(f"mtllib {i}.mtl\n" for i in range(101)) + CUBE
    with pytest.raises(BadItem, match="101 files of materials, the limit is 100"):
        read_mesh(put(tmp_path, "a.obj", text))
