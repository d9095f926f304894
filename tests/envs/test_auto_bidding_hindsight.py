"""What a clairvoyant could have had of AutoBidding: against a linear program over prices worked out in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from rtb_envs import rollout
from rtb_envs.envs.auto_bidding import OBSERVATION_KEYS, UNITS, Drawn, make_auto_bidding, make_auto_bidding_seat
from rtb_envs.envs.auto_bidding.hindsight import expected_largest_spend, largest_tick, seat_optimum, with_budget
from rtb_envs.policies.linear import Linear
from rtb_envs.random import EVALUATE, Stream, lane_keys

HORIZON, SLOTS, RICH = 3, 2, 10_000.0
MULTIPLIERS = (20.0, 45.0, 70.0)
SEAT = make_auto_bidding_seat(
    agent="bidder_1",
    rivals=[Linear(jnp.float32(multiplier)) for multiplier in MULTIPLIERS],
    num_agents=4,
    horizon=HORIZON,
    num_opportunities=45,
    window=16,
    value_mean=0.2,
    exposure=(1.0, 0.7),
    initial_budget=RICH,
)
PARAMS = SEAT.default_params
SIZE = largest_tick(PARAMS.market)


@pytest.fixture(scope="module")
def optimum():
    return jax.jit(lambda key, params: seat_optimum(SEAT, key, params, SIZE))


def offered(key):
    """Value [n] and price [slots, n] of every opportunity for bidder 1, from the episode's draws, in NumPy."""
    episode = Stream.from_key(key)
    factor = float(Drawn(episode, episode).conversion_factor(PARAMS.market)[1])
    values, prices = [], []
    for t in range(HORIZON):
        noise = Drawn(episode, episode.step(jnp.int32(t)))
        tick = noise.tick(PARAMS.market, jnp.int32(t))
        drawn = np.asarray(noise.opportunities(jnp.arange(int(tick.volume)), tick, SLOTS).value, np.float64)
        rivals = np.sort(np.array(MULTIPLIERS)[:, None] * drawn[[0, 2, 3]] * UNITS, axis=0)[::-1]
        values.append(drawn[1] * factor)
        prices.append(np.floor(np.maximum(rivals[:SLOTS], int(PARAMS.market.reserve_price))))
    return np.concatenate(values), np.concatenate(prices, axis=1)


@pytest.mark.parametrize("budget", [3.0, 30.0, 300.0])
def test_it_is_the_linear_program_over_slots_and_opportunities(optimum, budget):
    key = jax.random.key(4)
    value, price = offered(key)
    exposure = np.array([1.0, 0.7])[:, None]
    worth, cost = (exposure * value).ravel(), (exposure * price).ravel()
    one_slot = np.tile(np.eye(value.size), (1, SLOTS))
    solved = scipy.optimize.linprog(
        -worth,
        A_ub=np.vstack([one_slot, cost]),
        b_ub=np.append(np.ones(value.size), budget * UNITS),
        bounds=(0, 1),
    )
    np.testing.assert_allclose(float(optimum(key, with_budget(PARAMS, budget))), -solved.fun, rtol=1e-4)


def test_no_multiplier_is_expected_to_do_better(optimum):
    params = with_budget(PARAMS, 30.0)
    keys = jax.vmap(jax.random.fold_in, (0, None))(lane_keys(0, EVALUATE, 256), 0)
    best = np.asarray(jax.vmap(lambda key: optimum(key, params))(keys))
    for multiplier in (10.0, 30.0, 90.0):
        played = rollout(SEAT, Linear(jnp.float32(multiplier)), 256, HORIZON, 0, params)
        assert played.mean("episode_conversion") < best.mean()


def test_no_tick_holds_more_than_the_largest():
    params = make_auto_bidding(num_agents=2, horizon=12, num_opportunities=600).default_params
    keys = jax.vmap(jax.random.key)(jnp.arange(2000))

    def volumes(key):
        episode = Stream.from_key(key)
        return jax.vmap(lambda t: Drawn(episode, episode).tick(params, t).volume)(jnp.arange(12))

    drawn = np.asarray(jax.jit(jax.vmap(volumes))(keys))
    assert 0.8 * largest_tick(params) < drawn.max() <= largest_tick(params)


def test_the_largest_spend_is_that_of_the_highest_bids():
    keys = jax.vmap(jax.random.key)(jnp.arange(64))
    spend = expected_largest_spend(SEAT, keys, PARAMS, RICH)
    # At 500 a conversion bidder 1 outbids the others nearly always, and pays the highest rival bid.
    highest = np.mean([offered(key)[1][0].sum() / UNITS for key in keys])
    assert 0.9 * highest < spend < 1.02 * highest


def test_the_seat_alone_gets_another_budget():
    budgets = np.asarray(with_budget(PARAMS, 12.5).market.initial_budget)
    assert budgets.tolist() == [RICH * UNITS, 125_000, RICH * UNITS, RICH * UNITS]


def test_the_reward_entry_counts_the_last_ticks_conversions():
    key = jax.random.key(1)
    observation, state = SEAT.reset_env(key, PARAMS)
    at = OBSERVATION_KEYS.index("reward")
    assert float(observation[at]) == 0
    step, seen = jax.jit(SEAT.step_env), []
    for _ in range(HORIZON):
        observation, state, _, _, _, info = step(key, state, jnp.full(1, 300.0), PARAMS)
        seen.append((float(observation[at]), int(info["conversion"])))
    assert all(entry == conversions for entry, conversions in seen)
    assert max(conversions for _, conversions in seen) > 0
