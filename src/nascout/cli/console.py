"""What commands print: tables, JSON, one-line errors. Text from outside cannot steer a terminal."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nascout.errors import ConfigError
from nascout.printable import printable

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["error_line", "print_json", "print_table", "read_pairs", "say"]


def error_line(error: Exception) -> str:
    """How an error is shown."""
    return f"error: {printable(str(error))}\n"


def say(text: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{printable(text)}\n")


def print_json(content: Any) -> None:
    """Print JSON; numbers that are not finite become null."""
    sys.stdout.write(json.dumps(_finite(content), indent=2) + "\n")


def _finite(content: Any) -> Any:
    if isinstance(content, dict):
        return {str(key): _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content


def print_table(frame: pd.DataFrame, *, title: str = "", as_json: bool = False) -> None:
    """Print a table for people, or as a JSON list of rows."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    if as_json:
        print_json(rows)
        return
    table = Table(title=title or None, title_justify="left", header_style="bold")
    for name in frame.columns:
        numeric = bool(rows) and all(isinstance(r[name], int | float | None) for r in rows)
        table.add_column(str(name), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(_cell(row[name]))) for name in frame.columns))
    Console().print(table)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.4g}" if abs(value) < 1 else f"{value:,.2f}"
    return f"{int(value):,}" if isinstance(value, int | float) else str(value)


def read_pairs(pairs: Sequence[str], option: str) -> dict[str, Any]:
    """``["cells=2", "epochs=3"]`` as a dict; values are numbers where they look like some.

    Raises:
        ConfigError: something that is not NAME=VALUE.
    """
    content: dict[str, Any] = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not (name and sign and value):
            raise ConfigError(f"malformed {option} {pair!r}", "Write it NAME=VALUE.")
        content[name.strip()] = _number(value.strip())
    return content


def _number(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
