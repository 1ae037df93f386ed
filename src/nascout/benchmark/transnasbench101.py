"""TransNAS-Bench-101 as a table: its micro and macro networks on several tasks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from nascout.benchmark.table import TableBenchmark, benchmark

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TransNasBench101Macro", "TransNasBench101Micro"]


class _Half(TableBenchmark):
    """One of the two spaces, which the table holds together.

    An accuracy is called ``task__part_measure``: top-1 and top-5 in percent, the negated loss
    where a task has no classes.
    """

    needs: ClassVar = ("arch", "space")
    accuracies: ClassVar = r"\w+__(train|valid|test)_(top1|top5|ssim|mIoU|neg_loss)"
    half: ClassVar[str]

    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        """Those of this space."""
        return table[table["space"] == self.half]

    def notations(self, table: pd.DataFrame) -> Iterable[str]:
        """The benchmark's own strings."""
        return table["arch"]


@benchmark("transnasbench101_micro", paper="arXiv:2105.11871")
class TransNasBench101Micro(_Half):
    """4,096 cells; ``64-41414-1_02_333``."""

    space: str = "transnasbench101_micro"
    accuracy: str = "class_scene__test_top1"
    half: ClassVar = "micro"


@benchmark("transnasbench101_macro", paper="arXiv:2105.11871")
class TransNasBench101Macro(_Half):
    """3,256 skeletons; ``64-1234-basic``."""

    space: str = "transnasbench101_macro"
    accuracy: str = "class_scene__test_top1"
    half: ClassVar = "macro"
