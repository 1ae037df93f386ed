"""What there is, by name: spaces, scores, strategies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nascout.space import SPACES, Space

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["scores", "space", "spaces", "strategies"]


def space(name: str, **skeleton: Any) -> Space:
    """The space called ``name``, with its skeleton's parameters.

    Raises:
        UnknownName: no such space; see :func:`spaces`.
        ConfigError: a parameter that it does not have.

    >>> space("nasbench201", cells=1).size
    15625
    """
    from nascout.run.config import make_record

    return make_record(f"space {name}", SPACES[name], skeleton)


def spaces() -> pd.DataFrame:
    """Every space: name, number of architectures, decisions, paper, what it is."""
    built = [SPACES[name]() for name in SPACES]
    return _table(
        {
            "name": one.name,
            "architectures": one.size,
            "decisions": len(one.decisions),
            "paper": one.paper,
            "what": _first_line(type(one)),
        }
        for one in built
    )


def scores() -> pd.DataFrame:
    """Every training-free score: name, direction, what it needs, paper, what it is."""
    from nascout.score import SCORES

    cards = [SCORES[name] for name in SCORES]
    return _table(
        {
            "name": card.name,
            "better": "higher" if card.higher_is_better else "lower",
            "needs": card.needs,
            "paper": card.paper,
            "what": card.summary,
        }
        for card in cards
    )


def strategies() -> pd.DataFrame:
    """Every strategy: name, default budget, paper, what it is."""
    from nascout.search import STRATEGIES

    kinds = [STRATEGIES[name] for name in STRATEGIES]
    return _table(
        {"name": one.name, "budget": one.budget, "paper": one.paper, "what": _first_line(one)}
        for one in kinds
    )


def _table(rows: Any) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(list(rows))


def _first_line(kind: type) -> str:
    return (kind.__doc__ or "").strip().partition("\n")[0]
