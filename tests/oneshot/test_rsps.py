"""Random paths through shared weights."""

import random

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from nascout.data import load
from nascout.oneshot import share
from nascout.oneshot.rsps import Rsps
from nascout.space import SPACES
from nascout.train.endings import Stopped

SPACE = SPACES["nasbench201"](channels=4, cells=1, input_shape=(1, 8, 8))
KNOBS = Rsps(epochs=2, batch_size=128, lr=0.1, samples=6)


@pytest.fixture(scope="module")
def split():
    return load("digits").split()


@pytest.mark.slow
def test_sharing_makes_all_samples_better(split):
    """Weights at a rate of 1e-12 stay as they are drawn: chance, of ten classes."""
    still = share(Rsps(epochs=1, batch_size=128, lr=1e-12, lr_final=0, samples=12), SPACE, split)
    shared = share(Rsps(epochs=12, batch_size=64, lr=0.1, samples=12), SPACE, split)
    assert {one for one, _ in still.architectures} == {one for one, _ in shared.architectures}
    alive = [SPACE.has_signal(one) for one, _ in shared.architectures]
    assert sum(alive) > 8
    before, after = (
        np.mean([v for one, v in found.architectures if SPACE.has_signal(one)])
        for found in (still, shared)
    )
    assert before < 20 and after > 2 * before
    losses = [epoch.train_loss for epoch in shared.curve]
    assert losses[-1] < losses[0] - 0.2


def test_found_is_sorted_and_has_each_network_once():
    learner = KNOBS.learner(SPACE, 0, torch.device("cpu"))
    nothing = dict.fromkeys([choice.name for choice in SPACE.decisions], "none")
    one = SPACE.architecture({**nothing, "0->3": "nor_conv_3x3"})
    twin = SPACE.architecture({**nothing, "0->1": "skip_connect", "1->3": "nor_conv_3x3"})
    assert one.digest == twin.digest and one != twin
    sample = [one, *(SPACE.sample(random.Random(n)) for n in range(7))]
    accuracy = {one.digest: float(n * 7 % 5) for n, one in enumerate(sample)}
    asked = []

    def judge(one):
        asked.append(one.digest)
        return accuracy[one.digest]

    found = learner.best([*sample, twin], judge)
    assert one in dict(found) and twin not in dict(found)
    assert sorted(asked) == sorted(accuracy)
    assert [value for _, value in found] == sorted(accuracy.values(), reverse=True)
    assert all(accuracy[best.digest] == value for best, value in found)


def test_every_step_has_a_path_of_its_own_and_weights_come_with_it():
    learner = KNOBS.learner(SPACE, 0, torch.device("cpu"))
    x = torch.rand(4, 1, 8, 8)
    paths = [SPACE.sample(random.Random(n)) for n in range(30)]
    counts = []
    for path in paths:
        learner.run(path, x)
        counts.append(len(learner.net.weighted))
    brought = [path for path, a, b in zip(paths, [0, *counts], counts, strict=False) if b > a]
    assert learner.held() == [str(path) for path in brought]
    # Six edges have two operations with weights, in each of three cells.
    stem_reductions_head = len([name for name in learner.net.weighted if "->" not in name])
    edges = len(learner.net.weighted) - stem_reductions_head
    assert edges == 6 * 2 * 3


def test_hold_makes_the_same_weights_again():
    one, other = (KNOBS.learner(SPACE, 3, torch.device("cpu")) for _ in range(2))
    for n in range(12):
        one.run(SPACE.sample(random.Random(n)), torch.rand(2, 1, 8, 8))
    other.hold(one.held())
    assert other.held() == one.held()
    found, expected = other.net.state_dict(), one.net.state_dict()
    assert list(found) == list(expected)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.slow
def test_a_resumed_sharing_ends_with_the_same_bits(split, tmp_path):
    straight = share(KNOBS, SPACE, split, checkpoint=tmp_path / "straight")
    epochs = []
    with pytest.raises(Stopped):
        share(
            KNOBS,
            SPACE,
            split,
            checkpoint=tmp_path / "resumed",
            on_epoch=epochs.append,
            should_stop=lambda: bool(epochs),
        )
    assert share(KNOBS, SPACE, split, checkpoint=tmp_path / "resumed") == straight
    one, other = (load_file(tmp_path / name) for name in ("straight", "resumed"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    accuracies = [accuracy for _, accuracy in straight.architectures]
    assert accuracies == sorted(accuracies, reverse=True) and len(accuracies) > 1
