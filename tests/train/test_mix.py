import numpy as np
import pytest
import torch
from torch.nn import functional

from nascout.train import Augmentation
from nascout.train.mix import Mix, draw_mix, mix_images, mixed_loss


def draws(how, times, size=(8, 8), n=6):
    generator, rng = torch.Generator().manual_seed(0), np.random.RandomState(0)
    return [draw_mix(n, size, how, generator, rng) for _ in range(times)]


def test_nothing_is_mixed_unless_asked():
    assert draws(Augmentation(), 1) == [None]


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_mixup_weights_have_the_moments_of_beta(alpha):
    mixes = draws(Augmentation(mixup=alpha), 4000)
    weights = np.array([mix.weight for mix in mixes])
    assert all(mix.box is None for mix in mixes)
    deviation = (1 / (4 * (2 * alpha + 1))) ** 0.5
    assert weights.mean() == pytest.approx(0.5, abs=5 * deviation / 4000**0.5)
    assert weights.std() == pytest.approx(deviation, rel=0.06)
    assert all(sorted(mix.partner.tolist()) == list(range(6)) for mix in mixes)


def test_mixup_is_the_weighted_sum():
    x = torch.rand(3, 2, 4, 4)
    mix = Mix(0.3, torch.tensor([1, 2, 0]), None)
    assert torch.allclose(mix_images(x, mix), 0.3 * x + 0.7 * x[[1, 2, 0]])


def test_cutmix_pastes_a_box_and_weighs_by_its_area():
    x = torch.arange(6.0)[:, None, None, None].expand(6, 1, 8, 12) + 1
    for mix in draws(Augmentation(cutmix=1.0), 200, (8, 12)):
        out = mix_images(x, mix)
        own = (out == x) | (mix.partner == torch.arange(6))[:, None, None, None]
        strangers = mix.partner != torch.arange(6)
        share = own[strangers].double().mean((1, 2, 3))
        assert share == pytest.approx(torch.full_like(share, mix.weight))
        top, bottom, left, right = mix.box
        assert torch.equal(
            out[:, :, top:bottom, left:right], x[mix.partner][:, :, top:bottom, left:right]
        )
    assert torch.equal(x[:, 0, 0, 0], torch.arange(6.0) + 1)  # left as it was


def test_cutmix_boxes_have_the_sides_of_the_paper():
    """Inside the image: height H sqrt(1 - weight) and width W sqrt(1 - weight), rounded."""
    rng = np.random.RandomState(0)
    for mix in draws(Augmentation(cutmix=1.0), 300, (40, 60)):
        weight = rng.beta(1.0, 1.0)
        rng.randint(40), rng.randint(60)
        top, bottom, left, right = mix.box
        side = (1 - weight) ** 0.5
        for low, high, length in ((top, bottom, 40), (left, right, 60)):
            whole = round(length * side)
            cut = low == 0 or high == length
            assert high - low <= whole if cut else high - low == whole


def test_either_is_drawn_where_both_are_wanted():
    mixes = draws(Augmentation(mixup=1.0, cutmix=1.0), 400)
    cut = sum(mix.box is not None for mix in mixes)
    assert abs(cut - 200) < 5 * 10  # a binomial's standard deviation is 10


def test_mixed_losses_are_losses_against_mixed_targets():
    """For cross-entropy the value, for squares the gradient."""
    out = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    y, other = torch.tensor([0, 1, 2, 3]), torch.tensor([4, 1, 0, 2])
    soft = 0.3 * functional.one_hot(y, 5) + 0.7 * functional.one_hot(other, 5)
    found = mixed_loss(functional.cross_entropy, out, (y, other), 0.3)
    assert found.item() == pytest.approx(functional.cross_entropy(out, soft).item())
    a, b = torch.rand(4, 5, dtype=torch.float64), torch.rand(4, 5, dtype=torch.float64)
    (one,) = torch.autograd.grad(mixed_loss(functional.mse_loss, out, (a, b), 0.3), out)
    (two,) = torch.autograd.grad(functional.mse_loss(out, 0.3 * a + 0.7 * b), out)
    assert torch.allclose(one, two)
