"""Text that somebody else wrote, as it may stand on a terminal or in a picture."""

import unicodedata


def printable(text: str, keep: str = "") -> str:
    """Text in which every character that does not print stands as its escape.

    Line breaks, the codes that steer a terminal, marks that turn the direction of writing, halves of
    characters from file names of another encoding.

    Args:
        keep: characters that stay although they do not print.
    """
    return "".join(sign if sign in keep or _prints(sign) else _escape(sign) for sign in text)


def _prints(sign: str) -> bool:
    return sign.isprintable() or unicodedata.category(sign) == "Zs"  # spaces of other widths are spaces


def _escape(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")
