"""Ledger and store: what is written is the same every time, whatever interrupts it, and runs are kept apart."""

import contextlib
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from rtb_envs.studies.marketplace.audit import audit
from rtb_envs.studies.marketplace.chain import Chain, Entry, canonical, genesis
from rtb_envs.studies.marketplace.dumping import dump_digest
from rtb_envs.studies.marketplace.results import markets_of, measure
from rtb_envs.studies.marketplace.settings import Settings
from rtb_envs.studies.marketplace.store import Store
from rtb_envs.studies.marketplace.verification import recover_run, verify_run
from tests.studies.conftest import SMALL


class StoppedError(Exception):
    pass


def stopper(days):
    """A listener that stops a run after so many days of markets."""
    seen = []

    def listen(progress):
        seen.append(progress)
        if len(seen) == days:
            raise StoppedError

    return listen


def without_clock(results):
    return {name: value for name, value in results.items() if name not in ("wall_clock", "run")}


def test_a_hash_is_sha256_of_the_previous_one_and_the_canonical_json():
    """Computed by hand with sha256sum's algorithm from the texts below."""
    import hashlib

    chain = Chain("c", 7, genesis({"days": 1}))
    start = hashlib.sha256(b'{"days":1}').hexdigest()
    assert chain.head == start
    chain.append(Entry(1, 2, "deal", "buyer-001", "seller-002", '{"campaign":3}'))
    text = (
        '{"body":{"campaign":3},"buyer":"buyer-001","day":1,"hour":2,"kind":"deal","number":1,"scenario":"c",'
        '"seed":7,"seller":"seller-002"}'
    )
    assert canonical(json.loads(text)) == text
    assert chain.head == hashlib.sha256((start + text).encode()).hexdigest()


def test_the_same_settings_give_the_same_dump_and_results_and_runs_do_not_mix(small, store):
    first, second = small.run(store, "first"), small.run(store, "second")
    assert dump_digest(store, first) == dump_digest(store, second)
    assert without_clock(measure(store, first, {})) == without_clock(measure(store, second, {}))
    assert store.delete("first") == 1
    assert verify_run(store, second)[1] == []
    assert store.find_run("first") is None
    assert store.entry_markets("first") == set()


def test_every_written_chain_verifies_and_every_agent_recovers(small, store):
    run = small.run(store)
    assert run.status == "complete"
    count, problems = verify_run(store, run)
    assert problems == []
    assert count > 1000
    for scenario, seed in markets_of(run):
        seen = audit(store, run, scenario, seed)
        assert seen.recovery_rate == 1.0
        assert seen.days == SMALL["days"]
    recovered = recover_run(store, run, None, None)
    assert len(recovered) == 2 * (2 + 3)
    assert all(equal for *_, equal in recovered)


@pytest.mark.parametrize("days", [1, 7, 20, 35])
def test_a_stopped_run_verifies_recovers_and_ends_as_an_undisturbed_one(small, store, days):
    whole = small.run(store, "whole")
    with pytest.raises(StoppedError):
        small.run(store, "stopped", listener=stopper(days))
    stopped = store.find_run("stopped")
    assert stopped.status == "stopped"
    assert sum(store.progress("stopped").values()) == days
    assert verify_run(store, stopped)[1] == []
    resumed = small.run(store, "stopped")
    assert dump_digest(store, resumed) == dump_digest(store, whole)
    assert without_clock(measure(store, resumed, {})) == without_clock(measure(store, whole, {}))


def test_one_transaction_for_all_and_no_thread_write_the_same(small, store):
    several = small.run(store, "several")
    settings = small.settings.model_copy(update={"db_batch_entries": 1_000_000, "db_async_writes": False})
    assert dump_digest(store, small.run(store, "one", settings)) == dump_digest(store, several)


def test_a_run_of_the_same_name_with_other_settings_is_refused(small, store):
    small.run(store)
    other = Settings(**{**SMALL, "days": 5}, seeds=2)
    with pytest.raises(ValueError, match="'small' is in the store with other settings"):
        small.run(store, settings=other)


def test_a_ledger_that_differs_from_the_computed_one_is_not_continued(small, store):
    swapped = {0: small.markets[1], 1: small.markets[0]}
    small.run(store)
    with pytest.raises(ValueError, match="the store's ledger of scenario a, seed 0 differs on day 1"):
        type(small)(small.settings, swapped).run(store)


def test_money_is_conserved_and_every_deal_counted_once_in_the_rows(small, store):
    run = small.run(store)
    for scenario, seed in markets_of(run):
        figures = audit(store, run, scenario, seed).figures
        cents = [round(100 * figures[name]) for name in ("buyer_charge_usd", "seller_payout_usd", "fees_usd")]
        assert cents[0] == cents[1] + cents[2]
        assert figures["buyer_spend_usd"] == pytest.approx(figures["buyer_charge_usd"] + figures["ledger_cost_usd"])
        assert figures["repeated_deals"] == 0
        status = small.markets[seed][scenario].history.trades.status
        assert figures["deals"] == (status >= 2).sum()
        assert figures["opportunities"] == (status >= 1).sum()
        assert sum(figures["by_day"]["deals"]) == figures["deals"]
        assert (scenario == "c") == (figures["ledger_cost_usd"] > 0)


def test_a_database_that_can_not_be_opened_is_named_without_its_password():
    with pytest.raises(ValueError, match="db must be the path of an SQLite file or a database URL") as error:
        Store("nosuch://user:secret@host/base")
    assert "secret" not in str(error.value)


def test_two_that_write_the_same_run_at_once_are_told_and_the_ledger_stays_whole(small, store):
    settings = small.settings.model_copy(update={"seeds": 1})
    url = store.url.render_as_string(hide_password=False)
    told = []

    def other(progress):
        if not told:  # the run is under way, and nothing of it is written yet
            with contextlib.closing(Store(url)) as second:
                told.append(small.run(second, "both", settings).status)

    with pytest.raises(ValueError, match="run 'both' is being written by another process"):
        small.run(store, "both", settings, other)
    assert told == ["complete"]
    assert verify_run(store, store.find_run("both"))[1] == []


def test_stores_that_are_made_at_the_same_moment_are_one(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        stores = list(pool.map(lambda _: Store(tmp_path / "market.db"), range(8)))
    assert [store.runs() for store in stores] == [[]] * 8
    for store in stores:
        store.close()


def test_sqlite_writes_ahead_so_that_readers_never_wait(tmp_path):
    with contextlib.closing(Store(tmp_path / "market.db")) as store, store.engine.connect() as connection:
        assert connection.execute(sa.text("PRAGMA journal_mode")).scalar() == "wal"


@pytest.mark.parametrize("url", [":memory:", "sqlite://", "sqlite:///:memory:", ""])
def test_a_store_that_ends_with_the_run_is_refused(url):
    with pytest.raises(ValueError, match="db must be a file or a server that outlives the run"):
        Store(url)


def test_a_url_that_is_none_is_refused_without_being_repeated():
    with pytest.raises(ValueError, match="a URL of neither kind") as error:
        Store("post gres://me:secret@nowhere:x/db")
    assert "secret" not in str(error.value)
