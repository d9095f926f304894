"""The RLlib environment: step by step what PettingZoo's gives, ends as RLlib reads them, actions, seeds, refusals."""

import numpy as np
import pytest

from rtb_envs.adapters.pettingzoo import PettingZooEnv
from tests.toy_crowd import Crowd

pytestmark = pytest.mark.rllib
CROWD = Crowd(num_agents=4, horizon=9)
SMALL = {"core": "retargeting_v0", "num_agents": 3, "num_customers": 20, "horizon": 40}


def make(config, runner=0):
    from ray.rllib.env.env_context import EnvContext

    from rtb_envs.adapters.rllib import RLlibEnv

    return RLlibEnv(EnvContext(config, worker_index=runner))


def walk(agents):
    """An action for each of some agents of the crowd: the later agents go faster, and leave earlier."""
    return {agent: np.array([0.1 + 0.2 * int(agent[-1])], np.float32) for agent in agents}


def episode_of(env, market, seed):
    """An episode as RLlib keeps it, and PettingZoo's flags of each agent's last step; every step is checked."""
    from ray.rllib.env.multi_agent_episode import MultiAgentEpisode

    observations, infos = env.reset(seed=seed)
    expected, _ = market.reset(seed=seed)
    same(observations, expected)
    episode, last = MultiAgentEpisode(agent_to_module_mapping_fn=lambda agent, episode: agent), {}
    episode.add_env_reset(observations=observations, infos=infos)
    while market.agents:
        actions = walk(market.agents)
        observations, rewards, terminated, truncated, infos = env.step(actions)
        expected = market.step(actions)
        same(observations, expected[0])
        assert rewards == expected[1]
        flags = {agent: (expected[2][agent], expected[3][agent]) for agent in expected[2]}
        last |= {agent: flag for agent, flag in flags.items() if any(flag)}
        assert infos.keys() == {agent for agent, flag in flags.items() if any(flag)}
        assert all(infos[agent].keys() == expected[4][agent].keys() for agent in infos)
        assert (terminated["__all__"] or truncated["__all__"]) == (not market.agents)
        episode.add_env_step(observations, actions, rewards, infos, terminateds=terminated, truncateds=truncated)
    assert episode.is_done
    return episode, last


def same(ours, theirs):
    assert ours.keys() == theirs.keys()
    for agent in ours:
        np.testing.assert_array_equal(ours[agent], theirs[agent])


@pytest.mark.parametrize("edge", [2.0, 4.0, 100.0], ids=["most leave early", "some leave early", "all stay"])
def test_rllib_bootstraps_the_value_of_exactly_the_agents_that_were_truncated(edge):
    core, kinds = Crowd(num_agents=4, horizon=9, edge=edge), set()
    env, market = make({"core": core}), PettingZooEnv(core)
    for seed in range(20):
        episode, last = episode_of(env, market, seed)
        for agent, own in episode.agent_episodes.items():
            # RLlib bootstraps no value where an episode is terminated, whatever else it is.
            assert (own.is_done, own.is_terminated) == (True, last[agent][0])
        kinds.add(tuple(sorted(set(last.values()))))
    both = ((False, True), (True, False))
    assert both in kinds or edge == 100
    assert both[:1] in kinds or edge < 100


def test_an_episode_whose_last_step_both_terminates_and_truncates_ends():
    core = Crowd(num_agents=2, horizon=4, edge=2.5)
    env, found = make({"core": core}), 0
    for seed in range(60):
        env.reset(seed=seed)
        agents, terminated, truncated = list(core.agents), {"__all__": False}, {"__all__": False}
        while not (terminated["__all__"] or truncated["__all__"]):
            going = {agent: np.array([0.6 * (agent == core.agents[0])], np.float32) for agent in agents}
            _, _, terminated, truncated, _ = env.step(going)
            before, agents = agents, [agent for agent in agents if not terminated[agent]]
        if len(before) == 2 and len(agents) == 1:
            found += 1
            assert truncated == {"__all__": True, **dict.fromkeys(before, False)}
            assert not terminated["__all__"]
    assert found >= 3


@pytest.mark.parametrize("config", [SMALL, {"core": CROWD}], ids=["retargeting", "crowd"])
def test_rllib_s_own_checks_pass(config):
    from ray.rllib.utils.pre_checks.env import check_multiagent_environments

    env = make(config)
    check_multiagent_environments(env)
    assert env.possible_agents == list(PettingZooEnv(**config).possible_agents)
    assert list(env.observation_spaces) == list(env.action_spaces) == env.possible_agents


def test_bids_are_given_as_logarithms_and_the_market_meets_the_bids():
    env, market = make(SMALL), PettingZooEnv(**SMALL)
    same(env.reset(seed=5)[0], market.reset(seed=5)[0])
    space = env.action_spaces["advertiser_1"]
    np.testing.assert_allclose(space.low, [np.log(0.01), 0, 1], rtol=1e-6)
    np.testing.assert_allclose(space.high, [np.log(20), 5, 10], rtol=1e-6)
    rng = np.random.default_rng(0)
    for step in range(40):
        bids = np.exp(rng.uniform(np.log(0.01), np.log(20), 3)) if step else np.array([0.01, 20, 1])
        actions = {agent: np.float32([bid, 2, 5]) for agent, bid in zip(market.agents, bids, strict=True)}
        given = {agent: np.float32([np.log(bid), 2, 5]) for (agent, (bid, *_)) in actions.items()}
        ours, theirs = env.step(given), market.step(actions)
        for agent in actions:
            # The exponential of a logarithm is the bid but for a rounding.
            np.testing.assert_allclose(ours[0][agent], theirs[0][agent], atol=1e-4)
            assert ours[1][agent] == pytest.approx(theirs[1][agent], abs=1e-3)
    env.reset(seed=5)
    for bound in (space.low, space.high):
        env.step(dict.fromkeys(market.possible_agents, bound))


@pytest.mark.parametrize(
    ("action", "message"),
    [
        ([np.log(20) + 0.01, 0, 1], "action of 'advertiser_1' must be a number in"),
        ([np.nan, 0, 1], "action of 'advertiser_1' must be a number in"),
        ([0.0, 0], r"action of 'advertiser_1' must have shape \(3,\), got shape \(2,\)"),
    ],
)
def test_actions_outside_of_the_space_are_refused_and_change_nothing(action, message):
    env, twin = make(SMALL), make(SMALL)
    good = dict.fromkeys(env.possible_agents, np.float32([0, 0, 1]))
    for each in (env, twin):
        each.reset(seed=1)
    with pytest.raises(ValueError, match=message):
        env.step({**good, "advertiser_1": action})
    assert env.step(good)[1] == twin.step(good)[1]


def test_no_two_runners_play_the_same_market():
    """RLlib gives environment i of runner w the seed s + w + i."""
    seen = set()
    for runner in range(1, 5):
        env = make({"core": CROWD}, runner)
        for i in range(4):
            seen.add(tuple(float(row[1]) for row in env.reset(seed=7 + runner + i)[0].values()))
            again = make({"core": CROWD}, runner)
            same(again.reset(seed=7 + runner + i)[0], env.reset(seed=7 + runner + i)[0])
    assert len(seen) == 16


def test_the_local_runner_s_episodes_are_pettingzoo_s_of_the_same_seed():
    env, market = make({"core": CROWD}), PettingZooEnv(CROWD)
    for seed in (3, None, None):
        same(env.reset(seed=seed)[0], market.reset(seed=seed)[0])


@pytest.mark.parametrize(
    ("config", "error", "message"),
    [
        ({}, TypeError, 'env_config must be a mapping with the entry "core"'),
        ({"core": "AdAuction-v0"}, ValueError, "id must be one of"),
        ({**SMALL, "num_customers": 0}, ValueError, "num_customers must be an integer in"),
        ({**SMALL, "max_cycles": 0}, ValueError, "max_cycles must be an integer in"),
        ({**SMALL, "bidders": 3}, TypeError, "unknown option 'bidders'"),
    ],
)
def test_wrong_configurations_are_refused_by_name(config, error, message):
    with pytest.raises(error, match=message):
        make(config)


def test_the_market_is_rendered():
    env = make({**SMALL, "render_mode": "ansi"})
    env.reset(seed=0)
    assert "Clearing price" in env.render()
    env.close()
