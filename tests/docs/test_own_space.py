"""The code in docs/own_space.md works as it stands."""

import re
from pathlib import Path

import pytest

from nascout.space import SPACES

PAGE = (Path(__file__).parents[2] / "docs" / "own_space.md").read_text()


@pytest.fixture(scope="module")
def page():
    """Everything the page defines; its space is taken out of the registry again."""
    names: dict[str, object] = {"__name__": "docs_own_space"}
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(compile(block, "own_space.md", "exec"), names)
    yield names
    del SPACES._entries["two_stages"]


def test_the_numbers_it_states(page):
    """Three widths; one stage with 2 kernels, or two with 2 each."""
    assert page["tower"].size == 3 * (2 + 4)
    (stated,) = re.findall(r"has (\d+) networks", PAGE)
    assert int(stated) == page["tower"].size


def test_features(page):
    stages = int(page["architecture"].choices["stages"])
    assert page["backbone"].strides == (2, 4)[:stages]


def test_it_conforms(page):
    page["test_two_stages"]()


def test_the_example_has_no_more_than_twenty_lines():
    example = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0].partition("@space")[2]
    assert len([line for line in example.splitlines() if line]) <= 20
