"""What scores are worth on a benchmark: tables, raw values, and how they are written down."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nascout.atomic import write_text
from nascout.benchmark.judgement import judge
from nascout.errors import StoreUnwritable
from nascout.records import Outcome, Score
from nascout.score.card import Card
from nascout.score.composite import Composite

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Correlations", "assemble", "columns"]

Known = Mapping[str, Mapping[str, Score]]


@dataclass(frozen=True, eq=False)
class Correlations:
    """Scores against accuracies.

    Attributes:
        frame: one row per score, best Spearman first, then ``oracle`` and ``random``; the columns
            are those of :func:`nascout.benchmark.judgement.judge`, with ``better`` (``higher`` or
            ``lower``; correlations are positive where the better value goes with the higher
            accuracy) and ``seconds`` (median per network).
        values: one row per sampled row that has the accuracy: ``architecture``, ``digest``,
            ``accuracy`` and every score as it is; NaN where it failed.
        failures: ``score``, ``outcome``, ``networks`` (how many) and one ``message`` of each kind.
        accuracy: what the table calls the accuracy.
        summary: how it was made, in words.
    """

    frame: pd.DataFrame
    values: pd.DataFrame
    failures: pd.DataFrame
    accuracy: str
    summary: Mapping[str, str]

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write ``correlations.csv``, ``values.csv``, ``plots/SCORE.svg`` and a page with all.

        Returns:
            The page, ``correlations.html``; it needs nothing else.

        Raises:
            StoreUnwritable, StoreFull: the folder cannot be written.
        """
        from nascout.report.correlations import plots, write_correlations

        folder = Path(folder)
        try:
            write_text(folder / "correlations.csv", self.frame.to_csv(index=False))
            write_text(folder / "values.csv", self.values.to_csv(index=False))
            figures = plots(self.frame, self.values, self.accuracy)
            for name, figure in figures.items():
                file = re.sub(r"[^\w-]", "_", name)
                write_text(folder / "plots" / f"{file}.svg", figure.svg)
            return write_correlations(
                folder / "correlations.html", self.frame, self.failures, figures, self.summary
            )
        except OSError as error:
            raise StoreUnwritable(
                f"cannot write {folder} ({error.strerror})", "Give write access, or another --out."
            ) from error


def assemble(
    rows: pd.DataFrame,
    known: Known,
    wanted: Sequence[Card | Composite],
    *,
    accuracy: str,
    thresholds: Mapping[str, float],
    resamples: int,
    seed: int,
    summary: Mapping[str, str],
) -> Correlations:
    """Judge what was scored.

    Args:
        rows: ``architecture``, ``digest`` and ``accuracy`` of each sampled row.
        known: scores by digest and name.
        wanted: scores and composites; a composite is joined over the rows.
        accuracy: what the table calls the accuracy.
        thresholds, resamples, seed: see :func:`nascout.benchmark.judgement.judge`.
        summary: how it was made; what can only be counted here is added.
    """
    values = rows[rows["accuracy"].notna()].reset_index(drop=True)
    values = values.assign(**columns([known[digest] for digest in values["digest"]], wanted))
    better = {one.name: one.higher_is_better for one in wanted}
    worth = {name: values[name].to_numpy() * (1 if up else -1) for name, up in better.items()}
    truth = values["accuracy"].to_numpy(float)
    frame = judge(worth, truth, thresholds, resamples=resamples, seed=seed)
    frame.insert(1, "better", frame["score"].map({n: _word(up) for n, up in better.items()}))
    distinct = {digest: known[digest] for digest in values["digest"]}
    frame.insert(4, "seconds", frame["score"].map(_seconds(distinct, wanted)))
    counted = {"without accuracy": f"{len(rows) - len(values):,} rows", **_noise(values)}
    return Correlations(
        frame, values, _failures(distinct, wanted), accuracy, {**summary, **counted}
    )


def _word(higher_is_better: bool) -> str:
    return "higher" if higher_is_better else "lower"


def _parts(one: Card | Composite) -> tuple[Card, ...]:
    return one.cards if isinstance(one, Composite) else (one,)


def columns(
    scored: Sequence[Mapping[str, Score]], wanted: Sequence[Card | Composite]
) -> dict[str, Any]:
    """The values of each score, NaN where it failed; a composite is joined over all of them."""

    def column(name: str) -> list[float]:
        found = (scores[name] for scores in scored)
        return [score.value if score.outcome is Outcome.OK else nan for score in found]

    return {
        one.name: one.join({card.name: column(card.name) for card in one.cards})
        if isinstance(one, Composite)
        else column(one.name)
        for one in wanted
    }


def _seconds(distinct: Known, wanted: Sequence[Card | Composite]) -> dict[str, float]:
    """The median over networks; a composite takes as long as its parts together."""

    def median(name: str) -> float:
        return float(np.median([scores[name].seconds for scores in distinct.values()]))

    return {one.name: sum(median(card.name) for card in _parts(one)) for one in wanted}


def _failures(distinct: Known, wanted: Sequence[Card | Composite]) -> pd.DataFrame:
    """How often each score failed and how, with the first message of each kind."""
    import pandas as pd

    names = dict.fromkeys(card.name for one in wanted for card in _parts(one))
    found: dict[tuple[str, str], list[str]] = {}
    for scores in distinct.values():
        for score in (scores[name] for name in names):
            if score.outcome is not Outcome.OK:
                found.setdefault((score.name, score.outcome.value), []).append(score.message)
    rows = [(*kind, len(messages), messages[0]) for kind, messages in sorted(found.items())]
    return pd.DataFrame(rows, columns=["score", "outcome", "networks", "message"])


def _noise(values: pd.DataFrame) -> dict[str, str]:
    """What equal networks differ by: smaller differences in accuracy mean nothing."""
    spread = values.groupby("digest")["accuracy"].std().dropna()
    if spread.empty:
        return {}
    words = f"median standard deviation {spread.median():.3g} in {len(spread):,} groups"
    return {"accuracy of equal networks": words}
