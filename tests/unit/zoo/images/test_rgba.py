"""Pictures of every other kind are refused with the mend, and the mend makes the picture."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

import zoo
from zoo.images.rgba import check_rgba
from zoo.model import build_model
from zoo.testing.smoke import SmokeSource
from zoo.transforms.preprocess import Preprocess, PreprocessConfig
from zoo.types import Batch, ContractError

PICTURES = torch.randint(0, 256, (2, 1, 4, 12, 10), generator=torch.Generator().manual_seed(0)).to(
    torch.uint8
)
PICTURES[0, 0, :, 0, 0], PICTURES[0, 0, :, 0, 1] = 0, 255  # both ends, so that a range can be told
OPAQUE = PICTURES.clone()
OPAQUE[:, :, 3] = 255
GRAY = OPAQUE.clone()
GRAY[:, :, :3] = GRAY[:, :, :1]

OTHERS = {
    "floats in [0, 1]": (
        PICTURES.float() / 255,
        PICTURES,
        r"got float32 \(2, 1, 4, 12, 10\) within \[0, 1\]",
    ),
    "doubles in [0, 1]": (PICTURES.double() / 255, PICTURES, "got float64"),
    "halves in [0, 1]": ((PICTURES.float() / 255).half(), PICTURES, "got float16"),
    "floats in [0, 255]": (PICTURES.float(), PICTURES, r"within \[0, 255\]"),
    "int64": (PICTURES.long(), PICTURES, "got int64"),
    "int16": (PICTURES.short(), PICTURES, "got int16"),
    "bool": (PICTURES > 127, (PICTURES > 127).to(torch.uint8) * 255, "got bool"),
    "one view without its axis": (PICTURES[:, 0], PICTURES, r"got uint8 \(2, 4, 12, 10\)"),
    "one picture": (PICTURES[0, 0], PICTURES[:1], r"got uint8 \(4, 12, 10\)"),
    "channels last": (PICTURES.movedim(2, -1), PICTURES, r"got uint8 \(2, 1, 12, 10, 4\)"),
    "one picture, channels last": (PICTURES[0, 0].movedim(0, -1), PICTURES[:1], r"\(12, 10, 4\)"),
    "no alpha": (OPAQUE[:, :, :3], OPAQUE, r"\(2, 1, 3, 12, 10\)"),
    "one RGB picture, channels last": (OPAQUE[0, 0, :3].movedim(0, -1), OPAQUE[:1], r"\(12, 10, 3\)"),
    "gray": (GRAY[:, :, :1], GRAY, r"\(2, 1, 1, 12, 10\)"),
    "RGB floats in [0, 1], channels last": (
        OPAQUE[:, :, :3].movedim(2, -1).float() / 255,
        OPAQUE,
        r"float32 \(2, 1, 12, 10, 3\)",
    ),
}
"""What is given, the picture that is meant, and how the message calls what was given."""

HOPELESS = {
    "normalised floats": (PICTURES.float() / 127.5 - 1, r"within \[-1, 1\].*bring values to 0...255"),
    "NaN": (PICTURES.float() * torch.nan, r"within \[nan, nan\].*look for NaN"),
    "infinity": (PICTURES.float() / 0, "bring values to 0...255"),
    "numbers above 255": (PICTURES.long() + 1, r"within \[1, 256\].*bring values to 0...255"),
    "complex": (PICTURES.to(torch.complex64), "got complex64"),
    "two axes": (PICTURES[0, 0, 0], r"got uint8 \(12, 10\)$"),
    "six axes": (PICTURES[None], r"got uint8 \(1, 2, 1, 4, 12, 10\)$"),
    "seven channels": (torch.zeros(1, 1, 7, 5, 5, dtype=torch.uint8), r"got uint8 \(1, 1, 7, 5, 5\)$"),
    "no axes": (torch.tensor(3, dtype=torch.uint8), r"got uint8 \(\)$"),
    "no view": (PICTURES[:, :0], r"at least one view and one pixel, got uint8 \(2, 0, 4, 12, 10\)"),
    "no row": (PICTURES[..., :0, :], r"at least one view and one pixel, got uint8 \(2, 1, 4, 0, 10\)"),
    "no column": (PICTURES[..., :0], r"got uint8 \(2, 1, 4, 12, 0\)"),
    "numpy": (PICTURES.numpy(), r"got a numpy array, uint8 \(2, 1, 4, 12, 10\); torch.from_numpy\(x\)"),
    "numpy floats": (PICTURES.numpy() / 255, "got a numpy array, float64"),
    "a list": ([PICTURES[0], PICTURES[1]], r"got a list of 2; torch.stack\(x\)"),
    "an image": (Image.new("RGBA", (10, 12)), r"got Image; of an image that Pillow opened make pictures by"),
    "a path": ("chair.png", "got str; of an image that Pillow opened"),
    "nothing": (None, "got NoneType"),
    "a batch": (Batch(("a", "b"), PICTURES), r"got a whole batch; model.predict\(x\) reads one"),
}


@pytest.fixture
def model(tiny_config):
    return build_model(tiny_config(), seed=0).eval()


@pytest.mark.parametrize("case", OTHERS)
def test_the_mend_makes_the_picture(case, no_type_checks):
    given, meant, called = OTHERS[case]
    with pytest.raises(ContractError, match=called) as refused:
        Preprocess(PreprocessConfig())(given)
    text = str(refused.value)
    assert text.startswith("pictures must be a uint8 tensor (B, V, 4, H, W) of red, green, blue and straight")
    x = given
    for step in text.partition("; with x for what was given: ")[2].split(", then "):
        x = eval(step, {"torch": torch, "x": x})
    assert torch.equal(x, meant)
    check_rgba(x, values=True)


@pytest.mark.parametrize("case", HOPELESS)
def test_what_is_no_picture_is_named(case, no_type_checks):
    given, said = HOPELESS[case]
    with pytest.raises(ContractError, match=said):
        Preprocess(PreprocessConfig())(given)


def test_bytes_that_were_floats_are_not_taken_for_black_pictures():
    with pytest.raises(ContractError, match=r"bytes that are all 0 or 1; of floats in \[0, 1\] make them by"):
        check_rgba((PICTURES.float() / 255).round().to(torch.uint8), values=True)
    check_rgba(PICTURES * 0, values=True)  # nothing but background is a picture


def test_no_pictures_have_no_shapes(model):
    assert model.reconstruct(PICTURES[:0]) == []


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (12, 10)])
def test_any_size_is_read(model, size):
    assert len(model.reconstruct(torch.full((1, 1, 4, *size), 200, dtype=torch.uint8))) == 1


def test_an_image_as_pillow_opens_it(model):
    """By the words of the message."""
    image = Image.new("RGB", (10, 12), (255, 0, 0))
    with pytest.raises(ContractError) as refused:
        check_rgba(image)
    words = re.search(r"make pictures by (.*)$", str(refused.value))
    pictures = eval(words[1], {"torch": torch, "numpy": np, "image": image})
    check_rgba(pictures, values=True)
    assert pictures.shape == (1, 1, 4, 12, 10) and pictures[0, 0, :, 3, 3].tolist() == [255, 0, 0, 255]


@pytest.mark.parametrize(
    "image",
    [
        torch.rand(2, 1, 4, 16, 16),
        torch.rand(2, 1, 3, 16, 16),
        torch.rand(2, 1, 1, 16, 20),
        torch.rand(2, 1, 16, 16),
        torch.rand(1, 16, 16),
        torch.zeros(2, 1, 1, 16, 16, dtype=torch.uint8),
        torch.zeros(2, 1, 4, 16, 16, dtype=torch.uint8),
    ],
    ids=lambda image: f"{image.dtype} {tuple(image.shape)}",
)
def test_a_pass_refuses_what_is_not_preprocessed(model, image, no_type_checks):
    with pytest.raises(
        ContractError, match=r"reads what its preprocess makes, floats \(B, V, 1, 16, 16\), got"
    ):
        model(image)


def test_depth_lies_on_the_pictures(no_type_checks):
    preprocess = Preprocess(PreprocessConfig(size=(8, 8), depth=True))
    for shape in ((2, 1, 12, 9), (2, 2, 12, 10), (2, 12, 10)):
        with pytest.raises(ContractError, match=r"depth must lie on the pictures, \(2, 1, 12, 10\), got"):
            preprocess(PICTURES, depth=torch.ones(shape))
    assert preprocess(PICTURES, depth=torch.ones(2, 1, 12, 10)).shape == (2, 1, 4, 8, 8)


def test_the_example_of_the_package_runs(tmp_path, monkeypatch):
    """What the docstring of `zoo` shows, line by line, on a picture of the data set's size."""
    lines = [line.strip() for line in (zoo.__doc__ or "").split("\n\n")[1].splitlines()]
    assert lines[0] == "import zoo" and any('reconstruct("chair.png")' in line for line in lines)
    picture = SmokeSource(size=(96, 128)).fetch([0], [[0]]).image[0, 0].permute(1, 2, 0).numpy()
    Image.fromarray(picture).save(tmp_path / "chair.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        zoo, "load_pretrained", lambda path: zoo.create_model("atlasnet", seed=0), raising=False
    )
    scope = {}
    exec("\n".join(lines), scope)
    assert scope["mesh"] is not None and (tmp_path / "chair.glb").stat().st_size > 100


def test_importing_zoo_is_as_light_as_before():
    code = "import sys, zoo; assert not {'torch', 'numpy'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
