"""``python -m benchmarks.speed.attention``: what R3D's attention costs, by kernel.

Each variant runs in a process of its own, so that its peak memory is its own. Ratios are against torch's
'math' kernel, which stores every attention weight as the report's listing does. Windows and linear attention
compute something else, and have no mask.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import statistics
from contextlib import nullcontext
from time import perf_counter
from typing import Any

from rich.console import Console
from rich.table import Table

HEADS, HEAD_DIM = 4, 8
WINDOW = 8
VARIANTS = {
    "math": "every weight stored, as in the listing",
    "fused": "what the zoo uses without dropout on weights",
    "math, dropout 0.1": "torch's fallback on a CPU",
    "chunked, dropout 0.1": "what the zoo uses with dropout on weights",
    "windows": f"windows of {WINDOW}x{WINDOW}, as r3d_window",
    "linear": "another function, as r3d_linear",
}


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.attention", description=__doc__)
    parser.add_argument(
        "--size",
        type=int,
        nargs=2,
        default=(96, 128),
        metavar=("H", "W"),
        help="of the map after the first block (default: 96 128)",
    )
    parser.add_argument("--causal", action="store_true", help="with the listing's mask")
    parser.add_argument("--runs", type=int, default=3, help="timed runs after a warm-up; the median is shown")
    parser.add_argument("--threads", type=int, default=0, help="torch threads; 0 for torch's own choice")
    args = parser.parse_args()
    tokens = math.prod(args.size)
    table = Table(
        title=f"forward and backward, one image: {tokens:,} tokens, {HEADS} heads of {HEAD_DIM}, "
        f"causal: {args.causal}"
    )
    for column in ("kernel", "seconds", "ratio", "peak MiB", "ratio", ""):
        table.add_column(column, justify="left" if column in ("kernel", "") else "right")
    context, base = multiprocessing.get_context("spawn"), None
    for name, text in VARIANTS.items():
        with context.Pool(1) as pool:
            seconds, mib = pool.apply(measure, (name, tuple(args.size), args.causal, args.runs, args.threads))
        base = base or (seconds, mib)
        table.add_row(
            name,
            f"{seconds:.3f}",
            f"{base[0] / seconds:.1f}x",
            f"{mib:,.0f}",
            f"{base[1] / max(mib, 1):.1f}x",
            text,
        )
    Console().print(table)


def measure(name: str, size: tuple[int, int], causal: bool, runs: int, threads: int) -> tuple[float, float]:
    """Median seconds and peak MiB above what the process held before, NaN where the system does not tell."""
    import torch
    import torch.nn.functional as F
    from torch.nn.attention import SDPBackend, sdpa_kernel

    from zoo.device import PeakMemory
    from zoo.layers.attention import attention_with_dropout
    from zoo.layers.linear_attention import linear_attention
    from zoo.layers.window_attention import window_attention

    if threads:
        torch.set_num_threads(threads)
    q, k, v = (torch.randn(1, HEADS, math.prod(size), HEAD_DIM, requires_grad=True) for _ in range(3))
    p = 0.1 if "dropout" in name else 0.0

    def kernel() -> Any:
        return sdpa_kernel(SDPBackend.MATH) if name.startswith("math") else nullcontext()

    def once() -> None:
        for tensor in (q, k, v):
            tensor.grad = None
        with kernel():
            if name.startswith("chunked"):
                out = attention_with_dropout(q, k, v, p, causal)
            elif name == "windows":
                out = window_attention(q, k, v, size, WINDOW)
            elif name == "linear":
                out = linear_attention(q, k, v)
            else:
                out = F.scaled_dot_product_attention(q, k, v, dropout_p=p, is_causal=causal)
        out.sum().backward()

    memory = PeakMemory(torch.device("cpu"))
    before = memory.mib() or math.nan
    once()
    peak = (memory.mib() or math.nan) - before
    times = []
    for _ in range(runs):
        started = perf_counter()
        once()
        times.append(perf_counter() - started)
    return statistics.median(times), peak


if __name__ == "__main__":
    main()
