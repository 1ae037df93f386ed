"""Commands print what the public face gives, and errors on one line."""

import json
import sys

import pytest
from typer.testing import CliRunner

from nascout.cli import app as cli
from nascout.cli.console import error_line, print_json, read_pairs
from nascout.errors import ConfigError, DataError

CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|"
runner = CliRunner()


def invoke(*arguments):
    return runner.invoke(cli.app, list(arguments), catch_exceptions=True)


@pytest.mark.parametrize("name", ["spaces", "scores", "strategies"])
def test_lists(name):
    rows = json.loads(invoke(name, "--json").stdout)
    assert {"name", "paper", "what"} <= rows[0].keys()
    assert all(row["name"] in invoke(name).stdout for row in rows)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["search", "--space", "foo"], "unknown space 'foo'"),
        (["search", "--score", "nazwot"], "Did you mean naswot"),
        (["search", "--strategy", "funel"], "Did you mean funnel"),
        (["search", "--constraint", "params"], "malformed constraint"),
        (["search", "--data", "nowhere.npz"], "nowhere.npz"),
        (["search", "--data", "mist"], "unknown data 'mist'"),
        (["search", "--device", "tpu"], "device 'tpu' is not available"),
        (["search", "--space-option", "cells"], "malformed --space-option"),
        (["search", "--config", "nope.toml"], "cannot read nope.toml"),
        (["score", "not a cell"], "malformed architecture"),
        (["score", CELL, "--batch", "99999"], "99999"),
        (["report", "nowhere"], "no run in nowhere"),
        (["export", "nowhere"], "no run in nowhere"),
    ],
)
def test_bad_input_is_one_line_with_the_next_step(
    arguments, message, monkeypatch, capsys, tmp_path
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["nascout", *arguments])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    error = capsys.readouterr().err
    assert stop.value.code == 2
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1


def _mixed(root):
    from PIL import Image

    for label, size in (("cat", 8), ("dog", 9)):
        (root / label).mkdir(parents=True)
        for number in range(4):
            Image.new("RGB", (size, size)).save(root / label / f"{number}.png")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda root: root.mkdir(), "pictures"),
        (_mixed, "--image-size"),
    ],
)
def test_bad_image_folders(make, message, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "pictures")
    monkeypatch.setattr(sys, "argv", ["nascout", "search", "--data", "pictures"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    error = capsys.readouterr().err
    assert (stop.value.code, error.count("\n")) == (DataError.exit_code, 1)
    assert message in error


def test_version_and_help():
    assert invoke("--version").stdout.startswith("nascout 0.")
    assert "search" in invoke("--help").stdout


def test_doctor_tells_versions():
    assert "torch" in invoke("doctor").stdout


def test_errors_cannot_steer_the_terminal():
    line = error_line(ConfigError("bad \x1b[31mname", "Choose another."))
    assert "\x1b" not in line


def test_json_has_no_nan(capsys):
    print_json({"a": [float("nan"), 1.5]})
    assert json.loads(capsys.readouterr().out) == {"a": [None, 1.5]}


def test_pairs_become_numbers_where_they_can():
    read = read_pairs(["cells=2", "lr=0.5", "name=x"], "--space-option")
    assert read == {"cells": 2, "lr": 0.5, "name": "x"}
