"""nascout: find neural architectures before paying for training, and prove what was found.

    import nascout

    run = nascout.search(data="digits")            # search, train, export; run again to resume
    run.gallery().pareto()                         # a DataFrame to pick from
    net = run.best.build()                         # a plain nn.Module with trained weights

Names load what they need when first used: ``import nascout`` imports no torch.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nascout.api.benchmark import benchmark, benchmarks
    from nascout.api.compare import compare
    from nascout.api.correlate import correlate
    from nascout.api.grow import grow
    from nascout.api.grown import GrownRun
    from nascout.api.known import architecture, architectures
    from nascout.api.names import scores, space, spaces, strategies
    from nascout.api.rank import rank
    from nascout.api.run import Run
    from nascout.api.search import search
    from nascout.api.surrogates import fit_surrogate, read_surrogate
    from nascout.errors import NascoutError
    from nascout.network.cost import network_cost as cost
    from nascout.network.export import export
    from nascout.network.module import build
    from nascout.score.evaluate import evaluate as score
    from nascout.search.simulate import simulate
    from nascout.space import Architecture

__version__ = "0.1.0"

__all__ = [
    "Architecture",
    "GrownRun",
    "NascoutError",
    "Run",
    "architecture",
    "architectures",
    "benchmark",
    "benchmarks",
    "build",
    "compare",
    "correlate",
    "cost",
    "export",
    "fit_surrogate",
    "grow",
    "rank",
    "read_surrogate",
    "score",
    "scores",
    "search",
    "simulate",
    "space",
    "spaces",
    "strategies",
]

_HOMES = {
    "Architecture": "nascout.space:Architecture",
    "GrownRun": "nascout.api.grown:GrownRun",
    "NascoutError": "nascout.errors:NascoutError",
    "Run": "nascout.api.run:Run",
    "architecture": "nascout.api.known:architecture",
    "architectures": "nascout.api.known:architectures",
    "benchmark": "nascout.api.benchmark:benchmark",
    "benchmarks": "nascout.api.benchmark:benchmarks",
    "build": "nascout.network.module:build",
    "compare": "nascout.api.compare:compare",
    "correlate": "nascout.api.correlate:correlate",
    "cost": "nascout.network.cost:network_cost",
    "export": "nascout.network.export:export",
    "fit_surrogate": "nascout.api.surrogates:fit_surrogate",
    "grow": "nascout.api.grow:grow",
    "rank": "nascout.api.rank:rank",
    "read_surrogate": "nascout.api.surrogates:read_surrogate",
    "score": "nascout.score.evaluate:evaluate",
    "scores": "nascout.api.names:scores",
    "search": "nascout.api.search:search",
    "simulate": "nascout.search.simulate:simulate",
    "space": "nascout.api.names:space",
    "spaces": "nascout.api.names:spaces",
    "strategies": "nascout.api.names:strategies",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'nascout' has no attribute {name!r}")
    module, _, attribute = _HOMES[name].partition(":")
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])


class _Face(ModuleType):
    """Keeps ``nascout.search`` the function though there is a room of the same name.

    Importing a submodule binds it on its package; for the names above that is ignored, so
    ``from nascout.search import Trial`` and ``nascout.search(...)`` both work, in any order.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Face
