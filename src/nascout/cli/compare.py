"""``nascout compare``: search strategies against each other on a table."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from nascout.cli.console import print_table, read_pairs, say
from nascout.errors import ConfigError, Interrupted

__all__ = ["register"]

ALL = "all data sets"
TABLES = ("summary", "ranks", "significance", "runs", "trajectories")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(compare)


def compare(
    benchmark: Annotated[str, typer.Argument(help="See nascout benchmarks.")],
    path: Annotated[Path, typer.Argument(help="Its table, Parquet or CSV.")],
    strategy: Annotated[
        list[str],
        typer.Option(help="'[LABEL=]NAME[:KNOB=VALUE,...]', see nascout strategies. Repeatable."),
    ],
    dataset: Annotated[list[str] | None, typer.Option(help="Repeatable.")] = None,
    evaluations: Annotated[
        list[int] | None, typer.Option(help="Trainings that a run may spend. Repeatable.")
    ] = None,
    seconds: Annotated[
        list[float] | None, typer.Option(help="Simulated seconds instead. Repeatable.")
    ] = None,
    runs: Annotated[int, typer.Option(help="Seeds per strategy and data set.")] = 100,
    seed: Annotated[int, typer.Option(help="The first of them.")] = 0,
    metric: Annotated[str | None, typer.Option(help="Of the table, the accuracy.")] = None,
    fitness_split: Annotated[str, typer.Option(help="What the search sees.")] = "val",
    fitness_epochs: Annotated[
        int | None, typer.Option(help="Of its trainings; the longest there are.")
    ] = None,
    val_split: Annotated[str, typer.Option(help="Reported as validation.")] = "val",
    test_split: Annotated[str, typer.Option(help="Reported as test.")] = "test",
    final_epochs: Annotated[
        int | None, typer.Option(help="Of what is reported; the longest there are.")
    ] = None,
    table_seed: Annotated[
        str | None, typer.Option(help="Of the trainings in the table; their mean.")
    ] = None,
    epoch_seconds: Annotated[
        list[str] | None, typer.Option(help="Simulated, per epoch: 9, or DATASET=9. Repeatable.")
    ] = None,
    score_seconds: Annotated[float, typer.Option(help="Simulated, per score.")] = 0.0,
    known: Annotated[
        list[str] | None,
        typer.Option(help="Scores and costs: a FILE, or DATASET=FILE. Repeatable."),
    ] = None,
    constraint: Annotated[
        list[str] | None, typer.Option(help="'params<=500000'. Repeatable.")
    ] = None,
    space: Annotated[str | None, typer.Option(help="Space of a table of your own.")] = None,
    workers: Annotated[int, typer.Option(help="Processes.")] = 1,
    out: Annotated[
        Path, typer.Option(help="Folder of the results; give it again to resume.")
    ] = Path("nascout-compare"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    quiet: Annotated[bool, typer.Option(help="No progress.")] = False,
) -> None:
    """Compare search strategies by simulating them on a table of trained networks.

    Random search, the largest and the truly best of its samples, and the best of the table are
    always among the rows. Runs, curves, ranks and a page are written to --out; the same command
    again resumes.
    """
    from nascout.api.benchmark import benchmark as open_benchmark
    from nascout.api.compare import compare as run
    from nascout.report.comparison import headline

    try:
        found = run(
            open_benchmark(benchmark, path, **({"space": space} if space else {})),
            strategy,
            dataset=dataset,
            evaluations=evaluations,
            seconds=seconds,
            runs=runs,
            seed=seed,
            metric=metric,
            fitness_split=fitness_split,
            fitness_epochs=fitness_epochs,
            val_split=val_split,
            test_split=test_split,
            final_epochs=final_epochs,
            table_seed=int(table_seed) if table_seed and table_seed.isdigit() else table_seed,
            epoch_seconds=_seconds(epoch_seconds or ()),
            score_seconds=score_seconds,
            known=_known(known or ()),
            constraints=constraint or (),
            workers=workers,
            out=out,
            progress=not quiet,
        )
    except Interrupted as error:
        error.remedy = f"Go on with: nascout {shlex.join(sys.argv[1:])}"
        raise
    if as_json:
        print_table(found.summary, as_json=True)
        return
    unit = found.protocol.unit
    for (name, budget), block in found.summary.groupby(["dataset", "budget"], sort=False):
        table = headline(block, unit).drop(columns=["data set", unit, "runs"])
        print_table(table, title=f"{name}, {budget:,g} {unit}, {runs:,} runs")
    for name, words in found.about.items():
        say(f"{name}: {words}")
    say(f"page: {out / 'comparison.html'}")
    say(f"tables: {', '.join(str(out / f'{name}.csv') for name in TABLES)}")


def _seconds(given: Sequence[str]) -> Any:
    """One number for all data sets, or one by data set."""
    pairs = [one if "=" in one else f"{ALL}={one}" for one in given]
    content = read_pairs(pairs, "--epoch-seconds")
    for name, value in content.items():
        if not isinstance(value, int | float):
            raise ConfigError(f"--epoch-seconds {name} = {value!r}", "Give a number.")
    return content.get(ALL, content or None)


def _known(given: Sequence[str]) -> Any:
    """One file for all data sets, or one by data set."""
    content = read_pairs([one if "=" in one else f"{ALL}={one}" for one in given], "--known")
    return content.get(ALL, content or None)
