"""Every figure of a run against an oracle that knows nothing but the rows."""

import contextlib

import pytest

from rtb_envs.envs.marketplace import SCENARIOS
from rtb_envs.studies.marketplace.entries import severity
from rtb_envs.studies.marketplace.results import measure
from rtb_envs.studies.marketplace.runner import rule_markets
from rtb_envs.studies.marketplace.settings import Settings
from rtb_envs.studies.marketplace.store import Store
from tests.studies import marketplace_oracle
from tests.studies.conftest import SMALL, Played

HARSH = {"false_claim_rate": 0.5, "fact_loss_rate": 0.2, "restart_rate": 0.05, "packages_per_campaign": 4.0}


@pytest.mark.parametrize("market", [{}, HARSH], ids=["plain", "harsh"])
def test_every_figure_is_the_oracle_s(tmp_path, market):
    settings = Settings(**{**SMALL, "market": {**SMALL["market"], **market}})
    play = rule_markets(settings)
    with contextlib.closing(Store(tmp_path / "market.db")) as store:
        run = Played(settings, {0: play(0)}).run(store, "run")
        markets = {one["scenario"]: one["figures"] for one in measure(store, run, {})["markets"]}
    for scenario in SCENARIOS:
        expected = marketplace_oracle.figures(tmp_path / "market.db", "run", scenario, 0)
        # The cost of an entry is a whole number of billionths of a dollar.
        assert {name: markets[scenario][name] for name in expected} == pytest.approx(expected, rel=2e-8)
        assert (
            sum(expected[f"false_claims_{how}"] for how in ("minor", "moderate", "severe"))
            == (markets[scenario]["false_claims_attempted"])
        )
    if market:
        assert markets["b"]["false_claims_severe"] > 0 < markets["c"]["false_claims_stopped"]
        assert markets["b"]["restarts"] > 0 < markets["a"]["false_claims_corrected"]


@pytest.mark.parametrize(
    ("claim", "error", "expected"),
    [
        ("stands", 101, "minor"),
        ("stands", 499, "minor"),
        ("corrected", 500, "moderate"),
        ("stopped", 1_999, "moderate"),
        ("stands", 2_000, "severe"),
        ("stands", 10_000, "severe"),
        ("uncounted", 90, "none"),
        ("true", 10_000, "none"),
    ],
)
def test_a_false_claim_is_minor_below_5_percent_and_moderate_below_20(claim, error, expected):
    assert severity(claim, error) == expected
