"""The single environment: Gymnasium's checker, seeds, errors that change nothing, and what comes out."""

import copy
import pickle
import re
import warnings

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env

import rtb_envs
from rtb_envs.adapters.gymnasium import GymEnv
from tests.toy import Toy, ToyParams

# What check_env recommends of spaces; nothing else may be warned of.
RECOMMENDATIONS = {
    "A Box observation space maximum value is infinity. This is probably too high.",
    "For Box action spaces, we recommend using a symmetric and normalized space (range=[-1, 1] or [0, 1]). "
    "See https://stable-baselines3.readthedocs.io/en/master/guide/rl_tips.html for more information.",
}
# One core for all tests, because environments over one core share their compiled programs.
TOY = Toy()
MOVE = np.array([0.25, 0.125], np.float32)


@pytest.fixture
def env():
    return GymEnv(TOY)


def warned_of(record):
    """The texts of Gymnasium's warnings, without colour and label."""
    return {re.sub(r"\x1b\[\d+m|WARN: ", "", str(warning.message)) for warning in record}


def episode(env, action, seed=None):
    """All that an episode returns, from its reset to its end."""
    returned = [env.reset(seed=seed)]
    while len(returned) == 1 or not (returned[-1][2] or returned[-1][3]):
        returned.append(env.step(action))
    return returned


def assert_same_bytes(a, b):
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        a, b = tuple(a.values()), tuple(b.values())
    if isinstance(a, list | tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same_bytes(x, y)
    else:
        assert np.asarray(a).dtype == np.asarray(b).dtype
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


@pytest.mark.parametrize("id", rtb_envs.list_envs())
def test_the_checker_of_gymnasium_raises_nothing_and_warns_of_nothing_but_space_limits(id):
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        check_env(gymnasium.make(id).unwrapped)
    assert warned_of(record) <= RECOMMENDATIONS


@pytest.mark.parametrize("id", rtb_envs.list_envs())
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(id):
    env, twin = gymnasium.make(id), gymnasium.make(id)
    env.action_space.seed(0)
    action = env.action_space.sample()
    first = [episode(env, action, seed=5), episode(env, action)]
    assert_same_bytes(first, [episode(twin, action, seed=5), episode(twin, action)])
    assert first[0][1][4] != first[1][1][4]
    assert first[0][1][4] != episode(env, action, seed=6)[1][4]


def test_gymnasium_finds_an_id_by_naming_the_package():
    env = gymnasium.make("rtb_envs:AdAuction-v0", horizon=3)
    assert isinstance(env.unwrapped, GymEnv)
    assert env.spec.id == "AdAuction-v0"
    assert len(episode(env, env.action_space.sample(), seed=0)) == 1 + 3


def test_the_functional_core_and_its_parameters_are_at_hand():
    env = GymEnv(TOY)
    assert env.core is TOY
    assert env.params is TOY.default_params
    longer = ToyParams(np.int32(40), np.float32(50))
    assert GymEnv(TOY, params=longer).observation_space.high.tolist() == [40, 53]


def test_an_episode_is_what_the_functional_core_computes_for_its_key():
    core, seed = TOY, 9
    env = GymEnv(core)
    reset, step = jax.jit(core.reset_env), jax.jit(core.step_env)
    env.reset(seed=seed)
    for number in range(3):
        key = jax.random.fold_in(jax.random.key(seed), number)
        observation, state = reset(key, core.default_params)
        returned = env.reset(seed=seed) if number == 0 else env.reset()
        np.testing.assert_array_equal(returned[0], observation)
        over = False
        while not over:
            observation, state, *rest = step(key, state, MOVE, core.default_params)
            given = env.step(MOVE)
            np.testing.assert_array_equal(given[0], observation)
            assert given[1:4] == tuple(x.item() for x in rest[:3])
            assert given[4].keys() == rest[3].keys()
            for name, value in rest[3].items():
                np.testing.assert_array_equal(given[4][name], value)
            over = given[2] or given[3]


class SortingToy(Toy):
    """A step with a sort, which XLA's CPU backend does not compile into the one kernel of a single lane."""

    def transition(self, state, action, noise, params):
        after, reward, terminated, truncated, info = super().transition(state, action, noise, params)
        ranked = jnp.sort(jnp.stack([after.position, state.position, noise.push]))
        return after, reward, terminated, truncated, {**info, "ranked": ranked}


def test_a_step_that_does_not_fit_one_kernel_computes_the_same():
    sorting, plain = GymEnv(SortingToy()), GymEnv(TOY)
    for given, expected in zip(episode(sorting, MOVE, seed=1), episode(plain, MOVE, seed=1), strict=True):
        ranked = given[-1].pop("ranked", np.zeros(0))
        assert (np.diff(ranked) >= 0).all()
        assert_same_bytes(given, expected)


def test_numpy_output_is_fresh_writable_observations_and_python_numbers(env):
    observation, info = env.reset(seed=0)
    assert info == {}
    kept = [observation]
    for _ in range(2):
        observation, reward, terminated, truncated, info = env.step(MOVE * 0)
        kept.append(observation)
        assert (observation.dtype, observation.flags.writeable, observation.base) == (np.float32, True, None)
        assert [type(x) for x in (reward, terminated, truncated)] == [float, bool, bool]
        assert [type(info[name]) for name in ("position", "step", "moved_right")] == [float, int, bool]
        assert info["visited"].flags.writeable
    assert not np.shares_memory(kept[1], kept[2])
    kept[1][:] = 77
    info["visited"][:] = True
    assert kept[2].tolist() != kept[1].tolist()


def test_jax_output_holds_the_same_numbers_in_jax_arrays():
    arrays, numbers = GymEnv(TOY, output="jax"), GymEnv(TOY)
    assert arrays.metadata["jax"] is True
    for given, expected in zip(episode(arrays, MOVE, seed=4), episode(numbers, MOVE, seed=4), strict=True):
        assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(given))
        jax.tree.map(np.testing.assert_array_equal, given, expected)


@pytest.mark.parametrize("action", [[np.nan, 0], [0, 1.5], [-1.01, 0], [0.0], ["a", "b"], None])
def test_a_refused_action_changes_nothing(env, action):
    twin = GymEnv(TOY)
    for each in (env, twin):
        each.reset(seed=8)
    with pytest.raises((ValueError, TypeError), match=r"^action must"):
        env.step(action)
    assert_same_bytes(env.step(MOVE), twin.step(MOVE))
    assert_same_bytes(episode(env, MOVE), episode(twin, MOVE))


def test_stepping_and_rendering_need_a_reset_first():
    env = GymEnv(TOY, render_mode="ansi")
    for call in (lambda: env.step(MOVE), env.render):
        with pytest.raises(ResetNeeded, match=r"call env\.reset\(\) before the first env\.step\(\)"):
            call()


def test_stepping_beyond_the_end_is_an_error_until_the_next_reset(env):
    episode(env, MOVE, seed=0)
    for _ in range(2):
        with pytest.raises(ResetNeeded, match="the episode is over"):
            env.step(MOVE)
    env.reset()
    env.step(MOVE)


@pytest.mark.parametrize(
    ("seed", "error"),
    [(-1, ValueError), (2**32, ValueError), (1.0, TypeError), ("1", TypeError), (True, TypeError), ([1], TypeError)],
)
def test_a_wrong_seed_is_refused_and_the_episode_goes_on(env, seed, error):
    twin = GymEnv(TOY)
    for each in (env, twin):
        each.reset(seed=3)
    with pytest.raises(error, match=r"seed must be an integer in \[0, 4294967295\], got " + re.escape(repr(seed))):
        env.reset(seed=seed)
    assert_same_bytes(env.step(MOVE), twin.step(MOVE))


def test_a_reset_without_any_seed_draws_its_lane_from_np_random(env):
    env.np_random = np.random.default_rng(1)
    twin = GymEnv(TOY)
    twin.np_random = np.random.default_rng(1)
    assert_same_bytes(episode(env, MOVE), episode(twin, MOVE))
    fresh = {env.reset()[0].tobytes() + env.step(MOVE)[0].tobytes() for env in (GymEnv(TOY) for _ in range(8))}
    assert len(fresh) > 1


def test_unknown_reset_options_are_refused(env):
    env.reset(seed=0, options={})
    with pytest.raises(TypeError, match="options must be None or a dictionary"):
        env.reset(options=3)
    with pytest.raises(ValueError, match="options must be None or empty, got budget"):
        env.reset(options={"budget": 3})


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"core": "NoSuch-v0"}, ValueError, "id must be one of AdAuction-v0"),
        ({"core": 3}, TypeError, "core must be the id of an environment or a functional core, got 3"),
        ({"core": TOY, "horizon": 3}, TypeError, "options must be left out where core is no id, got horizon"),
        ({"core": TOY, "render_mode": "human"}, ValueError, "render_mode must be one of None, 'rgb_array', 'ansi'"),
        ({"core": TOY, "render_mode": 1}, ValueError, "render_mode must be one of None, 'rgb_array', 'ansi', got 1"),
        ({"core": TOY, "output": "torch"}, ValueError, "output must be one of 'numpy', 'jax', got 'torch'"),
    ],
)
def test_wrong_arguments_are_refused_when_the_environment_is_made(arguments, error, message):
    with pytest.raises(error, match=re.escape(message)):
        GymEnv(**arguments)


def test_gymnasium_make_passes_on_the_error_for_an_unknown_render_mode():
    with (
        pytest.warns(UserWarning, match="render_mode='human_array' that is not in the possible render_modes"),
        pytest.raises(ValueError, match="render_mode must be one of None, 'rgb_array', 'ansi', got 'human_array'"),
    ):
        gymnasium.make("AdAuction-v0", render_mode="human_array")


def test_copies_and_pickles_go_on_by_themselves_from_where_they_were_made(env):
    env.reset(seed=2)
    env.step(MOVE)
    twins = [copy.deepcopy(env), pickle.loads(pickle.dumps(env))]
    expected = env.step(MOVE)
    for twin in twins:
        assert_same_bytes(twin.step(MOVE), expected)


def test_close_may_be_called_twice(env):
    env.reset(seed=0)
    env.close()
    env.close()


@pytest.mark.parametrize("mode", ["rgb_array", "ansi"])
def test_a_frame_shows_the_episode_so_far_and_begins_anew_with_the_next(mode):
    env = GymEnv(TOY, render_mode=mode)
    env.reset(seed=0)
    start = env.render()
    env.step(MOVE)
    after = env.render()
    env.reset()
    frames = {frame if mode == "ansi" else frame.tobytes() for frame in (start, after, env.render())}
    assert len(frames) == 2


def test_rendering_without_a_mode_warns_and_shows_nothing(env):
    env.reset(seed=0)
    with pytest.warns(UserWarning, match="without a render_mode"):
        assert env.render() is None
