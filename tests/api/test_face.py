"""``import nascout`` offers the face, and rooms of the same name stay importable."""

import subprocess
import sys

import pandas as pd
import pytest
import torch

import nascout
from nascout.errors import ConfigError, UnknownName

CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|"


def test_from_text_to_scores():
    space = nascout.space("nasbench201", classes=10)
    arch = space.parse(CELL)
    net = nascout.build(arch, seed=0)
    assert isinstance(net, torch.nn.Module)
    x = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    one = nascout.score(arch, x, "naswot")
    assert one == nascout.score(net, x, "naswot")
    assert one.higher_is_better
    # One 3x3 convolution per cell: 73,306 + 243,040 params in NAS-Bench-201's table.
    assert nascout.cost(arch).params == 73_306 + 243_040
    assert nascout.cost(net) == nascout.cost(arch)


@pytest.mark.parametrize("table", [nascout.spaces, nascout.scores, nascout.strategies])
def test_lists_are_data_frames_with_a_line_about_each(table):
    frame = table()
    assert isinstance(frame, pd.DataFrame)
    assert frame["name"].is_unique
    assert frame["what"].str.len().gt(10).all()


def test_unknown_names_suggest_the_nearest():
    with pytest.raises(UnknownName, match="Did you mean nasbench201"):
        nascout.space("nasbench-201")
    with pytest.raises(ConfigError, match="no option 'width'"):
        nascout.space("nasbench201", width=3)
    with pytest.raises(AttributeError, match="no attribute 'serach'"):
        _ = nascout.serach


@pytest.mark.slow
def test_functions_win_over_rooms_of_the_same_name_in_any_order():
    code = (
        "import nascout.score.evaluate, nascout.search, nascout.space.nasbench201\n"
        "import nascout\n"
        "from nascout.search import Trial\n"
        "assert callable(nascout.score) and callable(nascout.search)\n"
        "assert nascout.space('nasbench201').size == 15625\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_public_name_resolves():
    assert all(getattr(nascout, name) is not None for name in nascout.__all__)
    assert set(nascout.__all__) <= set(dir(nascout))
