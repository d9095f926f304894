"""The marketplace as an environment: it is the study's market, hour by hour."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rtb_envs
from rtb_envs.envs.marketplace import Options, compiled_history

DAYS = 3
OPTIONS = {"buyers": 2, "sellers": 3, "campaigns_per_buyer": 4, "days": DAYS}


@functools.cache
def episode(env):
    """Compiled: (key, action, params) -> first observation, last state, and the outcomes of every step."""

    def play(key, action, params):
        observation, state = env.reset_env(key, params)

        def step(state, _):
            observation, state, reward, terminated, truncated, info = env.step_env(key, state, action, params)
            return state, (observation, reward, terminated, truncated, info)

        return observation, *jax.lax.scan(step, state, length=24 * env.config.days)

    return jax.jit(play)


def played(env, key, action):
    """Observations, rewards, flags and infos of a whole episode under one action, on the host."""
    return jax.tree.map(np.asarray, episode(env)(key, action, env.default_params))


@pytest.mark.parametrize("scenario", ["a", "b", "c"])
def test_multipliers_of_one_play_the_study_s_market(scenario):
    env = rtb_envs.make_multi_agent("marketplace_v0", scenario=scenario, **OPTIONS)
    key = jax.random.key(7)
    _, state, (_, reward, terminated, truncated, info) = played(env, key, jnp.ones((2, 4)))
    options = Options(scenario=scenario, **OPTIONS)
    code = jnp.asarray(["abc".index(scenario)])
    _, history = compiled_history(options.config())(key, code, options.params())
    assert np.array_equal(state.accounts.remaining, history.remaining[0, -1])
    assert np.array_equal(state.accounts.delivered, history.delivered[0, -1])
    assert info["market_deals"].sum() == (np.asarray(history.trades.status) >= 2).sum()
    assert info["spend_cents"].sum() == np.asarray(history.trades.charge).astype(np.int64).sum()
    assert not terminated.any()
    assert not truncated[:-1].any()
    assert truncated[-1].all()
    assert reward.shape == (24 * DAYS, 2)


@pytest.fixture(scope="module")
def exchange():
    return rtb_envs.make_multi_agent("marketplace_v0", **OPTIONS)


def test_a_buyer_who_bids_more_wins_more_and_observations_stay_in_their_space(exchange):
    key = jax.random.key(1)
    action = jnp.asarray([[2.0] * 4, [0.5] * 4])
    first, _, (observation, _, _, _, info) = played(exchange, key, action)
    delivered = info["delivered"].sum(axis=0)
    assert delivered[0] > 2 * delivered[1]
    space = exchange.observation_space(exchange.default_params, "buyer_0")
    assert all(space.contains(row) for row in np.concatenate([np.asarray(first)[None], observation]).reshape(-1, 10))


def test_reward_is_the_value_of_impressions_at_the_target_less_the_spend(exchange):
    key, params = jax.random.key(2), exchange.default_params
    _, _, (_, reward, _, _, info) = played(exchange, key, jnp.ones((2, 4)))
    state = jax.jit(exchange.reset_env)(key, params)[1]
    noise = jax.jit(exchange.noise)(key, state, params)
    assert np.allclose(reward[0].sum() + info["market_spend"][0], _value(exchange, state, noise), rtol=1e-5)


def _value(env, state, noise):
    packages = jax.tree.map(np.asarray, noise.packages)
    calendar = env.config.schedule
    count = int(calendar.first[0, 1] - calendar.first[0, 0])
    channels = np.asarray(state.accounts.channel)
    sold = [i for i in range(count) if packages.channel[i] in channels and not _fails(packages, i)]
    return sum(int(packages.target_cpm[i]) * int(packages.impressions[i]) / 1e6 for i in sold)


def _fails(packages, i):
    false = packages.claim_uniform[i] < np.float32(0.08) and packages.claim_error[i] > 100
    return false and packages.corrected_uniform[i] >= 0.6 and packages.fails_uniform[i] < 0.5


def test_lanes_of_a_batch_are_the_lanes_alone(exchange):
    keys = jax.vmap(jax.random.key)(jnp.arange(3))
    action = jnp.full((2, 4), 1.3)
    together = jax.jit(jax.vmap(episode(exchange), (0, None, None)))(keys, action, exchange.default_params)
    for i in range(3):
        alone = played(exchange, keys[i], action)
        for one, many in zip(jax.tree.leaves(alone), jax.tree.leaves(together), strict=True):
            assert np.array_equal(one, np.asarray(many)[i])


def test_learning_sellers_raise_their_floors_and_their_price():
    env = rtb_envs.make_multi_agent("marketplace_v0", scenario="b", seller_role="learning", **OPTIONS)
    assert env.agents == ("buyer_0", "buyer_1", "seller_0", "seller_1", "seller_2")
    key = jax.random.key(3)
    low = jnp.concatenate([jnp.ones((2, 4)), jnp.full((3, 4), 0.5)])
    high = low.at[2:].set(2.0)
    _, _, (observation, cheap, _, _, info) = played(env, key, low)
    _, _, (_, _, _, _, dear) = played(env, key, high)
    assert dear["market_deals"].sum() < info["market_deals"].sum()
    # What sellers earn is what buyers pay: no fee in direct trade.
    assert cheap[:, 2:].sum() == pytest.approx(info["market_spend"].sum(), rel=1e-5)
    assert observation.shape[1:] == (5, 10)


def test_beliefs_follow_the_ledger_and_age_without_news():
    env = rtb_envs.make_multi_agent("marketplace_v0", scenario="c", **OPTIONS)
    first, _, (observation, *_) = played(env, jax.random.key(4), jnp.ones((2, 4)))
    believed, age = observation[:, :, 4:7], observation[:, :, 7:10]
    assert np.asarray(first)[:, 7:10].min() == 1
    # Over the ledger all buyers know the same, and nobody forgets.
    assert (believed[:, 0] == believed[:, 1]).all()
    assert ((believed[-1] >= 0.599) & (believed[-1] <= 0.801)).all()
    assert age[-1].max() < 1
