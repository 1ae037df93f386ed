"""Names and messages are data: text that neither a terminal nor a spreadsheet obeys."""

from __future__ import annotations

__all__ = ["inert_cell", "printable"]

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def printable(text: str) -> str:
    """``text`` with every character that does not print, except newlines, replaced by �.

    Escape sequences, NUL, lone surrogates and marks that reorder text are among those.

    >>> printable("a\\x1b[31mb")
    'a�[31mb'
    """
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)


def inert_cell(text: str) -> str:
    """``text`` as a table cell that no spreadsheet takes for a formula.

    >>> inert_cell("=1+1"), inert_cell("|skip_connect~0|")
    ("'=1+1", '|skip_connect~0|')
    """
    # Some programs skip blanks before they look for a formula.
    is_formula = text.startswith(FORMULA_STARTS) or text.lstrip().startswith(FORMULA_STARTS)
    return ("'" if is_formula else "") + printable(text).replace("\n", " ")
