import pytest

from nascout.comparison.contender import read_contenders
from nascout.errors import ConfigError, UnknownName
from nascout.records import Objective
from nascout.search.evolution import RegularisedEvolution
from nascout.search.random_search import RandomSearch


def read(*given, **options):
    return read_contenders(given, **{"fitness_epochs": 12, **options})


def test_a_text_is_label_name_and_knobs():
    [one] = read("REA, P = 20=regularised_evolution:population=20,tournament=5,epochs=200")
    assert one.label == "REA, P = 20"
    assert one.strategy == RegularisedEvolution(population=20, tournament=5, epochs=200)


def test_knobs_are_read_by_their_types():
    [one] = read("reinforce:learning_rate=1e-2")
    assert one.strategy.learning_rate == 0.01
    [one] = read("local_search:first_improvement=true,objectives=max:naswot+min:params")
    assert one.strategy.first_improvement is True
    assert one.strategy.objectives == (Objective("naswot", True), Objective("params", False))


def test_epochs_are_those_of_the_comparison_unless_given():
    texts = ("a=random", "b=random:epochs=0,budget=7", "c=area")
    assert [one.strategy.epochs for one in read(*texts)] == [12, 0, 12]
    assert read(RandomSearch(epochs=3))[0].strategy.epochs == 3


def test_whose_budget_counts():
    """``limited``: what is simulated for 50 evaluations of a table of 1000."""

    def budget(given, evaluations=50):
        [one] = read(given)
        return one.limited(evaluations, 1000).budget

    assert budget("random") == budget("hyperband") == budget(RandomSearch(epochs=12)) == 1000
    assert budget("random:budget=30") == budget("hyperband:budget=30") == 30
    assert budget("random:epochs=0") == 50
    assert budget("random:epochs=0,budget=300") == budget(RandomSearch(budget=300)) == 300
    assert budget("successive_halving:budget=9") == 9


def test_a_search_by_score_needs_a_budget_where_time_is_the_limit():
    with pytest.raises(ConfigError, match=r"naswot trains nothing.*budget=1000"):
        read("naswot=random:epochs=0", unit="seconds")
    assert read("naswot=random:epochs=0,budget=10", unit="seconds")[0].budget == 10


@pytest.mark.parametrize(
    ("given", "needs"),
    [
        ("random", ()),
        ("random:epochs=0,objectives=max:naswot", ("naswot",)),
        ("area:objectives=max:naswot", ("naswot",)),
        ("regularised_evolution:warm_up=30,objectives=max:zen", ("zen",)),
        ("hyperband:objectives=max:zen", ()),
        ("nsga2:objectives=max:zen+min:latency_ms", ("latency_ms",)),
        ("funnel:objectives=max:zen+min:params", ("zen", "params")),
    ],
)
def test_what_is_looked_at(given, needs):
    assert read(given)[0].needs == needs


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        (["regularized_evolution"], UnknownName, "Did you mean regularised_evolution"),
        (["random:population=3"], ConfigError, "random has no knob 'population'. It has budget"),
        (["random:budget"], ConfigError, "malformed knob 'budget'"),
        (["random:budget=many"], ConfigError, "budget = 'many'. Give a whole number"),
        (["local_search:first_improvement=1"], ConfigError, "true or false"),
        (["a:b=c:d=e=f", "=random"], UnknownName, "unknown strategy 'a'"),
        (["=random"], ConfigError, "malformed strategy"),
        (["random", "random:budget=5"], ConfigError, "two strategies are called 'random'"),
    ],
)
def test_mistakes_say_what_there_is(given, error, words):
    with pytest.raises(error, match=words):
        read(*given)


def test_a_dict_gives_labels():
    found = read_contenders({"x": "random", "y": RandomSearch(epochs=1)}, fitness_epochs=12)
    assert [(one.label, one.strategy.epochs) for one in found] == [("x", 12), ("y", 1)]
