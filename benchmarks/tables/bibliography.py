"""`table.bib`: an entry for every source that the tables cite, with what is known of it and no more.

Configs and quoted rows name their sources by arXiv id, DOI, address or in words. Authors and titles are not
recorded here and are not made up: an entry points to where they stand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from benchmarks.statistics.comparison import Comparison
from benchmarks.tables.blocks import row_names
from benchmarks.tables.published import Published, load_published

ARXIV = re.compile(r"arXiv:(\d{4}\.\d{4,5})", re.IGNORECASE)
DOI = re.compile(r"(?:doi:|doi\.org/)(10\.\d{4,9}/[^\s,;}]+)", re.IGNORECASE)
ADDRESS = re.compile(r"(?:https?://)?((?:[\w-]+\.)+(?:com|org|io|edu|net)/[\w./~-]*\w)")


def cite_key(source: str) -> str:
    """The key under which a source is cited; places within it (a table, a section) do not tell it apart."""
    for prefix, pattern in (("arxiv", ARXIV), ("doi", DOI), ("", ADDRESS)):
        if found := pattern.search(source):
            return _key(f"{prefix} {found[1]}")
    return _key(source.partition(",")[0])


def address(source: str) -> str | None:
    """Where a source can be read; None where it names no place."""
    for start, pattern in (
        ("https://arxiv.org/abs/", ARXIV),
        ("https://doi.org/", DOI),
        ("https://", ADDRESS),
    ):
        if found := pattern.search(source):
            return start + found[1]
    return None


def to_bib(comparison: Comparison, published: Published | None = None) -> str:
    """Entries for the sources of every model and of every quoted row."""
    published = load_published() if published is None else published
    sources = [cite for cell in row_names(comparison, "title").values() for cite in cell.cites]
    for name in comparison.protocol.published:
        sources += [row.source for row in published.table(name).rows]
    return bib_entries(sources)


def bib_entries(sources: Iterable[str]) -> str:
    """One entry for each key, in the order of the keys."""
    entries: dict[str, str] = {}
    for source in sources:
        entries.setdefault(cite_key(source), source)
    head = "% What is known of the sources: ids and addresses. Authors and titles stand there.\n"
    return "\n".join([head, *(_entry(key, source) for key, source in sorted(entries.items()))])


def _entry(key: str, source: str) -> str:
    title, link = source.partition(",")[0], address(source)
    fields = {} if link is None else {"url": link}
    if found := ARXIV.search(source):
        title, fields = f"arXiv:{found[1]}", {"eprint": found[1], "archiveprefix": "arXiv", **fields}
    elif found := DOI.search(source):
        title, fields = f"doi:{found[1]}", {"doi": found[1], **fields}
    elif found := ADDRESS.search(source):
        title = found[1]
    lines = {"title": "{" + re.sub(r"[{}\\%#&$_^~]", " ", title) + "}", **fields}
    return "\n".join(
        [f"@misc{{{key},", *(f"  {name} = {{{text}}}," for name, text in lines.items()), "}", ""]
    )


def _key(text: str) -> str:
    return "-".join(re.findall(r"[a-z0-9.]+", text.lower())) or "source"
