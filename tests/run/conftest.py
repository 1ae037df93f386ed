"""A small space and a result to store."""

import pytest

from nascout.records import Outcome
from nascout.run.result import Result
from nascout.run.store import Store
from nascout.space import SPACES


@pytest.fixture
def space():
    return SPACES["nasbench201"](channels=4, cells=1, input_shape=(1, 8, 8))


@pytest.fixture
def store(tmp_path):
    store = Store.in_folder(tmp_path)
    store.write_config({"seed": 0})
    yield store
    store.close()


@pytest.fixture
def result():
    return Result(Outcome.OK, {"naswot": 1.5, "params": 10.0}, "", 0.25)
