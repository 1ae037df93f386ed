"""``nascout correlate``: training-free scores against a table of accuracies."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from nascout.cli.console import print_table, read_pairs, say
from nascout.errors import Interrupted

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(correlate)


def correlate(
    benchmark: Annotated[
        str, typer.Option(help="nasbench201, ..., or table: a file of your own, with --space.")
    ],
    path: Annotated[Path, typer.Option(help="The benchmark's table, CSV or Parquet.")],
    accuracy: Annotated[
        str | None, typer.Option(help="Column to judge by; the benchmark's own choice.")
    ] = None,
    score: Annotated[list[str] | None, typer.Option(help="A score, or all. Repeatable.")] = None,
    sample: Annotated[int, typer.Option(help="Rows to draw; all if there are fewer.")] = 1000,
    seed: Annotated[int, typer.Option(help="Of the sample and the intervals.")] = 0,
    space: Annotated[str | None, typer.Option(help="Space of a table of your own.")] = None,
    space_option: Annotated[
        list[str] | None, typer.Option(help="'channels=16', 'cells=5'. Repeatable.")
    ] = None,
    data: Annotated[str, typer.Option(help="Whose training images are scored on.")] = "digits",
    batch: Annotated[int, typer.Option(help="Images per score.")] = 128,
    seeds: Annotated[int, typer.Option(help="Initialisations to average over.")] = 1,
    resamples: Annotated[int, typer.Option(help="Bootstrap resamples.")] = 1000,
    jobs: Annotated[int, typer.Option(help="Processes to score in.")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1.")] = "auto",
    out: Annotated[
        Path, typer.Option(help="Folder of the results; give it again to resume.")
    ] = Path("nascout-correlate"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    quiet: Annotated[bool, typer.Option(help="No progress.")] = False,
) -> None:
    """Judge training-free scores by a table of trained networks.

    Scores a sample of the table's architectures without training them, and writes rank
    correlations, what one gains by picking by each score, and a plot per score to --out. The same
    command again resumes; params and macs, the baselines, are always among the scores.
    """
    from nascout.api.correlate import correlate as judge
    from nascout.report.correlations import headline, most_draws

    try:
        found = judge(
            benchmark,
            path,
            score or "all",
            accuracy=accuracy,
            sample=sample,
            seed=seed,
            space=space,
            space_options=read_pairs(space_option or (), "--space-option"),
            data=data,
            batch=batch,
            seeds=seeds,
            resamples=resamples,
            jobs=jobs,
            device=device,
            out=out,
            progress=not quiet,
        )
    except Interrupted as error:
        error.remedy = f"Go on with: nascout {shlex.join(sys.argv[1:])}"
        raise
    if as_json:
        print_table(found.frame, as_json=True)
        return
    title = f"Scores against {found.accuracy}; a pick is the best of {most_draws(found.frame):,}"
    print_table(headline(found.frame, brief=True), title=title)
    for name, words in found.summary.items():
        say(f"{name}: {words}")
    say(f"page: {out / 'correlations.html'}")
    say(f"tables: {out / 'correlations.csv'}, {out / 'values.csv'}")
