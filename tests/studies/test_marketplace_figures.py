"""Figures: costs, contexts, validity and hypotheses; each validity row turns invalid when its mechanism is broken."""

import dataclasses

import pytest
import sqlalchemy as sa

from rtb_envs.studies.marketplace.audit import audit
from rtb_envs.studies.marketplace.costs import DOLLARS_PER_UNIT, entry_nanos, entry_units
from rtb_envs.studies.marketplace.hypotheses import HYPOTHESES, answer
from rtb_envs.studies.marketplace.measures import CONTEXT_LIMIT_TOKENS, Context
from rtb_envs.studies.marketplace.meter import Meter, TokenPrices, cost_table
from rtb_envs.studies.marketplace.results import markets_of, measure, results_of
from rtb_envs.studies.marketplace.runner import run_study
from rtb_envs.studies.marketplace.schema import ENTRIES
from rtb_envs.studies.marketplace.settings import Settings
from rtb_envs.studies.marketplace.store import Store
from rtb_envs.studies.marketplace.tables import verdicts
from rtb_envs.studies.marketplace.validity import RANGES, judge


@pytest.mark.parametrize(("size", "units", "dollars"), [(25, 0.00150274, 0.002254), (71, 0.00150779, 0.002262)])
def test_an_entry_costs_gas_and_storage_by_its_bytes(size, units, dollars):
    assert entry_units(size) == pytest.approx(units, abs=5e-9)
    assert entry_units(size) * DOLLARS_PER_UNIT == pytest.approx(dollars, abs=5e-7)
    assert entry_nanos(size) == round(1e9 * DOLLARS_PER_UNIT * entry_units(size))


def test_tokens_times_price_make_the_cost():
    # 111 million in and 11.1 million out at $.25 and $1.25 a million.
    assert TokenPrices(0.25, 1.25).dollars(111e6, 11.1e6) == pytest.approx(41.625)


def test_the_cost_table_follows_from_the_meter():
    meter = Meter(calls=10, input_tokens=12_000, output_tokens=1_000, cacheable=200, system_tokens=2_000)
    meter.sources.update(model=100, cache=100)
    rows = {row.way: row for row in cost_table(meter, bid_decisions=1000)}
    # A call repeats 200 tokens, a decision adds 100 in and 10 out.
    assert rows["plain"][1:4] == (1000, 1000 * 200 + 1000 * 100, 10_000)
    assert rows["+ cache"][1:4] == (500, 500 * 200 + 500 * 100, 5_000)
    assert rows["+ batch"][1:4] == (50, 50 * 200 + 500 * 100, 5_000)
    # What was done: the tree passed on 200 decisions, half of which were in the cache.
    assert rows["+ tree"][1:4] == (10, 12_000, 1_000)
    assert rows["+ tree"].dollars == pytest.approx((12_000 * 0.25 + 1_000 * 1.25) / 1e6)
    assert rows["mock"].dollars == 0


def test_an_event_costs_fifty_tokens_and_a_quarter_of_its_characters_but_200_at_most():
    context = Context()
    context.add(100)
    assert context.tokens == 75
    context.add(10_000)
    assert context.tokens == 275


def test_a_full_context_drops_its_oldest_fifth():
    context = Context()
    for _ in range(CONTEXT_LIMIT_TOKENS // 200):
        context.add(1000)
    assert (context.tokens, context.overflows) == (200_000, 0)
    context.add(1000)
    # 1001 events, of which 200 go.
    assert (context.tokens, context.overflows) == (801 * 200, 1)


# Ten days of the reference market: rot rows apply, and counts are scaled by a third.
TEN_DAYS = {"days": 10}
BROKEN = {
    "exchange fees, A": {"fee_clamp": [0, 1], "buyer_discount": 0.6, "seller_discount": 0.6},
    "context-rot events, B": {"fact_loss_rate": 0, "restart_rate": 0},
    "hallucination rate, B": {"false_claim_rate": 0},
    "total deals, A": {"packages_per_campaign": 0.5},
    "ledger entries, C": {"packages_per_campaign": 0.5},
}


def results_with(tmp_path, **market):
    settings = Settings(**TEN_DAYS, market=market, db=str(tmp_path / "market.db"))
    store = Store(settings.db)
    run_study(settings, store, "run")
    return store, measure(store, store.find_run("run"), {})


def verdict_of(results):
    return {verdict.title: verdict.verdict for verdict in verdicts(results)}


def test_an_unbroken_run_has_no_invalid_figure(tmp_path):
    _, results = results_with(tmp_path)
    assert set(verdict_of(results)) == {wanted.title for wanted in RANGES}
    assert "invalid" not in verdict_of(results).values()


@pytest.mark.parametrize("title", BROKEN)
def test_a_broken_mechanism_makes_its_figure_invalid(title, tmp_path):
    _, results = results_with(tmp_path, **BROKEN[title])
    assert verdict_of(results)[title] == "invalid"


def test_a_hole_in_the_ledger_makes_the_recovery_rate_invalid(tmp_path):
    store, _ = results_with(tmp_path)
    with store.engine.begin() as connection:
        hole = (ENTRIES.c.scenario == "c") & (ENTRIES.c.kind == "settlement") & (ENTRIES.c.day == 4)
        assert connection.execute(sa.delete(ENTRIES).where(hole)).rowcount > 10
    run = store.find_run("run")
    audits = [audit(store, run, *market) for market in markets_of(run)]
    assert verdict_of(results_of(run, audits, {}))["recovery rate, C"] == "invalid"


def market(scenario, seed, **figures):
    return {"scenario": scenario, "seed": seed, "figures": figures}


def test_one_invalid_seed_condemns_and_the_mean_decides_about_expected():
    seeds = [market("a", i, deals=deals, fee_rate=0.15) for i, deals in enumerate([3500, 4700])]
    deals = judge(seeds, 1500, 30)[0]
    assert (deals.verdict, deals.mean, deals.low) == ("expected", 4100, 3500)
    assert judge([*seeds, market("a", 2, deals=10_001, fee_rate=0.15)], 1500, 30)[0].verdict == "invalid"
    assert judge(seeds[:1], 1500, 30)[0].verdict == "unexpected"


def test_counts_scale_with_campaign_days_and_rot_needs_ten_days():
    few = [market("b", 0, rot_events=0, hallucination_rate=0.1)]
    assert judge(few, 500, 9)[0].verdict == "not applicable"
    assert judge(few, 500, 10)[0].verdict == "invalid"
    deals = judge([market("a", 0, deals=1500, fee_rate=0.15)], 500, 10)[0]
    assert deals.verdict == "expected"
    assert deals.expected == pytest.approx((4000 / 3, 2000))


def test_a_hypothesis_is_confirmed_by_its_whole_paired_interval():
    higher = HYPOTHESES[0]
    noise = [5.0, -3.0, 1.0, 4.0]  # far larger than the difference, and shared by both scenarios
    pairs = [market("a", i, effective_cpm_usd=20 + x + 0.1) for i, x in enumerate(noise)]
    pairs += [market("c", i, effective_cpm_usd=20 + x) for i, x in enumerate(noise)]
    given = answer(higher, pairs)
    assert given.verdict == "confirmed"
    assert given.difference.low == pytest.approx(0.1)
    assert answer(dataclasses.replace(higher, first="c", second="a"), pairs).verdict == "not confirmed"
    assert answer(higher, pairs[:1]).verdict == "too few seeds"
