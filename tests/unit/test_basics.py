"""Batches, latents and voxels; seeds; devices."""

import hashlib
import mmap
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from zoo.device import PeakMemory, describe_device, flushed_denormals, pick_device
from zoo.seeding import derive, rng
from zoo.testing.asserts import CheckFailed, expect_close, expect_gradients, expect_shape
from zoo.testing.smoke import SmokeSource
from zoo.types import Batch, ContractError, Latent, Source, Voxels
from zoo.types.batch import _unpack_torch

CPU = torch.device("cpu")

# --- types


def test_the_smoke_source_is_a_source(tiny_source):
    assert isinstance(tiny_source, Source)
    assert len(tiny_source) == 4


def test_smoke_samples_depend_on_index_and_view_only():
    source = SmokeSource(size=(8, 8))
    both, alone = source.fetch([3, 1], [[0, 2], [4, 1]]), source.fetch([1], [[1]])
    assert both.ids == ("smoke/3", "smoke/1")
    assert torch.equal(both.voxels[1], alone.voxels[0])
    for field in ("image", "depth", "normals", "camera"):
        assert torch.equal(getattr(both, field)[1, 1], getattr(alone, field)[0, 0])
    assert not torch.equal(both.image[1, 0], both.image[1, 1])
    torch.testing.assert_close(both.normals.norm(dim=2), torch.ones(2, 2, 8, 8))


def test_mask_is_alpha_of_at_least_a_half(tiny_source):
    batch = tiny_source.fetch([0], [[0]])
    batch.image[0, 0, 3, 0, :4] = torch.tensor([0, 127, 128, 255], dtype=torch.uint8)
    assert batch.mask[0, 0, 0, :4].tolist() == [False, False, True, True]


def test_a_batch_moves_as_a_whole(tiny_source):
    batch = tiny_source.fetch([0, 1], [[0], [1]])
    assert len(batch) == 2
    moved = batch.to(torch.device("meta"))
    assert moved.ids == batch.ids
    assert {t.device.type for t in (moved.image, moved.voxels, moved.camera)} == {"meta"}
    assert batch.image.device.type == "cpu"


def packed_batch(resolution=16):
    """Noise in the types of a store, and the same as floats."""
    rng = np.random.default_rng(0)
    image = torch.from_numpy(rng.integers(0, 256, (2, 3, 4, 5, 6), dtype=np.uint8))
    grid = rng.random((2, resolution, resolution, resolution)) < 0.3
    depth = rng.uniform(1, 2, (2, 3, 5, 6)).astype(np.float16)
    depth[:, :, 0] = np.inf
    normals = rng.integers(-127, 128, (2, 3, 3, 5, 6)).astype(np.int8)
    packed = Batch(
        ids=("a", "b"),
        image=image,
        voxels=torch.from_numpy(np.packbits(grid, axis=-1)),
        depth=torch.from_numpy(depth),
        normals=torch.from_numpy(normals),
    )
    return packed, grid, depth, normals


@pytest.mark.parametrize("resolution", [8, 16, 40])
def test_a_packed_batch_is_decoded(resolution):
    packed, grid, depth, normals = packed_batch(resolution)
    for batch in (packed.to(CPU), packed.decode(), packed.decode().decode()):
        assert batch.voxels.dtype == batch.depth.dtype == batch.normals.dtype == torch.float32
        np.testing.assert_array_equal(batch.voxels.numpy(), grid.astype(np.float32))
        np.testing.assert_array_equal(batch.depth.numpy(), depth.astype(np.float32))
        np.testing.assert_array_equal(batch.normals.numpy(), normals / np.float32(127))
        assert torch.equal(batch.image, packed.image)
        assert batch.points is None and batch.camera is None


def test_other_devices_unpack_bits_themselves():
    packed, grid, _, _ = packed_batch()
    np.testing.assert_array_equal(_unpack_torch(packed.voxels).numpy(), grid.astype(np.float32))
    away = packed.to(torch.device("meta"))
    assert (away.voxels.device.type, away.voxels.shape) == ("meta", (2, 16, 16, 16))


def test_grids_that_are_no_bits_are_decoded():
    packed, grid, _, _ = packed_batch()
    whole = replace(packed, voxels=torch.from_numpy(grid))
    assert torch.equal(whole.decode().voxels, packed.decode().voxels)
    parts = torch.arange(2 * 8**3).reshape(2, 8, 8, 8).remainder(256).to(torch.uint8)
    decoded = replace(packed, voxels=parts).decode().voxels
    torch.testing.assert_close(decoded, parts.double().div(255).float(), rtol=0, atol=1e-7)
    assert (decoded.min(), decoded.max()) == (0, 1)
    with pytest.raises(ContractError, match=r"must be \(B, R, R, R / 8\) bits or .*, got \(2, 8, 8, 2\)"):
        replace(packed, voxels=parts[..., :2]).decode()


def test_floats_of_a_source_are_left_alone(tiny_source):
    batch = tiny_source.fetch([0, 1], [[0], [1]])
    moved = batch.to(CPU)
    assert all(moved_one is one for moved_one, one in zip(tensors(moved), tensors(batch), strict=True))


def tensors(batch):
    return [getattr(batch, f.name) for f in fields(batch) if f.name != "ids"]


def test_sampling_a_latent():
    mean, log_var = torch.full((20_000, 2), 3.0), torch.tensor([0.0, -2.0]).expand(20_000, 2)
    z = Latent(mean, log_var).sample(torch.Generator().manual_seed(0))
    torch.testing.assert_close(z.mean(0), torch.tensor([3.0, 3.0]), atol=0.03, rtol=0)
    torch.testing.assert_close(z.std(0), torch.exp(torch.tensor([0.0, -1.0])), rtol=0.02, atol=0)
    again = Latent(mean, log_var).sample(torch.Generator().manual_seed(0))
    assert torch.equal(z, again)
    assert Latent(mean).sample() is mean


def test_sampling_passes_gradients():
    mean, log_var = torch.zeros(1, 3, requires_grad=True), torch.zeros(1, 3, requires_grad=True)
    z = Latent(mean, log_var).sample(torch.Generator().manual_seed(0))
    z.sum().backward()
    torch.testing.assert_close(mean.grad, torch.ones(1, 3))
    torch.testing.assert_close(log_var.grad, 0.5 * z.detach())


def test_voxels_split_into_probabilities():
    logits = torch.randn(2, 4, 4, 4, requires_grad=True)
    shapes = Voxels(logits).split()
    assert len(Voxels(logits)) == len(shapes) == 2
    torch.testing.assert_close(torch.from_numpy(shapes[1].occupancy), torch.sigmoid(logits[1]).detach())
    half = Voxels(logits.to(torch.bfloat16)).split()
    assert half[0].occupancy.dtype == "float32"


# --- checks of parts


def test_expectations_say_what_is_wrong():
    with pytest.raises(CheckFailed, match=r"mean must be \(1, 2\), is \(2, 1\)"):
        expect_shape(torch.zeros(2, 1), (1, 2), "mean")
    with pytest.raises(CheckFailed, match="mean holds NaN or infinity"):
        expect_shape(torch.tensor([float("nan")]), (1,), "mean")
    with pytest.raises(CheckFailed, match=r"outputs differ by up to 0\.5"):
        expect_close(torch.zeros(2), torch.tensor([0.0, 0.5]), "outputs")


@pytest.mark.parametrize(
    ("scale", "message"),
    [(None, "no gradient reaches weight"), (0.0, "gradient of weight is zero"), (float("nan"), "not finite")],
)
def test_every_parameter_must_get_a_gradient(scale, message):
    module = torch.nn.Linear(2, 1)
    if scale is not None:
        (scale * module(torch.ones(1, 2))).sum().backward()
    with pytest.raises(CheckFailed, match=message):
        expect_gradients(module)


# --- seeds


def test_derived_seeds_are_those_of_sha256():
    want = int.from_bytes(hashlib.sha256(b"7/weights/2").digest()[:8], "big") >> 1
    assert derive(7, "weights", 2) == want
    assert 0 <= want < 2**63


def test_derived_seeds_differ_by_seed_and_name():
    seeds = {derive(s, *keys) for s in range(20) for keys in (("a",), ("b",), ("a", 1), ("a", 2))}
    assert len(seeds) == 80


def test_generators_of_derived_seeds():
    assert rng(1, "x").random() == rng(1, "x").random()
    assert rng(1, "x").random() != rng(1, "y").random()


# --- devices


def test_pick_device():
    assert pick_device("cpu") == torch.device("cpu")
    assert pick_device().type in ("cpu", "cuda", "mps")


def test_pick_device_prefers_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert pick_device("auto") == torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert pick_device("auto") == torch.device("mps")


def test_devices_that_are_not_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(
        ValueError, match=r"device 'cuda:1' asked for, but torch .* sees no GPU; use --device cpu"
    ):
        pick_device("cuda:1")
    with pytest.raises(ValueError, match="unknown device 'gpu'; use auto, cpu, cuda, cuda:1 or mps"):
        pick_device("gpu")


def test_a_gpu_that_is_not_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert pick_device("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(ValueError, match="device 'cuda:2' asked for, but torch sees 2 GPUs, counted from"):
        pick_device("cuda:2")


def test_the_cpu_has_a_name():
    name, _, threads = describe_device(torch.device("cpu")).rpartition(", ")
    assert len(name) > 2
    count = torch.get_num_threads()
    assert threads == f"{count} thread" + "s" * (count > 1)


def touch(mib):
    """New pages of memory, given back at once; an array might be cut from what the process holds already."""
    with mmap.mmap(-1, mib * 2**20) as pages:
        for start in range(0, len(pages), mmap.PAGESIZE):
            pages[start] = 1


def test_peak_memory_sees_an_allocation():
    memory = PeakMemory(torch.device("cpu"))
    before = memory.mib()
    touch(100)
    assert 80 < memory.mib() - before < 150


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak cannot be reset here")
def test_peak_memory_forgets():
    memory = PeakMemory(torch.device("cpu"))
    touch(100)
    high = memory.mib()
    memory.reset()
    assert memory.mib() < high - 80


def test_peak_memory_where_the_mark_cannot_be_reset(monkeypatch):
    """In some containers /proc/self/clear_refs may not be written; the peak since the start is then given."""

    def refuse(self, *args, **kwargs):
        raise PermissionError("read-only /proc")

    monkeypatch.setattr(Path, "write_text", refuse)
    assert PeakMemory(torch.device("cpu")).mib() > 50


def test_peak_memory_without_proc(monkeypatch):
    pytest.importorskip("resource")
    monkeypatch.setattr(Path, "exists", lambda self: False)
    assert PeakMemory(torch.device("cpu")).mib() > 50


def flushed():
    """Whether the product of a denormal number is 0 in this thread."""
    return bool(torch.tensor(2.0**-140) * 1 == 0)


def test_denormals_are_flushed_inside_and_as_before_afterwards():
    can = torch.set_flush_denormal(False)  # says whether this processor is able to
    assert not flushed()
    with pytest.raises(KeyError), flushed_denormals():
        smallest = 2.0**-126  # of the normal numbers
        assert flushed() == can and float(torch.tensor(smallest) * 1) == smallest
        with flushed_denormals():
            assert flushed() == can
        assert flushed() == can  # as it was before the inner block
        raise KeyError
    assert not flushed()
