"""Text from outside as a table cell that no spreadsheet obeys."""

from __future__ import annotations

from nascout.printable import printable

__all__ = ["inert_cell"]

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def inert_cell(text: str) -> str:
    """``text`` as a table cell that no spreadsheet takes for a formula.

    >>> inert_cell("=1+1"), inert_cell("|skip_connect~0|")
    ("'=1+1", '|skip_connect~0|')
    """
    # Some programs skip blanks before they look for a formula.
    is_formula = text.startswith(FORMULA_STARTS) or text.lstrip().startswith(FORMULA_STARTS)
    return ("'" if is_formula else "") + printable(text).replace("\n", " ")
