"""Text that somebody else wrote prints as text, whatever is in it."""

import pytest

from zoo.system.text import printable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("chair/0001", "chair/0001"),
        ("größer ± ×", "größer ± ×"),
        ("椅子\u3000一", "椅子\u3000一"),
        ("a\nb", "a\\nb"),
        ("a\r\nb", "a\\r\\nb"),
        ("a\tb", "a\\tb"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\x07\x00", "\\x07\\x00"),
        ("a\u2028b\u2029", "a\\u2028b\\u2029"),
        ("a\u202egnp.exe", "a\\u202egnp.exe"),
        ("f\udcfcr", "f\\udcfcr"),
        ("\x9b31m", "\\x9b31m"),
        ("", ""),
    ],
)
def test_what_does_not_print_stands_as_its_escape(text, expected):
    assert printable(text) == expected
    assert printable(expected) == expected


def test_some_may_be_kept():
    assert printable("a\nb\tc\x1b", keep="\n\t") == "a\nb\tc\\x1b"
