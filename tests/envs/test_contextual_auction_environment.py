"""ContextualAuction as an environment: an episode against NumPy, the contract, one seat, and what is refused."""

import re
import warnings

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import rtb_envs
from rtb_envs import contextual_auction_v0
from rtb_envs.compile import jit
from rtb_envs.envs.contextual_auction import (
    OBSERVATION_KEYS,
    EmpiricallyShaded,
    ShadingRule,
    make_contextual_auction,
)
from rtb_envs.policies.constant import Constant
from tests.envs.contextual_reference import MICROS, best_ads, round_metrics

OPTIONS = {"n_bidders": 4, "n_ads": 3, "context_dim": 3, "observed_dim": 2, "rounds_per_step": 3, "horizon": 5}
# Multiples of 1/256, to which the option rounds.
BELIEF = (np.random.default_rng(5).normal(size=(4, 3, 3)) * 256).round().astype(np.float32) / 256
ENV = make_contextual_auction(**OPTIONS, belief=BELIEF)
SECOND = make_contextual_auction(**OPTIONS, belief=BELIEF, pricing="second_price")
RESET = {env: jit(env.reset_env) for env in (ENV, SECOND)}
STEP = {env: jit(env.step_env) for env in (ENV, SECOND)}


def episode(env, key, actions, params=None):
    """Everything that an episode returns, as a list of (observation, state, reward, terminated, truncated, info)."""
    params = env.default_params if params is None else params
    observation, state = RESET[env](key, params)
    steps = [(observation, state)]
    for action in actions:
        steps.append(STEP[env](key, steps[-1][1], action, params))
    return steps


def some_actions(seed, steps=5):
    return np.random.default_rng(seed).random((steps, 4, 1)).astype(np.float32)


@pytest.mark.parametrize("env", [ENV, SECOND], ids=["first_price", "second_price"])
def test_an_episode_is_the_model_played_auction_by_auction(env):
    params, actions = env.default_params, some_actions(1)
    embedding, value = (np.asarray(part, np.float64) for part in (params.catalogue.embedding, params.catalogue.value))
    steps = episode(env, jax.random.key(3), actions)
    total, last = np.zeros(4), {"win_rate": np.zeros(4), "price": np.zeros(4), "shading": np.ones(4)}
    for action, (_, state), (observation, _, reward, _, truncated, info) in zip(
        actions, (step[:2] for step in steps), steps[1:], strict=False
    ):
        sums = {name: np.zeros(4) for name in ("welfare", "spend", "overbid_regret", "underbid_regret")}
        wins, seen, prices = np.zeros(4), np.zeros(4), np.zeros(4)
        for index in range(3):
            rounds = state.rounds
            offers = best_ads(np.asarray(rounds.context[:, index], np.float64), embedding, value, BELIEF.astype(float))
            bids = [round(float(bid) * MICROS) for bid in action[:, 0] * offers[1] * offers[2]]
            takes_part, uniform = np.asarray(rounds.takes_part[:, index]), float(rounds.click_uniform[index])
            winner, price, amounts = round_metrics(bids, takes_part, *offers[1:], uniform, env.config.pricing)
            for name, sum_ in sums.items():
                sum_ += np.array(amounts[name]) / MICROS
            wins += np.arange(4) == winner
            seen += takes_part
            prices += takes_part * price / MICROS
        for name, expected in sums.items():
            np.testing.assert_allclose(info[name], expected, atol=1e-5, err_msg=name)
        np.testing.assert_allclose(reward, sums["welfare"] - sums["spend"], atol=1e-5)
        np.testing.assert_array_equal(info["impression"], wins)
        np.testing.assert_array_equal(info["participation"], seen)
        np.testing.assert_allclose(info["market_revenue"], sums["spend"].sum(), atol=1e-5)
        shown = dict(zip(OBSERVATION_KEYS, np.asarray(observation).T, strict=True))
        brought = {
            "win_rate": wins / np.maximum(seen, 1),
            "price": prices / np.maximum(seen, 1),
            "shading": action[:, 0],
        }
        for name, amounts in brought.items():
            last[name] = np.where(seen > 0, amounts, last[name])
            np.testing.assert_allclose(shown[name], last[name], atol=1e-5, err_msg=name)
            np.testing.assert_array_equal(shown[name], info[name])
        total += np.asarray(reward)
        assert not truncated.any()
    assert [bool(step[3].all()) for step in steps[1:]] == [False] * 4 + [True]
    np.testing.assert_allclose(info["episode_surplus"], total, atol=1e-5)


def test_bidders_see_what_they_have_to_offer_in_the_coming_rounds_and_are_all_alive():
    env = ENV
    params = env.default_params
    for observation, state, *_ in episode(env, jax.random.key(9), some_actions(2)):
        takes_part = np.asarray(state.rounds.takes_part)
        for bidder in range(4):
            own = takes_part[bidder]
            space = env.observation_space(params, env.agents[bidder])
            assert space.contains(np.asarray(observation[bidder]))
            expected = [own.mean()]
            for field in (
                state.offers.estimated_ctr,
                state.offers.value,
                state.offers.estimated_ctr * state.offers.value,
            ):
                expected.append(np.asarray(field)[bidder, own].mean() if own.any() else 0)
            np.testing.assert_allclose(observation[bidder, :4], expected, rtol=1e-5)
        assert env.alive(state).all()


def test_actions_change_no_draw_and_the_same_key_gives_the_same_bytes():
    key = jax.random.key(4)
    one, other = episode(ENV, key, some_actions(1)), episode(ENV, key, some_actions(2))
    for (_, a, *_), (_, b, *_) in zip(one, other, strict=True):
        for x, y in zip(jax.tree.leaves((a.rounds, a.offers)), jax.tree.leaves((b.rounds, b.offers)), strict=True):
            np.testing.assert_array_equal(x, y)
    for x, y in zip(jax.tree.leaves(one), jax.tree.leaves(episode(ENV, key, some_actions(1))), strict=True):
        np.testing.assert_array_equal(x, y)


def test_a_batch_brings_every_lane_what_it_brings_alone():
    keys = jax.random.split(jax.random.key(0), 3)
    actions = some_actions(3, steps=3)
    _, states = jit(jax.vmap(ENV.reset_env, (0, None)))(keys, ENV.default_params)
    together = jit(jax.vmap(ENV.step_env, (0, 0, 0, None)))(keys, states, actions, ENV.default_params)
    for lane in range(3):
        alone = STEP[ENV](keys[lane], RESET[ENV](keys[lane], ENV.default_params)[1], actions[lane], ENV.default_params)
        for name, amounts in together[-1].items():
            np.testing.assert_allclose(amounts[lane], alone[-1][name], rtol=1e-6, atol=2e-6, err_msg=name)


def test_actions_beyond_the_space_are_clipped_and_nan_abstains():
    params = ENV.default_params.replace(shading_high=jnp.float32(0.5))
    wild = np.array([[np.nan], [np.inf], [-3.0], [0.7]], np.float32)
    tame = np.array([[0.0], [0.5], [0.0], [0.5]], np.float32)
    results = [episode(ENV, jax.random.key(1), [action] * 4, params) for action in (wild, tame)]
    for x, y in zip(*(jax.tree.leaves(result) for result in results), strict=True):
        np.testing.assert_array_equal(x, y)


def test_after_the_end_nothing_is_earned_and_flags_stay():
    *_, last = episode(ENV, jax.random.key(2), np.ones((7, 4, 1), np.float32))
    _, state, reward, terminated, _, info = last
    assert terminated.all()
    assert not reward.any()
    assert not info["participation"].any()
    assert int(state.t) == 7


@pytest.mark.slow
def test_gymnasium_s_checker_passes_for_the_seat():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gymnasium.make("ContextualAuction-v0", horizon=8, n_bidders=3, n_ads=2).unwrapped)


@pytest.mark.slow
def test_half_of_the_value_earns_more_than_all_of_it_against_truthful_rivals_under_first_price():
    # The first bidder of 400 episodes of 100 rounds; truthful bids earn 0 on average, so 5 standard errors are ample.
    env = rtb_envs.make("ContextualAuction-v0", n_ads=2)
    returns = [
        rtb_envs.rollout(env, Constant(jnp.array([share])), 400, 100, seed=0).totals["episode_surplus"]
        for share in (0.6, 1.0)
    ]
    gain = returns[0] - returns[1]
    assert gain.mean() > 5 * gain.std() / 20


def test_bidders_of_an_experiment_play_as_rivals_what_they_have_learnt():
    rivals = ShadingRule(EmpiricallyShaded(0.01), jnp.float32(0.6))
    env = rtb_envs.make("ContextualAuction-v0", n_bidders=2, n_ads=1, rivals=rivals)
    key = jax.random.key(0)

    @jit
    def play(key, params):
        observation, state = env.reset_env(key, params)
        return observation, env.step_env(key, state, jnp.zeros(1), params)[-1]

    observation, info = play(key, env.default_params)
    rival = make_contextual_auction(n_bidders=2, n_ads=1)
    shown, _ = jit(rival.reset_env)(key, rival.default_params)
    assert observation[0] == 1
    # The seat bids nothing, so the rival wins at its own bid, some 0.6 of what it believes its ad to be worth.
    np.testing.assert_allclose(info["price"] / shown[1, 3], 0.6, atol=0.06)


def test_the_pettingzoo_module_makes_the_market_for_all_bidders():
    parallel = contextual_auction_v0.parallel_env(horizon=3)
    assert parallel.possible_agents == [f"bidder_{i}" for i in range(6)]
    for env in (contextual_auction_v0.env(horizon=3), contextual_auction_v0.raw_env(horizon=3)):
        assert env.possible_agents == parallel.possible_agents


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"participants": 7}, "participants must be an integer in [1, 6], got 7"),
        ({"n_bidders": 0}, "n_bidders must be an integer in [1, 256], got 0"),
        ({"pricing": "vcg"}, "pricing must be one of 'second_price', 'first_price', got 'vcg'"),
        ({"horizon": 0}, "horizon must be an integer in [1, 10000000], got 0"),
        ({"rounds_per_step": 2**15 + 1}, "rounds_per_step must be an integer in [1, 32768], got 32769"),
        ({"shading_high": 0.0}, "shading_high must be a finite number in (0, 100], got 0.0"),
        ({"value": -np.ones((6, 12))}, "value must hold finite numbers in [1e-06, 1000], got -1.0 at (0, 0)"),
        ({"embedding": np.ones((6, 12, 5))}, "embedding must have shape (6, 12, 6), got shape (6, 12, 5)"),
        (
            {"embedding": np.full((6, 12, 6), 1e39)},
            "embedding must hold finite numbers in [-1e+09, 1e+09], got 1e+39 at (0, 0, 0)",
        ),
        ({"belief": np.full((6, 12, 5), np.nan)}, "belief must hold finite numbers"),
        ({"context_dim": 3}, "observed_dim must be an integer in [0, 3], got 4"),
        ({"agent": "bidder_6"}, "agent must be one of 'bidder_0'"),
        ({"rivals": [Constant(jnp.ones(1))]}, "rivals must be one policy or 5 of them, got 1"),
    ],
)
def test_impossible_options_are_refused_by_name(options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        rtb_envs.make("ContextualAuction-v0", **options)


def test_unknown_options_are_refused_by_name():
    with pytest.raises(TypeError, match=re.escape("unknown option 'bidders'; ContextualAuction takes n_bidders, ")):
        rtb_envs.make("ContextualAuction-v0", bidders=3)
