"""``nascout.fit_surrogate``: a model of a benchmark, or of a run's own results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nascout.benchmark import Benchmark
from nascout.benchmark.surrogate import Surrogate, read_surrogate
from nascout.benchmark.surrogate import fit_surrogate as fit
from nascout.errors import ConfigError
from nascout.space import SPACES

if TYPE_CHECKING:
    from nascout.api.run import Run

__all__ = ["fit_surrogate", "read_surrogate"]


def fit_surrogate(
    source: Benchmark | Run, *, log: bool = False, seed: int = 0, trees: int = 2000, **asked: Any
) -> Surrogate:
    """A model that predicts one column of a benchmark, or one metric of a run.

    Boosted trees over the one-hot code of the decisions. A tenth of the architectures is held out;
    ``held_out`` says how good the model is on them: Kendall's tau, R², mean absolute error.

    Args:
        source: an open benchmark, or a run, whose ``metric`` must be given. Of a run's trainings
            only those of the most epochs count.
        log: fit the logarithm: better for throughputs and latencies.
        seed: of the division and the fit.
        trees: how many.
        asked: which column: ``metric``, ``dataset``, ``split``, ..., as
            :meth:`nascout.benchmark.Benchmark.query`'s.

    Raises:
        ConfigError: a column or metric that is not there; fewer than 50 architectures with a value;
            a benchmark whose space is not one of nascout's.

    Paper: NAS-Bench-301, arXiv:2008.09777, for the idea.

    Example:
        >>> table = nascout.benchmark("accel_nasbench", "accel_nasbench.parquet")  # doctest: +SKIP
        >>> model = nascout.fit_surrogate(table, metric="accuracy")                # doctest: +SKIP
        >>> model.held_out["kendall"], model.predict([arch])                       # doctest: +SKIP
    """
    if isinstance(source, Benchmark):
        if source.space not in SPACES:
            raise ConfigError(
                f"{source.name} is of no space that nascout knows", "Fit a table of one that is."
            )
        column = source.column(**asked)
        space = SPACES[source.space]()
        architectures, values = [space.parse(text) for text in source], source.values(column)
        target = f"{source.name}: {column}"
    else:
        metric = asked.pop("metric", None)
        measured = [t for t in source.trials if metric in t.values]
        if asked or not measured:
            known = sorted({name for trial in source.trials for name in trial.values})
            raise ConfigError(
                f"the run has no metric {metric!r}", f"Give metric=, one of {', '.join(known)}."
            )
        longest = max(trial.proposal.epochs for trial in measured)
        measured = [trial for trial in measured if trial.proposal.epochs == longest]
        architectures = [trial.architecture for trial in measured]
        values = np.array([trial.values[metric] for trial in measured], dtype=float)
        target = f"{source.config['data']['name']}: {metric}"
    return fit(architectures, values, target=target, log=log, trees=trees, seed=seed)
