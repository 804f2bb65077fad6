from __future__ import annotations

import os
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.io import loadmat, savemat

from datasets import BadItem
from datasets.formats.mat import read_voxel_mat
from tests.helpers.writers import write_voxel_mat

grids = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=3, max_dims=3, max_side=8))

UINT8, DOUBLE = 9, 6  # classes of MATLAB arrays
INT8, UINT8_DATA, INT32, UINT32, DOUBLE_DATA, MATRIX, COMPRESSED = 1, 2, 5, 6, 9, 14, 15


def element(kind: int, body: bytes, order: str = "<", claim: int | None = None) -> bytes:
    """Tag and body, padded to eight bytes; `claim` lies about the length."""
    length = len(body) if claim is None else claim
    return struct.pack(f"{order}II", kind, length) + body + bytes(-len(body) % 8)


def matrix(
    dims: tuple[int, ...],
    body: bytes,
    name: bytes = b"voxel",
    order: str = "<",
    flags: int = UINT8,
    data: int = UINT8_DATA,
    claim: int | None = None,
) -> bytes:
    inside = element(UINT32, struct.pack(f"{order}II", flags, 0), order)
    inside += element(INT32, struct.pack(f"{order}{len(dims)}i", *dims), order)
    inside += element(INT8, name, order) + element(data, body, order, claim)
    return element(MATRIX, inside, order)


def mat(*variables: bytes, order: str = "<", version: int = 0x0100) -> bytes:
    mark = struct.pack(f"{order}2H", version, 0x4D49)
    return b"MATLAB 5.0 MAT-file".ljust(124) + mark + b"".join(variables)


def compressed(variable: bytes) -> bytes:
    body = zlib.compress(variable)
    return struct.pack("<II", COMPRESSED, len(body)) + body  # not padded, unlike the others


CELLS = bytes(range(2)) * 12
GOOD = matrix((2, 3, 4), CELLS)
EXPECTED = np.frombuffer(CELLS, np.uint8).reshape((2, 3, 4), order="F").astype(bool)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("mat")


@settings(deadline=None)
@given(grid=grids)
def test_round_trip(folder, grid):
    path = folder / "voxel.mat"
    write_voxel_mat(path, grid)
    read = read_voxel_mat(path)
    assert read.dtype == np.bool_
    np.testing.assert_array_equal(read, grid)


@settings(deadline=None)
@given(
    grid=grids,
    dtype=st.sampled_from(
        ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"]
    ),
    high=st.sampled_from([1, 100]),
    compress=st.booleans(),
)
def test_any_class_as_scipy_reads_it(folder, grid, dtype, high, compress):
    path = folder / "voxel.mat"
    savemat(path, {"other": "text", "voxel": (grid * high).astype(dtype)}, do_compression=compress)
    np.testing.assert_array_equal(read_voxel_mat(path), loadmat(path)["voxel"] > 0)


def test_variables_without_dimensions_are_passed_over(tmp_path):
    opaque = element(MATRIX, element(UINT32, struct.pack("<II", 17, 0)) + element(INT8, b"voxel"))
    (tmp_path / "a.mat").write_bytes(mat(opaque, GOOD))
    np.testing.assert_array_equal(read_voxel_mat(tmp_path / "a.mat"), EXPECTED)


def test_small_elements(tmp_path):
    write_voxel_mat(tmp_path / "a.mat", np.ones((1, 2, 2), bool), variable="v")  # name and values are small
    np.testing.assert_array_equal(read_voxel_mat(tmp_path / "a.mat", "v"), np.ones((1, 2, 2), bool))


@pytest.mark.parametrize("order", ["<", ">"])
def test_both_byte_orders_and_column_major(tmp_path, order):
    path = tmp_path / "voxel.mat"
    path.write_bytes(mat(matrix((2, 3, 4), CELLS, order=order), order=order))
    np.testing.assert_array_equal(read_voxel_mat(path), EXPECTED)


def test_0_and_255(tmp_path):
    path = tmp_path / "voxel.mat"
    path.write_bytes(mat(matrix((2, 3, 4), bytes(255 * b for b in CELLS))))
    np.testing.assert_array_equal(read_voxel_mat(path), EXPECTED)


def test_another_variable(tmp_path):
    write_voxel_mat(tmp_path / "a.mat", EXPECTED, variable="grid")
    np.testing.assert_array_equal(read_voxel_mat(tmp_path / "a.mat", "grid"), EXPECTED)
    with pytest.raises(BadItem, match=r"a\.mat: 0 variables named 'voxel', expected one; it holds 'grid'"):
        read_voxel_mat(tmp_path / "a.mat")


doubles = struct.pack("<8d", *[0.5] * 8)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "an empty file"),
        (b"#binvox 1\n" + bytes(200), "not a MATLAB 5 file"),
        (
            b"MATLAB 7.3 MAT-file".ljust(512) + b"\x89HDF\r\n\x1a\n",
            r"MATLAB 7\.3 \(HDF5\) file; save it",
        ),
        (bytes(512) + b"\x89HDF\r\n\x1a\n" + bytes(100), r"7\.3 \(HDF5\)"),
        (mat(GOOD, version=0x0300), "not a MATLAB 5 file"),
        (mat(), "0 variables named 'voxel', expected one; it holds nothing"),
        (mat(GOOD, GOOD), "2 variables named 'voxel'"),
        (mat(b"\x0e\0\0\0"), "truncated: 4 bytes where an element must begin"),
        (mat(GOOD)[:-8], "truncated: an element of"),
        (mat(compressed(GOOD))[:-6], "truncated: an element of"),
        (mat(element(COMPRESSED, zlib.compress(GOOD)[:-8])), "truncated: a compressed variable has no end"),
        (mat(element(COMPRESSED, b"no zlib at all")), "broken compressed variable"),
        (mat(element(UINT8_DATA, bytes(16))), "an element of type 2 where a variable must begin"),
        (mat(element(MATRIX, b"")), "truncated"),
        (mat(element(MATRIX, element(INT8, bytes(8)))), "a variable without flags"),
        (mat(element(MATRIX, struct.pack("<HH", UINT32, 5) + bytes(12))), "a small element of 5 bytes"),
        (mat(matrix((2, 12), CELLS)), r"must have three axes with at least one cell, got \(2, 12\)"),
        (mat(matrix((2, 3, 2, 2), CELLS)), "must have three axes"),
        (mat(matrix((0, 3, 4), b"")), "must have three axes with at least one cell"),
        (mat(matrix((-2, -3, 4), CELLS)), "must have three axes"),
        (mat(matrix((1 << 20,) * 3, CELLS)), r"1,152,921,504,606,846,976 cells, the limit is 16,777,216"),
        (mat(matrix((2, 3, 5), CELLS)), r"'voxel' has \(2, 3, 5\) = 30 cells, but 24 bytes of uint8"),
        (mat(matrix((2, 3, 4), CELLS, claim=0xFFFFFFF0)), "truncated: an element of 4,294,967,280 bytes"),
        (mat(matrix((2, 3, 4), CELLS, flags=99)), "does not hold real numbers"),
        (mat(matrix((2, 3, 4), CELLS, data=136)), "holds values of type 136"),
        (mat(matrix((2, 3, 4), CELLS, flags=1)), "does not hold real numbers"),
        (mat(matrix((2, 3, 4), CELLS, flags=4)), "does not hold real numbers"),
        (mat(matrix((2, 2, 2), doubles, flags=DOUBLE, data=DOUBLE_DATA)), "holds fractions"),
        (mat(matrix((2, 2, 2), b"\xff" * 64, flags=DOUBLE, data=DOUBLE_DATA)), "NaN"),
        (mat(matrix((2, 2, 2), b"\xff" * 8, flags=8, data=INT8)), "holds negative values"),
    ],
)
def test_hostile_files_are_named(tmp_path, data, reason):
    path = tmp_path / "voxel.mat"
    path.write_bytes(data)
    with pytest.raises(BadItem, match=reason) as caught:
        read_voxel_mat(path)
    assert str(path) in str(caught.value)


def test_complex_numbers_are_refused(tmp_path):
    savemat(tmp_path / "a.mat", {"voxel": np.ones((2, 2, 2), complex)})
    with pytest.raises(BadItem, match="does not hold real numbers"):
        read_voxel_mat(tmp_path / "a.mat")


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(BadItem, match=r"absent\.mat: No such file"):
        read_voxel_mat(tmp_path / "absent.mat")
    with pytest.raises(BadItem, match="not a regular file"):
        read_voxel_mat(tmp_path)


def test_limit_on_cells(tmp_path):
    path = tmp_path / "voxel.mat"
    write_voxel_mat(path, EXPECTED)
    assert read_voxel_mat(path, max_cells=24).shape == (2, 3, 4)
    with pytest.raises(BadItem, match=r"\(2, 3, 4\) = 24 cells, the limit is 23"):
        read_voxel_mat(path, max_cells=23)


ZEROS = 1 << 26


@pytest.mark.parametrize(
    "variable",
    [
        matrix((2, 3, 4), bytes(ZEROS)),  # the header is modest, its data is not
        matrix((512, 512, 256), bytes(ZEROS)),
        matrix((2, 3, 4), CELLS, name=bytes(ZEROS)),
    ],
    ids=["data", "dims", "name"],
)
def test_variables_that_unpack_to_gigabytes_are_refused(tmp_path, variable):
    path = tmp_path / "bomb.mat"
    path.write_bytes(mat(compressed(variable)))
    assert path.stat().st_size < 100_000
    tracemalloc.start()
    try:
        with pytest.raises(BadItem, match=r"bomb\.mat: its variables unpack to more than the [0-9,]+ bytes"):
            read_voxel_mat(path, max_cells=32**3)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2 << 20


def test_a_file_far_too_long_is_not_read(tmp_path):
    path = tmp_path / "voxel.mat"
    with path.open("wb") as file:
        file.truncate(1_000_000)
    with pytest.raises(BadItem, match="1,000,000 bytes, the limit is 69,632"):
        read_voxel_mat(path, max_cells=512)


@pytest.mark.parametrize("data", [mat(GOOD), mat(compressed(GOOD))], ids=["plain", "compressed"])
def test_any_truncation_is_an_error(tmp_path, data):
    path = tmp_path / "voxel.mat"
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(BadItem, match=r"voxel\.mat: "):
            read_voxel_mat(path)


@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_flipped_bytes_are_a_grid_or_a_bad_item(folder, data):
    broken = bytearray(mat(GOOD))
    for place in data.draw(st.lists(st.integers(0, len(broken) - 1), min_size=1, max_size=5)):
        broken[place] = data.draw(st.integers(0, 255))
    check_reading(folder, bytes(broken))


@settings(deadline=None, max_examples=200)
@given(noise=st.binary(max_size=200), head=st.sampled_from([b"", mat(), mat(GOOD)[:152]]))
def test_noise_is_a_grid_or_a_bad_item(folder, noise, head):
    check_reading(folder, head + noise)


def check_reading(folder: Path, data: bytes) -> None:
    path = folder / "noise.mat"
    path.write_bytes(data)
    try:
        assert read_voxel_mat(path).ndim == 3
    except BadItem as error:
        assert str(error).startswith(str(path))


@pytest.mark.data
def test_real_grids():
    data = os.environ.get("R3D_SAMPLE_DATA")
    if not data:
        pytest.skip("R3D_SAMPLE_DATA is not set: the folder of real samples")
    paths = sorted(Path(data).glob("pix3d_layout/models/*/*.mat"))
    assert len(paths) == 2
    for path in paths:
        read = read_voxel_mat(path)
        assert read.shape == (128, 128, 128)
        np.testing.assert_array_equal(read, loadmat(path)["voxel"] == 1)
