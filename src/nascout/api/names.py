"""What there is, by name: spaces, scores, strategies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nascout.space import SPACES, Space

if TYPE_CHECKING:
    import pandas as pd

    from nascout.score import Card
    from nascout.score.composite import Composite

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
    """Every training-free score and composite of them: its card, one column per field.

    ``needs`` is "network", "inputs" or "labels"; ``batch`` how many samples the paper takes;
    ``invariances`` what leaves the value as it is; ``parts`` what a composite is made of.
    """
    from nascout.score import SCORES
    from nascout.score.composite import COMPOSITES

    cards = [_card(SCORES[name]) for name in SCORES]
    return _table([*cards, *(_card(COMPOSITES[name]) for name in COMPOSITES)])


def _card(one: Card | Composite) -> dict[str, Any]:
    """The fields of either kind; what a composite has none of is empty."""
    parts = [f"{name} ({weight:g})" for name, weight in getattr(one, "parts", ())]
    return {
        "name": one.name,
        "better": "higher" if one.higher_is_better else "lower",
        "needs": one.needs,
        "gradients": getattr(one, "gradients", None),
        "batch": getattr(one, "batch", None),
        "paper": one.paper,
        "equation": getattr(one, "equation", ""),
        "what": one.summary,
        "applies": getattr(one, "applies", "two networks or more"),
        "deviations": getattr(one, "deviations", ""),
        "invariances": ", ".join(getattr(one, "invariances", ())),
        "parts": ", ".join(parts),
    }


def strategies() -> pd.DataFrame:
    """Every strategy and method of weight sharing: name, default budget, paper, what it is.

    The budget is in architectures; methods have epochs instead.
    """
    from nascout.oneshot import METHODS
    from nascout.search import STRATEGIES

    kinds: list[Any] = [STRATEGIES[name] for name in STRATEGIES]
    kinds += [METHODS[name] for name in METHODS]
    return _table(
        {
            "name": one.name,
            "budget": getattr(one, "budget", None),
            "paper": one.paper,
            "what": _first_line(one),
        }
        for one in kinds
    )


def _table(rows: Any) -> pd.DataFrame:
    import pandas as pd

    # As they are: a column of integers with a gap would turn into floats.
    return pd.DataFrame(list(rows), dtype=object)


def _first_line(kind: type) -> str:
    return (kind.__doc__ or "").strip().partition("\n")[0]
