"""Many architectures by several scores: together where possible, once each, stopped anywhere."""

import itertools
import math
import random
from dataclasses import replace

import pytest
import torch

from nascout.errors import ConfigError, GraphError, UnsupportedNetwork
from nascout.graph import graph_cost
from nascout.graph.function import function_digest
from nascout.records import Outcome
from nascout.run import scoring
from nascout.run.scoring import Scorer, find_digests, score_all
from nascout.run.value_file import ValueFile
from nascout.score.card import SCORES, Card
from nascout.train import Stopped

X, Y = torch.zeros(2, 1, 8, 8), torch.zeros(2, dtype=torch.int64)


@pytest.fixture
def architectures(space):
    """Seven by notation, in no order."""
    rng = random.Random(0)
    return {str(one): one for one in (space.sample(rng) for _ in range(7))}


@pytest.fixture
def expected(architectures):
    """Parameters of each, from the graph alone."""
    return {text: graph_cost(replace(one).graph()).params for text, one in architectures.items()}


@pytest.fixture
def file(tmp_path):
    return ValueFile(tmp_path / "values.jsonl", {})


class Toy:
    """Counts parameters, of a network or of many graphs, and remembers how it was asked."""

    def __init__(self):
        self.chunks, self.memory, self.single, self.dtypes = [], [], 0, set()

    def __call__(self, net, x):
        self.single += 1
        self.dtypes |= {p.dtype for p in net.parameters()}
        return sum(p.numel() for p in net.parameters())

    def at_once(self, graphs, x, y=None, *, seed, memory):
        self.chunks.append([])
        self.memory.append(memory)
        for graph in graphs:
            self.chunks[-1].append(graph)
            yield self.value(graph)

    def value(self, graph):
        return float(graph_cost(graph).params)


@pytest.fixture
def toy(monkeypatch):
    SCORES.load()
    toy = Toy()

    def at_once(*args, **options):
        return toy.at_once(*args, **options)

    card = Card("toy", toy, "inputs", True, "", "", at_once=at_once)
    monkeypatch.setitem(SCORES._entries, "toy", card)
    return toy


def values(file, name="toy"):
    return {digest: scores[name].value for digest, scores in file.known.items()}


def test_together_gives_every_value_and_builds_nothing(toy, architectures, expected, file):
    score_all(architectures, ["toy"], Scorer(X, Y, memory=12345), file)
    assert values(file) == expected
    assert (toy.single, len(toy.chunks), toy.memory) == (0, 1, [12345])
    assert values(ValueFile(file.path, {})) == expected
    assert all(scores["toy"].seconds > 0 for scores in file.known.values())


def test_chunks_hold_neighbours_and_no_graph_stays(toy, architectures, expected, file, monkeypatch):
    monkeypatch.setattr(scoring, "CHUNK", 3)
    score_all(architectures, ["toy"], Scorer(X, Y), file)
    assert values(file) == expected
    order = list(architectures.values())
    chunks = [sorted(order[i : i + 3], key=lambda one: one.values) for i in (0, 3, 6)]
    assert toy.chunks == [[replace(one).graph() for one in chunk] for chunk in chunks]
    assert not any("_graph" in vars(one) for one in architectures.values())


def test_what_cannot_be_done_together_is_done_alone(
    toy, architectures, expected, file, monkeypatch
):
    def value(graph):
        refused = len(toy.chunks[-1]) in (2, 5)
        return UnsupportedNetwork("no", "Alone.") if refused else expected_of(graph)

    expected_of = toy.value
    monkeypatch.setattr(toy, "value", value)
    score_all(architectures, ["toy"], Scorer(X, Y), file)
    assert values(file) == expected
    assert toy.single == 2


@pytest.mark.parametrize("error", [RuntimeError("hole"), MemoryError(), GraphError("no", "Mend.")])
def test_after_an_error_the_rest_is_done_alone(
    toy, architectures, expected, file, monkeypatch, error
):
    real = toy.value

    def value(graph):
        if len(toy.chunks[-1]) == 4:
            raise error
        return real(graph)

    monkeypatch.setattr(toy, "value", value)
    score_all(architectures, ["toy"], Scorer(X, Y), file)
    assert values(file) == expected
    assert toy.single == 7 - 3


def test_an_option_that_is_wrong_for_all_is_an_error(toy, architectures, file, monkeypatch):
    def value(graph):
        raise ConfigError("no such measure", "Give another.")

    monkeypatch.setattr(toy, "value", value)
    with pytest.raises(ConfigError, match="no such measure"):
        score_all(architectures, ["toy"], Scorer(X, Y), file)


def test_what_is_known_is_not_asked_for(toy, architectures, expected, file, monkeypatch):
    monkeypatch.setattr(scoring, "CHUNK", 3)
    some = dict(itertools.islice(architectures.items(), 5))
    score_all(some, ["toy"], Scorer(X, Y), file)
    told = []
    score_all(architectures, ["params", "toy"], Scorer(X, Y), file, advance=told.append)
    # The second chunk had two of its three, the last is new.
    assert [len(chunk) for chunk in toy.chunks] == [3, 2, 3, 1]
    assert values(file) == values(file, "params") == expected
    assert told == [""] * (2 + 7)


def test_last_digits_are_those_of_an_undisturbed_run(toy, architectures, tmp_path, monkeypatch):
    """They may depend on what was computed together."""
    monkeypatch.setattr(scoring, "CHUNK", 3)
    monkeypatch.setattr(toy, "value", lambda graph: len(toy.chunks[-1]) / 10 + len(graph.nodes))
    whole, grown, cut = (ValueFile(tmp_path / name, {}) for name in ("whole", "grown", "cut"))
    score_all(architectures, ["toy"], Scorer(X, Y), whole)
    for count in (2, 4, 7):
        some = dict(itertools.islice(architectures.items(), count))
        score_all(some, ["toy"], Scorer(X, Y), grown)
    asked = iter([*[False] * 4, True])
    with pytest.raises(Stopped):
        score_all(architectures, ["toy"], Scorer(X, Y), cut, should_stop=lambda: next(asked))
    score_all(architectures, ["toy"], Scorer(X, Y), cut)
    assert values(grown) == values(cut) == values(whole)


def test_a_network_fails_by_itself(toy, architectures, file, monkeypatch):
    def value(graph):
        return math.inf if len(toy.chunks[-1]) == 1 else UnsupportedNetwork("no", "Alone.")

    def broken(net, x):
        raise ValueError("a hole")

    monkeypatch.setattr(toy, "value", value)
    monkeypatch.setitem(SCORES._entries, "toy", replace(SCORES["toy"], function=broken))
    told = []
    score_all(architectures, ["toy"], Scorer(X, Y), file, advance=told.append)
    outcomes = [scores["toy"].outcome for scores in file.known.values()]
    assert outcomes == [Outcome.NONFINITE] + [Outcome.FAILED] * 6
    assert told == ["toy: nonfinite"] + ["toy: failed"] * 6
    assert all("a hole" in list(file.known.values())[i]["toy"].message for i in range(1, 7))


def test_networks_have_the_precision_of_the_batch(toy, architectures, file, monkeypatch):
    monkeypatch.setitem(SCORES._entries, "toy", replace(SCORES["toy"], at_once=None))
    some = dict(itertools.islice(architectures.items(), 1))
    score_all(some, ["toy"], Scorer(X.bfloat16(), Y), file)
    assert toy.dtypes == {torch.bfloat16}


def test_the_disk_is_waited_for_about_once_a_second(
    toy, architectures, expected, file, monkeypatch
):
    writes = []
    real = ValueFile.add_scores

    def add_scores(self, found):
        writes.append(len(found))
        real(self, found)

    monkeypatch.setattr(ValueFile, "add_scores", add_scores)
    monkeypatch.setattr(scoring, "PATIENCE", math.inf)
    score_all(architectures, ["toy"], Scorer(X, Y), file)
    monkeypatch.setattr(scoring, "PATIENCE", -1)
    monkeypatch.setattr(file, "known", {})
    score_all(architectures, ["toy"], Scorer(X, Y), file)
    assert writes == [7, 1, 1, 1, 1, 1, 1, 1]
    assert values(file) == expected


def test_a_stop_keeps_what_is_finished(toy, architectures, expected, file):
    asked = iter([False, False, True])
    with pytest.raises(Stopped):
        score_all(architectures, ["toy"], Scorer(X, Y), file, should_stop=lambda: next(asked))
    again = ValueFile(file.path, {})
    assert len(again.known) == 3
    score_all(architectures, ["toy"], Scorer(X, Y), again)
    assert values(again) == expected


def test_a_crash_keeps_what_is_finished(toy, architectures, file, monkeypatch):
    real = toy.value

    def value(graph):
        if len(toy.chunks[-1]) == 6:
            raise KeyboardInterrupt
        return real(graph)

    monkeypatch.setattr(toy, "value", value)
    with pytest.raises(KeyboardInterrupt):
        score_all(architectures, ["toy"], Scorer(X, Y), file)
    assert len(ValueFile(file.path, {}).known) == 5


def test_cut_off_at_any_byte_and_gone_on(toy, architectures, file, tmp_path):
    find_digests(architectures, file)
    find_digests(architectures, file, functions=True)
    score_all(architectures, ["toy"], Scorer(X, Y), file)
    whole, undisturbed = file.path.read_bytes(), ValueFile(file.path, {})
    path = tmp_path / "cut.jsonl"
    for end in range(0, len(whole), 311):
        path.write_bytes(whole[:end])
        cut = ValueFile(path, {})
        find_digests(architectures, cut)
        find_digests(architectures, cut, functions=True)
        score_all(architectures, ["toy"], Scorer(X, Y), cut)
        again = ValueFile(path, {})
        assert (again.digests, again.known) == (undisturbed.digests, undisturbed.known)
        assert again.functions == undisturbed.functions


def test_digests_are_those_of_the_architectures_and_found_once(architectures, file, monkeypatch):
    find_digests(architectures, file)
    assert not any("_graph" in vars(one) for one in architectures.values())
    assert file.digests == {text: one.digest for text, one in architectures.items()}

    def never(architecture):
        raise AssertionError

    monkeypatch.setattr(scoring, "network_digest", never)
    find_digests(architectures, ValueFile(file.path, {}))


def test_function_digests_are_those_of_the_graphs(architectures, file):
    find_digests(architectures, file, functions=True)
    expected = {text: function_digest(replace(one).graph()) for text, one in architectures.items()}
    assert ValueFile(file.path, {}).functions == file.functions == expected
    assert not file.digests and not any("_graph" in vars(one) for one in architectures.values())


def test_an_architecture_without_a_network_has_its_notation(architectures, file, monkeypatch):
    def graph(self, architecture):
        raise GraphError("too small an image", "Give a larger one.")

    monkeypatch.setattr(type(next(iter(architectures.values())).space), "graph", graph)
    for functions in (False, True):
        find_digests(architectures, file, functions=functions)
    assert len(set(file.digests.values())) == len(architectures)
    assert file.functions == file.digests


@pytest.mark.slow
def test_processes_give_the_same(architectures, tmp_path):
    names = ["params", "naswot"]
    scorer = Scorer(torch.randn(8, 1, 8, 8, generator=torch.Generator().manual_seed(0)), Y)
    one, two = (ValueFile(tmp_path / name, {}) for name in ("one", "two"))
    for jobs, file in ((1, one), (2, two)):
        find_digests(architectures, file, jobs=jobs)
        score_all(architectures, names, scorer, file, jobs=jobs)
    assert two.digests == one.digests
    for text in architectures:
        for name in names:
            assert two.known[text][name].value == pytest.approx(one.known[text][name].value)
