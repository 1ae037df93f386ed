"""A recurrent cell grown by one step, against the same language model trained on.

The parent is the plainest of cells, h' = tanh(W [x, h] + b), 48 wide, on the characters of a text,
trained first. Then:

- ``grown``: candidates at what enters the tanh, reading x and h (8 candidates, at every step); the
  best three become part of the child, which trains for the rest.
- ``longer``: the parent, trained on for as many epochs as candidates and child together.
- ``longest``: the parent, trained on for as many multiply-adds.
- ``random``: as many epochs as ``grown``; three of the same candidates, drawn at random, with new
  weights, are added to the parent where the search would have ended.

All read the same text by the same recipe (SGD at a constant rate, no dropout), and every training
ends with its best epoch by validation. Perplexities are per character.

    OMP_WAIT_POLICY=passive python benchmarks/growth_cell.py --text shakespeare.txt.gz

Rows are appended as they come; the same command goes on where it stopped.
"""

from __future__ import annotations

import argparse
import csv
import random
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from nascout.data.text import Text, load_text
from nascout.graph import Builder, Graph
from nascout.graph.ops import Linear
from nascout.graph.recurrent import Tanh
from nascout.growth import Addition, Spot, add, grow_cell, trace_cell, with_cell
from nascout.growth.operations import DEFAULTS
from nascout.network.language_model import Dropouts, LanguageModel, language_model
from nascout.train.language import fit_language, perplexity
from nascout.train.language_recipe import language_recipes

WIDTH = 48
RECIPE = replace(language_recipes["short"], batch_size=64, dropouts=Dropouts())
PARENT, CANDIDATES, CHILD = 10, 2, 6  # epochs
SPOT = Spot("linear", ("x", "h"))
FIELDS = (
    *("seed", "model", "epochs", "params", "macs_per_character", "val_perplexity"),
    *("test_perplexity", "seconds"),
)


def plain_cell() -> Graph:
    """One step of an Elman network."""
    g = Builder()
    x, h = g.input((WIDTH,), key="x"), g.input((WIDTH,), key="h")
    mixed = g.node(Linear(WIDTH), g.concat(x, h, key="both"), key="linear")
    return g.graph(g.node(Tanh(), mixed, key="tanh"))


def macs(net: nn.Module) -> int:
    """Multiply-adds per character: those of matrices; the decoder's is the embedding's."""
    return sum(p.numel() for p in net.parameters() if p.dim() > 1)


def contenders(
    net: LanguageModel, fit: Callable[..., Any], seed: int
) -> dict[str, Callable[[], tuple[LanguageModel, int]]]:
    """By name: what trains one from the parent, and gives it with its epochs."""
    searched: list[int] = []

    def grown() -> tuple[LanguageModel, int]:
        def train(model: nn.Module) -> None:
            searched.append(macs(model))
            fit(model, epochs=CHILD if len(searched) == 2 else CANDIDATES)

        child = grow_cell(net, train, at=[(SPOT,)], seed=seed).child
        return child, CANDIDATES + CHILD

    def longer() -> tuple[LanguageModel, int]:
        copied = with_cell(net, trace_cell(net))
        fit(copied, epochs=CANDIDATES + CHILD)
        return copied, CANDIDATES + CHILD

    def longest() -> tuple[LanguageModel, int]:
        copied = with_cell(net, trace_cell(net))
        epochs = round((CANDIDATES * searched[0] + CHILD * searched[1]) / macs(copied))
        fit(copied, epochs=epochs)
        return copied, epochs

    def drawn() -> tuple[LanguageModel, int]:
        copied = with_cell(net, trace_cell(net))
        fit(copied, epochs=CANDIDATES)
        known = [(read, name) for read in SPOT.inputs for name in DEFAULTS["vector"]]
        added = Addition(SPOT.place, tuple(random.Random(seed).sample(known, 3)))
        child = with_cell(copied, add(trace_cell(copied), [added], seed=seed))
        fit(child, epochs=CHILD)
        return child, CANDIDATES + CHILD

    return {"grown": grown, "longer": longer, "longest": longest, "random": drawn}


def rows(text: Text, seed: int) -> list[dict[str, Any]]:
    """All models of one seed."""
    fit = partial(fit_language, text=text, recipe=RECIPE, seed=seed)

    def row(model: str, net: LanguageModel, epochs: int, start: float) -> dict[str, Any]:
        seconds = round(time.perf_counter() - start, 1)
        return {
            "seed": seed,
            "model": model,
            "epochs": epochs,
            "params": sum(p.numel() for p in net.parameters()),
            "macs_per_character": macs(net),
            "val_perplexity": round(perplexity(net, text.val), 4),
            "test_perplexity": round(perplexity(net, text.test), 4),
            "seconds": seconds,
        }

    start = time.perf_counter()
    net = language_model([plain_cell()], vocabulary=len(text.words), seed=seed)
    fit(net, epochs=PARENT)
    found = [row("parent", net, PARENT, start)]
    for name, make in contenders(net, fit, seed).items():
        start = time.perf_counter()
        made, epochs = make()
        found.append(row(name, made, PARENT + epochs, start))
    return found


def main() -> None:
    """Append the seeds that are not there yet, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--text", required=True, help="a text file, perhaps gzipped")
    parser.add_argument("--characters", type=int, default=120_000, help="of it, to train on")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/growth_cell.csv"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    whole, part = load_text(options.text, level="character"), options.characters // 9
    text = replace(
        whole,
        train=whole.train[: options.characters],
        val=whole.val[:part],
        test=whole.test[:part],
    )
    done = set(pd.read_csv(options.out)["seed"]) if options.out.exists() else set()
    for seed in range(options.seeds):
        if seed in done:
            continue
        found = rows(text, seed)
        is_new = not options.out.exists()
        with options.out.open("a", newline="") as file:
            writer = csv.DictWriter(file, FIELDS)
            if is_new:
                writer.writeheader()
            writer.writerows(found)
    table = pd.read_csv(options.out).groupby("model", sort=False)
    names = ["params", "macs_per_character", "val_perplexity", "test_perplexity", "seconds"]
    print(table[names].agg(["mean", "std"]).round(3).to_string())


if __name__ == "__main__":
    main()
