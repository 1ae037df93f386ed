"""The front door of scoring: forms of input and output, seeds, and how failures are told."""

import statistics

import pytest
import torch
from torch import nn

from nascout.errors import ConfigError, UnknownName, UnsupportedNetwork
from nascout.network import build
from nascout.network.cost import network_cost
from nascout.records import Outcome, Score
from nascout.score.card import SCORES, Card
from nascout.score.evaluate import evaluate, resolve
from nascout.score.naswot import naswot
from nascout.space.nasbench201 import NasBench201

SPACE = NasBench201(channels=4, cells=1, input_shape=(1, 8, 8))
CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|nor_conv_1x1~0|avg_pool_3x3~1|nor_conv_3x3~2|"
ARCHES = [SPACE.parse(CELL), SPACE.parse(CELL.replace("none", "nor_conv_3x3"))]
X = torch.randn(8, 1, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def toy(monkeypatch):
    """Registers a card for one test only."""

    def register(function, needs="inputs"):
        SCORES.load()
        monkeypatch.setitem(SCORES._entries, "toy", Card("toy", function, needs, True, "", ""))

    return register


def test_one_network_and_one_name_give_a_score():
    net = build(ARCHES[0])
    score = evaluate(net, X, "naswot")
    assert score == Score("naswot", naswot(net, X), True, per_seed=(naswot(net, X),))
    assert score.seconds > 0 and float(score) == score.value


def test_the_default_needs_nothing_but_the_network():
    assert evaluate(ARCHES[0]) == evaluate(ARCHES[0], X, "independence")


def test_names_give_a_dict_and_networks_a_list():
    names = ["naswot", "params"]
    both = evaluate(ARCHES[0], X, names)
    assert list(both) == names and both["params"] == evaluate(ARCHES[0], X, "params")
    assert evaluate(ARCHES, X, "params") == [evaluate(a, X, "params") for a in ARCHES]
    assert evaluate((ARCHES[0],), X, names) == [both]
    assert evaluate([], X, names) == []


def test_all_names_every_score_once():
    assert sorted(evaluate(ARCHES[0], X, "all", labels=torch.arange(8))) == sorted(SCORES)
    assert [card.name for card in resolve(["naswot", "params", "naswot"])] == [
        "naswot",
        "params",
    ]


def test_an_architecture_is_built_from_each_seed():
    score = evaluate(ARCHES[0], X, "naswot", seeds=3)
    assert list(score.per_seed) == [naswot(build(ARCHES[0], seed), X) for seed in range(3)]
    assert score.value == pytest.approx(statistics.mean(score.per_seed))
    assert score.spread == pytest.approx(statistics.stdev(score.per_seed))
    assert len(set(score.per_seed)) == 3


def test_a_module_keeps_its_weights_whatever_the_seeds():
    assert len(evaluate(build(ARCHES[0], 5), X, seeds=3).per_seed) == 1


def test_a_function_is_called_with_every_seed_and_torch_seeded():
    seeds = []

    def make(seed):
        seeds.append(seed)
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 9), nn.ReLU(), nn.Linear(9, 2))

    before = torch.get_rng_state()
    score = evaluate(make, X, "naswot", seeds=3)
    assert seeds == [0, 1, 2] and torch.equal(torch.get_rng_state(), before)
    expected = []
    for seed in range(3):
        torch.manual_seed(seed)
        expected.append(naswot(make(seed), X))
    assert list(score.per_seed) == expected and len(set(expected)) == 3
    assert [one.value for one in evaluate([make, ARCHES[0]], X, "naswot")] == [
        expected[0],
        evaluate(ARCHES[0], X, "naswot").value,
    ]


def test_a_class_is_no_network():
    with pytest.raises(UnsupportedNetwork, match="cannot score a type"):
        evaluate(nn.Identity, X)


def test_an_architecture_takes_the_precision_of_the_batch():
    score = evaluate(ARCHES[0], X.double(), "naswot")
    assert score.value == naswot(build(ARCHES[0], dtype=torch.float64), X.double())


def test_counts_need_no_batch_for_an_architecture_and_agree_with_the_cost():
    cost = network_cost(ARCHES[0])
    values = evaluate(ARCHES[0], None, ["params", "macs"])
    assert (values["params"].value, values["macs"].value) == (cost.params, cost.macs)


def test_counts_of_a_foreign_module():
    """A convolution (3·8·9 + 8 values) on 4×4 positions; tokens through an embedding."""
    conv = nn.Conv2d(3, 8, 3, padding=1)
    assert evaluate(conv, torch.zeros(2, 3, 4, 4), "macs").value == (216 + 8) * 16
    assert evaluate(conv, None, "params").value == 224
    found = evaluate(conv, None, "macs")
    assert found.outcome is Outcome.UNSUPPORTED
    assert "input_shape" in found.message
    tokens = nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 2))
    assert evaluate(tokens, torch.zeros(2, 5, dtype=torch.long), "macs").value == 5 * (4 * 2 + 2)


def test_shared_parameters_count_once():
    one = nn.Linear(3, 3, bias=False)
    assert evaluate(nn.Sequential(one, nn.ReLU(), one), None, "params").value == 9


@pytest.mark.parametrize("name", ["naswot", "epsilon"])
def test_a_missing_batch_is_named(name):
    with pytest.raises(ConfigError, match=f"{name} needs a batch"):
        evaluate(ARCHES[0], None, name)


def test_missing_labels_are_named(toy):
    toy(lambda net, x, y: float(y.sum()), needs="labels")
    with pytest.raises(ConfigError, match="toy needs labels"):
        evaluate(ARCHES[0], X, "toy")
    assert evaluate(ARCHES[0], X, "toy", labels=torch.arange(8)).value == 28


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(UnknownName, match="Did you mean naswot"):
        evaluate(ARCHES[0], X, "naswto")
    with pytest.raises(UnsupportedNetwork, match="cannot score a int"):
        evaluate(3, X)
    with pytest.raises(ConfigError, match="at least one seed"):
        evaluate(ARCHES[0], X, seeds=0)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried much\nand more"),
        MemoryError("CUDA out of memory. Tried much"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_a_lack_of_memory_is_an_outcome(toy, error):
    def full(net, x):
        raise error

    toy(full)
    score = evaluate(ARCHES[0], X, "toy")
    assert score.outcome is Outcome.OOM and score.value != score.value
    assert score.message == str(error).partition("\n")[0]


def test_any_other_error_gets_out(toy):
    toy(lambda net, x: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        evaluate(ARCHES[0], X, "toy")


def test_one_value_that_is_not_finite_is_an_outcome(toy):
    values = iter([1.0, float("inf")])
    toy(lambda net, x: next(values))
    score = evaluate(ARCHES[0], X, "toy", seeds=2)
    assert score.outcome is Outcome.NONFINITE and score.per_seed == (1.0, float("inf"))


def test_a_name_is_registered_once(toy):
    toy(lambda net, x: 0.0)
    with pytest.raises(ValueError, match="registered twice"):
        SCORES.add("toy", SCORES["toy"])
