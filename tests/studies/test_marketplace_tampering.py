"""Whoever changes the ledger is found out."""

import contextlib
import json
import random

import pytest
import sqlalchemy as sa

from rtb_envs.studies.marketplace.audit import audit
from rtb_envs.studies.marketplace.chain import canonical
from rtb_envs.studies.marketplace.results import measure, write_results
from rtb_envs.studies.marketplace.schema import ANSWERS, DAYS, ENTRIES, METADATA, MODEL_CACHE, MODEL_CALLS, RUNS
from rtb_envs.studies.marketplace.seals import cache_seal, day_seal, run_seal
from rtb_envs.studies.marketplace.store import Store
from rtb_envs.studies.marketplace.verification import recover_run, verify_run
from tests.studies.conftest import change

EDITS = 240


@pytest.fixture
def written(small, store):
    return small.run(store)


@pytest.fixture
def short(small, store):
    """Three days of one ledger, which are read quickly."""
    settings = small.settings.model_copy(update={"days": 3, "seeds": 1, "scenarios": ("c",)})
    return type(small)(settings, {0: {"c": small.markets[0]["c"]}}).run(store, "short")


@pytest.fixture
def asked(small, store):
    """The short ledger as a run in which a model was asked has it: with answers, calls and kept answers."""
    model = {"mock_llm": False, "agent_model": "small", "days": 3, "seeds": 1, "scenarios": ("c",)}
    settings = small.settings.model_copy(update=model)
    place = {"run": "asked", "scenario": "c", "seed": 0}
    answers = [
        {"day": day, "package": 3 * i, "campaign": i, "answer": 1, "source": "model"}
        for day in (1, 2, 3)
        for i in (0, 1)
    ]
    store.write_answers([{**place, **answer} for answer in answers])
    run = type(small)(settings, {0: {"c": small.markets[0]["c"]}}).run(store, "asked")
    call = {
        "run": "asked",
        "kind": "bids",
        "decisions": 2,
        "input_tokens": 300,
        "output_tokens": 20,
        "unanswered_input_tokens": 0,
        "unanswered_output_tokens": 5,
        "outcome": "answered",
    }
    for seconds in (0.25, 0.5, 1 / 3):
        store.write_call({**call, "seconds": seconds})
    kept = [{"scope": "small|c|0", "key": f"offer {i}", "hour": i, "answer": 1} for i in range(3)]
    with store.engine.begin() as connection:
        connection.execute(sa.insert(MODEL_CACHE), [{**row, "seal": cache_seal(row)} for row in kept])
    return store.find_run(run.name)


TABLES = (ENTRIES, DAYS, RUNS, ANSWERS, MODEL_CALLS, MODEL_CACHE)


def random_edit(rng, connection):
    """Change something of the rows; what was done."""
    kind = rng.choice(["field", "field", "field", "delete", "insert", "swap", "cut"])
    table = rng.choice(TABLES) if kind == "field" else ENTRIES
    rows = [dict(row) for row in connection.execute(sa.select(table)).mappings()]
    row = rng.choice(rows)
    if kind == "field":
        # The number of a call is not part of it: the database gives it.
        name = rng.choice([column.name for column in table.c if (table, column.name) != (MODEL_CALLS, "id")])
        connection.execute(sa.update(table).where(*same(table, row)).values({name: other(rng, row[name])}))
        return f"{name} of {table.name} {row}"
    if kind == "delete":
        connection.execute(sa.delete(ENTRIES).where(*same(ENTRIES, row)))
    elif kind == "insert":
        connection.execute(sa.insert(ENTRIES), {**row, "number": max(r["number"] for r in rows) + 1})
    elif kind == "swap":
        after = next((r for r in rows if r["number"] == row["number"] + 1), None)
        if after is None:
            return random_edit(rng, connection)
        for place, source in ((row, after), (after, row)):
            fields = {name: source[name] for name in ("day", "hour", "kind", "buyer", "seller", "body", "hash")}
            connection.execute(sa.update(ENTRIES).where(*same(ENTRIES, place)).values(fields))
    else:
        connection.execute(sa.delete(ENTRIES).where(ENTRIES.c.number >= row["number"]))
    return f"{kind} at entry {row['number']}"


def same(table, row):
    return [column == row[column.name] for column in table.primary_key.columns]


def other(rng, value):
    """Another value of a field."""
    if isinstance(value, int):
        return value + 1000
    if isinstance(value, float):
        return value + rng.choice([-1, 1]) * 2.0 ** rng.randrange(-10, 10)
    if value.startswith("{"):
        body = json.loads(value)
        numbers = [key for key, content in body.items() if type(content) is int]
        if numbers and rng.random() < 0.7:
            body[rng.choice(numbers)] += rng.choice([-1, 1])
            return canonical(body)
        return value.replace(":", ": ", 1)
    return value[:-1] + ("x" if not value or value[-1] != "x" else "y")


def test_every_random_edit_is_found(store, asked, tmp_path):
    """A field of any row of any table, and deleted, inserted, swapped and cut-off entries: 240 edits, each undone."""
    results = tmp_path / "run.json"
    write_results(measure(store, asked, {}), results)
    assert verify_run(store, asked, results)[1] == []
    with store.engine.connect() as connection:
        before = {table: [dict(row) for row in connection.execute(sa.select(table)).mappings()] for table in TABLES}
    rng = random.Random(0)
    missed = []
    for _ in range(EDITS):
        with store.engine.begin() as connection:
            edit = random_edit(rng, connection)
        run = store.find_run(asked.name)
        if run is not None and not verify_run(store, run, results)[1]:
            missed.append(edit)
        with store.engine.begin() as connection:
            for table, rows in before.items():
                connection.execute(sa.delete(table))
                connection.execute(sa.insert(table), rows)
    assert missed == []
    assert {table.name for table in TABLES} == set(METADATA.tables)


def test_an_end_that_is_cut_with_its_day_is_found_only_by_the_end_written_elsewhere(store, written):
    whole = audit(store, written, "c", 0)
    last = store.days(written.name, "c", 0)[-2][0]
    with store.engine.begin() as connection:
        market = {"run": written.name, "scenario": "c", "seed": 0}
        for table, column, bound in ((ENTRIES, "number", last.entries), (DAYS, "day", last.day)):
            where = [table.c[name] == value for name, value in market.items()]
            connection.execute(sa.delete(table).where(*where, table.c[column] > bound))
    cut = audit(store, written, "c", 0)
    assert cut.problems == ()
    assert audit(store, written, "c", 0, whole.end).problems
    assert audit(store, written, "c", 0, cut.end).problems == ()


def test_other_settings_of_a_run_break_every_chain_even_under_a_new_seal(store, written):
    market = {**written.settings["market"], "days": written.settings["market"]["days"] + 1}
    with store.engine.begin() as connection:
        row = dict(connection.execute(sa.select(RUNS)).mappings().one())
        row["settings"] = canonical({**written.settings, "market": market})
        connection.execute(sa.update(RUNS).values({**row, "seal": run_seal(row)}))
    assert len(verify_run(store, store.find_run(written.name))[1]) >= 6


EVIL = [
    *((RUNS, "settings", text) for text in ("{}", "[]", "", "{", "[" * 100_000, '{"seeds":1000000000}')),
    *(
        (RUNS, name, value)
        for name, value in (("status", "complete!"), ("began", 0.0), ("changed", -1.0), ("calls", 3))
    ),
    *((ENTRIES, "body", text) for text in ("", "[]", "[" * 100_000, '{"campaign":"x"}', "NaN")),
    *((DAYS, name, value) for name, value in (("decided", 10**9), ("digests", "{}"), ("digests", "["), ("day", -3))),
]


@pytest.mark.parametrize(("table", "name", "value"), EVIL, ids=lambda value: str(value)[:24])
def test_whatever_a_field_is_changed_into_is_a_fault_and_no_crash(store, short, table, name, value):
    change(store, f"UPDATE {table.name} SET {name} = :value" + _one_row(table), {"value": value})
    assert verify_run(store, store.find_run(short.name))[1]


def _one_row(table):
    return {RUNS: "", ENTRIES: " WHERE number = 40", DAYS: " WHERE day = 2"}[table]


SQLITE_EVIL = [("entries", "number", "'abc'"), ("entries", "hash", "x'00ff'"), ("entries", "body", "x'00ff'")]
SQLITE_EVIL += [
    ("entries", "day", "9e99"),
    ("days", "decided", "'x'"),
    ("days", "seal", "x'00'"),
    ("runs", "began", "'x'"),
]


@pytest.mark.parametrize(("table", "name", "value"), SQLITE_EVIL)
def test_sqlite_takes_any_type_in_any_column_and_that_is_a_fault_too(tmp_path, small, table, name, value):
    with contextlib.closing(Store(tmp_path / "market.db")) as store:
        run = small.run(store)
        where = {"entries": " WHERE number = 40", "days": " WHERE day = 2", "runs": ""}[table]
        change(store, f"UPDATE {table} SET {name} = {value}{where}")
        assert verify_run(store, store.find_run(run.name))[1]


def test_a_day_under_a_new_seal_breaks_the_next_or_the_end_in_the_results(store, short, tmp_path):
    write_results(measure(store, short, {}), tmp_path / "run.json")
    ends = store.days(short.name, "c", 0)
    for day in (2, 3):
        end = ends[day - 1][0]._replace(decided=1)
        forged = day_seal(ends[day - 2][1], "c", 0, end)
        change(store, f"UPDATE days SET decided = 1, seal = '{forged}' WHERE day = {day}")
        assert verify_run(store, short, tmp_path / "run.json")[1]
        old = {"decided": ends[day - 1][0].decided, "seal": ends[day - 1][1]}
        change(store, f"UPDATE days SET decided = :decided, seal = :seal WHERE day = {day}", old)
    assert verify_run(store, short, tmp_path / "run.json")[1] == []


def test_a_state_that_is_missing_among_the_digests_is_not_recovered(store, short):
    end, _ = store.days(short.name, "c", 0)[-1]
    digests = json.loads(end.digests)
    del digests["buyer-001"]
    change(store, "UPDATE days SET digests = :text WHERE day = 3", {"text": canonical(digests)})
    missing = [agent for agent, _, equal in recover_run(store, short, None, None) if not equal]
    assert missing == ["buyer-001"]
    assert audit(store, short, "c", 0).recovery_rate == pytest.approx(4 / 5)


@pytest.mark.parametrize("forge", ["figures", "decided", "run", "settings", "markets"])
def test_results_that_say_something_else_than_the_rows_do_not_verify(store, short, tmp_path, forge):
    results = json.loads(json.dumps(measure(store, short, {})))
    if forge == "figures":
        results["markets"][0]["figures"]["deals"] += 1
    elif forge == "decided":
        results["markets"][0]["figures"]["decided"] += 1
    elif forge == "run":
        results["run"] = "another"
    elif forge == "settings":
        results["settings"]["market"]["days"] += 1
    else:
        results["markets"] = []
    path = tmp_path / "run.json"
    write_results(results, path)
    if forge == "markets":
        with pytest.raises(ValueError, match="markets are not those of the settings"):
            verify_run(store, short, path)
    else:
        assert verify_run(store, short, path)[1]


def test_agents_of_a_missing_settlement_are_not_recovered(store, written):
    with store.engine.begin() as connection:
        query = sa.select(ENTRIES).where(ENTRIES.c.scenario == "c", ENTRIES.c.kind == "settlement")
        row = connection.execute(query.order_by(ENTRIES.c.number).limit(1)).mappings().one()
        connection.execute(sa.delete(ENTRIES).where(*same(ENTRIES, row)))
    lost = {agent for agent, seed, equal in recover_run(store, written, None, row["seed"]) if not equal}
    assert lost == {row["buyer"], row["seller"]}
    with pytest.raises(ValueError, match="does not verify"):
        measure(store, written, {})
