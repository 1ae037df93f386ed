from dataclasses import replace

import pytest
import torch
from torch import nn

import nascout
from nascout.data import Arrays, as_data, load, normalise
from nascout.errors import ConfigError, DataError, MissingExtra, UnsupportedNetwork
from nascout.train import (
    AdamW,
    Augmentation,
    CosineRestarts,
    Diverged,
    DropPath,
    Recipe,
    RmsProp,
    Sgd,
    Stopped,
    accuracy,
    fit,
    learning_rate,
    recipes,
    tensorboard,
)

AS_THEY_ARE = Augmentation(crop_fraction=0.0, flip=False)
PLAIN = Recipe("plain", "a test", 3, 8, 0.05, augmentation=AS_THEY_ARE)


@pytest.fixture
def split():
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(60) % 3
    x = torch.rand(60, 1, 8, 8, generator=generator) / 4
    for row in range(3):
        x[y == row, 0, row] += 1
    return as_data((x, y), test_fraction=0).split()


def make_net(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Flatten(),
        nn.Linear(4 * 36, 3),
    )


def same(a, b):
    states = a.state_dict(), b.state_dict()
    return all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_one_epoch_of_one_batch_is_the_formula_of_sgd_with_decay():
    """One full batch, no momentum: w - lr * (gradient + decay * w), bias without decay."""
    x, y = torch.rand(10, 1, 2, 2), torch.arange(10) % 2
    split = as_data((x, y), test_fraction=0).split()
    split = replace(split, train=Arrays(split.train.x[:8], split.train.y[:8]))
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    w, b = net[1].weight.detach().double().clone(), net[1].bias.detach().double().clone()
    inputs = normalise(split.train.x, split.mean, split.std).flatten(1).double()
    p = torch.softmax(inputs @ w.T + b, 1)
    target = torch.nn.functional.one_hot(split.train.y, 2) * 0.8 + 0.1  # smoothing of 0.2
    loss = -(target * p.log()).sum(1).mean()
    gradient = (p - target) / 8
    sgd = Sgd(momentum=0.0, nesterov=False, weight_decay=0.1)
    recipe = replace(PLAIN, optimizer=sgd, label_smoothing=0.2)
    trained = fit(net, split, recipe, epochs=1)
    expected = w - 0.05 * (gradient.T @ inputs + 0.1 * w)
    torch.testing.assert_close(net[1].weight.double(), expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(net[1].bias.double(), b - 0.05 * gradient.sum(0), atol=1e-6, rtol=0)
    assert trained.train_loss == pytest.approx(loss.item(), rel=1e-5)


def test_it_learns_and_reports(split):
    trained = fit(make_net(), split, PLAIN, epochs=6)
    assert trained.val_metric > 80
    assert (trained.epochs, [e.epoch for e in trained.curve]) == (6, [1, 2, 3, 4, 5, 6])
    assert [e.val_metric for e in trained.curve] == [None] * 5 + [trained.val_metric]
    assert trained.curve[0].train_loss > trained.curve[-1].train_loss == trained.train_loss
    assert trained.seconds == pytest.approx(sum(e.seconds for e in trained.curve))


def test_the_network_is_left_ready_for_use(split):
    net = make_net()
    trained = fit(net, split, PLAIN)
    assert not any(module.training for module in net.modules())
    assert all(p.grad is None for p in net.parameters())
    assert accuracy(net, split.val, split) == trained.val_metric


def test_every_epoch_is_measured_if_somebody_listens(split):
    heard, quiet, loud = [], make_net(), make_net()
    fit(quiet, split, PLAIN)
    trained = fit(loud, split, PLAIN, on_epoch=heard.append)
    assert tuple(heard) == trained.curve
    assert all(epoch.val_metric is not None for epoch in heard)
    assert same(quiet, loud)


@pytest.mark.parametrize("done", [1, 2, 3])
def test_a_resumed_training_ends_with_the_same_bits(split, tmp_path, done):
    recipe = replace(
        recipes["shortlist"],
        batch_size=16,
        augmentation=Augmentation(flip=True),
        label_smoothing=0.1,
    )
    whole = make_net()
    expected = fit(whole, split, recipe, epochs=3, seed=7)

    path, epochs = tmp_path / "a.safetensors", []
    stop = {"should_stop": lambda: len(epochs) == done}
    if done < 3:
        with pytest.raises(Stopped):
            fit(
                make_net(),
                split,
                recipe,
                epochs=3,
                seed=7,
                checkpoint=path,
                on_epoch=epochs.append,
                **stop,
            )
    else:
        fit(make_net(), split, recipe, epochs=3, seed=7, checkpoint=path)
    torch.rand(9)  # the global RNG has moved on, as in a new process
    resumed = make_net(seed=99)  # and the weights are others
    found = fit(resumed, split, recipe, epochs=3, seed=7, checkpoint=path)
    assert same(whole, resumed)
    assert found.val_metric == expected.val_metric
    assert [e.train_loss for e in found.curve] == [e.train_loss for e in expected.curve]


@pytest.mark.parametrize("change", ["seed", "recipe", "epochs", "data", "damage"])
def test_a_checkpoint_of_another_training_is_ignored(split, tmp_path, change):
    path = tmp_path / "a.safetensors"
    fit(make_net(), split, PLAIN, checkpoint=path)
    seed, recipe, epochs = 0, PLAIN, 2 if change == "epochs" else 3
    if change == "seed":
        seed = 1
    elif change == "recipe":
        recipe = replace(PLAIN, lr=0.01)
    elif change == "data":
        split = replace(split, train=Arrays(split.train.x + 1, split.train.y))
    elif change == "damage":
        path.write_bytes(path.read_bytes()[:-1])
    fresh, other = make_net(), make_net()
    fit(fresh, split, recipe, epochs=epochs, seed=seed)
    fit(other, split, recipe, epochs=epochs, seed=seed, checkpoint=path)
    assert same(fresh, other)


def test_seeds_and_the_global_rng(split):
    nets = [make_net() for _ in range(3)]
    torch.manual_seed(123)
    before = torch.get_rng_state()
    for net, seed in zip(nets, (0, 0, 1), strict=True):
        fit(net, split, PLAIN, epochs=1, seed=seed)
        assert torch.equal(torch.get_rng_state(), before)
        torch.rand(3)
        before = torch.get_rng_state()
    assert same(nets[0], nets[1])
    assert not same(nets[0], nets[2])


def test_should_stop_is_asked_before_every_step(split):
    asked = []
    with pytest.raises(Stopped):
        fit(make_net(), split, PLAIN, should_stop=lambda: asked.append(1) or len(asked) == 4)
    assert len(asked) == 4  # 48 images in batches of 8: the first epoch has 6 steps


def test_nan_raises(split):
    net = make_net()
    with torch.no_grad():
        net[5].bias[0] = float("nan")
    with pytest.raises(Diverged, match="in epoch 1"):
        fit(net, split, PLAIN)


def test_weights_that_explode_in_the_very_last_step_raise(split):
    huge = replace(PLAIN, lr=1e38, optimizer=Sgd(weight_decay=1e5), batch_size=48, epochs=1)
    with pytest.raises(Diverged):
        fit(make_net(), split, huge)


class Seen(nn.Module):
    """Remembers the batches it was trained on."""

    def __init__(self, classes=3):
        super().__init__()
        self.linear, self.batches = nn.Linear(64, classes), []

    def forward(self, x):
        if self.training:
            self.batches.append(x.detach().clone())
        return self.linear(x.flatten(1))


@pytest.mark.parametrize(("size", "batches"), [(8, [8] * 6), (10, [10] * 4 + [8]), (47, [47])])
def test_a_last_batch_is_kept_unless_it_is_one_image(split, size, batches):
    net = Seen()
    fit(net, split, replace(PLAIN, batch_size=size), epochs=1)
    assert [len(batch) for batch in net.batches] == batches


def test_without_augmentation_an_epoch_holds_every_training_image_once(split):
    net = Seen()
    fit(net, split, PLAIN, epochs=2)
    expected = normalise(split.train.x, split.mean, split.std).flatten(1).tolist()
    epochs = torch.cat(net.batches).flatten(1).tolist()
    assert sorted(epochs[:48]) == sorted(epochs[48:]) == sorted(expected)
    assert epochs[:48] != epochs[48:]


@pytest.mark.parametrize(("of_recipe", "of_data", "mirrored"), [
    (None, True, True), (None, False, False), (False, True, False), (True, False, True),
])  # fmt: skip
def test_the_recipe_decides_on_mirroring_before_the_data(split, of_recipe, of_data, mirrored):
    net = Seen()
    recipe = replace(PLAIN, augmentation=replace(AS_THEY_ARE, flip=of_recipe))
    fit(net, replace(split, flip=of_data), recipe, epochs=1)
    known = {
        tuple(row) for row in normalise(split.train.x, split.mean, split.std).flatten(1).tolist()
    }
    unknown = [row for row in torch.cat(net.batches).flatten(1).tolist() if tuple(row) not in known]
    assert (len(unknown) > 0) == mirrored


def test_the_test_part_is_never_read(split):
    poison = Arrays(torch.zeros(1, 1, 8, 8), torch.zeros(1, dtype=torch.int64))
    object.__setattr__(poison, "x", None)
    fit(make_net(), replace(split, test=poison), PLAIN, epochs=1)


def test_frozen_weights_stay_and_gradients_are_clipped(split):
    net = make_net()
    net[0].weight.requires_grad_(False)
    before = net[0].weight.clone(), net[5].weight.detach().clone()
    recipe = replace(PLAIN, gradient_clip=1e-6, optimizer=Sgd(weight_decay=0.0))
    fit(net, split, recipe, epochs=1)
    assert torch.equal(net[0].weight, before[0])
    # Six steps of at most lr * (1 + momentum + ...) * 1e-6, Nesterov: below 6 * 0.05 * 11 * 1e-6.
    assert 0 < (net[5].weight - before[1]).norm() < 3.3e-6


def test_what_cannot_be_trained_is_refused(split):
    with pytest.raises(UnsupportedNetwork, match="no trainable parameters"):
        fit(nn.Flatten(), split, PLAIN)
    with pytest.raises(UnsupportedNetwork, match=r"\(n, 3\)"):
        fit(Seen(classes=2), split, PLAIN)
    with pytest.raises(ConfigError, match="epochs = 0"):
        fit(make_net(), split, PLAIN, epochs=0)
    one = replace(split, train=Arrays(split.train.x[:1], split.train.y[:1]))
    with pytest.raises(DataError, match="one training image"):
        fit(make_net(), one, PLAIN)


def small_net(channels, classes=10):
    torch.manual_seed(0)
    layers = []
    for i, (a, b) in enumerate([(channels, 16), (16, 32), (32, 32)]):
        layers += [nn.Conv2d(a, b, 3, 1 + (i > 0), 1, bias=False), nn.BatchNorm2d(b), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, classes))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "epochs", "least"), [("shortlist", 8, 94), ("final", 20, 96)])
def test_digits_are_learnt(name, epochs, least):
    trained = fit(small_net(1), load("digits").split(), recipes[name], epochs=epochs)
    assert trained.val_metric > least


@pytest.mark.slow
def test_real_cifar_is_learnt(shared_data):
    path = shared_data / "cifar10_16k.npz"
    split = load(str(path), flip=True).split()
    trained = fit(small_net(3), split, recipes["shortlist"], epochs=2)
    assert trained.val_metric > 35


FULL = Recipe(
    "full",
    "everything at once",
    2,
    8,
    0.02,
    optimizer=AdamW(),
    schedule=CosineRestarts(1),
    warmup_epochs=0.5,
    augmentation=Augmentation(flip=True, randaugment=2, cutout=0.5, mixup=0.4, cutmix=1.0),
    label_smoothing=0.1,
    gradient_clip=5.0,
    auxiliary_weight=0.4,
    drop_path=DropPath(0.5, by_layer=True),
    dropout=0.2,
    ema_decay=0.9,
)


@pytest.fixture
def bytes_split(split):
    """As 8-bit images."""
    parts = [
        Arrays((part.x * 128).clamp(0, 255).to(torch.uint8), part.y)
        for part in (split.train, split.val)
    ]
    return replace(split, train=parts[0], val=parts[1])


def cells():
    space = nascout.space(
        "darts", channels=4, cells=3, classes=3, input_shape=(1, 8, 8), auxiliary=True
    )
    return nascout.build(space.parse(space.known["darts_v2"]))


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", [Sgd(), RmsProp(), AdamW()])
def test_a_training_stopped_anywhere_ends_with_the_same_bits(bytes_split, tmp_path, optimizer):
    recipe = replace(FULL, optimizer=optimizer)
    whole = cells()
    expected = fit(whole, bytes_split, recipe, seed=3)
    steps = 2 * 6
    for stop in (5, 6, 7):  # in an epoch, between two, in the next
        path, made = tmp_path / f"{stop}", []
        with pytest.raises(Stopped):
            fit(
                cells(), bytes_split, recipe, seed=3, checkpoint=path,
                on_step=made.append, should_stop=lambda stop=stop, made=made: len(made) == stop,
            )  # fmt: skip
        torch.rand(stop)
        rest, resumed = [], cells()
        found = fit(resumed, bytes_split, recipe, seed=3, checkpoint=path, on_step=rest.append)
        assert [step.step for step in made + rest] == list(range(1, steps + 1))
        assert same(whole, resumed)
        assert found == expected


def test_a_killed_training_goes_on_from_the_last_saved_step(split, tmp_path):
    """An exception stands for a kill: nothing is written at it."""
    path, steps = tmp_path / "a", []
    whole = make_net()
    expected = fit(whole, split, PLAIN, seed=1)

    def die(step):
        steps.append(step.step)
        if step.step == 11:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(make_net(), split, PLAIN, seed=1, checkpoint=path, save_steps=2, on_step=die)
    rest, resumed = [], make_net(seed=9)
    found = fit(resumed, split, PLAIN, seed=1, checkpoint=path, on_step=rest.append)
    assert rest[0].step == 11  # the second epoch begins at step 7; steps 8 and 10 were saved
    assert same(whole, resumed)
    assert found == expected


def test_what_was_saved_at_the_very_end_of_an_epoch_loses_no_epoch(split, tmp_path):
    path = tmp_path / "a"
    expected = fit(make_net(), split, PLAIN)

    def die(step):
        if step.step == 7:
            raise KeyboardInterrupt

    def save_often(epoch):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(make_net(), split, PLAIN, checkpoint=path, save_seconds=0, on_step=die)
    assert fit(make_net(), split, PLAIN, checkpoint=path) == expected
    path.unlink()
    with pytest.raises(KeyboardInterrupt):
        fit(make_net(), split, PLAIN, checkpoint=path, on_epoch=save_often)
    found = fit(make_net(), split, PLAIN, checkpoint=path)
    assert [e.lr for e in found.curve] == [e.lr for e in expected.curve]


def test_steps_are_told_with_the_time_left(split):
    steps = []
    trained = fit(make_net(), split, PLAIN, on_step=steps.append)
    assert [step.step for step in steps] == list(range(1, 19))
    assert {step.steps for step in steps} == {18}
    assert steps[-1].seconds_left == 0 < steps[0].seconds_left
    assert [step.lr for step in steps] == [learning_rate(PLAIN, s, 6) for s in range(18)]
    first = sum(float(step.loss) for step in steps[:6]) / 6
    assert first == pytest.approx(trained.curve[0].train_loss)
    assert trained.curve[0].seconds_left == pytest.approx(2 * trained.curve[0].seconds)


class TwoHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.main, self.other = nn.Linear(64, 3), nn.Linear(64, 3)

    def forward(self, x):
        return self.main(x.flatten(1)), self.other(x.flatten(1))


@pytest.mark.parametrize("weight", [0.0, 0.4])
def test_an_auxiliary_head_learns_with_its_weight(split, weight):
    """Without momentum a step is lr times the gradient: w of the head moves ``weight`` as far."""
    torch.manual_seed(0)
    net = TwoHeads()
    net.other.load_state_dict(net.main.state_dict())
    before = net.main.weight.detach().clone()
    recipe = replace(
        PLAIN,
        optimizer=Sgd(momentum=0.0, nesterov=False, weight_decay=0.0),
        auxiliary_weight=weight,
        batch_size=48,
    )
    trained = fit(net, split, recipe, epochs=1)
    moved = net.main.weight - before
    assert moved.norm() > 0
    assert torch.allclose(net.other.weight - before, weight * moved, atol=1e-7)
    assert trained.val_metric == accuracy(net, split.val, split)


def test_the_average_of_weights_is_the_recursion_and_is_what_is_kept(split):
    recipe = replace(PLAIN, ema_decay=0.8)
    followed, states = make_net(), []
    follow = {
        "on_step": lambda step: states.append(
            {name: value.clone() for name, value in followed.state_dict().items()}
        )
    }
    fit(followed, split, PLAIN, epochs=1, **follow)
    average = {name: value.double() for name, value in states[0].items()}
    for state in states[1:]:
        for name, value in state.items():
            average[name] = 0.8 * average[name] + 0.2 * value.double()
    kept = make_net()
    trained = fit(kept, split, recipe, epochs=1)
    for name, value in kept.state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(value.double(), average[name], atol=1e-6, rtol=1e-5)
    assert trained.val_metric == accuracy(kept, split.val, split)


def test_everything_at_once_and_a_curve_for_tensorboard(bytes_split, tmp_path):
    folder = tmp_path / "curve"
    try:
        listener = tensorboard(folder)
    except MissingExtra as error:
        assert "nascout[tensorboard]" in str(error)
        listener = None
    trained = fit(cells(), bytes_split, replace(FULL, epochs=1), on_epoch=listener)
    assert 0 <= trained.val_metric <= 100
    if listener:
        assert list(folder.iterdir())
