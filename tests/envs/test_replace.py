"""New numbers for the parameters of a market: those that no option would take are refused by name."""

import functools
from dataclasses import fields, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rtb_envs
from rtb_envs.envs.contextual_auction.catalogue import Catalogue

NAN = np.nan


@functools.cache
def params_of(market):
    make = rtb_envs.make if market.endswith("-v0") else rtb_envs.make_multi_agent
    small = {
        "auto_bidding_v0": {"num_agents": 4, "horizon": 6, "num_opportunities": 48},
        "contextual_auction_v0": {"n_bidders": 3, "n_ads": 2, "context_dim": 2, "observed_dim": 1},
        "retargeting_v0": {"num_customers": 8, "horizon": 4},
        "marketplace_v0": {"days": 2},
        "AdPlacement-v0": {"horizon": 4},
    }
    return make(market, **small[market]).default_params


MARKETS = ("auto_bidding_v0", "contextual_auction_v0", "retargeting_v0", "marketplace_v0", "AdPlacement-v0")
BUDGETS, CATALOGUE = np.full(4, 10_000), params_of("contextual_auction_v0").catalogue
LAW = params_of("auto_bidding_v0").value

WRONG = [
    ("auto_bidding_v0", "initial_budget", -BUDGETS, ValueError, r"finite numbers in \[1, .*, got -10000.0 at \(0,\)"),
    ("auto_bidding_v0", "initial_budget", BUDGETS[:3], ValueError, r"shape \(4,\) or \(\), got shape \(3,\)"),
    ("auto_bidding_v0", "initial_budget", BUDGETS * 100_000, ValueError, "at most .* in sum over the bidders"),
    ("auto_bidding_v0", "initial_budget", 10.5, TypeError, "a whole number"),
    ("auto_bidding_v0", "target_cost_per_action", NAN, ValueError, r"finite numbers .*, got nan at \(\)"),
    ("auto_bidding_v0", "target_cost_per_action", [60.0, 0.0, 1.0, 1.0], ValueError, r"got 0.0 at \(1,\)"),
    ("auto_bidding_v0", "target_cost_per_action", "low", TypeError, "a number or an array of numbers, got 'low'"),
    ("auto_bidding_v0", "horizon", 7, ValueError, r"\[1, 6\], got 7.0"),
    ("auto_bidding_v0", "horizon", 0, ValueError, r"\[1, 6\], got 0.0"),
    ("auto_bidding_v0", "traffic_weight", np.zeros(6), ValueError, "a positive sum over the horizon"),
    ("auto_bidding_v0", "traffic_weight", np.full(6, NAN), ValueError, "finite numbers"),
    ("auto_bidding_v0", "exposure", [0.5, 0.9, 0.1], ValueError, "not increasing from slot to slot"),
    ("auto_bidding_v0", "exposure", [1.0, 0.5, 0.0], ValueError, r"\(0, 1\], got 0.0 at \(2,\)"),
    ("auto_bidding_v0", "reserve_price", -1, ValueError, "finite numbers"),
    ("auto_bidding_v0", "multiplier_low", 501.0, ValueError, "exceed multiplier_high, got 501.0 and 500.0"),
    ("auto_bidding_v0", "multiplier_high", np.inf, ValueError, "finite numbers"),
    ("auto_bidding_v0", "value", 0.1, TypeError, "a ValueLaw, got 0.1"),
    ("contextual_auction_v0", "horizon", -1, ValueError, "finite numbers"),
    ("contextual_auction_v0", "shading_high", 0.0, ValueError, r"\(0, 100\], got 0.0"),
    ("contextual_auction_v0", "catalogue", CATALOGUE.value, TypeError, "a Catalogue"),
    ("contextual_auction_v0", "belief", np.zeros((3, 2)), ValueError, r"\(3, 2\) and 1 to 3 coefficients"),
    ("contextual_auction_v0", "belief", np.full((3, 2, 2), NAN), ValueError, "finite numbers"),
    ("retargeting_v0", "initial_budget", [1, 1, 1, -1], ValueError, r"got -1.0 at \(3,\)"),
    ("retargeting_v0", "initial_budget", 2**31, ValueError, r"finite numbers in"),
    ("retargeting_v0", "initial_budget", 600_000_000, ValueError, "at most .* in sum over the agents"),
    ("retargeting_v0", "hybrid_weight", 1.2, ValueError, r"\[0, 1\], got 1.2"),
    ("retargeting_v0", "stage_mix", np.full(6, 0.2), ValueError, "shares that sum to 1, got a sum of 1.2"),
    ("retargeting_v0", "ctr_cap", NAN, ValueError, "finite numbers"),
    ("retargeting_v0", "context_ctr", [], ValueError, r"shape \(n,\), got shape \(0,\)"),
    ("retargeting_v0", "context_ctr", [0.5, 1.0], ValueError, r"got 1.0 at \(1,\)"),
    ("retargeting_v0", "cart_low", 200.0, ValueError, "exceed cart_high, got 200.0 and 150.0"),
    ("retargeting_v0", "active", [1, 1, 0, 1], TypeError, "True or False"),
    ("retargeting_v0", "response", 3, TypeError, "a ResponseParams, got 3"),
    ("marketplace_v0", "campaign_budget", np.array([1, 1, -1, 1]), ValueError, r"got -1.0 at \(2,\)"),
    ("marketplace_v0", "cpm_low", 60_000, ValueError, "exceed cpm_high"),
    ("marketplace_v0", "scenario", 3, ValueError, r"\[0, 2\], got 3.0"),
    ("marketplace_v0", "horizon_days", 3, ValueError, r"\[1, 2\], got 3.0"),
    ("marketplace_v0", "fee_share", 0.15, TypeError, "a whole number, got 0.15"),
    ("marketplace_v0", "corrected_rate", NAN, ValueError, "finite numbers"),
    ("AdPlacement-v0", "ctr", -0.1, ValueError, r"\[0, 1\], got -0.1"),
    ("AdPlacement-v0", "floor_cpm", np.ones(3), ValueError, r"shape \(4,\) or \(\), got shape \(3,\)"),
    ("AdPlacement-v0", "pressure_half_life", 0.0, ValueError, r"\[0.1, 20\], got 0.0"),
    ("AdPlacement-v0", "is_limited", 1.0, TypeError, "True or False"),
]


@pytest.mark.parametrize(("market", "name", "value", "error", "message"), WRONG)
def test_a_wrong_number_is_refused_by_name(market, name, value, error, message):
    with pytest.raises(error, match=f"{name} must .*{message}"):
        params_of(market).replace(**{name: value})


@pytest.mark.parametrize("market", MARKETS)
def test_an_unknown_field_is_refused_with_those_that_are_known(market):
    with pytest.raises(TypeError, match=r"unknown field 'budgets'; it must be one of .*horizon"):
        params_of(market).replace(budgets=1)


def test_what_follows_from_other_numbers_is_not_set_by_hand():
    for market, name in (
        ("AdPlacement-v0", "derived"),
        ("AdPlacement-v0", "num_slots"),
        ("retargeting_v0", "end_hours"),
    ):
        with pytest.raises(TypeError, match=f"unknown field '{name}'"):
            params_of(market).replace(**{name: None})


def test_the_numbers_within_a_law_are_refused_by_the_law_and_their_name():
    with pytest.raises(ValueError, match=r"value.mean must hold finite numbers in \(0, 1\], got nan"):
        params_of("auto_bidding_v0").replace(value=replace(LAW, mean=NAN))
    wrong = Catalogue(CATALOGUE.embedding, -CATALOGUE.value)
    with pytest.raises(ValueError, match=r"catalogue.value must hold finite numbers in \[1e-06, 1000\]"):
        params_of("contextual_auction_v0").replace(catalogue=wrong)


@pytest.mark.parametrize("market", MARKETS)
def test_every_field_takes_its_own_value_again_and_keeps_its_type_and_shape(market):
    params = params_of(market)
    names = [field.name for field in fields(params) if field.name not in ("derived", "end_hours", "num_slots")]
    again = params.replace(**{name: getattr(params, name) for name in names})
    for new, old in zip(jax.tree.leaves(again), jax.tree.leaves(params), strict=True):
        np.testing.assert_allclose(new, old, rtol=1e-6)
        assert (new.dtype, new.shape) == (old.dtype, old.shape)


def test_one_number_serves_all_and_takes_the_type_that_was_there():
    budgets = params_of("auto_bidding_v0").replace(initial_budget=np.int64(70)).initial_budget
    assert (budgets.tolist(), budgets.dtype) == ([70] * 4, jnp.int32)
    floors = params_of("AdPlacement-v0").replace(floor_cpm=2).floor_cpm
    assert (floors.tolist(), floors.dtype) == ([2.0] * 4, jnp.float32)


def test_lists_of_equally_likely_values_may_have_any_length():
    assert params_of("retargeting_v0").replace(context_ctr=[0.25, 0.5, 0.125]).response.context_ctr.shape == (3,)


def test_traffic_sums_to_one_over_the_horizon_and_comes_back_with_it():
    whole = params_of("auto_bidding_v0")
    half = whole.replace(horizon=3)
    np.testing.assert_allclose(half.traffic_weight[:3].sum(), 1, rtol=1e-6)
    np.testing.assert_allclose(half.replace(horizon=6).traffic_weight, whole.traffic_weight, rtol=1e-6)
    even = whole.replace(traffic_weight=np.full(6, 5.0))
    np.testing.assert_allclose(even.traffic_weight, 1 / 6, rtol=1e-6)


def test_beliefs_are_rounded_and_may_be_given_up():
    oracle = params_of("contextual_auction_v0")
    believing = oracle.replace(belief=np.full((3, 2, 2), 0.3))
    assert believing.belief.tolist() == np.full((3, 2, 2), 77 / 256).tolist()
    assert believing.replace(belief=None).belief is None
    with pytest.raises(ValueError, match=r"belief must have shape \(3, 2\) and 2 coefficients"):
        believing.replace(belief=np.zeros((3, 2, 3)))


def test_traced_numbers_are_clipped_to_their_ranges():
    bidding, trade = params_of("auto_bidding_v0"), params_of("marketplace_v0")

    def changed(budget, target, share):
        market = bidding.replace(initial_budget=budget, target_cost_per_action=target)
        return market.initial_budget, market.target_cost_per_action, trade.replace(corrected_rate=share).corrected_rate

    budgets = jnp.stack([jnp.full(4, -5), jnp.full(4, 90)])
    lanes = jax.jit(jax.vmap(changed))(budgets, jnp.array([-1.0, 50.0]), jnp.array([1.5, 0.5]))
    assert lanes[0].tolist() == [[1] * 4, [90] * 4]
    np.testing.assert_allclose(lanes[1], [[1e-4] * 4, [50] * 4])
    assert lanes[2].tolist() == [1.0, 0.5]


def test_a_traced_fraction_of_what_is_counted_is_refused():
    with pytest.raises(TypeError, match="initial_budget must be a whole number"):
        jax.vmap(lambda budget: params_of("auto_bidding_v0").replace(initial_budget=budget))(jnp.ones((2, 4)))
