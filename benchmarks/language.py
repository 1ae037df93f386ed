"""Recurrent cells of equal size, trained alike on a small text, and one found by sharing weights.

The training text is the beginning of one file. The other is cut in the middle: the validation
text, whose perplexity picks the epoch that is kept, is the beginning of its first half, the test
text that of its second half. Words seen less than --seen times in the first file are <unk>. Widths
are chosen so that all models have as nearly as possible the same number of parameters. The search
by DARTS (first order) reads the training text only: weights learn from its first nine tenths,
alphas from the last.

    OMP_WAIT_POLICY=passive python benchmarks/language.py wikitext2_valid.txt.gz \
        wikitext2_test.txt.gz --csv benchmarks/results/language.csv

Rows are appended as they come; a row that is there is not computed again. Both the search and the
trainings run on one thread.
"""

from __future__ import annotations

import argparse
import csv
import random
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import torch

from nascout.data.text import Text, load_text
from nascout.graph import Builder, Graph
from nascout.graph.gates import Sigmoid
from nascout.graph.ops import Linear
from nascout.graph.recurrent import Hadamard, Tanh
from nascout.network.language_model import Dropouts, LanguageModel, language_model
from nascout.oneshot import LANGUAGE_METHODS, share_language
from nascout.space import SPACES
from nascout.train.language import fit_language, perplexity
from nascout.train.language_recipe import LanguageRecipe

CELLS = ("darts", "enas", "lstm", "random", "searched")
COLUMNS = (
    *("cell", "seed", "architecture", "width", "params", "vocabulary", "train_words", "epochs"),
    *("val_perplexity", "test_perplexity", "cpu_seconds"),
)
MATRICES = {"darts_rnn": 20, "enas_rnn": 26, "lstm": 8}  # of width x width, in a cell
DROPOUTS = Dropouts(inputs=0.2, outputs=0.2)


def lstm(width: int) -> Graph:
    """One step of an LSTM with biases: inputs x, h and c, outputs h and c."""
    g = Builder()
    x, h, c = (g.input((width,), key=name) for name in "xhc")
    both = g.concat(x, h, key="both")
    parts = {name: g.node(Linear(width), both, key=f"{name}/linear") for name in "ifog"}
    i, f, o = (g.node(Sigmoid(), parts[name], key=f"{name}/sigmoid") for name in "ifo")
    new = g.node(Tanh(), parts["g"], key="g/tanh")
    kept = g.node(Hadamard(), f, c, key="kept")
    memory = g.add(kept, g.node(Hadamard(), i, new, key="new"), key="memory")
    shown = g.node(Tanh(), memory, key="shown")
    return g.graph(g.node(Hadamard(), o, shown, key="output"), memory)


def width_of(kind: str, vocabulary: int, params: float) -> int:
    """The width whose model is nearest to so many parameters."""
    matrices = MATRICES[kind]

    def distance(width: int) -> float:
        biases = 4 * width if kind == "lstm" else 0
        return abs((vocabulary + matrices * width) * width + vocabulary + biases - params)

    return min(range(2, 2000), key=distance)


def read(args: argparse.Namespace) -> Text:
    """Train from one file, validation and test from the halves of the other."""
    parts = {"train": args.train, "val": args.other, "test": args.other}
    counts = Counter(load_text(parts).train.tolist())
    text = load_text(parts, vocabulary=sum(count >= args.seen for count in counts.values()))
    middle = len(text.val) // 2
    return replace(
        text,
        train=text.train[: args.words],
        val=text.val[:middle][: args.held],
        test=text.val[middle:][: args.held],
    )


def searched(text: Text, args: argparse.Namespace) -> str:
    """What DARTS finds on the training text."""
    border = round(0.9 * len(text.train))
    own = replace(text, train=text.train[:border], val=text.train[border:], test=text.train[:2])
    darts = LANGUAGE_METHODS["darts"]()
    recipe = replace(
        darts.recipe,
        epochs=args.search_epochs,
        batch_size=args.search_batch,
        dropouts=DROPOUTS,
    )
    space = SPACES["darts_rnn"](width=args.search_width)
    shared = share_language(replace(darts, recipe=recipe), space, own, seed=0, on_epoch=print)
    return str(shared.architectures[0][0])


def model(cell: str, text: Text, args: argparse.Namespace, seed: int, found: str) -> tuple:
    """The notation, the width and the language model of a named cell."""
    kind = {"lstm": "lstm", "enas": "enas_rnn"}.get(cell, "darts_rnn")
    words = len(text.words)
    target = (words + MATRICES["darts_rnn"] * args.width) * args.width + words
    width = width_of(kind, words, target)
    if kind == "lstm":
        return "", width, language_model([lstm(width)], vocabulary=words, seed=seed)
    space = SPACES[kind](width=width)
    if cell == "random":
        architecture = space.sample(random.Random(seed))
    else:
        known = {"darts": "darts_rnn_v2", "enas": "enas_rnn"}
        architecture = space.parse(found if cell == "searched" else space.known[known[cell]])
    return str(architecture), width, language_model(architecture, vocabulary=words, seed=seed)


def measure(net: LanguageModel, text: Text, args: argparse.Namespace, seed: int) -> dict:
    """Train, and both perplexities of the best epoch."""
    recipe = LanguageRecipe(
        name="benchmark",
        source="benchmarks/language.py",
        epochs=args.epochs,
        batch_size=args.batch,
        lr=args.lr,
        varied=False,
        dropouts=DROPOUTS,
        patience=None,
    )
    start = time.process_time()
    trained = fit_language(net, text, recipe, seed=seed)
    return {
        "val_perplexity": round(trained.val_perplexity, 2),
        "test_perplexity": round(perplexity(net, text.test), 2),
        "cpu_seconds": round(time.process_time() - start, 1),
    }


def main() -> None:
    """Every cell with every seed; seed by seed, so that what is there can be compared."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("train", type=Path)
    parser.add_argument("other", type=Path)
    parser.add_argument("--csv", type=Path, default=Path("benchmarks/results/language.csv"))
    parser.add_argument("--words", type=int, default=120_000, help="of the training text")
    parser.add_argument("--held", type=int, default=25_000, help="of the other two, each")
    parser.add_argument("--seen", type=int, default=15)
    parser.add_argument("--width", type=int, default=100, help="of the DARTS cells")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--lr", type=float, default=20.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=CELLS, default=CELLS)
    parser.add_argument("--search-epochs", type=int, default=4)
    parser.add_argument("--search-batch", type=int, default=32)
    parser.add_argument("--search-width", type=int, default=64)
    args = parser.parse_args()
    torch.set_num_threads(1)
    text = read(args)
    rows = list(csv.DictReader(args.csv.open())) if args.csv.exists() else []
    there = {(row["cell"], int(row["seed"])) for row in rows}
    found = next((row["architecture"] for row in rows if row["cell"] == "searched"), "")
    for seed in range(args.seeds):
        for cell in CELLS:
            if cell not in args.only or (cell, seed) in there:
                continue
            if cell == "searched" and not found:
                start = time.process_time()
                found = searched(text, args)
                print(f"search: {time.process_time() - start:.1f} cpu seconds", found, flush=True)
            name, width, net = model(cell, text, args, seed, found)
            row = {
                "cell": cell,
                "seed": seed,
                "architecture": name,
                "width": width,
                "params": sum(p.numel() for p in net.parameters()),
                "vocabulary": len(text.words),
                "train_words": len(text.train),
                "epochs": args.epochs,
                **measure(net, text, args, seed),
            }
            with args.csv.open("a", newline="") as file:
                writer = csv.DictWriter(file, COLUMNS)
                if file.tell() == 0:
                    writer.writeheader()
                writer.writerow(row)
            print(row, flush=True)


if __name__ == "__main__":
    main()
