"""Whoever changes the ledger is found out."""

import json
import random

import pytest
import sqlalchemy as sa

from rtb_envs.studies.marketplace.audit import End, audit
from rtb_envs.studies.marketplace.results import measure, write_results
from rtb_envs.studies.marketplace.schema import DAYS, ENTRIES
from rtb_envs.studies.marketplace.verification import recover_run, verify_run

EDITS = 240


@pytest.fixture
def written(small, store):
    return small.run(store)


@pytest.fixture
def short(small, store):
    """Three days of one ledger, which are read quickly."""
    settings = small.settings.model_copy(update={"days": 3, "seeds": 1, "scenarios": ("c",)})
    return type(small)(settings, {0: {"c": small.markets[0]["c"]}}).run(store, "short")


def random_edit(rng, connection, run):
    """Change something of the entries or days of a run; what was done."""
    rows = connection.execute(sa.select(ENTRIES).where(ENTRIES.c.run == run)).mappings().all()
    row = dict(rng.choice(rows))
    kind = rng.choice(["field", "field", "field", "day", "delete", "insert", "swap", "cut"])
    if kind == "field":
        name = rng.choice(
            ["number", "day", "hour", "kind", "buyer", "seller", "body", "hash", "scenario", "seed", "run"]
        )
        connection.execute(sa.update(ENTRIES).where(*same(ENTRIES, row)).values({name: other(rng, name, row)}))
        return f"{name} of entry {row['number']}"
    if kind == "day":
        day = dict(rng.choice(connection.execute(sa.select(DAYS).where(DAYS.c.run == run)).mappings().all()))
        name = rng.choice(["day", "entries", "head", "decided", "escalated", "refused", "digests", "seal"])
        flipped = day[name] + 100 if isinstance(day[name], int) else other(rng, "hash", {"hash": day[name]})
        connection.execute(sa.update(DAYS).where(*same(DAYS, day, "day")).values({name: flipped}))
        return f"{name} of day {day['day']}"
    if kind == "delete":
        connection.execute(sa.delete(ENTRIES).where(*same(ENTRIES, row)))
    elif kind == "insert":
        of_market = [r["number"] for r in rows if (r["scenario"], r["seed"]) == (row["scenario"], row["seed"])]
        connection.execute(sa.insert(ENTRIES), {**row, "number": max(of_market) + 1})
    elif kind == "swap":
        after = next((dict(r) for r in rows if same_market(r, row) and r["number"] == row["number"] + 1), None)
        if after is None:
            return random_edit(rng, connection, run)
        for place, source in ((row, after), (after, row)):
            fields = {name: source[name] for name in ("day", "hour", "kind", "buyer", "seller", "body", "hash")}
            connection.execute(sa.update(ENTRIES).where(*same(ENTRIES, place)).values(fields))
    elif kind == "cut":
        market = [ENTRIES.c[name] == row[name] for name in ("run", "scenario", "seed")]
        connection.execute(sa.delete(ENTRIES).where(*market, ENTRIES.c.number >= row["number"]))
    return f"{kind} at entry {row['number']}"


def same_market(one, two):
    return all(one[name] == two[name] for name in ("run", "scenario", "seed"))


def same(table, row, last="number"):
    return [table.c[name] == row[name] for name in ("run", "scenario", "seed", last)]


def other(rng, name, row):
    """Another value of a field."""
    value = row[name]
    if name == "number":
        return value + 1_000_000
    if name in ("day", "hour"):
        return value + rng.choice([-1, 1])
    if name == "seed":
        return value + 50
    if name == "scenario":
        return "z"
    if name == "body":
        body = json.loads(value)
        numbers = [key for key, content in body.items() if type(content) is int]
        if numbers and rng.random() < 0.7:
            body[rng.choice(numbers)] += rng.choice([-1, 1])
            return json.dumps(body, sort_keys=True, separators=(",", ":"))
        return value.replace(":", ": ", 1)
    if name == "hash":
        return ("0" if value[0] != "0" else "1") + value[1:]
    return value[:-1] + ("x" if value and value[-1] != "x" else "y")


def test_every_random_edit_is_found(store, short, tmp_path):
    """Fields of entries and days, deleted, inserted, swapped and cut-off entries: 240 edits, each taken back."""
    write_results(measure(store, short, {}), tmp_path / "run.json")
    assert verify_run(store, short, tmp_path / "run.json")[1] == []
    rng = random.Random(0)
    missed = []
    for _ in range(EDITS):
        with store.engine.connect() as connection:
            before = {t.name: connection.execute(sa.select(t)).mappings().all() for t in (ENTRIES, DAYS)}
        with store.engine.begin() as connection:
            edit = random_edit(rng, connection, short.name)
        if not verify_run(store, short, tmp_path / "run.json")[1]:
            missed.append(edit)
        with store.engine.begin() as connection:
            for table in (ENTRIES, DAYS):
                connection.execute(sa.delete(table))
                connection.execute(sa.insert(table), [dict(row) for row in before[table.name]])
    assert missed == []


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
    assert audit(store, written, "c", 0, End(cut.end.count, cut.end.head)).problems == ()


def test_changed_settings_break_every_chain(store, written):
    with store.engine.begin() as connection:
        settings = json.dumps({**written.settings, "seed": 0, "extra": 1}, sort_keys=True, separators=(",", ":"))
        connection.execute(sa.text("UPDATE runs SET settings = :settings"), {"settings": settings})
    assert len(verify_run(store, store.find_run(written.name))[1]) >= 6


def test_agents_of_a_missing_settlement_are_not_recovered(store, written):
    with store.engine.begin() as connection:
        query = sa.select(ENTRIES).where(ENTRIES.c.scenario == "c", ENTRIES.c.kind == "settlement")
        row = connection.execute(query.order_by(ENTRIES.c.number).limit(1)).mappings().one()
        connection.execute(sa.delete(ENTRIES).where(*same(ENTRIES, row)))
    lost = {agent for agent, seed, equal in recover_run(store, written, None, row["seed"]) if not equal}
    assert lost == {row["buyer"], row["seller"]}
    with pytest.raises(ValueError, match="does not verify"):
        measure(store, written, {})
