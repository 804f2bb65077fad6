"""The report in a real browser. Needs the package `playwright` and an installed Chromium or Chrome."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.gallery.cases import Cases
from benchmarks.gallery.picture import Drawn
from benchmarks.report import write_report
from tests.helpers.comparisons import example
from tests.unit.benchmarks.report.test_report import CURVES, _block, _case

api = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next(filter(None, map(shutil.which, NAMES)), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason=f"none of {', '.join(NAMES)} is installed")

SOFTWARE_GL = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
WIDTHS = (390, 1440)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with two instances of lamps and one chair."""
    other = {"r3d": Drawn(_block(6, 10), 0.5, {"IoU": "0.1"})}
    overall = (_case("lamp-1"),)
    by_category = (_case("chair-1"), _case("lamp-1"), _case("lamp-2", "worst", predictions=other))
    return write_report(
        example(), Cases("of r3d by IoU", overall, by_category), tmp_path_factory.mktemp("report"), CURVES
    )


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=BROWSER, args=SOFTWARE_GL)
        yield opened
        opened.close()


@pytest.fixture(params=WIDTHS, ids=lambda width: f"{width}px")
def page(request: pytest.FixtureRequest, browser: Any, report: Path) -> Iterator[Any]:
    """The page when its first shapes are drawn; it has complained of nothing and asked for nothing."""
    opened = browser.new_page(viewport={"width": request.param, "height": 900})
    said: list[str] = []
    opened.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: said.append(str(error)))
    asked: list[str] = []
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(report.as_uri())
    opened.wait_for_function("document.documentElement.dataset.gallery === 'ready'")
    yield opened
    opened.close()
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [report.as_uri()]


def _pixels(page: Any, place: str) -> np.ndarray:
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    image = Image.open(io.BytesIO(page.locator(place).screenshot()))
    return np.asarray(image.convert("RGB")).astype(int)


def _column(page: Any, column: int) -> list[str]:
    models = page.locator("#results table").first.locator("tbody:not(.heading)").first
    cells = models.locator(f"tr > :nth-child({column + 1})")
    texts: list[str] = cells.all_inner_texts()
    return [text.split(" ")[0] for text in texts]


VIEWS = ".view.turns"


def test_without_an_input_picture_there_is_no_place_for_one(browser: Any, tmp_path: Path) -> None:
    path = write_report(example(), Cases("of r3d by IoU", (_case(image=None, camera=None),)), tmp_path)
    opened = browser.new_page()
    opened.goto(path.as_uri())
    opened.wait_for_function("document.documentElement.dataset.gallery === 'ready'")
    names = opened.locator("#views .panel .name").all_inner_texts()
    assert names == ["ground truth", "r3d", "vae_gan_baseline", "psgn", "r2n2"]
    assert opened.locator("#views img").count() == 0
    opened.close()


def test_there_is_no_horizontal_scroll(page: Any) -> None:
    for opened in (False, True):
        if opened:
            page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_the_first_column_stays_where_a_table_is_scrolled(page: Any) -> None:
    table = page.locator("#results .scroll").first
    name = table.locator("tbody:not(.heading) th").first
    before = name.bounding_box()["x"]
    table.evaluate("(box) => { box.scrollLeft = 200; }")
    assert name.bounding_box()["x"] == before


def test_a_table_sorts_by_numbers_and_turns_round(page: Any) -> None:
    assert _column(page, 1) == ["0.412", "0.389", "n/a", "0.500"]
    head = page.locator("#results table").first.locator("thead button").nth(1)
    head.click()
    assert _column(page, 1) == ["0.500", "0.412", "0.389", "n/a"]  # higher is better: best first
    head.click()
    assert _column(page, 1) == ["0.389", "0.412", "0.500", "n/a"]
    page.locator("#results table").first.locator("thead button").nth(2).press("Enter")
    assert _column(page, 2) == ["0.0900", "0.1198", "0.1234", "0.1301"]
    page.locator("#results table").first.locator("thead button").nth(0).click()
    assert _column(page, 0) == ["psgn", "r2n2", "r3d", "vae_gan_baseline"]


def test_shapes_are_drawn_where_their_names_are(page: Any) -> None:
    names = page.locator("#views .panel .name").all_inner_texts()
    assert names == ["input", "ground truth", "r3d", "vae_gan_baseline", "psgn", "r2n2"]
    assert page.locator(VIEWS).count() == 3  # truth, r3d and psgn
    for k in range(3):
        shown = _pixels(page, f":nth-match({VIEWS}, {k + 1})")
        drawn = (np.abs(shown - shown[12, 12]).max(-1) > 12).mean()
        assert 0.005 < drawn < 0.9
    assert page.locator(".panel", has_text="vae_gan_baseline").locator(".view").inner_text() == "empty"
    assert page.locator(".panel", has_text="r2n2").locator(".view").inner_text() == "no prediction"


def test_a_drag_turns_every_shape_and_reset_turns_it_back(page: Any) -> None:
    before = [_pixels(page, f":nth-match({VIEWS}, {k})") for k in (1, 2, 3)]
    box = page.locator(VIEWS).first.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 + 60, box["y"] + box["height"] / 2 + 20, steps=4)
    page.mouse.up()
    after = [_pixels(page, f":nth-match({VIEWS}, {k})") for k in (1, 2, 3)]
    assert all((a != b).any(-1).mean() > 0.005 for a, b in zip(before, after, strict=True))
    page.locator("#reset").click()
    assert (_pixels(page, f":nth-match({VIEWS}, 1)") == before[0]).mean() > 0.999


def test_keys_turn_the_shapes_too_and_colours_can_be_taken_off(page: Any) -> None:
    place = f":nth-match({VIEWS}, 2)"
    before = _pixels(page, place)
    page.locator("#shaded").uncheck()
    plain = _pixels(page, place)
    grey = np.abs(plain - plain.mean(-1, keepdims=True)).max()
    assert grey < 16 < np.abs(before - before.mean(-1, keepdims=True)).max()
    page.locator(place).press("ArrowLeft")
    assert (_pixels(page, place) != plain).any()


def test_filters_choose_instances(page: Any) -> None:
    def instances() -> list[str]:
        texts: list[str] = page.locator("#instance option").all_inner_texts()
        return [text.partition(" ")[0] for text in texts]

    def shown(instance: str) -> None:
        page.wait_for_function(f"document.getElementById('status').textContent.startsWith('{instance}:')")

    assert instances() == ["chair-1", "lamp-1", "lamp-2"]
    shown("chair-1")
    page.locator("#category").select_option("lamp")
    assert instances() == ["lamp-1", "lamp-2"]
    shown("lamp-1")
    page.locator("#next").click()
    shown("lamp-2")
    page.wait_for_function(f"document.querySelectorAll('{VIEWS}').length === 2")  # truth and r3d
    page.locator("#group").select_option("best")
    assert instances() == ["lamp-1"]
    page.locator("#category").select_option("chair")
    page.locator("#group").select_option("worst")
    assert instances() == [] and page.locator("#next").is_disabled()
    assert page.locator("#status").inner_text() == "No instance fits these filters."
    page.locator("#category").select_option("")
    page.locator("#group").select_option("any")
    assert instances() == ["lamp-1"]
