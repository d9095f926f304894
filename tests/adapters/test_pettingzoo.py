"""Markets of many agents behind PettingZoo: its own tests, seeds, agents that leave early, and what is refused."""

import copy
import importlib
import pickle
import re
import subprocess
import sys
import warnings
from types import SimpleNamespace

import jax
import numpy as np
import pettingzoo
import pytest
from gymnasium.error import ResetNeeded
from pettingzoo.test import api_test, max_cycles_test, parallel_api_test, parallel_seed_test, render_test, seed_test
from pettingzoo.test.state_test import state_test

import rtb_envs
from rtb_envs import registry
from rtb_envs.adapters.pettingzoo import PettingZooEnv, aec_env, raw_aec_env
from tests.toy_crowd import Crowd

# One core for all tests, because environments over one core share their compiled programs. In it agents leave early.
CROWD = Crowd(num_agents=4, horizon=9)
STAYING = Crowd(num_agents=4, horizon=9, edge=100.0)


def parallel(**options):
    return PettingZooEnv(CROWD, **options)


def aec(**options):
    return aec_env(CROWD, **options)


# What PettingZoo's tests warn of and is meant: agents of a market differ in their budgets, hence in their spaces.
MEANT = {"Agents have different observation space sizes"}


def makers(id):
    """Functions that make the parallel and the sequential environment."""
    if id == "crowd_v0":
        return parallel, aec
    return (lambda **options: PettingZooEnv(id, **options)), (lambda **options: aec_env(id, **options))


@pytest.fixture(params=["crowd_v0", *rtb_envs.list_multi_agent_envs()])
def both(request):
    return makers(request.param)


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        for text in MEANT:
            warnings.filterwarnings("ignore", re.escape(text))
        yield


def test_pettingzoo_s_tests_of_the_parallel_interface_pass(both):
    parallel_env, _ = both
    parallel_api_test(parallel_env(), num_cycles=60)
    parallel_seed_test(parallel_env, num_cycles=60)


def test_pettingzoo_s_tests_of_the_sequential_interface_pass(both):
    _, env = both
    api_test(env(), num_cycles=20)
    seed_test(env, num_cycles=20)


def test_pettingzoo_s_tests_of_state_rendering_and_cycles_pass(both):
    parallel_env, env = both
    state_test(env(), parallel_env(), num_cycles=12)
    render_test(env)


def test_max_cycles_truncates_whoever_is_left():
    max_cycles_test(
        SimpleNamespace(
            parallel_env=lambda **options: PettingZooEnv(STAYING, **options),
            env=lambda **options: aec_env(STAYING, **options),
        )
    )


@pytest.mark.parametrize("id", rtb_envs.list_multi_agent_envs())
def test_every_id_has_a_module_which_passes_pettingzoo_s_test_of_cycles(id):
    module = importlib.import_module(f"rtb_envs.{id}")
    max_cycles_test(module)
    assert module.raw_env().possible_agents == list(rtb_envs.make_multi_agent(id).agents)


def play(env, seed, steps=9):
    """What an episode returns when every agent keeps going right."""
    returned = [env.reset(seed=seed)]
    while env.agents:
        returned.append(env.step({agent: np.array([0.75], np.float32) for agent in env.agents}))
    return returned


def test_an_episode_is_what_the_functional_core_computes_for_its_key_until_the_last_agent_has_left():
    env, seed, early = parallel(), 4, 0
    reset, step = jax.jit(CROWD.reset_env), jax.jit(CROWD.step_env)
    for number in range(2):
        observations, infos = env.reset(seed=seed) if number == 0 else env.reset()
        assert infos == {agent: {} for agent in CROWD.agents}
        key = jax.random.fold_in(jax.random.key(seed), number)
        observation, state = reset(key, CROWD.default_params)
        np.testing.assert_array_equal(np.stack([*observations.values()]), observation)
        while env.agents:
            actions = {agent: np.array([0.25 * (1 + CROWD.index(agent))], np.float32) for agent in env.agents}
            joint = np.zeros((4, 1), np.float32)
            for agent, action in actions.items():
                joint[CROWD.index(agent)] = action
            result = step(key, state, joint, CROWD.default_params)
            alive, state = [i for i in range(4) if CROWD.alive(state)[i]], result[1]
            given = env.step(actions)
            for part, expected in zip(given[:4], (result[0], *result[2:5]), strict=True):
                assert [*part] == [CROWD.agents[i] for i in alive]
                for i in alive:
                    np.testing.assert_array_equal(part[CROWD.agents[i]], expected[i])
            for i in alive:
                info = given[4][CROWD.agents[i]]
                assert info["position"] == result[5]["position"][i]
                assert info["spread"] == result[5]["spread"]
                np.testing.assert_array_equal(info["moves"], result[5]["moves"][i])
                np.testing.assert_array_equal(info["lane"], result[5]["lane"])
            assert env.agents == [CROWD.agents[i] for i in range(4) if CROWD.alive(state)[i]]
            np.testing.assert_array_equal(env.state(), np.asarray(result[0]).reshape(-1))
            early += 0 < len(env.agents) < 4
    assert early > 0


def test_observations_are_fresh_and_writable_and_the_rest_are_python_numbers():
    env = parallel()
    (first, _), *steps = play(env, seed=0)
    kept = first["walker_0"].copy()
    observations, rewards, terminations, truncations, infos = steps[0]
    observations["walker_0"][:] = 7
    np.testing.assert_array_equal(first["walker_0"], kept)
    assert observations["walker_1"].flags.writeable
    assert [type(part["walker_0"]) for part in (rewards, terminations, truncations)] == [float, bool, bool]
    assert type(infos["walker_0"]["position"]) is float


def test_agents_one_after_another_see_the_same_episode():
    at_once, in_turn = parallel(), raw_aec_env(CROWD)
    for env in (at_once, in_turn):
        env.reset(seed=3)
    action = np.array([0.25], np.float32)
    observations, *_ = at_once.step(dict.fromkeys(at_once.agents, action))
    for _ in range(4):
        in_turn.step(action)
    for agent in at_once.agents:
        np.testing.assert_array_equal(in_turn.observe(agent), observations[agent])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"walker_1": [np.nan]}, ValueError, "action of 'walker_1' must be a number in [-1.0, 1.0], got nan at 0"),
        ({"walker_2": [1.5]}, ValueError, "action of 'walker_2' must be a number in [-1.0, 1.0], got 1.5 at 0"),
        ({"walker_0": 0.5}, ValueError, "action of 'walker_0' must have shape (1,), got shape ()"),
        ({"walker_0": None}, TypeError, "action of 'walker_0' must be an array of numbers of shape (1,), got None"),
        ({"walker_7": [0.5]}, ValueError, "for no other, but they hold one of 'walker_7'"),
        ("walker_2", ValueError, "for each living agent and for no other, but they lack that of 'walker_2'"),
        (None, TypeError, "actions must be a dictionary from agents to their actions, got None of type NoneType"),
    ],
)
def test_a_refused_action_names_its_agent_and_changes_nothing(change, error, message):
    env, twin = parallel(), parallel()
    for each in (env, twin):
        each.reset(seed=8)
    good = {agent: np.array([0.5], np.float32) for agent in env.agents}
    wrong = {**good, **change} if isinstance(change, dict) else change
    if isinstance(change, str):
        wrong = {agent: action for agent, action in good.items() if agent != change}
    with pytest.raises(error, match=re.escape(message)):
        env.step(wrong)
    assert env.step(good)[1] == twin.step(good)[1]


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (None, TypeError, "action of 'walker_1' must be an array of numbers of shape (1,), got None"),
        ([np.nan], ValueError, "action of 'walker_1' must be a number in [-1.0, 1.0], got nan at 0"),
        ([1.5], ValueError, "action of 'walker_1' must be a number in [-1.0, 1.0], got 1.5 at 0"),
    ],
)
def test_in_turn_an_action_is_refused_in_its_own_step_and_its_agent_can_act_again(wrong, error, message):
    env, twin = aec_env(STAYING), aec_env(STAYING)
    action = np.array([0.5], np.float32)
    for each in (env, twin):
        each.reset(seed=8)
        each.step(action)
    with pytest.raises(error, match=re.escape(message)):
        env.step(wrong)
    assert env.agent_selection == "walker_1"
    for each in (env, twin):
        for _ in range(3):
            each.step(action)
    assert env.rewards == twin.rewards
    np.testing.assert_array_equal(env.state(), twin.state())


def test_in_turn_zeros_that_begin_a_cycle_out_of_range_are_refused_at_its_end_and_the_cycle_begins_anew():
    env, twin = aec_env(STAYING), aec_env(STAYING)
    for each in (env, twin):
        each.reset(seed=8)
    for action in (np.zeros(2), np.zeros(1), np.zeros(1)):
        env.step(action)
    with pytest.raises(ValueError, match=re.escape("action of 'walker_0' must have shape (1,), got shape (2,)")):
        env.step(np.zeros(1, np.float32))
    assert env.agent_selection == "walker_0"
    for each in (env, twin):
        for _ in range(4):
            each.step(np.array([0.5], np.float32))
    assert env.rewards == twin.rewards
    np.testing.assert_array_equal(env.state(), twin.state())


def test_in_turn_agents_may_share_one_array_that_is_filled_anew_for_each():
    env, at_once = aec_env(STAYING), PettingZooEnv(STAYING)
    for each in (env, at_once):
        each.reset(seed=8)
    shared, own = np.zeros(1, np.float32), {}
    for i, agent in enumerate(at_once.agents):
        shared[0] = i / 4
        own[agent] = shared.copy()
        env.step(shared)
    at_once.step(own)
    np.testing.assert_array_equal(env.state(), at_once.state())


def test_in_turn_an_agent_that_has_left_takes_none_as_its_action_only():
    env = aec_env(STAYING, max_cycles=1)
    env.reset(seed=0)
    for _ in range(4):
        env.step(np.zeros(1, np.float32))
    for _ in range(2):
        with pytest.raises(ValueError, match="action of 'walker_0', which has left, must be None, got 0"):
            env.step(0)
    for _ in range(4):
        env.step(None)
    assert env.agents == []


def test_an_agent_that_has_left_may_not_act():
    env = parallel()
    env.reset(seed=0)
    going = {agent: np.array([1.0], np.float32) for agent in env.agents}
    while len(env.agents) == 4:
        env.step(going)
    gone = next(agent for agent in env.possible_agents if agent not in env.agents)
    if env.agents:
        with pytest.raises(ValueError, match=f"but they hold one of '{gone}'"):
            env.step(going)


def test_stepping_rendering_and_state_need_an_episode():
    env = parallel(render_mode="ansi")
    for call in (lambda: env.step({}), env.render, env.state):
        with pytest.raises(ResetNeeded, match=r"call env\.reset\(\) before"):
            call()
    play(env, seed=0)
    with pytest.raises(ResetNeeded, match=r"the episode is over: call env\.reset\(\)"):
        env.step({})


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"max_cycles": 0}, ValueError, "max_cycles must be an integer in [1, 2147483647], got 0"),
        (
            {"render_mode": "svg"},
            ValueError,
            "render_mode must be one of None, 'human', 'rgb_array', 'ansi', got 'svg'",
        ),
        ({"horizon": 3}, TypeError, "options must be left out where core is no id, got horizon"),
    ],
)
def test_wrong_arguments_are_refused_when_the_environment_is_made(arguments, error, message):
    with pytest.raises(error, match=re.escape(message)):
        parallel(**arguments)


def test_a_core_must_be_one_of_many_agents():
    with pytest.raises(TypeError, match="core must be the id of an environment of many agents"):
        PettingZooEnv(rtb_envs.make("AdAuction-v0"))
    with pytest.raises(ValueError, match="agent must be one of 'walker_0'"):
        parallel().observation_space("walker_9")
    with pytest.raises(ValueError, match=r"seed must be an integer in \[0, 4294967295\], got -1"):
        parallel().reset(seed=-1)


def test_the_market_is_rendered_as_a_picture_and_as_text(capsys):
    picture, text, printed = (parallel(render_mode=mode) for mode in ("rgb_array", "ansi", "human"))
    for env in (picture, text, printed):
        env.reset(seed=0)
        env.step({agent: np.zeros(1, np.float32) for agent in env.agents})
    assert picture.render().shape == (480, 640, 3)
    assert "Spread" in text.render()
    assert printed.render() is None
    assert capsys.readouterr().out == text.render() + "\n"


def test_rendering_without_a_mode_warns_and_shows_nothing():
    with pytest.warns(UserWarning, match="without a render_mode"):
        assert parallel().render() is None


def test_copies_and_pickles_go_on_by_themselves_from_where_they_were_made():
    env = parallel()
    env.reset(seed=2)
    action = {agent: np.array([0.125], np.float32) for agent in env.agents}
    env.step(action)
    twins = [copy.deepcopy(env), pickle.loads(pickle.dumps(env))]
    expected = env.step(action)[1]
    for twin in twins:
        assert twin.step(action)[1] == expected


def test_pettingzoo_makes_what_is_registered():
    try:
        registry.register_multi_agent("crowd_v0", "tests.toy_crowd:Crowd", num_agents=2)
        env = pettingzoo.make("parallel", "crowd_v0", horizon=3, max_cycles=2)
        assert isinstance(env, PettingZooEnv)
        assert (str(env), env.possible_agents) == ("crowd_v0", ["walker_0", "walker_1"])
        assert int(env.params.horizon) == 3
        assert len(play(env, seed=0)) == 1 + 2
        assert pettingzoo.make("aec", "crowd_v0").possible_agents == ["walker_0", "walker_1"]
    finally:
        registry._MULTI_AGENT.pop("crowd_v0", None)
        for known in (pettingzoo.parallel_registry, pettingzoo.aec_registry):
            known.pop("crowd-v0", None)


def test_ids_are_known_to_pettingzoo_as_soon_as_the_package_is_imported():
    program = (
        "import rtb_envs, pettingzoo, sys\n"
        "for id in rtb_envs.list_multi_agent_envs():\n"
        "    pettingzoo.spec('parallel', id), pettingzoo.spec('aec', id)\n"
        "print('jax' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]
