"""Teams in a toy market: a pool of earlier policies, one network for every seat, and agents that leave early."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from agents.collection import begin, play
from agents.self_play import Pool, SelfPlayTeam
from agents.shared_team import SharedTeam
from agents.team import Member, TeamParams
from rtb_envs import compile
from rtb_envs.policies.constant import Constant
from rtb_envs.seat import seat
from tests.toy_crowd import Crowd

# Agents go beyond the edge early in most episodes.
CROWD = Crowd(num_agents=2, horizon=6, edge=1.0)
SMALL = {"num_envs": 4, "num_steps": 8, "hidden_sizes": [4], "memory_decays": [], "lanes_per_market": 1}
TINY = {**SMALL, "num_minibatches": 1, "num_epochs": 1}
RULES = [[Constant(jnp.float32([0.25]))]] * 2
TOGETHER = TeamParams((CROWD.default_params,) * 2, jnp.bool_(False))
POOL = Pool(size=2, period=2, share=0.5)


def arrays(tree):
    """The bytes of every array."""
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(tree)]


def rival_of(team, state):
    """The network that learner 0 meets in the other seat."""
    (rival,) = team.seat_params(state, TOGETHER)[0].rivals
    return rival.learner.network


@pytest.fixture(scope="module")
def history():
    """A team with a pool, and its states after 0 to 6 updates."""
    team = SelfPlayTeam(CROWD, [Member("ppo", TINY), Member("a2c", SMALL)], RULES, POOL)
    states = [compile.jit(team.init, static_argnums=0)(0, TOGETHER)]
    update = compile.jit(team.update)
    for _ in range(6):
        states.append(update(states[-1], TOGETHER)[0])
    return team, states


def test_every_so_many_updates_policies_enter_the_pool_in_the_place_of_the_oldest(history):
    team, states = history
    policies = [team.policy(state) for state in states]
    for i in range(2):
        kept = [jax.tree.map(lambda leaf, place=place: leaf[place], states[6].past[i]) for place in range(2)]
        assert arrays(kept) == arrays([policies[6][i].network, policies[4][i].network])
        kept = [jax.tree.map(lambda leaf, place=place: leaf[place], states[5].past[i]) for place in range(2)]
        assert arrays(kept) == arrays([policies[2][i].network, policies[4][i].network])


def test_rivals_are_earlier_policies_in_the_stated_share_of_updates_and_all_of_the_pool_in_turn(history):
    team, states = history
    last = states[5]
    newest = np.asarray(team.policy(last)[1].network.normalizer.moments.mean).ravel()[0]
    past = np.asarray(last.past[1].normalizer.moments.mean).reshape(2, -1)[:, 0]
    assert len({float(newest), *past.tolist()}) == 3

    @jax.jit
    def met(updates):
        return rival_of(team, replace(last, updates=updates)).normalizer.moments.mean.ravel()[0]

    # From the 4th update on both places are filled; before the 2nd nothing is in the pool.
    seen = np.array([met(jnp.int32(updates)) for updates in range(4, 404)])
    for value, share in ((newest, 0.5), (past[0], 0.25), (past[1], 0.25)):
        # 4 standard errors: a false alarm in 16,000 seeds.
        assert abs((seen == value).mean() - share) < 4 * np.sqrt(share * (1 - share) / len(seen))
    assert [float(met(jnp.int32(updates))) for updates in range(2)] == [float(newest)] * 2
    third = [float(met(jnp.int32(updates))) for updates in (2, 3)]
    assert set(third) <= {float(newest), float(past[0])}


@pytest.mark.parametrize(
    ("change", "message"),
    [({"size": 0}, "size of the pool"), ({"period": 0}, "period of the pool"), ({"share": 1.5}, "share of the pool")],
)
def test_pools_that_cannot_be_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        SelfPlayTeam(CROWD, [Member("ppo", TINY)] * 2, RULES, Pool(**change))


def test_agents_that_leave_early_leave_nothing_that_is_not_finite(history):
    """PPO and A2C; in this market most episodes end by agents that leave."""
    for state in history[1]:
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state.learners[1].weights))
        for own in state.learners:
            finite = [np.isfinite(leaf).all() for leaf in jax.tree.leaves((own.weights, own.optimizer, own.rewards))]
            assert all(finite)
    for own in history[1][-1].learners:
        # 48 steps in each of 4 lanes are 8 episodes of the horizon's 6.
        assert np.asarray(own.lanes.episode).sum() > 4 * 8


def test_a_learner_sees_nothing_of_an_episode_after_its_agent_has_left(history):
    """The step after the last is the first of a new episode: its observation tells that no step has been made."""
    team, states = history
    learner, spec = team.learners[0], team.learners[0].policy(states[0].learners[0]).spec
    own = seat(CROWD, "walker_0", RULES[0])
    playing = begin(own, spec, 0, 16, own.default_params, None)

    def go(key, view):
        return jnp.full((view.shape[0], 1), 3.0), None

    _, rollout, metrics = play(
        own, spec, go, playing, own.default_params, None, jax.random.split(jax.random.key(0), 12)
    )
    over = np.asarray(rollout.terminated | rollout.truncated)
    step_number = np.asarray(rollout.view[:, :, 0, 0])
    assert learner.steps_per_update == 32
    assert np.asarray(rollout.terminated).any()
    np.testing.assert_array_equal(step_number[1:][over[:-1]], 0)
    np.testing.assert_array_equal(step_number[1:][~over[:-1]], step_number[:-1][~over[:-1]] + 1)
    assert int(metrics["episodes"]) == over.sum()


@pytest.fixture(scope="module")
def shared():
    """A team of one network before and after an update."""
    team = SharedTeam(CROWD, Member("ppo", {**TINY, "num_epochs": 3}), RULES)
    before = compile.jit(team.init, static_argnums=0)(0, TOGETHER)
    after, metrics = compile.jit(team.update)(before, TOGETHER)
    return team, before, after, metrics


def test_one_network_plays_every_seat_before_and_after_an_update(shared):
    _, before, after, metrics = shared
    for state in (before, after):
        first, *others = [(own.weights, own.optimizer, own.observations, own.rewards.moments) for own in state.learners]
        assert all(arrays(other) == arrays(first) for other in others)
    assert arrays(before.learners[0].weights) != arrays(after.learners[0].weights)
    assert {name.split("/")[0] for name in metrics} == set(CROWD.agents)


def test_a_shared_network_learns_from_what_it_meets_in_each_seat(shared):
    _, _, after, _ = shared
    # 2 seats of 3 epochs of one minibatch, and 2 seats of 4 environments of 8 steps.
    counts = [int(leaf) for leaf in jax.tree.leaves(after.learners[0].optimizer) if leaf.dtype == jnp.int32]
    assert counts == [2 * 3]
    seen = float(after.learners[0].observations.moments.count)
    assert seen == pytest.approx(2 * 4 * 8, rel=1e-3)
    observed = [np.asarray(own.lanes.observation) for own in after.learners]
    assert not np.array_equal(observed[0], observed[1])
