"""The free-form space: decisions that depend on others, odd sizes, the paper's rules."""

import itertools
import random
from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nascout.errors import ArchitectureError, ConfigError, UnknownName
from nascout.graph.ops import Concat
from nascout.space import SPACES, Architecture

FREE = SPACES["freeform"]


@pytest.fixture(scope="module")
def space():
    return FREE(channels=2, depth=5, classes=3, input_shape=(1, 9, 7))


def test_layers_that_do_not_exist_are_not_asked(space):
    rng = random.Random(0)
    for _ in range(50):
        choices = space.sample(rng).choices
        layers = int(choices["layers"])
        for layer in range(1, 6):
            names = [f"op{layer}", f"stride{layer}", f"join{layer}", f"0->{layer}"]
            assert {choices[n] is None for n in names} == {layer > layers}
            pool = choices[f"op{layer}"] in ("max_pool_3x3", "avg_pool_3x3")
            assert (choices[f"width{layer}"] is None) == (layer > layers or pool)


def test_size_by_brute_force():
    """depth=2 has two layers always: 22 options times 2^layer skips, by hand and one by one."""
    space = FREE(depth=2)
    layer = (3 * 3 + 2) * 2 * 2
    assert space.size == (layer * 2) * (layer * 2**2) == 15_488
    per_layer = [
        [
            (op, width, stride, join, *skips)
            for op in ("conv_1x1", "conv_3x3", "sep_conv_3x3", "max_pool_3x3", "avg_pool_3x3")
            for width in (("1", "2", "4") if "conv" in op else (None,))
            for stride in "12"
            for join in ("add", "concat")
            for skips in itertools.product(("no", "yes"), repeat=depth)
        ]
        for depth in (1, 2)
    ]
    expected = {("2", *a, *b) for a, b in itertools.product(*per_layer)}
    assert {arch.values for arch in space} == expected


def test_size_of_the_default_is_a_sum_over_depths():
    expected = sum(prod(44 * 2**layer for layer in range(1, n + 1)) for n in range(3, 9))
    assert FREE().size == expected


@given(
    st.integers(0, 10**6),
    st.integers(1, 3),
    st.integers(1, 33),
    st.integers(1, 33),
    st.integers(1, 8),
)
def test_every_architecture_fits_every_input(seed, channels, height, width, depth):
    space = FREE(channels=3, depth=depth, classes=4, input_shape=(channels, height, width))
    arch = space.sample(random.Random(seed))
    assert arch.graph().shapes[-1] == (4,)
    assert len(arch.graph().outputs) == 1


@given(st.integers(0, 10**6))
def test_text_json_and_code_round_trips(space, seed):
    arch = space.sample(random.Random(seed))
    assert space.parse(str(arch)) == arch
    back = Architecture.from_json(arch.to_json())
    assert back == arch
    assert (hash(back), back.digest) == (hash(arch), arch.digest)
    assert space.decode(space.encode(arch)) == arch
    assert sum(space.encode(arch)) == sum(v is not None for v in arch.values)


def build(space, **changed):
    """Three plain layers in a row, but for ``changed`` (names with ``to`` for ``->``)."""
    choices = {"layers": "3"}
    for layer in (1, 2, 3):
        choices |= {f"op{layer}": "conv_3x3", f"width{layer}": "1", f"stride{layer}": "1"}
        choices |= {f"join{layer}": "add"} | {f"{s}->{layer}": "no" for s in range(layer)}
    return space.architecture(choices | {k.replace("to", "->"): v for k, v in changed.items()})


def test_a_layer_that_reads_nothing_reads_the_one_before(space):
    plain = build(space)
    said = build(space, **{"0to1": "yes", "1to2": "yes", "2to3": "yes"})
    assert said != plain
    assert said.digest == plain.digest
    assert build(space, **{"0to2": "yes", "1to2": "yes"}).digest != plain.digest


def test_loose_ends_are_joined_before_the_head(space):
    """Layers 1 and 2 are read by nobody: they and 3 are concatenated (rule 2 of the paper)."""
    arch = build(space, **{"0to1": "yes", "0to2": "yes", "0to3": "yes"}, width2="2", width3="4")
    graph = arch.graph()
    (join,) = [i for i, node in enumerate(graph) if node.key == "head/join"]
    assert isinstance(graph.nodes[join].op, Concat)
    assert graph.shapes[join].channels == 2 + 4 + 8


def test_equal_layers_may_be_numbered_either_way(space):
    """2 and 3 both read 1 and are then added up by 4: which is which does not count."""

    def two_branches(first, second):
        choices = dict(build(space).choices) | {"layers": "4", "op2": first, "op3": second}
        choices |= {"width2": "1", "width3": "1", "1->3": "yes", "op4": "conv_1x1", "width4": "1"}
        choices |= {"stride4": "1", "join4": "add", "0->4": "no", "1->4": "no"}
        return space.architecture(choices | {"2->4": "yes", "3->4": "yes"}).digest

    assert two_branches("conv_1x1", "conv_3x3") == two_branches("conv_3x3", "conv_1x1")
    assert two_branches("conv_1x1", "conv_1x1") != two_branches("conv_1x1", "conv_3x3")


def test_mutating_the_depth_keeps_what_is_shared(space):
    rng = random.Random(0)
    arch = build(space)
    deeper = [m for m in (space.mutate(arch, rng) for _ in range(300)) if m.values[0] != "3"]
    assert deeper
    shared = [c.name for c in space.decisions if c.name[-1] in "123"]
    for mutant in deeper:
        assert all(mutant.choices[name] == arch.choices[name] for name in shared)
        assert mutant.choices["op4"] is not None


def test_mutating_to_a_pool_closes_its_width(space):
    near = [n for n in space.neighbours(build(space)) if n.choices["op1"] == "max_pool_3x3"]
    assert [n.choices["width1"] for n in near] == [None]


def test_crossover_of_unequal_depths(space):
    rng = random.Random(0)
    for _ in range(100):
        one, other = space.sample(rng), space.sample(rng)
        child = space.crossover(one, other, rng)
        for name, value in child.choices.items():
            parents = {one.choices[name], other.choices[name]} - {None}
            assert value is None or not parents or value in parents


def test_messages_name_the_decision(space):
    with pytest.raises(ArchitectureError, match=r"'op1' of freeform cannot be 'conv_9x9'"):
        build(space, op1="conv_9x9")
    with pytest.raises(ArchitectureError, match=r"'width1' of freeform cannot be '1'.*None"):
        build(space, op1="max_pool_3x3")
    with pytest.raises(ArchitectureError, match=r"no decision 'op99'.*Write it like layers="):
        space.parse("layers=3,op99=conv_1x1")
    with pytest.raises(ArchitectureError, match=r"'op1' of freeform cannot be None"):
        space.parse("layers=3")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"space": "freeform"}', '"freeform"'])
def test_json_of_something_else(text):
    with pytest.raises(ArchitectureError, match="not an architecture in JSON"):
        Architecture.from_json(text)


def test_json_of_an_unknown_space(space):
    text = space.sample(random.Random(0)).to_json().replace("freeform", "freefrom")
    with pytest.raises(UnknownName, match="Did you mean freeform"):
        Architecture.from_json(text)


@pytest.mark.parametrize(
    "skeleton", [{"depth": 0}, {"channels": -1}, {"classes": 0}, {"input_shape": (3, 0, 8)}]
)
def test_sizes_below_one_are_refused(skeleton):
    with pytest.raises(ConfigError, match=f"freeform: {next(iter(skeleton))} = "):
        FREE(**skeleton)
