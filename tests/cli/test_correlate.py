import json
import random
import sys

import pandas as pd
import pytest
from typer.testing import CliRunner

import nascout
from nascout.cli import app as cli
from nascout.errors import Interrupted

OPTIONS = ["--batch", "8", "--space-option", "channels=4", "--space-option", "cells=1"]
OPTIONS += ["--score", "naswot", "--resamples", "20", "--quiet"]


@pytest.fixture
def table(tmp_path):
    space, rng = nascout.space("nasbench201"), random.Random(2)
    cells = [str(space.sample(rng)) for _ in range(11)]
    content = {"arch": cells, "top1": range(11), "wer": range(11)}
    pd.DataFrame(content).to_csv(tmp_path / "cells.csv", index=False)
    return tmp_path / "cells.csv"


def arguments(table, *more):
    named = ["--benchmark", "table", "--space", "nasbench201", "--accuracy", "top1"]
    return ["correlate", *named, "--path", str(table), *OPTIONS, *more]


def test_prints_a_table_and_where_the_files_are(table, tmp_path):
    out = tmp_path / "out"
    result = CliRunner().invoke(cli.app, arguments(table, "--out", str(out)))
    assert result.exit_code == 0, result.output
    for word in ("naswot", "params", "macs", "oracle", "random", "Spearman", "11 rows"):
        assert word in result.stdout
    assert (out / "correlations.html").exists()
    again = CliRunner().invoke(cli.app, arguments(table, "--out", str(out), "--json"))
    rows = json.loads(again.stdout)
    assert {row["score"] for row in rows} == {"naswot", "params", "macs", "oracle", "random"}
    assert pd.read_csv(out / "correlations.csv")["kendall"][0] == rows[0]["kendall"]


def test_a_signal_ends_with_the_command_to_go_on(table, tmp_path, monkeypatch, capsys):
    def stopped(*args, **options):
        raise Interrupted(2, "Run it again.")

    monkeypatch.setattr("nascout.api.correlate.correlate", stopped)
    given = arguments(table, "--out", str(tmp_path / "my out"))
    monkeypatch.setattr(sys, "argv", ["nascout", *given])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    error = capsys.readouterr().err
    assert stop.value.code == 130
    assert "Go on with: nascout correlate --benchmark table" in error
    assert error.rstrip().endswith(f"--out '{tmp_path / 'my out'}'")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--benchmark", "nasbench-201"], "Did you mean nasbench201"),
        (["--accuracy", "top5"], "It has top1, wer"),
        (["--score", "nazwot"], "Did you mean naswot"),
        (["--path", "nowhere.csv"], "no file nowhere.csv"),
        (["--space-option", "cells"], "malformed --space-option"),
    ],
)
def test_mistakes_are_one_line(table, tmp_path, monkeypatch, capsys, more, words):
    given = arguments(table, "--out", str(tmp_path / "out"), *more)
    monkeypatch.setattr(sys, "argv", ["nascout", *given])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    error = capsys.readouterr().err
    assert (stop.value.code, error.count("\n")) == (2, 1)
    assert words in error
