import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps

from nascout.train.randaugment import OPERATIONS, Policy, draw_policy, randaugment

NAMES = list(OPERATIONS)


def apply(x, name, strength):
    """One operation on all images, as a policy would."""
    n = len(x)
    sign = torch.full((n, 1), 1.0 if strength >= 0 else -1.0)
    return randaugment(x, Policy(torch.full((n, 1), NAMES.index(name)), sign), abs(strength))


@pytest.fixture
def x():
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, (5, 3, 12, 10), generator=generator).to(torch.uint8)


def by_pillow(x, change):
    out = [np.asarray(change(Image.fromarray(i.permute(1, 2, 0).numpy()))) for i in x]
    return torch.from_numpy(np.stack(out)).permute(0, 3, 1, 2)


@pytest.mark.parametrize(
    ("name", "strength", "change"),
    [
        ("identity", 1.0, lambda i: i),
        ("brightness", 0.5, lambda i: ImageEnhance.Brightness(i).enhance(1.45)),
        ("brightness", -1.0, lambda i: ImageEnhance.Brightness(i).enhance(0.1)),
        ("color", -0.7, lambda i: ImageEnhance.Color(i).enhance(0.37)),
        ("contrast", 0.4, lambda i: ImageEnhance.Contrast(i).enhance(1.36)),
        ("sharpness", 0.6, lambda i: ImageEnhance.Sharpness(i).enhance(1.54)),
        ("posterize", 1.0, lambda i: ImageOps.posterize(i, 4)),
        ("posterize", 0.5, lambda i: ImageOps.posterize(i, 6)),
        ("solarize", 0.3, lambda i: ImageOps.solarize(i, 178.5)),
        ("autocontrast", 1.0, ImageOps.autocontrast),
    ],
)
def test_colours_are_those_of_pillow(x, name, strength, change):
    """To two levels: Pillow rounds in between."""
    difference = apply(x, name, strength).int() - by_pillow(x, change).int()
    assert difference.abs().max() <= 2


@pytest.mark.parametrize("strength", [1.0, -1.0])
def test_a_shift_of_whole_pixels(strength):
    x = torch.randint(1, 256, (2, 1, 20, 20)).to(torch.uint8)
    moved, shift = apply(x, "translate_x", strength), 9  # 0.45 of 20
    kept, came = (
        (slice(shift, None), slice(-shift)) if strength > 0 else (slice(-shift), slice(shift, None))
    )
    assert torch.equal(moved[..., came], x[..., kept])
    assert torch.equal(apply(x.transpose(2, 3), "translate_y", strength), moved.transpose(2, 3))
    rest = slice(-shift, None) if strength > 0 else slice(shift)
    assert (moved[..., rest] == 0).all()


def test_rotations_turn_around_the_middle():
    """Three times 30 degrees is a right angle; one step of it moves what lies at 3 pixels."""
    whole = OPERATIONS["rotate"](torch.rand(1, 1, 9, 9), torch.tensor([3.0]))
    assert whole.shape == (1, 1, 9, 9)
    x = torch.rand(2, 3, 9, 9)
    turned = OPERATIONS["rotate"](x, torch.tensor([3.0, -3.0]))
    assert torch.equal(turned[0], x[0].rot90(1, (1, 2)))
    assert torch.equal(turned[1], x[1].rot90(-1, (1, 2)))


def test_rotation_keeps_angles_in_images_that_are_no_squares():
    """Pixel (row 4, column 4 + 6) of a 9 x 21 image turns by 90 degrees out of the image's side."""
    x = torch.zeros(1, 1, 21, 9)
    x[0, 0, 10 + 3, 4] = 1  # three below the middle
    turned = OPERATIONS["rotate"](x, torch.tensor([3.0]))
    assert turned.nonzero().tolist() == [[0, 0, 10, 4 + 3]]


def test_a_shear_moves_rows_in_proportion_to_their_height():
    x = torch.zeros(1, 1, 21, 41)
    x[..., 20] = 1  # a vertical line
    sheared = OPERATIONS["shear_x"](x, torch.tensor([1.0]))
    columns = sheared[0, 0].argmax(1)
    expected = [20 - 0.3 * (row - 10) for row in range(21)]
    assert np.abs(columns.numpy() - expected).max() <= 0.5 + 1e-4
    assert torch.equal(
        OPERATIONS["shear_y"](x.transpose(2, 3), torch.tensor([1.0])), sheared.transpose(2, 3)
    )


def test_every_image_has_its_own_policy(x):
    policy = draw_policy(5, 3, torch.Generator().manual_seed(1))
    together = randaugment(x, policy, 0.6)
    alone = [randaugment(x[i : i + 1], policy.take(slice(i, i + 1)), 0.6) for i in range(5)]
    assert torch.equal(together, torch.cat(alone))
    assert together.dtype == torch.uint8


def test_grey_images_are_taken():
    x = torch.randint(256, (13, 1, 8, 8)).to(torch.uint8)
    policy = Policy(torch.arange(13)[:, None], torch.ones(13, 1))
    assert randaugment(x, policy, 1.0).shape == x.shape


def test_operations_are_drawn_uniformly():
    policy = draw_policy(4000, 2, torch.Generator().manual_seed(0))
    p, n = 1 / len(NAMES), 8000
    counts = policy.operation.flatten().bincount(minlength=len(NAMES))
    assert (counts - n * p).abs().max() < 5 * (n * p * (1 - p)) ** 0.5
    assert abs(policy.sign.sum().item()) < 5 * n**0.5
