"""Write a file whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from nascout.errors import StoreFull

__all__ = ["write_bytes", "write_text"]


def write_text(path: str | os.PathLike[str], text: str) -> Path:
    """:func:`write_bytes` with ``text`` as UTF-8; what UTF-8 cannot hold becomes ``?``."""
    return write_bytes(path, text.encode("utf-8", errors="replace"))


def write_bytes(path: str | os.PathLike[str], content: bytes) -> Path:
    """Write ``content`` to ``path`` through a temporary file beside it.

    Whatever goes wrong, a file that was there stays as it was. The folder is made if need be.

    Raises:
        StoreFull: no space left; names the path and the free bytes.
        OSError: the folder cannot be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        free = shutil.disk_usage(path.parent).free
        raise StoreFull(
            f"no space left to write {path} ({free:,} bytes free)", "Free some and try again."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
    return path
