"""The hypervolume of the benchmark script, against counting cells of a grid."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "accel_hypervolume.py"
COORDINATES = st.integers(0, 12)


@pytest.fixture(scope="module")
def hypervolume():
    spec = importlib.util.spec_from_file_location("accel_hypervolume", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.hypervolume


@given(points=st.lists(st.tuples(COORDINATES, COORDINATES), max_size=15))
def test_it_is_the_number_of_dominated_cells(hypervolume, points):
    cells = {(x, y) for right, top in points for x in range(right) for y in range(top)}
    assert hypervolume(np.array(points, dtype=float).reshape(-1, 2)) == len(cells)
