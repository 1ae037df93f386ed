"""From an official file to nascout's own format."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from nascout.benchmark.official.accel_nasbench import read_accel_nasbench
from nascout.benchmark.official.hw_nas_bench import read_hw_nas_bench
from nascout.benchmark.official.nasbench101 import read_nasbench101
from nascout.benchmark.official.nasbench201 import read_nasbench201
from nascout.benchmark.official.nasbench_nlp import read_nasbench_nlp
from nascout.benchmark.official.nats_bench import read_nats_bench
from nascout.benchmark.official.nds import read_nds
from nascout.benchmark.official.transnasbench101 import read_transnasbench101
from nascout.benchmark.records import Records
from nascout.benchmark.standard import Header, file_sha256, write_benchmark
from nascout.benchmark.table import BENCHMARKS
from nascout.errors import ArchitectureError, ConfigError, DataError, UnknownName
from nascout.space import SPACES

__all__ = ["READERS", "convert"]

Reader = Callable[[Path], Records]

#: How the official file of each benchmark is read.
READERS: Mapping[str, Reader] = {
    "accel_nasbench": read_accel_nasbench,
    "hw_nas_bench": read_hw_nas_bench,
    "nasbench101": read_nasbench101,
    "nasbench201": read_nasbench201,
    "nasbench_nlp": read_nasbench_nlp,
    "nats_size": read_nats_bench,
    "nats_topology": read_nats_bench,
    "nds": read_nds,
    "transnasbench101_macro": partial(read_transnasbench101, half="macro"),
    "transnasbench101_micro": partial(read_transnasbench101, half="micro"),
}
#: What official names begin with.
BEGINNINGS = {
    "NATS-tss": "nats_topology",
    "NATS-sss": "nats_size",
    "NAS-Bench-201": "nasbench201",
    "nasbench_full": "nasbench101",
    "nasbench_only108": "nasbench101",
    "HW-NAS-Bench": "hw_nas_bench",
}


def convert(
    official: str | os.PathLike[str], out: str | os.PathLike[str], name: str | None = None
) -> Header:
    """Read an official file and write it as :mod:`nascout.benchmark.standard` describes.

    Args:
        official: the file, or the folder where there are many.
        out: the Parquet file to write.
        name: of the benchmark; guessed from an official file name if None.

    Returns:
        What the new file says about itself.

    Raises:
        ConfigError: a name that must be given.
        UnknownName: a benchmark without an official file that can be read.
        IntegrityError: a file that asks to run something, or whose checksums do not hold.
        DataError: a file that is not of the form expected, or of another space.
        MissingExtra: pyarrow is not installed.
    """
    from nascout import __version__

    path = Path(official)
    if not path.exists():
        raise DataError(f"no file {path}", "Check the path; nascout downloads nothing.")
    name = name or _guessed(path)
    if name not in READERS:
        raise UnknownName("official format", name, READERS)
    kind = BENCHMARKS[name]
    space = getattr(kind, "space", "")
    columns, measures = READERS[name](path).with_means()
    _check_space(path, name, space, str(columns["architecture"][0]))
    header = Header(
        benchmark=name,
        space=space,
        source=path.name,
        source_sha256=file_sha256(path),
        licence=kind.licence,
        page=kind.page,
        made_by=f"nascout {__version__}",
    )
    write_benchmark(out, header, columns, measures)
    return header


def _check_space(path: Path, name: str, space: str, architecture: str) -> None:
    """NATS-Bench's two spaces, say, have files of one form."""
    if space in SPACES:
        try:
            SPACES[space]().parse(architecture)
        except ArchitectureError as error:
            raise DataError(
                f"{path} holds {architecture}, which is not of {name}", "Give its own --name."
            ) from error


def _guessed(path: Path) -> str:
    for beginning, name in BEGINNINGS.items():
        if path.name.startswith(beginning):
            return name
    raise ConfigError(
        f"{path.name} does not say which benchmark it is of",
        f"Give --name, one of {', '.join(READERS)}.",
    )
