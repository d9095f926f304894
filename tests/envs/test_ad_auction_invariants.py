"""What holds for every AdAuction market, whatever is drawn and whatever is bid."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtb_envs.auctions.market_prices import GammaPrice
from rtb_envs.compile import jit
from rtb_envs.envs.ad_auction import AdAuction, MarketShift, make_ad_auction
from rtb_envs.users.response import ConstantResponse

SMALL = {"horizon": 4, "n_ads": 10, "n_users": 8, "search_volume_mean": 50.0, "search_volume_std": 10.0}
FEW = settings(max_examples=25, deadline=None)
SEEDS = st.integers(0, 2**32 - 1)
MULTIPLIERS = st.lists(st.floats(0.125, 10, width=32), min_size=4, max_size=4)
# Two programs serve most tests: every other number is dynamic.
STOP = {"cost_indicator": "click", "objective": "conversion", "budget_rule": "stop"}
SKIP = {"cost_indicator": "impression", "objective": "click", "budget_rule": "skip"}
COUNTS = ("search_volume", "impression", "click", "conversion")


@functools.cache
def market(**options):
    return make_ad_auction(**{**SMALL, **options})


def episode(env, key, actions, params):
    """Observations with the first, rewards, flags and infos of one episode, stacked over its steps."""
    first, state = env.reset_env(key, params)

    def step(state, action):
        observation, state, *outcome = env.step_env(key, state, action, params)
        return state, (observation, *outcome)

    _, (observations, *outcome) = jax.lax.scan(step, state, actions)
    return jnp.concatenate([first[None], observations]), *outcome


@functools.cache
def compiled_episode(config):
    """(key, actions [steps, 1], params) -> ``episode``."""
    return jit(lambda *inputs: episode(AdAuction(config, None), *inputs))


@functools.cache
def compiled_lanes(config):
    """(keys [lanes], actions [lanes, steps, 1], params) -> ``episode`` of each lane."""
    return jit(jax.vmap(lambda *inputs: episode(AdAuction(config, None), *inputs), (0, 0, None)))


def play(env, seed, multipliers, params=None):
    """One episode: observations, rewards, terminated, truncated and info as NumPy arrays over the steps."""
    actions = jnp.asarray(multipliers, jnp.float32)[:, None]
    params = env.default_params if params is None else params
    return jax.device_get(compiled_episode(env.config)(jax.random.key(seed), actions, params))


@pytest.mark.parametrize("options", [STOP, SKIP], ids=["stop", "skip"])
@FEW
@given(seed=SEEDS, multipliers=MULTIPLIERS, budget=st.integers(1, 4000), volume=st.floats(0, 150, width=32))
def test_money_is_conserved_and_events_nest(options, seed, multipliers, budget, volume):
    env = market(**options)
    volumes = jnp.full(4, volume, jnp.float32)
    params = env.default_params.replace(initial_budget=jnp.int32(budget), search_volume_mean=volumes)
    observations, rewards, terminated, truncated, info = play(env, seed, multipliers, params)
    assert (info["remaining_budget"] > 0).all()
    assert (np.cumsum(info["cost"]) + info["remaining_budget"] == budget).all()
    assert (info["cost"] >= 0).all()
    assert (info["search_volume"] >= 10).all()
    for fewer, more in zip(COUNTS[1:], COUNTS, strict=False):
        assert (info[fewer] <= info[more]).all()
    assert (rewards == info[options["objective"]]).all()
    assert (observations[0] == [0, budget, 0, 0, 0, 0, 1]).all()
    assert (observations[1:, 1] == info["remaining_budget"]).all()
    assert terminated.tolist() == [False, False, False, True]
    assert not truncated.any()
    for name in (*COUNTS, "cost"):
        assert (info[f"episode_{name}"] == np.cumsum(info[name])).all()


@FEW
@given(seed=SEEDS, multipliers=MULTIPLIERS, factor=st.floats(1, 10, width=32))
def test_without_a_budget_more_is_won_at_a_higher_multiplier_in_every_step(seed, multipliers, factor):
    env = market(initial_budget=2**24)
    lower = play(env, seed, multipliers)[-1]
    higher = play(env, seed, [min(factor * multiplier, 10.0) for multiplier in multipliers])[-1]
    assert (higher["search_volume"] == lower["search_volume"]).all()
    for name in ("impression", "click", "conversion", "average_bid_price"):
        assert (higher[name] >= lower[name]).all()


@FEW
@given(seed=SEEDS, multipliers=MULTIPLIERS, tail=MULTIPLIERS)
def test_what_happens_later_does_not_change_what_has_happened(seed, multipliers, tail):
    env = market()
    once, again = (play(env, seed, played) for played in (multipliers, multipliers[:2] + tail[2:]))
    for left, right in zip(jax.tree.leaves(once), jax.tree.leaves(again), strict=True):
        assert left[:2].tobytes() == right[:2].tobytes()


@pytest.mark.parametrize("generator", ["counter", "threefry"])
def test_the_same_seed_gives_the_same_bytes_in_a_market_built_anew(generator):
    multipliers = [0.5, 1.0, 2.0, 4.0]
    once, again = (play(make_ad_auction(**SMALL, generator=generator), 7, multipliers) for _ in range(2))
    assert [leaf.tobytes() for leaf in jax.tree.leaves(once)] == [leaf.tobytes() for leaf in jax.tree.leaves(again)]
    other = play(make_ad_auction(**SMALL, generator=generator), 8, multipliers)
    assert (other[-1]["impression"] != once[-1]["impression"]).any()


@pytest.mark.parametrize("options", [STOP, SKIP], ids=["stop", "skip"])
def test_a_batch_equals_each_of_its_lanes_alone_bit_for_bit(options):
    env = market(**options)
    params = env.default_params.replace(initial_budget=jnp.int32(300))
    keys = jax.random.split(jax.random.key(0), 3)
    actions = jnp.geomspace(0.1, 10, 12, dtype=jnp.float32).reshape(3, 4, 1)
    batch = compiled_lanes(env.config)(keys, actions, params)
    for lane in range(3):
        alone = compiled_episode(env.config)(keys[lane], actions[lane], params)
        for left, right in zip(jax.tree.leaves(batch), jax.tree.leaves(alone), strict=True):
            assert np.asarray(left[lane]).tobytes() == np.asarray(right).tobytes()


def test_compiling_the_step_changes_nothing():
    env = market(initial_budget=150, max_auctions=16, search_volume_mean=24.0)
    key, params, action = jax.random.key(1), env.default_params, jnp.array([1.5])
    _, state = env.reset_env(key, params)
    eager, compiled = (step(key, state, action, params) for step in (env.step_env, jit(env.step_env)))
    for left, right in zip(jax.tree.leaves(eager), jax.tree.leaves(compiled), strict=True):
        np.testing.assert_allclose(left, right, rtol=0 if jnp.issubdtype(left.dtype, jnp.integer) else 1e-6)


@pytest.mark.parametrize("options", [STOP, SKIP], ids=["stop", "skip"])
def test_the_number_of_auctions_computed_at_once_changes_nothing(options):
    wide, narrow = (market(**options, max_auctions=width) for width in (96, 16))
    for seed in range(8):
        params = wide.default_params.replace(initial_budget=jnp.int32(100 * (1 + seed)))
        played = (play(env, seed, [0.7, 1.0, 1.5, 2.0], params) for env in (wide, narrow))
        for left, right in zip(*map(jax.tree.leaves, played), strict=True):
            np.testing.assert_allclose(left, right, rtol=0 if np.issubdtype(left.dtype, np.integer) else 1e-6)


CHANGES = {
    "initial_budget": (77, jnp.int32(77)),
    "search_volume_mean": ([10.0, 20.0, 30.0, 40.0], jnp.array([10.0, 20.0, 30.0, 40.0])),
    "reserve_price": (12.5, jnp.float32(12.5)),
    "scaler": (30.0, jnp.float32(30.0)),
    "ad_sampling_rate": ([1.0] * 5 + [3.0] * 5, jnp.tile(jnp.array([1.0] * 5 + [3.0] * 5) / 20, (4, 1))),
    "market_price": (GammaPrice(jnp.full(10, 4.0), jnp.full(10, 9.0)),) * 2,
    "click_rate": (ConstantResponse(jnp.full(10, 0.3), jnp.ones(4)),) * 2,
    "conversion_rate": (ConstantResponse(jnp.full(10, 0.2), jnp.ones(4)),) * 2,
    "multiplier_high": (4.0, jnp.float32(4.0)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_replacing_a_number_equals_building_the_market_with_it(name):
    option, value = CHANGES[name]
    replaced = market().default_params.replace(**{name: value})
    built = make_ad_auction(**{**SMALL, name: option}).default_params
    assert jax.tree.structure(replaced) == jax.tree.structure(built)
    for left, right in zip(jax.tree.leaves(replaced), jax.tree.leaves(built), strict=True):
        np.testing.assert_array_equal(left, right)


def test_replacing_the_shift_equals_building_the_market_with_it():
    shift = MarketShift(jnp.float32(0.25), jnp.float32(1.5), jnp.int32(2))
    replaced = market().default_params.replace(shift=shift)
    built = make_ad_auction(**SMALL, drift=0.25, shock_factor=1.5, shock_duration=2).default_params
    assert jax.tree.map(float, replaced.shift) == jax.tree.map(float, built.shift)


ABSURD = [
    {"initial_budget": 1},
    {"minimum_price": 0.0, "reserve_price": 2.0**20},
    {"minimum_price": 0.0, "drift": 1.0, "shock_factor": 1000.0, "shock_duration": 100},
    {"standard_bid_price": 1e-6, "standard_bid_price_std": 0.0},
    {"standard_bid_price_std": 2.0**20},
    {"ad_features": np.full((10, 5), 1e9), "user_features": np.full((8, 5), -1e9)},
    {"scaler": 1e-30},
    {"scaler": 1e9, "initial_budget": 2**24, "multiplier_high": 1e9, "standard_bid_price": 2.0**20},
    {"scaler": 1e9, "initial_budget": 2**24, "pricing": "first_price", "cost_indicator": "impression"},
    {"compat": "rtbgym", "initial_budget": 1, "pricing": "hybrid", "hybrid_weight": 1.0},
    {"ad_sampling_rate": [0.0] * 9 + [1e-9], "target_cost_per_action": 1e-9, "multiplier_low": 0.0},
    {"horizon": 1, "n_ads": 1, "n_users": 1, "ad_feature_dim": 1, "user_feature_dim": 1, "minimum_search_volume": 1},
    {"search_volume_mean": 0.0, "search_volume_std": 100.0, "minimum_search_volume": 1},
]


@pytest.mark.parametrize("options", ABSURD, ids=lambda options: ",".join(options))
def test_absurd_markets_give_finite_numbers_inside_the_observation_space(options):
    env = make_ad_auction(**{**SMALL, **options})
    params = env.default_params
    steps, low, high = env.config.max_horizon, float(params.multiplier_low), float(params.multiplier_high)
    actions = np.array([[low] * steps, [high] * steps, np.linspace(low, high, steps)], np.float32)[..., None]
    played = compiled_lanes(env.config)(jax.random.split(jax.random.key(0), 3), actions, params)
    observations, rewards, _, _, info = jax.device_get(played)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((observations, rewards, info)))
    assert (info["remaining_budget"] > 0).all()
    space = env.observation_space(params)
    assert ((observations >= space.low) & (observations <= space.high)).all()


def test_observations_stay_inside_their_space_over_many_random_steps():
    env = market(drift=0.5, shock_factor=2.0)
    keys = jax.random.split(jax.random.key(0), 500)
    actions = jnp.exp(jax.random.uniform(jax.random.key(1), (500, 4, 1), minval=np.log(0.1), maxval=np.log(10)))
    for budget in (40, 3000):
        params = env.default_params.replace(initial_budget=jnp.int32(budget))
        space = env.observation_space(params)
        observations = np.asarray(compiled_lanes(env.config)(keys, actions, params)[0]).reshape(-1, 7)
        assert ((observations >= space.low) & (observations <= space.high)).all()
        assert all(space.contains(observation) for observation in observations[::25])


@pytest.mark.parametrize("action", [-1.0, 0.0, 1e30, float("inf"), -float("inf"), float("nan")])
def test_compiled_code_clips_an_action_to_its_space(action):
    env = market()
    info = play(env, 0, [action] * 4)[-1]
    clipped = play(env, 0, [10.0 if action > 1 else 0.1] * 4)[-1]
    for name in info:
        np.testing.assert_array_equal(info[name], clipped[name])


def test_discrete_actions_mean_the_multipliers_of_their_list():
    discrete, continuous = market(action_kind="discrete"), market()
    meanings = np.asarray(discrete.default_params.action_meanings)
    expected = [0.1, 0.16681, 0.27826, 0.46416, 0.77426, 1.29155, 2.15443, 3.59381, 5.99484, 10]
    np.testing.assert_allclose(meanings, expected, atol=5e-6)
    key, params = jax.random.key(0), discrete.default_params
    actions = jnp.array([0, 4, 9, 99], jnp.int32)
    run = jit(lambda actions: episode(discrete, key, actions, params)[-1])
    info, same = run(actions), play(continuous, 0, [0.1, meanings[4], 10.0, 10.0])[-1]
    for name in info:
        np.testing.assert_array_equal(info[name], same[name])
