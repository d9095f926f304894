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


def spread_market(log_spread, click_rate):
    """An iPinYou campaign whose predicted rates are log-normal but for the sigmoid, around ``click_rate``."""
    ad, user = np.random.default_rng(0).normal(0, log_spread / 2**0.5, (2, 100))
    level = np.log(click_rate)
    for _ in range(50):
        level += np.log(click_rate / (1 / (1 + np.exp(-(level + ad[:, None] + user)))).mean())
    law = LogisticResponse(jnp.float32(ad + level), jnp.float32(user), jnp.ones(24))
    volume = {"search_volume_mean": 1000.0, "search_volume_std": 100.0}
    return rtb_envs.make("AdAuctionBidCurve-v0", preset="ipinyou_1458", click_rate=law, **volume)


@pytest.mark.slow
def test_selective_bids_beat_bids_that_do_not_look_at_the_impression_and_rlb_beats_linear_bids():
    env = spread_market(2.9, 0.0008)
    everything = expected_episode(env, env.default_params, 10.0).cost
    params = env.default_params.replace(initial_budget=jnp.int32(everything / 16))
    known, price = env.market_distribution(params), float(params.standard_bid_price)
    multipliers = np.geomspace(0.03, 3, 16)
    grids = {
        "random_bid": {"highest_bid": price * multipliers},
        "constant_bid": {"bid": price * multipliers},
        "linear": {"multiplier": multipliers},
    }
    policies = {name: tune(env, partial(make_rule, name), grid, 64, 0, params).policy for name, grid in grids.items()}
    for name in ("mcpc", "rlb"):
        policies[name] = make_rule(name, env, params, distribution=known)
    clicks = {
        name: rollout(env, policy, EPISODES, 24, 0, params).totals["episode_click"] for name, policy in policies.items()
    }

    # Each of these differences is tested against 3 standard errors: by chance it fails once in 700.
    for worse, better in (("random_bid", "constant_bid"), ("constant_bid", "mcpc"), ("mcpc", "linear")):
        gain = clicks[better] - clicks[worse]
        assert gain.mean() > 3 * gain.std() / EPISODES**0.5, (worse, better)
    gain = clicks["rlb"] - clicks["linear"]
    assert gain.mean() > -3 * gain.std() / EPISODES**0.5
