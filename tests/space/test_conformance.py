"""The conformance battery: all spaces pass it, and a space with any one fault does not."""

import random
import re
import sys

import pytest

from nascout.errors import ArchitectureError
from nascout.graph import Builder, graph_cost
from nascout.graph.ops import Conv2d, GlobalAvgPool, Linear, ReLU
from nascout.space import SPACES, Architecture, Choice, Space, space
from nascout.testing.space import check_space


@pytest.fixture(scope="module", autouse=True)
def warm():
    """The first network that is built imports much of torch; that is no test's time."""
    space = SPACES["freeform"](channels=1, depth=1, input_shape=(1, 1, 1))
    check_space(space, samples=1, networks=1)


@pytest.mark.parametrize(
    ("name", "skeleton"),
    [
        ("nasbench201", {"channels": 2, "cells": 1, "classes": 3, "input_shape": (1, 5, 7)}),
        ("freeform", {"channels": 2, "depth": 4, "classes": 3, "input_shape": (2, 9, 6)}),
        ("freeform", {"channels": 1, "depth": 1, "classes": 2, "input_shape": (1, 1, 1)}),
        ("nasbench_macro", {"channels": 2, "classes": 3, "input_shape": (1, 9, 6)}),
        ("nasbench_macro", {"channels": 1, "classes": 2, "input_shape": (1, 1, 1)}),
        ("mnasnet", {"channels": 4, "classes": 3, "input_shape": (1, 9, 6)}),
        ("mnasnet", {"channels": 1, "activation": "relu", "input_shape": (3, 1, 1)}),
        ("transnasbench101_micro", {"channels": 2, "cells": 1, "input_shape": (1, 9, 6)}),
        ("transnasbench101_micro", {"channels": 1, "cells": 2, "input_shape": (3, 1, 1)}),
        ("transnasbench101_macro", {"channels": 2, "blocks": 1, "input_shape": (1, 9, 6)}),
        ("transnasbench101_macro", {"channels": 1, "blocks": 2, "input_shape": (3, 1, 1)}),
        ("nasbench101", {"channels": 8, "cells": 1, "classes": 3, "input_shape": (1, 9, 6)}),
        ("nasbench101", {"channels": 5, "stacks": 2, "cells": 1, "input_shape": (3, 1, 1)}),
        ("nats_size", {"classes": 3, "input_shape": (1, 9, 6)}),
        ("nats_size", {"input_shape": (3, 1, 1)}),
        ("enas_macro", {"layers": 5, "channels": 4, "classes": 3, "input_shape": (1, 9, 6)}),
        ("enas_macro", {"layers": 1, "channels": 2, "input_shape": (3, 1, 1)}),
        ("enas_macro", {"layers": 3, "channels": 2, "network": "search", "input_shape": (3, 5, 5)}),
        ("fbnet", {"channels": 4, "last": 16, "classes": 3, "input_shape": (1, 9, 6)}),
        ("fbnet", {"channels": 1, "last": 16, "input_shape": (3, 1, 1)}),
        ("nasrl", {"depth": 4, "filters": (2, 3), "classes": 3, "input_shape": (1, 9, 6)}),
        ("nasrl", {"depth": 3, "filters": (2,), "strides": (1, 2, 3), "input_shape": (1, 9, 6)}),
        ("nasrl", {"depth": 1, "input_shape": (3, 1, 1)}),
        ("proxylessnas", {"divisor": 8, "classes": 3, "input_shape": (1, 9, 6)}),
        ("proxylessnas", {"backbone": "gpu", "divisor": 400, "input_shape": (3, 1, 1)}),
        ("darts", {"channels": 2, "cells": 3, "classes": 3, "input_shape": (1, 9, 6)}),
        ("darts", {"channels": 1, "cells": 2, "imagenet_stem": True, "input_shape": (3, 1, 1)}),
        ("nasnet", {"channels": 2, "cells": 1, "blocks": 3, "input_shape": (1, 9, 6)}),
        ("nasnet", {"cells": 1, "blocks": 2, "concat": "all", "input_shape": (3, 9, 6)}),
        ("nasnet", {"cells": 1, "blocks": 1, "concat": "loose_ends", "input_shape": (3, 1, 1)}),
        ("amoebanet", {"channels": 2, "cells": 1, "blocks": 3, "input_shape": (1, 9, 6)}),
        ("pnas", {"channels": 2, "cells": 1, "blocks": 3, "input_shape": (1, 9, 6)}),
        ("pnas", {"cells": 1, "blocks": 2, "imagenet_stem": True, "input_shape": (3, 9, 6)}),
        ("enas_micro", {"channels": 2, "cells": 1, "blocks": 3, "input_shape": (1, 9, 6)}),
        ("enas_micro", {"channels": 1, "cells": 1, "blocks": 1, "input_shape": (3, 1, 1)}),
        ("darts_rnn", {"width": 3}),
        ("enas_rnn", {"width": 3}),
        ("enas_rnn", {"width": 1, "nodes": 1}),
        ("zoph_le_rnn", {"width": 3}),
        ("zoph_le_rnn", {"width": 1, "base": 1}),
    ],
)
def test_the_spaces_conform(name, skeleton):
    check_space(SPACES[name](**skeleton), samples=12)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nasbench201", "freeform", "nasbench_macro", "nasbench101"])
def test_the_spaces_conform_at_their_own_size(name):
    check_space(SPACES[name]())


class Toy(Space):
    """A layer or two; the second's width is asked only if it exists."""

    classes: int = 2
    input_shape: tuple[int, int, int] = (1, 4, 4)

    decisions = (
        Choice("op", ("conv", "relu")),
        Choice("layers", ("1", "2")),
        Choice("width", ("3", "4"), when=(("layers", ("2",)),)),
    )

    def graph(self, architecture):
        choice = architecture.choices
        g = Builder()
        x = g.input(self.input_shape)
        x = g.node(Conv2d(2, 3) if choice["op"] == "conv" else ReLU(), x, key="layer1")
        if choice["width"]:
            x = g.node(Conv2d(int(choice["width"]), 1), x, key="layer2")
        return g.graph(g.chain((GlobalAvgPool(), Linear(self.classes)), x, key="head"))


@pytest.fixture
def made():
    """``made(**overrides)``: a toy space with these members, registered until the test ends."""
    names = []

    def make(**overrides):
        # Dataclasses take fields from annotations, so each class repeats them.
        body = {"__annotations__": Toy.__annotations__, "__module__": __name__}
        body |= {"classes": 2, "input_shape": (1, 4, 4)} | overrides
        names.append("toy")
        return space("toy")(type("Broken", (Toy,), body))()

    yield make
    for name in names:
        SPACES._entries.pop(name)


def test_a_sound_toy_conforms(made):
    toy = made()
    assert toy.size == 6
    check_space(toy, samples=20)


def drop_layers(self, architecture):
    return Space.format(self, architecture).replace("layers=2", "layers=1").partition(",width")[0]


def read_anything(self, text):
    try:
        return Space.parse(self, text)
    except ArchitectureError:
        return self.sample(random.Random(0))


def misfit(self, architecture):
    g = Builder()
    x = g.input(self.input_shape)
    return g.graph(g.node(Linear(2), x, key="no pooling"))


def six_classes(self, architecture):
    g = Builder()
    return g.graph(g.chain((GlobalAvgPool(), Linear(6)), g.input(self.input_shape), key="head"))


def other_input(self, architecture):
    g = Builder()
    return g.graph(g.chain((GlobalAvgPool(), Linear(2)), g.input((3, 4, 4)), key="head"))


CALLS = iter(range(10**6))


def drifting(self, architecture):
    g = Builder()
    x = g.node(ReLU(), g.input(self.input_shape), key=f"relu{next(CALLS)}")
    return g.graph(g.chain((GlobalAvgPool(), Linear(2)), x, key="head"))


def every_option(self, architecture):
    return [1 for choice in self.decisions for _ in choice.options]


def first_of_each(self, code):
    return self._complete({})


def unchanged(self, architecture, rng):
    return architecture


def elsewhere(self, architecture, rng):
    other = type(self)(classes=3)
    return next(n for n in other.neighbours(Architecture(other, architecture.values)))


def unseeded(self, architecture, rng):
    return Space.mutate(self, architecture, random.Random(next(CALLS)))


def with_itself(self, architecture):
    yield architecture
    yield from Space.neighbours(self, architecture)


def doubled(self, architecture):
    yield from [*Space.neighbours(self, architecture)] * 2


def stranger(self, one, other, rng):
    return self.sample(rng)


def first_sample(self, rng):
    return Space.sample(self, random.Random(next(CALLS)))


def bad_picture(self, architecture):
    return misfit(self, architecture)


WAITS = (("width", ("3",)),)


@pytest.mark.parametrize(
    ("overrides", "what"),
    [
        ({"decisions": (Choice("op", ("a", "b")), Choice("op", ("a", "b")))}, "decisions"),
        ({"decisions": (Choice("op", ("a", "a")),)}, "decisions"),
        ({"decisions": (Choice("op", ()),)}, "decisions"),
        ({"decisions": (Choice("a", ("1",), WAITS), Choice("width", ("3",)))}, "decisions"),
        ({"decisions": (Choice("width", ("1",)), Choice("a", ("1",), WAITS))}, "decisions"),
        ({"sample": first_sample}, "sampling"),
        ({"size": 5}, "size"),
        ({"size": 7}, "size"),
        ({"parse": read_anything}, "parse"),
        ({"format": drop_layers}, "notation round trip"),
        ({"__hash__": lambda self: next(CALLS)}, "the space's own record"),
        ({"input_shape": [1, 4, 4]}, "the space's own record"),
        ({"encode": every_option}, "one-hot round trip"),
        ({"decode": first_of_each}, "one-hot round trip"),
        ({"graph": misfit}, "graph"),
        ({"graph": six_classes}, "graph"),
        ({"graph": other_input}, "graph"),
        ({"graph": drifting}, "graph"),
        ({"picture": bad_picture}, "graph"),
        ({"mutate": unchanged}, "mutation"),
        ({"mutate": elsewhere}, "mutation"),
        ({"mutate": unseeded}, "mutation"),
        ({"crossover": stranger}, "crossover"),
        ({"neighbours": with_itself}, "neighbours"),
        ({"neighbours": doubled}, "neighbours"),
        ({"neighbours": lambda self, architecture: iter(())}, "neighbours"),
    ],
)
def test_a_faulty_space_is_named(made, overrides, what):
    if isinstance(overrides.get("input_shape"), list):
        made_space = made()
        object.__setattr__(made_space, "input_shape", overrides["input_shape"])
    else:
        made_space = made(**overrides)
    with pytest.raises(AssertionError, match=re.escape(f"space 'toy' breaks {what!r}")) as error:
        check_space(made_space, samples=20)
    assert "\n" not in str(error.value)


def test_the_message_names_the_architecture(made):
    with pytest.raises(AssertionError, match=r"'mutation' for \('(conv|relu)', .*is its parent"):
        check_space(made(mutate=unchanged), samples=20)


def test_json_that_cannot_come_back(made):
    toy = made()
    SPACES._entries["toy"] = SPACES["nasbench201"]
    with pytest.raises(AssertionError, match=r"own record.*is another class"):
        check_space(toy)
    SPACES._entries["toy"] = type(toy)


def test_equal_digests_with_unequal_costs(made, monkeypatch):
    toy = made()
    # `nascout.space` is also a function of that name, so the module is reached by its own.
    module = sys.modules["nascout.space.architecture"]
    monkeypatch.setattr(module, "digest", lambda graph: "0" * 32)
    with pytest.raises(AssertionError, match="'equal digests mean equal params and MACs'"):
        check_space(toy, samples=20)


def test_costs_are_those_of_torch(made, monkeypatch):
    toy = made()
    monkeypatch.setattr(
        "nascout.testing.space.graph_cost",
        lambda graph: graph_cost(graph).__class__(1, 1, 1),
    )
    with pytest.raises(AssertionError, match=r"'network'.*parameters in torch, 1 in the graph"):
        check_space(toy, samples=20)
