"""Recurrent cells share weights: gradients, rewards, states, and resuming with the same bits."""

import math
from dataclasses import replace
from itertools import islice

import pytest
import torch
from torch.func import functional_call
from torch.nn import functional as F

from nascout.data import load
from nascout.data.text import make_text
from nascout.errors import ConfigError, DataError
from nascout.network.language_model import Dropouts, language_model
from nascout.oneshot import LANGUAGE_METHODS, METHODS, share, share_language
from nascout.oneshot.bilevel import first_order, gradients, second_order
from nascout.oneshot.learner import Moment
from nascout.oneshot.reading import Passage, Reading, read
from nascout.oneshot.share_language import _Sharing
from nascout.space import SPACES
from nascout.space.darts_rnn_relaxation import DartsRnnRelaxation
from nascout.train.endings import Diverged, Stopped
from nascout.train.language_recipe import LanguageRecipe

CPU, DOUBLE = torch.device("cpu"), torch.float64
LETTERS = "a quick brown fox " * 5
TEXT = make_text("letters", [list(LETTERS), list(LETTERS[:40]), list(LETTERS[:9])])
PLAIN = LanguageRecipe(
    "plain", "test", epochs=2, batch_size=4, lr=2.0, steps=6, varied=False, patience=None
)
DROPPING = replace(PLAIN, dropouts=Dropouts(0.1, 0.2, 0.2, 0.2), slowness=0.1, weight_decay=1e-3)
KNOBS = {
    "darts": {"order": 2, "alpha_lr": 0.1},
    "enas": {"controller_steps": 2, "aggregate": 2, "samples": 3, "units": 4, "lr_from": 1},
    "rsps": {"samples": 3},
}
DARTS, ENAS = SPACES["darts_rnn"](width=3), SPACES["enas_rnn"](width=3, nodes=3)


def space_of(name):
    return ENAS if name == "enas" else DARTS


def small(name, recipe=DROPPING, **knobs):
    return LANGUAGE_METHODS[name](recipe=recipe, **{**KNOBS[name], **knobs})


class Enough(Exception):
    pass


@pytest.mark.parametrize("name", sorted(KNOBS))
def test_resumed_as_if_never_stopped_and_decided_by_the_seed(name, tmp_path):
    method, space = small(name, replace(DROPPING, batch_size=8)), space_of(name)
    torch.manual_seed(3)
    state = torch.get_rng_state()
    whole = share_language(method, space, TEXT, seed=1)
    assert torch.equal(torch.get_rng_state(), state)

    def once(epoch):
        raise Enough

    path = tmp_path / "file"
    with pytest.raises(Enough):
        share_language(method, space, TEXT, seed=1, checkpoint=path, on_epoch=once)
    assert share_language(method, space, TEXT, seed=1, checkpoint=path) == whole
    other = []

    def first(epoch):
        other.append(epoch)
        raise Enough

    with pytest.raises(Enough):  # another seed's is not in this file
        share_language(method, space, TEXT, seed=2, checkpoint=path, on_epoch=first)
    assert other[0].epoch == 1 and other[0].train_loss != whole.curve[0].train_loss


@pytest.mark.parametrize("name", ["enas", "rsps"])
def test_the_lowest_perplexity_is_first(name):
    space = space_of(name)
    shared = share_language(small(name), space, TEXT)
    values = [value for _, value in shared.architectures]
    assert values == sorted(values) and 1 < len(values) <= 3
    assert all(1 < value < 100 for value in values)
    assert all(one.space == space for one, _ in shared.architectures)


def test_the_weights_learn():
    text = make_text("abc", [list("abc" * 40), list("abc" * 9), list("abc")])
    method = small("rsps", replace(PLAIN, epochs=8, lr=10.0), samples=1)
    losses = [one.train_loss for one in share_language(method, ENAS, text).curve]
    assert losses[-1] < 0.5 * losses[0]


class Problem:
    """A relaxed cell in a language model in float64, with alphas and a passage of each text."""

    def __init__(self, seed):
        generator = torch.Generator().manual_seed(seed)
        relaxation = DartsRnnRelaxation(SPACES["darts_rnn"](width=2))
        self.reading = Reading(
            relaxation.space, len(TEXT.words), PLAIN, seed, CPU, relaxation=relaxation
        )
        self.graph, self.model = relaxation.graph(), self.reading.model
        self.reading.cell.net.hold(self.graph)
        self.model.double()
        self.names = [edge.name for edge in relaxation.edges]
        self.alphas = [
            torch.randn(5, generator=generator, dtype=DOUBLE).requires_grad_() for _ in self.names
        ]
        self.weights = list(self.model.parameters())
        words = torch.randint(len(TEXT.words), (2, 5, 5), generator=generator)
        states = ((torch.randn(5, 2, generator=generator, dtype=DOUBLE),),)
        self.train, self.val = (
            Passage(part, (part[:, 1:],), 1.0, 5, states, (0, 0), False) for part in words
        )

    def gates(self):
        return {n: a.softmax(0) for n, a in zip(self.names, self.alphas, strict=True)}

    def loss(self, passage):
        net = self.reading.cell.net
        return self.reading.loss(net, self.graph, passage, self.gates())

    def loss_with(self, weights, passage):
        named = dict(zip(dict(self.model.named_parameters()), weights, strict=True))
        self.reading.cell.use(self.graph, self.gates())
        named["decoder.weight"] = named["embedding.weight"]
        tokens, before = passage.x[:, :-1], passage.states
        logits = functional_call(Running(self.model), prefixed(named), (tokens, before))
        return F.cross_entropy(logits.flatten(0, 1), passage.x[:, 1:].flatten())


class Running(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, tokens, states):
        return self.model.run(tokens, states)[0]


def prefixed(named):
    return {f"model.{name}": tensor for name, tensor in named.items()}


@pytest.mark.parametrize("clip", [None, 0.05])
def test_second_order_is_the_derivative_through_the_recurrent_step(clip):
    problem, step, decay = Problem(1), 0.5, 0.01
    slopes = gradients(problem.loss(problem.train), problem.weights, create_graph=True)
    norm = torch.cat([s.flatten() for s in slopes]).norm()
    factor = clip / (norm + 1e-6) if clip else 1.0
    assert clip is None or factor < 0.5
    moved = [
        w - step * (factor * s + decay * w) for w, s in zip(problem.weights, slopes, strict=True)
    ]
    wanted = torch.cat(gradients(problem.loss_with(moved, problem.val), problem.alphas))
    train, val = lambda: problem.loss(problem.train), lambda: problem.loss(problem.val)
    got = second_order(
        train, val, problem.weights, problem.alphas, step=step, decay=decay, clip=clip, reach=1e-5
    )
    assert (torch.cat(got) - wanted).norm() / wanted.norm() < 1e-4
    first = torch.cat(first_order(val, problem.alphas))
    assert (first - wanted).norm() / wanted.norm() > 1e-2


def reading(space=DARTS, recipe=DROPPING, **knobs):
    return Reading(space, len(TEXT.words), recipe, 0, CPU, **knobs)


@torch.no_grad()
def test_the_reward_is_c_over_perplexity():
    shared = reading(scale=80.0)
    graph = DARTS.parse(DARTS.known["darts_rnn_v2"]).graph()
    shared.cell.net.hold(graph)
    words = TEXT.val[:24].view(4, 6)
    passage = Passage(words, (words[:, 1:],), 1.0, 4, None, (0, 0), False)
    plain = language_model([graph], vocabulary=len(TEXT.words)).eval()
    plain.embedding.weight.copy_(shared.model.embedding.weight)
    ours = {name.partition("@")[0]: m for name, m in shared.cell.net.weighted.items()}
    for node, module in zip(graph, plain.cells[0].node_modules(), strict=True):
        if node.key in ours:
            module.load_state_dict(ours[node.key].state_dict())
    logits = plain(words[:, :-1]).log_softmax(-1)
    chosen = logits.gather(2, words[:, 1:, None])
    perplexity = math.exp(-chosen.mean().item())
    reward = shared.reward(shared.cell.net, graph, passage)
    assert reward == pytest.approx(80 / perplexity, rel=1e-6)
    assert shared.model.training


def test_passages_go_on_from_the_states_before():
    shared, graph = reading(recipe=PLAIN), DARTS.parse(DARTS.known["darts_rnn_v1"]).graph()
    shared.cell.net.hold(graph)
    rows = TEXT.train[:56].view(4, 14)
    parts = []
    for passage in read(rows, PLAIN, 0, 0):
        shared.loss(shared.cell.net, graph, passage).backward()
        parts.append(passage)
    assert [part.x.shape[1] - 1 for part in parts] == [6, 6, 1]
    _, after = shared.model.run(rows[:, :6])
    torch.testing.assert_close(parts[1].states[0][0], after[0][0].detach())
    assert parts[0].states is None and not parts[1].states[0][0].requires_grad
    again = list(islice(read(rows, PLAIN, 0, 0, again=True), 4))
    assert torch.equal(again[3].x, again[0].x)
    assert len({part.seed for part in again}) == 4


def test_what_is_dropped_is_the_passages():
    shared, graph = reading(), DARTS.parse(DARTS.known["darts_rnn_v1"]).graph()
    shared.cell.net.hold(graph)
    one, other = islice(read(TEXT.train[:56].view(4, 14), DROPPING, 0, 0), 2)
    first = shared.loss(shared.cell.net, graph, one)
    assert torch.equal(shared.loss(shared.cell.net, graph, one), first)
    seeded = replace(one, seed=other.seed)
    assert not torch.equal(shared.loss(shared.cell.net, graph, seeded), first)


def test_learning_rates():
    """DARTS's is one; ENAS's is multiplied by .95 after every epoch from the twelfth on."""
    enas = LANGUAGE_METHODS["enas"]()
    assert LANGUAGE_METHODS["darts"]().lr(49) == 20
    assert [enas.lr(epoch) for epoch in (0, 11, 12, 14)] == pytest.approx(
        [0.25, 0.25, 0.25 * 0.95, 0.25 * 0.95**3]
    )


def test_the_papers_numbers():
    darts, enas = LANGUAGE_METHODS["darts"](), LANGUAGE_METHODS["enas"]()
    recipe = darts.recipe
    assert (darts.alpha_lr, darts.alpha_decay) == (3e-3, 1e-3)
    assert (recipe.lr, recipe.batch_size, recipe.steps, recipe.epochs) == (20, 256, 35, 50)
    assert (recipe.weight_decay, recipe.gradient_clip) == (5e-7, 0.25)
    # Kept behind the embedding and before the cell: .8 x .25.
    assert 1 - recipe.dropouts.inputs == pytest.approx(0.8 * 0.25)
    assert (enas.scale, enas.temperature, enas.tanh_constant, enas.entropy) == (80, 5, 2.5, 1e-3)
    assert (enas.controller_steps, enas.aggregate, enas.controller_lr) == (100, 10, 1e-3)
    assert (enas.recipe.batch_size, enas.recipe.gradient_clip) == (20, 10)


def test_a_stop_and_a_loss_that_explodes():
    with pytest.raises(Stopped):
        share_language(small("rsps"), DARTS, TEXT, should_stop=lambda: True)
    wild = replace(PLAIN, lr=1e38, gradient_clip=None)
    with pytest.raises(Diverged, match="epoch 1"):
        share_language(small("rsps", wild), DARTS, TEXT)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ConfigError, match="rsps, enas"):
        share_language(small("darts"), ENAS, TEXT)
    with pytest.raises(ConfigError, match="no recurrent cells"):
        share_language(small("rsps"), SPACES["nasbench201"](), TEXT)
    with pytest.raises(DataError, match="1000 rows"):
        share_language(small("rsps", replace(PLAIN, batch_size=1000)), DARTS, TEXT)
    with pytest.raises(ConfigError, match="share_language"):
        share(METHODS["rsps"](), DARTS, load("digits").split())
    for knobs in ({"recipe": replace(PLAIN, patience=3)}, {"lr_factor": 0.0}):
        with pytest.raises(ConfigError, match=r"patience|lr_factor"):
            LANGUAGE_METHODS["darts"](**knobs)
    with pytest.raises(ConfigError, match="order"):
        small("darts", order=3)
    with pytest.raises(ConfigError, match="samples"):
        small("rsps", samples=0)


def test_alphas_learn_from_the_validation_text_alone():
    """The first order, which reads nothing else, is blind to what the weights learn from."""
    method = small("darts", replace(PLAIN, epochs=1), order=1)
    sharing = _Sharing(method, DARTS, TEXT, 0, CPU)
    learner, val = sharing.learner, sharing.validation(0)
    train = next(sharing.training(0))
    before = {name: alpha.detach().clone() for name, alpha in learner.alphas.items()}
    passage = next(sharing.validation(0))
    wanted = first_order(lambda: learner.loss(passage, None), list(learner.alphas.values()))
    seen = []
    learner.move = lambda found, batch: seen.extend(found)
    learner.before_step(train, val, Moment(0, 1, 0, 3, 2.0, 0))
    assert all(torch.equal(one, other) for one, other in zip(seen, wanted, strict=True))
    assert any(one.abs().sum() > 0 for one in seen)
    assert all(torch.equal(before[name], alpha) for name, alpha in learner.alphas.items())
