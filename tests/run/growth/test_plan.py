import pytest

from nascout.errors import ConfigError, UnknownName
from nascout.run.growth.plan import Budget, Epochs, GrowthPlan, recipe_for
from nascout.train import recipes


@pytest.mark.parametrize(
    ("text", "amount", "unit"),
    [
        ("2h", 7200, "seconds"),
        ("1.5 h", 5400, "seconds"),
        ("30m", 1800, "seconds"),
        ("30 min", 1800, "seconds"),
        ("90s", 90, "seconds"),
        ("12 children", 12, "children"),
        ("1 child", 1, "children"),
        ("7", 7, "children"),
        (7, 7, "children"),
    ],
)
def test_budgets(text, amount, unit):
    assert Budget.parse(text) == Budget(amount, unit)


@pytest.mark.parametrize("text", ["", "0", "0h", "-3", "2 days", "1.5 children", "1.5", "h"])
def test_budgets_that_mean_nothing(text):
    with pytest.raises(ConfigError, match="2h"):
        Budget.parse(text)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"objective": "accuracy"}, ConfigError),
        ({"at_once": 0}, ConfigError),
        ({"inputs": 0}, ConfigError),
        ({"method": "petri"}, UnknownName),
        ({"operations": ("sep7",)}, UnknownName),
    ],
)
def test_options_that_mean_nothing(options, error):
    with pytest.raises(error):
        GrowthPlan(**options)


def test_epochs_that_train_nothing():
    with pytest.raises(ConfigError, match="at least one"):
        Epochs(0, 4, 0)


def test_a_recipe_loses_what_needs_a_graph_of_ours():
    assert recipes["petridish"].drop_path is not None
    assert recipe_for("petridish").drop_path is None
    assert recipe_for("petridish").lr == recipes["petridish"].lr
    assert recipe_for("growth").lr == 0.025
