"""What moves, multiplies or joins the vertices of a glTF file is applied, or refused by its name."""

from __future__ import annotations

import json

import numpy as np
import pytest
from trimesh.transformations import quaternion_from_euler

from datasets import BadItem
from datasets.formats.meshes import read_mesh
from tests.helpers.gltf_file import CODES, CORNERS, FACES, File
from tests.helpers.mesh_files import glb, put


def corners(triangles: np.ndarray) -> list:
    """The triangles, from whichever corner they begin, but not turned over."""
    rows = np.round(triangles, 5).tolist()
    return sorted(min(tuple(map(tuple, t[i:] + t[:i])) for i in range(3)) for t in rows)


def by(*move: float) -> np.ndarray:
    return np.array(move)


def surface(read) -> list:
    """The triangles that were read."""
    return corners(read.mesh.triangles)


def tetrahedra(*points: np.ndarray) -> list:
    """The triangles of the tetrahedron with these corners, once for each."""
    return corners(np.concatenate([np.asarray(p, float)[FACES] for p in points]))


@pytest.fixture
def file() -> File:
    return File()


@pytest.mark.parametrize("kind", ["glb", "gltf"])
def test_a_plain_file(tmp_path, file, kind):
    assert surface(file.read(tmp_path, kind)) == tetrahedra(CORNERS)


# --- morph targets

UP = np.array([[0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 1]], np.float32)
ASIDE = np.array([[0, 0, 0], [2, 0, 0], [0, 0, 0], [0, 0, 0]], np.float32)


@pytest.mark.parametrize(
    ("mesh", "node", "expected"),
    [
        ([1], None, UP),
        ([0.5], None, UP / 2),
        ([1, 1], None, UP + ASIDE),
        ([0, 0.25], None, ASIDE / 4),
        ([-0.5, 0], None, -UP / 2),
        (None, [0, 1], ASIDE),
        ([1, 0], [0, 1], ASIDE),
        ([1, 1], [0, 0], 0 * UP),
        (None, None, 0 * UP),
        ([0, 0], None, 0 * UP),
    ],
)
def test_morph_targets(tmp_path, file, mesh, node, expected):
    file.primitive["targets"] = [{"POSITION": file.add(UP)}, {"NORMAL": 0, "POSITION": file.add(ASIDE)}]
    file.tree["meshes"][0] |= {} if mesh is None else {"weights": mesh}
    file.tree["nodes"][0] |= {"translation": [5, 0, 0]} | ({} if node is None else {"weights": node})
    assert surface(file.read(tmp_path)) == tetrahedra(CORNERS + expected + by(5, 0, 0))


def test_sparse_morph_targets(tmp_path, file):
    where, what = file.view(np.array([3], np.uint16).tobytes()), file.view(np.float32([0, 0, 1]).tobytes())
    file.tree["accessors"].append(
        {
            "componentType": 5126,
            "count": 4,
            "type": "VEC3",
            "sparse": {
                "count": 1,
                "indices": {"bufferView": where, "componentType": 5123},
                "values": {"bufferView": what},
            },
        }
    )
    file.primitive["targets"] = [{"POSITION": len(file.tree["accessors"]) - 1}]
    file.tree["meshes"][0]["weights"] = [1]
    assert surface(file.read(tmp_path)) == tetrahedra(CORNERS + UP)


# --- skins


def skin(
    file: File, joints: np.ndarray, weights: np.ndarray, nodes: list[int], inverse: np.ndarray | None
) -> None:
    file.primitive["attributes"] |= {"JOINTS_0": file.add(joints), "WEIGHTS_0": file.add(weights)}
    file.tree["skins"] = [{"joints": nodes}]
    if inverse is not None:
        rows = inverse.transpose(0, 2, 1).reshape(-1, 16).astype(np.float32)
        file.tree["skins"][0]["inverseBindMatrices"] = file.add(rows)
    file.tree["nodes"][0]["skin"] = 0


FIRST = np.tile(np.uint8([0, 0, 0, 0]), (4, 1))
WHOLE = np.tile(np.float32([1, 0, 0, 0]), (4, 1))


def test_a_skin_moves_with_its_joint_and_not_with_its_node(tmp_path, file):
    skin(file, FIRST, WHOLE, [1], None)
    file.tree["nodes"][0]["translation"] = [50, 0, 0]
    file.tree["nodes"].append({"scale": [2, 2, 2]})
    file.tree["scenes"][0]["nodes"].append(1)
    assert surface(file.read(tmp_path)) == tetrahedra(CORNERS * 2)


def test_a_skin_in_the_pose_that_it_was_bound_in_stays(tmp_path, file):
    inverse = np.eye(4)[None].copy()
    inverse[0, :3, 3] = [-3, -4, -5]
    skin(file, FIRST, WHOLE, [2], inverse)
    file.tree["nodes"] += [{"translation": [3, 4, 0], "children": [2]}, {"translation": [0, 0, 5]}]
    file.tree["scenes"][0]["nodes"].append(1)
    assert surface(file.read(tmp_path)) == tetrahedra(CORNERS)


@pytest.mark.parametrize("dtype", ["float32", "uint8", "uint16"])
def test_two_joints_share_a_vertex(tmp_path, file, dtype):
    weights = np.zeros((4, 4))
    weights[:, 0], weights[3] = 1, [0.5, 0.5, 0, 0]
    if dtype != "float32":
        weights = np.round(weights * np.iinfo(dtype).max)
    joints = np.tile(np.uint16([0, 1, 0, 0]), (4, 1))
    skin(file, joints, weights.astype(dtype), [1, 2], None)
    file.tree["nodes"] += [{}, {"translation": [0, 0, 8]}]
    file.tree["scenes"][0]["nodes"] += [1, 2]
    read = file.read(tmp_path)
    np.testing.assert_allclose(read.mesh.bounds[1], [1, 1, 5], atol=0.03 if dtype == "uint8" else 1e-3)


def test_eight_joints_of_a_vertex(tmp_path, file):
    weights = np.tile(np.float32([0.125] * 4), (4, 1))
    skin(file, np.tile(np.uint8([0, 1, 2, 3]), (4, 1)), weights, [*range(1, 9)], None)
    more = {"JOINTS_1": file.add(np.tile(np.uint8([4, 5, 6, 7]), (4, 1))), "WEIGHTS_1": file.add(weights)}
    file.primitive["attributes"] |= more
    file.tree["nodes"] += [{"translation": [0, 0, z]} for z in range(8)]
    file.tree["scenes"][0]["nodes"] += [*range(1, 9)]
    assert surface(file.read(tmp_path)) == tetrahedra(CORNERS + by(0, 0, 3.5))


def test_a_skin_is_morphed_first(tmp_path, file):
    skin(file, FIRST, WHOLE, [1], None)
    file.primitive["targets"] = [{"POSITION": file.add(UP)}]
    file.tree["meshes"][0]["weights"] = [1]
    file.tree["nodes"].append({"scale": [1, 1, 3]})
    assert surface(file.read(tmp_path)) == tetrahedra((CORNERS + UP) * [1, 1, 3])


def test_a_joint_that_is_not_there_is_named(tmp_path, file):
    skin(file, FIRST + np.uint8(3), WHOLE, [1], None)
    file.tree["nodes"].append({})
    with pytest.raises(BadItem, match="a skin of 1 joints, and a vertex that names joint 3"):
        file.read(tmp_path)


def test_joints_in_a_circle_are_named(tmp_path, file):
    skin(file, FIRST, WHOLE, [1], None)
    file.tree["nodes"] += [{"children": [2]}, {"children": [1]}]
    with pytest.raises(BadItem, match="nodes more than 100 deep"):
        file.read(tmp_path)


# --- instances

TURN = quaternion_from_euler(0, 0, np.pi / 2)[[1, 2, 3, 0]]  # x, y, z, w


def test_instances_of_a_mesh(tmp_path, file):
    attributes = {
        "TRANSLATION": file.add(np.float32([[0, 0, 0], [5, 0, 0]])),
        "ROTATION": file.add(np.float32([[0, 0, 0, 1], TURN])),
        "SCALE": file.add(np.float32([[1, 1, 1], [2, 1, 1]])),
    }
    file.tree["nodes"][0]["extensions"] = {"EXT_mesh_gpu_instancing": {"attributes": attributes}}
    file.tree["nodes"][0]["translation"] = [0, 0, 7]
    file.tree["extensionsUsed"] = file.tree["extensionsRequired"] = ["EXT_mesh_gpu_instancing"]
    wide = CORNERS * [2, 1, 1]
    turned = np.stack([-wide[:, 1], wide[:, 0], wide[:, 2]], axis=1) + by(5, 0, 0)
    assert surface(file.read(tmp_path)) == tetrahedra(CORNERS + by(0, 0, 7), turned + by(0, 0, 7))


@pytest.mark.parametrize("key", ["TRANSLATION", "SCALE", "ROTATION"])
def test_instances_with_one_attribute(tmp_path, file, key):
    values = {"TRANSLATION": [[1, 2, 3]] * 3, "SCALE": [[3, 3, 3]] * 3, "ROTATION": [[0, 0, 0, 1]] * 3}[key]
    attributes = {key: file.add(np.float32(values))}
    file.tree["nodes"][0]["extensions"] = {"EXT_mesh_gpu_instancing": {"attributes": attributes}}
    moved = {"TRANSLATION": CORNERS + by(1, 2, 3), "SCALE": CORNERS * 3, "ROTATION": CORNERS}[key]
    assert surface(file.read(tmp_path)) == tetrahedra(moved, moved, moved)


def test_rotations_of_instances_in_whole_numbers(tmp_path, file):
    turn = np.round(TURN * 32767).astype(np.int16)[None]
    attributes = {"ROTATION": file.add(turn, normalized=True)}
    file.tree["nodes"][0]["extensions"] = {"EXT_mesh_gpu_instancing": {"attributes": attributes}}
    read = file.read(tmp_path)
    np.testing.assert_allclose(read.mesh.bounds, [[-1, 0, 0], [0, 1, 1]], atol=1e-4)


def test_instances_that_do_not_fit_are_named(tmp_path, file):
    attributes = {
        "TRANSLATION": file.add(np.zeros((2, 3), np.float32)),
        "SCALE": file.add(np.ones((3, 3), np.float32)),
    }
    extension = {"EXT_mesh_gpu_instancing": {"attributes": attributes}}
    file.tree["nodes"][0]["extensions"] = extension
    with pytest.raises(BadItem, match=r"EXT_mesh_gpu_instancing with attributes of \[2, 3\] values"):
        file.read(tmp_path)
    extension["EXT_mesh_gpu_instancing"]["attributes"] = {"SCALE": file.add(np.ones((10_001, 3), np.float32))}
    with pytest.raises(BadItem, match="more than 10,000 instances of meshes"):
        file.read(tmp_path)


def test_instances_of_many_vertices_are_limited(tmp_path, file):
    file.primitive["attributes"]["POSITION"] = file.add(np.zeros((100, 3), np.float32))
    attributes = {"TRANSLATION": file.add(np.zeros((100, 3), np.float32))}
    file.tree["nodes"][0]["extensions"] = {"EXT_mesh_gpu_instancing": {"attributes": attributes}}
    with pytest.raises(BadItem, match="700 vertices or more in its scene, the limit is 600"):
        file.read(tmp_path, max_faces=100)


# --- how vertices are joined

FLAT = np.float32([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 2, 0], [1, 2, 0]])


@pytest.mark.parametrize(
    ("mode", "indices", "expected"),
    [
        (4, [0, 1, 2], [[0, 1, 2]]),
        (5, [0, 1, 2, 3, 4, 5], [[0, 1, 2], [2, 1, 3], [2, 3, 4], [4, 3, 5]]),
        (5, [0, 1, 2], [[0, 1, 2]]),
        (6, [0, 1, 3, 5, 4], [[0, 1, 3], [0, 3, 5], [0, 5, 4]]),
        (6, [2, 0, 1, 3], [[2, 0, 1], [2, 1, 3]]),
        (4, None, [[0, 1, 2], [3, 4, 5]]),
        (5, None, [[0, 1, 2], [2, 1, 3], [2, 3, 4], [4, 3, 5]]),
        (6, None, [[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 4, 5]]),
    ],
)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32"])
def test_triangles_strips_and_fans(tmp_path, file, mode, indices, expected, dtype):
    primitive = {"attributes": {"POSITION": file.add(FLAT)}, "mode": mode}
    if indices is not None:
        primitive["indices"] = file.add(np.array(indices, dtype)[:, None])
    file.tree["meshes"][0]["primitives"] = [primitive]
    assert corners(file.read(tmp_path).mesh.triangles) == corners(FLAT[np.array(expected)].astype(float))


@pytest.mark.parametrize("mode", [0, 1, 2, 3])
def test_points_and_lines_have_no_surface(tmp_path, file, mode):
    file.tree["meshes"][0]["primitives"].append(
        {"attributes": {"POSITION": file.add(FLAT * 9)}, "mode": mode}
    )
    assert surface(file.read(tmp_path)) == tetrahedra(CORNERS)
    file.primitive["mode"] = mode
    with pytest.raises(BadItem, match="no faces; a cloud of points or lines is no mesh"):
        file.read(tmp_path)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"mode": 7}, "primitives of mode 7; known are 0 to 6"),
        ({"indices": 0}, "broken glb|corners, which is not three each"),
        ({"indices": "short"}, "triangles with 4 corners, which is not three each"),
        ({"indices": "far"}, r"faces name vertices outside 0\.\.\.3"),
    ],
)
def test_primitives_that_make_no_triangles_are_named(tmp_path, file, changes, reason):
    made = {"short": np.uint16([[0], [1], [2], [3]]), "far": np.uint16([[0], [1], [4]])}
    if changes.get("indices") in made:
        changes = {"indices": file.add(made[changes["indices"]])}
    file.primitive |= changes
    with pytest.raises(BadItem, match=reason):
        file.read(tmp_path)


# --- how numbers are stored


def test_positions_beside_other_numbers(tmp_path, file):
    rows = np.column_stack([CORNERS, np.full((4, 2), 9, np.float32)])
    view = file.view(rows.astype(np.float32).tobytes(), byteStride=20)
    file.tree["accessors"][0]["bufferView"] = view
    assert surface(file.read(tmp_path)) == tetrahedra(CORNERS)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16"])
@pytest.mark.parametrize("normalized", [True, False])
def test_quantized_positions(tmp_path, file, dtype, normalized):
    top = np.iinfo(dtype).max if normalized else 100
    view = file.view(np.pad((CORNERS * top).astype(dtype), ((0, 0), (0, 1))).tobytes())
    file.tree["bufferViews"][view]["byteStride"] = 4 * np.dtype(dtype).itemsize
    file.tree["accessors"][0] |= {"bufferView": view, "componentType": CODES[dtype], "normalized": normalized}
    file.tree["nodes"][0]["scale"] = [2, 2, 2]
    file.tree["extensionsUsed"] = file.tree["extensionsRequired"] = ["KHR_mesh_quantization"]
    assert surface(file.read(tmp_path)) == tetrahedra(CORNERS * (2 if normalized else 200))


@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32"])
def test_sparse_positions(tmp_path, file, dense, dtype):
    where = file.view(np.array([1, 3], dtype).tobytes())
    what = file.view(np.float32([[4, 0, 0], [0, 0, 6]]).tobytes())
    indices = {"bufferView": where, "componentType": CODES[dtype]}
    sparse = {"count": 2, "indices": indices, "values": {"bufferView": what}}
    file.tree["accessors"][0]["sparse"] = sparse
    if not dense:
        del file.tree["accessors"][0]["bufferView"]
    base = CORNERS.copy() if dense else np.zeros((4, 3))
    base[[1, 3]] = [[4, 0, 0], [0, 0, 6]]
    read = file.read(tmp_path)
    np.testing.assert_array_equal(read.mesh.bounds, [base.min(0), base.max(0)])
    indices["bufferView"] = file.view(np.array([1, 4], dtype).tobytes())
    with pytest.raises(BadItem, match="a sparse accessor replaces value 4 of 4"):
        file.read(tmp_path)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"accessors": {0: {"count": 5}}}, "truncated: 5 values of 12 bytes in a view of 48 bytes"),
        ({"accessors": {0: {"byteOffset": 4}}}, "truncated: 4 values of 12 bytes in a view of 48 bytes"),
        ({"bufferViews": {0: {"byteLength": 47}}}, "truncated: 4 values of 12 bytes in a view of 47 bytes"),
        ({"bufferViews": {0: {"byteStride": 16}}}, "truncated: 4 values of 12 bytes in a view of 48 bytes"),
        ({"bufferViews": {0: {"byteOffset": 60}}}, "truncated: a view up to byte 108 of a buffer of 72"),
        ({"bufferViews": {0: {"buffer": 1}}}, "broken glb"),
    ],
)
def test_arrays_outside_of_their_file_are_named(tmp_path, file, changes, reason):
    for key, entries in changes.items():
        for index, change in entries.items():
            file.tree[key][index] |= change
    with pytest.raises(BadItem, match=reason):
        file.read(tmp_path)


# --- extensions


@pytest.mark.parametrize(
    "name",
    ["KHR_draco_mesh_compression", "EXT_meshopt_compression", "KHR_meshopt_compression", "MPEG_mesh_linking"],
)
def test_extensions_that_a_file_needs_are_refused_by_name(tmp_path, file, name):
    file.tree["extensionsUsed"] = file.tree["extensionsRequired"] = [name]
    with pytest.raises(BadItem, match=f"needs the extension {name}, which cannot be read"):
        file.read(tmp_path)


def test_compressed_parts_are_refused_by_name_though_no_list_says_so(tmp_path, file):
    extension = {"KHR_draco_mesh_compression": {"bufferView": 0, "attributes": {"POSITION": 0}}}
    file.primitive["extensions"] = extension
    assert surface(file.read(tmp_path)) == tetrahedra(CORNERS)  # it has plain arrays too
    del file.tree["accessors"][0]["bufferView"]
    with pytest.raises(BadItem, match="compressed by KHR_draco_mesh_compression"):
        file.read(tmp_path)


def test_compressed_views_are_refused_by_name(tmp_path, file):
    file.tree["bufferViews"][0] |= {"buffer": 1, "extensions": {"EXT_meshopt_compression": {}}}
    file.tree["buffers"] = []
    data = {"byteLength": len(file.body)}
    path = put(tmp_path, "a.glb", glb({**file.tree, "buffers": [data, data]}, file.body))
    with pytest.raises(BadItem, match="the data of its buffer 1 is compressed by EXT_meshopt_compression"):
        read_mesh(path)


def test_hidden_nodes_are_not_there(tmp_path, file):
    hidden = {
        "translation": [9, 9, 9],
        "extensions": {"KHR_node_visibility": {"visible": False}},
        "children": [2],
    }
    file.tree["nodes"] += [
        hidden,
        {"mesh": 0},
        {"mesh": 0, "extensions": {"KHR_node_visibility": {"visible": True}}},
    ]
    file.tree["scenes"][0]["nodes"] = [0, 1, 3]
    assert surface(file.read(tmp_path)) == tetrahedra(CORNERS, CORNERS)


# --- scenes and nodes


@pytest.mark.parametrize(("scene", "expected"), [(0, 0), (1, 5), (None, 0)])
def test_the_scene_that_is_shown_first(tmp_path, file, scene, expected):
    file.tree["nodes"].append({"mesh": 0, "translation": [5, 0, 0]})
    file.tree["scenes"] = [{"nodes": [0]}, {"nodes": [1]}]
    if scene is None:
        del file.tree["scene"]
    else:
        file.tree["scene"] = scene
    assert surface(file.read(tmp_path)) == tetrahedra(CORNERS + by(expected, 0, 0))


def test_a_file_without_scenes_shows_all_nodes(tmp_path, file):
    del file.tree["scenes"], file.tree["scene"]
    file.tree["nodes"] += [{"translation": [5, 0, 0], "children": [2]}, {"mesh": 0}]
    assert surface(file.read(tmp_path)) == tetrahedra(CORNERS, CORNERS + by(5, 0, 0))


def test_a_camera_takes_nothing_away(tmp_path, file):
    file.tree["cameras"] = [{"type": "perspective", "perspective": {"yfov": 1, "znear": 0.1}}]
    file.tree["nodes"] = [
        {"mesh": 0, "camera": 0, "translation": [1, 0, 0], "children": [1]},
        {"mesh": 0, "translation": [0, 2, 0]},
    ]
    assert surface(file.read(tmp_path)) == tetrahedra(CORNERS + by(1, 0, 0), CORNERS + by(1, 2, 0))


def test_the_pose_of_the_nodes_counts_and_not_an_animation(tmp_path, file):
    times, moves = file.add(np.float32([[0], [1]])), file.add(np.float32([[9, 9, 9], [8, 8, 8]]))
    file.tree["animations"] = [
        {
            "channels": [{"sampler": 0, "target": {"node": 0, "path": "translation"}}],
            "samplers": [{"input": times, "output": moves}],
        }
    ]
    file.tree["nodes"][0]["translation"] = [1, 2, 3]
    assert surface(file.read(tmp_path)) == tetrahedra(CORNERS + by(1, 2, 3))


@pytest.mark.parametrize("name", ["world", "", "a", None])
def test_names_do_not_matter(tmp_path, file, name):
    node = {"mesh": 0} | ({} if name is None else {"name": name})
    file.tree["meshes"][0]["name"] = "world"
    file.tree["nodes"] = [{"translation": [1, 0, 0], "children": [1, 2], "name": "world"}, node, dict(node)]
    assert surface(file.read(tmp_path)) == tetrahedra(CORNERS + by(1, 0, 0), CORNERS + by(1, 0, 0))


def test_older_versions_are_named(tmp_path):
    with pytest.raises(BadItem, match=r"glTF 1\.0; known is 2"):
        read_mesh(put(tmp_path, "a.gltf", json.dumps({"asset": {"version": "1.0"}})))
