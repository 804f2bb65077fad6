"""What a row cost: parameters, speed and memory over its seeds."""

from __future__ import annotations

from benchmarks.statistics.rows import ComparedRow


def cost(row: ComparedRow) -> dict[str, float | None]:
    """Speeds are means over seeds, the peak is the highest; None where nothing was trained or predicted."""
    train = [r.train for r in row.records if r.train is not None]
    predict = [r.inference.images_per_second for r in row.records if r.inference is not None]
    peaks = [t.peak_memory_mb for t in train if t.peak_memory_mb is not None]
    return {
        "parameters": row.records[0].parameters,
        "train_seconds": sum(t.seconds for t in train) / len(train) if train else None,
        "train_images_per_second": sum(t.images_per_second for t in train) / len(train) if train else None,
        "images_per_second": sum(predict) / len(predict) if predict else None,
        "peak_memory_mb": max(peaks) if peaks else None,
    }
