"""Names and messages are data: text that no terminal obeys."""

from __future__ import annotations

__all__ = ["printable"]


def printable(text: str) -> str:
    """``text`` with every character that does not print, except newlines, replaced by �.

    Escape sequences, NUL, lone surrogates and marks that reorder text are among those.

    >>> printable("a\\x1b[31mb")
    'a�[31mb'
    """
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)
