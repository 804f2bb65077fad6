from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from trimesh.exchange.binvox import load_binvox

from datasets import BadItem
from datasets.formats.binvox import format_binvox, parse_binvox, read_binvox, write_binvox

# no deadline: the first example compiles the kernel
relaxed = settings(deadline=None, max_examples=60)
grids = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=3, max_dims=3, max_side=12))


def file_bytes(pairs: list[int], dim: str = "2 2 2", version: str = "1", extra: str = "") -> bytes:
    return f"#binvox {version}\ndim {dim}\n{extra}data\n".encode() + bytes(pairs)


def body(data: bytes) -> list[int]:
    return list(data.partition(b"data\n")[2])


@relaxed
@given(grids)
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
    with pytest.raises(BadItem, match=r"too long|odd number"):
        parse_binvox(data, "x")


@relaxed
@given(grids, st.data())
def test_any_truncation_is_an_error(grid, data):
    whole = format_binvox(grid)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(BadItem, match="x: "):
        parse_binvox(whole[:cut], "x")


@relaxed
@given(st.binary(max_size=200))
def test_garbage_never_raises_anything_else(noise):
    for data in (noise, b"#binvox 1\n" + noise, b"#binvox 1\ndim 2 2 2\ndata\n" + noise):
        try:
            assert parse_binvox(data, "x").voxels.size >= 1
        except BadItem as error:
            assert str(error).startswith("x: ")


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
def test_runs_around_255(run, pairs):
    cells = np.zeros(8**3, bool)
    cells[:run] = True
    data = format_binvox(cells.reshape(8, 8, 8).transpose(0, 2, 1))
    assert body(data)[: len(pairs)] == pairs
    assert parse_binvox(data, "x").voxels.sum() == run


@pytest.mark.parametrize("value", [False, True])
def test_uniform_grids(value):
    grid = np.full((32, 32, 32), value)
    np.testing.assert_array_equal(parse_binvox(format_binvox(grid), "x").voxels, grid)


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
    read = parse_binvox(file_bytes([1, 0, 1, 4, 0, 0, 0, 4]), "x")
    assert read.voxels.transpose(0, 2, 1).reshape(-1).tolist() == [True] * 4 + [False] * 4


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
        (file_bytes([1, 7]), "truncated: the runs cover 7 cells, the header says 8"),
        (file_bytes([1, 9]), "too long: the runs cover 9 cells"),
        (file_bytes([1, 8, 0]), "odd number"),
        (file_bytes([1, 8], dim="100000 100000 100000"), "1,000,000,000,000,000 cells, the limit is"),
    ],
)
def test_hostile_files_are_named(tmp_path: Path, data, reason):
    path = tmp_path / "model.binvox"
    path.write_bytes(data)
    with pytest.raises(BadItem, match=reason) as caught:
        read_binvox(path)
    assert str(path) in str(caught.value)


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
    with pytest.raises(BadItem, match="50,000 bytes, more than a grid of 512 cells can need"):
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
