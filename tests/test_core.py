"""The batched functions of the functional contract against loops over single environments."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtb_envs import core
from rtb_envs.random import EVALUATE, lane_keys
from tests.toy import Toy, ToyParams

LANES, STEPS = 5, 12
ENV = Toy(discrete=True)
PARAMS = ENV.default_params
# Actions that neither end every episode at the edge nor keep every walk within it.
ACTIONS = np.random.default_rng(0).integers(5, 8, (STEPS, LANES)).astype(np.int32)


@pytest.fixture(scope="module")
def reset_env():
    return jax.jit(ENV.reset_env)


@pytest.fixture(scope="module")
def step_env():
    return jax.jit(ENV.step_env)


@pytest.fixture(scope="module")
def start():
    return jax.jit(lambda lane_keys: core.start_batch(ENV, lane_keys, PARAMS))


def keys():
    return lane_keys(7, EVALUATE, LANES)


def comparable(tree):
    """Leaves as NumPy arrays, keys by their words."""
    leaves = jax.tree.leaves(tree)
    raw = [jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x for x in leaves]
    return [np.asarray(leaf) for leaf in raw]


def assert_same(a, b):
    for x, y in zip(comparable(a), comparable(b), strict=True):
        np.testing.assert_array_equal(x, y)


def lane(tree, i):
    return jax.tree.map(lambda leaf: leaf[i], tree)


class Loop:
    """One lane by hand: the episode's number, key, state and observation, and whether it is over."""

    def __init__(self, lane_key, reset_env, params=PARAMS):
        self.lane_key, self.reset_env, self.params = lane_key, reset_env, params
        self.episode = -1
        self.begin()

    def begin(self):
        self.episode += 1
        self.key = jax.random.fold_in(self.lane_key, self.episode)
        self.observation, self.state = self.reset_env(self.key, self.params)
        self.over = False

    def step(self, step_env, action):
        result = step_env(self.key, self.state, action, self.params)
        self.observation, self.state, reward, terminated, truncated, info = result
        self.over = bool(terminated) or bool(truncated)
        return reward, terminated, truncated, info, self.observation

    def assert_is(self, lanes, i):
        assert_same(
            (lanes.episode[i], lanes.keys[i], lane(lanes.state, i), lanes.observation[i], lanes.over[i]),
            (jnp.int32(self.episode), self.key, self.state, self.observation, jnp.bool_(self.over)),
        )


def silence(result, observation):
    """What a lane reports in the call that only resets it."""
    return (*(jax.tree.map(jnp.zeros_like, part) for part in result[:4]), observation)


def test_a_batch_starts_with_episode_0_of_each_lane_key(start, reset_env):
    lanes = start(keys())
    for i, key in enumerate(keys()):
        Loop(key, reset_env).assert_is(lanes, i)


def test_stepping_a_batch_steps_each_lane_by_itself_and_resets_none(start, reset_env, step_env):
    step = jax.jit(lambda lanes, action: core.step_batch(ENV, lanes, action, PARAMS))
    lanes, loops = start(keys()), [Loop(key, reset_env) for key in keys()]
    for actions in ACTIONS[:3]:
        lanes, outcome = step(lanes, actions)
        for i, loop in enumerate(loops):
            assert_same(lane(outcome, i), core.Outcome(*loop.step(step_env, actions[i])))
            loop.assert_is(lanes, i)


@pytest.mark.parametrize("mask", [[False] * 5, [True] * 5, [True, False, False, True, False]])
def test_reset_where_begins_the_next_episode_in_the_lanes_of_the_mask_only(mask, start, reset_env, step_env):
    loops = [Loop(key, reset_env) for key in keys()]
    lanes, _ = jax.jit(lambda lanes, action: core.step_batch(ENV, lanes, action, PARAMS))(start(keys()), ACTIONS[0])
    after = jax.jit(lambda mask, lanes: core.reset_where(ENV, mask, lanes, PARAMS))(jnp.array(mask), lanes)
    for i, loop in enumerate(loops):
        loop.step(step_env, ACTIONS[0, i])
        if mask[i]:
            loop.begin()
        loop.assert_is(after, i)
    assert_same(after.lane_keys, keys())


@pytest.mark.parametrize("mode", ["same_step", "next_step", "disabled"])
def test_the_auto_reset_modes_do_what_a_loop_over_lanes_does(mode, start, reset_env, step_env):
    step = jax.jit(lambda lanes, action: core.autoreset_batch(ENV, lanes, action, PARAMS, mode))
    lanes, loops = start(keys()), [Loop(key, reset_env) for key in keys()]
    ended = 0
    for actions in ACTIONS if mode != "disabled" else ACTIONS[:2]:
        lanes, outcome = step(lanes, actions)
        for i, loop in enumerate(loops):
            if mode == "next_step" and loop.over:
                loop.begin()
                # The result of some step, for the shapes alone.
                some = Loop(loop.lane_key, reset_env).step(step_env, actions[i])
                expected = silence(some, loop.observation)
            else:
                expected = loop.step(step_env, actions[i])
                ended += loop.over
                if mode == "same_step" and loop.over:
                    loop.begin()
            assert_same(lane(outcome, i), core.Outcome(*expected))
            loop.assert_is(lanes, i)
    assert ended > LANES or mode == "disabled"


def test_a_batch_may_have_parameters_of_its_own_in_each_lane(reset_env, step_env):
    edges = jnp.array([0.25, 1.0, 2.0, 3.0, 4.0], jnp.float32)
    params = ToyParams(jnp.arange(2, 7, dtype=jnp.int32), edges)
    lanes = jax.jit(lambda keys, params: core.start_batch(ENV, keys, params, params_axis=0))(keys(), params)
    step = jax.jit(lambda lanes, action: core.autoreset_batch(ENV, lanes, action, params, params_axis=0))
    loops = [Loop(key, reset_env, lane(params, i)) for i, key in enumerate(keys())]
    for actions in ACTIONS[:4]:
        lanes, outcome = step(lanes, actions)
        for i, loop in enumerate(loops):
            assert_same(lane(outcome, i), core.Outcome(*loop.step(step_env, actions[i])))
            if loop.over:
                loop.begin()
            loop.assert_is(lanes, i)


def test_a_compiled_step_is_the_transition_fed_with_the_noise_of_the_key_bit_for_bit(reset_env, step_env):
    key = jax.random.key(3)
    _, state = reset_env(key, PARAMS)
    noise = ENV.noise(key, state, PARAMS)
    after, *rest = ENV.transition(state, jnp.int32(7), noise, PARAMS)
    assert_same(step_env(key, state, jnp.int32(7), PARAMS), (ENV.observe(after, PARAMS), after, *rest))


def test_step_goes_on_within_an_episode_and_begins_another_when_it_ends(reset_env, step_env):
    step = jax.jit(ENV.step)
    key = jax.random.key(11)
    observation, state = ENV.reset(key, PARAMS)
    assert_same((observation, state), reset_env(key, PARAMS))
    for _ in range(20):
        expected = step_env(key, state, jnp.int32(7), PARAMS)
        observation, after, reward, terminated, truncated, info = step(key, state, jnp.int32(7), PARAMS)
        assert_same(info.pop("final_observation"), expected[0])
        assert_same((reward, terminated, truncated, info), expected[2:])
        if terminated or truncated:
            assert_same((observation, after), reset_env(jax.random.fold_in(key, 1), PARAMS))
            return
        assert_same((observation, after), expected[:2])
        state = after
    pytest.fail("the episode did not end")


def test_step_with_a_fresh_key_in_every_call_begins_other_episodes(step_env):
    step, key = jax.jit(ENV.step), jax.random.key(11)
    _, state = ENV.reset(key, PARAMS)
    lengths, length = [], 0
    for t in range(40):
        _, state, _, terminated, truncated, _ = step(jax.random.fold_in(key, t), state, jnp.int32(6), PARAMS)
        length += 1
        if terminated or truncated:
            lengths.append(length)
            length = 0
    assert len(set(lengths)) > 1


def test_make_refuses_an_unknown_id_and_names_those_it_knows():
    with pytest.raises(ValueError, match=r"id must be one of AdAuction-v0, .*; got 'AdAuction-v99'"):
        core.make("AdAuction-v99")


def test_make_gives_the_core_the_id_it_was_asked_for():
    for id in ("AdAuction-v0", "AdAuctionDiscrete-v0"):
        assert core.make(id).id == id
