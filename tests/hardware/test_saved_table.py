"""A table in a file: taken on its own machine, refused on another."""

import json

import pytest

from nascout.errors import ConfigError
from nascout.graph import Builder
from nascout.graph.ops import Conv2d, ReLU
from nascout.hardware import LatencyTable
from nascout.hardware.device import fingerprint
from nascout.hardware.saved_table import ForeignTable, load_table


def graph(*ops):
    g = Builder()
    return g.graph(g.chain(ops, g.input((3, 8, 8)), key="net"))


KNOWN, UNKNOWN = graph(Conv2d(4, 3), ReLU()), graph(Conv2d(5, 3))


@pytest.fixture
def path(tmp_path, monkeypatch):
    """Of a machine on which everything takes 2 ms, with a batch of 8."""
    monkeypatch.setattr(LatencyTable, "_time", lambda *a, **k: 2.0)
    path = tmp_path / "table.json"
    LatencyTable(batch=8, path=path, statistic="median").latency_ms(KNOWN)
    return path


def elsewhere(path, **machine):
    content = json.loads(path.read_text())
    content["machine"] |= machine
    path.write_text(json.dumps(content))


def test_what_is_saved_is_loaded(path):
    table = load_table(path)
    assert table.machine == {
        **fingerprint(),
        "batch": "8",
        "dtype": "float32",
        "statistic": "median",
    }
    # Two operations of 2 ms, in a network that takes 2 ms.
    assert (len(table), table.latency_ms(KNOWN)) == (3, 2.0)
    assert (table.batch, table.statistic, table.path) == (8, "median", path)


def test_what_is_missing_is_added_to_the_file(path):
    assert load_table(path).latency_ms(UNKNOWN) == 2.0 / 2  # one operation, and the factor of two
    assert len(load_table(path)) == 4


@pytest.mark.parametrize(
    "machine",
    [{"processor": "abacus"}, {"threads": "99"}, {"torch": "0.4"}, {"device": "cuda"}],
    ids=str,
)
def test_a_table_of_another_device_is_refused_unless_allowed(path, machine):
    elsewhere(path, **machine)
    before = path.read_text()
    ((name, value),) = machine.items()
    with pytest.raises(ConfigError, match=f"{name}: {value} there, ") as refused:
        load_table(path)
    assert "nascout measure" in refused.value.remedy
    table = load_table(path, any_device=True)
    assert isinstance(table, ForeignTable)
    assert table.latency_ms(KNOWN) == 2.0
    with pytest.raises(ConfigError, match="has no Conv2d on 3×8×8"):
        table.latency_ms(UNKNOWN)
    assert path.read_text() == before


def test_no_file(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot read .*nascout measure SPACE --out"):
        load_table(tmp_path / "none.json")


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: "",
        lambda content: json.dumps(content)[:-20],
        lambda content: "[]",
        lambda content: json.dumps({"machine": content["machine"]}),
        lambda content: json.dumps({**content, "ms": {}}),
        lambda content: json.dumps({**content, "ms": dict.fromkeys(content["ms"], -1)}),
        lambda content: json.dumps({"ms": content["ms"]}),
        lambda content: json.dumps({**content, "machine": {"device": "cpu"}}),
        lambda content: json.dumps({**content, "machine": {**content["machine"], "batch": "x"}}),
        lambda content: json.dumps({**content, "machine": {**content["machine"], "batch": "0"}}),
    ],
)
def test_what_is_no_table(path, damage):
    path.write_text(damage(json.loads(path.read_text())))
    with pytest.raises(ConfigError, match="is no latency table"):
        load_table(path)
