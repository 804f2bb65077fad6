"""One rule for names, and what becomes of other texts where they are printed or become files.

Models, presets and rows of a table have names: they become folders on every system, stand in tables and on
command lines, and are refused where they could not (`check_name`). Ids and categories are a data set's own
and may be anything; they are made safe where they are used (`zoo.system.text.printable`, `file_names`).
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator

from zoo.errors import UserError
from zoo.system.text import printable

MAX_LENGTH = 100
"""Characters of a name."""
MAX_BYTES = 200
"""Bytes of a name in UTF-8: file systems take 255, and more is added to it."""
RULE = (
    f"a name has 1 to {MAX_LENGTH} printable characters, none of / \\ :, no dot or space at its ends, and is "
    "none of the devices of Windows"
)
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)


class BadName(UserError, ValueError):
    """A name that is none; the message says what is wrong with it, and the rule."""


def check_name(name: str, where: str = "") -> str:
    """A name in the one form of its characters (NFC).

    Args:
        where: of what it is the name, and how to give another; put before the message.

    Raises:
        BadName: it breaks the rule.
    """
    name = _nfc(name)
    if wrong := _fault(name):
        shown = repr(name) if len(name) <= MAX_LENGTH else f"{name[:20]!r}..."
        raise BadName(f"{where}{': ' if where else ''}{shown} {wrong}; {RULE}")
    return name


Name = Annotated[str, AfterValidator(lambda text: check_name(text))]
"""Field of a config that holds a name."""


def _fault(name: str) -> str:
    """What is wrong with a name; empty where nothing is."""
    if not name:
        return "is empty"
    if len(name) > MAX_LENGTH:
        return f"has {len(name):,} characters"
    if not name.isprintable():  # which lone halves of surrogate pairs are not either
        return "holds a line break, or another character that cannot be printed"
    if len(name.encode()) > MAX_BYTES:
        return f"takes {len(name.encode())} bytes, more than {MAX_BYTES}"
    if found := sorted(set("/\\:") & set(name)):
        return f"holds {found[0]}"
    if name.strip(". ") != name:
        return "begins or ends with a dot or a space"
    return "is a device of Windows" if _DEVICES.fullmatch(name) else ""


def file_names(texts: Sequence[str]) -> list[str]:
    """A name of a file for each of some texts, different for different ones on every system.

    What may stand in a name stays, '/' becomes '-'; a short hash tells apart what would fall together.
    """
    plain = [re.sub(r'[/\\:*?"<>|]', "-", printable(_nfc(text))).strip(". ") for text in texts]
    often = Counter(name.casefold() for name in dict(zip(texts, plain, strict=True)).values())
    good = [often[name.casefold()] == 1 and not _fault(name) for name in plain]
    marked = [f"{_cut(name)}-{_digest(text)}".strip("-") for text, name in zip(texts, plain, strict=True)]
    return [name if fine else other for name, other, fine in zip(plain, marked, good, strict=True)]


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _cut(name: str) -> str:
    return name.encode()[: MAX_LENGTH // 2].decode(errors="ignore")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:8]
