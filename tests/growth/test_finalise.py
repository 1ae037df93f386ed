"""A child computes its parent's function at birth, inherits its weights, and can have children."""

import copy
import json
import random

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nascout.errors import ConfigError, IntegrityError
from nascout.growth import (
    DEFAULTS,
    Addition,
    Spot,
    add,
    attach,
    cell_groups,
    finalise,
    grown_from,
    load_grown,
    places,
    recipe_of,
    save_grown,
    select,
    thinned,
    trace,
)
from nascout.growth.addition import branches
from nascout.growth.method import Method
from nascout.growth.places import node_at
from nascout.growth.stop import stop_forward
from nascout.network.cost import network_cost

NAMES = ("cnn", "mlp", "transformer", "nasbench201", "darts")
DRAWN = Method("drawn", "a test: weights that differ, and no penalty", spread=0.5, l1=0.0)


@pytest.fixture(scope="module")
def parents(models):
    return {name: trace(models(name), models.batch(name, 2)) for name in NAMES}


def outputs(net, x):
    net = copy.deepcopy(net)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        return net.eval()(x), net.train()(x)


def same(net, other, x):
    return all(torch.equal(a, b) for a, b in zip(outputs(net, x), outputs(other, x), strict=True))


def drawn_addition(net, rng):
    place = rng.choice(places(net))
    spot = thinned((Spot(place.name, place.inputs),), rng.choice([1, 2]), rng)[0]
    names = DEFAULTS[place.kind]
    kept = dict.fromkeys((rng.choice(spot.inputs), rng.choice(names)) for _ in range(3))
    return Addition(place.name, tuple(kept))


@pytest.mark.parametrize(("name", "seed"), [(name, seed) for name in NAMES for seed in range(8)])
def test_same_function_at_birth_and_of_the_child_s_child(models, parents, name, seed):
    rng = random.Random(f"{name}{seed}")
    parent, x = parents[name], models.batch(name, 6, seed)
    child = add(parent, [drawn_addition(parent, rng)], seed=seed)
    grandchild = add(child, [drawn_addition(child, rng), drawn_addition(child, rng)], seed=seed)
    assert same(child, parent, x) and same(grandchild, parent, x)
    state = grandchild.state_dict()
    assert list(state)[: len(parent.state_dict())] != [] and len(branches(grandchild)) == 3
    for key, value in parent.state_dict().items():
        assert torch.equal(state[key], value)
    assert same(copy.deepcopy(grandchild), grandchild, x)


@pytest.mark.parametrize("name", NAMES)
def test_a_child_with_open_gates_adds_what_it_says(models, parents, name):
    """The sum, by hand: target + gate · project(concat(op(x)))."""
    parent, x = parents[name], models.batch(name, 6)
    addition = drawn_addition(parent, random.Random(name))
    child = add(parent, [addition]).eval()
    (branch,) = branches(child)
    with torch.no_grad():
        branch.gate.fill_(0.7)
    values = {}

    class Kept(torch.fx.Interpreter):
        def run_node(self, n):
            result = super().run_node(n)
            if "path" in n.meta:
                values[n.meta["path"]] = result
            return result

    before = copy.deepcopy(parent).eval()
    Kept(before).run(x)
    old = dict(values)
    Kept(child).run(x)
    read = [op(old[r]) for (r, _), op in zip(addition.kept, branch.ops, strict=True)]
    joined = torch.cat(read, dim=1 if read[0].dim() == 4 else -1)
    wanted = old[addition.place] + 0.7 * branch.project(joined)
    assert torch.allclose(values[addition.place], wanted, atol=1e-6)
    assert not torch.allclose(old[addition.place], wanted, atol=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_from_candidates_to_a_child(models, parents, name):
    parent, x = parents[name], models.batch(name, 6)
    rng = random.Random(0)
    some = rng.sample(places(parent), 2)
    net = attach(parent, [thinned((Spot(p.name, p.inputs),), 2, rng) for p in some])
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    for _ in range(2):
        net(x).square().mean().backward()
        optimizer.step()
    additions = select(net)
    child = finalise(net, additions)
    assert same(child, net, x)  # the parent's weights have moved meanwhile
    learned = net.get_submodule("candidates0")
    (first, *_) = [a for a in additions if a.place == learned.place]
    branch = branches(child)[additions.index(first)]
    for label, op in zip(first.kept, branch.ops, strict=True):
        trained = learned.ops[learned.labels.index(label)]
        for key, value in trained.state_dict().items():
            assert torch.equal(op.state_dict()[key], value)
    assert not any(n.target is stop_forward for n in child.graph.nodes)
    assert not any("candidates" in key or "omega" in key for key in child.state_dict())
    # All of it trains: first the gate, then what is behind it.
    child.train()
    optimizer = torch.optim.SGD(child.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        child(x).square().mean().backward()
        optimizer.step()
    assert branch.gate.item() != 0
    assert all(p.grad is None or p.grad.isfinite().all() for p in child.parameters())
    assert any(p.grad.any() for p in branch.ops.parameters()) or not list(branch.ops.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_a_child_goes_on_in_the_direction_of_its_candidates(models, parents, name):
    """Before it is normalised, a branch adds the sum of ω · op(x) over what is kept, over |ω|."""
    parent, rng = parents[name], random.Random(1)
    some = rng.sample(places(parent), 2)
    net = attach(parent, [thinned((Spot(p.name, p.inputs),), 2, rng) for p in some], method=DRAWN)
    additions = select(net, DRAWN)
    for addition, branch in zip(additions, branches(finalise(net, additions)), strict=True):
        (candidates,) = [
            module
            for key, module in net.named_children()
            if key.startswith("candidates") and module.place == addition.place
        ]
        omega = net.get_parameter(f"omega{[p.name for p in some].index(addition.place)}")
        kept = [candidates.labels.index(label) for label in addition.kept]
        shape = (3, *node_at(parent, addition.place).meta["shape"])
        values = [torch.randn(shape) for _ in kept]
        wanted = sum(omega[i] * value for i, value in zip(kept, values, strict=True))
        project = branch.project[0] if len(shape) == 4 else branch.project
        found = project(torch.cat(values, dim=1 if len(shape) == 4 else -1))
        assert torch.allclose(found, wanted / omega[kept].norm(), atol=1e-5)


def test_the_gate_s_first_gradient_is_that_of_the_candidates(models, parents):
    """d loss / d gate = Σ ω · (d loss / d ω) / |ω| where nothing normalises the sum."""
    parent, x = parents["mlp"], models.batch("mlp", 6)
    place = places(parent)[-2]
    net = attach(parent, [(Spot(place.name, place.inputs[-2:]),)], method=DRAWN).eval()
    additions = select(net, DRAWN)
    child = finalise(net, additions).eval()
    for model in (net, child):
        model(x).square().mean().backward()
    omega, gradient = net.omega0.detach(), net.omega0.grad
    kept = [net.candidates0.labels.index(label) for label in additions[0].kept]
    wanted = (omega[kept] * gradient[kept]).sum() / omega[kept].norm()
    assert wanted != 0
    assert torch.allclose(branches(child)[0].gate.grad, wanted, atol=1e-7)


def test_an_operation_that_was_no_candidate_gets_a_new_projection(models, parents):
    parent = parents["cnn"]
    net = attach(parent, [(Spot("layer1.0.add", ("stem.2",)),)])
    foreign = Addition("layer1.0.add", (("stem.2", "sep3"), ("stem.0", "sep3")))
    (branch,) = branches(finalise(net, [foreign], seed=3))
    (new,) = branches(add(parent, [foreign], seed=3))
    assert torch.equal(branch.project[0].weight, new.project[0].weight)


def test_weights_of_zero_give_no_direction(models, parents):
    parent = parents["cnn"]
    net = attach(parent, [(Spot("layer1.0.add", ("stem.2",)),)])
    with torch.no_grad():
        net.omega0.zero_()
    addition = Addition("layer1.0.add", (("stem.2", "sep3"),))
    (branch,) = branches(finalise(net, [addition]))
    assert branch.project[0].weight.isfinite().all() and branch.project[0].weight.any()


def test_a_name_means_the_newest_tensor_in_any_order(models, parents):
    parent, x = parents["cnn"], models.batch("cnn", 4)
    early = Addition("layer1.0.add", (("stem.2", "sep3"),))
    late = Addition("layer2.0.add", (("layer1.0.add", "identity"),))
    one, other = add(parent, [early, late]).eval(), add(parent, [late, early]).eval()
    with torch.no_grad():
        for net, order in ((one, (0, 1)), (other, (1, 0))):
            for index, gate in zip(order, (0.5, -0.3), strict=True):
                branches(net)[index].gate.fill_(gate)
        state = one.state_dict()
        swapped = {
            key.translate(
                str.maketrans("01", "10"),
            )
            if key.startswith("growth")
            else key: value
            for key, value in state.items()
        }
        renamed = {
            k if not k.startswith("growth") else f"growth{1 - int(k[6])}{k[7:]}": v
            for k, v in state.items()
        }
        assert swapped is not None
        other.load_state_dict(renamed)
    assert torch.allclose(one(x), other(x), atol=1e-6)
    assert not torch.allclose(one(x), copy.deepcopy(parent).eval()(x), atol=1e-3)
    for net in (one, other):
        (made,) = [
            n
            for n in net.graph.nodes
            if n.meta.get("path") in ("growth0", "growth1")
            and node_at(net, "layer1.0.add") in n.all_input_nodes
        ]
        assert made.op == "call_module"


def test_a_branch_can_be_read_and_added_to(models, parents):
    parent, x = parents["mlp"], models.batch("mlp", 4)
    child = add(parent, [Addition("layers.1", (("layers.0", "linear_tanh"),))])
    names = {place.name: place for place in places(child)}
    assert "growth0" in names and "growth0" in names["layers.2"].inputs
    again = add(
        child,
        [
            Addition("growth0", (("layers.0", "identity"),)),
            Addition("layers.2", (("growth0", "linear_relu"),)),
        ],
    )
    assert same(again, parent, x)
    with torch.no_grad():
        for branch in branches(again):
            branch.gate.fill_(1.0)
    assert not same(again, parent, x)


def test_cell_growth_in_every_cell(models, parents):
    parent, x = parents["nasbench201"], models.batch("nasbench201", 4)
    (group,) = cell_groups(parent)
    net = attach(parent, [thinned(group, 2, random.Random(0))], operations={"map": ["sep3"]})
    additions = select(net)
    assert [a.place for a in additions] == [spot.place for spot in group]
    assert len({tuple(op for _, op in a.kept) for a in additions}) == 1
    child = finalise(net, additions)
    assert same(child, parent, x)
    state = child.state_dict()
    first = state["growth0.ops.0.0.1.weight"]
    assert not any(
        value.shape == first.shape and torch.equal(value, first)
        for key, value in state.items()
        if key.startswith("growth1")
    )


def test_cost_of_a_branch(parents):
    """1 x 1 convolution from 2 · 8 to 8 channels, its normalisation, and the gate."""
    parent = parents["cnn"]
    kept = (("layer2.0.add", "max3"), ("layer2.0.add", "avg3"))
    before, after = (
        network_cost(net, (3, 8, 8))
        for net in (parent, add(parent, [Addition("layer2.1.add", kept)]))
    )
    assert after.params - before.params == 16 * 8 + 2 * 8 + 1
    assert after.macs - before.macs == 16 * 8 * 4 * 4


def test_a_sequence_that_must_not_look_ahead_does_not(models, parents):
    parent, x = parents["transformer"], models.batch("transformer", 4)
    for name in DEFAULTS["sequence"]:
        child = add(parent, [Addition("blocks.0.add", (("add", name),))]).eval()
        op = branches(child)[0].ops[0]
        sequence = torch.randn(3, 7, 8)
        later = sequence.clone()
        later[:, 4:] += 1
        assert torch.allclose(op(sequence)[:, :4], op(later)[:, :4], atol=1e-6)
    for name in ("conv3_time", "attention"):
        child = add(parent, [Addition("blocks.0.add", (("add", name),))]).eval()
        op = branches(child)[0].ops[0]
        assert not torch.allclose(op(sequence)[:, :4], op(later)[:, :4], atol=1e-3)
    assert same(child, parent, x)


def test_attention_and_convolution_are_torch_s():
    from nascout.growth.operations import Attention, TimeConvolution

    x = torch.randn(2, 5, 6)
    ours = Attention(6, causal=True)
    theirs = nn.MultiheadAttention(6, 1, batch_first=True)
    theirs.load_state_dict(
        {
            "in_proj_weight": ours.read.weight,
            "in_proj_bias": ours.read.bias,
            "out_proj.weight": ours.mix.weight,
            "out_proj.bias": ours.mix.bias,
        }
    )
    mask = torch.ones(5, 5, dtype=torch.bool).triu(1)
    assert torch.allclose(ours(x), theirs(x, x, x, attn_mask=mask)[0], atol=1e-6)
    wide = TimeConvolution(6, causal=False)
    padded = F.pad(x, (0, 0, 1, 1))
    kernel = wide.filter.weight[:, 0]  # (features, 3)
    wanted = sum(padded[:, i : i + 5] * kernel[:, i] for i in range(3)) + wide.filter.bias
    assert torch.allclose(wide(x), wide.mix(wanted), atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_on_disk_and_back(models, parents, name, tmp_path):
    rng = random.Random(name)
    parent, x = parents[name], models.batch(name, 4)
    child = add(parent, [drawn_addition(parent, rng)])
    child = add(child, [drawn_addition(child, rng)], seed=5)
    with torch.no_grad():
        for parameter in child.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    save_grown(child, tmp_path / name)
    back = load_grown(tmp_path / name, lambda: models(name))
    assert same(back, child, x) and recipe_of(back) == recipe_of(child)
    assert not back.training
    again = grown_from(models(name), recipe_of(child), seed=5)
    assert again.code == child.code


def test_leaves_are_part_of_the_recipe(models):
    net = trace(models("cnn"), models.batch("cnn", 2), leaf=["layer1.0", "layer2"])
    child = add(net, [Addition("layer2", (("layer1.0", "conv3"),))])
    again = grown_from(models("cnn"), recipe_of(child))
    assert again.code == child.code
    assert same(again, trace(models("cnn"), models.batch("cnn", 2)), models.batch("cnn", 3))


def test_damaged_recipes_and_weights(models, parents, tmp_path):
    child = add(parents["mlp"], [Addition("layers.1", (("layers.0", "identity"),))])
    save_grown(child, tmp_path)
    for text in ("", "[]", "{}", json.dumps({"format": 1}), '{"format": 1, "inputs": 3}'):
        with pytest.raises(ConfigError, match="no growth recipe"):
            grown_from(models("mlp"), text)
    with pytest.raises(ConfigError, match="format 2"):
        grown_from(models("mlp"), recipe_of(child).replace('"format": 1', '"format": 2'))
    with pytest.raises(ConfigError, match="no place"):
        grown_from(models("mlp"), recipe_of(child).replace("layers.1", "layers.9"))
    wider = models("mlp")
    wider.layers[0], wider.layers[1] = nn.Linear(12, 6), nn.Linear(6, 10)
    with pytest.raises(IntegrityError, match="another network"):
        load_grown(tmp_path, lambda: wider)
    (tmp_path / "weights.safetensors").write_bytes(b"damaged")
    with pytest.raises(IntegrityError, match="Restore"):
        load_grown(tmp_path, lambda: models("mlp"))


def test_branches_are_in_the_order_of_additions(parents):
    late = Addition("head", (("layers.1", "identity"),))
    early = Addition("layers.1", (("layers.0", "linear_tanh"), ("layers.0", "identity")))
    child = copy.deepcopy(add(parents["mlp"], [late, early]))
    assert [len(branch.ops) for branch in branches(child)] == [1, 2]


def test_names_that_are_taken():
    class Taken(nn.Module):
        def __init__(self):
            super().__init__()
            self.growth0 = nn.Linear(4, 4)
            self.omega0 = nn.Parameter(torch.ones(4))

        def forward(self, x):
            return self.growth0(x).relu() * self.omega0

    net = trace(Taken(), torch.zeros(2, 4))
    with pytest.raises(ConfigError, match="called 'growth0'"):
        add(net, [Addition("relu", (("growth0", "identity"),))])
    with pytest.raises(ConfigError, match="called 'omega0'"):
        attach(net, [(Spot("relu", ("growth0",)),)])


def test_nothing_is_added_beside_candidates(parents):
    net = attach(parents["mlp"], [(Spot("layers.1", ("layers.0",)),)])
    with pytest.raises(ConfigError, match="has candidates"):
        add(net, [Addition("layers.1", (("layers.0", "identity"),))])
    with pytest.raises(ConfigError, match="that differ"):
        add(parents["mlp"], [Addition("layers.1", ())])
