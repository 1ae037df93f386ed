import pytest
import torch

from nascout.train.augment import Moves, augment, draw_moves


def one_by_one(x, padding, moves):
    """The definition, pixel by pixel."""
    out = torch.zeros_like(x)
    n, channels, height, width = x.shape
    for k in range(n):
        for c in range(channels):
            for i in range(height):
                for j in range(width):
                    column = width - 1 - j if moves.mirrored[k] else j
                    row = i + int(moves.top[k]) - padding[0]
                    column += int(moves.left[k]) - padding[1]
                    if 0 <= row < height and 0 <= column < width:
                        out[k, c, i, j] = x[k, c, row, column]
    return out


@pytest.mark.parametrize("kind", [torch.uint8, torch.float32])
@pytest.mark.parametrize("padding", [(0, 0), (1, 2), (3, 1)])
def test_agrees_with_a_loop_over_pixels(kind, padding):
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(1, 256, (9, 2, 4, 5), generator=generator).to(kind)
    moves = draw_moves(9, padding, True, generator)
    out = augment(x, padding, moves)
    assert out.dtype == kind
    assert torch.equal(out, one_by_one(x, padding, moves))


def test_the_middle_crop_without_mirror_is_the_image():
    x = torch.rand(3, 1, 6, 4)
    middle = Moves(torch.full((3,), 2), torch.full((3,), 1), torch.zeros(3, dtype=torch.bool))
    assert torch.equal(augment(x, (2, 1), middle), x)


def test_draws_are_uniform_over_positions_and_half_are_mirrored():
    moves = draw_moves(6000, (1, 2), True, torch.Generator().manual_seed(1))
    # Five standard deviations of a binomial share of 6000.
    for values, positions in ((moves.top, 3), (moves.left, 5), (moves.mirrored.long(), 2)):
        p = 1 / positions
        bound = 5 * (6000 * p * (1 - p)) ** 0.5
        assert (values.bincount(minlength=positions) - 6000 * p).abs().max() < bound
    assert not draw_moves(100, (1, 1), False, torch.Generator()).mirrored.any()
