"""Hindsight of markets whose numbers were changed, and of discrete actions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtb_envs.compile import jit
from rtb_envs.envs.ad_auction import make_ad_auction
from rtb_envs.envs.ad_auction.hindsight import episode_offers
from rtb_envs.users.response import ConstantResponse
from tests.envs.playing import play

SMALL = {"horizon": 3, "n_ads": 4, "n_users": 5, "search_volume_mean": 20.0, "search_volume_std": 2.0}


@pytest.fixture(scope="module")
def env():
    return make_ad_auction(**SMALL)


def test_hindsight_never_leaves_auctions_out_silently(env):
    assert env.config.largest_search_volume == int(20 + 5.42 * 2)
    key, params = jax.random.key(0), env.default_params
    with pytest.raises(ValueError, match=r"largest_search_volume must be at least 60, .*got 30"):
        env.hindsight(key, params.replace(search_volume_mean=50.0))
    with pytest.raises(ValueError, match="largest_search_volume must be at least"):
        env.market_distribution(params.replace(search_volume_mean=50.0))

    traced = jit(lambda mean: env.hindsight(key, params.replace(search_volume_mean=mean)))
    beyond, within = traced(jnp.float32(50)), traced(jnp.float32(20))
    assert np.isnan(beyond.optimum)
    assert np.isnan(beyond.ceiling)
    assert 0 < within.ceiling <= within.optimum


def test_rewards_stay_inside_the_observation_space_at_volumes_beyond_the_configured_bound(env):
    sure = ConstantResponse(jnp.ones(4), jnp.ones(3))
    params = env.default_params.replace(
        search_volume_mean=500.0, initial_budget=2**24, scaler=1e6, click_rate=sure, conversion_rate=sure
    )
    rewards, infos = play(env, 10.0, params=params)
    assert rewards == [int(info["search_volume"]) for info in infos]
    place = env.config.observation_keys.index("reward")
    assert env.observation_space(params).high[place] >= max(rewards) > env.config.largest_search_volume


def test_the_ceiling_of_discrete_actions_is_that_of_their_multipliers():
    """By hand in one step: what each of two multipliers wins, and between their costs a mixture of the two."""
    options = {**SMALL, "horizon": 1, "search_volume_mean": 200.0, "action_kind": "discrete"}
    env = make_ad_auction(**options, action_meanings=[0.9, 1.4])
    key, params = jax.random.key(1), env.default_params
    offers, volume = jax.device_get(episode_offers(env, key, params))
    in_play = np.arange(offers.price.shape[1]) < volume[:, None]
    value, cost = np.zeros(2), np.zeros(2)
    for i, multiplier in enumerate([0.9, 1.4]):
        won = in_play & (np.floor(np.float32(multiplier) * offers.unit_bid) > offers.price)
        value[i] = (offers.click_rate * offers.conversion_rate)[won].sum()
        cost[i] = (offers.click_rate * np.floor(offers.price))[won].sum()
    ceiling = jit(lambda budget: env.hindsight(key, params.replace(initial_budget=budget)).ceiling)
    between = int(cost.mean())
    assert cost[0] < between < cost[1]
    for budget, expected in ((2**24, value[1]), (between, np.interp(between, cost, value))):
        assert float(ceiling(jnp.int32(budget))) == pytest.approx(expected, rel=1e-4)
    any_multiplier = make_ad_auction(**{**options, "action_kind": "continuous"})
    params = any_multiplier.default_params.replace(initial_budget=2**24)
    assert float(any_multiplier.hindsight(key, params).ceiling) > 1.1 * value[1]
