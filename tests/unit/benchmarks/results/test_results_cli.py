"""Names of stored results, the list, one result, and what shares a table in a leaderboard."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from benchmarks.protocols import PROTOCOLS
from benchmarks.records.schema import Record, ResultError, Rows
from benchmarks.records.storage import load, save
from benchmarks.results.__main__ import main
from benchmarks.results.find import Stored, find_result, read_store, short_names
from benchmarks.results.leaderboard import leaderboard, protocol_of

GOLDEN = Path(__file__).parents[3] / "golden" / "results_v1"


def _result(name: str, seed: int | None, iou: float, **changes: Any) -> tuple[Record, Rows]:
    """A result by r3d-v1 as it is now, over forty shapes."""
    record, _ = load(GOLDEN / ("control" if seed is None else "model"))
    protocol = PROTOCOLS.get("r3d-v1").cls(PROTOCOLS.get("r3d-v1").config())
    info = record.protocol.model_copy(
        update={"id": protocol.id, "version": protocol.version, "settings": protocol.settings}
    )
    rows: Rows = [
        {"id": f"s{k}", "category": "chair", "view": 0, "failed": False, "reason": None}
        | {c.name: iou + 0.001 * (k % 7) for c in protocol.columns}
        for k in range(40)
    ]
    data = record.dataset.model_copy(update={"n": 40})
    update = {"name": name, "title": name, "seed": seed, "n": 40, "n_failed": 0, "dataset": data}
    return record.model_copy(update=update | {"protocol": info} | changes), rows


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two seeds of r3d, one of psgn, a control; in a folder below, predictions of somebody else."""
    made = [
        _result("r3d", 0, 0.4, cell="aa11" + "0" * 60),
        _result("r3d", 1, 0.42, cell="aa22" + "0" * 60),
        _result("psgn", 0, 0.3, cell="bb33" + "0" * 60),
        _result("image_retrieval", None, 0.5, cell="cc44" + "0" * 60),
    ]
    for record, rows in made:
        save(record, rows, tmp_path / "cells" / record.cell[:16])
    files = _result("ours", None, 0.6, cell="dd55" + "0" * 60, kind="files", preset="files")
    save(*files, tmp_path / "evaluate" / "cells" / files[0].cell[:16])
    return tmp_path


def test_a_result_is_found_by_any_clear_start_of_its_name_or_hash(root: Path) -> None:
    for name, cell in {
        "r3d-0": "aa11",
        "r3d-1-r3d-v1": "aa22",
        "psgn": "bb33",
        "aa22": "aa22",
        "ours": "dd55",
        "r3d-0-r3d-v1-procedural-quick": "aa11",
        str(root / "cells" / ("bb33" + "0" * 12)): "bb33",
    }.items():
        assert find_result(root, name).name.startswith(cell)


def test_a_name_that_means_several_or_none_is_refused_with_names_that_mean_one(root: Path) -> None:
    with pytest.raises(ResultError, match=r"'r3d' means 2 results of .*: aa110000 \(r3d-0-r3d-v1-.*say more"):
        find_result(root, "r3d")
    with pytest.raises(ResultError, match=r"no result in .* is called 'psgm'\. Did you mean 'psgn'\?"):
        find_result(root, "psgm")
    with pytest.raises(ResultError, match="no result in"):
        find_result(root, "aa1")  # too short for a hash
    with pytest.raises(ResultError, match=r"there is no folder .*; --out names"):
        find_result(root / "nowhere", "r3d")
    (root / "empty").mkdir()
    with pytest.raises(ResultError, match="there are no results in"):
        find_result(root / "empty", "r3d")


def test_short_names_mean_what_they_name(root: Path) -> None:
    results = read_store(root).results
    names = short_names(results)
    assert sorted(names.values()) == ["image_retrieval", "ours", "psgn", "r3d-0", "r3d-1"]
    for one in results:
        assert find_result(root, names[one.record.cell]) == one.folder


def test_the_list_is_filtered_and_broken_results_are_named(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "cells" / "broken").mkdir()
    (root / "cells" / "broken" / "record.json").write_text("{", encoding="utf-8")
    assert main(["list", "--out", str(root)]) == 0
    out = capsys.readouterr().out
    assert "4 results in" in out and "image_retrieval" not in out and "aa110000" in out
    assert "left out" in out and "is not JSON" in out
    assert main(["list", "--out", str(root), "--kind", "all", "--preset", "quick", "--model", "i*"]) == 0
    out = capsys.readouterr().out
    assert "1 results in" in out and "image_retrieval" in out
    assert main(["list", "--out", str(root), "--dataset", "shapenet"]) == 2
    assert "There are models: ours, psgn, r3d; data sets: procedural" in capsys.readouterr().err


def test_one_result_is_shown_whole(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "psgn", "--out", str(root)]) == 0
    out = capsys.readouterr().out
    assert "IoU ↑" in out and "0.303" in out and "threshold: 0.35" in out
    assert f"again: python -m benchmarks.repro {root}"[:30] in out.replace("\n", " ")
    assert main(["show", "nobody", "--out", str(root)]) == 2


def test_a_leaderboard_has_a_table_for_what_may_share_one(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tables = list(leaderboard(read_store(root).results, resamples=200))
    assert [table.title.rpartition(", preset ")[2].partition(",")[0] for table in tables] == [
        "files",
        "quick",
    ]
    quick = tables[1].comparison
    assert quick is not None
    assert [(row.name, row.seeds) for row in quick.rows] == [
        ("r3d", (0, 1)),
        ("psgn", (0,)),
        ("image_retrieval", ()),
    ]
    assert main(["leaderboard", "--out", str(root), "--preset", "quick", "--columns", "iou"]) == 0
    out = capsys.readouterr().out
    assert out.strip().startswith("r3d is better than psgn by IoU") and "CD ↓" not in out
    assert main(["leaderboard", "--out", str(root), "--columns", "iuo"]) == 2
    assert "unknown --columns 'iuo'" in capsys.readouterr().err


def test_rows_of_one_name_and_several_configs_are_told_apart_and_the_newest_counts(root: Path) -> None:
    results = list(read_store(root).results)
    first = next(one for one in results if one.record.cell.startswith("aa11"))
    other = first.record.model_copy(update={"config": {"steps": 2}, "cell": "ee66" + "0" * 60})
    older = first.record.model_copy(
        update={"cell": "ff77" + "0" * 60, "date": first.record.date - timedelta(days=1)}
    )
    rows = [{**row, "iou@val": 0.9} for row in first.rows]
    results += [Stored(root, other, rows), replace(first, record=older, rows=rows)]
    table = next(t for t in leaderboard(results, resamples=200) if "preset quick" in t.title)
    assert table.comparison is not None
    seeds = {row.name: row.seeds for row in table.comparison.models}
    assert seeds == {"r3d (ee6600)": (0,), "r3d (aa1100)": (0, 1), "psgn": (0,)}
    means = {row.name: row.instance_mean["iou@val"] for row in table.comparison.models}
    assert means["r3d (aa1100)"].mean < 0.5  # type: ignore[union-attr]  # not the older one's .9


def test_results_of_an_older_protocol_are_left_out_by_name(root: Path) -> None:
    one = read_store(root).results[0]
    info = one.record.protocol.model_copy(update={"version": 1})
    old = one.record.model_copy(update={"protocol": info})
    with pytest.raises(ResultError, match="version 1, which is version 2 now or has other settings"):
        protocol_of(old)
    models = [
        replace(o, record=o.record.model_copy(update={"protocol": info})) for o in read_store(root).results
    ]
    assert all(t.comparison is None and "measure again" in t.why for t in leaderboard(models, resamples=200))


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--help"])
    out = capsys.readouterr().out
    assert left.value.code == 0 and "python -m benchmarks.results leaderboard" in out and "never mixes" in out
    assert main(["lst"]) == 2 and "Did you mean 'list'" in capsys.readouterr().err
