"""``nascout measure``: a table of a space, and a network beside it."""

import json
import os
import sys

import pytest
from typer.testing import CliRunner

from nascout.cli import app as cli
from nascout.hardware import LatencyTable, latency
from nascout.space import SPACES

CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|"
SMALL = ["--space-option", "channels=4", "--space-option", "cells=1"]


@pytest.fixture(autouse=True)
def quick(monkeypatch, tmp_path):
    """Passes are not repeated; what they take is not the point."""
    blocks = latency._blocks_ms
    monkeypatch.setattr(latency, "_blocks_ms", lambda run, device, _: blocks(run, device, 1e-9))
    monkeypatch.chdir(tmp_path)


def measured(*arguments):
    done = CliRunner().invoke(cli.app, ["measure", *arguments, "--json"], catch_exceptions=False)
    return json.loads(done.stdout)


def error(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["nascout", "measure", *arguments])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    text = capsys.readouterr().err
    assert text.count("\n") == 1
    return stop.value.code, text


@pytest.mark.slow
def test_a_table_and_a_network_beside_it(tmp_path, monkeypatch, capsys):
    table = measured("nasbench201", "--out", "t.json", "--batch", "2", *SMALL)
    content = json.loads((tmp_path / "t.json").read_text())
    assert content["machine"] == table["machine"]
    assert table["machine"]["statistic"] == "median"
    assert (table["entries"], table["path"]) == (len(content["ms"]), "t.json")
    assert 0 < table["fastest_ms"] < table["slowest_ms"]

    space = SPACES["nasbench201"](channels=4, cells=1)
    one = measured(CELL, "--table", "t.json", *SMALL)
    known = LatencyTable(batch=2, path=tmp_path / "t.json", statistic="median")
    assert one["latency_ms"] == known.latency_ms(space.parse(CELL).graph())
    assert one["measured_latency_ms"] > 0
    # All of the space was in the table already.
    assert json.loads((tmp_path / "t.json").read_text()) == content

    assert measured("nasbench201", "--out", "t.json", "--batch", "2", *SMALL) == table
    code, text = error(monkeypatch, capsys, "nasbench201", "--out", "t.json", *SMALL)
    assert (code, "another device, batch" in text) == (2, True)

    content["machine"]["processor"] = "abacus"
    (tmp_path / "t.json").write_text(json.dumps(content))
    code, text = error(monkeypatch, capsys, CELL, "--table", "t.json", *SMALL)
    assert (code, "processor: abacus there" in text) == (2, True)
    foreign = measured(CELL, "--table", "t.json", "--any-device", *SMALL)
    assert foreign["latency_ms"] == one["latency_ms"]
    assert foreign["machine"]["processor"] == "abacus"


def test_a_model_has_no_table():
    found = measured("torch.nn:ReLU", "--input-shape", "3,4,4")
    assert found["measured_latency_ms"] > 0
    assert found["latency_ms"] is None


def test_what_is_printed():
    done = CliRunner().invoke(cli.app, ["measure", "torch.nn:ReLU", "--input-shape", "3,4,4"])
    name, numbers, machine = done.stdout.strip().splitlines()
    assert name == "torch.nn:ReLU"
    assert "ms measured, no table for a module" in numbers
    assert "threads" in machine


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nasbench201"], "a table needs a file"),
        ([CELL, "--out", "t.json"], "is no space"),
        ([CELL, "--table", "none.json"], "cannot read none.json"),
        (["nasbench101", "--out", "t.json"], "no network with several operations"),
        (["nasbench201", "--out", "t.json", "--device", "tpu"], "'tpu' is not available"),
        (["nasbench201", "--out", "t.json", "--batch", "0"], "batch = 0"),
        (["torch.nn:ReLU", "--input-shape", "3,x"], "malformed --input-shape"),
        (["nonesuch"], "no architecture of nasbench201, and no model"),
    ],
)
def test_bad_input_is_one_line(arguments, message, monkeypatch, capsys):
    code, text = error(monkeypatch, capsys, *arguments)
    assert code == 2
    assert message in text


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_file_that_cannot_be_written(tmp_path, monkeypatch, capsys):
    (tmp_path / "shut").mkdir(mode=0o500)
    code, text = error(monkeypatch, capsys, "nasbench201", "--out", "shut/t.json", *SMALL)
    assert (code, "cannot write" in text) == (74, True)
