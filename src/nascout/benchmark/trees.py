"""Boosted regression trees as plain arrays: stored as JSON, read by numpy alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nascout.benchmark.bootstrap import Floats

__all__ = ["Trees", "fit_trees"]

Integers = np.ndarray[Any, np.dtype[np.int64]]
FIELDS = ("feature", "left", "right", "value")


@dataclass(frozen=True)
class Trees:
    """A sum of trees over features that are 0 or 1.

    Attributes:
        base: what is added to the sum.
        roots: (trees,), the first node of each.
        feature: (nodes,), what a node asks about; -1 at a leaf.
        left, right: (nodes,), where to go if it is 0 or 1.
        value: (nodes,), what a leaf adds.
    """

    base: float
    roots: Integers
    feature: Integers
    left: Integers
    right: Integers
    value: Floats

    def predict(self, codes: Floats) -> Floats:
        """(samples,) for codes (samples, features)."""
        rows = np.arange(len(codes))
        total = np.full(len(codes), self.base)
        for root in self.roots:
            node = np.full(len(codes), root)
            while (inner := self.feature[node] >= 0).any():
                chosen = codes[rows, self.feature[node]] > 0.5
                node = np.where(inner, np.where(chosen, self.right[node], self.left[node]), node)
            total += self.value[node]
        return total

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content."""
        arrays = {name: getattr(self, name).tolist() for name in ("roots", *FIELDS)}
        return {"base": self.base, **arrays}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Trees:
        """What :meth:`to_dict` wrote.

        Raises:
            KeyError, TypeError, ValueError: other content, or trees that never end.
        """
        found = {name: np.array(content[name], dtype=np.int64) for name in ("roots", *FIELDS[:3])}
        value = np.array(content["value"], dtype=np.float64)
        nodes = len(value)
        inner, here = found["feature"] >= 0, np.arange(nodes)
        ahead = [(found[n] > here) & (found[n] < nodes) for n in ("left", "right")]
        started = (found["roots"] >= 0) & (found["roots"] < nodes)
        if not (all(way[inner].all() for way in ahead) and started.all()):
            raise ValueError("a tree that leads nowhere")
        return cls(base=float(content["base"]), value=value, **found)


def fit_trees(codes: Floats, values: Floats, *, trees: int, seed: int) -> Trees:
    """Least-squares gradient boosting by scikit-learn, as arrays.

    Args:
        codes: (samples, features), each 0 or 1.
        values: (samples,), finite.
        trees: how many; of depth 4, each fitted to half of the samples, every question chosen
            among 3 of 10 features, with a rate of .05.
        seed: of those draws.

    Paper: Friedman, Stochastic gradient boosting, 2002.

    >>> codes = np.array([[0.0], [1.0]] * 10)
    >>> fit_trees(codes, 5 * codes[:, 0], trees=500, seed=0).predict(codes[:2]).round(3).tolist()
    [0.0, 5.0]
    """
    from sklearn.ensemble import GradientBoostingRegressor

    rate = 0.05
    model = GradientBoostingRegressor(
        learning_rate=rate,
        n_estimators=trees,
        max_depth=4,
        subsample=0.5,
        max_features=0.3,
        random_state=seed,
        init="zero",
    )
    base = float(values.mean())
    model.fit(codes, values - base)
    columns: dict[str, list[Any]] = {name: [] for name in FIELDS}
    roots = []
    for estimator in model.estimators_[:, 0]:
        tree, start = estimator.tree_, len(columns["value"])
        roots.append(start)
        leaf = tree.children_left < 0
        columns["feature"].extend(np.where(leaf, -1, tree.feature))
        columns["left"].extend(np.where(leaf, -1, tree.children_left + start))
        columns["right"].extend(np.where(leaf, -1, tree.children_right + start))
        columns["value"].extend(rate * tree.value[:, 0, 0])
    return Trees(base, np.array(roots), **{name: np.array(v) for name, v in columns.items()})
