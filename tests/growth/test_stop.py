import pytest
import torch

from nascout.growth import stop_forward, stop_gradient

SPECIAL = [0.0, -0.0, 1.5, -2.0, float("inf"), float("-inf"), float("nan"), 1e-45, 3e38]


def bits(x):
    return x.view({4: torch.int32, 8: torch.int64, 2: torch.int16}[x.element_size()])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_adding_a_stopped_tensor_changes_no_bit(dtype):
    target = torch.tensor(SPECIAL, dtype=dtype)
    for x in target:
        stopped = stop_forward(x.expand_as(target))
        joined = target + stopped
        known = ~target.isnan()
        assert torch.equal(bits(joined)[known], bits(target)[known])
        assert torch.equal(joined.isnan(), target.isnan())


def test_the_paper_s_form_would_change_some():
    """Why it is not x - sg(x): a negative zero, and what is not finite."""
    x = torch.tensor([1.0, float("inf")])
    assert torch.equal(bits(torch.tensor([-0.0]) + (x - x)[:1]), bits(torch.tensor([0.0])))
    assert (x - x)[1].isnan()


def test_the_gradient_passes_unchanged():
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(3, 4, dtype=torch.float64)
    (gradient,) = torch.autograd.grad((stop_forward(x.sin()) * weights).sum(), x)
    assert torch.equal(gradient, weights * x.detach().cos())


def test_no_gradient_passes_a_stopped_gradient():
    x = torch.randn(3, requires_grad=True)
    (gradient,) = torch.autograd.grad((x * stop_gradient(x)).sum(), x)
    assert torch.equal(gradient, x.detach())


def test_layout_is_kept():
    target = torch.randn(2, 3, 4, 4).contiguous(memory_format=torch.channels_last)
    x = torch.randn(2, 3, 4, 4)
    assert (target + stop_forward(x)).is_contiguous(memory_format=torch.channels_last)
    assert (x + stop_forward(target)).is_contiguous()
