"""A network does not notice its candidates, and they get exactly the gradient at their target."""

import copy
import random
from collections import Counter

import pytest
import torch
from torch import fx, nn

from nascout.errors import ConfigError, UnknownName
from nascout.growth import (
    DEFAULTS,
    METHODS,
    Method,
    Spot,
    attach,
    detach,
    groups,
    places,
    rated,
    select,
    thinned,
    trace,
)
from nascout.network.cost import network_cost

NAMES = ("cnn", "mlp", "transformer", "nasbench201", "darts")
FREE = Method("free", "a test", l1=0.0)  # nothing but the gradient


@pytest.fixture(scope="module")
def parents(models):
    return {name: trace(models(name), models.batch(name, 2)) for name in NAMES}


def loss_of(out, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (out * torch.randn(out.shape, generator=generator)).sum()


def step(net, x, seed=3):
    """Output and gradients by name, of one training step with its dropout."""
    net = copy.deepcopy(net).train()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        out = net(x)
        drawn = torch.rand(4)
    loss_of(out).backward()
    return out.detach(), {k: p.grad for k, p in net.named_parameters()}, drawn, net


class Watched(fx.Interpreter):
    """Runs a network and keeps the gradient at one tensor, and what some others are."""

    def __init__(self, net, place, inputs):
        super().__init__(net)
        self.place, self.inputs, self.values = place, inputs, {}

    def run_node(self, n):
        result = super().run_node(n)
        path = n.meta.get("path")
        if path == self.place:
            result = result.clone()  # an identity gives what it got, which others read, too
            result.retain_grad()
            self.target = result
        if path in self.inputs:
            self.values[path] = result.detach()
        return result


CASES = [(name, seed) for seed in range(20) for name in NAMES]


def drawn_case(net, name, seed):
    rng = random.Random(f"{name}{seed}")
    place = rng.choice(places(net))
    spot = thinned((Spot(place.name, place.inputs),), rng.choice([1, 2, 3]), rng)[0]
    count = rng.randint(1, 3)
    return place, spot, rng.sample(DEFAULTS[place.kind], count)


@pytest.mark.parametrize(("name", "seed"), CASES)
def test_the_network_does_not_notice(models, parents, name, seed):
    parent, x = parents[name], models.batch(name, 6, seed)
    place, spot, names = drawn_case(parent, name, seed)
    net = attach(parent, [(spot,)], operations={place.kind: names}, method=FREE, seed=seed)
    out, gradients, drawn, stepped = step(net, x)
    wanted, wanted_gradients, wanted_drawn, stepped_alone = step(parent, x)
    assert torch.equal(out, wanted) and torch.equal(drawn, wanted_drawn)
    for key, gradient in wanted_gradients.items():
        if gradient is None:
            assert gradients[key] is None
        else:
            assert torch.equal(gradients[key], gradient), key
    for key, buffer in stepped_alone.named_buffers():
        assert torch.equal(stepped.get_buffer(key), buffer), key
    assert torch.equal(net.eval()(x), parent.eval()(x))

    # The closed form: dL/dω_i = <dL/dtarget, op_i(input)>.
    watched = Watched(copy.deepcopy(parent).train(), spot.place, spot.inputs)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        loss_of(watched.run(x)).backward()
    fresh = net.train().get_submodule("candidates0")
    closed = torch.stack(
        [
            (watched.target.grad.double() * op(watched.values[read]).double()).sum()
            for (read, _), op in zip(fresh.labels, fresh.ops, strict=True)
        ]
    )
    scale = closed.abs().max().clamp_min(1.0)
    assert torch.allclose(gradients["omega0"].double() / scale, closed / scale, atol=1e-5)


def test_operations_get_the_gradient_of_the_target(models, parents):
    """dL/dθ of an operation is that of <dL/dtarget, ω · op(x)>, found by hand."""
    parent, x = parents["cnn"], models.batch("cnn", 6)
    spot = Spot("layer2.0.add", ("layer1.1.add", "stem.2"))
    net = attach(parent, [(spot,)], operations={"map": ["sep3"]}, method=FREE)
    _, gradients, _, _ = step(net, x)
    watched = Watched(copy.deepcopy(parent).train(), spot.place, spot.inputs)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        loss_of(watched.run(x)).backward()
    for index, read in enumerate(spot.inputs):
        op = copy.deepcopy(net.get_submodule(f"candidates0.ops.{index}")).train()
        (watched.target.grad * 0.5 * op(watched.values[read])).sum().backward()
        for key, parameter in op.named_parameters():
            ours = gradients[f"candidates0.ops.{index}.{key}"]
            assert torch.allclose(ours, parameter.grad, atol=1e-5), key


@pytest.mark.slow
def test_many_places_at_once(models, parents):
    for name in ("mlp", "transformer", "nasbench201"):
        parent, x = parents[name], models.batch(name, 6)
        some = [thinned(group, 2, random.Random(0)) for group in groups(parent)[::4]]
        net = attach(parent, some)
        out, gradients, drawn, _ = step(net, x)
        wanted, wanted_gradients, wanted_drawn, _ = step(parent, x)
        assert torch.equal(out, wanted) and torch.equal(drawn, wanted_drawn)
        for key, gradient in wanted_gradients.items():
            assert torch.equal(gradients[key], gradient)
        added = {key: g for key, g in gradients.items() if key not in wanted_gradients}
        assert all(bool(g.isfinite().all()) for g in added.values())
        assert all(bool(g.any()) for key, g in added.items() if key.startswith("omega"))


def test_channels_last_and_double_stay(models):
    model, x = models("cnn").double(), models.batch("cnn", 6).double()
    x = x.contiguous(memory_format=torch.channels_last)
    parent = trace(model, x)
    net = attach(parent, [thinned(group, 1, random.Random(1)) for group in groups(parent)[::3]])
    out, gradients, _, _ = step(net, x)
    wanted, wanted_gradients, _, _ = step(parent, x)
    assert torch.equal(out, wanted) and out.dtype == torch.float64
    assert all(torch.equal(gradients[k], g) for k, g in wanted_gradients.items() if g is not None)


def test_a_candidate_that_is_not_finite_disturbs_nothing(models, parents):
    parent, x = parents["mlp"], models.batch("mlp", 4)
    net = attach(parent, groups(parent)[2:3])
    with torch.no_grad():
        net.get_parameter("omega0").fill_(float("inf"))
    assert torch.equal(step(net, x)[0], step(parent, x)[0])


def test_randomness_of_a_candidate_is_its_own(models, parents, monkeypatch):
    from nascout.growth.operations import OPERATIONS, Operation

    noisy = Operation("noisy", {"vector": lambda shape: nn.Dropout(0.5)})
    monkeypatch.setitem(OPERATIONS._entries, "noisy", noisy)
    parent, x = parents["mlp"], models.batch("mlp", 6)
    spot = Spot("layers.1", ("layers.0",))
    net = attach(parent, [(spot,)], operations={"vector": ["noisy"]})
    out, _, drawn, _ = step(net, x)
    wanted, _, wanted_drawn, _ = step(parent, x)
    assert torch.equal(out, wanted) and torch.equal(drawn, wanted_drawn)


def test_l1_is_the_gradient_of_the_penalty_whatever_the_loss(models, parents):
    parent, x = parents["mlp"], models.batch("mlp", 6)
    group = groups(parent)[3]
    count = len(DEFAULTS["vector"]) * len(group[0].inputs)
    _, free, _, _ = step(attach(parent, [group], method=FREE), x)
    for name, weight in (("petridish", 1e-3), ("petridish_code", 1e-2 / count), ("archai", 1e-3)):
        net = attach(parent, [group], method=name)
        omega = net.get_parameter("omega0").detach()
        _, gradients, _, _ = step(net, x)
        pull = gradients["omega0"] - free["omega0"]
        assert torch.allclose(pull, weight * omega.sign(), atol=2e-5)
        if name == "archai":
            assert omega.abs().max() <= 0.1 and omega.min() < 0 < omega.max()
        else:
            assert torch.equal(omega, torch.full((count,), 1 / count))


def test_a_shared_weight_gets_the_sum_over_spots(models, parents):
    parent, x = parents["cnn"], models.batch("cnn", 6)
    spots = (Spot("layer1.0.add", ("stem.2",)), Spot("layer1.1.add", ("layer1.0.add",)))
    ops = {"map": ["sep3", "identity"]}
    shared = attach(parent, [spots], operations=ops, method=FREE)
    apart = attach(parent, [spots[:1], spots[1:]], operations=ops, method=FREE)
    assert shared.state_dict().keys() == apart.state_dict().keys() - {"omega1"}
    _, together, _, _ = step(shared, x)
    _, single, _, _ = step(apart, x)
    assert torch.allclose(together["omega0"], single["omega0"] + single["omega1"], atol=1e-5)
    # The penalty counts once.
    _, penalised, _, _ = step(attach(parent, [spots], operations=ops), x)
    pull = penalised["omega0"] - together["omega0"]
    assert torch.allclose(pull, torch.full((2,), 1e-3), atol=2e-5)


def test_a_soft_gate_learns(models, parents):
    parent, x = parents["mlp"], models.batch("mlp", 6)
    net = attach(parent, groups(parent)[3:4], gate="soft", method=FREE)
    out, gradients, _, _ = step(net, x)
    assert torch.equal(out, step(parent, x)[0])
    omega = net.get_parameter("omega0").detach()
    _, hard, _, _ = step(attach(parent, groups(parent)[3:4], method=FREE), x)
    # dL/dgate = <dL/dtarget, Σ ω op> = Σ ω dL/dω with the hard gate.
    assert torch.allclose(gradients["candidates0.gate"], (omega * hard["omega0"]).sum(), rtol=1e-4)
    assert not gradients["omega0"].any()


def test_alignment(models, parents):
    parent = parents["mlp"]
    spot = Spot("layers.2", ("layers.0", "layers.1"))
    net = attach(parent, [(spot,)], statistics=True, method=FREE)
    net.train()
    batches = [models.batch("mlp", 5, seed) for seed in range(3)]
    dot = square = gradient_square = 0.0
    reference = copy.deepcopy(net)
    for x in batches:
        torch.manual_seed(0)
        loss_of(net(x)).backward()
        watched = Watched(copy.deepcopy(parent).train(), spot.place, spot.inputs)
        torch.manual_seed(0)
        loss_of(watched.run(x)).backward()
        g = watched.target.grad
        candidates = reference.get_submodule("candidates0")
        values = torch.stack(
            [
                op(watched.values[r])
                for (r, _), op in zip(candidates.labels, candidates.ops, strict=True)
            ]
        )
        dot = dot + (values * g).sum((1, 2))
        square = square + values.square().sum((1, 2))
        gradient_square = gradient_square + g.square().sum()
    wanted = -dot / (square * gradient_square).sqrt()
    ours = net.get_submodule("candidates0").alignment
    assert torch.allclose(ours.float(), wanted.detach(), atol=1e-5)
    (table,) = rated(net, "alignment").values()
    best = max(table, key=lambda row: row[2])
    assert select(net, FREE, "alignment")[0].kept[0] == best[:2]
    with pytest.raises(ConfigError, match="statistics=True"):
        rated(attach(parent, [(spot,)]), "alignment")


def selected(parent, omega, method):
    net = attach(parent, [(Spot("layers.1", ("layers.0",)),)])
    with torch.no_grad():
        net.get_parameter("omega0").copy_(torch.tensor(omega))
    return [name for addition in select(net, method) for _, name in addition.kept]


def test_selection(parents):
    relu, tanh, sigmoid, identity = DEFAULTS["vector"]
    omega = [0.1, -0.5, 0.3, 0.0]
    assert selected(parents["mlp"], omega, "petridish") == [tanh, sigmoid, relu]
    assert selected(parents["mlp"], omega, "archai") == [sigmoid, relu, identity]
    assert selected(parents["mlp"], [0.0] * 4, "petridish") == []
    few = Method("few", "a test", keep=4, threshold=0.2)
    assert selected(parents["mlp"], omega, few) == [tanh, sigmoid]
    assert set(METHODS) == {"petridish", "petridish_code", "archai"}


def test_detach_gives_the_parent_back(models, parents):
    for name in NAMES:
        parent, x = parents[name], models.batch(name, 4)
        bare = detach(attach(parent, [thinned(g, 1, random.Random(0)) for g in groups(parent)[:3]]))
        assert list(bare.state_dict()) == list(parent.state_dict())
        assert bare.code == parent.code
        assert [n.meta.get("path") for n in bare.graph.nodes] == [
            n.meta.get("path") for n in parent.graph.nodes
        ]
        assert torch.equal(step(bare, x)[0], step(parent, x)[0])


def test_weights_are_a_function_of_the_seed(parents):
    one, same, other = (
        attach(parents["cnn"], groups(parents["cnn"])[4:5], seed=s) for s in (1, 1, 2)
    )
    state = one.state_dict()
    assert all(torch.equal(same.state_dict()[key], value) for key, value in state.items())
    assert any(not torch.equal(other.state_dict()[key], value) for key, value in state.items())
    before = torch.random.get_rng_state()
    attach(parents["cnn"], groups(parents["cnn"])[4:5])
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.slow
def test_repairs_are_counted_in_the_cost(parents):
    """layer1 gives 6 x 8 x 8, layer2 8 x 4 x 4: pooled, then projected by 6 · 8 weights."""
    parent = parents["cnn"]
    spot = Spot("layer2.1.add", ("layer1.0.add",))
    net = attach(parent, [(spot,)], operations={"map": ["identity"]})
    before, after = (network_cost(one, (3, 8, 8)) for one in (parent, net))
    # 48 weights, 8 + 8 of the normalisation behind them, one ω.
    assert after.params - before.params == 6 * 8 + 2 * 8 + 1
    net.train()
    out = net.get_submodule("candidates0.ops.0")(torch.randn(2, 6, 8, 8))
    assert out.shape == (2, 8, 4, 4)


def test_what_cannot_be_attached_is_named(parents):
    parent = parents["mlp"]
    with pytest.raises(ConfigError, match="no group"):
        attach(parent, [])
    with pytest.raises(ConfigError, match="'nothing' is no place"):
        attach(parent, [(Spot("nothing", ("layers.0",)),)])
    with pytest.raises(ConfigError, match=r"cannot read 'layers\.2'"):
        attach(parent, [(Spot("layers.1", ("layers.2",)),)])
    with pytest.raises(ConfigError, match="that differ"):
        attach(parent, [(Spot("layers.1", ()),)])
    with pytest.raises(ConfigError, match="two groups"):
        attach(parent, [*groups(parent)[1:2], *groups(parent)[1:3]])
    with pytest.raises(ConfigError, match="candidates already"):
        attach(attach(parent, groups(parent)[1:2]), groups(parent)[1:2])
    with pytest.raises(UnknownName, match="sep3"):
        attach(parents["cnn"], groups(parents["cnn"])[2:3], operations={"map": ["sep"]})
    with pytest.raises(ConfigError, match="no operation for a vector"):
        attach(parent, groups(parent)[1:2], operations={"vector": ["sep3"]})
    with pytest.raises(ConfigError, match="Keep at least one"):
        Method("none", "a test", keep=0)


def test_the_hundred_cases_are_diverse(parents):
    kinds = Counter()
    for name, seed in CASES:
        place, _, names = drawn_case(parents[name], name, seed)
        kinds.update((place.kind, op) for op in names)
    assert {kind for kind, _ in kinds} == {"map", "vector", "sequence"}
    assert {op for kind, op in kinds if kind == "map"} == set(DEFAULTS["map"])
