"""One seat of a market of many: the same market as when all play, with rivals whose draws shift nothing."""

import re
from dataclasses import dataclass, field

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rtb_envs
from rtb_envs.adapters.gymnasium import GymEnv
from rtb_envs.policies.constant import Constant
from rtb_envs.pytrees import pytree
from rtb_envs.random import Stream
from rtb_envs.seat import RIVALS_SITE, seat
from tests.toy_crowd import Crowd

CROWD = Crowd(num_agents=4, horizon=6, edge=8.0)
PARAMS = CROWD.default_params


@pytree
@dataclass(frozen=True)
class Leaning:
    """Moves by ``pull`` times the steps of its own memory, plus noise of its stream in 1/64."""

    pull: jax.Array
    calls: list = field(default_factory=list, metadata={"static": True}, compare=False)

    def init(self, params):
        return params.agent.astype(jnp.float32) * 0

    def act(self, stream, carry, observation):
        self.calls.append(1)
        noise = jnp.floor(stream.uniform() * 64) / 64 - 0.5
        return (self.pull * carry + noise)[None], carry + 1


@pytree
@dataclass(frozen=True)
class Still:
    """Stays where it is."""

    def init(self, params):
        return ()

    def act(self, stream, carry, observation):
        return jnp.zeros(1), carry


def play(env, key, actions, params=None):
    """Every result of an episode of a functional core under given actions."""
    params = env.default_params if params is None else params

    @jax.jit
    def episode(key, actions, params):
        first, state = env.reset_env(key, params)

        def step(state, action):
            observation, state, *rest = env.step_env(key, state, action, params)
            return state, (observation, *rest)

        return first, jax.lax.scan(step, state, actions)[1]

    return episode(key, actions, params)


def assert_same(a, b):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("agent", [0, 2, 3])
def test_a_seat_is_the_agent_s_row_of_the_market_in_which_rivals_act_by_their_own_streams(agent):
    pulls = np.array([0.25, -0.125, 0.5], np.float32)
    env = seat(CROWD, f"walker_{agent}", [Leaning(pull) for pull in pulls])
    key, steps = jax.random.key(5), 6
    own = np.random.default_rng(1).integers(-64, 65, (steps, 1)).astype(np.float32) / 64
    others = [i for i in range(4) if i != agent]
    stream = Stream.from_key(key).site(RIVALS_SITE)
    actions = np.zeros((steps, 4, 1), np.float32)
    actions[:, agent] = own
    for t in range(steps):
        for rival, pull in zip(others, pulls, strict=True):
            noise = np.floor(float(stream.step(t).step(rival).uniform()) * 64) / 64 - 0.5
            actions[t, rival] = pull * t + noise
    first, (observation, reward, terminated, truncated, info) = play(CROWD, key, actions)
    expected_info = {name: value if name in CROWD.market_info else value[:, agent] for name, value in info.items()}
    expected = (
        first[agent],
        (observation[:, agent], reward[:, agent], terminated[:, agent], truncated[:, agent], expected_info),
    )
    assert_same(play(env, key, own), expected)
    assert info["lane"].shape == (steps, 4)


def test_one_policy_for_all_is_the_same_as_a_copy_for_each_and_both_act_in_one_call():
    pull, actions = jnp.float32(0.25), np.zeros((6, 1), np.float32)
    calls = []
    together = seat(CROWD, "walker_1", Leaning(pull, calls))
    apart = seat(CROWD, "walker_1", [Leaning(jnp.array(pull), calls) for _ in range(3)])
    calls.clear()
    result = play(together, jax.random.key(0), actions)
    assert len(calls) == 1
    assert_same(result, play(apart, jax.random.key(0), actions))
    assert len(calls) == 2
    assert jax.tree.leaves(together.default_params.rivals)[0].shape == ()
    assert jax.tree.leaves(apart.default_params.rivals)[0].shape == (3,)


def test_rivals_of_different_kinds_sit_where_they_were_put():
    mixed = seat(CROWD, "walker_2", [Constant(jnp.array([0.5])), Still(), Constant(jnp.array([-1.0]))])
    _, (*_, info) = play(mixed, jax.random.key(0), np.full((1, 1), 0.25, np.float32))
    assert info["lane"].tolist() == [[0.5, 0.0, 0.25, -1.0]]


def test_the_market_s_draws_do_not_depend_on_the_rivals():
    pushes = []
    for rival in (Still(), Leaning(jnp.float32(0.5))):
        _, (*_, info) = play(seat(CROWD, "walker_0", rival), jax.random.key(2), np.zeros((6, 1), np.float32))
        pushes.append(info["moves"][:, 1])
    assert_same(*pushes)


def test_seats_with_rivals_that_differ_in_numbers_share_a_program_and_others_do_not():
    one, other = (seat(CROWD, "walker_0", Constant(jnp.array([move]))) for move in (0.25, 0.5))
    assert (one, hash(one)) == (other, hash(other))
    assert one != seat(CROWD, "walker_1", Constant(jnp.array([0.25])))
    assert one != seat(Crowd(num_agents=3), "walker_0", Constant(jnp.array([0.25])))
    assert one != seat(CROWD, "walker_0", [Constant(jnp.array([float(i)])) for i in range(3)])
    actions = np.zeros((2, 1), np.float32)
    assert_same(play(one, jax.random.key(0), actions, other.default_params), play(other, jax.random.key(0), actions))


def test_a_seat_is_an_environment_like_any_other():
    env = seat(CROWD, "walker_1", Still())
    single = GymEnv(env)
    assert isinstance(single.action_space, gymnasium.spaces.Box)
    single.reset(seed=0)
    observation, reward, *_, info = single.step(np.array([0.5], np.float32))
    assert (observation.tolist(), reward) == ([1.0, info["position"]], 1 - abs(info["position"]))
    result = rtb_envs.rollout(env, Constant(jnp.array([0.25])), num_envs=3, num_steps=12, seed=0)
    assert result.episodes.tolist() == [2, 2, 2]
    assert env.render_panels == CROWD.seat_panels


@pytest.mark.parametrize(
    ("agent", "rivals", "error", "message"),
    [
        ("walker_9", Still(), ValueError, "agent must be one of 'walker_0'"),
        ("walker_0", [Still()], ValueError, "rivals must be one policy or 3 of them, got 1"),
        ("walker_0", [Still(), Still(), 3], TypeError, "rivals must be policies with the methods init and act, got 3"),
        ("walker_0", "pid", TypeError, "rivals must be policies with the methods init and act, got 'pid'"),
        ("walker_0", Still, TypeError, "rivals must be policies with the methods init and act"),
        (
            "walker_0",
            Constant(jnp.zeros(2)),
            ValueError,
            "rivals must be such that actions are floats of shape (1,), got float32 of shape (2,) for walker_1",
        ),
        (
            "walker_3",
            [Still(), Constant(jnp.zeros(1, jnp.int32)), Still()],
            ValueError,
            "rivals must be such that actions are floats of shape (1,), got int32 of shape (1,) for walker_1",
        ),
    ],
)
def test_a_seat_that_cannot_be_played_is_refused(agent, rivals, error, message):
    with pytest.raises(error, match=re.escape(message)):
        seat(CROWD, agent, rivals)
