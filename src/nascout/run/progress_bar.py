"""One bar for work that has a count."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["progress_bar"]


@contextmanager
def progress_bar(
    label: str, total: int, done: int = 0, *, show: bool = True
) -> Iterator[Callable[[str], None]]:
    """A bar on the error stream; call what it gives after each piece, with a word about it.

    Args:
        label: what is being done.
        total: pieces of work.
        done: those already done.
        show: whether to draw anything.

    >>> with progress_bar("score", 3, show=False) as advance:
    ...     advance("1,234 params")
    """
    if not show:
        yield lambda note: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    progress = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        console=Console(stderr=True),
    )
    with progress:
        task = progress.add_task(label, total=total, completed=done, note="")
        yield lambda note: progress.update(task, advance=1, note=note)
