"""Records on disk (round trip, crash, corruption, old schemas) and what may stand in one comparison."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from benchmarks.records import storage as module
from benchmarks.records.identity import cell_hash
from benchmarks.records.schema import Record, ResultError, Rows
from benchmarks.records.storage import ResultStore, load, save

GOLDEN = Path(__file__).parents[3] / "golden" / "results_v1"


def _stored() -> tuple[Record, Rows]:
    return load(GOLDEN / "model")


def test_a_record_of_schema_1_still_loads() -> None:
    record, rows = _stored()
    assert (record.name, record.seed, record.preset) == ("r3d", 0, "quick")
    assert record.threshold is not None and record.threshold.value == 0.35
    assert record.train is not None and record.train.peak_memory_mb == 812.25
    assert record.iou_curve == ((0.25, 0.36), (0.5, 0.34))
    assert record.date.isoformat() == "2026-03-01T12:00:00+00:00"
    assert rows[0] == {
        "id": "chair-0",
        "category": "chair",
        "view": 0,
        "failed": False,
        "reason": None,
        "iou@val": 0.5,
        "cd": 0.0625,
        "cd_mesh": None,
    }
    assert rows[4]["category"] == "lamp, floor"
    assert rows[4]["failed"] is True and rows[4]["reason"] == "empty at its threshold of 0.35"
    assert rows[4]["cd"] == 3.4641016151377544
    assert record.dataset.whole is None  # all instances were measured: there was no --limit
    control, _ = load(GOLDEN / "control")
    assert (control.kind, control.seed, control.train) == ("control", None, None)


def test_the_hash_of_a_cell_does_not_change_between_versions() -> None:
    record, _ = _stored()
    assert _hash(record) == record.cell


def _hash(record: Record, **changes: Any) -> str:
    names = ("kind", "name", "config", "dataset", "protocol", "preset", "seed")
    return cell_hash(**({n: getattr(record, n) for n in names} | changes))


def test_everything_that_identifies_a_cell_is_in_its_hash() -> None:
    record, _ = _stored()
    dataset, protocol = record.dataset, record.protocol
    others = [
        _hash(record),
        _hash(record, name="r2n2"),
        _hash(record, kind="control"),
        _hash(record, seed=1),
        _hash(record, preset="standard"),
        _hash(record, config={**record.config, "train": {"steps": 601, "seed": 0}}),
        _hash(record, dataset=dataset.model_copy(update={"fingerprint": "00"})),
        _hash(record, dataset=dataset.model_copy(update={"split": "val"})),
        _hash(record, dataset=dataset.model_copy(update={"views": "all views"})),
        _hash(record, protocol=protocol.model_copy(update={"version": 2})),
        _hash(record, protocol=protocol.model_copy(update={"settings": {"points": 30_000}})),
    ]
    assert len(set(others)) == len(others)


def test_the_hash_ignores_order_and_what_does_not_identify() -> None:
    record, _ = _stored()
    backwards = dict(reversed(record.config.items()))
    assert _hash(record, config=backwards) == record.cell
    assert _hash(record, dataset=record.dataset.model_copy(update={"skipped": {}})) == record.cell
    assert _hash(record, dataset=record.dataset.model_copy(update={"whole": 99})) == record.cell
    with pytest.raises(TypeError):
        _hash(record, config={"folder": Path()})


finite = st.floats(allow_nan=False, allow_infinity=False)
text = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), min_size=1, max_size=12)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(text, text, st.booleans(), st.none() | text, st.none() | finite),
        min_size=1,
        max_size=6,
        unique_by=lambda r: r[0],
    )
)
def test_save_and_load_give_back_every_bit(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[Any]
) -> None:
    rows = [
        {"id": i, "category": c, "view": k, "failed": f, "reason": r, "cd": v}
        for k, (i, c, f, r, v) in enumerate(drawn)
    ]
    counts = {"n": len(rows), "n_failed": sum(r["failed"] for r in rows)}
    record = _stored()[0].model_copy(update=counts)
    folder = tmp_path_factory.mktemp("cell")
    saved = save(record, rows, folder)
    assert load(folder) == (saved, rows)
    assert saved.model_copy(update={"rows_sha256": record.rows_sha256}) == record


def test_saving_twice_replaces_and_leaves_nothing_behind(tmp_path: Path) -> None:
    record, rows = _stored()
    save(record, rows, tmp_path)
    rows[0] = rows[0] | {"cd": 0.5}
    save(record, rows, tmp_path)
    assert load(tmp_path)[1][0]["cd"] == 0.5
    assert sorted(p.name for p in tmp_path.iterdir()) == ["record.json", "rows.csv"]


@pytest.mark.parametrize("dies_at", [1, 2])
def test_a_crash_while_saving_never_leaves_a_finished_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies_at: int
) -> None:
    """Killed before the first or second file reaches its place, over an older result and over nothing."""
    record, rows = _stored()
    store = ResultStore(tmp_path)
    for again in (False, True):
        folder = store.folder(record.cell)
        if again:
            save(record, rows, folder)
        changed = [row | {"cd": 9.0} for row in rows]
        calls = iter(range(1, 3))
        real = Path.replace

        def replace(self: Path, target: Path, calls: Any = calls, real: Any = real) -> Path:
            if next(calls) == dies_at:
                raise KeyboardInterrupt
            return real(self, target)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", replace)
            with pytest.raises(KeyboardInterrupt):
                save(record, changed, folder)
        assert store.find(record.cell) is None
        assert [p.name for p in folder.iterdir() if p.name.startswith(".")] == []
        assert store.list().records == []
    save(record, changed, folder)
    found = store.find(record.cell)
    assert found is not None and found[1][0]["cd"] == 9.0


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_an_undefined_metric_is_none_and_nothing_else(tmp_path: Path, bad: float) -> None:
    record, rows = _stored()
    rows[1]["cd"] = bad
    with pytest.raises(ValueError, match=rf"row 'chair-1' has cd = {bad}; undefined metrics are None"):
        save(record, rows, tmp_path)
    assert list(tmp_path.iterdir()) == []


def _drop_key(rows: Rows) -> Rows:
    return [{k: v for k, v in rows[0].items() if k != "cd"}, *rows[1:]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[:-1], "5 rows with 1 failed, but the record says 6 with 1"),
        (lambda rows: [r | {"failed": False} for r in rows], "6 rows with 0 failed"),
        (lambda rows: [rows[1], *rows[1:]], r"an instance \(id, view\) occurs twice"),
        (_drop_key, "row 'chair-1' has other columns: \\['cd'\\]"),
        (lambda rows: [], "there are no rows to save"),
    ],
)
def test_rows_that_do_not_fit_the_record_are_refused(
    tmp_path: Path, change: Callable[[Rows], Rows], message: str
) -> None:
    record, rows = _stored()
    with pytest.raises(ValueError, match=message):
        save(record, change(rows), tmp_path)
    assert list(tmp_path.iterdir()) == []


def _edit(name: str, change: Callable[[str], str]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        path = folder / name
        path.write_bytes(change(path.read_bytes().decode()).encode())

    return edit


def _folder(name: str) -> Callable[[Path], None]:
    def replace(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).mkdir()

    return replace


def _resign(change: Callable[[str], str]) -> Callable[[Path], None]:
    """Damage rows.csv and sign it again: only the reader's own checks can notice."""

    def edit(folder: Path) -> None:
        _edit("rows.csv", change)(folder)
        digest = hashlib.sha256((folder / "rows.csv").read_bytes()).hexdigest()
        record = json.loads((folder / "record.json").read_text(encoding="utf-8")) | {"rows_sha256": digest}
        (folder / "record.json").write_text(json.dumps(record), encoding="utf-8")

    return edit


@pytest.mark.parametrize(
    ("damage", "file", "message"),
    [
        (_edit("record.json", lambda t: t[: len(t) // 2]), "record.json", "is not JSON"),
        (_edit("record.json", lambda t: "[]"), "record.json", "has no schema_version"),
        (
            _edit("record.json", lambda t: t.replace('"n": 6,', '"n": -6,')),
            "record.json",
            "does not fit the schema",
        ),
        (
            _edit("record.json", lambda t: t.replace('"kind"', '"knd"')),
            "record.json",
            r"kind: Field required; knd: Extra inputs",
        ),
        (
            _edit("record.json", lambda t: t.replace('"schema_version": 1', '"schema_version": 0')),
            "record.json",
            "has schema version 0, which cannot be upgraded",
        ),
        (_edit("rows.csv", lambda t: t[:-20]), "rows.csv", "sha256 differs"),
        (_edit("rows.csv", lambda t: t.replace("0.5,", "0.9,")), "rows.csv", "sha256 differs"),
        (lambda folder: (folder / "rows.csv").unlink(), "rows.csv", "is missing"),
        (lambda folder: (folder / "rows.csv").write_bytes(b"\xff\xfe"), "rows.csv", "is not UTF-8"),
        (
            _resign(lambda t: t.replace("0.0625", "a lot")),
            "rows.csv",
            "could not convert string to float: 'a lot'",
        ),
        (_resign(lambda t: t.replace(",0.125,", ",0.125")), "rows.csv", "line 4 has 7 columns, not 8"),
        (_resign(lambda t: t.replace('"id","category"', '"category","id"')), "rows.csv", "columns are"),
        (_resign(lambda t: t.replace("0.0625", "inf")), "rows.csv", "= inf"),
        (_resign(lambda t: t.replace("0.0625", "nan")), "rows.csv", "= nan"),
        (_resign(lambda t: t.replace("0.0625", '"' + "9" * 200_000 + '"')), "rows.csv", "cannot be read"),
        (_resign(lambda t: ""), "rows.csv", "columns are"),
        (
            _resign(lambda t: t + t.partition("\n")[2]),
            "rows.csv",
            "12 rows with 2 failed, but the record says",
        ),
        (_folder("record.json"), "record.json", r"cannot be read \(Is a directory\)"),
        (_folder("rows.csv"), "rows.csv", r"cannot be read \(Is a directory\)"),
        (_edit("record.json", lambda t: ""), "record.json", "is not JSON"),
        (_edit("record.json", lambda t: "null"), "record.json", "has no schema_version"),
        (_edit("record.json", lambda t: '{"a":' * 200_000), "record.json", "nested too deeply"),
        *(
            (_edit("record.json", lambda t, n=n: t.replace('"n": 6,', f'"n": {n},')), "record.json", said)
            for n, said in (
                ("1e300", "fit the schema"),
                ("NaN", "fit the schema"),
                ("null", "fit the schema"),
                ("[6]", "fit the schema"),
                ('"six"', "fit the schema"),
                ("9" * 5000, "is not JSON"),
            )
        ),
        (_edit("record.json", lambda t: t.replace('"n": 6,', '"n": 7,')), "rows.csv", "6 rows with"),
        (_edit("record.json", lambda t: t.replace('"n": 6,', f'"n": {"9" * 400},')), "rows.csv", "6 rows"),
    ],
)
def test_a_corrupt_cell_names_file_fault_and_mend_and_is_not_done(
    tmp_path: Path, damage: Callable[[Path], None], file: str, message: str
) -> None:
    record, rows = _stored()
    store = ResultStore(tmp_path)
    folder = store.folder(record.cell)
    save(record, rows, folder)
    damage(folder)
    with pytest.raises(ResultError, match=message) as caught:
        store.find(record.cell)
    assert str(caught.value).startswith(str(folder / file))
    assert f"delete the folder {folder} or run again with --force" in str(caught.value)
    listing = store.list()
    assert listing.records == [] and [str(e) for e in listing.broken] == [str(caught.value)]


def test_a_record_of_a_newer_version_asks_for_newer_code(tmp_path: Path) -> None:
    record, rows = _stored()
    save(record, rows, tmp_path)
    _edit("record.json", lambda t: t.replace('"schema_version": 1', '"schema_version": 7'))(tmp_path)
    with pytest.raises(
        ResultError, match=r"has schema version 7, this code reads up to 1; use a newer version"
    ):
        load(tmp_path)


def test_older_records_go_through_the_upgrades(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record, rows = _stored()
    save(record, rows, tmp_path)
    old = json.loads((tmp_path / "record.json").read_text(encoding="utf-8")) | {"schema_version": -1}
    old["model"] = old.pop("name")
    del old["neighbours"]
    (tmp_path / "record.json").write_text(json.dumps(old), encoding="utf-8")

    def rename(data: dict[str, Any]) -> dict[str, Any]:
        data["name"] = data.pop("model")
        return data

    monkeypatch.setitem(module.UPGRADES, -1, rename)
    monkeypatch.setitem(module.UPGRADES, 0, lambda data: data | {"neighbours": "unknown"})
    upgraded, _ = load(tmp_path)
    assert (upgraded.schema_version, upgraded.name, upgraded.neighbours) == (1, "r3d", "unknown")


def test_the_store_finds_by_hash_and_lists(tmp_path: Path) -> None:
    store = ResultStore(tmp_path / "cells")
    assert store.list() == ([], [])
    for part in ("model", "control"):
        record, rows = load(GOLDEN / part)
        assert store.find(record.cell) is None
        save(record, rows, store.folder(record.cell))
        assert store.find(record.cell) == (record, rows)
    (tmp_path / "cells" / "0123456789abcdef").mkdir()  # a cell that still trains
    (tmp_path / "cells" / "0123456789abcdef" / "metrics.jsonl").write_text("{}", encoding="utf-8")
    listing = store.list()
    assert sorted(r.name for r in listing.records) == ["mean_shape", "r3d"]
    assert listing.broken == []


def test_rows_without_a_record_are_reported_but_do_not_stop_a_new_run(tmp_path: Path) -> None:
    record, rows = _stored()
    store = ResultStore(tmp_path)
    save(record, rows, store.folder(record.cell))
    (store.folder(record.cell) / "record.json").unlink()
    assert store.find(record.cell) is None
    assert "record.json is missing" in str(store.list().broken[0])


def test_a_folder_that_holds_another_cell_is_an_error(tmp_path: Path) -> None:
    record, rows = _stored()
    store = ResultStore(tmp_path)
    asked = record.cell[:16] + "0" * 48
    save(record, rows, store.folder(asked))
    with pytest.raises(ResultError, match=f"belongs to cell {record.cell}, not to {asked}"):
        store.find(asked)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "control"}, "kind 'control' has seed 0"),
        ({"seed": None}, "kind 'model' has seed None"),
        ({"n_failed": 7}, "n_failed 7 exceeds n 6"),
        ({"date": "2026-03-01T12:00:00"}, "timezone"),
        ({"iou_curve": [[0.5, math.nan]]}, "finite"),
        ({"cell": "abc"}, "String should match pattern"),
        ({"colour": "red"}, "Extra inputs"),
    ],
)
def test_a_record_that_contradicts_itself_is_refused(changes: dict[str, Any], message: str) -> None:
    data = _stored()[0].model_dump(mode="json") | changes
    with pytest.raises(ValidationError, match=message):
        Record.model_validate(data)
