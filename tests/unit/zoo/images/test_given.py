"""Every form of the same picture gives the same shape; what does not say which picture it is, is refused."""

import re

import numpy as np
import pytest
import torch
from PIL import Image

from zoo.images.given import AT_ONCE, OpaquePicture, pictures_of
from zoo.images.reading import UnreadableFile
from zoo.model import build_model
from zoo.shapes import VoxelShape
from zoo.testing.smoke import SmokeSource
from zoo.types import Batch, ContractError

RGBA = torch.randint(0, 256, (4, 12, 10), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
RGBA[:, 0, 0], RGBA[:, 0, 1] = 0, 255
BYTES = RGBA.movedim(0, -1).numpy()
OPAQUE = RGBA.clone()
OPAQUE[3] = 255
GRAY = OPAQUE.clone()
GRAY[:3] = GRAY[:1]

SINGLE = {
    "uint8 tensor, channels first": (RGBA, RGBA),
    "uint8 tensor, channels last": (RGBA.movedim(0, -1), RGBA),
    "uint8 array, channels first": (RGBA.numpy(), RGBA),
    "uint8 array, channels last": (BYTES, RGBA),
    "array that runs backwards": (BYTES[::-1][::-1], RGBA),
    "array in the order of Fortran": (np.asfortranarray(BYTES), RGBA),
    "floats": (RGBA.float() / 255, RGBA),
    "doubles": (BYTES / 255, RGBA),
    "doubles of another machine": ((BYTES / 255).astype(">f8"), RGBA),
    "long doubles": ((BYTES / 255).astype(np.longdouble), RGBA),
    "halves": (RGBA.float().div(255).half(), RGBA),
    "bfloats of what they can hold": (
        ((RGBA > 127) * 1.0).bfloat16(),
        (RGBA > 127) * torch.tensor(255).byte(),
    ),
    "with a gradient": ((RGBA.float() / 255).requires_grad_(), RGBA),
    "PIL": (Image.fromarray(BYTES), RGBA),
    "RGB": (OPAQUE[:3], OPAQUE),
    "RGB, channels last, floats": (OPAQUE[:3].movedim(0, -1).numpy() / 255, OPAQUE),
    "PIL without alpha": (Image.fromarray(BYTES[..., :3]), OPAQUE),
    "gray": (GRAY[0], GRAY),
    "gray with its axis": (GRAY[0].numpy()[..., None], GRAY),
    "PIL in gray": (Image.fromarray(GRAY[0].numpy()), GRAY),
}
"""What is given, and the picture that is meant."""


@pytest.fixture
def model(tiny_config):
    return build_model(tiny_config(), seed=0).eval()


@pytest.mark.parametrize("case", SINGLE)
def test_one_picture_in_every_form(case):
    given, meant = SINGLE[case]
    found = pictures_of(given)
    assert found.single and len(found.batches) == 1
    assert found.batches[0].dtype == torch.uint8 and torch.equal(found.batches[0], meant[None, None])


@pytest.mark.parametrize("case", SINGLE)
def test_a_list_of_one_is_a_batch(case):
    given, meant = SINGLE[case]
    found = pictures_of([given])
    assert not found.single and torch.equal(found.batches[0], meant[None, None])


@pytest.mark.parametrize(
    ("given", "shape"),
    [
        (torch.stack([RGBA] * 3), (3, 1, 4, 12, 10)),
        (np.stack([BYTES] * 3), (3, 1, 4, 12, 10)),
        (np.stack([BYTES] * 6).reshape(2, 3, 12, 10, 4) / 255, (2, 3, 4, 12, 10)),
        (torch.stack([RGBA] * 6).reshape(2, 3, 4, 12, 10), (2, 3, 4, 12, 10)),
        (RGBA[None, None, :, :, :4], (1, 1, 4, 12, 4)),  # as a data set gives it
        ([[RGBA, BYTES], (RGBA, Image.fromarray(BYTES))], (2, 2, 4, 12, 10)),
    ],
)
def test_a_batch(given, shape):
    found = pictures_of(given)
    assert not found.single and [tuple(batch.shape) for batch in found.batches] == [shape]
    want = RGBA.expand(shape) if shape[-1] == 10 else RGBA[None, None, :, :, :4]
    assert torch.equal(found.batches[0], want)


def test_files(tmp_path):
    Image.fromarray(BYTES).save(tmp_path / "a.png")
    for given in (tmp_path / "a.png", str(tmp_path / "a.png")):
        found = pictures_of(given)
        assert found.single and torch.equal(found.batches[0][0, 0], RGBA)
    assert len(pictures_of([tmp_path / "a.png", str(tmp_path / "a.png")]).batches[0]) == 2


def test_a_photo_is_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    Image.fromarray(BYTES).save(tmp_path / "a.png", exif=exif)
    turned = RGBA.movedim(0, -1).numpy()[::-1].transpose(1, 0, 2)
    found = pictures_of(tmp_path / "a.png").batches[0][0, 0]
    assert torch.equal(found.movedim(0, -1), torch.tensor(turned.copy()))
    with Image.open(tmp_path / "a.png") as image:
        assert pictures_of(image).batches[0].shape == (1, 1, 4, 10, 12)


def test_pictures_of_any_sizes_keep_their_order(model):
    sizes = [(12, 10), (12, 10), (20, 8), (12, 10)]
    pictures = [torch.randint(0, 255, (4, *size)).to(torch.uint8) for size in sizes]
    assert [batch.shape[0] for batch in pictures_of(pictures).batches] == [2, 1, 1]
    shapes = model.reconstruct(pictures)
    for shape, picture in zip(shapes, pictures, strict=True):
        alone = model.reconstruct(picture)
        np.testing.assert_allclose(shape.occupancy, alone.occupancy, atol=1e-5)


def test_a_long_list_is_cut():
    sizes = [len(batch) for batch in pictures_of([RGBA] * (2 * AT_ONCE + 3)).batches]
    assert sizes == [AT_ONCE, AT_ONCE, 3]


def test_the_answer_has_the_form_of_the_question(model):
    assert isinstance(model.reconstruct(RGBA), VoxelShape)
    assert isinstance(model.reconstruct(Image.fromarray(BYTES)), VoxelShape)
    for given, count in (([RGBA], 1), (RGBA[None], 1), (RGBA[None, None], 1), ([RGBA, BYTES], 2), ([], 0)):
        shapes = model.reconstruct(given)
        assert isinstance(shapes, list) and len(shapes) == count
    assert model.reconstruct(RGBA[None, None][:0]) == model.reconstruct(np.zeros((0, 4, 12, 10))) == []


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (12, 10)])
def test_any_size_is_read(model, size):
    assert len(model.reconstruct(torch.full((1, 1, 4, *size), 200, dtype=torch.uint8))) == 1


ALLOWED = (
    r"a picture is a path, a PIL image, or an array \(H, W\), \(H, W, C\) or \(C, H, W\) with C of 1, 3 or 4"
)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            RGBA.float(),
            r"uint8 or floats in \[0, 1\], got float32 \(4, 12, 10\) within \[0, 255\]; divide by 255",
        ),
        (BYTES.astype(float), r"got float64 \(12, 10, 4\) within \[0, 255\]; divide by 255"),
        (RGBA.float() / 127.5 - 1, r"within \[-1, 1\]; bring values to 0...1 \(undo a normalisation"),
        (RGBA.float() * torch.nan, r"within \[nan, nan\]; bring values to 0...1 .*look for NaN"),
        (BYTES / 0.5, r"within \[0, 510\]; bring values"),
        (RGBA.long(), r"got int64 \(4, 12, 10\) within \[0, 255\]; make them uint8"),
        (BYTES.astype(np.int16), "got int16 .*; make them uint8"),
        (
            BYTES.astype(np.uint16) * 257,
            r"got uint16 \(12, 10, 4\) within \[0, 65535\]; bring values to 0...1",
        ),
        (RGBA.to(torch.uint16), "got uint16 .*; make them uint8"),
        (BYTES.astype(">i4"), r"got int32 \(12, 10, 4\) within \[0, 255\]; make them uint8"),
        (RGBA > 127, r"got bool \(4, 12, 10\); multiply a mask by 255 and make it uint8"),
        (RGBA.to(torch.complex64), r"got complex64 \(4, 12, 10\); complex numbers are no picture"),
        (BYTES.astype(object), rf"got object \(12, 10, 4\); {ALLOWED}"),
        (np.array(["a.png"]), rf"got <U5 \(1,\); {ALLOWED}"),
        (
            torch.ones(4, 12, 10, dtype=torch.uint8),
            "bytes that are all 0 or 1, .*; bytes use 0...255: multiply",
        ),
        (RGBA[:, :, :3], r"\(4, 12, 3\) may have its channels first or last, which are other pictures"),
        (RGBA[None, :3, :, :3], r"\(1, 3, 12, 3\) may have its channels first or last"),
        (
            torch.zeros(7, 5, 5, dtype=torch.uint8),
            rf"no axis of \(7, 5, 5\) has the 1, 3 or 4 channels.*{ALLOWED}",
        ),
        (RGBA[None, None, None], rf"got uint8 \(1, 1, 1, 4, 12, 10\) *; {ALLOWED}"),
        (RGBA[0, 0], rf"got uint8 \(10,\); {ALLOWED}"),
        (torch.tensor(3, dtype=torch.uint8), rf"got uint8 \(\); {ALLOWED}"),
        (RGBA[None, None][:, :0], r"at least one view and one pixel, got uint8 \(1, 0, 4, 12, 10\)"),
        (RGBA[:, :0], r"at least one view and one pixel, got uint8 \(1, 1, 4, 0, 10\)"),
        ([RGBA, None], f"picture 1: got NoneType; {ALLOWED}"),
        ([RGBA[None]], r"picture 0: a picture in a list has at most 3 axes, got uint8 \(1, 4, 12, 10\)"),
        (
            [[RGBA, RGBA[:, 1:]]],
            "picture 0: the views of one shape must be of one size, got 11 x 10 and 12 x 10",
        ),
        ([[]], "picture 0: the views of one shape must be of one size, got none"),
        ([[RGBA, [RGBA]]], "picture 0, view 1: got list"),
        (None, f"got NoneType; {ALLOWED}"),
        (3, "got int"),
        (Batch(("a",), RGBA[None, None]), r"got a whole batch; model.predict\(x\) reads one"),
    ],
)
def test_what_does_not_say_which_picture_it_is_is_refused(given, said, model, no_type_checks):
    with pytest.raises(ContractError, match=said):
        model.reconstruct(given)


def test_files_that_are_no_pictures_are_named(tmp_path, model):
    (tmp_path / "a.png").write_bytes(b"no picture")
    for path, said in (
        ("a.png", "no picture, or an empty file"),
        ("b.png", "No such file"),
        (".", "not a regular"),
    ):
        with pytest.raises(UnreadableFile, match=rf"{re.escape(str(tmp_path / path))}: {said}"):
            model.reconstruct(tmp_path / path)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (OPAQUE, "the picture has no transparent pixel, so that the background counts as part of the object"),
        (OPAQUE[:3].numpy(), "the picture has no"),
        ([OPAQUE, RGBA, OPAQUE[:, 1:]], "2 of 3 pictures have no transparent pixel"),
        (torch.stack([OPAQUE, RGBA])[:, None], "1 of 2 pictures have no"),
    ],
)
def test_an_opaque_picture_is_not_taken_in_silence(given, said, model):
    with pytest.warns(OpaquePicture, match=said) as warned:
        model.reconstruct(given)
    assert len(warned) == 1 and "give RGBA with alpha 0 around the object" in str(warned[0].message)


def test_more_views_than_the_model_reads_are_refused(model):
    with pytest.raises(ContractError, match="reads one view, got 2"):
        model.reconstruct([[RGBA, RGBA]])


def test_views_of_a_model_that_reads_them(tiny_config):
    model = build_model(tiny_config("fusion={name: pool}", "train.views=[1,3]"), seed=0).eval()
    rgba = SmokeSource(size=(16, 16)).fetch([0, 1], [[0, 1], [0, 1]]).image
    want, found = model.reconstruct(rgba), model.reconstruct([list(views) for views in rgba])
    assert all(one.equals(other) for one, other in zip(want, found, strict=True))
