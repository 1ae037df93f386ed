"""NATS-Bench's archives: bz2-compressed pickles of nested dictionaries."""

from __future__ import annotations

import bz2
from pathlib import Path
from typing import Any

from nascout.benchmark.official.training_record import put_trainings
from nascout.benchmark.records import Records
from nascout.errors import DataError

__all__ = ["read_nats_bench", "read_pbz2"]

SUFFIX = ".pickle.pbz2"


def read_nats_bench(path: Path) -> Records:
    """Every training in a folder ``NATS-?ss-v1_0-*-simple`` or in the one file of that name.

    A folder has ``meta.pickle.pbz2``, the list of all architectures, and a file
    ``000000.pickle.pbz2`` and so on per architecture; those that are missing are left out. The one
    file has everything under ``arch2infos``, and needs tens of gigabytes of memory, as the
    official reader does; the folder is read one file at a time.

    Not verified on an official single file; the folder's files are.

    Raises:
        IntegrityError: a pickle that asks to run something.
        DataError: a file that is not of this form.
    """
    meta = read_pbz2(path / f"meta{SUFFIX}" if path.is_dir() else path)
    if not isinstance(meta, dict) or not isinstance(meta.get("meta_archs"), list):
        raise DataError(f"{path} lists no architectures", "Give the official file or folder.")
    records = Records()
    for index, architecture in enumerate(meta["meta_archs"]):
        part = path / f"{index:06d}{SUFFIX}" if path.is_dir() else path
        if path.is_dir():
            lengths = read_pbz2(part) if part.exists() else {}
        else:
            lengths = (meta.get("arch2infos") or {}).get(index, {})
        if not isinstance(lengths, dict):
            raise DataError(f"{part} does not hold a dictionary", "Download it again.")
        for results in lengths.values():
            put_trainings(records, part.name, results)
            if results["arch_str"] != architecture:
                raise DataError(
                    f"{part.name} is of {results['arch_str']}, but the list has {architecture}",
                    "Give files of one release.",
                )
    if not len(records):
        raise DataError(f"{path} holds no trainings", "Give the official folder, unpacked.")
    return records


def read_pbz2(path: Path) -> Any:
    """The content of one compressed pickle, by the restricted reader.

    Raises:
        IntegrityError: it asks to run something.
        DataError: no such file, or a damaged one.
    """
    from nascout.data.restricted_pickle import read_nested_pickle

    try:
        with bz2.open(path) as file:
            return read_nested_pickle(file, path.name)
    except FileNotFoundError:
        raise DataError(f"no file {path}", "Give the official file or folder.") from None
    except (OSError, EOFError) as error:
        raise DataError(f"{path} is damaged ({error})", "Download it again.") from error
