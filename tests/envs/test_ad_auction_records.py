"""The auctions that AdAuction tells for logs, against the totals of its steps and an oracle of the auction's rules."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rtb_envs
from rtb_envs import compile

MARKET = {"horizon": 3, "search_volume_mean": 40, "search_volume_std": 8, "reserve_price": 45.0}
MARKETS = {
    "second price": {},
    "first price by impression, skipping": {
        "pricing": "first_price",
        "cost_indicator": "impression",
        "budget_rule": "skip",
    },
    "hybrid, volumes of RTBGym": {"pricing": "hybrid", "hybrid_weight": 0.5, "compat": "rtbgym"},
}
STEPS = 60


@pytest.fixture(scope="module", params=MARKETS.values(), ids=MARKETS.keys())
def steps(request):
    """A market's options, and of 60 steps of it, half of them with a small budget, the auctions and the info."""
    env = rtb_envs.make("AdAuction-v0", **MARKET, **request.param)

    def play(key, t, budget, multiplier, params):
        _, state = env.reset_env(key, params)
        state = replace(state, t=t, remaining_budget=budget)
        records = env.auction_records(key, state, multiplier[None], params, env.most_auctions(params))
        return records, env.step_env(key, state, multiplier[None], params)[-1]

    keys = jax.random.split(jax.random.key(0), STEPS)
    t, budget = jnp.arange(STEPS) % 3, jnp.where(jnp.arange(STEPS) % 2 == 0, 150, 2000)
    multiplier = jnp.linspace(0.7, 1.6, STEPS)
    program = compile.jit(jax.vmap(play, (0, 0, 0, 0, None)))
    records, info = jax.device_get(program(keys, t, budget, multiplier, env.default_params))
    return request.param, records, info


def test_auctions_add_up_to_what_the_environment_tells_of_the_step(steps):
    _, records, info = steps
    there = records["takes_place"]
    np.testing.assert_array_equal(there.sum(axis=1), info["search_volume"])
    for name in ("impression", "click", "conversion", "cost"):
        np.testing.assert_array_equal((records[name] * there).sum(axis=1), info[name], err_msg=name)
    assert info["cost"].sum() > 0


def test_each_outcome_follows_from_bid_floor_and_price_to_beat(steps):
    options, records, _ = steps
    auctions = {name: value[records["takes_place"]] for name, value in records.items()}
    bid, to_win, price = (auctions[name] / 1000 for name in ("price", "auction_min_to_win", "auction_price"))
    has_bid = ~np.isnan(bid)
    np.testing.assert_array_equal(auctions["nbr"], np.where(has_bid, -1, 501))
    assert (auctions["bidfloor"] == 45_000).all()
    assert (to_win >= 45).all()
    won = has_bid & (bid >= 45) & ((bid > to_win) | (to_win == 45))
    np.testing.assert_array_equal(auctions["impression"], won)
    np.testing.assert_array_equal(auctions["loss"], np.select([~has_bid, won, bid < 45], [-1, 0, 100], 102))
    assert set(auctions["loss"]) == {-1, 0, 100, 102}
    share = {"second_price": 0.0, "first_price": 1.0, "hybrid": 0.5}[options.get("pricing", "second_price")]
    np.testing.assert_allclose(price[won], to_win[won] + share * (bid - to_win)[won], rtol=1e-5)
    assert np.isnan(price[~won]).all()
    np.testing.assert_allclose(auctions["auction_mbr"][won], price[won] / bid[won], rtol=1e-5)
    charged = auctions[options.get("cost_indicator", "click")]
    np.testing.assert_array_equal(auctions["cost"], np.where(charged, np.floor(np.nan_to_num(price) + 1e-4), 0))


def test_auction_types_are_openrtb_s(steps):
    options, records, _ = steps
    expected = {"second_price": 2, "first_price": 1, "hybrid": 500}[options.get("pricing", "second_price")]
    assert (records["at"] == expected).all()


def test_what_the_budget_no_longer_pays_for_has_no_bid(steps):
    options, records, _ = steps
    there, has_bid = records["takes_place"], records["nbr"] == -1
    poor = (has_bid < there).any(axis=1)
    assert poor.any()
    assert not poor.all()
    stopped = np.maximum.accumulate(there & ~has_bid, axis=1) & has_bid & there
    assert stopped.any() == (options.get("budget_rule") == "skip")


def test_an_auction_that_the_policy_lets_pass_has_no_bid():
    env = rtb_envs.make("AdAuctionBidCurve-v0", **MARKET)
    params = env.default_params
    action = env.action_space(params).high.copy()
    action[0] = 0.5  # takes part in every second auction, at the highest bid

    def play(key, action, params):
        state = env.reset_env(key, params)[1]
        records = env.auction_records(key, state, action, params, env.most_auctions(params))
        return records, env.step_env(key, state, action, params)[-1]

    records, info = jax.device_get(compile.jit(play)(jax.random.key(0), action, params))
    there, passed = records["takes_place"], records["nbr"] == 502
    assert 0 < (passed & there).sum() < there.sum()
    np.testing.assert_array_equal(np.isnan(records["price"]), records["nbr"] != -1)
    assert not records["impression"][passed].any()
    assert (records["impression"] & there).sum() == info["impression"] > 0
