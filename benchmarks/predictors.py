"""Which small model predicts accuracies best: Spearman correlation over all of NAS-Bench-201.

Each is fitted to the ranks (as normal scores) of the accuracies of random cells, and predicts all
15,625. ``decisions`` are one-hot; ``paths`` are BANANAS's encoding: which of the 5, 25, 25 and 125
operation sequences from input to output there are. ``scores`` adds parameters, and other people's
NASWOT and Zen.

    OMP_NUM_THREADS=1 python benchmarks/predictors.py nasbench201.parquet --runs 3
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import kendalltau, spearmanr
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.linear_model import Ridge
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

from nascout.search.features import Features
from nascout.search.predictor import fit_predictor, normal_scores
from nascout.space import SPACES

COUNTS = (20, 50, 100)
SCORES = {"params": "params_c10", "naswot": "naswot_v1_c10", "zen": "zen_c10"}
# Edges 0->1, 0->2, 1->2, 0->3, 1->3, 2->3: those of every path through the cell.
PATHS = ((3,), (0, 4), (1, 5), (0, 2, 5))
Fit = Callable[[np.ndarray, np.ndarray], Callable[[np.ndarray], np.ndarray]]


def ensemble(x: np.ndarray, y: np.ndarray, loss: str) -> Callable[[np.ndarray], np.ndarray]:
    """Ours, whose losses are the lower the better."""
    predict = fit_predictor(x, -y, loss=loss)
    assert predict is not None
    return lambda asked: -predict(asked)[0]


def regression(x: np.ndarray, y: np.ndarray, make: Callable[[], object]):
    """A model of scikit-learn."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return make().fit(x, y).predict


def perceptrons(x: np.ndarray, y: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Five of ten layers of 20, as in BANANAS: Adam with 0.01, 150 epochs, batches of 32."""
    shape, many = (20,) * 10, {"learning_rate_init": 0.01, "max_iter": 150}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few cells: batches are smaller, and it may not converge
        models = [
            MLPRegressor(hidden_layer_sizes=shape, batch_size=32, random_state=i, **many).fit(x, y)
            for i in range(5)
        ]
    return lambda asked: np.mean([model.predict(asked) for model in models], axis=0)


MODELS: dict[str, Fit] = {
    "kernel ridge ensemble": partial(ensemble, loss="mse"),
    "pairwise ranking ensemble": partial(ensemble, loss="pairwise"),
    "gaussian process": partial(
        regression,
        make=lambda: GaussianProcessRegressor(RBF(1.0, (0.2, 5)) + WhiteKernel(0.1, (1e-4, 1))),
    ),
    "random forest": partial(regression, make=lambda: RandomForestRegressor(random_state=0)),
    "gradient boosting": partial(
        regression, make=lambda: GradientBoostingRegressor(random_state=0)
    ),
    "ridge on pairs of decisions": partial(
        regression, make=lambda: make_pipeline(PolynomialFeatures(2), Ridge(3.0))
    ),
    "five perceptrons": perceptrons,
}


def encodings(table: pd.DataFrame) -> Mapping[str, np.ndarray]:
    """Features of all cells."""
    space = SPACES["nasbench201"]()
    cells = [space.parse(text) for text in table["arch_str"]]
    known = {k: table[v].clip(-1e9, None).to_numpy(dtype=float) for k, v in SCORES.items()}
    rows = [dict(zip(known, values, strict=True)) for values in zip(*known.values(), strict=True)]
    points = [(cell, 200) for cell in cells]
    options = {option: place for place, option in enumerate(space.decisions[0].options)}
    codes = np.array([[options[str(value)] for value in cell.values] for cell in cells])
    paths = [codes[:, path] @ 5 ** np.arange(len(path)) for path in PATHS]
    coded = [np.eye(5 ** len(path))[taken] for path, taken in zip(PATHS, paths, strict=True)]
    return {
        "decisions": Features(space, [], [200])(points, {}),
        "paths": np.hstack(coded) / np.sqrt(2 * len(PATHS)),
        "decisions and scores": Features(space, rows, [200])(
            points, dict(zip(cells, rows, strict=True))
        ),
    }


def main() -> None:
    """Fit everything to the same cells."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", type=Path)
    parser.add_argument("--column", default="c100_val")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/predictors.csv"))
    options = parser.parse_args()
    table = pd.read_parquet(options.table)
    accuracy = table[options.column].to_numpy()
    top = np.argsort(accuracy)[-len(accuracy) // 10 :]
    rows = []
    for features, x in encodings(table).items():
        for name, fit in MODELS.items():
            if features == "paths" and name == "ridge on pairs of decisions":
                continue  # pairs of 180 paths
            for count in COUNTS:
                for run in range(options.runs):
                    seen = np.random.default_rng(run).choice(len(x), count, replace=False)
                    start = time.process_time()
                    found = fit(x[seen], normal_scores(accuracy[seen]))(x)
                    seconds = time.process_time() - start
                    rho = spearmanr(found, accuracy)[0]
                    tau = kendalltau(found[top], accuracy[top])[0]
                    rows.append((features, name, count, run, rho, tau, seconds))
    names = ["features", "model", "trained", "run", "spearman", "kendall_top10", "seconds"]
    frame = pd.DataFrame(rows, columns=names)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    frame.round(4).to_csv(options.out, index=False)
    groups = frame.groupby(["features", "model", "trained"], sort=False)
    summary = groups[["spearman", "kendall_top10"]].mean()
    summary["seconds"] = groups["seconds"].median()
    print(summary.unstack().round(3).to_string())


if __name__ == "__main__":
    main()
