"""The quoted numbers: as printed in their sources, and every kind of mistake in the file is an error."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from benchmarks.tables.published import DEFAULT_PATH, PublishedError, load_published

# the nine rows that the R3D report prints, typed in here a second time
TABLE_1 = {
    "3D-R2N2": (".136", ".211", ".239"),
    "PSGN": (None, ".216", ".200"),
    "3D-VAE-GAN": (".171", ".176", ".182"),
    "DRC": (".265", ".144", ".160"),
    "MarrNet*": (".231", ".136", ".144"),
    "AtlasNet": (None, ".128", ".125"),
    "Pix3D without pose": (".267", ".124", ".124"),
    "Pix3D with pose": (".282", ".118", ".119"),
    "R3D": (".2288", None, ".052"),
}


def test_table_1_is_quoted_digit_by_digit() -> None:
    rows = load_published().table("r3d_table1").rows
    quoted = {r.method: tuple(r.values.get(m) for m in ("iou", "emd", "cd")) for r in rows}
    assert quoted == TABLE_1
    assert list(quoted) == list(TABLE_1)


def test_r3d_row_stands_under_its_own_protocol_with_30_images() -> None:
    published = load_published()
    by_method = {r.method: r for r in published.table("r3d_table1").rows}
    assert published.protocols[by_method["R3D"].protocol].n == 30
    others = {r.protocol for name, r in by_method.items() if name != "R3D"}
    assert others == {"pix3d_chairs"}
    assert published.protocols["pix3d_chairs"].n == 2894


TEST_SHAPES = (810, 364, 315, 1501, 1357, 220, 465, 325, 475, 635, 1703, 211, 389)
"""Of each category, in alphabetic order of the columns, in Pix2Vox's list."""


def test_category_columns_average_to_the_printed_means() -> None:
    """3D-R2N2 prints the mean of categories, Pix2Vox that of instances: they are two protocols."""
    published = load_published()
    table = published.table("shapenet13_voxels")
    columns = [c.name for c in published.columns_of(table) if c.name.startswith("iou_")]
    assert len(columns) == 13 and sum(TEST_SHAPES) == published.protocols["pix2vox_voxels"].n
    by_method = {row.method: row.values for row in table.rows}
    for method, weights in (("3D-R2N2", None), ("Pix2Vox-F", TEST_SHAPES), ("Pix2Vox-A", TEST_SHAPES)):
        values = [float(by_method[method][name]) for name in columns]
        assert np.average(values, weights=weights) == pytest.approx(float(by_method[method]["iou"]), abs=6e-4)


def test_one_network_has_several_published_numbers() -> None:
    """3D-R2N2's IoU is .560, .591 or .493, each under the rules that it was measured by."""
    published = load_published()
    found = {
        row.protocol: row.values["iou"]
        for table in published.tables
        for row in table.rows
        if row.method in ("3D-R2N2", "3D-R2N2, PyTorch port (3D-LSTM-3)") and "iou" in row.values
    }
    assert found == {"pix3d_chairs": ".136", "r2n2_voxels": ".560", "r2n2_port": ".591", "occnet": ".493"}
    assert all(published.protocols[name].rules for name in found)


def test_unknown_table_suggests_the_nearest() -> None:
    with pytest.raises(
        LookupError, match=r"unknown published table 'r3d_table_1'\. Did you mean 'r3d_table1'\?"
    ):
        load_published().table("r3d_table_1")


def _file(tmp_path: Path, data: Any) -> Path:
    path = tmp_path / "published.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return path


def _set(row_key: str, value: Any) -> Any:
    def change(data: dict[str, Any]) -> None:
        data["tables"][0]["rows"][0][row_key] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_set("iuo", ".2"), "iuo: Extra inputs are not permitted"),
        (_set("iou", "about .2"), r"'3D-R2N2': iou = 'about .2' is not a number"),
        (_set("iou", "-0.1"), r"iou = '-0.1' is not a number of at least 0"),
        (_set("iou", 0.136), "iou: Input should be a valid string"),
        (_set("protocol", "pix3d_chair"), "unknown protocol 'pix3d_chair'. Did you mean 'pix3d_chairs'"),
        (_set("method", "PSGN"), "row 'PSGN' occurs twice"),
        (lambda d: d["tables"][0]["rows"][0].pop("source"), "source: Field required"),
        (lambda d: d["protocols"]["r3d_report"].pop("n"), "r3d_report.n: Field required"),
        (lambda d: d["tables"][0].update(rows=[]), "rows: Tuple should have at least 1 item"),
        (lambda d: d["tables"].append(d["tables"][0]), "two tables have the same name"),
        (lambda d: d["tables"].append("row"), "tables.9: Input should be a valid dictionary"),
    ],
)
def test_a_wrong_file_is_refused_with_file_and_place(tmp_path: Path, change: Any, message: str) -> None:
    data = copy.deepcopy(yaml.safe_load(DEFAULT_PATH.read_text(encoding="utf-8")))
    change(data)
    path = _file(tmp_path, data)
    with pytest.raises(PublishedError, match=message) as caught:
        load_published(path)
    assert str(path) in str(caught.value)


def test_a_row_without_any_number_is_refused(tmp_path: Path) -> None:
    data = yaml.safe_load(DEFAULT_PATH.read_text(encoding="utf-8"))
    for metric in ("iou", "emd", "cd"):
        data["tables"][0]["rows"][0].pop(metric)
    with pytest.raises(PublishedError, match="values: Dictionary should have at least 1 item"):
        load_published(_file(tmp_path, data))


@pytest.mark.parametrize("text", ["tables: [", "just words", ""])
def test_what_is_no_such_yaml_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "published.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PublishedError, match=str(path)):
        load_published(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PublishedError, match=r"nothing\.yaml cannot be read"):
        load_published(tmp_path / "nothing.yaml")
