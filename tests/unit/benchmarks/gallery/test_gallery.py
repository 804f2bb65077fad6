"""The gallery: which cases are chosen, and that the drawing shows what it is said to show."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.gallery import picture as module
from benchmarks.gallery.cases import gather_cases
from benchmarks.gallery.picture import Case, Drawn, choose_cases, gallery
from benchmarks.protocols.r2n2 import R2N2, R2N2Config
from zoo import visualize as pictures
from zoo.geometry.camera import Camera
from zoo.geometry.mesh import Mesh
from zoo.shapes import PatchShape, PointShape, Shape, VoxelShape
from zoo.visualize import put_text


def _rows(values: list[float | None]) -> list[dict[str, Any]]:
    return [{"id": f"s{i:02}", "view": 0, "iou": v} for i, v in enumerate(values)]


def test_best_median_and_worst_by_score() -> None:
    values = [0.1 * ((7 * i) % 10) for i in range(10)]  # a permutation of 0, .1 ... .9
    by_score = [i for _, i in sorted(zip(values, range(10), strict=True), reverse=True)]
    chosen = choose_cases(_rows(values), "iou", per_group=2)
    expected = [by_score[0], by_score[1], by_score[4], by_score[5], by_score[8], by_score[9]]
    assert [(g, int(i[1:])) for g, i, _ in chosen] == list(
        zip(["best", "best", "median", "median", "worst", "worst"], expected, strict=True)
    )


def test_lower_is_better_turns_the_order_round() -> None:
    chosen = choose_cases(_rows([0.3, 0.1, 0.2]), "iou", better="lower", per_group=1)
    assert [(g, i) for g, i, _ in chosen] == [("best", "s01"), ("median", "s02"), ("worst", "s00")]


def test_few_instances_appear_once_each() -> None:
    chosen = choose_cases(_rows([0.3, 0.1, None]), "iou", per_group=2)
    assert chosen == [("best", "s00", 0), ("best", "s01", 0)]


def test_ties_do_not_depend_on_the_order_of_the_rows() -> None:
    rows = _rows([0.5] * 9)
    assert choose_cases(rows, "iou", per_group=1) == choose_cases(rows[::-1], "iou", per_group=1)


def test_a_metric_that_is_defined_nowhere_is_an_error() -> None:
    with pytest.raises(ValueError, match="no instance has a value of iou"):
        choose_cases(_rows([None, None]), "iou")


def _block(low: int, high: int) -> VoxelShape:
    grid = np.zeros((16, 16, 16), dtype=np.float32)
    grid[low:high, low:high, low:high] = 0.9
    return VoxelShape(grid)


def _case(prediction: Shape | None, group: str = "best", **changes: Any) -> Case:
    image = np.zeros((20, 40, 4), dtype=np.uint8)
    image[:, 20:] = (250, 10, 10, 255)
    fields: dict[str, Any] = {
        "id": "shape/00",
        "category": "chair",
        "group": group,
        "image": image,
        "truth": _block(4, 12),
        "predictions": {}
        if prediction is None
        else {"net": Drawn(prediction, 0.5, {"IoU": "0.250", "CD": "0.1250"})},
    }
    return Case(**(fields | changes))


def _pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


TILE = 48
VIEWS = ((30.0, 20.0), (120.0, 20.0))


def _draw(tmp_path: Path, *cases: Case) -> np.ndarray:
    path = tmp_path / "gallery.png"
    gallery(path, cases, {"net": "Net"}, views=VIEWS, tile=TILE)
    assert [p.name for p in tmp_path.iterdir()] == ["gallery.png"]  # no temporary file stays
    return _pixels(path)


def _first_row(picture: np.ndarray) -> list[np.ndarray]:
    """Tiles of the first case: input, views of the truth, views of the net."""
    top = int(np.argmax((picture == module.TILE).all(-1).any(1)))  # the first line that has tile paper
    starts = [module.GAP, 2 * module.GAP + TILE, 2 * module.GAP + TILE + 2 * TILE + 2 * module.GAP]
    lefts = [starts[0], starts[1], starts[1] + TILE, starts[2], starts[2] + TILE]
    return [picture[top : top + TILE, x : x + TILE] for x in lefts]


def _ink(tile: np.ndarray) -> np.ndarray:
    return (np.abs(tile - np.array(module.TILE)) > 12).any(-1)


def test_the_input_keeps_its_aspect_and_alpha(tmp_path: Path) -> None:
    shown = _first_row(_draw(tmp_path, _case(_block(4, 12))))[0]
    red = (shown[..., 0] > 200) & (shown[..., 1] < 60)
    rows, columns = np.nonzero(red)
    assert columns.min() in (TILE // 2, TILE // 2 + 1)  # the left half is transparent
    assert abs((rows.max() - rows.min() + 1) - TILE // 2) <= 2  # 20 x 40 becomes 24 x 48


def test_a_bigger_shape_is_drawn_bigger_and_in_the_models_colour(tmp_path: Path) -> None:
    _, *truth, net_0, net_1 = _first_row(_draw(tmp_path, _case(_block(2, 14))))
    for small, large in zip(truth, (net_0, net_1), strict=True):
        # edges of 8 and 12 cells: areas differ by (12/8)^2, a bit more as the big one is also nearer
        assert 2.0 < _ink(large).sum() / _ink(small).sum() < 3.0
        grey, blue = small[_ink(small)], large[_ink(large)]
        assert np.abs(grey[:, 0] - grey[:, 1]).max() <= 12
        assert (blue[:, 2] - blue[:, 0]).mean() > 40


def test_the_surface_is_drawn_at_the_level_that_was_scored(tmp_path: Path) -> None:
    grid = np.zeros((16, 16, 16), dtype=np.float32)
    grid[2:14, 2:14, 2:14] = 0.3
    grid[6:10, 6:10, 6:10] = 0.9
    areas = {}
    for level in (0.2, 0.6):
        case = _case(None, predictions={"net": Drawn(VoxelShape(grid), level)})
        areas[level] = _ink(_first_row(_draw(tmp_path, case))[3]).sum()
    assert areas[0.2] > 5 * areas[0.6]


def test_an_empty_prediction_says_so(tmp_path: Path) -> None:
    empty = VoxelShape(np.zeros((16, 16, 16), dtype=np.float32))
    tiles = _first_row(_draw(tmp_path, _case(empty)))
    both = np.concatenate(tiles[3:], axis=1)
    assert 20 < _ink(both).sum() < 300  # a word, no shape
    rows, columns = np.nonzero(_ink(both))
    assert abs(rows.mean() - TILE / 2) < 4 and abs(columns.mean() - TILE) < 4  # in the middle


def test_a_model_without_a_prediction_leaves_its_column_blank(tmp_path: Path) -> None:
    tiles = _first_row(_draw(tmp_path, _case(None)))
    assert (np.concatenate(tiles[3:]) == module.PAPER).all()
    assert _ink(tiles[1]).any()


def test_points_are_drawn_where_they_are(tmp_path: Path) -> None:
    cloud = np.random.default_rng(0).normal(size=(500, 3))
    cloud *= 0.3 / np.linalg.norm(cloud, axis=1, keepdims=True)
    sphere = _ink(_first_row(_draw(tmp_path, _case(PointShape(cloud))))[3])
    rows, columns = np.nonzero(sphere)
    assert abs(rows.mean() - TILE / 2) < 1.5 and abs(columns.mean() - TILE / 2) < 1.5
    assert 15 < rows.max() - rows.min() < 30


def test_patches_have_a_colour_each_and_are_seen_from_both_sides(tmp_path: Path) -> None:
    corners = np.array([[0, -0.4, -0.4], [0, -0.4, 0], [0, 0.4, 0], [0, 0.4, -0.4]])
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    there = corners + np.array([0, 0, 0.4])
    halves = Mesh(np.concatenate([corners, there]), np.concatenate([faces, faces + 4]))
    path, shape = tmp_path / "patches.png", PatchShape(halves, np.array([0, 0, 1, 1]))
    gallery(path, [_case(shape)], {"net": "Net"}, views=((0.0, 0.0), (180.0, 0.0)), tile=TILE)
    *_, front, back = _first_row(_pixels(path))
    for tile in (front, back[:, ::-1]):
        assert _ink(tile).sum() > 400
        left, right = (half[_ink(half)].mean(0) for half in (tile[:, : TILE // 2], tile[:, TILE // 2 :]))
        assert np.abs(left - right).max() > 60
    one = PatchShape(halves, np.zeros(4, np.int64))
    assert pictures._drawable(one, 0.5).face_colors is None, "a single patch has the model's colour"


def test_the_colours_of_many_patches_differ() -> None:
    colors = pictures._patch_colors(np.arange(25))
    assert colors.shape == (25, 3) and colors.min() >= 0 and colors.max() <= 1
    apart = np.abs(colors[:, None] - colors[None]).max(2)[~np.eye(25, dtype=bool)]
    assert apart.min() > 0.05


def test_the_first_view_is_the_inputs_camera(tmp_path: Path) -> None:
    grid = np.zeros((16, 16, 16), dtype=np.float32)
    grid[1:15, 7:9, 7:9] = 1  # a bar along x: a dot from the front, long from the side
    shape = VoxelShape(grid)
    front = _first_row(_draw(tmp_path, _case(shape, camera=Camera(0.0, 0.0, 2.0))))
    side = _first_row(_draw(tmp_path, _case(shape, camera=Camera(90.0, 0.0, 2.0))))
    assert _ink(side[3]).sum() > 3 * _ink(front[3]).sum()
    np.testing.assert_array_equal(front[4], side[4])


def test_cases_without_an_input_picture_leave_no_place_for_it(tmp_path: Path) -> None:
    shape = _block(3, 9)
    whole, without = (_draw(tmp_path, each) for each in (_case(shape), _case(shape, image=None)))
    assert whole.shape[1] - without.shape[1] == TILE + module.GAP and whole.shape[0] == without.shape[0]
    top = module.GAP + module.LINE + module.GAP // 2 + module.LINE + module.GAP
    rows = slice(top, top + TILE)
    np.testing.assert_array_equal(whole[rows, 2 * module.GAP + TILE :], without[rows, module.GAP :])
    assert _ink(without[rows]).any()


def test_size_grows_with_cases_groups_and_models(tmp_path: Path) -> None:
    one = _draw(tmp_path, _case(_block(4, 12)))
    two = _draw(tmp_path, _case(_block(4, 12)), _case(_block(4, 12)))
    grouped = _draw(tmp_path, _case(_block(4, 12)), _case(_block(4, 12), "worst"))
    block = TILE + 2 * module.LINE + module.GAP
    assert two.shape[0] - one.shape[0] == block
    assert grouped.shape[0] - two.shape[0] == module.LINE + module.GAP
    path = tmp_path / "wide.png"
    gallery(path, [_case(_block(4, 12))], {"net": "Net", "other": "Other"}, views=VIEWS, tile=TILE)
    assert _pixels(path).shape[1] - one.shape[1] == 2 * TILE + 2 * module.GAP


def test_the_same_cases_give_the_same_bytes(tmp_path: Path) -> None:
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for path in paths:
        gallery(
            path, [_case(PointShape(np.eye(3)))], {"net": "Net"}, caption="by IoU", views=VIEWS, tile=TILE
        )
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_long_names_are_shortened_in_the_middle() -> None:
    canvas = module.ImageDraw.Draw(Image.new("RGB", (10, 10)))
    written: list[str] = []
    canvas.text = lambda place, text, **_: written.append(text)  # type: ignore[method-assign, assignment]
    font = module.ImageFont.load_default(size=12)
    put_text(canvas, (0, 0), "03001627-1a6f615e8b1b5ae4/07", font, pictures.INK, 90)
    assert written[0].startswith("0300") and written[0].endswith("/07") and "..." in written[0]
    assert canvas.textlength(written[0], font=font) <= 90


def test_nothing_to_show_and_bad_images_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one case"):
        gallery(tmp_path / "g.png", [], {})
    bad = _case(None, image=np.zeros((8, 8, 3), dtype=np.float32))
    with pytest.raises(ValueError, match=r"uint8 \(H, W, 3 or 4\), got float32 \(8, 8, 3\)"):
        gallery(tmp_path / "g.png", [bad], {})
    assert list(tmp_path.iterdir()) == []


def test_a_long_caption_goes_on_in_the_next_line(tmp_path: Path) -> None:
    path = tmp_path / "gallery.png"
    heights = []
    for words in (0, 3, 60):
        gallery(path, [_case(None)], {"net": "Net"}, " ".join(["word"] * words), views=VIEWS, tile=TILE)
        heights.append(_pixels(path).shape[0])
    assert heights[1] - heights[0] == module.LINE
    assert heights[2] - heights[0] >= 4 * module.LINE
    font = module.ImageFont.load_default(size=12)
    lines = module._lines("one two three four five six", font, 70)
    assert " ".join(lines) == "one two three four five six" and len(lines) > 1
    assert max(font.getlength(line) for line in lines) <= 70


def test_maps_stand_under_the_prediction(tmp_path: Path) -> None:
    """Three small tiles in the predictions' column, below its score, and nothing of it in other columns."""
    colours = [(200, 0, 0), (0, 200, 0), (0, 0, 200)]
    maps = [np.full((6, 6, 3), colour, dtype=np.uint8) for colour in colours]
    plain, drawn = Drawn(_block(4, 12)), Drawn(_block(4, 12), maps=maps)
    case = Case("a", "chair", "best", np.zeros((6, 6, 3), np.uint8), _block(4, 12), {"x": plain, "y": drawn})
    gallery(tmp_path / "g.png", [case], {"x": "X", "y": "Y"}, tile=64)
    picture = np.asarray(Image.open(tmp_path / "g.png").convert("RGB"))
    places = [np.argwhere((picture == colour).all(-1)) for colour in colours]
    for k, found in enumerate(places):
        assert len(found) == 32 * 32
        assert found.min(0).tolist() == [places[0].min(0)[0], places[0].min(0)[1] + 32 * k]
    column_of_y = module.GAP * 6 + 64 + 2 * 3 * 64  # input, truth and X stand before it
    assert places[0].min(0)[1] == column_of_y


def test_no_cases_where_the_protocol_has_no_number_for_the_model():
    """A voxel protocol and a network of points: there is no best case to draw, and no crash."""
    protocol = R2N2(R2N2Config())
    cell = SimpleNamespace(config=SimpleNamespace(name="psgn"), hash="0")
    rows = [{"id": "a", "iou@.4": None}]
    results = SimpleNamespace(find=lambda hash: (None, rows))
    session: Any = SimpleNamespace(results=results, protocol=protocol, test=SimpleNamespace(ids=()))
    columns = {column.name: column for column in protocol.columns}
    comparison: Any = SimpleNamespace(
        reference="psgn", protocol=protocol, column=columns.__getitem__, instances=()
    )
    cells: Any = [cell]
    found = gather_cases(session, cells, comparison, lighten=lambda shape, level: shape)
    assert (found.overall, found.by_category) == ((), ())
