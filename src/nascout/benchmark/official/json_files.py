"""JSON files that come one by one or as a folder of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nascout.errors import DataError

__all__ = ["read_json", "read_json_files"]


def read_json_files(path: Path) -> Iterator[tuple[str, Any]]:
    """Name and content of ``path``, or of each ``*.json`` in and below it in the order of names.

    Raises:
        DataError: no such file, none in the folder, or one that is not JSON.
    """
    files = sorted(path.rglob("*.json")) if path.is_dir() else [path]
    if not files:
        raise DataError(f"{path} holds no JSON files", "Give the folder they were unpacked to.")
    for file in files:
        yield file.name, read_json(file)


def read_json(path: Path) -> Any:
    """The content of one file; see :func:`read_json_files`."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise DataError(f"no file {path}", "Give the official file or folder.") from None
    except (ValueError, OSError) as error:
        raise DataError(f"{path} is not JSON ({error})", "Download it again.") from None
