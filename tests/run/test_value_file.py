import errno
import math
import os

import pytest

from nascout.errors import RunMismatch, StoreFull, StoreUnwritable
from nascout.records import Outcome, Score
from nascout.run.value_file import ValueFile

CONFIG = {"space": {"name": "s", "channels": 4}, "batch": 8}
SCORES = {
    "one": Score("one", 0.1 + 0.2, True, seconds=1.5),
    "two": Score("two", -math.inf, False, Outcome.NONFINITE, message="gave -inf"),
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "values.jsonl"


def test_scores_come_back_to_the_last_bit(path):
    ValueFile(path, CONFIG).add_scores([("digest", SCORES)])
    known = ValueFile(path, CONFIG).known["digest"]
    assert known["one"] == SCORES["one"] and known["one"].seconds == 1.5
    two = known["two"]
    assert (two.outcome, two.message, two.higher_is_better) == ("nonfinite", "gave -inf", False)
    assert math.isnan(two.value)


def test_a_torn_end_is_dropped_wherever_it_tore(path):
    file = ValueFile(path, CONFIG)
    lengths = [path.stat().st_size]
    for digest in "abc":
        file.add_scores([(digest, SCORES)])
        lengths.append(path.stat().st_size)
    whole = path.read_bytes()
    for end in range(0, len(whole), 7):
        path.write_bytes(whole[:end])
        again = ValueFile(path, CONFIG)
        kept = sum(length <= end for length in lengths[1:])
        assert list(again.known) == list("abc")[:kept]
        again.add_scores((digest, SCORES) for digest in "abc"[kept:])
        assert path.read_bytes() == whole


def test_many_lines_wait_for_the_disk_once(path, monkeypatch):
    file = ValueFile(path, CONFIG)
    waits = []
    monkeypatch.setattr(os, "fsync", waits.append)
    file.add_scores((digest, SCORES) for digest in "abc")
    assert len(waits) == 1
    assert list(ValueFile(path, CONFIG).known) == list("abc")


def test_scores_of_one_network_add_up(path):
    file = ValueFile(path, CONFIG)
    file.add_scores([("digest", {name: score}) for name, score in SCORES.items()])
    assert file.known["digest"] == SCORES
    assert ValueFile(path, CONFIG).known["digest"].keys() == SCORES.keys()


def test_digests_come_back(path):
    file = ValueFile(path, CONFIG)
    file.add_digests({"x": "1", "y": "2"})
    file.add_scores([("1", SCORES)])
    file.add_digests({"z": "1"})
    again = ValueFile(path, CONFIG)
    assert again.digests == file.digests == {"x": "1", "y": "2", "z": "1"}
    assert list(again.known) == ["1"]


def test_function_digests_come_back(path):
    file = ValueFile(path, CONFIG)
    file.add_digests({"x": "1", "y": "2"})
    file.add_functions({"1": "f"})
    file.add_scores([("1", SCORES)])
    file.add_functions({"2": "f"})
    again = ValueFile(path, CONFIG)
    assert again.functions == file.functions == {"1": "f", "2": "f"}
    assert (again.digests, list(again.known)) == (file.digests, ["1"])


def test_another_configuration_is_refused(path):
    ValueFile(path, CONFIG)
    with pytest.raises(RunMismatch, match=r"space\.channels = 4, now it is 5"):
        ValueFile(path, CONFIG | {"space": {"name": "s", "channels": 5}})


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.ENOSPC, StoreFull), (errno.EROFS, StoreUnwritable)]
)
def test_a_disk_that_refuses_is_told(path, monkeypatch, number, kind):
    file = ValueFile(path, CONFIG)

    def refuse(_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(kind, match=r"values\.jsonl"):
        file.add_scores([("digest", SCORES)])
    assert "digest" not in file.known
