from __future__ import annotations

import io
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from trimesh.exchange.binvox import load_binvox

from datasets import BadItem
from datasets.formats.binvox import (
    format_binvox,
    parse_binvox,
    parse_binvox_packed,
    read_binvox,
    read_binvox_packed,
    write_binvox,
)

# no deadline: the first example compiles the kernel
relaxed = settings(deadline=None, max_examples=60)
grids = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=3, max_dims=3, max_side=12))


def file_bytes(pairs: list[int], dim: str = "2 2 2", version: str = "1", extra: str = "") -> bytes:
    return f"#binvox {version}\ndim {dim}\n{extra}data\n".encode() + bytes(pairs)


def body(data: bytes) -> list[int]:
    return list(data.partition(b"data\n")[2])


@relaxed
@given(grids)
@pytest.mark.sceptic(17)
def test_round_trip(grid):
    read = parse_binvox(format_binvox(grid), "x")
    assert read.voxels.dtype == np.bool_
    np.testing.assert_array_equal(read.voxels, grid)


@relaxed
@given(hnp.arrays(np.bool_, st.sampled_from([(8, 8, 8), (17, 17, 17)])))
def test_reads_the_same_as_trimesh(grid):
    theirs = load_binvox(io.BytesIO(format_binvox(grid))).encoding.dense
    np.testing.assert_array_equal(parse_binvox(format_binvox(grid), "x").voxels, theirs)


@relaxed
@given(hnp.arrays(np.bool_, hnp.array_shapes(min_dims=3, max_dims=3, max_side=20)), st.sampled_from([1, 2]))
def test_packed_is_packbits_of_the_grid(grid, version):
    packed = parse_binvox_packed(format_binvox(grid, (1.0, 2.0, 3.0), 4.0, version), "x")
    assert (packed.shape, packed.translate, packed.scale) == (grid.shape, (1.0, 2.0, 3.0), 4.0)
    assert packed.version == version
    assert packed.bits.dtype == np.uint8
    np.testing.assert_array_equal(packed.bits, np.packbits(grid))


@relaxed
@given(st.data())
def test_any_division_into_runs_gives_the_same(data):
    # long runs, empty ones, neighbours of one value, and values of version 2
    shape = data.draw(hnp.array_shapes(min_dims=3, max_dims=3, max_side=30))
    cells = int(np.prod(shape))
    pairs, left = [], cells
    while left:
        count = min(left, data.draw(st.sampled_from([0, 1, 2, 7, 31, 32, 33, 64, 254, 255])))
        pairs.append((data.draw(st.sampled_from([0, 0, 1, 2, 255])), count))
        left -= count
        if len(pairs) > 60:
            pairs += [(1, 255)] * (left // 255) + [(0, left % 255)]
            left = 0
    nx, ny, nz = shape
    flat = np.concatenate([np.full(count, value != 0) for value, count in pairs])
    expected = flat.reshape(nx, nz, ny).transpose(0, 2, 1)
    whole = file_bytes([n for pair in pairs for n in pair], " ".join(map(str, shape)), version="2")
    np.testing.assert_array_equal(parse_binvox(whole, "x").voxels, expected)
    np.testing.assert_array_equal(parse_binvox_packed(whole, "x").bits, np.packbits(expected))


@relaxed
@given(
    st.tuples(*[st.floats(-1e3, 1e3)] * 3),
    st.floats(1e-6, 1e6),
    st.sampled_from([1, 2]),
)
def test_header_survives(translate, scale, version):
    read = parse_binvox(format_binvox(np.ones((2, 3, 4), bool), translate, scale, version), "x")
    assert (read.translate, read.scale, read.version) == (translate, scale, version)
    assert read.voxels.shape == (2, 3, 4)


@relaxed
@given(grids, st.binary(min_size=1, max_size=8))
def test_longer_body_is_an_error(grid, rest):
    data = format_binvox(grid) + bytes(b | 1 for b in rest)
    for parse in (parse_binvox, parse_binvox_packed):
        with pytest.raises(BadItem, match=r"too long|odd number"):
            parse(data, "x")


@relaxed
@given(grids, st.data())
@pytest.mark.sceptic(17)
def test_any_truncation_is_an_error(grid, data):
    whole = format_binvox(grid)
    cut = data.draw(st.integers(0, len(whole) - 1))
    for parse in (parse_binvox, parse_binvox_packed):
        with pytest.raises(BadItem, match="x: "):
            parse(whole[:cut], "x")


@relaxed
@given(st.binary(max_size=200))
def test_garbage_never_raises_anything_else(noise):
    for data in (noise, b"#binvox 1\n" + noise, b"#binvox 1\ndim 2 2 2\ndata\n" + noise):
        for parse in (parse_binvox, parse_binvox_packed):
            try:
                parse(data, "x")
            except BadItem as error:
                assert str(error).startswith("x: ")


@pytest.mark.sceptic(17)
def test_order_in_the_file_is_y_then_z_then_x():
    # an L: three cells along y at x=z=0, then one step along z, then one along x
    grid = np.zeros((3, 3, 3), bool)
    grid[0, :, 0] = grid[0, 0, 1] = grid[1, 0, 0] = True
    assert body(format_binvox(grid)) == [1, 4, 0, 5, 1, 1, 0, 17]
    flat = np.zeros(27, bool)
    flat[[0, 1, 2, 3, 9]] = True
    np.testing.assert_array_equal(flat.reshape(3, 3, 3).transpose(0, 2, 1), grid)


@pytest.mark.parametrize(
    ("run", "pairs"),
    [
        (254, [1, 254]),
        (255, [1, 255]),
        (256, [1, 255, 1, 1]),
        (510, [1, 255, 1, 255]),
        (511, [1, 255, 1, 255, 1, 1]),
    ],
)
@pytest.mark.sceptic(17)
def test_runs_around_255(run, pairs):
    cells = np.zeros(8**3, bool)
    cells[:run] = True
    data = format_binvox(cells.reshape(8, 8, 8).transpose(0, 2, 1))
    assert body(data)[: len(pairs)] == pairs
    assert parse_binvox(data, "x").voxels.sum() == run
    np.testing.assert_array_equal(
        parse_binvox_packed(data, "x").bits, np.packbits(parse_binvox(data, "x").voxels)
    )


@pytest.mark.parametrize("value", [False, True])
@pytest.mark.sceptic(17)
def test_uniform_grids(value):
    grid = np.full((32, 32, 32), value)
    np.testing.assert_array_equal(parse_binvox(format_binvox(grid), "x").voxels, grid)
    np.testing.assert_array_equal(parse_binvox_packed(format_binvox(grid), "x").bits, np.packbits(grid))


@pytest.mark.sceptic(17)
def test_header_keys_in_any_order_and_unknown_ones():
    data = b"#binvox 1\nscale 2.5\ncomment whatever this is\ntranslate -1 0 .5\ndim 2 2 2\ndata\n\x01\x08"
    read = parse_binvox(data, "x")
    assert (read.scale, read.translate) == (2.5, (-1.0, 0.0, 0.5))
    assert read.voxels.all()


def test_placement_is_optional():
    read = parse_binvox(file_bytes([1, 8]), "x")
    assert (read.translate, read.scale) == ((0.0, 0.0, 0.0), 1.0)


def test_windows_line_ends():
    assert parse_binvox(b"#binvox 1\r\ndim 2 2 2\r\ndata\r\n\x01\x08", "x").voxels.all()


def test_version_2_values_all_mean_occupied():
    read = parse_binvox(file_bytes([0, 1, 1, 2, 128, 2, 255, 3], version="2"), "x")
    assert read.voxels.transpose(0, 2, 1).reshape(-1).tolist() == [False] + [True] * 7


def test_empty_runs_are_tolerated():
    data = file_bytes([1, 0, 1, 4, 0, 0, 0, 4, 1, 0])
    assert parse_binvox(data, "x").voxels.transpose(0, 2, 1).reshape(-1).tolist() == [True] * 4 + [False] * 4
    # y, then z: the first four cells are x = 0
    assert parse_binvox_packed(data, "x").bits.tolist() == [0b11110000]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not a binvox file"),
        (b"\x89PNG\r\n\x1a\n", "not a binvox file"),
        (b"#binvox\n", "not a binvox file"),
        (file_bytes([1, 8], version="3"), "version 3; known are 1 and 2"),
        (b"#binvox 1\ndim 2 2 2\n", "no 'data' line"),
        (b"#binvox 1\ndata\n\x01\x08", "no 'dim' line"),
        (file_bytes([1, 8], dim="2 2"), r"'dim' needs 3 number\(s\), the header says '2 2'"),
        (file_bytes([1, 8], dim="2 2 two"), "the header says '2 2 two'"),
        (file_bytes([1, 8], dim="2 2 -2"), "must be positive"),
        (file_bytes([1, 8], dim="0 2 2"), "must be positive"),
        (file_bytes([1, 8], extra="dim 2 2 2\n"), "gives 'dim' twice"),
        (file_bytes([1, 8], extra="scale 0\n"), "impossible placement"),
        (file_bytes([1, 8], extra="scale nan\n"), "impossible placement"),
        (file_bytes([1, 8], extra="translate 0 inf 0\n"), "impossible placement"),
        (file_bytes([1, 8], extra="translate 1e308 1e308 1e308\n"), "impossible placement"),
        (
            file_bytes([1, 8], extra="translate 0 0\n"),
            r"'translate' needs 3 number\(s\), .* '0 0'",
        ),
        (file_bytes([1, 8], extra="scale\n"), r"'scale' needs 1 number\(s\), the header says ''"),
        (file_bytes([1, 8], dim="2.0 2 2"), "the header says '2.0 2 2'"),
        (file_bytes([1, 8]).replace(b"data\n", b"dataset\n"), "no 'data' line"),
        (b"#binvox 1\ncomment" + b" x" * 5000 + b"\ndim 2 2 2\ndata\n\x01\x08", "no 'data' line"),
        (file_bytes([1, 7]), "truncated: the runs cover 7 cells, the header says 8"),
        (file_bytes([1, 9]), "too long: the runs cover 9 cells"),
        (file_bytes([1, 8, 0]), "odd number"),
        (file_bytes([1, 8], dim="100000 100000 100000"), "1,000,000,000,000,000 cells, the limit is"),
    ],
)
def test_hostile_files_are_named(tmp_path: Path, data, reason):
    path = tmp_path / "model.binvox"
    path.write_bytes(data)
    for read in (read_binvox, read_binvox_packed):
        with pytest.raises(BadItem, match=reason) as caught:
            read(path)
        assert str(path) in str(caught.value)


@pytest.mark.parametrize("read", [read_binvox, read_binvox_packed])
def test_refusing_allocates_little(tmp_path: Path, read):
    path = tmp_path / "model.binvox"
    path.write_bytes(file_bytes([1, 255] * 1000, dim="1024 1024 1024"))
    tracemalloc.start()
    try:
        with pytest.raises(BadItem, match="1,073,741,824 cells, the limit is 134,217,728"):
            read(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100_000


def test_packed_never_makes_the_dense_grid(tmp_path: Path):
    path = tmp_path / "model.binvox"
    write_binvox(path, np.ones((128, 128, 128), bool))
    read_binvox_packed(path)
    tracemalloc.start()
    try:
        assert (read_binvox_packed(path).bits == 255).all()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 128**3 / 2


def test_limit_on_cells(tmp_path: Path):
    path = tmp_path / "model.binvox"
    write_binvox(path, np.ones((16, 16, 16), bool))
    assert read_binvox(path, max_cells=16**3).voxels.all()
    with pytest.raises(BadItem, match="4,096 cells, the limit is 4,095"):
        read_binvox(path, max_cells=16**3 - 1)


def test_file_far_too_long_for_its_grid_is_not_read(tmp_path: Path):
    path = tmp_path / "model.binvox"
    with path.open("wb") as file:
        file.truncate(50_000)
    with pytest.raises(BadItem, match="50,000 bytes, the limit is 6,144"):
        read_binvox(path, max_cells=512)


def test_missing_file_is_named(tmp_path: Path):
    with pytest.raises(BadItem, match=r"absent\.binvox: No such file"):
        read_binvox(tmp_path / "absent.binvox")


def test_file_round_trip_with_numbers(tmp_path: Path):
    grid = np.arange(27).reshape(3, 3, 3) % 3
    write_binvox(tmp_path / "a.binvox", grid, (1.0, 2.0, 3.0), 4.0, version=2)
    read = read_binvox(tmp_path / "a.binvox")
    np.testing.assert_array_equal(read.voxels, grid != 0)
    assert (read.translate, read.scale, read.version) == ((1.0, 2.0, 3.0), 4.0, 2)


@pytest.mark.parametrize(
    ("grid", "version", "reason"),
    [
        (np.ones((2, 2)), 1, "three|nx, ny, nz"),
        (np.ones((0, 2, 2)), 1, "at least one cell"),
        (np.ones((2, 2, 2)), 3, "version must be 1 or 2"),
    ],
)
def test_writer_refuses(grid, version, reason):
    with pytest.raises(ValueError, match=reason):
        format_binvox(grid, version=version)
