"""A cell that grows inside a language model: undisturbed, by the closed form, equal at birth."""

import copy
import random
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch.nn import functional as F

from nascout.data.text import make_text
from nascout.errors import ConfigError, UnsupportedNetwork
from nascout.graph import Builder
from nascout.graph.ops import Linear
from nascout.graph.recurrent import Tanh
from nascout.growth import (
    Method,
    Spot,
    attach,
    finalise,
    groups,
    grow_cell,
    grown_from,
    load_grown,
    places,
    recipe_of,
    save_grown,
    select,
    thinned,
    trace_cell,
    with_cell,
)
from nascout.network import Network
from nascout.network.language_model import Dropouts, language_model
from nascout.space import SPACES
from nascout.train.endings import Stopped
from nascout.train.language import fit_language
from nascout.train.language_recipe import language_recipes

WORDS = torch.randint(7, (3, 6), generator=torch.Generator().manual_seed(0))
SPOT = Spot("linear", ("x", "h"))


def elman(width=5):
    g = Builder()
    x, h = g.input((width,), key="x"), g.input((width,), key="h")
    mixed = g.node(Linear(width), g.concat(x, h, key="both"), key="linear")
    return g.graph(g.node(Tanh(), mixed, key="tanh"))


def plain(layers=1, **dropouts):
    return language_model([elman()] * layers, vocabulary=7, dropouts=Dropouts(**dropouts))


def of_space(name):
    arch = SPACES[name](width=6).sample(random.Random(0))
    return language_model(arch, vocabulary=7, layers=2, dropouts=Dropouts(0.1, 0.2, 0.3, 0.2))


def loss_of(net):
    return F.cross_entropy(net(WORDS[:, :-1]).mT, WORDS[:, 1:])


def few(cell, *positions):
    """Some places, each with three of its inputs."""
    return [thinned(groups(cell)[i], 3, random.Random(0)) for i in positions]


def outputs_and_gradients(net):
    """In train mode, from the same random numbers; the numbers that come next, too."""
    torch.manual_seed(0)
    net.zero_grad()
    outputs = net.train()(WORDS[:, :-1])
    F.cross_entropy(outputs.mT, WORDS[:, 1:]).backward()
    return outputs, {name: p.grad for name, p in net.named_parameters()}, torch.rand(3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "layer"), [("darts_rnn", 0), ("darts_rnn", 1), ("enas_rnn", 0), ("zoph_le_rnn", 1)]
)
def test_a_language_model_does_not_notice(name, layer):
    net = of_space(name)
    cell = trace_cell(net, layer)
    spots = few(cell, 2, -1)
    wanted = outputs_and_gradients(net)
    searched = with_cell(net, attach(cell, spots), layer)
    found = outputs_and_gradients(searched)
    assert torch.equal(found[0], wanted[0])
    assert torch.equal(found[2], wanted[2])
    for key, gradient in wanted[1].items():
        assert torch.equal(
            found[1][key.replace(f"cells.{layer}.", f"cells.{layer}.net.")], gradient
        )
    assert found[1][f"cells.{layer}.net.omega1"].abs().sum() > 0
    assert torch.equal(net.eval()(WORDS), searched.eval()(WORDS))


def test_the_gradient_of_omega_is_the_closed_form_summed_over_time():
    # Double precision, and an Elman network that is written out here.
    net = plain().double()
    l1 = 0.25
    attached = attach(trace_cell(net), [(SPOT,)], method=Method("l1", "a test", l1=l1))
    searched = with_cell(net, attached)
    loss_of(searched).backward()
    linear = net.cells[0].get_submodule("linear")
    candidates = attached.get_submodule("candidates0")
    labelled = list(zip(candidates.labels, candidates.ops, strict=True))
    x, h = net.embedding(WORDS[:, :-1]), torch.zeros(3, 5, dtype=torch.float64)
    targets, values, outputs = [], [], []
    for step in x.unbind(1):
        targets.append(linear(torch.cat([step, h], 1)))
        targets[-1].retain_grad()
        read = {"x": step, "h": h}
        values.append([op(read[r]) for (r, _), op in labelled])
        h = targets[-1].tanh()
        outputs.append(h)
    logits = net.decoder(torch.stack(outputs, 1))
    F.cross_entropy(logits.mT, WORDS[:, 1:]).backward()
    sums = [
        sum((target.grad * value[i]).sum() for target, value in zip(targets, values, strict=True))
        for i in range(len(labelled))
    ]
    # The penalty counts once, not once per step; ω = 1/8 is positive.
    wanted = torch.stack(sums) + l1
    torch.testing.assert_close(attached.get_parameter("omega0").grad, wanted, rtol=1e-9, atol=0)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["darts_rnn", "zoph_le_rnn"])
def test_a_child_is_its_parent_at_birth_and_trains(name):
    net = of_space(name)
    at = few(trace_cell(net, 1), -1)
    attached = attach(trace_cell(net, 1), at)
    searched = with_cell(net, attached, 1)
    additions = select(attached)
    child = with_cell(searched, finalise(attached, additions), 1)
    assert torch.equal(child.eval()(WORDS), net.eval()(WORDS))
    before = {name.replace("cells.1.", "cells.1.net."): p for name, p in net.named_parameters()}
    after = dict(child.named_parameters())
    assert before.keys() < after.keys()
    assert all(torch.equal(after[name], parameter) for name, parameter in before.items())
    loss_of(child.train()).backward()
    gate = child.cells[1].net.get_parameter("growth0.gate")
    assert gate.grad.abs() > 0
    assert [a.place for a in additions] == [at[0][0].place]


def train(net):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    net.dropouts = Dropouts()
    for _ in range(15):
        optimizer.zero_grad()
        loss = loss_of(net.train())
        loss.backward()
        optimizer.step()
    return loss.item()


@pytest.mark.slow
def test_a_child_learns_more_than_its_parent_and_grows_again():
    net = plain(layers=2)
    train(net)
    before = copy.deepcopy(net.state_dict())
    grown = grow_cell(net, train, layer=1, at=[(SPOT,)])
    assert grown.training < grown.searching
    assert len(grown.ratings["linear"]) == 8
    after = net.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    again = grow_cell(grown.child, train, layer=1, at=[(SPOT,)])
    assert again.training < grown.training
    assert "cells.1.net.growth1.gate" in again.child.state_dict()


@pytest.mark.slow
def test_by_alignment_and_by_default_at_the_last_place():
    grown = grow_cell(plain(), train, by="alignment")
    (place,) = grown.ratings
    assert place == "tanh"
    assert {read for read, _, _ in grown.ratings[place]} == {"x", "h", "both", "linear"}
    assert all(-1 <= value <= 1 for _, _, value in grown.ratings[place])


def test_no_connection_of_a_candidate_is_dropped():
    net = plain(hidden=0.5)
    attached = attach(trace_cell(net), [(SPOT,)])
    names = {name for name, _ in with_cell(net, attached).cells[0].matrices()}
    assert names == {"net.linear.weight"}
    child = with_cell(net, finalise(attached, select(attached)))
    assert any("growth0" in name for name, _ in child.cells[0].matrices())


@pytest.mark.slow
def test_on_disk(tmp_path):
    net = plain()
    child = grow_cell(net, train, at=[(SPOT,)]).child
    save_grown(child.cells[0].net, tmp_path)
    loaded = load_grown(tmp_path, lambda: Network(elman()))
    again = with_cell(child, loaded)
    assert torch.equal(again.eval()(WORDS), child.eval()(WORDS))
    # Or the whole model: its cell by the recipe, then its weights.
    whole = with_cell(plain(), grown_from(plain().cells[0], recipe_of(child.cells[0].net)))
    whole.load_state_dict(child.state_dict())
    assert torch.equal(whole.eval()(WORDS), child.eval()(WORDS))


def test_what_cannot_be_grown():
    net = plain()
    for layer in (-1, 1):
        with pytest.raises(ConfigError, match=f"layer {layer} of 1"):
            trace_cell(net, layer)
    with pytest.raises(ConfigError, match="layer 2 of 1"):
        with_cell(net, trace_cell(net), 2)
    net.cells[0] = shared(elman())
    with pytest.raises(UnsupportedNetwork, match="SharedCell"):
        trace_cell(net)


def shared(graph):
    from nascout.network.shared_cell import SharedCell
    from nascout.network.supernet import Supernet

    weights = Supernet()
    weights.hold(graph)
    return SharedCell(weights, graph)


@pytest.mark.slow
def test_with_our_training_and_its_checkpoints(tmp_path):
    text = make_text("abc", [list("abcab" * 800), list("abcab" * 20), list("abcab" * 20)])
    recipe = replace(language_recipes["short"], epochs=1)
    net = language_model([elman()], vocabulary=3)
    fit = partial(fit_language, text=text, recipe=recipe)
    fit(net)
    assert {place.kind for place in places(trace_cell(net))} == {"vector"}
    path = tmp_path / "c.safetensors"
    # One path for both trainings: the child's does not go on from the search's.
    grown = grow_cell(net, partial(fit, checkpoint=path), at=[(SPOT,)])
    assert grown.training.val_perplexity < 3
    with pytest.raises(Stopped):
        fit(copy.deepcopy(grown.child), epochs=2, should_stop=lambda: True)
