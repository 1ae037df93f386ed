"""NEAT's formulas by hand: the distance, sharing of fitness, species."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nascout.errors import ConfigError
from nascout.search.neat import Neat
from nascout.search.neat_genes import Genes, distance, genes
from nascout.search.neat_species import Member, Species, apportion, offspring, speciate
from nascout.space.growing import Growing
from nascout.space.nasbench101 import NasBench101
from nascout.space.nasbench201 import NasBench201

NUMBERS = {n: n for n in range(60)}
# The two parents of figure 4 of the paper: 8 is disjoint, so are 6 and 7; 9 and 10 are excess.
FIRST = Genes((1, 2, 3, 4, 5, 8), {})
SECOND = Genes((1, 2, 3, 4, 5, 6, 7, 9, 10), {})


def test_distance_of_the_papers_figure():
    assert distance(FIRST, SECOND, NUMBERS) == distance(SECOND, FIRST, NUMBERS) == 5.0
    assert distance(FIRST, SECOND, NUMBERS, excess=10.0) == 2 * 10 + 3
    assert distance(FIRST, SECOND, NUMBERS, disjoint=10.0) == 2 + 3 * 10


def test_large_genomes_are_measured_by_their_size():
    """N is 1 while both have fewer than 20 genes, else the larger number of genes."""
    few, many = Genes(tuple(range(16)), {}), Genes(tuple(range(19)), {})
    assert distance(few, many, NUMBERS) == 3
    assert distance(few, Genes(tuple(range(20)), {}), NUMBERS) == 4 / 20
    some = Genes((*range(10), *range(30, 40)), {})
    assert distance(some, Genes(tuple(range(25)), {}), NUMBERS) == pytest.approx((10 + 15) / 25)


def test_what_matching_layers_are_is_averaged():
    """Two of three attributes differ in one layer, none in another: (2/3 + 0) / 2."""
    one = Genes((), {"a": ("conv", 1, 1), "b": ("pool", 2, 1), "c": ("conv", 1, 1)})
    other = Genes((), {"a": ("pool", 2, 1), "b": ("pool", 2, 1), "d": ("conv", 1, 1)})
    assert distance(one, other, {}, difference=3.0) == pytest.approx(1.0)
    assert distance(one, Genes((), {}), {}) == 0.0


def test_genes_of_growth_are_edges_and_layers():
    """A layer more: two edges that the smaller one lacks, younger than all that it has."""
    space = Growing(channels=4)
    small = genes(space.parse("out<in"))
    large = genes(space.parse("0569d752:conv_3x3*1/1<in|out<-in,0569d752"))
    other = genes(space.parse("0569d752:conv_1x1*1/2<in|out<in,0569d752"))
    numbers = {("in", "out"): 0, ("in", "0569d752"): 1, ("0569d752", "out"): 2}
    assert distance(small, large, numbers) == 2.0
    assert distance(large, other, numbers, difference=0.6) == pytest.approx(0.6 * 2 / 3)


def test_genes_of_other_spaces_are_the_open_decisions():
    space = NasBench201()
    one, other = (space.parse(str(space.decode(code))) for code in ([1.0] + [0.0] * 29, [0.0] * 30))
    assert one == other  # the first options
    neighbour = next(iter(space.neighbours(one)))
    numbers = {choice.name: i for i, choice in enumerate(space.decisions)}
    assert distance(genes(one), genes(neighbour), numbers, difference=6.0) == pytest.approx(1.0)


def members(*losses, gene=0):
    return tuple(Member(None, Genes((gene,), {}), loss) for loss in losses)


def species(*losses, **more):
    return Species(Genes((), {}), members(*losses), min(losses), **more)


def test_a_species_is_worth_the_mean_of_its_members():
    """Ranks 6, 5 and 4, 3, 2, 1: means 5.5 and 2.5, so 10 children are 6.875 and 3.125."""
    assert offspring([species(1, 2), species(3, 4, 5, 6)], 10, 15) == [7, 3]
    # Without sharing the larger one would have 10 / 21 of them; with it, size does not count.
    assert offspring([species(1), species(1, 1, 1, 1)], 10, 15) == [5, 5]


def test_without_progress_there_are_no_children_unless_it_is_the_best():
    assert offspring([species(1), species(2, unimproved=15)], 8, 15) == [8, 0]
    assert offspring([species(2), species(1, unimproved=15)], 9, 15) == [3, 6]


LOSSES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=6)


@given(st.lists(LOSSES, min_size=1, max_size=8), st.integers(1, 200), st.integers(0, 30))
def test_offspring_are_as_many_as_the_population(groups, count, unimproved):
    all_ = [species(*sorted(losses), unimproved=i * unimproved) for i, losses in enumerate(groups)]
    numbers = offspring(all_, count, 15)
    assert sum(numbers) == count and min(numbers) >= 0


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=9), st.integers(0, 300))
def test_shares_are_rounded_by_less_than_one(shares, count):
    numbers = apportion(shares, count)
    assert sum(numbers) == count
    for share, number in zip(shares, numbers, strict=True):
        assert abs(number - count * share / sum(shares)) < 1 + 1e-9


def test_members_join_the_first_species_that_fits():
    """Compatible: less than 2 apart. 5 fits nowhere and founds a species, which 6 then joins."""
    old = [Species(Genes((0,), {})), Species(Genes((1,), {})), Species(Genes((9,), {}))]
    new = [members(loss, gene=gene)[0] for loss, gene in [(3, 1), (2, 2), (1, 5), (0, 6), (4, 0)]]
    found = speciate(old, new, lambda a, b: abs(a.structure[0] - b.structure[0]) < 2)
    grouped = [[m.genes.structure[0] for m in one.members] for one in found]
    assert grouped == [[1, 0], [2], [6, 5]]  # nobody joins 9; the best first
    assert [one.representative.structure for one in found] == [(1,), (2,), (6,)]


def test_progress_is_a_lower_loss_than_ever():
    old = [Species(Genes((0,), {}), best=5.0, unimproved=3)]
    for losses, expected in [((6.0, 5.0), (5.0, 4)), ((4.0, 9.0), (4.0, 0))]:
        (found,) = speciate(old, members(*losses), lambda a, b: True)
        assert (found.best, found.unimproved) == expected


@pytest.mark.parametrize(
    "knobs",
    [
        {"population": 1},
        {"elite": 0},
        {"stagnation": 0},
        {"survivors": 0.0},
        {"crossover": 1.5},
        {"threshold": 0.0},
        {"excess": -1.0},
        {"complexity": float("inf")},
        {"cost": "latency_ms"},
    ],
)
def test_knobs_that_mean_nothing_are_refused(knobs):
    with pytest.raises(ConfigError):
        Neat(**knobs)


def test_conditional_and_constrained_decisions_have_a_distance():
    """An edge more or less is a difference, not a gene of its own, where all decisions are open."""
    space = NasBench101()
    cell = space.parse("conv3x3-bn-relu:0|output:01")
    numbers = {choice.name: i for i, choice in enumerate(space.decisions)}
    for near in itertools.islice(space.neighbours(cell), 5):
        apart = distance(genes(cell), genes(near), numbers, difference=26.0)
        assert apart == pytest.approx(1.0)
