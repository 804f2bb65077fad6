"""The comparison as CSV: every number as it is stored, for spreadsheets and pandas.

The file begins with its header and holds nothing but lines of it: a comment would break what reads it. How
each model stands is a column.
"""

from __future__ import annotations

import csv
import io

from benchmarks.statistics.comparison import Comparison
from benchmarks.statistics.cost import cost
from benchmarks.statistics.rows import Estimate
from benchmarks.tables.labels import csv_text
from benchmarks.tables.verdict import standing_words

COST = ("parameters", "train_images_per_second", "images_per_second", "peak_memory_mb")


def to_csv(comparison: Comparison) -> str:
    """One line per row and scope (`instance mean`, `category mean`, or a category): metrics as stored."""
    names = [column.name for column in comparison.protocol.columns]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    head = ["name", "kind", "scope", "n", "complete", "seeds", "n_failed"]
    ends = [f"{m}{suffix}" for m in names for suffix in ("", "_low", "_high")]
    writer.writerow([*head, *ends, *COST, "verdict"])
    for row in comparison.rows:
        scopes = {"instance mean": row.instance_mean, "category mean": row.category_mean, **row.categories}
        costs, words = cost(row), csv_text(standing_words(comparison, row.name))
        for scope, estimates in scopes.items():
            n = comparison.categories[scope] if scope in row.categories else row.n
            numbers = [v for m in names for v in triple(estimates[m])]
            texts = [csv_text(text) for text in (row.name, row.kind, scope)]
            facts = [*texts, n, int(row.complete), len(row.seeds), row.n_failed]
            ranked = scope == f"{comparison.average} mean"
            writer.writerow([*facts, *numbers, *(costs[c] for c in COST), words * ranked])
    return out.getvalue()


def triple(estimate: Estimate | None) -> tuple[float | str, ...]:
    """Mean, low and high for a CSV file; empty where there is nothing."""
    if estimate is None:
        return "", "", ""
    return tuple("" if v is None else float(v) for v in (estimate.mean, estimate.low, estimate.high))
