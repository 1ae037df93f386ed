import json
import random
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import kendalltau
from sklearn.ensemble import GradientBoostingRegressor

import nascout
from nascout.benchmark.surrogate import fit_surrogate, read_surrogate
from nascout.benchmark.trees import Trees, fit_trees
from nascout.errors import ConfigError, DataError
from nascout.records import Outcome
from nascout.search import Proposal, Trial

SPACE = nascout.space("nasbench201", channels=4, cells=1)


def sampled(count, seed=0):
    rng = random.Random(seed)
    return list(dict.fromkeys(SPACE.sample(rng) for _ in range(count)))


def convolutions(architecture):
    return float(
        sum(3 if v == "nor_conv_3x3" else v == "nor_conv_1x1" for v in architecture.values)
    )


def test_trees_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    codes = rng.integers(2, size=(60, 9)).astype(float)
    values = codes @ rng.normal(size=9) + 3
    found = fit_trees(codes, values, trees=30, seed=1)
    options = {"max_depth": 4, "subsample": 0.5, "max_features": 0.3, "learning_rate": 0.05}
    model = GradientBoostingRegressor(n_estimators=30, random_state=1, init="zero", **options)
    model.fit(codes, values - values.mean())
    np.testing.assert_allclose(found.predict(codes), model.predict(codes) + values.mean())
    again = Trees.from_dict(json.loads(json.dumps(found.to_dict())))
    np.testing.assert_array_equal(again.predict(codes), found.predict(codes))


@pytest.mark.parametrize("log", [False, True])
def test_a_sum_is_learnt_and_answers_outside_the_table(tmp_path, log):
    known = sampled(300)
    values = [convolutions(a) + 1 for a in known]
    found = fit_surrogate(known, values, target="convs", log=log, trees=300)
    assert found.held_out["count"] == len(known) // 10
    assert found.held_out["kendall"] > 0.8
    assert found.held_out["r2"] > 0.9
    others = [a for a in sampled(80, seed=1) if a not in set(known)]
    truth = [convolutions(a) + 1 for a in others]
    guessed = found.predict(others)
    assert kendalltau(guessed, truth)[0] > 0.8
    np.testing.assert_array_equal(found.predict(list(map(str, others))), guessed)
    assert found.predict([]).shape == (0,)
    again = read_surrogate(found.save(tmp_path / "model.json"))
    np.testing.assert_array_equal(again.predict(others), guessed)
    assert again.held_out == found.held_out


def test_held_out_architectures_are_not_fitted_to():
    rng = np.random.default_rng(0)
    known = sampled(300)
    noise = fit_surrogate(known, rng.normal(size=len(known)), trees=300)
    # About 0 with a standard error of .12; fitted to, it would be near 1.
    assert abs(noise.held_out["kendall"]) < 0.4
    assert noise.held_out["r2"] < 0.3


def test_quality_is_that_of_the_definitions():
    known = sampled(200)
    values = [convolutions(a) for a in known]
    found = fit_surrogate(known, values, trees=50, seed=3)
    tested = np.random.default_rng(3).permutation(len(known))[: len(known) // 10]
    truth, guessed = np.array(values)[tested], found.predict([known[i] for i in tested])
    assert found.held_out["kendall"] == pytest.approx(kendalltau(guessed, truth)[0])
    assert found.held_out["mae"] == pytest.approx(np.mean(np.abs(guessed - truth)))
    r2 = 1 - np.sum((guessed - truth) ** 2) / np.sum((truth - truth.mean()) ** 2)
    assert found.held_out["r2"] == pytest.approx(r2)


def test_what_cannot_be_fitted_is_said(tmp_path):
    known = sampled(100)
    with pytest.raises(ConfigError, match="20 architectures of 1 spaces"):
        fit_surrogate(known[:20], [1.0] * 20)
    with pytest.raises(ConfigError, match="0 architectures"):
        fit_surrogate(known, [float("nan")] * len(known))
    with pytest.raises(ConfigError, match="not positive"):
        fit_surrogate(known, [0.0] * len(known), log=True)
    model = fit_surrogate(known, [1.0] * len(known), trees=1)
    with pytest.raises(ConfigError, match="not nasbench_macro"):
        model.predict([nascout.space("nasbench_macro").sample(random.Random(0))])


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"trees": {}},
        {"trees": {"base": 0, "roots": [5], "feature": [], "left": [], "right": [], "value": []}},
        {
            "trees": {
                "base": 0,
                "roots": [0],
                "feature": [0],
                "left": [0],
                "right": [0],
                "value": [1],
            }
        },
        {"extra": 1},
    ],
)
def test_files_of_another_content_are_refused(tmp_path, change):
    known = sampled(100)
    path = fit_surrogate(known, [1.0] * len(known), trees=1).save(tmp_path / "model.json")
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | change))
    with pytest.raises(DataError, match="is no surrogate"):
        read_surrogate(path)
    path.write_text("no JSON")
    with pytest.raises(DataError, match="is no surrogate"):
        read_surrogate(path)
    with pytest.raises(DataError, match="no file"):
        read_surrogate(tmp_path / "nowhere.json")


def test_a_runs_own_results_are_fitted_to():
    known = sampled(120)
    trials = [
        Trial(i, Proposal(a, "train", epochs), Outcome.OK, {"val_accuracy": convolutions(a) * sign})
        for i, a in enumerate(known)
        for epochs, sign in ((1, -1.0), (5, 1.0))
    ]
    run = SimpleNamespace(trials=trials, config={"data": {"name": "digits"}})
    found = nascout.fit_surrogate(run, metric="val_accuracy", trees=300)
    assert found.target == "digits: val_accuracy"
    # Those of five epochs only: at one epoch the order is the other way round.
    assert found.held_out["count"] == len(known) // 10
    assert found.held_out["kendall"] > 0.7
    with pytest.raises(ConfigError, match="one of val_accuracy"):
        nascout.fit_surrogate(run)


@pytest.mark.slow
def test_accel_nasbench(shared_data):
    table = nascout.benchmark("accel_nasbench", shared_data / "accel_nasbench.parquet")
    accuracy = nascout.fit_surrogate(table, metric="accuracy")
    # The paper's XGBoost on all 5,125 configurations: .917.
    assert accuracy.held_out["kendall"] >= 0.91
    assert accuracy.held_out["count"] == len(table) // 10
    speed = nascout.fit_surrogate(
        table, metric="throughput_fps", device="zcu102", log=True, trees=800
    )
    # Ridge regression on pairs of decisions: .916.
    assert speed.held_out["kendall"] > 0.916
