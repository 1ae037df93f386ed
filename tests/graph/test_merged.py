"""Merged graphs hold everything once, and nothing else."""

import random

import pytest

from nascout.graph import Builder
from nascout.graph.lockstep import lockstep
from nascout.graph.merged import merge
from nascout.graph.ops import BatchNorm, Conv2d, ReLU, Zero
from nascout.space import SPACES

CONV = Conv2d(3, 3)


def cells(count, **skeleton):
    space = SPACES["nasbench201"](channels=4, cells=1, input_shape=(3, 8, 8), **skeleton)
    return [space.sample(random.Random(seed)).graph() for seed in range(count)]


def chain(*ops, key="c"):
    g = Builder()
    return g.graph(g.chain(ops, g.input((3, 8, 8)), key=key))


def test_a_graph_twice_is_there_once():
    graph = cells(1)[0]
    assert len(merge([graph, graph]).slots) == len(merge([graph]).slots)


def test_weights_of_another_key_are_other_weights():
    assert len(merge([chain(CONV), chain(CONV, key="d")]).slots) == 3
    assert len(merge([chain(ReLU()), chain(ReLU(), key="d")]).slots) == 2


def test_the_order_of_a_sum_does_not_count():
    def total(*order):
        g = Builder()
        x = g.input((3, 8, 8))
        terms = {key: g.node(CONV, x, key=key) for key in "ab"}
        return g.graph(g.add(*(terms[key] for key in order), key="sum"))

    assert len(merge([total("a", "b"), total("b", "a")]).slots) == 4


def test_zeros_are_dropped_from_sums_and_handed_on():
    g = Builder()
    x = g.input((3, 8, 8))
    zero = g.chain((Zero(), ReLU()), x, key="z")
    merged = merge([g.graph(g.add(zero, x, key="sum"))])
    assert merged.outputs[0] == merged.places[0][:1]  # the sum is the input
    assert [type(slot.op).__name__ for slot in merged.slots] == ["Input", "Zero"]


def test_zeros_of_one_shape_are_one_and_a_sum_of_them_is_it():
    g = Builder()
    x = g.input((3, 8, 8))
    zeros = [g.node(Zero(), x, key=key) for key in "ab"]
    merged = merge([g.graph(g.add(*zeros, key="sum")), chain(Zero())])
    assert merged.outputs[0] == merged.outputs[1]
    assert [type(slot.op).__name__ for slot in merged.slots] == ["Input", "Zero"]


def test_what_learns_may_turn_zeros_into_something_else():
    merged = merge([chain(Zero(), BatchNorm())])
    assert [type(slot.op).__name__ for slot in merged.slots] == ["Input", "Zero", "BatchNorm"]


def test_operations_left_out_pass_their_input_on():
    merged = merge([chain(CONV, ReLU(), CONV)], without=(ReLU,))
    assert [slot.inputs for slot in merged.slots] == [(), (0,), (1,)]


def test_what_no_output_depends_on_is_left_out():
    g = Builder()
    x = g.input((3, 8, 8))
    g.node(CONV, x, key="dead")
    merged = merge([g.graph(g.node(ReLU(), x, key="live"))])
    assert merged.places[0].count(-1) == 1
    assert len(merged.slots) == 2


@pytest.mark.parametrize("width", [1, 3, 8])
def test_levels_hold_every_slot_once_after_what_it_reads(width):
    merged = merge(cells(6))
    steps = list(lockstep(merged, lambda slot: width))
    seen: set[int] = set()
    for step in steps:
        assert len(step) <= width
        assert all(seen.issuperset(merged.slots[index].inputs) for index in step)
        assert len({(merged.slots[i].op, merged.slots[i].key) for i in step}) == 1
        seen.update(step)
    assert sorted(i for step in steps for i in step) == list(range(len(merged.slots)))


def test_the_peak_of_a_chain_is_a_map_and_what_is_made_of_it():
    # 3 x 8 x 8 in, 5 x 8 x 8 out: both are there at once.
    assert merge([chain(Conv2d(5, 3))]).peak() == (3 + 5) * 64
