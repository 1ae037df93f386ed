import pytest

from nascout.comparison.one_run import ORACLE, PARAMS, RANDOM, Lead, Result
from nascout.comparison.run_file import RUNS, TRAJECTORIES, RunFile
from nascout.errors import StoreCorrupt

BUDGETS = (5.0, 10.0)
BASELINES = (RANDOM, PARAMS, ORACLE)


def rows(seed):
    """What a run gives: a result per budget, and the course of its leader."""
    who, what = ('a "b", c', "one", seed), (0.1 + 0.2, float("nan"), 93.25)
    results = [Result(*who, budget, "x=2,y=2", *what, 5, 0, 1 / 3) for budget in BUDGETS]
    return results, [Lead(*who, i, i / 2, f"x={i},y=2", *what) for i in (1, 2)]


def texts(folder):
    return [(folder / name).read_bytes() for name in (RUNS, TRAJECTORIES)]


def written(folder, seeds):
    file = RunFile(folder, len(BUDGETS))
    for seed in seeds:
        if ('a "b", c', "one", seed) not in file.finished:
            file.add(*rows(seed))
    return file


def test_what_was_written_is_read(tmp_path):
    first = written(tmp_path, range(3))
    before = texts(tmp_path)
    again = RunFile(tmp_path, len(BUDGETS))
    assert again.finished == {('a "b", c', "one", seed) for seed in range(3)}
    assert list(map(str, again.results)) == list(map(str, first.results))  # nan is not nan
    assert list(map(str, again.leads)) == list(map(str, first.leads))
    assert texts(tmp_path) == before


@pytest.mark.parametrize("name", [RUNS, TRAJECTORIES])
def test_a_file_cut_at_any_byte_is_made_whole_again(tmp_path, name):
    written(tmp_path / "whole", range(3))
    expected = texts(tmp_path / "whole")
    size = len((tmp_path / "whole" / name).read_bytes())
    for kept in range(0, size, 3):
        folder = tmp_path / "cut"
        written(folder, range(3))
        path = folder / name
        path.write_bytes(path.read_bytes()[:kept])
        written(folder, range(3))
        assert [sorted(t.splitlines()) for t in texts(folder)] == [
            sorted(t.splitlines()) for t in expected
        ]


def test_half_a_run_is_not_finished(tmp_path):
    """Results without a trajectory, fewer results than budgets, a trajectory without results."""
    file = RunFile(tmp_path, len(BUDGETS))
    file.add(*rows(0))
    file.add(rows(1)[0], [])
    file.add(rows(2)[0][:1], rows(2)[1])
    file.add([], rows(3)[1])
    again = RunFile(tmp_path, len(BUDGETS))
    assert {key[2] for key in again.finished} == {0} == {row.seed for row in again.leads}


@pytest.mark.parametrize("kept", range(1, 6))
def test_random_search_and_its_picks_are_finished_together(tmp_path, kept):
    """Of six results the first ``kept`` remain."""
    file = RunFile(tmp_path, len(BUDGETS))
    named = [[r._replace(strategy=n) for r in part] for n in BASELINES for part in rows(0)]
    file.add([*named[0], *named[2], *named[4]], [*named[1], *named[3], *named[5]])
    assert len(RunFile(tmp_path, len(BUDGETS)).finished) == 3
    path = tmp_path / RUNS
    path.write_text("".join(path.read_text().splitlines(keepends=True)[: 1 + kept]))
    assert RunFile(tmp_path, len(BUDGETS)).finished == set()


def test_a_line_that_was_not_written_is_refused(tmp_path):
    written(tmp_path, range(2))
    path = tmp_path / RUNS
    path.write_text(path.read_text().replace("93.25", "93,25"))
    with pytest.raises(StoreCorrupt, match=r"line 2 of .*runs\.csv"):
        RunFile(tmp_path, len(BUDGETS))


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert written(None, range(2)).finished
    assert not list(tmp_path.iterdir())
