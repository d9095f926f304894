"""The contract of many agents: the batched functions against a loop, and who is alive."""

import jax
import jax.numpy as jnp
import numpy as np
import pettingzoo
import pytest

import rtb_envs
from rtb_envs import core, registry
from rtb_envs.random import EVALUATE, lane_keys
from tests.toy_crowd import Crowd

LANES, STEPS = 4, 12
ENV = Crowd(discrete=True)
PARAMS = ENV.default_params
ACTIONS = np.random.default_rng(0).integers(5, 8, (STEPS, LANES, 3)).astype(np.int32)


def keys():
    return lane_keys(3, EVALUATE, LANES)


def assert_same(a, b):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.fixture(scope="module")
def step_env():
    return jax.jit(ENV.step_env)


@pytest.fixture(scope="module")
def reset_env():
    return jax.jit(ENV.reset_env)


@pytest.mark.parametrize("mode", ["same_step", "next_step"])
def test_a_lane_goes_on_until_its_last_agent_has_left_and_then_begins_anew(mode, step_env, reset_env):
    step = jax.jit(lambda lanes, action: core.autoreset_batch(ENV, lanes, action, PARAMS, mode))
    lanes = jax.jit(lambda keys: core.start_batch(ENV, keys, PARAMS))(keys())
    episode, over, ended, partly = [0] * LANES, [False] * LANES, 0, 0
    now = [(*reset_env(jax.random.fold_in(key, 0), PARAMS),) for key in keys()]
    for actions in ACTIONS:
        lanes, outcome = step(lanes, actions)
        for i, lane_key in enumerate(keys()):
            key = jax.random.fold_in(lane_key, episode[i])
            if mode == "next_step" and over[i]:
                episode[i], over[i] = episode[i] + 1, False
                now[i] = reset_env(jax.random.fold_in(lane_key, episode[i]), PARAMS)
                assert not np.any(outcome.terminated[i] | outcome.truncated[i])
                assert not np.any(outcome.reward[i])
                assert_same((lanes.observation[i], lanes.over[i]), (now[i][0], False))
                continue
            observation, state, reward, terminated, truncated, info = step_env(key, now[i][1], actions[i], PARAMS)
            now[i] = observation, state
            assert_same(
                jax.tree.map(lambda leaf, i=i: leaf[i], outcome),
                core.Outcome(reward, terminated, truncated, info, observation),
            )
            left = np.asarray(terminated | truncated)
            over[i] = left.all()
            partly += left.any() and not left.all()
            ended += over[i]
            if mode == "same_step" and over[i]:
                episode[i], over[i] = episode[i] + 1, False
                now[i] = reset_env(jax.random.fold_in(lane_key, episode[i]), PARAMS)
            assert_same((lanes.observation[i], lanes.over[i], lanes.episode[i]), (now[i][0], over[i], episode[i]))
    assert ended > LANES
    assert partly > 0


def test_the_living_are_those_with_neither_flag_in_this_or_an_earlier_step(step_env, reset_env):
    for lane_key in keys():
        _, state = reset_env(lane_key, PARAMS)
        assert np.asarray(ENV.alive(state)).all()
        for actions in ACTIONS[:5]:
            before = np.asarray(ENV.alive(state))
            _, state, reward, terminated, truncated, _ = step_env(lane_key, state, actions[0], PARAMS)
            np.testing.assert_array_equal(ENV.alive(state), ~np.asarray(terminated | truncated))
            assert not (np.asarray(ENV.alive(state)) & ~before).any()
            assert not np.asarray(reward)[~before].any()


def test_an_episode_is_over_when_every_agent_has_a_flag():
    terminated = jnp.array([[False, True, False], [True, False, False]])
    truncated = jnp.array([[False, False, True], [False, True, True]])
    assert ENV.over(terminated, truncated).tolist() == [False, True]


def test_agents_are_found_by_their_names():
    assert ENV.index("walker_2") == 2
    with pytest.raises(ValueError, match="agent must be one of 'walker_0', 'walker_1', 'walker_2', got 'walker_3'"):
        ENV.index("walker_3")


def test_an_id_of_many_agents_is_made_by_its_own_function_and_known_to_no_other():
    try:
        registry.register_multi_agent("crowd_v0", "tests.toy_crowd:Crowd", num_agents=2)
        assert rtb_envs.list_multi_agent_envs().count("crowd_v0") == 1
        assert "crowd_v0" not in rtb_envs.list_envs()
        assert rtb_envs.make_multi_agent("crowd_v0").agents == ("walker_0", "walker_1")
        assert rtb_envs.make_multi_agent("crowd_v0", num_agents=4).agents[-1] == "walker_3"
        with pytest.raises(ValueError, match="id must be new, got 'crowd_v0'"):
            registry.register("crowd_v0", "tests.toy_crowd:Crowd")
    finally:
        registry._MULTI_AGENT.pop("crowd_v0", None)
        for known in (pettingzoo.parallel_registry, pettingzoo.aec_registry):
            known.pop("crowd-v0", None)
    with pytest.raises(ValueError, match=r"id must be one of .*; got 'crowd_v0'"):
        rtb_envs.make_multi_agent("crowd_v0")
