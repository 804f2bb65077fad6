"""Numbers quoted from papers: `published.yaml`, checked and typed.

Values keep the digits of their source (".2288" stays ".2288"): a quoted number is text that parses as a
number, so that nothing here rounds it or adds digits to it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from zoo.errors import UserError
from zoo.registry import did_you_mean
from zoo.system.plain_data import load_yaml

DEFAULT_PATH = Path(__file__).with_name("published.yaml")


class PublishedError(UserError, ValueError):
    """The file of published numbers is wrong: names the file, the place and the mend."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class PublishedProtocol(_Part):
    """How and on what somebody else measured."""

    title: str = Field(min_length=1)
    rules: str = Field(min_length=1)
    data: str = Field(min_length=1)
    n: int | None = Field(ge=1)
    """Instances that the printed mean is over; None where the source does not say."""
    training: str = Field(min_length=1)


class PublishedColumn(_Part):
    """A metric of the quoted tables."""

    name: str
    label: str
    better: Literal["higher", "lower"]


class PublishedRow(_Part):
    """One quoted method; `values` maps metric name to the text as printed."""

    method: str = Field(min_length=1)
    protocol: str
    source: str = Field(min_length=1)
    note: str | None = None
    values: dict[str, str] = Field(min_length=1)


class PublishedTable(_Part):
    """Rows that a source prints together."""

    name: str
    title: str
    rows: tuple[PublishedRow, ...] = Field(min_length=1)


class Published(_Part):
    """Everything in `published.yaml`."""

    protocols: dict[str, PublishedProtocol]
    columns: tuple[PublishedColumn, ...]
    tables: tuple[PublishedTable, ...]

    def table(self, name: str) -> PublishedTable:
        """The table called `name`.

        Raises:
            LookupError: there is none; suggests the nearest.
        """
        names = [t.name for t in self.tables]
        if name not in names:
            raise LookupError(f"unknown published table '{name}'.{did_you_mean(name, names)}")
        return self.tables[names.index(name)]

    def columns_of(self, table: PublishedTable) -> tuple[PublishedColumn, ...]:
        """The metrics that some row of a table has."""
        return tuple(c for c in self.columns if any(c.name in row.values for row in table.rows))

    @model_validator(mode="before")
    @classmethod
    def _gather_values(cls, data: Any) -> Any:
        """Metrics stand flat in a YAML row; here they move into `values`, so that typos stay errors."""
        if not isinstance(data, dict):
            raise ValueError("expected the keys protocols, columns and tables")
        metrics = {c["name"] for c in data.get("columns", []) if isinstance(c, dict) and "name" in c}

        def gather(row: Any) -> Any:
            if not isinstance(row, dict):
                return row
            rest = {k: v for k, v in row.items() if k not in metrics}
            return rest | {"values": {k: v for k, v in row.items() if k in metrics}}

        def table(part: Any) -> Any:
            return (
                part | {"rows": [gather(r) for r in part.get("rows") or []]}
                if isinstance(part, dict)
                else part
            )

        return data | {"tables": [table(part) for part in data.get("tables") or []]}

    @model_validator(mode="after")
    def _consistent(self) -> Published:
        if len({t.name for t in self.tables}) != len(self.tables):
            raise ValueError("two tables have the same name")
        for table in self.tables:
            seen = set()
            for row in table.rows:
                where = f"table '{table.name}', row '{row.method}'"
                if row.method in seen:
                    raise ValueError(f"{where} occurs twice")
                seen.add(row.method)
                if row.protocol not in self.protocols:
                    near = did_you_mean(row.protocol, list(self.protocols))
                    raise ValueError(f"{where}: unknown protocol '{row.protocol}'.{near}")
                for metric, text in row.values.items():
                    if not _is_metric(text):
                        raise ValueError(f"{where}: {metric} = {text!r} is not a number of at least 0")
        return self


def _is_metric(text: str) -> bool:
    return re.fullmatch(r"(\d+\.?\d*|\.\d+)(e-?\d+)?", text) is not None


def load_published(path: Path = DEFAULT_PATH) -> Published:
    """Read and check a file of published numbers.

    Raises:
        PublishedError: it is missing, not YAML, or a row lacks its source, protocol or numbers.
    """
    try:
        data = load_yaml(path)
    except (OSError, ValueError) as error:
        raise PublishedError(f"{path} cannot be read: {error}") from error
    try:
        return Published.model_validate(data)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:3])
        raise PublishedError(f"{path}: {problems}") from error
