"""``nascout.benchmark``: published tables of trained networks, and what they answer."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from nascout.benchmark import BENCHMARKS, Benchmark

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["benchmark", "benchmarks"]


def benchmark(name: str, path: str | os.PathLike[str], **options: Any) -> Benchmark:
    """Open a benchmark: ask what an architecture reached, without training it.

    Opening reads no numbers; a column is read when it is first asked for. Nothing is downloaded.

    Args:
        name: see :func:`benchmarks`; ``table`` is a file of your own.
        path: Parquet or CSV: the benchmark's plain table, or what ``nascout benchmark convert``
            made of its official file.
        options: of the benchmark; for a ``table``: ``space``, ``column`` of the architectures and
            ``columns``, what the others hold.

    Raises:
        UnknownName, ConfigError: a benchmark or option that does not exist, a file of another one.
        DataError: no such file, one that cannot be read, or one without the columns needed.
        IntegrityError: a converted file whose description was altered.
        MissingExtra: a Parquet file, and pyarrow is not installed.

    Example:
        >>> cells = benchmark("nasbench201", "nasbench201.parquet")           # doctest: +SKIP
        >>> best = cells.best(dataset="cifar10-valid", split="val", epochs=200)  # doctest: +SKIP
        >>> cells.query(best.architecture, dataset="cifar10", split="test", epochs=200)
        ... # doctest: +SKIP
        94.37333333333333
    """
    from nascout.run.config import make_record

    return make_record(f"benchmark {name}", BENCHMARKS[name], options).open(path)


def benchmarks() -> pd.DataFrame:
    """Every benchmark: name, space, how many architectures, what file it needs and from where.

    ``page`` is where its authors offer the file and ``licence`` under which terms, as far as they
    say.

    >>> benchmarks().set_index("name").loc["nasbench201", "architectures"]
    15625
    """
    import pandas as pd

    kinds = [BENCHMARKS[name] for name in BENCHMARKS]
    rows = [
        {
            "name": kind.name,
            "space": getattr(kind, "space", ""),
            "architectures": kind.architectures,
            "file": kind.file,
            "page": kind.page,
            "licence": kind.licence,
            "paper": kind.paper,
            "what": (kind.__doc__ or "").strip().partition("\n")[0],
        }
        for kind in kinds
    ]
    return pd.DataFrame(rows, dtype=object)
