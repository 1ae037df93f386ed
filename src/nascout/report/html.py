"""A run as one HTML file that needs nothing else: no scripts, no network, a strict CSP."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nascout.atomic import write_text
from nascout.errors import NascoutError
from nascout.gallery import Gallery
from nascout.report import sections
from nascout.report.numbers import duration, label, show
from nascout.report.page import render
from nascout.report.sharing import sharing_figures
from nascout.search.history import Trial

__all__ = ["write_report"]

HEADLINE = ("params", "macs", "latency_ms", "measured_latency_ms")


def write_report(
    path: str | os.PathLike[str],
    gallery: Gallery,
    trials: Sequence[Trial],
    *,
    title: str,
    summary: Mapping[str, str],
    seconds: Mapping[str, float] | None = None,
    sharing: Sequence[Mapping[str, Any]] = (),
) -> Path:
    """Write the report of a run; equal arguments give an equal file.

    Args:
        path: the HTML file; it is replaced whole or stays as it was.
        gallery: what was found.
        trials: what was tried, for counts and failures.
        title: the run's name.
        summary: how it was made, in the order to be shown: space, strategy, seed, data, ...
        seconds: how long each part took.
        sharing: the epochs of shared weights, see :func:`nascout.report.sharing.sharing_figures`.

    Raises:
        StoreFull: no space left.
        OSError: the folder cannot be written.
    """
    columns, finalists = sections.finalists(gallery)
    outcomes, counts = sections.counts(trials)
    failures, more_failures = sections.failures(trials)
    text = render(
        "template.html",
        title=title,
        headline=_headline(gallery),
        summary=summary,
        seconds={name: duration(value) for name, value in (seconds or {}).items()},
        missing=sections.missing(gallery),
        columns=columns,
        finalists=finalists,
        entries=len(gallery),
        outcomes=outcomes,
        counts=counts,
        failures=failures,
        more_failures=more_failures,
        figures=[*sections.figures(gallery), *sharing_figures(sharing)],
        pictures=sections.pictures(finalists),
    )
    return write_text(path, text)


def _headline(gallery: Gallery) -> dict[str, Any]:
    """The best entry and its numbers, or why there is none."""
    try:
        best = gallery.best
    except NascoutError as error:
        return {"problem": str(error)}
    measure = sections.quality(gallery, gallery.stage or "score")
    first = [measure.metric] if measure else []
    metrics = dict.fromkeys(["test_accuracy", *first, *HEADLINE])
    numbers = [(label(m), show(m, best.values[m])) for m in metrics if m in best.values]
    return {"problem": "", "best": best, "numbers": numbers, "epochs": best.epochs}
