"""``python -m tests.mutate``: ten thousand damaged files, read by every reader.

Whatever a file has become, a reader gives a value or an error of ours: no crash, no hang, no memory taken
for nothing, no other error, nothing shorter than the whole where the format can tell, and of our own files
nothing else than what was written.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from tests.mutate.readers import all_readers
from tests.mutate.trial import Bench, Trial

SECONDS = 30.0


def trials(names: Sequence[str], seeds: Sequence[int], seconds: float = SECONDS) -> Iterator[Trial]:
    """A trial of every reader for every seed."""
    bench = Bench(seconds)
    try:
        for seed in seeds:
            for name in names:
                yield bench.run(name, seed)
    finally:
        bench.close()


def summary(found: Sequence[Trial]) -> str:
    """A line for each reader, and each failure with the command that replays it."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for one in found:
        counts[one.reader]["failed" if one.failed else one.outcome] += 1
    lines = [f"{'reader':16}{'tried':>8}{'accepted':>10}{'refused':>9}{'failed':>8}"]
    for name, count in counts.items():
        lines.append(
            f"{name:16}{count.total():8}{count['accepted']:10}{count['refused']:9}{count['failed']:8}"
        )
    whole = sum(counts.values(), Counter())
    lines.append(f"{'all':16}{whole.total():8}{whole['accepted']:10}{whole['refused']:9}{whole['failed']:8}")
    for one in found:
        if one.failed:
            lines.append(
                f"{one.outcome}: python -m tests.mutate --only '{one.reader}' --seed {one.seed}\n  {one.what}"
            )
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; exit status 1 where a trial failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutate", description=__doc__)
    parser.add_argument("--trials", type=int, default=10_000, help="in all (default: %(default)s)")
    parser.add_argument(
        "--only", action="append", choices=list(all_readers()), help="this reader; may be repeated"
    )
    parser.add_argument(
        "--first", type=int, default=0, help="seed of the first trials (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, help="one trial of each reader, by this seed, to be looked at")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for one trial (default: %(default)s)")
    args = parser.parse_args(argv)
    names = args.only or list(all_readers())
    each = -(-args.trials // len(names))
    seeds = range(args.first, args.first + each) if args.seed is None else [args.seed]
    found = []
    for one in trials(names, seeds, args.seconds):
        found.append(one)
        if args.seed is not None:
            print(f"{one.reader}: {one.outcome}: {one.what}")
    print(summary(found))
    return int(any(one.failed for one in found))


if __name__ == "__main__":
    raise SystemExit(main())
