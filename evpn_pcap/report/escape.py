"""Text that came from a capture or a file name -> text that cannot act on a terminal or a spreadsheet."""

import re

# What a spreadsheet takes for a formula, also behind blanks that it ignores (OWASP, CSV injection).
_FORMULA = re.compile(r"^\s*[=+\-@\t\r]")


def visible(text: str) -> str:
    r"""Return text with every character that does not print written out: ESC as \x1b, U+202E as \u202e."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)


def cell(text: str) -> str:
    """Return text for one cell of a CSV file: visible, and never a formula."""
    if text[:1].isalnum() and text.isprintable():
        return text
    return "'" + visible(text) if _FORMULA.match(text) else visible(text)
