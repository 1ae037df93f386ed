"""What is recorded comes back; what is damaged is refused."""

import os
import sqlite3

import pytest
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from nascout.errors import StoreCorrupt, StoreUnwritable
from nascout.records import Outcome
from nascout.run.growth.records import Job, Made, Model, job_seed
from nascout.run.growth.schema import metadata
from nascout.run.growth.store import FILE, GrowthStore


def test_models_and_steps_come_back(go, plan, scripted, tmp_path, added):
    _, store = go(plan(3), scripted())
    written = store.models(), store.jobs()
    view = GrowthStore(tmp_path, write=False)
    assert (view.models(), view.jobs()) == written
    child = view.models()[1]
    assert (child.added, child.sha256, child.outcome) == (added, "ab", Outcome.OK)
    assert child.values["flops"] == 2 * child.values["macs"]
    assert view.config()["objective"] == "macs"
    with pytest.raises(StoreUnwritable, match="readonly"):
        view.plan("candidates", 0, 0)


def test_a_step_is_committed_with_its_model_and_what_follows(tmp_path, added):
    store = GrowthStore(tmp_path)
    store.write_config({})
    parent = store.begin(store.plan("parent", None, 7))
    store.finish(parent, Made(Outcome.OK, {"macs": 5, "val_accuracy": 90.0}, sha256="ab"), 1.5)
    job = store.begin(store.plan("candidates", 0, 7))
    waiting = store.finish(job, Made(Outcome.OK, {"macs": 9}, added, seconds=2.5), 4.0)
    assert waiting == Model(1, 0, added, None, {"macs": 9}, seed=job_seed(7, 1))
    assert waiting.state == "waiting"
    follows = store.jobs()[-1]
    assert follows == Job(2, "child", 1, 0, job_seed(7, 1))
    trained = store.finish(store.begin(follows), Made(Outcome.OK, {"val_accuracy": 95.0}), 6.0)
    assert trained.values == {"macs": 9, "flops": 18, "val_accuracy": 95.0}
    assert (trained.state, trained.elapsed) == ("trained", 6.0)
    tested = store.write_test(trained, 94.0)
    assert store.models()[1] == tested
    store.close()


@pytest.mark.parametrize(
    "change",
    [
        "update nascout_growth_models set val_accuracy = 100 where number = 1",
        "update nascout_growth_models set parent = 0 where number = 2",
        "update nascout_growth_models set added = replace(added, 'sep3', 'max3')",
        "update nascout_growth_jobs set outcome = 'failed' where number = 1",
        "update nascout_growth_jobs set state = 'waiting' where number = 2",
        "update nascout_runs set config = '{}'",
    ],
)
def test_a_changed_row_is_refused(go, plan, scripted, tmp_path, change):
    _, store = go(plan(4), scripted())
    # A value that the change really changes.
    assert store.models()[2].parent != 0 or "parent" not in change
    store.close()
    with sqlite3.connect(tmp_path / FILE) as raw:
        raw.execute(change)
    raw.close()
    opened = GrowthStore(tmp_path)
    with pytest.raises(StoreCorrupt, match="not what was written"):
        _ = opened.config(), opened.models(), opened.jobs()


def test_a_database_cut_in_the_middle_is_refused(go, plan, scripted, tmp_path):
    _, store = go(plan(4), scripted())
    store.close()
    size = (tmp_path / FILE).stat().st_size
    os.truncate(tmp_path / FILE, size // 2)
    with pytest.raises(StoreCorrupt):
        GrowthStore(tmp_path).models()


def test_a_store_without_tables_of_its_own_is_an_empty_view(tmp_path):
    from nascout.run.database import create_file

    create_file(tmp_path / FILE)  # as far as a run gets that is killed at once
    view = GrowthStore(tmp_path, write=False)
    assert (view.config(), view.models(), view.jobs()) == (None, [], [])
    assert GrowthStore(tmp_path).jobs() == []


def test_a_value_that_is_not_finite_cannot_be_stored():
    with pytest.raises(ValueError, match="val_accuracy is not finite"):
        Made(Outcome.OK, {"val_accuracy": float("nan")})


def filled(folder, url, added):
    """A store of a parent and a child, by URL."""
    store = GrowthStore(folder, url=url)
    store.write_config({"seed": 7})
    parent = store.begin(store.plan("parent", None, 7))
    store.finish(parent, Made(Outcome.OK, {"macs": 5, "val_accuracy": 90.5}, sha256="ab"), 1.5)
    store.finish(
        store.begin(store.plan("candidates", 0, 7)), Made(Outcome.OK, {"macs": 9}, added), 4.0
    )
    return store


def test_a_url_holds_several_runs_under_the_names_of_their_folders(tmp_path, added):
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    one, other = (filled(tmp_path / name, url, added) for name in ("one", "other"))
    other.write_test(other.models()[0], 80.0)
    assert "test_accuracy" not in one.models()[0].values
    assert other.models()[0].values["test_accuracy"] == 80.0
    again = GrowthStore(tmp_path / "one", url=url, write=False)
    assert (again.models(), again.jobs()) == (one.models(), one.jobs())
    assert [job.kind for job in again.jobs()] == ["parent", "candidates", "child"]
    assert not (tmp_path / "one").exists()


def test_an_unusable_url_is_one_line(tmp_path):
    with pytest.raises(StoreUnwritable, match="cannot open the store"):
        GrowthStore(tmp_path, url="nosuchdatabase://x")


def test_the_schema_is_valid_postgresql():
    for table in metadata.sorted_tables:
        text = str(CreateTable(table).compile(dialect=postgresql.dialect()))
        assert text.strip().startswith(f"CREATE TABLE {table.name}")
        assert "REFERENCES nascout_runs (id)" in text


@pytest.mark.skipif(
    "NASCOUT_TEST_POSTGRESQL" not in os.environ,
    reason="set NASCOUT_TEST_POSTGRESQL to the URL of an empty database",
)
def test_a_real_postgresql(tmp_path, added):
    url, folder = os.environ["NASCOUT_TEST_POSTGRESQL"], tmp_path / f"test-{os.getpid()}"
    store = filled(folder, url, added)
    again = GrowthStore(folder, url=url)
    assert (again.models(), again.jobs()) == (store.models(), store.jobs())
    store.close()
    again.close()
