"""``nascout score``: training-free scores of architectures."""

from __future__ import annotations

from typing import Annotated

import typer

from nascout.cli.console import print_table, read_pairs, say

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(score)


def score(
    targets: Annotated[
        list[str], typer.Argument(metavar="ARCHITECTURE...", help="In the space's notation.")
    ],
    space: Annotated[str, typer.Option(help="See nascout spaces.")] = "nasbench201",
    scores: Annotated[
        list[str] | None, typer.Option("--score", help="A score, or all. Repeatable.")
    ] = None,
    data: Annotated[str, typer.Option(help="Whose training images are scored on.")] = "digits",
    batch: Annotated[int, typer.Option(help="Images per score.")] = 128,
    seeds: Annotated[int, typer.Option(help="Initialisations to average over.")] = 1,
    space_option: Annotated[
        list[str] | None, typer.Option(help="'channels=16', 'cells=5'. Repeatable.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Score architectures without training them, on a batch of real images."""
    import pandas as pd

    from nascout.api.names import space as named_space
    from nascout.data import load
    from nascout.score.evaluate import evaluate, resolve

    loaded = load(data)
    x, y = loaded.batch(batch)
    skeleton = {"classes": len(loaded.classes), "input_shape": loaded.input_shape}
    skeleton |= read_pairs(space_option or (), "--space-option")
    built = named_space(space, **skeleton)
    names = [card.name for card in resolve(scores or ["default", "params", "macs"])]
    architectures = [built.parse(text) for text in targets]
    rows = [
        {
            "architecture": str(architecture) if as_json else f"#{number}",
            "score": one.name,
            "value": one.value,
            "spread": one.spread,
            "better": "higher" if one.higher_is_better else "lower",
            "outcome": str(one.outcome),
            "seconds": one.seconds,
        }
        for number, architecture in enumerate(architectures, 1)
        for one in evaluate(architecture, x, names, labels=y, seeds=seeds).values()
    ]
    print_table(pd.DataFrame(rows), as_json=as_json)
    if not as_json:
        for number, architecture in enumerate(architectures, 1):
            say(f"#{number}  {architecture}")
