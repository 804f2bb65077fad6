"""The report: one file that needs nothing, with the numbers of the comparison and nothing that can escape."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import zlib
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from benchmarks.gallery.cases import Cases, Pictured, _by_category
from benchmarks.gallery.picture import Case, Drawn
from benchmarks.report import HERE, card, plots, write_report
from benchmarks.report.drawing import INK, Plot, png, svg
from benchmarks.report.gallery import pack_cases, ramp
from benchmarks.report.html import sort_value
from benchmarks.report.instance_plots import distribution, one_against_another
from benchmarks.report.surfaces import (
    FACES,
    FAR,
    FEWEST_FACES,
    PAGE_FACES,
    POINTS,
    SPAN,
    Surface,
    TruePoints,
    faces_each,
    lighten,
)
from benchmarks.report.training import POINTS as CURVE_POINTS
from benchmarks.report.training import Curve, read_curves
from benchmarks.statistics.comparison import Comparison
from benchmarks.tables.block import Block, Cell
from benchmarks.tables.blocks import category_block, main_block, paired_block
from benchmarks.tables.verdict import verdict
from tests.helpers.comparisons import COLUMNS, PROTOCOL, example, make_comparison, make_row
from zoo.geometry.camera import Camera
from zoo.geometry.mesh import Mesh
from zoo.metrics import Column
from zoo.shapes import MeshShape, PointShape, Shape, VoxelShape

EVIL = "</script><script>alert('1')</script> & <b>"


class Page(HTMLParser):
    """Tags with their attributes, tables as rows of texts, and the text of every script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.tables: list[list[list[str]]] = []
        self.scripts: dict[str, str] = {}
        self.words: list[str] = []
        self._cell = self._script = None  # type: ignore[var-annotated]
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self._cell = []
        elif tag == "script":
            self._script = dict(attrs).get("id") or f"script {len(self.scripts)}"
            self.scripts[self._script] = ""

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self.tables[-1][-1].append("".join(self._cell))
            self._cell = None
        elif tag == "script":
            self._script = None

    def handle_data(self, data: str) -> None:
        if self._script is not None:
            self.scripts[self._script] += data
        else:
            self.words.append(data)
        if self._cell is not None:
            self._cell.append(data)

    def island(self, name: str) -> Any:
        return json.loads(self.scripts[name])


def _block(low: int, high: int, resolution: int = 16) -> VoxelShape:
    grid = np.zeros((resolution,) * 3, dtype=np.float32)
    grid[low:high, low:high, low:high] = 0.9
    return VoxelShape(grid)


def _case(name: str = "lamp-1", group: str = "best", **changes: Any) -> Case:
    scores = {"IoU": "0.250", "CD": "0.1250"}
    fields: dict[str, Any] = {
        "id": name,
        "category": name.partition("-")[0],
        "group": group,
        "image": np.full((6, 8, 4), 200, dtype=np.uint8),
        "truth": _block(4, 12),
        "predictions": {
            "r3d": Drawn(_block(3, 12), 0.5, scores),
            "vae_gan_baseline": Drawn(_block(0, 0), 0.5, scores),
            "psgn": Drawn(PointShape(np.random.default_rng(0).random((50, 3)) - 0.5), 0.5, scores),
        },
        "camera": Camera(30.0, 10.0, 2.0),
    }
    return Case(**(fields | changes))


CASES = Cases("of r3d by IoU", (_case(),), (_case("chair-1"), _case(), _case("lamp-2", "worst")))
CURVES = [
    Curve("r3d", 0, (10.0, 20.0, 30.0), (300.0, 20.0, 5.0), (10, 20)),
    Curve("psgn", 0, (10.0, 20.0), (-3.0, 2.0), (10,)),
]


def _written(comparison: Comparison, folder: Path, cases: Cases = CASES) -> tuple[Page, str]:
    path = write_report(comparison, cases, folder, CURVES)
    assert path == folder / "report.html"
    text = path.read_text(encoding="utf-8")
    return Page(text), text


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report")
    _written(example(), out)
    return out


@pytest.fixture(scope="module")
def page(folder: Path) -> tuple[Page, str]:
    text = (folder / "report.html").read_text(encoding="utf-8")
    return Page(text), text


# The page


def test_nothing_is_loaded_from_anywhere(page: tuple[Page, str]) -> None:
    found, text = page
    for tag, attributes in found.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base", "audio", "video", "source")
        for name, value in attributes.items():
            if tag == "a" and value and value.startswith("https://"):
                assert dict(attributes)["rel"] == "noreferrer"  # followed by a click alone
            elif name in ("href", "xlink:href", "src", "srcset", "action", "data", "poster"):
                assert value and value.startswith(("#", "data:")), f"<{tag} {name}={value}>"
            assert not name.startswith("on"), f"<{tag} {name}>"
    style = text.partition("<style>")[2].partition("</style>")[0]
    assert "@import" not in style and "url(" not in style
    assert all(link.startswith("#") for link in re.findall(r"url\(([^)]*)\)", text.partition("<script")[0]))
    policy = next(a["content"] for t, a in found.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy and policy.startswith("default-src 'none';") and "http" not in policy


def test_every_link_leads_to_a_part_of_the_page_and_no_id_is_twice(page: tuple[Page, str]) -> None:
    found, _ = page
    ids = [a["id"] for _, a in found.tags if "id" in a]
    assert len(ids) == len(set(ids))
    links = [a.get("href") or a.get("xlink:href") for t, a in found.tags if t in ("a", "use")]
    inner = {link[1:] for link in links if link and link.startswith("#")}
    assert len(inner) > 7 and inner <= set(ids)


def test_three_js_is_the_file_that_its_readme_describes(page: tuple[Page, str]) -> None:
    folder = HERE / "vendor"
    script = (folder / "three.min.js").read_bytes()
    assert hashlib.sha256(script).hexdigest() in (folder / "README.md").read_text(encoding="utf-8")
    assert "MIT" in (folder / "LICENSE").read_text(encoding="utf-8")
    assert script.decode() in page[1]
    assert "</script" not in script.decode().lower()


def _lines(block: Block) -> list[list[str]]:
    return [[cell.whole.rstrip() for cell in row] for section in block.sections for row in section.rows]


def test_models_and_controls_share_a_table_and_quoted_rows_have_their_own(page: tuple[Page, str]) -> None:
    block = main_block(example())
    first, *others = page[0].tables
    assert first[0] == [column.text for column in block.columns]
    assert [row for row in first[1:] if len(row) > 1] == _lines(block)
    assert [row for row in first[1:] if len(row) == 1] == [[s.heading] for s in block.sections]
    names = [[row[0] for row in table[1:]] for table in others]
    quoted = [own for own in names if "PSGN" in own]
    assert len(quoted) == 1 and "R3D" in quoted[0] and not {"r3d", "psgn"} & set(quoted[0])


def test_names_lead_to_cards_and_carry_what_they_mean(page: tuple[Page, str]) -> None:
    found, text = page
    titles = {a["title"] for t, a in found.tags if t == "th" and a.get("title")}
    assert any(title and title.startswith("iou@val, fraction") for title in titles)
    assert any("share of training shapes" in str(title) for title in titles)
    anchors = {a["href"] for t, a in found.tags if t == "a" and str(a.get("href")).startswith("#model-")}
    assert anchors == {"#model-0", "#model-1", "#model-2"}  # r2n2 is incomplete: its name says so
    assert "https://arxiv.org/abs/1804.04610" in {a.get("href") for t, a in found.tags if t == "a"}
    assert text.index(verdict(example()).partition(" (")[0]) < text.index("<nav")


def test_every_test_instance_has_its_picture_best_first(tmp_path: Path) -> None:
    whole = example()
    scores = {id: 0.1 + 0.01 * k for k, (id, _, _) in enumerate(whole.instances)}
    values = {**whole.rows[0].values, "iou@val": np.array([list(scores.values())])}
    rows = (replace(whole.rows[0], values=values), *whole.rows[1:])
    picture = np.full((48, 64, 4), 90, np.uint8)
    pictures = tuple(Pictured(id, view, picture) for id, view, _ in whole.instances)
    cases = replace(CASES, pictures=pictures)
    found, _ = _written(replace(whole, rows=rows), tmp_path, cases)
    shown = [a for t, a in found.tags if t == "img" and "loading" in a]
    assert [a["alt"] for a in shown[:2]] == ["chair-31", "chair-30"] and len(shown) == 36
    assert str(shown[0]["title"]).startswith("chair-31: r3d 0.410, vae_gan_baseline 0.389, psgn n/a")
    clicked = [a["data-case"] for t, a in found.tags if t == "figure" and "data-case" in a]
    assert [found.island("gallery")["cases"][int(str(k))]["id"] for k in clicked] == [
        "chair-1",
        "lamp-2",
        "lamp-1",
    ]


def test_differences_and_categories_are_there(page: tuple[Page, str]) -> None:
    for block in (paired_block(example()), category_block(example(), "cd")):
        assert block is not None
        assert any([row for row in table[1:] if len(row) > 1] == _lines(block) for table in page[0].tables)


def test_cells_are_sorted_by_what_they_print(page: tuple[Page, str]) -> None:
    values = [float(str(a["data-value"])) for t, a in page[0].tags if t == "td" and "data-value" in a]
    assert values[:4] == [0.412, 0.1234, 0.0617, 36.0]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.412 ±0.030", 0.412),
        ("−0.0036 (−0.0080 to +0.0011)", -0.0036),
        ("+0.162", 0.162),
        ("<0.001", 0.001),
        ("1,052", 1052.0),
        ("32 of 36", 32.0),
        ("1 seed", 1.0),
        (".2288", 0.2288),
        ("n/a", None),
        ("-", None),
    ],
)
def test_numbers_of_cells(text: str, value: float | None) -> None:
    assert sort_value(text) == value


def test_the_island_holds_the_estimates_as_they_are(page: tuple[Page, str]) -> None:
    data = page[0].island("comparison")
    assert "values" not in data and "instances" not in data
    for row, found in zip(example().rows, data["rows"], strict=True):
        assert found["name"] == row.name
        for metric, estimate in row.instance_mean.items():
            got = found["instance_mean"][metric]
            assert (None if got is None else got["mean"]) == (None if estimate is None else estimate.mean)


def test_names_and_reasons_cannot_leave_their_place(tmp_path: Path, page: tuple[Page, str]) -> None:
    row = make_row(EVIL, 0.5, 0.1)
    row = replace(row, failures=((0, EVIL, 0, f"reason {EVIL}"),))
    whole = make_comparison(row, make_row("b", 0.3, 0.2))
    cases = Cases(
        EVIL, (_case(EVIL, category=EVIL, predictions={EVIL: Drawn(_block(4, 9), 0.5, {EVIL: EVIL})}),)
    )
    found, text = _written(whole, tmp_path, cases)
    scripts = [a for t, a in found.tags if t == "script"]
    assert len(scripts) == 2 + 2 + 1  # three.js, ours; comparison, gallery; one case
    assert {t for t, _ in found.tags} <= {t for t, _ in page[0].tags} and "alert('1')</script>" not in text
    assert found.tables[0][2][0] == EVIL
    assert found.island("comparison")["rows"][0]["name"] == EVIL
    assert found.island("gallery")["models"][0] == [EVIL, EVIL]
    assert found.island("case-0")["models"][EVIL]["scores"] == [[EVIL, EVIL]]
    assert any(f"reason {EVIL}" in cell for table in found.tables for line in table for cell in line)


def test_equal_results_give_equal_bytes(tmp_path: Path, folder: Path) -> None:
    def content(out: Path) -> dict[Path, bytes]:
        return {p.relative_to(out): p.read_bytes() for p in out.rglob("*") if p.is_file()}

    _written(example(), tmp_path)
    found = content(tmp_path)
    assert found == content(folder)
    assert {str(path.parent) for path in found} == {".", "plots"} and len(found) > 4  # no temporary files


def test_without_cases_there_is_a_page_without_three_js(tmp_path: Path) -> None:
    found, text = _written(example(), tmp_path, Cases("of r3d by IoU", ()))
    assert found.island("gallery")["cases"] == [] and "case-0" not in found.scripts
    assert len(text) < 400_000


# Shapes


def _unpacked(packed: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """What the page's script does, in another way."""
    data = np.frombuffer(zlib.decompress(base64.b64decode(packed["data"])), np.uint8)
    lists = []
    for n in [packed["vertices"]] * 3 + [packed["faces"]] * 3:
        low, high, data = data[:n].astype(int), data[n : 2 * n].astype(int), data[2 * n :]
        lists.append(np.cumsum(low + 256 * high) % 65536)
    vertices = (np.stack(lists[:3], 1) / 65535 - 0.5) * SPAN
    return vertices, np.stack(lists[3:], 1), data if packed["shaded"] else None


def _turned(faces: np.ndarray) -> set[tuple[int, ...]]:
    """Faces as sets of corners in order, wherever they begin."""
    return {tuple(np.roll(face, -face.argmin())) for face in faces}


def test_a_packed_surface_is_the_surface() -> None:
    rng = np.random.default_rng(3)
    vertices = rng.random((300, 3)) - 0.5
    faces = np.array([rng.permutation(300)[:3] for _ in range(500)])
    shades = rng.integers(0, 256, 300).astype(np.uint8)
    packed = Surface(vertices, faces, shades).packed()
    found, corners, colours = _unpacked(packed)
    assert np.abs(found - vertices).max() <= SPAN / 65535 / 2 + 1e-12
    assert _turned(corners) == _turned(faces) and len(corners) == 500
    np.testing.assert_array_equal(colours, shades)
    assert packed["kind"] == "mesh"


def test_points_and_nothing_are_packed_as_such() -> None:
    cloud = np.random.default_rng(0).random((20, 3)) - 0.5
    points = Surface.of(PointShape(cloud), 0.5)
    assert (points.kind, points.packed()["faces"], points.shades) == ("points", 0, None)
    found, _, _ = _unpacked(points.packed())
    order = [points[np.lexsort(points.T)] for points in (found, cloud)]
    np.testing.assert_allclose(*order, atol=SPAN / 65535)
    empty = Surface.of(_block(0, 0), 0.5, TruePoints(_block(4, 12))).packed()
    assert (empty["kind"], empty["vertices"], empty["faces"]) == ("empty", 0, 0)


def test_a_surface_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="70000 vertices does not fit"):
        Surface(np.zeros((70_000, 3)), None).packed()


def test_what_lies_outside_the_cube_is_moved_to_its_side() -> None:
    found, _, _ = _unpacked(Surface(np.array([[5.0, 0, -5]]), None).packed())
    np.testing.assert_allclose(found, [[SPAN / 2, 0, -SPAN / 2]], atol=1e-4)


def test_shades_are_distances_in_longest_edges_of_the_truth() -> None:
    grid = np.zeros((16, 16, 16), dtype=bool)
    grid[4:12, 4:12, 4:12] = True  # a cube of edge one half
    truth = TruePoints(VoxelShape(grid))
    y, z = np.meshgrid(np.linspace(-0.2, 0.2, 10), np.linspace(-0.2, 0.2, 10))
    for step in (0.0, 0.25, 0.5, 1.0, 3.0):
        points = np.stack([np.full(100, 0.25 + step * FAR * 0.5), y.ravel(), z.ravel()], axis=1)
        shades, exact = truth.shades(points), 255 * min(step, 1)
        assert shades.min() >= exact - 2  # the farthest samples stand for the corners of the cube
        assert shades.mean() <= np.hypot(exact, 20)  # samples are not everywhere


@pytest.mark.parametrize(
    "shape",
    [
        VoxelShape(np.random.default_rng(1).random((32, 32, 32), dtype=np.float32)),
        MeshShape(Mesh(np.random.default_rng(2).random((30_000, 3)), np.arange(30_000).reshape(-1, 3))),
        PointShape(np.random.default_rng(3).random((5_000, 3))),
        PointShape(np.zeros((0, 3))),
    ],
    ids=["voxels", "mesh", "points", "nothing"],
)
def test_lightened_shapes_are_small_and_stay_as_they_are(shape: Shape) -> None:
    once = lighten(shape, 0.5)
    twice = lighten(once, 0.5)
    first, second = once.mesh(), twice.mesh()
    if first is None or second is None:
        assert isinstance(once, PointShape) and isinstance(twice, PointShape)
        assert len(once.cloud) <= POINTS
        np.testing.assert_array_equal(once.cloud, twice.cloud)
    else:
        assert first is second and 0 < len(first.faces) <= FACES
    assert len(Surface.of(shape, 0.5).packed()["data"]) < 200_000  # triangles that share no vertex: the most


def test_a_case_of_two_choices_is_packed_once_with_both(page: tuple[Page, str]) -> None:
    head, packed = pack_cases(CASES, {"r3d": "R3D", "r2n2": "r2n2"})
    assert [case["id"] for case in head["cases"]] == ["chair-1", "lamp-1", "lamp-2"]
    assert head["cases"][1]["tags"] == [["", "best"], ["lamp", "best"]]
    assert head["cases"][2]["tags"] == [["lamp", "worst"]]
    assert packed[0]["models"]["r2n2"] is None
    assert packed[0]["models"]["r3d"]["scores"] == [["IoU", "0.250"], ["CD", "0.1250"]]
    assert packed[0]["camera"] == [30.0, 10.0]
    picture = Image.open(io.BytesIO(base64.b64decode(packed[0]["image"].partition(",")[2])))
    np.testing.assert_array_equal(np.asarray(picture), CASES.overall[0].image)
    assert page[0].island("case-1") == json.loads(json.dumps(pack_cases(CASES, page_models())[1][1]))
    assert len(ramp()) == 9 and all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in ramp())


def test_many_surfaces_share_the_triangles_of_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    assert faces_each(40 * 11) == faces_each(0) == FACES
    assert faces_each(40 * 33) == PAGE_FACES // 1320 < FACES / 2
    assert faces_each(10**9) == FEWEST_FACES
    noise = VoxelShape(np.random.default_rng(1).random((32, 32, 32), dtype=np.float32))
    names = ["first", "second"]
    predictions = {name: Drawn(noise, 0.5, {}) for name in names}
    cases = replace(CASES, overall=[_case(predictions=predictions)], by_category=[])
    monkeypatch.setattr("benchmarks.report.surfaces.PAGE_FACES", 4500)
    head, (packed,) = pack_cases(cases, dict(zip(names, names, strict=True)))
    assert head["faces"] == 1500
    drawn = [packed["models"][name]["surface"] for name in names]
    assert all(0 < surface["faces"] <= 1500 for surface in drawn)


def page_models() -> dict[str, str]:
    return {row.name: row.name for row in example().models}


def test_categories_choose_their_own_best_median_and_worst() -> None:
    rows = [
        {"id": f"{c}{k}", "category": c, "view": 0, "iou@val": None if c == "a" else v}
        for c, values in (("a", [0.5]), ("b", [0.1, 0.9, 0.5, 0.4]), ("c", [0.3]))
        for k, v in enumerate(values)
    ]
    chosen = _by_category(rows, COLUMNS[0])
    assert chosen == [("best", "b1", 0), ("median", "b2", 0), ("worst", "b0", 0), ("best", "c0", 0)]


# Charts


def _drawn(plot: Plot | None) -> Figure:
    assert plot is not None
    figure = Figure()
    plot.draw(figure)
    return figure


def _with_fscore() -> Comparison:
    parts = {"fscore": "F-score", "precision": "precision", "recall": "recall"}
    places = {f"{part}@{p}%": (curve, float(p)) for part, curve in parts.items() for p in (1, 5)}
    names = list(places)
    columns = tuple(Column(name, name, "higher", 0.0, curve=place) for name, place in places.items())
    whole = example()
    rows = tuple(
        replace(
            row,
            instance_mean=row.instance_mean
            | {name: row.instance_mean["cd"] for name in names if row.name != "psgn" or "fscore" not in name}
            | ({f"fscore@{p}%": None for p in (1, 5)} if row.name == "psgn" else {}),
        )
        for row in whole.rows
    )
    protocol = SimpleNamespace(**{**vars(PROTOCOL), "columns": (*COLUMNS, *columns)})
    return replace(whole, protocol=protocol, rows=rows)


def test_the_chart_by_category_shows_means_and_intervals() -> None:
    axes = _drawn(plots.by_category(example(), "cd")).axes[0]
    bars = dict(zip(axes.get_legend_handles_labels()[1], axes.containers, strict=True))
    assert list(bars) == ["r3d", "vae_gan_baseline", "psgn", "r2n2 (incomplete)"]
    categories = example().models[0].categories
    line, _, (intervals,) = bars["r3d"].lines  # type: ignore[attr-defined]
    means = [categories[c]["cd"].mean for c in ("chair", "lamp")]  # type: ignore[union-attr]
    np.testing.assert_allclose(line.get_xdata().astype(float), means)
    (low, _), (high, _) = intervals.get_segments()[0]
    assert (low, high) == pytest.approx((categories["chair"]["cd"].low, categories["chair"]["cd"].high))  # type: ignore[union-attr]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["chair (32)", "lamp (4)"]


def test_the_chart_by_category_leaves_out_who_has_no_such_metric() -> None:
    axes = _drawn(plots.by_category(example(), "iou@val")).axes[0]
    assert "psgn" not in axes.get_legend_handles_labels()[1]
    nobody = make_comparison(make_row("psgn", None, 0.1))
    assert plots.by_category(nobody, "iou@val") is None and plots.two_metrics(nobody) is None


def test_the_chart_by_category_has_the_control_that_the_verdict_names() -> None:
    control = make_row("image_retrieval", 0.3, 0.1, kind="control", title="nearest training image")
    told = replace(example().standings[0], control="image_retrieval")
    whole = replace(example(), rows=(*example().rows, control), standings=(told,))
    axes = _drawn(plots.by_category(whole, "iou@val")).axes[0]
    (line,) = (own for own in axes.lines if own.get_label() == "nearest training image (control)")
    np.testing.assert_allclose(line.get_xdata(), [0.32, 0.28])


def test_distributions_count_every_instance_once() -> None:
    whole = example()
    values = np.linspace(0.1, 0.9, 36)
    rows = (replace(whole.rows[0], values={**whole.rows[0].values, "cd": values[None]}), *whole.rows[1:])
    axes = _drawn(distribution(replace(whole, rows=rows), "cd")).axes[0]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["r3d", "vae_gan_baseline", "psgn", "r2n2"]
    medians = [line.get_xdata()[0] for line in axes.lines]  # type: ignore[index]
    np.testing.assert_allclose(medians, [0.5, 0.1198, 0.1301, 0.09])
    first = axes.patches[0].get_data()  # type: ignore[attr-defined]
    counts = (0 - first.values) / 0.85 * np.histogram(values, first.edges)[0].max()
    assert round(counts.sum()) == 36
    assert distribution(make_comparison(make_row("psgn", None, 0.1)), "iou@val") is None


def test_one_model_stands_against_another_instance_by_instance() -> None:
    whole = example()
    values = np.linspace(0.1, 0.9, 36)
    first, second, *others = whole.rows
    rows = (
        replace(first, values={**first.values, "iou@val": values[None]}),
        replace(second, values={**second.values, "iou@val": values[::-1][None]}),
        *others,
    )
    plot = one_against_another(replace(whole, rows=rows))
    panel = _drawn(plot).axes[0]
    assert (panel.get_title(), panel.get_xlabel()) == ("vae_gan_baseline", "r3d")
    np.testing.assert_allclose(panel.lines[1].get_xydata(), np.stack([values, values[::-1]], 1))
    assert one_against_another(make_comparison(make_row("r3d", 0.4, 0.1))) is None


def test_the_scatter_has_models_with_both_metrics_and_names_the_others() -> None:
    plot = plots.two_metrics(example())
    axes = _drawn(plot).axes[0]
    places = {bar.get_label(): bar.lines[0].get_xydata()[0] for bar in axes.containers}  # type: ignore[attr-defined]
    np.testing.assert_allclose(places["vae_gan_baseline"], [0.1198, 0.389])
    assert "psgn" not in places and "Without IoU or CD: psgn." in plot.caption  # type: ignore[union-attr]
    assert "mean shape of training (control)" in axes.get_legend_handles_labels()[1]


def test_the_threshold_chart_shows_the_curve_and_the_frozen_threshold() -> None:
    record = example().models[0].records[0]
    curve = ((0.2, 0.1), (0.4, 0.3), (0.6, 0.2))
    records = tuple(
        record.model_copy(
            update={"iou_curve": curve, "threshold": record.threshold.model_copy(update={"value": v})}  # type: ignore[union-attr]
        )
        for v in (0.4, 0.5)
    )
    whole = make_comparison(
        replace(example().models[0], records=records), make_row("b", 0.3, 0.2, iou_curve=())
    )
    line, marks = _drawn(plots.iou_over_threshold(whole)).axes[0].lines
    np.testing.assert_allclose(line.get_xydata(), curve)
    np.testing.assert_allclose(marks.get_xydata(), [[0.4, 0.3], [0.5, 0.25]])
    assert plots.iou_over_threshold(make_comparison(make_row("b", 0.3, 0.2, iou_curve=()))) is None


def test_the_fscore_chart_has_a_panel_for_each_part() -> None:
    assert plots.fscore_over_distance(example()) is None
    figure = _drawn(plots.fscore_over_distance(_with_fscore()))
    panels = {axes.get_title(): axes for axes in figure.axes}
    assert [t for t in panels if t] == ["F-score", "precision", "recall"]
    lines = {line.get_label(): line for line in panels["precision"].lines}
    np.testing.assert_allclose(lines["psgn"].get_xydata(), [[1, 0.1301], [5, 0.1301]])
    assert "psgn" not in {line.get_label() for line in panels["F-score"].lines}


def test_the_training_chart_has_a_panel_for_each_run_model() -> None:
    plot = plots.training(example(), CURVES)
    figure = _drawn(plot)
    first, second = figure.axes[:2]
    np.testing.assert_allclose(first.lines[0].get_xydata(), [[10, 300], [20, 20], [30, 5]])
    assert first.lines[1].get_xdata()[0] == 20  # where the second stage begins
    assert (first.get_yscale(), second.get_yscale()) == ("log", "linear")
    assert "No training log: vae_gan_baseline, r2n2." in plot.caption  # type: ignore[union-attr]
    assert plots.training(example(), []) is None


def test_svg_takes_the_colour_of_the_text_and_png_is_for_print() -> None:
    plot = plots.two_metrics(example())
    assert plot is not None
    text = svg(plot)
    assert text.startswith("<svg ") and "currentColor" in text and INK not in text
    ids = re.findall(r'\bid="([^"]*)"', text)
    assert ids and all(name.startswith(f"{plot.name}-") for name in ids)
    assert "metadata" not in text and "<!--" not in text and text == svg(plot)
    with Image.open(io.BytesIO(png(plot))) as picture:
        assert picture.width == 1440 and round(picture.info["dpi"][0]) == 300
        assert picture.convert("RGB").getpixel((2, 2)) == (255, 255, 255)


# Training logs and the card


def test_long_logs_become_means_and_missing_ones_are_left_out(tmp_path: Path) -> None:
    lines = [
        {"step": 10 * k, "stage": "a" if k <= 300 else "b", "loss": float(k), "rate": 1.0}
        for k in range(1, 3 * CURVE_POINTS + 1)
    ]
    folders = [tmp_path / name for name in ("run", "none", "blank")]
    for folder, content in zip(folders, (lines, None, []), strict=True):
        folder.mkdir()
        if content is not None:
            (folder / "metrics.jsonl").write_text(
                "".join(json.dumps(line) + "\n" for line in content), encoding="utf-8"
            )
    (curve,) = read_curves((f"m{k}", k, folder) for k, folder in enumerate(folders))
    assert (curve.model, curve.seed, curve.stages) == ("m0", 0, (10, 3010))
    assert len(curve.steps) == CURVE_POINTS
    assert curve.losses[:2] == (2.0, 5.0) and curve.steps[:2] == (20.0, 50.0)


def test_validation_while_training_is_drawn_on_an_axis_of_its_own(tmp_path: Path) -> None:
    rows = [
        {"step": k, "stage": "main", "loss": 9.0 - k} | ({"val_iou": k / 10} if k % 2 else {})
        for k in (1, 2, 3)
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (curve,) = read_curves([("a", 0, tmp_path)])
    assert curve.metric == "iou" and curve.validated == ((1, 0.1), (3, 0.3))
    plot = plots.training(make_comparison(make_row("a", 0.3, 0.2)), [curve])
    assert plot is not None and "validation while training" in plot.caption
    axes = _drawn(plot).axes
    right = next(each for each in axes if each.get_ylabel() == "validation IoU")
    np.testing.assert_allclose(right.lines[0].get_xydata(), curve.validated)
    plain = plots.training(make_comparison(make_row("a", 0.3, 0.2)), [replace(curve, validated=())])
    assert plain is not None and "validation" not in plain.caption


@pytest.mark.parametrize(
    "torn",
    [b"", b'{"step": 4, "lo', b"\xff\xfe\x00", b"null", b"[" * 99_999, b'{"step": "4"}', b'{"step": 4}'],
)
def test_a_damaged_log_costs_lines_and_no_report(tmp_path: Path, torn: bytes) -> None:
    lines = [json.dumps({"step": k, "stage": "main", "loss": 2.0}).encode() for k in (1, 2, 3)]
    (tmp_path / "metrics.jsonl").write_bytes(b"\n".join([lines[0], torn, *lines[1:], lines[0][:9]]))
    with pytest.warns(UserWarning, match="metrics.jsonl: 1 of 4 lines is of no training; left out"):
        (curve,) = read_curves([("m", 0, tmp_path)])
    assert curve.steps == (1, 2, 3)


def test_the_card_says_what_the_numbers_hang_on() -> None:
    found = {term: text for part in card.facts(example()) for term, text in part.lines}
    record = example().record
    assert found["fingerprint"] == record.dataset.fingerprint
    assert found["could not be read"] == "2 (2 no faces)"
    assert found["also in an earlier split"] == "0"
    assert found["resamples"] == "10,000, seed 0"
    assert found["training seeds"] == "0, 1, 2"
    assert found["command"] == record.command and found["device"] == record.device
    assert found["git commit"].startswith(str(record.git.commit))
    assert found["instances"] == "36" and found["categories"] == "chair 32, lamp 4"


def test_each_run_has_its_threshold_and_how_it_was_chosen() -> None:
    models, controls = card.runs_block(example()).sections
    assert [row[1].text for row in models.rows] == ["0", "1", "2", "0", "0", "0"]
    assert models.rows[0][2:4] == (Cell("0.35"), Cell("highest mean IoU on 6 validation instances"))
    psgn = next(row for row in models.rows if row[0].text == "psgn")
    assert [cell.text for cell in psgn[2:4]] == ["-", "-"]
    assert len(controls.rows) == 2


def test_failures_are_counted_by_reason_and_the_first_are_named() -> None:
    failures = (*((0, f"lamp-{k}", 0, "empty") for k in range(25)), (1, "chair-1", 3, None))
    block = card.failures_block(make_comparison(replace(make_row("r3d", 0.4, 0.1), failures=failures)))
    assert block is not None
    first, second = block.sections[0].rows
    assert [cell.text for cell in first[:3]] == ["r3d", "25", "empty"]
    assert first[3].text.endswith("lamp-19 and 5 more")
    assert second[2:] == (Cell("no reason given"), Cell("chair-1 view 3 seed 1"))
    assert card.failures_block(make_comparison(make_row("b", 0.4, 0.1))) is None
