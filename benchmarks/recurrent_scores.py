"""How well training-free scores of recurrent cells predict perplexity on NAS-Bench-NLP.

Builds the networks of the recipes (400-600-600-400 units), scores them on real text, and ranks
them against the published perplexities: validation on WikiText-2, and on Penn Treebank where the
second table holds the recipe. The published scores stand beside. Positive correlation: a high
score goes with a low perplexity. Intervals: 95 %, bootstrap over recipes.

    OMP_WAIT_POLICY=passive python benchmarks/recurrent_scores.py --recipes recipes.parquet \
        --ptb ptb.parquet --text wikitext2_valid.txt.gz \
        --out benchmarks/results/recurrent_scores.csv
"""

from __future__ import annotations

import argparse
import collections
import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.stats import bootstrap, kendalltau, spearmanr
from torch import nn

from nascout.network.recurrent_recipe import RecipeLanguageModel
from nascout.score.counts import params
from nascout.score.epsilon_rnn import epsilon_rnn
from nascout.score.hidden_covariance import hidden_covariances

VOCABULARY = 33_278  # of WikiText-2
PUBLISHED = [f"Layer {k} Hidden Covariance" for k in (1, 2, 3)]
OURS = [f"hidden_covariance_{k}" for k in (1, 2, 3)]


def token_ids(path: Path, vocabulary: int) -> torch.Tensor:
    """The words of a text by frequency from 1; 0 for the rare ones."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        words = file.read().replace("\n", " <eos> ").split()
    frequent = collections.Counter(words).most_common(vocabulary - 1)
    index = {word: i for i, (word, _) in enumerate(frequent, 1)}
    return torch.tensor([index.get(word, 0) for word in words])


def scores(recipe: str, x: torch.Tensor, x_epsilon: torch.Tensor) -> dict[str, float]:
    """Every score of a recipe's network, from seed 0."""
    net = RecipeLanguageModel(recipe, VOCABULARY)
    values = {"params": params(net)}
    net.decoder = nn.Identity()  # no score reads the logits
    values |= dict(zip(OURS, hidden_covariances(net, x), strict=True))
    return values | {"epsilon_rnn": epsilon_rnn(net, x_epsilon)}


def row(recipes: str, target: str, name: str, score: pd.Series, goal: pd.Series) -> dict:
    """Rank correlation of a score with a goal, over the recipes on which both are finite."""
    known = np.isfinite(goal)
    both = known & np.isfinite(score)
    a, b = score[both].to_numpy(float), goal[both].to_numpy(float)
    interval = bootstrap(
        (a, b),
        lambda a, b: spearmanr(a, b).statistic,
        paired=True,
        vectorized=False,
        n_resamples=1000,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return {
        "recipes": recipes,
        "target": target,
        "score": name,
        "n": int(both.sum()),
        "undefined": int(known.sum() - both.sum()),
        "spearman": round(spearmanr(a, b).statistic, 3),
        "spearman_low": round(interval.low, 3),
        "spearman_high": round(interval.high, 3),
        "kendall": round(kendalltau(a, b).statistic, 3),
    }


def main() -> None:
    """Score the recipes and write a row per target and score."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipes", type=Path, required=True)
    parser.add_argument("--ptb", type=Path, required=True)
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--limit", type=int, help="score only the first so many recipes")
    parser.add_argument("--shape", type=int, nargs=2, default=(20, 70), metavar=("N", "T"))
    parser.add_argument("--epsilon-shape", type=int, nargs=2, default=(256, 4), metavar=("N", "T"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/recurrent_scores.csv"))
    options = parser.parse_args()

    table = pd.read_parquet(options.recipes).drop_duplicates("recipe_id").head(options.limit)
    words = token_ids(options.text, 10_000)
    batches = [words[: n * t].view(n, t) for n, t in (options.shape, options.epsilon_shape)]
    # Some recipes are the same under two numbers.
    by_recipe = {text: scores(text, *batches) for text in table["recipe"].unique()}
    table = table.join(pd.DataFrame([by_recipe[text] for text in table["recipe"]], table.index))
    met = int((table["params"] == table["num_params"]).sum())
    print(f"published number of parameters met: {met} of {len(table)}")

    ptb = pd.read_parquet(options.ptb)
    shared = table.merge(ptb, on="recipe_id")
    ours = ["params", *OURS, "epsilon_rnn"]
    wiki, penn = "wikitext2 val perplexity", "ptb perplexity"
    rows = [row("all", wiki, s, table[s], -table["best_val_ppl"]) for s in ours]
    for s in [*ours, *PUBLISHED]:
        rows.append(row("shared", wiki, s, shared[s], -shared["best_val_ppl"]))
        rows.append(row("shared", penn, s, shared[s], -shared["perplexity"]))
    for s, published in zip(OURS, PUBLISHED, strict=True):
        rows.append(row("shared", published, s, shared[s], shared[published]))
    for s in ["trainable_params", *PUBLISHED]:
        rows.append(row("ptb table", penn, s, ptb[s], -ptb["perplexity"]))
    result = pd.DataFrame(rows)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    result.to_csv(options.out, index=False)
    print(result.to_string(index=False))


if __name__ == "__main__":
    main()
