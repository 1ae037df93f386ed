"""The battery for scores: every registered one passes, and every kind of broken one fails."""

import random
import sys

import numpy as np
import pytest
import torch
from torch import nn

from nascout.errors import UnsupportedNetwork
from nascout.score import SCORES, Card
from nascout.score.inputs import call, samples, tensors
from nascout.score.outputs import first_output
from nascout.score.untouched import untouched
from nascout.testing.networks import NETWORKS
from nascout.testing.processes import check_processes
from nascout.testing.score import check_score
from nascout.testing.unchanged import Snapshot


def card(function, needs="inputs", **declared):
    return Card("toy", function, needs, True, "", "", **declared)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SCORES))
def test_every_registered_score_passes(name):
    check_score(name)


@pytest.mark.slow
def test_every_registered_score_repeats_in_another_process():
    check_processes(SCORES)


def honest(net, x, y=None):
    return float(sum(p.detach().square().sum() for p in net.parameters()))


def stays_in_train_mode(net, x):
    net.train()
    return honest(net, x)


def stays_in_eval_mode(net, x):
    net.eval()
    return honest(net, x)


def changes_a_buffer(net, x):
    mode = {m: m.training for m in net.modules()}
    net.train()
    call(net, x)
    for module, training in mode.items():
        module.training = training
    return honest(net, x)


def changes_a_weight(net, x):
    next(net.parameters()).data.mul_(-1)
    return honest(net, x)


def leaves_a_hook(net, x):
    net.register_forward_hook(lambda *_: None)
    return honest(net, x)


def leaves_gradients(net, x):
    for p in net.parameters():
        p.grad = torch.zeros_like(p)
    return honest(net, x)


def lays_weights_out_anew(net, x):
    for p in net.parameters():
        p.data = p.data.clone().transpose(0, -1).contiguous().transpose(0, -1)
    return honest(net, x)


def changes_precision(net, x):
    net.double()
    return honest(net, x)


def leaves_a_hook_on_a_weight(net, x):
    for p in net.parameters():
        p.requires_grad and p.register_hook(lambda g: g)
    return honest(net, x)


def leaves_an_attribute(net, x):
    for module in net.modules():
        module.eps = 1e-3
    return honest(net, x)


def replaces_modules(net, x):
    for module in list(net.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.ReLU):
                setattr(module, name, nn.ReLU())
    return honest(net, x)


def changes_a_setting(net, x):
    torch.backends.mha.set_fastpath_enabled(not torch.backends.mha.get_fastpath_enabled())
    return honest(net, x)


def freezes(net, x):
    next(net.parameters()).requires_grad_(False)
    return honest(net, x)


def draws_from_torch(net, x):
    return honest(net, x) + torch.rand(1).item()


def draws_from_python(net, x):
    return honest(net, x) + random.random()


def draws_from_numpy(net, x):
    return honest(net, x) + np.random.rand()


def remembers(net, x, calls=[]):  # noqa: B006
    calls.append(1)
    return honest(net, x) + len(calls)


def gives_a_tensor_of_two(net, x):
    return torch.zeros(2)


def changes_the_batch(net, x):
    for tensor in tensors(x):
        tensor.mul_(2)
    return honest(net, x)


def wants_gradients_of_the_batch(net, x):
    for tensor in tensors(x):
        tensor.requires_grad_(tensor.is_floating_point())
    return honest(net, x)


def swallows_errors(net, x):
    try:
        with torch.no_grad():
            modes = [(m, m.training) for m in net.modules()]
            net.eval()
            call(net, x)
    except Exception:  # noqa: BLE001
        return 0.0
    finally:
        for module, mode in modes:
            module.training = mode
    return honest(net, x)


def tidies_up_only_on_success(net, x):
    modes = [(m, m.training) for m in net.modules()]
    net.eval()
    with torch.no_grad(), torch.random.fork_rng():
        call(net, x)
    for module, mode in modes:
        module.training = mode
    return honest(net, x)


def supports_nothing(net, x):
    raise UnsupportedNetwork("no", "none")


def refuses_without_a_remedy(net, x):
    raise UnsupportedNetwork("no", "")


def fails_on_what_it_cannot_read(net, x):
    return float(x.shape[3]) + honest(net, x)


def replaces_nan(net, x):
    return float(np.nan_to_num(honest(net, x)))


BROKEN = {
    stays_in_train_mode: "mode of",
    stays_in_eval_mode: "mode of",
    changes_a_buffer: "buffer",
    changes_a_weight: "parameter",
    leaves_a_hook: "hooks of",
    leaves_gradients: "gradient of",
    freezes: "requires_grad of",
    draws_from_torch: "torch's generator",
    draws_from_python: "Python's generator",
    draws_from_numpy: "NumPy's generator",
    remembers: "an earlier call",
    changes_the_batch: "the batch",
    swallows_errors: "though the network failed",
    tidies_up_only_on_success: "when raising",
    supports_nothing: "supports none",
    refuses_without_a_remedy: "refuses without a remedy",
    fails_on_what_it_cannot_read: "should raise UnsupportedNetwork",
    gives_a_tensor_of_two: "should raise UnsupportedNetwork",
    replaces_nan: "gives the number 0.0 though every weight is NaN",
    lays_weights_out_anew: "layout of",
    changes_precision: "parameter",
    leaves_a_hook_on_a_weight: "hooks on",
    leaves_an_attribute: "attributes of",
    replaces_modules: "attributes of",
    changes_a_setting: "attention's fast path",
    wants_gradients_of_the_batch: "the batch",
}


@pytest.fixture
def settings():
    enabled = torch.backends.mha.get_fastpath_enabled()
    yield
    torch.backends.mha.set_fastpath_enabled(enabled)


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize("function", BROKEN, ids=lambda f: f.__name__)
def test_every_kind_of_broken_score_fails(function):
    with pytest.raises(AssertionError, match=BROKEN[function]):
        check_score(card(function))


def outputs(net, x):
    with untouched(net), torch.no_grad():
        return first_output(call(net.eval(), x), samples(x))


def first_sample(net, x, y):
    return float(outputs(net, x)[0].sum())


def size(net, x, y):
    return float(sum(t.double().square().sum() for t in tensors(x))) + honest(net, x)


def output_size(net, x, y):
    return float(outputs(net, x).norm())


def output_direction(net, x, y):
    output = outputs(net, x)
    return float((output / output.norm()).sum())


def labels_as_numbers(net, x, y):
    return honest(net, x) + float((y * torch.arange(len(y))).sum())


def weights_of_any_use(net, x, y):
    return honest(net, x) + sum(p.numel() for p in net.parameters())


DECLARED = {
    "batch order": (first_sample, output_size),
    "input scale": (size, labels_as_numbers),
    "output scale": (output_size, output_direction),
    "label names": (labels_as_numbers, first_sample),
    "function form": (weights_of_any_use, output_size),
}


@pytest.mark.slow
@pytest.mark.parametrize("invariance", DECLARED)
def test_what_the_card_declares_is_checked(invariance):
    wrong, right = (card(f, "labels", invariances=(invariance,)) for f in DECLARED[invariance])
    with pytest.raises(AssertionError, match=f"when the {invariance} changes, which its card says"):
        check_score(wrong)
    check_score(right)


@pytest.mark.slow
def test_a_reference_is_compared():
    def near(net, x):
        return honest(net, x) * (1 + 5e-5)

    def far(net, x):
        return honest(net, x) * (1 + 5e-4)

    def reads_less(net, x):
        raise UnsupportedNetwork("slow", "Use the fast way.")

    check_score(card(honest, reference=near))
    check_score(card(honest, reference=reads_less))
    with pytest.raises(AssertionError, match="and its reference"):
        check_score(card(honest, reference=far))


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module that another process can import, with an honest score and one that is not."""
    (tmp_path / "toy_scores.py").write_text(
        "import os\n"
        "def repeats(net, x):\n"
        "    return float(sum(p.detach().double().sum() for p in net.parameters()))\n"
        "def hashes(net, x):\n"
        "    return repeats(net, x) + hash('weight') % 1000\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    import toy_scores

    yield toy_scores
    del sys.modules["toy_scores"]


@pytest.mark.slow
def test_another_process_must_give_the_same_bits(module):
    check_processes([card(module.repeats)])
    with pytest.raises(AssertionError, match=r"toy on 'bfloat16' gives .* in another process"):
        check_score(card(module.hashes), processes=True)
    with pytest.raises(AssertionError, match="another process fails: AttributeError"):
        check_processes([card(lambda net, x: 0.0)])


@pytest.mark.slow
@pytest.mark.parametrize("needs", ["network", "inputs", "labels"])
def test_an_honest_score_passes(needs):
    check_score(card(honest, needs))


@pytest.mark.slow
def test_a_score_may_be_undefined_on_some_networks():
    def picky(net, x):
        if not isinstance(net, nn.Sequential):
            raise UnsupportedNetwork("a Sequential is needed", "Pass one.")
        return float("nan")

    check_score(card(picky))


def test_the_battery_registers_nothing():
    assert "toy" not in SCORES


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_repeat_and_differ_in_make(name):
    example = NETWORKS[name]
    (x, y), again = example.batch(), example.batch()
    assert all(map(torch.equal, tensors(x), tensors(again[0]))) and torch.equal(y, again[1])
    net = example.make()
    same = zip(net.parameters(), example.make().parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in same)
    output = first_output(call(net, x), len(y))
    assert output.shape == (8, 4) and bool(output.isfinite().all())
    assert isinstance(net.get_submodule(example.head), nn.Linear)


def test_an_lstms_lists_of_weights_are_watched():
    net = nn.LSTM(2, 3)
    before = Snapshot(net)
    net._init_flat_weights()
    assert before.changes(net) == []
    net._flat_weights[0] = torch.zeros(1)
    assert before.changes(net) == ["attributes of the network"]
