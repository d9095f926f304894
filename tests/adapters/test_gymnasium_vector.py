"""The vector environment against Gymnasium's own loop over single environments, and against single ones by hand."""

import copy
import itertools
import os
import pickle
import re
import subprocess
import sys
import warnings
from pathlib import Path

import gymnasium
import jax
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import TimeLimit
from gymnasium.wrappers.vector import DictInfoToList, NormalizeObservation, RecordEpisodeStatistics

import rtb_envs
from rtb_envs.adapters.gymnasium import GymEnv
from rtb_envs.adapters.gymnasium_vector import GymVectorEnv
from tests.toy import Toy

ROOT = Path(__file__).resolve().parents[2]
TOY = Toy()
LANES = 4
RNG = np.random.default_rng(0)
# Walks long enough for some lanes to be over while others go on, and for several episodes in each.
ACTIONS = RNG.uniform(-0.5, 0.75, (16, LANES, 2)).round(2).astype(np.float32)
MODES = list(AutoresetMode)


def looped(mode=AutoresetMode.NEXT_STEP, limit=None):
    """Gymnasium's own vector environment over single ones."""
    single = (lambda: GymEnv(TOY)) if limit is None else (lambda: TimeLimit(GymEnv(TOY), limit))
    return SyncVectorEnv([single] * LANES, autoreset_mode=mode)


def compiled(mode=AutoresetMode.NEXT_STEP, **options):
    return GymVectorEnv(TOY, LANES, autoreset_mode=mode, **options)


def assert_same_info(given, expected):
    """Equal keys and masks, and equal values to the bit; Gymnasium's loop widens numbers to 64 bits."""
    assert given.keys() == expected.keys()
    for name, value in expected.items():
        if isinstance(value, dict):
            assert_same_info(given[name], value)
        else:
            assert given[name].shape == value.shape
            for x, y in zip(given[name], value, strict=True):
                np.testing.assert_array_equal(x, y)


def assert_same_step(given, expected):
    for x, y in zip(given[:-1], expected[:-1], strict=True):
        assert (x.dtype, x.shape) == (y.dtype, y.shape)
        np.testing.assert_array_equal(x, y)
    assert_same_info(given[-1], expected[-1])


def roll(envs, mode, actions=ACTIONS):
    """Every return of a run; lanes that end are reset by mask where nothing else resets them."""
    for action in actions:
        returned = envs.step(action)
        yield returned
        over = returned[2] | returned[3]
        if mode is AutoresetMode.DISABLED and over.any():
            yield envs.reset(options={"reset_mask": over})


@pytest.mark.parametrize("mode", MODES)
def test_every_auto_reset_mode_returns_what_gymnasium_s_loop_over_single_environments_returns(mode):
    envs, loop = compiled(mode), looped(mode)
    assert_same_step(envs.reset(seed=5), loop.reset(seed=5))
    ended = np.zeros(LANES, int)
    for given, expected in zip(roll(envs, mode), roll(loop, mode), strict=True):
        assert_same_step(given, expected)
        if len(given) == 5:
            ended += given[2] | given[3]
    assert (ended >= 2).all()


def own_loop(mode, seeds, actions):
    """What each lane should return, by hand: (observation, reward, terminated, truncated, final observation)."""
    envs = [GymEnv(TOY) for _ in seeds]
    for env, seed in zip(envs, seeds, strict=True):
        env.reset(seed=seed)
    over = [False] * len(envs)
    for row in actions:
        step = []
        for i, env in enumerate(envs):
            if mode is AutoresetMode.NEXT_STEP and over[i]:
                step.append((env.reset()[0], 0.0, False, False, None))
                over[i] = False
                continue
            observation, reward, terminated, truncated, _ = env.step(row[i])
            over[i], final = terminated or truncated, None
            if mode is AutoresetMode.SAME_STEP and over[i]:
                final, observation = observation, env.reset()[0]
            step.append((observation, reward, terminated, truncated, final))
        yield step


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_lane_i_is_the_single_environment_with_seed_plus_i_over_several_episodes(mode):
    envs = compiled(mode)
    envs.reset(seed=40)
    for actions, expected in zip(ACTIONS, own_loop(mode, range(40, 40 + LANES), ACTIONS), strict=True):
        observation, reward, terminated, truncated, info = envs.step(actions)
        for i, (own_observation, *own, final) in enumerate(expected):
            assert observation[i].tobytes() == own_observation.tobytes()
            assert [reward[i], terminated[i], truncated[i]] == own
            assert (final is not None) == ("final_obs" in info and info["_final_obs"][i])
            if final is not None:
                assert info["final_obs"][i].tobytes() == final.tobytes()


@pytest.mark.parametrize("id", rtb_envs.list_envs())
def test_every_id_computes_the_same_bits_in_a_batch_as_alone(id):
    envs = gymnasium.make_vec(id, num_envs=3, autoreset_mode=AutoresetMode.SAME_STEP)
    single = gymnasium.make(id)
    envs.action_space.seed(1)
    actions = [envs.action_space.sample() for _ in range(16)]
    first, _ = envs.reset(seed=7)
    returned = [envs.step(action) for action in actions]
    for lane in range(3):
        assert first[lane].tobytes() == single.reset(seed=7 + lane)[0].tobytes()
        for action, (observation, reward, terminated, truncated, info) in zip(actions, returned, strict=True):
            alone = single.step(action[lane])
            over = alone[2] or alone[3]
            assert [reward[lane], terminated[lane], truncated[lane]] == list(alone[1:4])
            assert (info["final_obs"][lane] if over else observation[lane]).tobytes() == alone[0].tobytes()
            infos = info["final_info"] if over else info
            for name, value in alone[4].items():
                np.testing.assert_array_equal(infos[name][lane], value)
            if over:
                assert observation[lane].tobytes() == single.reset()[0].tobytes()


def test_make_vec_gives_the_compiled_batch_in_next_step_mode_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        envs = gymnasium.make_vec("AdAuction-v0", num_envs=3, horizon=2)
    assert isinstance(envs, GymVectorEnv)
    assert envs.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    assert envs.observation_space.shape == (3, *envs.single_observation_space.shape)
    assert envs.action_space.shape == (3, *envs.single_action_space.shape)
    assert (envs.spec.id, envs.num_envs, envs.core.id) == ("AdAuction-v0", 3, "AdAuction-v0")


def test_the_same_seed_gives_the_same_bytes():
    def bytes_of(envs, seed):
        observation, _ = envs.reset(seed=seed)
        steps = [envs.step(action) for action in ACTIONS[:6]]
        return b"".join(x.tobytes() for x in (observation, *(part for step in steps for part in step[:4])))

    envs = compiled()
    assert bytes_of(envs, 1) == bytes_of(envs, 1) == bytes_of(compiled(), 1) != bytes_of(envs, 2)


def test_a_seed_for_each_lane_begins_that_lane_and_none_goes_on():
    seeds = [3, None, 9, None]
    envs, loop = compiled(), looped()
    for each in (envs, loop):
        each.reset(seed=20)
        each.step(ACTIONS[0])
    assert_same_step(envs.reset(seed=seeds), loop.reset(seed=seeds))
    for action in ACTIONS[:8]:
        assert_same_step(envs.step(action), loop.step(action))


def test_a_reset_without_a_seed_goes_on_and_the_first_draws_from_np_random():
    envs, loop = compiled(), looped()
    for each in (envs, loop):
        each.reset(seed=20)
    assert_same_step(envs.reset(), loop.reset())
    assert_same_step(envs.step(ACTIONS[0]), loop.step(ACTIONS[0]))

    fresh, twin, other = compiled(), compiled(), compiled()
    for each, seed in ((fresh, 1), (twin, 1), (other, 2)):
        each.np_random = np.random.default_rng(seed)
        each.reset()
    expected = fresh.step(ACTIONS[0])
    assert_same_step(twin.step(ACTIONS[0]), expected)
    assert (other.step(ACTIONS[0])[0] != expected[0]).any()


@pytest.mark.parametrize("mode", MODES)
def test_a_reset_mask_resets_its_lanes_in_the_middle_of_episodes_and_leaves_the_others(mode):
    mask = np.array([True, False, False, True])
    envs, loop = compiled(mode), looped(mode)
    for each in (envs, loop):
        each.reset(seed=5)
        each.step(ACTIONS[0])
    options = {"reset_mask": mask.copy()}
    given = envs.reset(seed=[70, None, None, None], options=options)
    assert_same_step(given, loop.reset(seed=[70, None, None, None], options={"reset_mask": mask.copy()}))
    assert options["reset_mask"] is not None
    for given, expected in zip(roll(envs, mode), roll(loop, mode), strict=True):
        assert_same_step(given, expected)


def test_an_episode_that_is_over_must_be_reset_where_nothing_else_resets_it():
    envs = compiled(AutoresetMode.DISABLED, max_episode_steps=1)
    envs.reset(seed=0)
    envs.step(ACTIONS[0])
    with pytest.raises(ResetNeeded, match=r"episodes are over, first in lanes \[0, 1, 2, 3\]"):
        envs.step(ACTIONS[0])
    envs.reset(options={"reset_mask": np.ones(LANES, bool)})
    envs.step(ACTIONS[0])


@pytest.mark.parametrize("mode", MODES)
def test_max_episode_steps_truncates_as_gymnasium_s_wrapper_does(mode):
    envs, loop = compiled(mode, max_episode_steps=2), looped(mode, limit=2)
    assert_same_step(envs.reset(seed=5), loop.reset(seed=5))
    for given, expected in zip(roll(envs, mode), roll(loop, mode), strict=True):
        assert_same_step(given, expected)


def test_make_vec_passes_options_and_the_limit_of_the_spec_on():
    spec = gymnasium.envs.registration.EnvSpec(
        "Toy-v0", vector_entry_point=GymVectorEnv, max_episode_steps=1, kwargs={"core": Toy()}
    )
    envs = gymnasium.make_vec(spec, num_envs=2, autoreset_mode="SameStep")
    envs.reset(seed=0)
    _, _, terminated, truncated, info = envs.step(np.zeros((2, 2), np.float32))
    assert (terminated.any(), truncated.all(), info["_final_obs"].all()) == (False, True, True)


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_record_episode_statistics_counts_rewards_and_steps_of_each_episode(mode):
    envs = RecordEpisodeStatistics(compiled(mode))
    if mode is AutoresetMode.SAME_STEP and not hasattr(envs, "_autoreset_mode"):
        pytest.skip("this version of Gymnasium takes every mode for NEXT_STEP")
    envs.reset(seed=5)
    returns, lengths, waiting, seen = np.zeros(LANES), np.zeros(LANES, int), np.zeros(LANES, bool), 0
    for action in ACTIONS:
        _, reward, terminated, truncated, info = envs.step(action)
        returns, lengths = returns + reward, lengths + ~waiting
        over = terminated | truncated
        assert over.any() == ("episode" in info)
        if over.any():
            np.testing.assert_array_equal(info["_episode"], over)
            np.testing.assert_allclose(info["episode"]["r"], np.where(over, returns, 0), rtol=0, atol=0)
            np.testing.assert_array_equal(info["episode"]["l"], np.where(over, lengths, 0))
            seen += over.sum()
        returns[over], lengths[over] = 0, 0
        waiting = over & (mode is AutoresetMode.NEXT_STEP)
    assert seen == envs.episode_count > LANES


def test_normalize_observation_sees_what_it_sees_over_gymnasium_s_loop():
    envs, loop = NormalizeObservation(compiled()), NormalizeObservation(looped())
    assert_same_step(envs.reset(seed=5), loop.reset(seed=5))
    for action in ACTIONS:
        assert_same_step(envs.step(action), loop.step(action))


def test_infos_can_be_turned_into_one_dictionary_for_each_lane():
    envs = DictInfoToList(compiled())
    envs.reset(seed=5)
    for action in ACTIONS[:8]:
        observation, _, _, _, infos = envs.step(action)
        for lane, info in enumerate(infos):
            # A lane that was only reset has no info.
            assert info == {} if observation[lane, 0] == 0 else info["step"] == observation[lane, 0]


def test_arrays_are_fresh_and_writable():
    envs = compiled(AutoresetMode.SAME_STEP)
    observation, _ = envs.reset(seed=0)
    kept = [(observation, {})] + [(step[0], step[4]) for step in map(envs.step, ACTIONS[:3])]
    for observation, info in kept:
        assert (observation.flags.writeable, observation.base) == (True, None)
        assert all(value.flags.writeable for value in info.values() if isinstance(value, np.ndarray))
    for (a, info_a), (b, info_b) in itertools.pairwise(kept[1:]):
        assert not np.shares_memory(a, b)
        assert not np.shares_memory(info_a["position"], info_b["position"])
    twin = compiled(AutoresetMode.SAME_STEP)
    twin.reset(seed=0)
    for action in ACTIONS[:6]:
        for part in (step := twin.step(action))[:4]:
            part[:] = 1
    envs.reset(seed=0)
    expected = [envs.step(action) for action in ACTIONS[:7]][-1]
    assert_same_step(twin.step(ACTIONS[6]), expected)
    assert len(step) == 5


@pytest.mark.parametrize("mode", MODES)
def test_jax_output_holds_the_same_numbers_in_jax_arrays(mode):
    arrays, numbers = compiled(mode, output="jax"), compiled(mode)
    assert isinstance(arrays.reset(seed=5)[0], jax.Array)
    numbers.reset(seed=5)
    for action in ACTIONS if mode is not AutoresetMode.DISABLED else ACTIONS[:1]:
        given, expected = arrays.step(action), numbers.step(action)
        assert all(isinstance(part, jax.Array) for part in (*given[:4], given[4]["position"]))
        for x, y in zip(given[:4], expected[:4], strict=True):
            np.testing.assert_array_equal(x, y)
        over = expected[2] | expected[3]
        for name in ("position", "step", "visited"):
            mask = np.asarray(given[4][f"_{name}"])
            np.testing.assert_array_equal(mask, expected[4].get(f"_{name}", np.zeros(LANES, bool)))
            for lane in np.flatnonzero(mask):
                np.testing.assert_array_equal(given[4][name][lane], expected[4][name][lane])
        if mode is AutoresetMode.SAME_STEP:
            np.testing.assert_array_equal(given[4]["_final_obs"], over)
            for lane in np.flatnonzero(over):
                np.testing.assert_array_equal(given[4]["final_obs"][lane], expected[4]["final_obs"][lane])
                final = given[4]["final_info"], expected[4]["final_info"]
                assert final[0]["step"][lane] == final[1]["step"][lane]


def test_jax_output_takes_jax_actions_and_refuses_wrong_ones():
    envs, numbers = compiled(output="jax"), compiled()
    for each in (envs, numbers):
        each.reset(seed=1)
    with pytest.raises(ValueError, match=re.escape("action must be a number in [-1.0, 1.0], got nan at (2, 1)")):
        envs.step(jax.numpy.asarray(ACTIONS[0]).at[2, 1].set(np.nan))
    np.testing.assert_array_equal(envs.step(jax.numpy.asarray(ACTIONS[0]))[0], numbers.step(ACTIONS[0])[0])


@pytest.mark.parametrize("value", [np.nan, -1.5, np.inf])
def test_a_refused_action_changes_no_lane(value):
    envs, twin = compiled(), compiled()
    for each in (envs, twin):
        each.reset(seed=8)
    wrong = ACTIONS[0].copy()
    wrong[3, 1] = value
    with pytest.raises(ValueError, match=re.escape(f"in [-1.0, 1.0], got {value} at (3, 1)")):
        envs.step(wrong)
    for action in ACTIONS[:4]:
        assert_same_step(envs.step(action), twin.step(action))


def test_the_action_of_a_lane_that_is_only_reset_is_ignored_whatever_it_is():
    envs, twin = compiled(max_episode_steps=1), compiled(max_episode_steps=1)
    for each in (envs, twin):
        each.reset(seed=8)
        each.step(ACTIONS[0])
    assert_same_step(envs.step(np.full((LANES, 2), np.nan)), twin.step(ACTIONS[0]))
    with pytest.raises(ValueError, match="got nan"):
        envs.step(np.full((LANES, 2), np.nan))
    assert_same_step(envs.step(ACTIONS[1]), twin.step(ACTIONS[1]))


def test_stepping_and_rendering_need_a_reset_first():
    envs = compiled(render_mode="ansi")
    for call in (lambda: envs.step(ACTIONS[0]), envs.render):
        with pytest.raises(ResetNeeded, match=r"call env\.reset\(\) before the first env\.step\(\)"):
            call()
    with pytest.raises(ResetNeeded, match="the first reset must be of all lanes"):
        envs.reset(options={"reset_mask": np.array([True, False, False, False])})


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"seed": -1}, ValueError, "seed must be an integer in [0, 4294967292], got -1"),
        ({"seed": 2**32 - 3}, ValueError, "seed must be an integer in [0, 4294967292], got 4294967293"),
        ({"seed": 0.5}, TypeError, "seed must be an integer in [0, 4294967292], got 0.5"),
        ({"seed": "1234"}, TypeError, "seed must be an integer in [0, 4294967292], got '1234'"),
        ({"seed": [1, 2]}, ValueError, "seed must be one integer or 4 of them, got 2"),
        ({"seed": [1, 2, -3, 4]}, ValueError, "seed must be an integer in [0, 4294967295], got -3"),
        ({"seed": [1, 2, 3.0, 4]}, TypeError, "seed must be an integer in [0, 4294967295], got 3.0"),
        ({"options": {"mask": 1}}, ValueError, "options must hold nothing but reset_mask, got mask"),
        ({"options": {"reset_mask": [True] * 4}}, TypeError, "reset_mask must be a NumPy array of bool, got [True"),
        ({"options": {"reset_mask": np.ones(4)}}, TypeError, "reset_mask must be a NumPy array of bool"),
        ({"options": {"reset_mask": np.ones(3, bool)}}, ValueError, "reset_mask must have shape (4,), got (3,)"),
        ({"options": {"reset_mask": np.zeros(4, bool)}}, ValueError, "reset_mask must be True in at least one lane"),
    ],
)
def test_a_wrong_reset_is_refused_and_changes_nothing(arguments, error, message):
    envs, twin = compiled(), compiled()
    for each in (envs, twin):
        each.reset(seed=3)
    with pytest.raises(error, match=re.escape(message)):
        envs.reset(**arguments)
    assert_same_step(envs.step(ACTIONS[0]), twin.step(ACTIONS[0]))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"num_envs": 0}, ValueError, "num_envs must be an integer in [1, 16777216], got 0"),
        ({"num_envs": 2.0}, TypeError, "num_envs must be an integer in [1, 16777216], got 2.0"),
        ({"max_episode_steps": 0}, ValueError, "max_episode_steps must be an integer in [1, 2147483647], got 0"),
        ({"max_episode_steps": "3"}, TypeError, "max_episode_steps must be an integer in [1, 2147483647], got '3'"),
        ({"autoreset_mode": "Never"}, ValueError, "'NextStep', 'SameStep', 'Disabled', got 'Never'"),
        ({"render_mode": "human"}, ValueError, "render_mode must be one of None, 'rgb_array', 'ansi', got 'human'"),
        ({"output": "numpy32"}, ValueError, "output must be one of 'numpy', 'jax', got 'numpy32'"),
        ({"horizon": 3}, TypeError, "options must be left out where core is no id, got horizon"),
    ],
)
def test_wrong_arguments_are_refused_when_the_environment_is_made(arguments, error, message):
    with pytest.raises(error, match=re.escape(message)):
        GymVectorEnv(TOY, **arguments)


def test_a_mode_may_be_named_by_its_value():
    assert compiled("SameStep").metadata["autoreset_mode"] is AutoresetMode.SAME_STEP


@pytest.mark.parametrize("mode", MODES)
def test_frames_of_the_lanes_are_those_of_single_environments(mode):
    envs = compiled(mode, render_mode="ansi")
    singles = [GymEnv(TOY, render_mode="ansi") for _ in range(LANES)]
    envs.reset(seed=5)
    over = [False] * LANES
    for lane, env in enumerate(singles):
        env.reset(seed=5 + lane)
    for action in ACTIONS[:8]:
        _, _, terminated, truncated, _ = envs.step(action)
        for lane, env in enumerate(singles):
            if mode is AutoresetMode.NEXT_STEP and over[lane]:
                env.reset()
            else:
                env.step(action[lane])
                if mode is AutoresetMode.SAME_STEP and (terminated | truncated)[lane]:
                    env.reset()
        over = terminated | truncated
        assert envs.render() == tuple(env.render() for env in singles)
        if mode is AutoresetMode.DISABLED and over.any():
            envs.reset(options={"reset_mask": over})
            for lane in np.flatnonzero(over):
                singles[lane].reset()


def test_pictures_of_lanes_are_one_rgb_array_each():
    envs = compiled(render_mode="rgb_array")
    envs.reset(seed=0)
    envs.step(ACTIONS[0])
    frames = envs.render()
    assert [frame.shape for frame in frames] == [(480, 640, 3)] * LANES
    assert frames[0].tobytes() != frames[1].tobytes()


def test_rendering_without_a_mode_warns_and_shows_nothing():
    with pytest.warns(UserWarning, match="without a render_mode"):
        assert compiled().render() is None


def test_copies_and_pickles_go_on_by_themselves_from_where_they_were_made():
    envs = compiled()
    envs.reset(seed=2)
    envs.step(ACTIONS[0])
    twins = [copy.deepcopy(envs), pickle.loads(pickle.dumps(envs))]
    expected = [envs.step(action) for action in ACTIONS[1:6]]
    for twin in twins:
        for action, step in zip(ACTIONS[1:6], expected, strict=True):
            assert_same_step(twin.step(action), step)


def test_a_batch_too_large_to_be_packed_computes_the_same(monkeypatch):
    expected = compiled(AutoresetMode.SAME_STEP)
    expected.reset(seed=1)
    monkeypatch.setattr("rtb_envs.adapters.programs.PACKED_CARRY_WORDS", 0)
    envs = GymVectorEnv(Toy(), LANES, autoreset_mode=AutoresetMode.SAME_STEP)
    envs.reset(seed=1)
    for action in ACTIONS[:6]:
        assert_same_step(envs.step(action), expected.step(action))
    assert_same_step(envs.reset(), expected.reset())


def test_in_64_bit_mode_observations_still_lie_in_their_spaces_and_learners_say_that_they_need_32():
    script = """
import gymnasium, numpy as np, pytest, rtb_envs
from agents import registry
envs = gymnasium.make_vec("AdAuction-v0", num_envs=2)
env = gymnasium.make("AdAuction-v0")
assert envs.observation_space.contains(envs.reset(seed=0)[0])
assert envs.observation_space.contains(envs.step(np.ones((2, 1), np.float32))[0])
assert env.observation_space.contains(env.reset(seed=0)[0])
assert env.observation_space.contains(env.step(np.ones(1, np.float32))[0])
with pytest.raises(ValueError, match="jax_enable_x64 must be off"):
    registry.make_learner("ppo", rtb_envs.make("AdAuction-v0"))
"""
    environment = {**os.environ, "JAX_ENABLE_X64": "1"}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True, cwd=ROOT)
