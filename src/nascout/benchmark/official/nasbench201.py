"""NAS-Bench-201's official file, ``NAS-Bench-201-v1_1-096897.pth``."""

from __future__ import annotations

from pathlib import Path

from nascout.benchmark.official.torch_file import read_torch_file
from nascout.benchmark.official.training_record import put_trainings
from nascout.benchmark.records import Records
from nascout.errors import DataError

__all__ = ["read_nasbench201"]


def read_nasbench201(path: Path) -> Records:
    """Every training: 12 epochs (``less`` in the file) and 200 (``full``).

    The file is one pickle of several gigabytes, and takes tens of gigabytes of memory to read, as
    with the official reader. Not verified on the official file itself, only on its form: a
    dictionary ``arch2infos`` from index to ``less`` and ``full``, whose records are those of
    NATS-Bench.

    Raises:
        IntegrityError: it asks to run something.
        DataError: a file that is not of this form.
    """
    content = read_torch_file(path)
    if not isinstance(content, dict) or not isinstance(content.get("arch2infos"), dict):
        raise DataError(f"{path} holds no arch2infos", "Give the official file.")
    records = Records()
    for index, lengths in sorted(content["arch2infos"].items()):
        for results in lengths.values():
            put_trainings(records, f"{path.name}, index {index}", results)
    return records
