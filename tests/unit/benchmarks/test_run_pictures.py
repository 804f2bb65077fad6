"""The end of the main command, where every model predicts once more: what fails there costs its pictures."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import constants
from PIL import Image, ImageDraw, ImageFont

from benchmarks.cells.predictions import Predictions
from benchmarks.gallery.picture import Case, Drawn, gallery
from benchmarks.run import main
from tests.unit.benchmarks.test_benchmark_run import TINY
from tests.unit.datasets.sources.test_folder import BASE, TOWER, add_mesh, add_picture
from tests.unit.datasets.sources.test_screenshots import add_screenshots
from tests.unit.datasets.sources.test_shapenet import CAR, CHAIR, add_model
from zoo.shapes import VoxelShape
from zoo.types import ContractError
from zoo.visualize import put_text

HERE = ["--workers", "0", "--executor", "inline", "--device", "cpu"]
SMALL = [
    *("--set", "prepare.views=2", "--set", "prepare.points=1024", "--set", "protocol.points=1024"),
    *("--set", "train.steps=2", "--set", "train.batch_size=2"),
]
SCREENSHOTS = ["--set", "data.images=screenshots", "--set", "data.split=r2n2"]
NAME = "vae_gan_baseline"


@pytest.fixture(scope="module", autouse=True)
def no_weights(tmp_path_factory):
    """Whatever weights this machine has are not there, and stores lie in a folder of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, "HF_HUB_CACHE", str(tmp_path_factory.mktemp("hub")))
        patch.setenv("R3D_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def own_pictures(root: Path) -> list[str]:
    """A folder of shapes with pictures that somebody took; one name breaks its line."""
    for kind in ("chair", "table"):
        for n in range(6):
            name = f"{kind}/" + ("two\nlines" if n == 5 else f"shape{n}")
            height = 0.05 + 0.04 * n + (kind == "table") * 0.02
            add_mesh(root / "meshes", f"{name}.obj", BASE, TOWER, ((-0.5, 0, -0.25), (0, height, 0)))
            for view in range(2):
                add_picture(root / "images" / name / f"{view}.png", color=(40 * n, 90 * view, 10))
    return ["--dataset", "folder", "--allow-leaks"]


def screenshots(root: Path) -> list[str]:
    """ShapeNet with the pictures that version 2 has of its models."""
    for synset in (CHAIR, CAR):
        for model in "abcde":
            add_screenshots(add_model(root, synset, model, 2), 2)
    return ["--dataset", "shapenet", "--categories", "chair,car", "--allow-leaks", *SCREENSHOTS]


@pytest.mark.parametrize("make", [own_pictures, screenshots])
def test_pictures_without_cameras_have_gallery_and_report(tmp_path, make, capsys):
    words = [*make(tmp_path / "data"), "--data-root", str(tmp_path / "data"), *HERE, *SMALL]
    words += ["--models", NAME, "--out", str(tmp_path / "out")]
    assert main([*words, "--format", "all"]) == 0, capsys.readouterr()
    results = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    assert results["rows"][0]["name"] == NAME
    for name in ("gallery.png", "report.html"):
        with_cameras_or_not = (tmp_path / "out" / name).read_bytes()
        (tmp_path / "out" / name).unlink()
        assert main([*words, "--only-cache", "--format", "html"]) == 0
        assert (tmp_path / "out" / name).read_bytes() == with_cameras_or_not
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    cases = [json.loads(text) for text in re.findall(r'id="case-\d+">(.*?)</script>', page)]
    assert cases and all(case["camera"] == [35.0, 20.0] for case in cases)
    assert all(case["models"][NAME] is not None and case["image"] for case in cases)


def test_models_that_need_cameras_are_left_out_where_there_are_none(tmp_path, capsys):
    words = [*own_pictures(tmp_path / "data"), "--data-root", str(tmp_path / "data"), *HERE, *SMALL]
    words += ["--models", f"{NAME},drc*", "--out", str(tmp_path / "out"), "--format", "rich,json"]
    assert main(words) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "left out" in text and "camera" in text


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Words of a command that has finished once."""
    folder = tmp_path_factory.mktemp("finished")
    words = ["--models", NAME, "--out", str(folder / "out"), "--data-root", str(folder / "data"), *TINY]
    assert main(words) == 0
    return words, folder / "out"


@pytest.fixture
def again(finished, capsys):
    """Runs the command once more without its pages: status, what it printed, and its folder."""
    words, out = finished
    for name in ("gallery.png", "report.html", "table.md"):
        (out / name).unlink(missing_ok=True)

    def run(*more):
        status = main([*words, *more])
        return status, " ".join(capsys.readouterr().out.split()), out

    return run


class Unreadable(VoxelShape):
    """A shape that was measured and now cannot be drawn."""

    def mesh(self, level=0.5):
        raise ValueError("no surface [/today]")


def raising(error):
    def predict(self, index):
        raise error

    return predict


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RuntimeError("CUDA error"), "RuntimeError: CUDA error"),
        (RuntimeError("tried [/data/x]"), "RuntimeError: tried [/data/x]"),
        (KeyError("camera"), "KeyError: 'camera'"),
        (MemoryError(), "MemoryError:"),
        (AssertionError(), "AssertionError:"),
        (ContractError("no decoder"), "ContractError: no decoder"),
        (OSError(5, "Input/output error", "/x"), "OSError: /x: Input/output error"),
        (torch.OutOfMemoryError("out of memory [1 GiB]"), "OutOfMemoryError: out of memory [1 GiB]"),
    ],
)
def test_a_model_that_raises_when_the_pictures_are_made_costs_its_pictures(again, monkeypatch, error, said):
    monkeypatch.setattr(Predictions, "__getitem__", raising(error))
    status, text, out = again()
    assert status == 1
    assert f"failed pictures of {NAME}: {said}" in text
    assert "controls, not ranked" in text and (out / "table.md").exists()
    assert NAME in (out / "report.html").read_text(encoding="utf-8")
    with Image.open(out / "gallery.png") as picture:
        assert picture.width > 100


def test_a_shape_that_cannot_be_drawn_costs_its_model_alone(again, monkeypatch):
    get = Predictions.__getitem__
    monkeypatch.setattr(Predictions, "__getitem__", lambda self, k: Unreadable(get(self, k).occupancy))
    status, text, out = again()
    assert status == 1 and f"failed pictures of {NAME}: ValueError: no surface [/today]" in text
    assert (out / "report.html").exists() and (out / "gallery.png").exists()


@pytest.mark.parametrize(
    ("what", "name"),
    [
        ("gather_cases", "pictures of predictions"),
        ("write_gallery", "gallery.png"),
        ("read_curves", "report.html"),
        ("write_report", "report.html"),
    ],
)
def test_a_page_that_cannot_be_made_costs_itself(again, monkeypatch, what, name):
    def broken(*args, **kwargs):
        raise ValueError("cannot [/do] it")

    monkeypatch.setattr(f"benchmarks.report.pages.{what}", broken)
    status, text, out = again()
    assert status == 1 and f"failed {name}: ValueError: cannot [/do] it" in text
    assert "controls, not ranked" in text and (out / "table.md").exists()
    left = {"gallery.png", "report.html"} - {name}
    assert {p.name for p in out.iterdir()} >= (left if what != "gather_cases" else {"report.html"})


def test_a_latent_that_cannot_be_made_costs_the_controls_that_ask_for_it(
    finished, tmp_path, monkeypatch, capsys
):
    def broken(cell, *args):
        feature = latent(cell, *args)
        assert feature is not None

        def load():
            raise RuntimeError("no latent [/today]")

        return type(feature)(feature.name, feature.words, feature.identity, load)

    from benchmarks.cells.latent import latent_feature as latent

    monkeypatch.setattr("benchmarks.driver.plan.latent_feature", broken)
    words, _ = finished
    assert main([*words, "--out", str(tmp_path)]) == 1
    text = " ".join(capsys.readouterr().out.split())
    for control in ("retrieval", "clusters"):
        assert f"failed {control}[{NAME}]: RuntimeError: no latent [/today]" in text
    rows = {
        row["name"] for row in json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))["rows"]
    }
    assert {NAME, "floor", "image_retrieval"} <= rows
    assert (tmp_path / "gallery.png").exists() and (tmp_path / "report.html").exists()


NAMES = [
    "a\nb",
    "a\r\nb\n",
    "\n",
    "\t",
    "\x1b[31m",
    "\x00",
    "a\u2028b",
    "\udcff",
    "[/b]",
    "<b>&",
    "",
    "x" * 300,
]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_fits_a_picture(name):
    canvas = Image.new("RGB", (200, 40))
    font = ImageFont.load_default(size=12)
    put_text(ImageDraw.Draw(canvas), (0, 0), name, font, (255, 255, 255), 150)
    right = (canvas.getbbox() or (0, 0, 0, 0))[2]
    assert right <= 151, f"{name!r} reaches {right} pixels into what has room for 150"


@pytest.mark.parametrize("name", NAMES)
def test_any_name_stands_in_a_gallery(tmp_path, name):
    shape = VoxelShape(np.pad(np.ones((2, 2, 2), bool), 1))
    case = Case(name, name, name, None, shape, {name: Drawn(shape, scores={name: name})})
    gallery(tmp_path / "gallery.png", [case], {name: name}, caption=name, views=[(35.0, 20.0)])
    with Image.open(tmp_path / "gallery.png") as picture:
        assert picture.height > 100
