"""What only a GPU can show; skipped, saying so, where there is none."""

import numpy as np
import pytest
import torch

from zoo.config import list_models, load_config
from zoo.layers.attention import SelfAttention2d
from zoo.metrics.neighbours import nearest
from zoo.model import build_model
from zoo.testing.smoke import SmokeSource
from zoo.training.trainer import train
from zoo.types import Batch

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device; torch sees none"),
]
CUDA = torch.device("cuda")
SMALL = ("train.steps=4", "train.batch_size=4")


def small(name):
    return load_config(name, "quick", [*SMALL, "train.log_every=2"])


def arrays(shapes):
    """Occupancies, clouds or vertices of predicted shapes."""
    made_of = [(s.grid, s.own_points, s) for s in shapes.split()]
    return [
        grid if grid is not None else cloud if cloud is not None else s.mesh().vertices
        for grid, cloud, s in made_of
    ]


@pytest.mark.parametrize("name", list_models())
def test_same_shapes_as_on_the_cpu(name):
    model = build_model(small(name), seed=0).eval()
    batch = SmokeSource(size=(48, 48)).fetch([0, 1], [[0], [1]])
    on_cpu = arrays(model.predict(batch).shapes)
    on_gpu = arrays(model.to(CUDA).predict(batch).shapes)
    np.testing.assert_allclose(on_cpu, on_gpu, atol=2e-3)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", list_models())
def test_trains(name, precision, tmp_path):
    config = load_config(name, "quick", [*SMALL, f"train.precision={precision}", "train.checkpoint_every=2"])
    source = SmokeSource(size=(48, 48))
    whole = train(config, source, tmp_path / "whole", seed=0, device=CUDA)
    state = torch.load(whole.checkpoint / "optimizers.pt", weights_only=True)
    assert state["generator"]["state"], "no optimiser state was saved"
    assert whole.peak_memory_mib > 0
    assert (whole.checkpoint / "model.safetensors").stat().st_size > 0


def test_a_packed_batch_is_decoded_on_the_gpu():
    """Copied from page-locked memory while packed; the floats are those of the CPU."""
    rng = np.random.default_rng(0)
    packed = Batch(
        ids=("a", "b"),
        image=torch.from_numpy(rng.integers(0, 256, (2, 1, 4, 5, 6), dtype=np.uint8)),
        voxels=torch.from_numpy(rng.integers(0, 256, (2, 64, 64, 8), dtype=np.uint8)),
        depth=torch.from_numpy(rng.uniform(1, 2, (2, 1, 5, 6)).astype(np.float16)),
        normals=torch.from_numpy(rng.integers(-127, 128, (2, 1, 3, 5, 6)).astype(np.int8)),
    )
    pinned = packed.pin()
    assert pinned.voxels.is_pinned() and pinned.voxels.dtype == torch.uint8
    moved, here = pinned.to(CUDA), packed.decode()
    for name in ("image", "voxels", "depth", "normals"):
        assert getattr(moved, name).is_cuda
        assert torch.equal(getattr(moved, name).cpu(), getattr(here, name))


def test_dropout_on_weights_uses_little_memory():
    attention = SelfAttention2d(32, 4, 8, attention_dropout=0.1).to(CUDA).train()
    x = torch.rand(1, 32, 96, 128, device=CUDA, requires_grad=True)
    torch.cuda.reset_peak_memory_stats()
    with torch.autocast("cuda", dtype=torch.bfloat16):
        attention(x).float().sum().backward()
    assert torch.isfinite(x.grad).all()
    assert torch.cuda.max_memory_allocated() < 600 * 2**20


@pytest.mark.parametrize("backend", ["torch"])
def test_neighbours_on_the_gpu_equal_the_tree(backend):
    generator = np.random.default_rng(0)
    a, b = generator.random((5000, 3)) + 10, generator.random((7000, 3)) + 10
    np.testing.assert_allclose(nearest(a, b, backend, "cuda"), nearest(a, b, "kdtree"), rtol=1e-6, atol=1e-9)
