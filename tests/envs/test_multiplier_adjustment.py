"""Actions that adjust the multiplier: DRLB's rule in NumPy, and the same market as under the multipliers it gives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rtb_envs
from rtb_envs.compile import jit
from rtb_envs.envs.multiplier_adjustment import MultiplierAdjustment, make_multiplier_adjustment
from tests.toy import Toy

SMALL = {"n_ads": 3, "n_users": 3, "search_volume_mean": 8.0, "search_volume_std": 1.0, "horizon": 7}
DRLB = [-0.08, -0.03, -0.01, 0, 0.01, 0.03, 0.08]


@pytest.fixture(scope="module")
def env():
    return rtb_envs.make("AdAuctionAdjustment-v0", initial_multiplier=2.0, **SMALL)


@pytest.fixture(scope="module")
def steps(env):
    """Compiled step of the adjusted market."""
    return jit(env.step_env), jit(env.reset_env)


@pytest.fixture(scope="module")
def market():
    market = rtb_envs.make("AdAuction-v0", **SMALL)
    return market, jit(market.step_env), jit(market.reset_env)


def test_an_episode_is_the_markets_under_the_multipliers_that_the_adjustments_give(env, steps, market):
    step, reset = steps
    core, core_step, core_reset = market
    key, actions = jax.random.key(3), [0, 6, 6, 2, 5, 3, 1]
    observation, state = reset(key, env.default_params)
    expected, its_state = core_reset(key, core.default_params)
    price = 0.5
    np.testing.assert_allclose(observation, [*expected, price], rtol=1e-6)
    for action in actions:
        price *= 1 + DRLB[action]
        observation, state, reward, terminated, truncated, info = step(
            key, state, jnp.int32(action), env.default_params
        )
        assert float(info["multiplier"]) == pytest.approx(1 / price, rel=1e-5)
        multiplier = info["multiplier"][None]
        expected, its_state, *returned = core_step(key, its_state, multiplier, core.default_params)
        np.testing.assert_array_equal(observation[:-1], expected)
        assert float(observation[-1]) == pytest.approx(price, rel=1e-5)
        assert [reward, terminated, truncated] == returned[:3]
    assert terminated


def test_lambda_stays_where_the_multiplier_is_one_of_the_markets(env, steps):
    step, reset = steps
    # 100 raises of 8 % are a factor of 2,000; the market's multipliers range over one of 100.
    for action, multiplier in ((6, 0.1), (0, 10.0)):
        _, state = reset(jax.random.key(0), env.default_params)
        for _ in range(100):
            observation, state, *_, info = step(jax.random.key(0), state, jnp.int32(action), env.default_params)
        assert float(info["multiplier"]) == pytest.approx(multiplier)
        assert float(observation[-1]) == pytest.approx(1 / multiplier)


def test_hindsight_is_the_markets(env, market):
    core = market[0]
    ours = jit(env.hindsight)(jax.random.key(1), env.default_params)
    assert float(ours.ceiling) == float(jit(core.hindsight)(jax.random.key(1), core.default_params).ceiling)


def test_a_market_without_hindsight_has_none(env):
    assert not hasattr(MultiplierAdjustment(Toy(), env.default_params), "hindsight")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"market": "AdAuctionDiscrete-v0"}, TypeError, "market must be an environment whose action is one bid"),
        ({"adjustments": [0.1, -1.0]}, ValueError, r"adjustments must be a finite number in \(-1, 1\], got -1.0"),
        ({"adjustments": [float("nan")]}, ValueError, "adjustments must be a finite number"),
        ({"adjustments": []}, TypeError, "adjustments must be a sequence of one or more numbers"),
        ({"initial_multiplier": 11.0}, ValueError, r"initial_multiplier must be a finite number in \[0.1, 10\]"),
        ({"tempo": 1}, TypeError, "unknown option 'tempo'"),
        ({"market": rtb_envs, "tempo": 1}, TypeError, "options must be left out where market is no id, got tempo"),
    ],
)
def test_wrong_options_are_refused_by_name(options, error, message):
    with pytest.raises(error, match=message):
        make_multiplier_adjustment(**options)
