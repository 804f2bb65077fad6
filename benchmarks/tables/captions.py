"""What has to be known to read the main table: notes that nobody may miss, and details."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from benchmarks.controls import CONTROLS
from benchmarks.scoring.failures import Kind, kind_of
from benchmarks.statistics.comparison import Comparison
from benchmarks.statistics.rows import ComparedRow

EXAMPLES = 3
"""So many failures of a kind are told with their reasons."""


def reading(comparison: Comparison) -> Iterator[str]:
    """How the numbers are read."""
    seeds = ", and over training seeds" if any(len(row.seeds) > 1 for row in comparison.models) else ""
    if comparison.average != "instance":
        yield "Means are those of the categories' means, as this protocol has it."
    yield (
        f"± is half of a 95 % interval: bootstrap over shapes within categories{seeds}, "
        f"{comparison.resamples:,} resamples."
    )
    if comparison.leaders:
        yield "Bold: the best model, and every one that a paired test does not tell from it."


def reservations(comparison: Comparison) -> Iterator[str]:
    """What forbids to make much of them, beside what the verdict says."""
    info = comparison.dataset
    if info.leaks:
        yield (
            f"{info.leaks:,} of {info.n:,} instances show a shape that training or validation holds too, by "
            "name or by an equal grid (--allow-leaks); --set prepare.leaks=drop leaves them out."
        )
    lack = {
        "instances": any(row.missing for row in comparison.rows),
        "training seeds": any(row.absent for row in comparison.rows),
    }
    if any(lack.values()):
        what = " and ".join(name for name, lacking in lack.items() if lacking)
        yield f"incomplete: {what} are missing; the row is neither ranked nor compared."
    if comparison.absent:
        yield "missing: asked for, but there is no result."


def notes(comparison: Comparison) -> Iterator[str]:
    """What the numbers would be misread without."""
    info = comparison.dataset
    if info.whole is not None:
        yield (
            f"Limited to {info.n:,} of {info.whole:,} instances, drawn evenly over the categories (--limit): "
            "a quick look, not for publication."
        )
    yield from reading(comparison)
    if any(len(row.seeds) == 1 for row in comparison.models):
        yield "1 seed: the interval does not know how much another training run would differ."
    yield from reservations(comparison)
    if any(row.n_failed for row in comparison.rows):
        yield "failed: over all seeds; each counts with the worst value."


def details(comparison: Comparison) -> Iterator[str]:
    """What else the numbers hang on."""
    info, records = comparison.dataset, [r for row in comparison.rows for r in row.records]
    seeds = sorted({seed for row in comparison.models for seed in row.seeds})
    devices, backends = (sorted({getattr(r, name) for r in records}) for name in ("device", "neighbours"))
    yield (
        f"Data {info.fingerprint[:16]}; view: {info.views}; seeds: {', '.join(map(str, seeds)) or 'none'}; "
        f"device: {' and '.join(devices)}; nearest neighbours: {' and '.join(backends)}."
    )
    yield from _thresholds(comparison)
    if info.skipped:
        yield (
            f"Missing, because they could not be read and --allow-missing was given: "
            f"{sum(info.skipped.values()):,} of the data set's items ({counted(info.skipped)})."
        )
    if info.left_out:
        yield f"Left out of the data set on purpose: {counted(info.left_out)}."
    if single := sum(comparison.shapes(category) == 1 for category in comparison.categories):
        yield (
            f"{single} of {len(comparison.categories)} categories have one shape: drawing within them "
            "changes nothing, so the intervals are too short."
        )
    yield from (f"Look: the predictions of {r.name} {hint}" for r in records for hint in r.hints)
    yield from _failures(comparison)
    yield from comparison.notes


def definition(row: ComparedRow) -> str:
    """What a control is; of a model its title, where that says more than its name."""
    if row.ranked:
        return "" if row.title == row.name else row.title
    known = {control.name: control.explanation for control in CONTROLS}
    # of the controls that depend on what is compared, only their records know
    return str(known.get(row.name) or row.records[0].config.get("explanation") or "")


def counted(reasons: Mapping[str, int]) -> str:
    """Reasons with how often each occurs."""
    return ", ".join(f"{n:,} {reason}" for reason, n in sorted(reasons.items()))


def _thresholds(comparison: Comparison) -> Iterator[str]:
    rows = {row.name: [r.threshold for r in row.records if r.threshold] for row in comparison.models}
    chosen = sorted({threshold.chosen for own in rows.values() for threshold in own})
    values = [f"{name} {'/'.join(f'{t.value:g}' for t in own)}" for name, own in rows.items() if own]
    if values:
        yield f"Occupancy threshold: {'; '.join(chosen)}: {', '.join(values)}."


def _failures(comparison: Comparison) -> Iterator[str]:
    """What failed, by what it was; the reasons of what was there and could not be used."""
    words: dict[Kind, str] = {
        "unreadable": "files that could not be read",
        "unmeasurable": "shapes that could not be measured",
    }
    found: dict[Kind, list[str]] = {kind: [] for kind in words}
    for row in comparison.rows:
        for _, id, _, reason in row.failures:
            if (kind := kind_of(reason)) in words:
                found[kind].append(f"{row.name}, {id}: {reason}")
    if sum(row.n_failed for row in comparison.rows) > sum(map(len, found.values())):
        yield "failed: empty or missing predictions, over all seeds; they count with the worst value."
    for kind, examples in found.items():
        if examples:
            yield (
                f"failed: {len(examples):,} {words[kind]}, over all seeds; they count with the worst value: "
                + "; ".join(examples[:EXAMPLES])
                + ("; ..." if len(examples) > EXAMPLES else ".")
            )
