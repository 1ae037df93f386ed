"""TransNAS-Bench-101's official ``.pth``."""

from __future__ import annotations

from pathlib import Path

from nascout.benchmark.official.torch_file import read_torch_file
from nascout.benchmark.records import Records
from nascout.benchmark.transnasbench101 import transnas_measure
from nascout.errors import DataError

__all__ = ["read_transnasbench101"]


def read_transnasbench101(path: Path, half: str) -> Records:
    """One half, ``"micro"`` or ``"macro"``: what each network reached on each task.

    Expected are dictionaries: half, architecture, task, and then ``train_top1``, ``valid_loss``,
    ``test_neg_loss`` and so on, each a number or a list per epoch of which the last counts, and
    ``time_elapsed``; a level ``metrics`` between may hold them.

    The layout of the official file could not be verified: one of another layout is refused, never
    misread.

    Raises:
        IntegrityError: it asks to run something.
        DataError: a file that is not of this form.
    """
    content = read_torch_file(path)
    records = Records()
    try:
        for architecture, tasks in content[half].items():
            for task, results in tasks.items():
                for name, value in {**results, **results.get("metrics", {})}.items():
                    measure = transnas_measure(f"{task}__{name}")
                    if measure is not None:
                        last = value[-1] if isinstance(value, list | tuple) else value
                        records.put(architecture, measure, float(last))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise DataError(
            f"{path} does not hold {half} networks by task ({error!r})",
            "Give the official file, or a table of it.",
        ) from error
    return records
