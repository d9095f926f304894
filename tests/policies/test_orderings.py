"""Orderings that the sources report, where a few impressions hold most of the value and the budget is tight."""

from functools import partial

import jax.numpy as jnp
import numpy as np
import pytest

import rtb_envs
from agents.registry import make_rule
from rtb_envs.envs.ad_auction import expected_episode
from rtb_envs.rollouts import rollout, tune
from rtb_envs.users.response import LogisticResponse

EPISODES = 256


def spread_market(log_spread, click_rate, auctions_per_step):
    """An iPinYou campaign whose predicted rates are log-normal but for the sigmoid, around ``click_rate``."""
    ad, user = np.random.default_rng(0).normal(0, log_spread / 2**0.5, (2, 100))
    level = np.log(click_rate)
    for _ in range(50):
        level += np.log(click_rate / (1 / (1 + np.exp(-(level + ad[:, None] + user)))).mean())
    law = LogisticResponse(jnp.float32(ad + level), jnp.float32(user), jnp.ones(24))
    volume = {"search_volume_mean": auctions_per_step, "search_volume_std": auctions_per_step / 10}
    return rtb_envs.make("AdAuctionBidCurve-v0", preset="ipinyou_1458", click_rate=law, **volume)


def with_a_sixteenth(env):
    """The market's numbers with a 16th of what winning everything costs."""
    everything = expected_episode(env, env.default_params, 10.0).cost
    return env.default_params.replace(initial_budget=jnp.int32(everything / 16))


@pytest.mark.slow
def test_selective_bids_beat_bids_that_do_not_look_at_the_impression():
    env = spread_market(2.9, 0.0008, 1000.0)
    params = with_a_sixteenth(env)
    known, price = env.market_distribution(params), float(params.standard_bid_price)
    multipliers = np.geomspace(0.03, 3, 16)
    grids = {
        "random_bid": {"highest_bid": price * multipliers},
        "constant_bid": {"bid": price * multipliers},
        "linear": {"multiplier": multipliers},
    }
    policies = {name: tune(env, partial(make_rule, name), grid, 64, 0, params).policy for name, grid in grids.items()}
    policies["mcpc"] = make_rule("mcpc", env, params, distribution=known)
    clicks = {
        name: rollout(env, policy, EPISODES, 24, 0, params).totals["episode_click"] for name, policy in policies.items()
    }

    # Each of these differences is tested against 3 standard errors: by chance it fails once in 700.
    for worse, better in (("random_bid", "constant_bid"), ("constant_bid", "mcpc"), ("mcpc", "linear")):
        gain = clicks[better] - clicks[worse]
        assert gain.mean() > 3 * gain.std() / EPISODES**0.5, (worse, better)


@pytest.mark.slow
def test_bids_that_look_at_what_is_left_beat_the_best_linear_bids_in_an_episode_of_a_thousand_auctions():
    # In longer ones the spending of equal bids is known beforehand, and there is little for RLB to react to.
    env = spread_market(1.5, 0.02, 40.0)
    params = with_a_sixteenth(env)
    linear = tune(env, partial(make_rule, "linear"), {"multiplier": np.geomspace(0.03, 3, 40)}, 256, 0, params).policy
    rlb = make_rule("rlb", env, params, distribution=env.market_distribution(params))
    episodes = 8 * EPISODES
    of_linear, of_rlb = (
        rollout(env, policy, episodes, 24, 0, params).totals["episode_click"] for policy in (linear, rlb)
    )
    gain = of_rlb - of_linear
    # Also by 3 standard errors, of 10 that the gain is.
    assert gain.mean() > 3 * gain.std() / episodes**0.5


@pytest.mark.slow
def test_ta_pid_brings_more_than_m_pid_where_nobody_has_tuned_them():
    # At their defaults, from the multiplier 1, which is several times what this budget can pay.
    env = rtb_envs.make("AdAuctionBidCurve-v0", preset="ipinyou_1458", search_volume_mean=700.0, search_volume_std=70.0)
    params = with_a_sixteenth(env)
    episodes = 8 * EPISODES
    of_ta_pid, of_m_pid = (
        rollout(env, make_rule(name, env, params), episodes, 24, 0, params).totals["episode_click"]
        for name in ("ta_pid", "m_pid")
    )
    gain = of_ta_pid - of_m_pid
    assert gain.mean() > 3 * gain.std() / episodes**0.5
