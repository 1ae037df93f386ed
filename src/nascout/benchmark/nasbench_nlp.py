"""NAS-Bench-NLP: recurrent cells as recipes, and the perplexity of language models with them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from nascout.benchmark.measure import Measure
from nascout.benchmark.table import Columns, TableBenchmark, benchmark

__all__ = ["NasBenchNlp", "NasBenchNlpPtb"]

ABOUT: Any = {
    "paper": "arXiv:2006.07116",
    "page": "github.com/fmsnew/nas-bench-nlp-release",
    "licence": "Apache-2.0",
}


@benchmark(
    "nasbench_nlp",
    architectures=14_322,
    file="a table with the columns recipe, best_val_loss, ...; or the folder of logs, converted",
    **ABOUT,
)
class NasBenchNlp(TableBenchmark):
    """Recipes of cells in JSON; the best validation loss (nats per word) and its perplexity.

    Lower is better, so there is nothing to judge a score by: negate a column for that. The few
    recipes that were trained more than once are one row: the mean.

    There is no space of recipes: ``nascout.network.recipe_graph`` makes graphs of them.
    """

    space: str = ""
    accuracy: str = ""
    needs: ClassVar = ("recipe",)

    def notations(self, table: Columns) -> Iterable[str]:
        """The JSON as it is in the table."""
        return map(str, table["recipe"])

    def measure(self, column: str) -> Measure | None:
        """Losses and parameters."""
        named = {"best_val_loss": "loss", "best_val_ppl": "perplexity"}
        if column in named:
            return Measure(metric=named[column], split="val", higher_is_better=False)
        return Measure(metric="params", higher_is_better=False) if column == "num_params" else None


@benchmark(
    "nasbench_nlp_ptb",
    architectures=14_322,
    file="a table with the columns recipe_id, perplexity, trainable_params",
    **ABOUT,
)
class NasBenchNlpPtb(TableBenchmark):
    """Perplexity on Penn Treebank by number of the recipe; a network is asked for by that number.

    The table does not say which split its loss is of.
    """

    space: str = ""
    accuracy: str = ""
    needs: ClassVar = ("recipe_id",)

    def notations(self, table: Columns) -> Iterable[str]:
        """The number."""
        return (str(int(number)) for number in table["recipe_id"])

    def measure(self, column: str) -> Measure | None:
        """Loss, perplexity and parameters."""
        if column in ("loss", "perplexity"):
            return Measure(metric=column, dataset="ptb", higher_is_better=False)
        if column == "trainable_params":
            return Measure(metric="params", higher_is_better=False)
        return None
