"""What is recorded comes back; what is damaged is refused."""

import os
import random
import sqlite3

import pytest
from sqlalchemy import event, inspect
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from nascout.errors import StoreCorrupt, StoreFull, StoreUnwritable
from nascout.records import Outcome
from nascout.run.result import Result
from nascout.run.schema import metadata
from nascout.run.store import FILE, Store
from nascout.search import Proposal

ISOMORPHIC = (
    "|nor_conv_3x3~0|+|avg_pool_3x3~0|none~1|+|none~0|skip_connect~1|skip_connect~2|",
    "|avg_pool_3x3~0|+|nor_conv_3x3~0|none~1|+|none~0|skip_connect~1|skip_connect~2|",
)


def fill(store, space, result, count=5):
    rng = random.Random(0)
    return [store.record(i, Proposal(space.sample(rng)), result, 0) for i in range(count)]


def test_trials_come_back_in_order(store, space, result, tmp_path):
    written = fill(store, space, result)
    again = Store.in_folder(tmp_path)
    assert again.trials() == written
    assert again.config() == {"seed": 0}


def test_a_read_only_view_sees_the_same_and_writes_nothing(store, space, result, tmp_path):
    written = fill(store, space, result)
    view = Store.in_folder(tmp_path, write=False)
    assert view.trials() == written
    with pytest.raises(StoreUnwritable, match="readonly"):
        view.record(5, Proposal(space.sample(random.Random(9))), result, 0)


def test_an_isomorphic_proposal_finds_the_stored_result(store, space, result):
    one, other = map(space.parse, ISOMORPHIC)
    assert one != other
    store.record(0, Proposal(one), result, 0)
    assert store.find(Proposal(other), 0) == result
    assert store.find(Proposal(other), 1) is None
    assert store.find(Proposal(other, "train", 2), 0) is None


def test_both_notations_stay_in_the_history_but_share_one_evaluation(
    store, space, result, tmp_path
):
    for number, text in enumerate(ISOMORPHIC):
        store.record(number, Proposal(space.parse(text)), result, 0)
    assert [str(t.architecture) for t in store.trials()] == list(ISOMORPHIC)
    with sqlite3.connect(tmp_path / FILE) as raw:
        assert raw.execute("select count(*) from nascout_evaluations").fetchone() == (1,)


@pytest.mark.parametrize("outcome", [o for o in Outcome if o is not Outcome.OK])
def test_every_outcome_is_kept_with_its_message(store, space, outcome):
    failed = Result(outcome, {"params": 1.0}, "why\nin lines", 0.1)
    store.record(0, Proposal(space.sample(random.Random(0))), failed, 0)
    (trial,) = store.trials()
    assert (trial.outcome, trial.message, trial.values) == (outcome, "why\nin lines", {"params": 1})


def test_a_value_that_is_not_finite_cannot_be_stored():
    with pytest.raises(ValueError, match="naswot is not finite"):
        Result(Outcome.OK, {"naswot": float("-inf")})


@pytest.mark.parametrize(
    "change",
    [
        "update nascout_evaluations set metrics = '{\"naswot\": 9.0}'",
        "update nascout_evaluations set outcome = 'failed'",
        "update nascout_history set architecture = replace(architecture, 'none', 'skip_connect')",
        "delete from nascout_history where number = 2",
        "update nascout_runs set config = '{}'",
    ],
)
def test_a_changed_row_is_refused(store, space, result, tmp_path, change):
    fill(store, space, result)
    store.close()
    with sqlite3.connect(tmp_path / FILE) as raw:
        raw.execute(change)
    raw.close()
    opened = Store.in_folder(tmp_path)
    with pytest.raises(StoreCorrupt):
        opened.config()
        opened.trials()


@pytest.mark.slow
def test_a_file_cut_anywhere_gives_all_records_or_is_refused(store, space, result, tmp_path):
    written = fill(store, space, result)
    store.close()
    whole = (tmp_path / FILE).read_bytes()
    rng = random.Random(0)
    for length in (0, 1, 100, *sorted(rng.randrange(len(whole)) for _ in range(20))):
        cut = tmp_path / f"cut{length}"
        cut.mkdir()
        (cut / FILE).write_bytes(whole[:length])
        try:
            assert Store.in_folder(cut).trials() == written
        except StoreCorrupt as error:
            assert str(cut / FILE) in str(error)


@pytest.mark.slow
def test_a_flipped_byte_gives_all_records_or_is_refused(store, space, result, tmp_path):
    written = fill(store, space, result)
    store.close()
    whole = bytearray((tmp_path / FILE).read_bytes())
    rng = random.Random(1)
    refused = 0
    for number in range(40):
        damaged = bytearray(whole)
        damaged[rng.randrange(len(whole))] ^= 0xFF
        folder = tmp_path / f"flip{number}"
        folder.mkdir()
        (folder / FILE).write_bytes(damaged)
        try:
            opened = Store.in_folder(folder)
            assert opened.config() == {"seed": 0}
            assert opened.trials() == written
        except StoreCorrupt:
            refused += 1
    assert refused > 0


def test_the_log_is_empty_after_every_record(store, space, result, tmp_path):
    fill(store, space, result, 2)
    log = tmp_path / f"{FILE}-wal"
    assert not log.exists() or log.stat().st_size == 0


def test_a_full_disk_is_named_and_nothing_is_half_written(store, space, tmp_path):
    store.record(0, Proposal(space.sample(random.Random(0))), Result(Outcome.OK, {}), 0)
    engine = store.engine

    # SQLite says "database or disk is full" when a file may grow no more.

    @event.listens_for(engine, "connect")
    def _(connection, _record):
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count={pages}")

    big = Result(Outcome.FAILED, {}, "x" * 10**6)
    with pytest.raises(StoreFull, match="bytes free"):
        store.record(1, Proposal(space.sample(random.Random(1))), big, 0)
    assert len(Store.in_folder(tmp_path).trials()) == 1


def test_a_newer_schema_is_refused(store, tmp_path):
    store.close()
    with sqlite3.connect(tmp_path / FILE) as raw:
        raw.execute("update nascout_schema set version = 99")
    raw.close()
    with pytest.raises(StoreCorrupt, match="schema 99"):
        Store.in_folder(tmp_path)


def test_something_else_is_no_store(tmp_path):
    (tmp_path / FILE).write_bytes(b"PK\x03\x04 not a database" * 100)
    with pytest.raises(StoreCorrupt, match="damaged"):
        Store.in_folder(tmp_path)


def test_a_url_holds_several_runs(tmp_path, space, result):
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    one, other = Store.at_url(url, "one"), Store.at_url(url, "other")
    one.write_config({"seed": 1})
    other.write_config({"seed": 2})
    fill(one, space, result, 3)
    fill(other, space, result, 2)
    assert (one.config(), other.config()) == ({"seed": 1}, {"seed": 2})
    assert (len(one.trials()), len(other.trials())) == (3, 2)


def test_an_unusable_url_is_one_line():
    with pytest.raises(StoreUnwritable, match="cannot open the store"):
        Store.at_url("nosuchdatabase://x", "run")


@pytest.mark.skipif(
    "NASCOUT_TEST_POSTGRESQL" not in os.environ,
    reason="set NASCOUT_TEST_POSTGRESQL to the URL of an empty database",
)
def test_a_real_postgresql(space, result):
    name = f"test-{os.getpid()}"
    store = Store.at_url(os.environ["NASCOUT_TEST_POSTGRESQL"], name)
    store.write_config({"seed": 3})
    written = fill(store, space, result)
    again = Store.at_url(os.environ["NASCOUT_TEST_POSTGRESQL"], name)
    assert (again.config(), again.trials()) == ({"seed": 3}, written)
    store.close()
    again.close()


def test_the_schema_is_valid_postgresql():
    for table in metadata.sorted_tables:
        text = str(CreateTable(table).compile(dialect=postgresql.dialect()))
        assert text.strip().startswith(f"CREATE TABLE {table.name}")


def test_the_tables_are_those_of_the_schema(store):
    assert set(inspect(store.engine).get_table_names()) == set(metadata.tables)
