"""The elements of a PLY file as tables: numbers, and lists of numbers of any length.

Reference: G. Turk, The PLY Polygon File Format, 1994.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, replace

import numpy as np

from .. import BadItem
from ._text_rows import words_per_line

TYPES = {
    **{"char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2"},
    **{"ushort": "u2", "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4"},
    **{"float": "f4", "float32": "f4", "double": "f8", "float64": "f8", "int64": "i8", "uint64": "u8"},
}
"""Types of numbers, and how NumPy letters them."""
FORMATS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
"""Formats, and their byte order."""

_MAX_HEADER = 1 << 16
_TEXT = "f8"
"""What the numbers of a text are read as, whatever the header calls them."""
_CODES = {"i1": "b", "u1": "B", "i2": "h", "u2": "H", "i4": "i", "u4": "I", "i8": "q", "u8": "Q", "f8": "d"}
"""Letters of the types in the module struct."""


@dataclass(frozen=True)
class Property:
    """One column of an element: the type of its numbers, and that of the count before a list, else None."""

    name: str
    kind: str
    count: str | None = None


@dataclass(frozen=True)
class Element:
    """One table of a PLY file, as its header announces it."""

    name: str
    count: int
    properties: tuple[Property, ...] = ()

    @property
    def lists(self) -> list[str]:
        """Names of the columns that hold lists."""
        return [column.name for column in self.properties if column.count]


@dataclass(frozen=True)
class Lists:
    """The lists of a column: their numbers, one list after the other, and how many each has (N,)."""

    values: np.ndarray
    lengths: np.ndarray


@dataclass(frozen=True)
class Table:
    """The rows of an element: its plain columns (N,) and its lists, by name."""

    numbers: dict[str, np.ndarray]
    lists: dict[str, Lists]


def ply_header(data: bytes) -> tuple[bytes, dict[str, int]]:
    """The header of a PLY file, its last line included, and how many there are of each element.

    Raises:
        BadItem: it has none, or one with impossible counts.
    """
    end = re.search(rb"\nend_header[ \t]*\r?\n", data[:_MAX_HEADER])
    if not data.startswith(b"ply") or end is None:
        raise BadItem("not a PLY file, or truncated in its header")
    header = data[: end.end()]
    found = re.findall(rb"^element[ \t]+(\w+)[ \t]+(\d{1,18})[ \t\r]*$", header, re.M)
    counts = {name.decode(): int(count) for name, count in found}
    if len(counts) != len(re.findall(rb"^\s*element\b", header, re.M)):
        raise BadItem("a header with impossible counts")
    return header, counts


def ply_elements(header: bytes) -> list[Element]:
    """The elements that the header of a PLY file announces, in order.

    Raises:
        BadItem: a property before any element, or of an unknown type.
    """
    elements: list[Element] = []
    for line in header.decode("latin-1").splitlines():
        key, *words = line.split() or [""]
        if key == "element":
            elements.append(Element(words[0], int(words[1])))
        elif key == "property":
            is_list = words[:1] == ["list"]
            *kinds, name = words[is_list:] or [""]
            if not elements or len(kinds) != 1 + is_list or any(kind not in TYPES for kind in kinds):
                raise BadItem(f"its header says '{line.strip()[:60]}'; known types are {', '.join(TYPES)}")
            column = Property(name, TYPES[kinds[-1]], TYPES[kinds[0]] if is_list else None)
            elements[-1] = replace(elements[-1], properties=(*elements[-1].properties, column))
    return elements


def read_tables(header: bytes, body: bytes) -> dict[str, Table]:
    """What stands behind the header of a PLY file, by the name of the element.

    Nothing is allocated before the file is known to be long enough for it.

    Raises:
        BadItem: an unknown format, or more or less than the header announces; other errors of broken numbers
            are left to the caller.
    """
    form = re.search(r"^format[ \t]+(\w+)", header.decode("latin-1"), re.M)
    if form is None or form[1] not in FORMATS:
        raise BadItem(f"the format {form[1] if form else 'is missing'}; known are {', '.join(FORMATS)}")
    elements, lines = ply_elements(header), None
    if not FORMATS[form[1]]:
        lines = _lines(body, sum(element.count for element in elements))
        body = np.fromstring(" ".join(lines), sep=" ", dtype=np.float64).astype(f"<{_TEXT}").tobytes()
    order = FORMATS[form[1]] or "<"
    tables: dict[str, Table] = {}
    start, line = 0, 0
    for element in elements:
        stored = element if lines is None else _as_text(element)
        lengths = _lengths(body, start, stored, order)
        widths = _widths(stored, lengths)
        if lines is not None:
            _check_lines(lines[line : line + element.count], widths.sum(1), element.name)
        tables[element.name] = _table(body, start, stored, lengths, widths, order)
        if lines is not None:
            tables[element.name] = _declared(tables[element.name], element)
        start, line = start + int(widths.sum()), line + element.count
    if start != len(body):
        raise BadItem(f"too long: {len(body) - start:,} bytes behind its last element")
    return tables


def _lines(body: bytes, count: int) -> list[str]:
    """The lines with something on them, as many as there are rows."""
    lines = [line for line in re.split(r"[\r\n]+", body.decode("latin-1")) if line.strip()]
    if len(lines) != count:
        kind = "truncated" if len(lines) < count else "too long"
        raise BadItem(f"{kind}: {len(lines):,} lines, the header says {count:,}")
    return lines


def _check_lines(lines: list[str], sizes: np.ndarray, name: str) -> None:
    """Each row has a line of its own."""
    wrong = words_per_line(lines) * np.dtype(_TEXT).itemsize != sizes
    if wrong.any():
        raise BadItem(f"broken or truncated {name} '{lines[int(wrong.argmax())][:40]}'")


def _as_text(element: Element) -> Element:
    """The element with the types that the numbers of a text have here."""
    columns = [
        replace(column, kind=_TEXT, count=_TEXT if column.count else None) for column in element.properties
    ]
    return replace(element, properties=tuple(columns))


def _declared(table: Table, element: Element) -> Table:
    """The numbers of a text as what the header calls them, but whole ones of any size."""

    def declared(values: np.ndarray, name: str) -> np.ndarray:
        kind = next(column.kind for column in element.properties if column.name == name)
        if kind[0] == "f":
            return values.astype(kind)
        if not (np.abs(values) < 2**53).all() or (values != np.rint(values)).any():
            raise BadItem(f"'{name}' of '{element.name}' holds numbers that are not whole")
        return values.astype(np.int64)

    return Table(
        {name: declared(values, name) for name, values in table.numbers.items()},
        {name: Lists(declared(found.values, name), found.lengths) for name, found in table.lists.items()},
    )


def _lengths(body: bytes, start: int, element: Element, order: str) -> np.ndarray:
    """How many numbers each list of each row has (N, lists)."""
    count, columns = element.count, len(element.lists)
    least = sum(_bytes(column.count or column.kind) for column in element.properties)
    if start + count * least > len(body):
        raise _truncated(element)
    if not count or not columns:
        return np.zeros((count, columns), np.int64)
    first = _walked(body, start, element, order, rows=1)
    stride = int(_widths(element, first).sum())
    if start + count * stride <= len(body):
        alike = np.tile(first, (count, 1))
        places = _places(start, _widths(element, alike))
        counts = [
            _gathered(body, places[:, number], np.ones(count, np.int64), order + column.count)
            for number, column in enumerate(element.properties)
            if column.count
        ]
        if (np.stack(counts, axis=1) == first).all():
            return alike
    return _walked(body, start, element, order, rows=count)


def _walked(body: bytes, start: int, element: Element, order: str, rows: int) -> np.ndarray:
    """Read the first rows one after the other, for elements whose rows differ in length."""
    readers = [
        (struct.Struct(order + _CODES[column.count]) if column.count else None, _bytes(column.kind))
        for column in element.properties
    ]
    found: list[int] = []
    try:
        for _ in range(rows):
            for reader, width in readers:
                if reader is None:
                    start += width
                    continue
                (count,) = reader.unpack_from(body, start)
                if not 0 <= count <= len(body) or count != int(count):
                    raise BadItem(f"a list of {count} in element '{element.name}'")
                found.append(int(count))
                start += reader.size + int(count) * width
    except struct.error as error:
        raise _truncated(element) from error
    if start > len(body):
        raise _truncated(element)
    return np.array(found, np.int64).reshape(rows, -1)


def _truncated(element: Element) -> BadItem:
    return BadItem(f"truncated: it ends within its {element.count:,} elements '{element.name}'")


def _bytes(kind: str) -> int:
    return np.dtype(kind).itemsize


def _widths(element: Element, lengths: np.ndarray) -> np.ndarray:
    """Bytes of each column of each row (N, columns)."""
    widths = np.zeros((len(lengths), len(element.properties)), np.int64)
    lists = iter(lengths.T)
    for number, column in enumerate(element.properties):
        plain = _bytes(column.kind)
        widths[:, number] = _bytes(column.count) + next(lists) * plain if column.count else plain
    return widths


def _places(start: int, widths: np.ndarray) -> np.ndarray:
    """Where each column of each row begins (N, columns)."""
    return start + np.cumsum(widths.ravel()).reshape(widths.shape) - widths


def _table(
    body: bytes, start: int, element: Element, lengths: np.ndarray, widths: np.ndarray, order: str
) -> Table:
    """The rows of an element, whose place and sizes are known."""
    table, places, lists = Table({}, {}), _places(start, widths), iter(lengths.T)
    for number, column in enumerate(element.properties):
        kind, place = order + column.kind, places[:, number]
        if column.count:
            length = next(lists)
            values = _gathered(body, place + _bytes(column.count), length, kind)
            table.lists[column.name] = Lists(values, length)
        else:
            table.numbers[column.name] = _gathered(body, place, np.ones_like(place), kind)
    return table


def _gathered(body: bytes, places: np.ndarray, lengths: np.ndarray, kind: str) -> np.ndarray:
    """The numbers of all stretches of a file, which begin at `places` (N,) and have `lengths` (N,)."""
    width = _bytes(kind)
    if not lengths.any():
        return np.zeros(0, kind)
    steps = np.diff(places)
    if (lengths == lengths[0]).all() and (steps == steps[:1]).all():
        step = int(steps[0]) if len(steps) else 0
        shape = (len(places), int(lengths[0]))
        return np.ndarray(shape, kind, body, int(places[0]), (step, width)).reshape(-1)
    ends = np.cumsum(lengths)
    first = np.repeat(places - width * (ends - lengths), lengths) + width * np.arange(ends[-1])
    found = np.frombuffer(body, np.uint8)[first[:, None] + np.arange(width)]
    return np.ascontiguousarray(found).view(kind)[:, 0]
