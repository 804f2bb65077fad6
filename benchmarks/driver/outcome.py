"""What came of a request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

from benchmarks.statistics.comparison import Comparison
from benchmarks.tables.views import ByViews
from zoo.errors import UserError


class NoResult(UserError):
    """No row of a request has a result; names the failures."""


@dataclass
class Outcome:
    """What became of a request; filled as it goes on, so that what is there can be shown whatever happens.

    Attributes:
        comparison: None where nothing has a result.
        by_views: one for each number of views, where several were asked for.
        failed: rows that could not be made, and pictures; by label.
        written: files.
        seconds: by phase.
    """

    comparison: Comparison | None = None
    by_views: ByViews = field(default_factory=dict)
    failed: dict[str, Exception] = field(default_factory=dict)
    written: list[Path] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a block; blocks of one name add up."""
        started = perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + perf_counter() - started

    def result(self) -> Comparison:
        """The comparison.

        Raises:
            NoResult: there is none.
        """
        if self.comparison is None:
            failures = "; ".join(f"{label}: {error}" for label, error in self.failed.items())
            raise NoResult(f"nothing has a result: {failures}")
        return self.comparison
