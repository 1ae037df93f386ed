"""The latency table on a clock that is known beforehand."""

import json

import pytest
import torch
from torch import nn

from nascout.errors import ConfigError
from nascout.graph import Builder, Shape
from nascout.graph.ops import Conv2d, Identity, ReLU
from nascout.hardware import LatencyTable, latency, measure_latency_ms
from nascout.hardware.device import fingerprint

# Milliseconds of one pass on the imagined machine; a whole network takes 1.5 times its sum.
MS = {"Conv2d": 3.0, "ReLU": 0.5, "BatchNorm2d": 0.25}


class Clock:
    """Stands in for the measurement: counts what it is asked, answers ``MS`` times ``pace``."""

    def __init__(self):
        self.asked, self.pace = [], 1.0

    def __call__(self, table, net, shapes, seconds):
        name = type(net).__name__
        self.asked.append(name)
        if name == "Network":
            parts = [type(m).__name__ for m in net.modules()]
            return 1.5 * self.pace * sum(MS.get(part, 0) for part in parts)
        return MS[name] * self.pace


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(LatencyTable, "_time", lambda *a, **k: clock(*a, *k.values()))
    return clock


def graph(*ops, size=8):
    g = Builder()
    return g.graph(g.chain(ops, g.input((3, size, size)), key="net"))


SMALL = graph(Conv2d(3, 3), ReLU())
LARGE = graph(Conv2d(3, 3), ReLU(), Conv2d(3, 3), Identity(), ReLU(), Conv2d(5, 1))


def test_the_sum_over_nodes_times_the_factor_of_the_whole(clock, tmp_path):
    table = LatencyTable(path=tmp_path / "t.json")
    assert table.latency_ms(SMALL) == pytest.approx(1.5 * 3.5)
    assert table.latency_ms(LARGE) == pytest.approx(1.5 * (3 * 3 + 2 * 0.5))
    # Equal operations on equal shapes once; the whole once per input size.
    assert clock.asked == ["Conv2d", "ReLU", "Network", "Conv2d"]


def test_another_input_size_is_measured_apart(clock, tmp_path):
    table = LatencyTable(path=tmp_path / "t.json")
    table.latency_ms(SMALL)
    table.latency_ms(graph(Conv2d(3, 3), ReLU(), size=16))
    assert clock.asked == ["Conv2d", "ReLU", "Network"] * 2


def test_what_was_measured_is_kept_for_other_instances(clock, tmp_path):
    path = tmp_path / "sub" / "t.json"
    first = LatencyTable(path=path).latency_ms(LARGE)
    clock.asked.clear()
    clock.pace = 7.0
    again = LatencyTable(path=path)
    assert (again.latency_ms(LARGE), clock.asked) == (first, [])
    assert again.latency_ms(SMALL) == pytest.approx(1.5 * 3.5)
    assert [p.name for p in path.parent.iterdir() if p.suffix not in (".lock",)] == ["t.json"]


def test_the_first_measurement_wins_between_instances_that_overlap(clock, tmp_path):
    path = tmp_path / "t.json"
    slow, fast = LatencyTable(path=path), LatencyTable(path=path)
    expected = fast.latency_ms(LARGE)
    clock.pace = 9.0
    assert slow.latency_ms(LARGE) == expected
    assert slow.latency_ms(LARGE) == expected == LatencyTable(path=path).latency_ms(LARGE)


def test_the_first_wins_also_if_it_wrote_while_the_other_measured(clock, tmp_path, monkeypatch):
    path = tmp_path / "t.json"
    table, other = LatencyTable(path=path), LatencyTable(path=path)
    measure = LatencyTable._measure

    def overtaken(self, *args):
        if self is table:
            other.latency_ms(SMALL)
            clock.pace = 9.0
        measure(self, *args)

    monkeypatch.setattr(LatencyTable, "_measure", overtaken)
    assert table.latency_ms(SMALL) == other.latency_ms(SMALL) == pytest.approx(1.5 * 3.5)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: "",
        lambda content: json.dumps(content)[:-20],
        lambda content: "[]",
        lambda content: json.dumps({**content, "ms": 3}),
        lambda content: json.dumps({**content, "ms": dict.fromkeys(content["ms"], "slow")}),
        lambda content: json.dumps({**content, "ms": dict.fromkeys(content["ms"], -1)}),
        lambda content: json.dumps({**content, "ms": dict.fromkeys(content["ms"], float("nan"))}),
        lambda content: json.dumps({**content, "machine": {"device": "abacus"}}),
    ],
)
def test_a_damaged_table_or_one_of_another_machine_is_measured_anew(clock, tmp_path, damage):
    path = tmp_path / "t.json"
    LatencyTable(path=path).latency_ms(SMALL)
    path.write_text(damage(json.loads(path.read_text())))
    clock.pace = 2.0
    assert LatencyTable(path=path).latency_ms(SMALL) == pytest.approx(2 * 1.5 * 3.5)
    clock.pace = 3.0
    assert LatencyTable(path=path).latency_ms(SMALL) == pytest.approx(2 * 1.5 * 3.5)


def test_bytes_that_are_no_text_are_measured_anew(clock, tmp_path):
    path = tmp_path / "t.json"
    path.write_bytes(b"\xff\xfe\x00")
    assert LatencyTable(path=path).latency_ms(SMALL) == pytest.approx(1.5 * 3.5)


def test_a_cache_that_cannot_be_written_still_works(clock, tmp_path):
    (tmp_path / "file").write_text("in the way")
    table = LatencyTable(path=tmp_path / "file" / "t.json")
    assert table.latency_ms(SMALL) == table.latency_ms(SMALL) == pytest.approx(1.5 * 3.5)


def test_a_graph_that_does_nothing_takes_no_time(clock, tmp_path):
    assert LatencyTable(path=tmp_path / "t.json").latency_ms(graph(Identity())) == 0
    assert clock.asked == []


def test_the_file_of_a_machine_is_named_after_it():
    tables = [LatencyTable(), LatencyTable(), LatencyTable(batch=8)]
    assert tables[0].path == tables[1].path != tables[2].path
    how = {"batch": "1", "dtype": "float32", "statistic": "fastest"}
    assert tables[0].machine == {**fingerprint(), **how}


def test_the_median_of_blocks_or_the_fastest(monkeypatch, tmp_path):
    monkeypatch.setattr(latency, "_blocks_ms", lambda run, device, seconds: [5.0, 1.0, 2.0])
    relu = (ReLU(), (Shape((3, 8, 8)),))
    for statistic, expected in (("fastest", 1.0), ("median", 2.0)):
        table = LatencyTable(path=tmp_path / statistic, statistic=statistic)
        assert table.operations_ms([relu]) == [expected]
        assert table.machine["statistic"] == statistic
    with pytest.raises(ConfigError, match="Choose fastest or median"):
        LatencyTable(statistic="mean")


def test_operations_by_themselves(clock, tmp_path):
    table = LatencyTable(path=tmp_path / "t.json")
    assert table.operations_ms([(c.op, c.inputs) for c in LARGE.calls]) == [
        0,
        3.0,
        0.5,
        3.0,
        0,
        0.5,
        3.0,
    ]
    assert clock.asked == ["Conv2d", "ReLU", "Conv2d"]  # each once, and no network
    assert len(table) == 3


def test_measuring_for_real_leaves_the_generator_alone(tmp_path):
    state = torch.get_rng_state()
    table = LatencyTable(path=tmp_path / "t.json")
    assert 0 < table.latency_ms(graph(Conv2d(4, 3), size=4)) < 1000
    assert torch.equal(torch.get_rng_state(), state)


def test_measure_restores_every_mode_also_after_an_error():
    net = nn.Sequential(nn.Linear(3, 2), nn.Dropout(), nn.BatchNorm1d(2))
    net[1].eval()
    modes = [m.training for m in net.modules()]
    assert measure_latency_ms(net, (3,), batch=4, seconds=0.01) > 0
    assert [m.training for m in net.modules()] == modes
    with pytest.raises(RuntimeError):
        measure_latency_ms(net, (5,), seconds=0.01)
    assert [m.training for m in net.modules()] == modes
    assert net[2].num_batches_tracked == 0


def test_the_median_of_blocks_is_the_time_of_one_pass(monkeypatch):
    """A clock that moves only while the network runs, 2 ms a pass."""
    now = 0.0

    class Slow(nn.Module):
        def forward(self, x):
            nonlocal now
            assert not self.training and not torch.is_grad_enabled()
            now += 2e-3
            return x

    monkeypatch.setattr(latency.time, "perf_counter", lambda: now)
    assert measure_latency_ms(Slow(), (3,)) == pytest.approx(2.0)


def test_a_clock_too_coarse_to_move_does_not_divide_by_zero(monkeypatch):
    monkeypatch.setattr(latency.time, "perf_counter", lambda: 1.0)
    passes = latency._blocks_ms(lambda: None, torch.device("cpu"), 1e-9)
    assert set(passes) == {0.0}


def test_half_precision_networks_are_measured_too():
    assert measure_latency_ms(nn.Linear(3, 2).to(torch.bfloat16), (3,), seconds=0.01) > 0
