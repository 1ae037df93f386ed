"""What a report says, as plain data: the template only lays it out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, isnan, nan

from nascout.errors import NascoutError
from nascout.gallery import Entry, Gallery, correlate
from nascout.gallery.front import on_front
from nascout.graph.draw import draw
from nascout.records import COST_NAMES, Objective, Outcome
from nascout.report.numbers import label, show
from nascout.report.plots import agreement, histogram, trade_off
from nascout.search.history import STAGES, Trial
from nascout.search.pareto import at_stage

__all__ = [
    "Figure",
    "Finalist",
    "counts",
    "failures",
    "figures",
    "finalists",
    "missing",
    "pictures",
    "quality",
]

COLUMNS = (
    "test_accuracy",
    "retrained_val_accuracy",
    "val_accuracy",
    "params",
    "macs",
    "latency_ms",
    "measured_latency_ms",
)
COSTS = ("latency_ms", "params", "macs")
MOST_ROWS, MOST_FAILURES, MOST_PICTURES = 20, 30, 6
LARGEST_PICTURE, FEWEST_POINTS = 400, 3


@dataclass(frozen=True)
class Finalist:
    """A row of the final table; ``cells`` follow the table's columns."""

    entry: Entry
    on_front: bool
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Figure:
    """An SVG and what it shows."""

    svg: str
    title: str
    caption: str = ""


def quality(gallery: Gallery, stage: str) -> Objective | None:
    """What candidates are ranked by at ``stage``: accuracy, or the first score."""
    judged = at_stage(gallery.objectives, stage)
    return next((o for o in judged if o.metric not in COST_NAMES), None)


def finalists(gallery: Gallery) -> tuple[tuple[str, ...], list[Finalist]]:
    """Columns and rows: the furthest stage first, each stage best first, twenty in all."""
    scores = [o.metric for o in gallery.objectives if o.metric not in (*COST_NAMES, *COLUMNS)]
    front = {entry.digest for entry in gallery.front()}
    ordered: dict[str, Entry] = {}
    for stage in reversed(STAGES):
        for entry in gallery.ranked(gallery.at(stage), stage):
            ordered.setdefault(entry.digest, entry)
    shown = list(ordered.values())[:MOST_ROWS]
    columns = tuple(m for m in (*COLUMNS, *scores) if any(m in entry.values for entry in shown))
    rows = [
        Finalist(e, e.digest in front, tuple(show(m, e.values.get(m)) for m in columns))
        for e in shown
    ]
    return columns, rows


def missing(gallery: Gallery) -> list[str]:
    """What the run does not have, in plain words."""
    reached = {stage for entry in gallery.entries for stage in entry.reached}
    known = {name for entry in gallery.entries for name in entry.values}
    says = {
        "Nothing was scored or trained to the end.": not reached,
        "No candidate was trained: the ranking rests on training-free scores alone, and there is "
        "no validation accuracy.": not reached & {"train", "retrain"} and "score" in reached,
        "No candidate was retrained: there is no test accuracy, and accuracies are those of the "
        "search.": "retrain" not in reached and "train" in reached,
        "No latency was measured; what is shown was predicted.": "latency_ms" in known
        and "measured_latency_ms" not in known,
    }
    return [words for words, holds in says.items() if holds]


def counts(trials: Sequence[Trial]) -> tuple[tuple[str, ...], list[tuple[str, tuple[int, ...]]]]:
    """Outcomes that occurred, and per stage how often each did."""
    seen = Counter((trial.stage, trial.outcome) for trial in trials)
    outcomes = [o for o in Outcome if any(outcome is o for _, outcome in seen)]
    rows = [
        (stage, tuple(seen[stage, outcome] for outcome in outcomes))
        for stage in STAGES
        if any(tried == stage for tried, _ in seen)
    ]
    return tuple(map(str, outcomes)), rows


def failures(trials: Sequence[Trial]) -> tuple[list[tuple[int, str, str, str]], int]:
    """How often, stage, outcome and message of what failed, most frequent first; how many more."""
    seen = Counter(
        (trial.stage, str(trial.outcome), trial.message.strip() or "(no message)")
        for trial in trials
        if trial.outcome not in (Outcome.OK, Outcome.INFEASIBLE)
    )
    rows = [(count, *key) for key, count in seen.most_common()]
    return rows[:MOST_FAILURES], max(0, len(rows) - MOST_FAILURES)


def figures(gallery: Gallery) -> list[Figure]:
    """Accuracy and score against each cost, the scores' spread, score against accuracy."""
    drawn: list[Figure] = []
    for stage in ("retrain", "train", "score"):
        measure = quality(gallery, stage)
        for cost in COSTS if measure else ():
            drawn += _trade_off(gallery, stage, measure, cost)  # type: ignore[arg-type]
    for objective in gallery.objectives:
        if objective.metric not in COST_NAMES and not objective.metric.endswith("accuracy"):
            drawn += _score(gallery, objective.metric)
    return drawn


def _trade_off(gallery: Gallery, stage: str, measure: Objective, cost: str) -> list[Figure]:
    pair = (measure, Objective(cost, False))
    entries = [
        entry
        for entry in gallery.at(stage)
        if all(isfinite(objective.loss(entry.values)) for objective in pair)
    ]
    if len(entries) < FEWEST_POINTS:
        return []
    values = [entry.values for entry in entries]
    points = [(v[cost], v[measure.metric]) for v in values]
    best = on_front(values, pair)
    front = [point for point, is_best in zip(points, best, strict=True) if is_best]
    top = gallery.ranked(entries, stage)[0].values
    svg = trade_off(points, front, [(top[cost], top[measure.metric])], x=cost, y=measure.metric)
    title = f"{label(measure.metric)} against {label(cost)}"
    caption = f"{len(points):,} candidates at the {stage} stage, {len(front)} on the front."
    return [Figure(svg, title, caption)]


def _score(gallery: Gallery, score: str) -> list[Figure]:
    """The spread of ``score``, and how it agrees with the accuracy after the search's training."""
    known = [e for e in gallery.entries if isfinite(e.values.get(score, nan))]
    if len(known) < FEWEST_POINTS:
        return []
    trained = [e for e in known if e.reached.keys() & {"train", "retrain"}]
    spread = histogram(
        [e.values[score] for e in known], [e.values[score] for e in trained], metric=score
    )
    words = f"Candidates scored: {len(known):,}; of these trained: {len(trained):,}."
    drawn = [Figure(spread, f"Distribution of {score}", words)]
    both = [e for e in gallery.at("train") if isfinite(e.values.get(score, nan))]
    if len(both) >= FEWEST_POINTS:
        points = [(e.values[score], e.values["val_accuracy"]) for e in both]
        best = gallery.ranked(both, "train")[0].values
        svg = agreement(points, [(best[score], best["val_accuracy"])], x=score, y="val_accuracy")
        drawn.append(Figure(svg, f"Does {score} foretell accuracy?", _agreement(gallery, score)))
    return drawn


def _agreement(gallery: Gallery, score: str) -> str:
    found = correlate(gallery, score)
    kendall, spearman = found.kendall, found.spearman
    if isnan(kendall.value):
        return f"Rank correlation is not defined for these {found.count} candidates."
    words = f"Over {found.count} trained candidates: Kendall's τ-b {kendall.value:.2f}"
    if not isnan(kendall.low):
        words += f" (95 % interval {kendall.low:.2f} to {kendall.high:.2f})"
    words += f", Spearman's ρ {spearman.value:.2f}"
    words += "" if isnan(spearman.low) else f" ({spearman.low:.2f} to {spearman.high:.2f})"
    return words + ". Only a shortlist was trained, which narrows the range of scores."


def pictures(rows: Sequence[Finalist]) -> list[Figure]:
    """Drawings of the first finalists, numbered as in the table."""
    return [
        Figure(
            _picture(row.entry), f"{place}. {row.entry.digest[:12]}", str(row.entry.architecture)
        )
        for place, row in enumerate(rows[:MOST_PICTURES], 1)
    ]


def _picture(entry: Entry) -> str:
    """The drawing; empty where the space cannot give one or it would be too large to read."""
    try:
        graph = entry.architecture.space.picture(entry.architecture)
        return draw(graph) if len(graph) <= LARGEST_PICTURE else ""
    except NascoutError:
        return ""
