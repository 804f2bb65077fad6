from __future__ import annotations

import io
import os
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from datasets import BadItem
from datasets.formats.points import read_points
from tests.helpers.writers import write_points

FLOATS = st.floats(-1e6, 1e6)
clouds = hnp.arrays(np.float64, st.tuples(st.integers(1, 20), st.just(3)), elements=FLOATS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("points")


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def npy_header(text: str, version: int = 1) -> bytes:
    body = text.encode().ljust(118) + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(body)) + body


def claims(shape: str, dtype: str = "<f8") -> bytes:
    return npy_header(f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}")


def npz(method: int = zipfile.ZIP_DEFLATED, **members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return buffer.getvalue()


CLOUD = np.arange(12, dtype=np.float64).reshape(4, 3)
PLY = (
    "ply\nformat {} 1.0\nelement vertex {}\nproperty float x\nproperty double y\nproperty short z\n"
    "property float nx\nproperty float ny\nproperty float nz\nproperty uchar red\nend_header\n"
)
ROWS = [(1.5, 2.25, 3, 0, 0, 1, 7), (-1.5, 0, -3, 0, 1, 0, 9)]


def ply(form: str, count: int = 2) -> bytes:
    if form == "ascii":
        body = "".join(" ".join(map(str, row)) + "\n" for row in ROWS).encode()
    else:
        body = b"".join(struct.pack("<>"["big" in form] + "fdhfffB", *row) for row in ROWS)
    return PLY.format(form, count).encode() + body


@settings(deadline=None)
@given(points=clouds, data=st.data())
def test_round_trip(folder, points, data):
    normals = data.draw(st.none() | hnp.arrays(np.float64, points.shape, elements=FLOATS))
    write_points(folder / "a.npz", points, normals)
    read = read_points(folder / "a.npz")
    assert read.points.dtype == np.float64
    np.testing.assert_array_equal(read.points, points)
    if normals is None:
        assert read.normals is None
    else:
        np.testing.assert_array_equal(read.normals, normals)


@settings(deadline=None)
@given(
    points=clouds,
    dtype=st.sampled_from(["<f8", ">f8", "<f4", "<f2", "<i4", "<u1"]),
    order=st.sampled_from(["C", "F"]),
)
def test_arrays_as_numpy_reads_them(folder, points, dtype, order):
    array = np.asarray(points % 100, dtype=dtype, order=order)
    (folder / "a.npy").write_bytes(npy(array))
    np.savez_compressed(folder / "a.npz", whatever=array)
    for name in ("a.npy", "a.npz"):
        np.testing.assert_array_equal(read_points(folder / name).points, array.astype(np.float64))


def test_files_of_occupancy_networks(tmp_path):
    normals = CLOUD[::-1].astype(np.float16)
    np.savez(tmp_path / "a.npz", points=CLOUD.astype(np.float16), normals=normals, loc=np.ones(3), scale=2.0)
    read = read_points(tmp_path / "a.npz")
    np.testing.assert_array_equal(read.points, CLOUD)
    np.testing.assert_array_equal(read.normals, normals)


@pytest.mark.parametrize("form", ["ascii", "binary_little_endian", "binary_big_endian"])
def test_ply(tmp_path, form):
    (tmp_path / "a.ply").write_bytes(ply(form))
    read = read_points(tmp_path / "a.ply")
    np.testing.assert_array_equal(read.points, [row[:3] for row in ROWS])
    np.testing.assert_array_equal(read.normals, [row[3:6] for row in ROWS])


def test_ply_of_trimesh(tmp_path):
    cloud = trimesh.PointCloud(CLOUD, colors=np.full((4, 4), 100, np.uint8))
    cloud.export(tmp_path / "a.ply")
    read = read_points(tmp_path / "a.ply")
    np.testing.assert_array_equal(read.points, CLOUD)
    assert read.normals is None


NAN = np.where(CLOUD == 5, np.nan, CLOUD)


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.xyz", b"", "'.xyz' is no known kind of points; known are .npz, .npy, .ply"),
        ("a.npy", b"", "broken npy"),
        ("a.npy", b"\x80\x04K\x01.", "broken npy"),  # a pickle
        ("a.npy", npy(CLOUD)[:-1], r"has \(4, 3\), but less than 96 bytes"),
        ("a.npy", npy(CLOUD) + b"\0", "more than 96 bytes"),
        ("a.npy", npy(CLOUD.reshape(-1)), r"'array' must be \(N, 3\), got \(12,\)"),
        ("a.npy", npy(CLOUD.T), r"must be \(N, 3\), got \(3, 4\)"),
        ("a.npy", npy(CLOUD[:0]), "no points"),
        ("a.npy", npy(NAN), "points hold NaN or infinity"),
        ("a.npy", npy(np.full((2, 3), -np.inf)), "points hold NaN or infinity"),
        ("a.npy", npy(CLOUD.astype(complex)), "holds complex128, not real numbers"),
        ("a.npy", npy(CLOUD.astype("S3")), r"holds \|S3, not real numbers"),
        ("a.npy", claims("(4, 3)", "|O") + bytes(96), "holds object, not real numbers"),
        ("a.npy", claims("(1000000000000, 3)"), "1,000,000,000,000 points, the limit is 4,000,000"),
        ("a.npy", claims("(-1, 3)"), "no points"),
        ("a.npy", claims("(4.0, 3)"), "broken npy"),
        ("a.npy", claims("(4, 3), __import__('os')"), "broken npy"),
        ("a.npy", npy_header("(" * 110), "broken npy"),
        ("a.npy", b"\x93NUMPY\x02\0" + struct.pack("<I", 2**32 - 1) + b"{}", "broken npy"),
        ("a.npy", b"\x93NUMPY\x09\0" + npy(CLOUD)[8:], "broken npy|npy version"),
        ("a.npz", b"", "broken npz"),
        ("a.npz", npz(points=npy(CLOUD))[:-30], "broken npz"),
        (
            "a.npz",
            npz(a=npy(CLOUD), b=npy(CLOUD)),
            "'points' and not one array alone; it holds a, b",
        ),
        ("a.npz", npz(), "it holds nothing"),
        ("a.npz", npz(points=npy(NAN)), "points hold NaN"),
        ("a.npz", npz(points=npy(CLOUD), normals=npy(NAN)), "normals hold NaN"),
        ("a.npz", npz(points=npy(CLOUD), normals=npy(CLOUD[:2])), "4 points, but 2 normals"),
        ("a.npz", npz(points=claims("(4, 3)", "|O") + b"\x80\x04K\x01."), "holds object, not real numbers"),
        ("a.npz", npz(points=b"no array"), "broken npz"),
        ("a.npz", npz(zipfile.ZIP_LZMA, points=npy(CLOUD)), "packed by method 14; numpy uses 0 and 8"),
        ("a.npz", npz(**{f"a{i}": b"" for i in range(1001)}), "an archive of more than 1,000 files"),
        (
            "a.npz",
            npz(points=bytes(1 << 28)),
            "'points' unpacks to 268,435,456 bytes, the limit is 19",
        ),
        ("a.ply", b"", "not a PLY file"),
        ("a.ply", ply("ascii", count=3), "truncated: 2 lines for 3 points"),
        ("a.ply", ply("ascii")[:-8], "broken ply"),
        ("a.ply", ply("ascii", count=3).replace(b"7\n", b"7\n\n"), "truncated: 2 lines with numbers for 3"),
        ("a.ply", ply("ascii", count=0), "no points"),
        ("a.ply", ply("binary_little_endian", count=3), "truncated: 54 bytes for 3 points of 27"),
        ("a.ply", ply("binary_big_endian", count=10**12), "1,000,000,000,000 points, the limit is"),
        ("a.ply", ply("binary_middle_endian"), "the format binary_middle_endian; known are ascii"),
        ("a.ply", ply("ascii").replace(b"1.5", b"nan"), "points hold NaN"),
        ("a.ply", ply("ascii").replace(b"1.5", b"one"), "broken ply"),
        ("a.ply", ply("ascii").replace(b"float x", b"float u"), "vertices without x, y and z"),
        ("a.ply", ply("ascii").replace(b"float x", b"list uchar float x"), "no plain numbers"),
        ("a.ply", ply("ascii").replace(b"float x", b"float256 x"), "known types are char"),
        ("a.ply", ply("ascii").replace(b"float x", b"float nx"), "broken ply"),
        (
            "a.ply",
            trimesh.creation.box().export(file_type="ply"),
            "begin with vertices and have no faces",
        ),
    ],
)
def test_hostile_files_are_named(tmp_path, name, data, reason):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(BadItem, match=reason) as caught:
        read_points(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_limit_on_points_and_missing_files(tmp_path):
    for name, data in (("a.npy", npy(CLOUD)), ("a.npz", npz(points=npy(CLOUD))), ("a.ply", ply("ascii"))):
        (tmp_path / name).write_bytes(data)
        count = len(read_points(tmp_path / name).points)
        assert len(read_points(tmp_path / name, max_points=count).points) == count
        with pytest.raises(BadItem, match=f"{count} points, the limit is {count - 1}"):
            read_points(tmp_path / name, max_points=count - 1)
    with pytest.raises(BadItem, match=r"absent\.npz: No such file"):
        read_points(tmp_path / "absent.npz")
    (tmp_path / "large.npy").write_bytes(bytes(1_100_000))
    with pytest.raises(BadItem, match="1,100,000 bytes, the limit is 1,049,056"):
        read_points(tmp_path / "large.npy", max_points=10)


def lying_directory() -> bytes:
    """A member whose directory entry understates what it unpacks to."""
    data = bytearray(npz(points=npy(CLOUD) + bytes(1 << 26)))
    place = data.index(b"PK\x01\x02")
    data[place + 24 : place + 28] = struct.pack("<I", len(npy(CLOUD)))
    return bytes(data)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.npz", npz(points=claims("(100000000, 3)") + bytes(1 << 26))),
        ("a.npz", npz(points=claims("(1000000, 3)"))),
        ("a.npz", lying_directory()),
        ("a.npy", claims("(1000000, 3)")),
        ("a.ply", ply("binary_little_endian", count=1_000_000)),
        ("a.ply", ply("ascii", count=1_000_000)),
    ],
    ids=["bomb", "header", "directory", "npy", "binary", "text"],
)
def test_refusing_allocates_little(tmp_path, name, data):
    path = tmp_path / name
    path.write_bytes(data)
    tracemalloc.start()
    try:
        with pytest.raises(BadItem):
            read_points(path, max_points=2_000_000 if name != "a.npz" else 1_000_000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20


WHOLE = {
    "npy": npy(CLOUD),
    "npz": npz(points=npy(CLOUD)),
    "ply": ply("binary_little_endian"),
}


@pytest.mark.parametrize("kind", WHOLE)
def test_any_truncation_is_an_error(tmp_path, kind):
    path = tmp_path / f"a.{kind}"
    for length in range(len(WHOLE[kind])):
        path.write_bytes(WHOLE[kind][:length])
        with pytest.raises(BadItem, match=rf"a\.{kind}: "):
            read_points(path)


@settings(deadline=None, max_examples=200)
@given(data=st.data(), kind=st.sampled_from([*WHOLE, "text"]))
def test_flipped_bytes_are_points_or_a_bad_item(folder, data, kind):
    broken = bytearray(WHOLE.get(kind, ply("ascii")))
    for place in data.draw(st.lists(st.integers(0, len(broken) - 1), min_size=1, max_size=5)):
        broken[place] = data.draw(st.integers(0, 255))
    check_reading(folder / f"flipped.{kind.replace('text', 'ply')}", bytes(broken))


@settings(deadline=None, max_examples=200)
@given(noise=st.binary(max_size=200), kind=st.sampled_from(list(WHOLE)), cut=st.integers(0, 130))
def test_noise_is_points_or_a_bad_item(folder, noise, kind, cut):
    check_reading(folder / f"noise.{kind}", WHOLE[kind][:cut] + noise)


def check_reading(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    try:
        read = read_points(path)
    except BadItem as error:
        assert str(error).startswith(f"{path}: ")
    else:
        assert read.points.shape[1] == 3
        assert np.isfinite(read.points).all()


@pytest.mark.data
def test_real_points(tmp_path):
    data = os.environ.get("R3D_SAMPLE_DATA")
    if not data:
        pytest.skip("R3D_SAMPLE_DATA is not set: the folder of real samples")
    path = Path(data) / "psgn" / "points.npz"
    with pytest.raises(BadItem, match="no array 'points' and not one array alone; it holds points_u8, rot"):
        read_points(path)
    clouds = np.load(path)["points_u8"]
    write_points(tmp_path / "a.npz", clouds[0])
    np.testing.assert_array_equal(read_points(tmp_path / "a.npz").points, clouds[0])
