"""PLY and OFF: strips, mixed polygons, names and orders of numbers, colours; or a refusal that says why."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from datasets import BadItem
from datasets.formats.meshes import GRAY, read_mesh
from datasets.formats.points import read_points
from datasets.formats.shapes import read_shape
from tests.helpers.mesh_files import PIXELS, picture, put
from zoo.shapes import MeshShape, PointShape

POINTS = np.array([[x, y, z] for z in (0, 1) for y in (0, 1) for x in (0, 1)], float)
QUADS = [[0, 2, 3, 1], [4, 5, 7, 6], [0, 1, 5, 4], [1, 3, 7, 5], [3, 2, 6, 7], [2, 0, 4, 6]]
TRIANGLES = [[a, b, c] for q in QUADS for a, b, c in ((q[0], q[1], q[2]), (q[2], q[3], q[0]))]
MIXED = [*QUADS[:3], *TRIANGLES[6:]]
BAND = [1, 0, 3, 2, 7, 6, 5, 4, 1, 0]
"""Four sides of the cube as one strip."""
STRIPS = [*BAND, -1, 0, 4, 2, 6, -1, 5, 1, 7, 3]

TYPES = {
    "float": "f",
    "double": "d",
    "int": "i",
    "uint": "I",
    "uchar": "B",
    "char": "b",
    "short": "h",
    "ushort": "H",
}
FORMS = ["ascii", "binary_little_endian", "binary_big_endian"]


def ply(form: str, *elements: tuple[str, list[str], list[list]], comments: str = "") -> bytes:
    """A PLY of elements: name, 'type name' or 'list count type name' of each property, and the rows."""
    head, body = [f"ply\nformat {form} 1.0\n{comments}"], []
    for name, properties, rows in elements:
        head += [f"element {name} {len(rows)}\n", *(f"property {p}\n" for p in properties)]
        for row in rows:
            numbers: list[tuple[str, float]] = []
            for entry, value in zip(properties, row, strict=True):
                words = entry.split()
                if words[0] == "list":
                    numbers += [(words[1], len(value)), *((words[2], v) for v in value)]
                else:
                    numbers.append((words[0], value))
            if form == "ascii":
                body.append(" ".join(str(v) for _, v in numbers).encode() + b"\n")
            else:
                order = "<" if "little" in form else ">"
                body.append(b"".join(struct.pack(order + TYPES[kind], v) for kind, v in numbers))
    return "".join([*head, "end_header\n"]).encode() + b"".join(body)


XYZ = ["float x", "float y", "float z"]
VERTEX = ("vertex", XYZ, POINTS.tolist())
LIST = "list uchar int vertex_indices"


def cube(*faces: list, lists: str = LIST) -> tuple[str, list[str], list[list]]:
    return "face", [lists], [[face] for face in faces]


def expect_the_cube(read) -> None:
    a, b, c = read.mesh.triangles.transpose(1, 0, 2)
    assert len(read.mesh.faces) == 12
    assert np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2 == pytest.approx(6)
    assert (np.cross(a, b) * c).sum() / 6 == pytest.approx(1)  # and they all look outwards


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "elements",
    {
        "triangles": (VERTEX, cube(*TRIANGLES)),
        "quads": (VERTEX, cube(*QUADS)),
        "mixed": (VERTEX, cube(*MIXED)),
        "triangles last": (VERTEX, cube(*MIXED[::-1])),
        "another name": (VERTEX, cube(*MIXED, lists="list uchar int vertex_index")),
        "a name of its own": (VERTEX, cube(*MIXED, lists="list int uint corners")),
        "counts of four bytes": (VERTEX, cube(*MIXED, lists="list int int vertex_indices")),
        "indices of two bytes": (VERTEX, cube(*MIXED, lists="list uchar ushort vertex_indices")),
        "faces before vertices": (cube(*MIXED), VERTEX),
        "edges between": (VERTEX, ("edge", ["int vertex1", "int vertex2"], [[0, 1], [1, 2]]), cube(*MIXED)),
        "lists beside": (
            VERTEX,
            ("face", ["uchar a", LIST, "list uchar float texcoord", "float q"],
             [[1, f, [0.5] * 2 * len(f), 2] for f in MIXED]),
        ),
        "lists of vertices": (
            ("vertex", [*XYZ, "list uchar int near"],
             [[*p, [0] * (i % 3)] for i, p in enumerate(POINTS.tolist())]),
            cube(*MIXED),
        ),
        "doubles": (("vertex", ["double z", "double y", "double x"], POINTS[:, ::-1].tolist()), cube(*MIXED)),
        "faces of two": (VERTEX, cube(*MIXED, [0, 1], [])),
        "strips": (VERTEX, ("tristrips", ["list int int vertex_indices"], [[STRIPS]])),
        "strips, each a list": (VERTEX, ("tristrips", [LIST], [[BAND], [[0, 4, 2, 6]], [[5, 1, 7, 3]]])),
        "strips that end with -1": (VERTEX, ("tristrips", ["list int int vertex_index"], [[[*STRIPS, -1]]])),
        "strips and faces": (VERTEX, ("tristrips", [LIST], [[BAND]]), cube([0, 4, 6, 2], [5, 1, 3, 7])),
        "strips and no faces": (VERTEX, cube(), ("tristrips", ["list int int vertex_indices"], [[STRIPS]])),
    }.items(),
    ids=lambda item: item[0],
)  # fmt: skip
def test_the_cube_however_it_is_stored(tmp_path, form, elements):
    path = put(tmp_path, "a.ply", ply(form, *elements[1]))
    expect_the_cube(read_mesh(path))
    assert isinstance(read_shape(path), MeshShape)
    with pytest.raises(BadItem, match="no cloud of points"):
        read_points(path)


def test_strips_look_to_one_side(tmp_path):
    points = [[x, y, 0] for x in range(5) for y in (1, 0)]
    strip = ("tristrips", [LIST], [[list(range(10))]])
    read = read_mesh(put(tmp_path, "a.ply", ply("ascii", ("vertex", XYZ, points), strip)))
    a, b, c = read.mesh.triangles.transpose(1, 0, 2)
    assert len(read.mesh.faces) == 8
    assert (np.cross(b - a, c - a)[:, 2] > 0).all()


def test_strips_without_signs_end_with_the_largest_number(tmp_path):
    strips = [v if v >= 0 else 2**32 - 1 for v in STRIPS]
    element = ("tristrips", ["list uint uint vertex_indices"], [[strips]])
    expect_the_cube(read_mesh(put(tmp_path, "a.ply", ply("binary_little_endian", VERTEX, element))))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ((VERTEX, ("polygon", [LIST], [[[0, 1, 2]]])), "its 1 'polygon' are not read; export them as 'face'"),
        ((VERTEX, ("patch", ["list uchar int vertex_index"], [[[0, 1, 2]]] * 3)), "its 3 'patch' are not"),
        ((VERTEX, cube(*QUADS), ("trifans", [LIST], [[[0, 1, 2]]])), "its 1 'trifans' are not read"),
        ((VERTEX, ("face", ["int a", "int b"], [[0, 1]])), "'face' without a list 'vertex_indices'"),
        ((VERTEX, ("face", ["list uchar int a", "list uchar int b"], [[[0], [1]]])), "its lists are: a, b"),
        ((VERTEX, ("face", ["list uchar float vertex_indices"], [[[0, 1, 2]]])), "of whole numbers"),
        ((VERTEX, cube([0, 1, 8])), r"outside 0\.\.\.7"),
        ((VERTEX, cube([0, 1, -1])), r"outside 0\.\.\.7"),
        ((VERTEX, ("tristrips", [LIST], [[[0, 1, 8]]])), r"outside 0\.\.\.7"),
        ((("vertex", ["float x", "float y", "int q"], [[0, 0, 0]] * 8), cube(*QUADS)), "without x, y and z"),
        ((VERTEX, ("tristrips", [LIST], [[[0, 1]]])), "no faces"),
    ],
)  # fmt: skip
def test_what_is_no_mesh_here_is_named(tmp_path, form, elements, reason):
    path = put(tmp_path, "a.ply", ply(form, *elements))
    with pytest.raises(BadItem, match=reason):
        read_mesh(path)
    with pytest.raises(BadItem, match=reason):
        read_shape(path)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "others",
    [
        (),
        (cube(),),
        (("camera", ["float view_px"], [[0.0]]),),
        (("range_grid", [LIST], [[[i]] if i % 2 else [[]] for i in range(8)]),),
    ],
)
def test_clouds_stay_clouds(tmp_path, form, others):
    path = put(tmp_path, "a.ply", ply(form, VERTEX, *others))
    assert isinstance(read_shape(path), PointShape)
    with pytest.raises(BadItem, match="no faces"):
        read_mesh(path)


@pytest.mark.parametrize("form", FORMS)
def test_every_cut_is_noticed(tmp_path, form):
    """A file that is shorter by anything is refused, whatever its lists say."""
    data = ply(form, VERTEX, cube(*MIXED))
    for length in range(data.index(b"end_header"), len(data.rstrip(b"\n"))):
        with pytest.raises(BadItem):
            read_mesh(put(tmp_path, "a.ply", data[:length]))
    with pytest.raises(BadItem, match="too long"):
        read_mesh(put(tmp_path, "a.ply", data + b"3 0 1 2\n"))


def test_a_line_that_lacks_a_number_is_not_made_up_for_by_the_next(tmp_path):
    data = ply("ascii", VERTEX, cube([0, 1, 2], [0, 1, 2, 3])).replace(b"3 0 1 2\n4 0", b"3 0 1\n4 0")
    with pytest.raises(BadItem, match="truncated"):
        read_mesh(put(tmp_path, "a.ply", data))
    data = ply("ascii", VERTEX, cube([0, 1, 2], [0, 1, 2])).replace(b"3 0 1 2\n3 0 1 2", b"3 0 1\n2 3 0 1 2")
    with pytest.raises(BadItem, match="broken or truncated face '3 0 1'"):
        read_mesh(put(tmp_path, "a.ply", data))


# --- colours

RED = [1, 0, 0]
RGB = ["uchar red", "uchar green", "uchar blue"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("vertex", "face"),
    [
        ((RGB, [255, 0, 0]), None),
        (([*RGB, "uchar alpha"], [255, 0, 0, 255]), None),
        ((["float red", "float green", "float blue"], [1, 0, 0]), None),
        ((["float red", "float green", "float blue"], [255, 0, 0]), None),
        ((["ushort red", "ushort green", "ushort blue"], [65535, 0, 0]), None),
        ((["uchar diffuse_red", "uchar diffuse_green", "uchar diffuse_blue"], [255, 0, 0]), None),
        ((["uchar r", "uchar g", "uchar b"], [255, 0, 0]), None),
        (None, (RGB, [255, 0, 0])),
        (None, (["float red", "float green", "float blue"], [1, 0, 0])),
        (None, (["uchar alpha", *RGB], [9, 255, 0, 0])),
    ],
)
def test_colours_of_ply(tmp_path, form, vertex, face):
    names, values = vertex or ([], [])
    points = ("vertex", [*XYZ, *names], [[*p, *values] for p in POINTS.tolist()])
    names, values = face or ([], [])
    faces = ("face", [LIST, *names], [[f, *values] for f in MIXED])
    read = read_mesh(put(tmp_path, "a.ply", ply(form, points, faces)))
    np.testing.assert_array_equal(read.face_colors, [RED] * 12)


def test_colours_of_faces_follow_their_triangles(tmp_path):
    """A quad is two triangles, and triangles come first."""
    colors = [[10 * i, 0, 0] for i in range(len(MIXED))]
    faces = ("face", [LIST, *RGB], [[f, *c] for f, c in zip(MIXED, colors, strict=True)])
    read = read_mesh(put(tmp_path, "a.ply", ply("binary_little_endian", VERTEX, faces)))
    for triangle, color in zip(read.mesh.faces.tolist(), read.face_colors, strict=True):
        (face,) = [i for i, f in enumerate(MIXED) if set(triangle) <= set(f)]
        assert color[0] * 255 == pytest.approx(10 * face)


@pytest.mark.parametrize("form", FORMS)
def test_two_textures_as_the_faces_number_them(tmp_path, form):
    picture(tmp_path, "blue.png", [[[0, 0, 255]]])
    picture(tmp_path, "a b.png", PIXELS)
    properties = [LIST, "list uchar float texcoord", "int texnumber"]
    rows = [[f, [0.25, 0.25] * len(f), i % 2] for i, f in enumerate(TRIANGLES)]
    text = "comment TextureFile blue.png\ncomment TextureFile a b.png\n"
    read = read_mesh(put(tmp_path, "a.ply", ply(form, VERTEX, ("face", properties, rows), comments=text)))
    faces = (read.mesh.faces % len(POINTS)).tolist()  # each part has all the vertices
    colors = {tuple(f): c for f, c in zip(faces, read.face_colors.tolist(), strict=True)}
    assert colors == {tuple(f): [1, 1, 0] if i % 2 else [0, 0, 1] for i, f in enumerate(TRIANGLES)}


def off(head: str, vertex: str = "", faces: list[str] | None = None) -> str:
    lines = [head, *(f"{x:g} {y:g} {z:g}{vertex}" for x, y, z in POINTS)]
    faces = faces or [""] * 6
    return (
        "\n".join([*lines, *(f"4 {' '.join(map(str, q))}{c}" for q, c in zip(QUADS, faces, strict=True))])
        + "\n"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (off("OFF\n8 6 0"), None),
        (off("OFF 8 6 0"), None),
        (off("OFF8 6 0"), None),
        (off("OFF\n# a cube\n\n8 6 12"), None),
        (off("OFF\n8 6 0").replace("\n", "\r\n"), None),
        (off("OFF\n8 6 0").replace("\n", "\r"), None),
        (off("OFF\n8 6 0").replace(" ", "\t"), None),
        ("\ufeff" + off("OFF\n8 6 0"), None),
        (off("NOFF\n8 6 0", " 0 0 1"), None),
        (off("STOFF\n8 6 0", " 0.5 0.5"), None),
        (off("COFF\n8 6 0", " 255 0 0"), RED),
        (off("COFF\n8 6 0", " 255 0 0 255"), RED),
        (off("COFF\n8 6 0", " 1.0 0.0 0.0 1.0"), RED),
        (off("COFF\n8 6 0", " 1 0 0"), RED),
        (off("CNOFF\n8 6 0", " 0 0 1 255 0 0 255"), RED),
        (off("STCNOFF\n8 6 0", " 0 0 1 255 0 0 255 0.5 0.5"), RED),
        (off("OFF\n8 6 0", faces=[" 255 0 0"] * 6), RED),
        (off("OFF\n8 6 0", faces=["  255 0 0 255"] * 6), RED),
        (off("OFF\n8 6 0", faces=[" 1.0 0 0"] * 6), RED),
        (off("OFF\n8 6 0", faces=[" 3"] * 6), None),
        (off("COFF\n8 6 0", " 0 0 255 255", faces=[" 255 0 0"] * 6), RED),
    ],
)
def test_off_of_every_kind(tmp_path, text, expected):
    read = read_mesh(put(tmp_path, "a.off", text))
    expect_the_cube(read)
    if expected is None:
        assert read.face_colors is None
    else:
        np.testing.assert_array_equal(read.face_colors, [expected] * 12)
    assert read_mesh(tmp_path / "a.off", colors=False).face_colors is None


def test_some_faces_of_an_off_have_colours(tmp_path):
    read = read_mesh(
        put(tmp_path, "a.off", off("OFF\n8 6 0", faces=[" 255 0 0", "", " 7", " 0 0 255", "", ""]))
    )
    by_face = {
        tuple(sorted(f)): c for f, c in zip(read.mesh.faces.tolist(), read.face_colors.tolist(), strict=True)
    }
    expected = {0: RED, 3: [0, 0, 1]}
    for number, quad in enumerate(QUADS):
        assert by_face[tuple(sorted(quad[:3]))] == expected.get(number, [GRAY] * 3)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (off("4OFF\n8 6 0", " 1"), "begins with '4OFF"),
        (off("OFF BINARY\n8 6 0"), "begins with 'OFF BINARY"),
        (off("nOFF 3\n8 6 0"), "begins with 'nOFF"),
        (off("OFF\n8 6 0") + "4 0 1 2 3\n", "too long: 15 lines for 8 vertices and 6 faces"),
        (off("OFF\n8 6 0").replace("4 4 5 7 6", "4 4 5 7"), "broken or truncated face '4 4 5 7'"),
        (off("OFF\n8 6 0").replace("4 4 5 7 6", "4 4 5 7 6.5"), "broken or truncated face '4 4 5 7 6.5'"),
        (off("OFF\n8 6 0").replace("4 4 5 7 6", "-4 4 5 7 6"), "broken or truncated face '-4 4 5 7 6'"),
        (off("COFF\n8 6 0"), "broken vertex '0 0 0'"),
        (off("OFF\n8 6 0").replace("1 1 1", "1 1"), "broken vertex '1 1'"),
    ],
)
def test_broken_off_is_named(tmp_path, text, reason):
    with pytest.raises(BadItem, match=reason):
        read_mesh(put(tmp_path, "a.off", text))
