"""Language models are trained as AWD-LSTM and DARTS train them."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch.nn import functional as F

from nascout.data.text import make_text
from nascout.errors import ConfigError, DataError
from nascout.network.language_model import Dropouts, language_model
from nascout.space import SPACES
from nascout.train.endings import Diverged, Stopped
from nascout.train.language import _Reader, fit_language, perplexity
from nascout.train.language_recipe import LanguageRecipe, language_recipes

CPU = torch.device("cpu")
LETTERS = "the quick brown fox jumps over the lazy dog " * 12
TEXT = make_text("letters", [list(LETTERS), list(LETTERS[:200]), list(LETTERS[:100])])
PLAIN = LanguageRecipe("plain", "test", epochs=3, batch_size=4, lr=2.0, steps=10, varied=False)


def model(width=8, seed=0, text=TEXT):
    space = SPACES["darts_rnn"](width=width)
    cell = space.parse(space.known["darts_rnn_v2"])
    return language_model(cell, vocabulary=len(text.words), seed=seed)


def reader(recipe, net=None, seed=0):
    return _Reader(net or model(), TEXT, recipe, seed, CPU)


@torch.no_grad()
def test_the_perplexity_of_knowing_nothing_is_the_number_of_words():
    net = model()
    net.embedding.weight.zero_()
    assert perplexity(net, TEXT.val) == pytest.approx(len(TEXT.words))


@torch.no_grad()
def test_perplexity_is_that_of_each_word_given_all_before_it():
    """Word by word, in one row, against the rows' parts with carried states."""
    net = model().eval()
    words = TEXT.val[:150]
    losses = [F.cross_entropy(net(words[None, :t])[0, -1], words[t]).item() for t in range(1, 150)]
    assert perplexity(net, words, batch_size=1) == pytest.approx(
        math.exp(sum(losses) / 149), rel=1e-5
    )


def test_one_step_against_plain_sgd():
    recipe = replace(PLAIN, activity=0.3, slowness=0.2, weight_decay=0.01, gradient_clip=0.5)
    net, same = model().train(), model().train()
    trainer = reader(recipe, net)
    words = trainer.rows[:, :6]  # five steps, half as many as the recipe's, so half the rate
    trainer._step(words, None)
    outputs, _ = same.outputs(words[:, :-1])
    logits = outputs @ same.embedding.weight.T + same.decoder.bias
    loss = F.cross_entropy(logits.reshape(-1, logits.shape[-1]), words[:, 1:].reshape(-1))
    loss = loss + 0.3 * outputs.pow(2).mean()
    loss = loss + 0.2 * (outputs[:, 1:] - outputs[:, :-1]).pow(2).mean()
    slopes = torch.autograd.grad(loss, list(same.parameters()))
    norm = torch.cat([s.flatten() for s in slopes]).norm()
    scale = min(1.0, 0.5 / float(norm))
    for moved, p, s in zip(net.parameters(), same.parameters(), slopes, strict=True):
        torch.testing.assert_close(moved, p - 1.0 * (scale * s + 0.01 * p))


def test_states_are_carried_from_part_to_part_without_a_gradient():
    trainer = reader(PLAIN)
    _, states = trainer._step(trainer.rows[:, :11], None)
    kept = [s.detach().clone() for layer in states for s in layer]
    _, after = trainer._step(trainer.rows[:, 10:21], states)
    assert all(torch.equal(s, k) for layer, k in zip(states, kept, strict=True) for s in layer)
    assert not torch.equal(after[0][0], kept[0])


def test_parts_cover_the_text_once():
    for varied in (False, True):
        trainer = reader(replace(PLAIN, varied=varied, steps=20))
        parts = list(trainer._parts(0))
        assert parts[0].start == 0 and parts[-1].stop == trainer.rows.shape[1] - 1
        assert all(a.stop == b.start for a, b in pairwise(parts))
        sizes = {part.stop - part.start for part in parts[:-1]}
        assert (len(sizes) > 1) == varied


def test_lengths_vary_around_the_steps():
    trainer = reader(replace(PLAIN, steps=35, varied=True))
    trainer.rows = torch.zeros(1, 200_000)
    sizes = torch.tensor([float(p.stop - p.start) for p in trainer._parts(0)][:-1])
    # int() rounds down: 0.95 · 35 + 0.05 · 17.5 - 0.5 = 33.6.
    assert sizes.mean() == pytest.approx(33.6, abs=0.4)
    assert sizes.min() >= 5


def test_averaging_begins_when_nothing_improves():
    trainer = reader(replace(PLAIN, patience=2))
    history = []
    for loss in (3.0, 2.0, 2.5, 2.4):
        trainer.keep(loss, history)
        history.append(loss)
        assert trainer.average is None  # 2.4 is below 3.0, the best up to two epochs ago
    trainer.keep(2.3, history)  # above 2.0
    assert trainer.average is not None


def test_the_average_is_the_mean_of_the_weights_since():
    trainer = reader(PLAIN)
    trainer.average = torch.optim.swa_utils.AveragedModel(trainer.net)
    seen = []
    for start in range(0, 30, 10):
        trainer._step(trainer.rows[:, start : start + 11], None)
        seen.append(trainer.net.decoder.bias.detach().clone())
    torch.testing.assert_close(trainer.measured.decoder.bias, torch.stack(seen).mean(0))


def test_the_best_weights_are_kept():
    net = model()
    trained = fit_language(net, TEXT, replace(PLAIN, epochs=4))
    assert trained.val_perplexity == min(epoch.val_perplexity for epoch in trained.curve)
    assert perplexity(net, TEXT.val) == pytest.approx(trained.val_perplexity, rel=1e-5)
    assert not net.training


def test_it_learns_a_text():
    trained = fit_language(model(width=24), TEXT, replace(PLAIN, epochs=15, lr=5.0))
    assert trained.val_perplexity < 0.5 * trained.curve[0].val_perplexity


def test_resumed_as_if_never_stopped(tmp_path):
    recipe = replace(
        PLAIN, epochs=6, varied=True, patience=1, dropouts=Dropouts(0.1, 0.2, 0.2, 0.2), lr=200.0
    )
    whole_net, net = model(), model()
    whole = fit_language(whole_net, TEXT, recipe)

    class Enough(Exception):
        pass

    def once(epoch):
        raise Enough

    for _ in range(5):
        with pytest.raises(Enough):
            fit_language(model(), TEXT, recipe, checkpoint=tmp_path / "c", on_epoch=once)
    parts = fit_language(net, TEXT, recipe, checkpoint=tmp_path / "c")
    assert parts == whole
    assert any(epoch.averaged for epoch in whole.curve)
    for one, other in zip(net.parameters(), whole_net.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_stop_and_a_loss_that_explodes():
    with pytest.raises(Stopped):
        fit_language(model(), TEXT, PLAIN, should_stop=lambda: True)
    with pytest.raises(Diverged, match="epoch 1"):
        fit_language(model(), TEXT, replace(PLAIN, lr=1e38, gradient_clip=None))


def test_a_text_that_does_not_fit():
    with pytest.raises(DataError, match="the network 3"):
        small = language_model(
            SPACES["darts_rnn"](width=4).parse(SPACES["darts_rnn"].known["darts_rnn_v1"]),
            vocabulary=3,
        )
        fit_language(small, TEXT, PLAIN)
    with pytest.raises(DataError, match="cannot be read in 1000 rows"):
        fit_language(model(), TEXT, replace(PLAIN, batch_size=1000))


@pytest.mark.parametrize(
    "change", [{"lr": 0.0}, {"epochs": 0}, {"steps": 0}, {"slowness": -1.0}, {"patience": 0}]
)
def test_values_out_of_range(change):
    with pytest.raises(ConfigError, match=next(iter(change))):
        replace(PLAIN, **change)


def test_the_papers_numbers():
    ptb, wikitext = language_recipes["darts_ptb"], language_recipes["darts_wikitext2"]
    assert (ptb.lr, ptb.batch_size, ptb.gradient_clip, ptb.patience) == (20.0, 64, 0.25, 5)
    assert (ptb.weight_decay, wikitext.weight_decay) == (8e-7, 5e-7)
    assert (ptb.dropouts.hidden, wikitext.dropouts.hidden) == (0.25, 0.15)
    assert ptb.dropouts.words == 0.1 and ptb.slowness == 1e-3
