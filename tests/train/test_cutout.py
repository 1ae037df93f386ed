import pytest
import torch

from nascout.train.cutout import Holes, cut_out, draw_holes


def covered(side, length):
    """Mean number of pixels that a hole around a uniform middle covers along one axis."""
    total = 0
    for middle in range(length):
        first = middle - side // 2
        total += max(0, min(length, first + side) - max(0, first))
    return total / length


@pytest.mark.parametrize(
    ("sides", "size"), [((16, 16), (32, 32)), ((3, 4), (5, 9)), ((1, 1), (2, 2))]
)
def test_the_mean_area_over_all_middles_is_the_closed_form(sides, size):
    row, column = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
    holes = Holes(row.flatten(), column.flatten())
    out = cut_out(torch.ones(size[0] * size[1], 2, *size), holes, sides)
    area = (out == 0).double().sum((2, 3))[:, 0].mean().item()
    assert area == pytest.approx(covered(sides[0], size[0]) * covered(sides[1], size[1]))


def test_a_hole_away_from_the_border_is_the_square_and_the_rest_stays():
    x = torch.rand(1, 3, 9, 9) + 1
    out = cut_out(x, Holes(torch.tensor([4]), torch.tensor([3])), (4, 2))
    inside = torch.zeros(9, 9, dtype=torch.bool)
    inside[2:6, 2:4] = True
    assert (out[0][:, inside] == 0).all()
    assert torch.equal(out[0][:, ~inside], x[0][:, ~inside])


def test_middles_are_uniform():
    holes = draw_holes(6000, (3, 5), torch.Generator().manual_seed(0))
    for values, positions in ((holes.row, 3), (holes.column, 5)):
        p = 1 / positions
        bound = 5 * (6000 * p * (1 - p)) ** 0.5  # five standard deviations
        assert (values.bincount(minlength=positions) - 6000 * p).abs().max() < bound
