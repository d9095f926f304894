"""Compiled rollouts against loops over single environments, and what they refuse."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rtb_envs
from rtb_envs.envs.ad_auction import AdAuction
from rtb_envs.policies.constant import Constant
from rtb_envs.policies.linear import Linear
from rtb_envs.policies.pid import PID
from rtb_envs.pytrees import pytree
from rtb_envs.random import EVALUATE, TRAIN, TUNE, Stream, lane_keys
from rtb_envs.rollouts import rollout, run_lanes
from rtb_envs.rollouts.chunk import POLICY_SITE
from rtb_envs.rollouts.lanes import resolve
from tests.toy import Toy, ToyParams

TOY = Toy()
STEPS = 20
MARKET = {"horizon": 4, "search_volume_mean": 30, "search_volume_std": 3, "initial_budget": 300}


@pytree
@dataclass(frozen=True)
class Alternating:
    """Random actions to the right in the even steps of an episode and to the left in the odd ones.

    ``traces`` counts how often it is traced.
    """

    size: jax.Array
    traces = 0

    def init(self, params):
        return jnp.float32(1)

    def act(self, stream, carry, observation):
        Alternating.traces += 1
        return carry * self.size * stream.uniform(jnp.arange(2)), -carry


ALTERNATING = Alternating(jnp.float32(0.75))


@pytest.fixture(scope="module")
def auction():
    return rtb_envs.make("AdAuction-v0", **MARKET)


def assert_equal_rows(result, row, other):
    """The rows ``row`` of a rollout are those of another one, bit for bit."""
    np.testing.assert_array_equal(result.episodes[row], other.episodes)
    assert result.totals.keys() == other.totals.keys()
    for name, total in result.totals.items():
        np.testing.assert_array_equal(total[row], other.totals[name], err_msg=name)


def episodes_of_one_lane(lane_key, num_steps, params):
    """Return and length of each episode that ends within ``num_steps`` steps, by a loop over the environment."""
    reset_env, step_env, act = jax.jit(TOY.reset_env), jax.jit(TOY.step_env), jax.jit(Alternating.act)
    stream = Stream.from_key(lane_key).site(POLICY_SITE)
    finished, rewards = [], None
    for t in range(num_steps):
        if rewards is None:
            key = jax.random.fold_in(lane_key, len(finished))
            observation, state = reset_env(key, params)
            carry, rewards = ALTERNATING.init(params), []
        action, carry = act(ALTERNATING, stream.step(t), carry, observation)
        observation, state, reward, terminated, truncated, _ = step_env(key, state, action, params)
        rewards.append(float(reward))
        if terminated or truncated:
            finished.append((sum(rewards), len(rewards)))
            rewards = None
    return finished


def test_statistics_are_those_of_a_loop_over_single_environments():
    result = rollout(TOY, ALTERNATING, num_envs=4, num_steps=STEPS, seed=3)
    keys = lane_keys(3, EVALUATE, 4)
    lengths = set()
    for lane in range(4):
        finished = episodes_of_one_lane(keys[lane], STEPS, TOY.default_params)
        lengths |= {length for _, length in finished}
        assert result.episodes[lane] == len(finished)
        assert result.totals["episode_length"][lane] == sum(length for _, length in finished)
        assert result.totals["episode_return"][lane] == pytest.approx(sum(total for total, _ in finished), abs=1e-5)
    assert len(lengths) > 1
    assert result.totals.keys() == {"episode_return", "episode_length"}


def test_totals_are_those_that_the_environment_tells_at_an_episode_s_end(auction):
    policy = Linear.for_env(auction, multiplier=1.5)
    result = rollout(auction, policy, num_envs=16, num_steps=9, seed=0)
    step_env, reset_env = jax.jit(auction.step_env), jax.jit(auction.reset_env)
    expected = dict.fromkeys(result.totals, 0.0)
    for episode in range(2):
        key = jax.random.fold_in(lane_keys(0, EVALUATE, 16)[1], episode)
        _, state = reset_env(key, auction.default_params)
        for _ in range(4):
            _, state, reward, _, _, info = step_env(key, state, policy.multiplier[None], auction.default_params)
            expected["episode_return"] += float(reward)
            expected["episode_length"] += 1
        for name in result.totals.keys() - {"episode_return", "episode_length"}:
            expected[name] += float(info[name])
    assert {"episode_cost", "episode_expected_conversion"} < expected.keys()
    assert (result.episodes == 2).all()
    for name, total in result.totals.items():
        assert total[1] == pytest.approx(expected[name], rel=1e-6), name


def test_a_batch_of_lanes_is_those_lanes_alone(auction):
    keys = lane_keys(5, EVALUATE, 3)
    together = run_lanes(auction, PID.for_env(auction), keys, 8)
    for lane in range(3):
        alone = run_lanes(auction, PID.for_env(auction), keys[lane : lane + 1], 8)
        assert_equal_rows(together, slice(lane, lane + 1), alone)


def test_results_do_not_depend_on_how_lanes_are_divided_into_chunks():
    count = TOY.lanes_at_once + 3  # two chunks, the second filled up
    result = rollout(TOY, ALTERNATING, num_envs=count, num_steps=STEPS, seed=1)
    keys = lane_keys(1, EVALUATE, count)
    for first in (0, count // 2, count - 4):
        rows = slice(first, first + 4)
        assert_equal_rows(result, rows, run_lanes(TOY, ALTERNATING, keys[rows], STEPS))


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_markets(auction):
    policy = Linear.for_env(auction)
    first, again, other = (rollout(auction, policy, num_envs=16, num_steps=4, seed=seed) for seed in (2, 2, 3))
    assert_equal_rows(first, slice(None), again)
    assert (first.totals["episode_search_volume"] != other.totals["episode_search_volume"]).any()


def test_an_episode_that_the_last_step_leaves_unfinished_does_not_count(auction):
    policy = Linear.for_env(auction)
    whole, and_a_half, too_short = (rollout(auction, policy, 16, steps, seed=2) for steps in (4, 6, 3))
    assert_equal_rows(whole, slice(None), and_a_half)
    assert not too_short.episodes.any()
    assert not too_short.totals["episode_cost"].any()


def test_every_lane_may_have_its_own_policy_and_its_own_market():
    keys = lane_keys(0, EVALUATE, 3)
    lengths, sizes = jnp.array([2, 4, 9]), jnp.array([0.5, 0.75, 1.0])
    params = ToyParams(lengths, jnp.full(3, 2.0))
    result = run_lanes(TOY, Alternating(sizes), keys, STEPS, params, policy_axis=0, params_axis=0)
    for lane in range(3):
        market = ToyParams(lengths[lane], jnp.float32(2))
        alone = run_lanes(TOY, Alternating(sizes[lane]), keys[lane : lane + 1], STEPS, market)
        assert_equal_rows(result, slice(lane, lane + 1), alone)


def test_the_program_is_compiled_once_for_an_environment_a_kind_of_policy_and_a_number_of_lanes():
    first = rollout(TOY, ALTERNATING, num_envs=6, num_steps=3, seed=0)
    second = rollout(TOY, Alternating(jnp.float32(0.1)), num_envs=6, num_steps=50, seed=1)
    assert first.compile_seconds > 0
    assert second.compile_seconds == 0
    assert second.run_seconds > 0
    assert second.steps_per_second == pytest.approx(6 * 50 / second.run_seconds)


def test_an_id_means_the_registered_environment_and_always_the_same_one():
    env = resolve("AdAuction-v0")
    assert isinstance(env, AdAuction)
    assert env.id == "AdAuction-v0"
    assert resolve("AdAuction-v0") is env


def test_purposes_and_seeds_share_no_lane():
    keys = [lane_keys(seed, purpose, 64) for seed in range(4) for purpose in (TRAIN, TUNE, EVALUATE)]
    words = np.concatenate([jax.random.key_data(key) for key in keys])
    assert len(np.unique(words, axis=0)) == len(words)


ARGUMENTS = {"env": TOY, "policy": Constant(jnp.zeros(2)), "num_envs": 2, "num_steps": 3, "seed": 0}


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"num_envs": 0}, ValueError, r"num_envs must be an integer in \[1, 16777216\], got 0"),
        ({"num_envs": 2.0}, TypeError, r"num_envs must be an integer in .*, got 2.0 of type float"),
        ({"num_envs": True}, TypeError, "num_envs must be an integer in .*, got True of type bool"),
        ({"num_steps": -1}, ValueError, r"num_steps must be an integer in \[1, 2147483647\], got -1"),
        ({"num_steps": "7"}, TypeError, "num_steps must be an integer in .*, got '7' of type str"),
        ({"seed": -1}, ValueError, r"seed must be an integer in \[0, 4294967295\], got -1"),
        ({"seed": 2**32}, ValueError, r"seed must be an integer in \[0, 4294967295\], got 4294967296"),
        ({"seed": None}, TypeError, "seed must be an integer in .*, got None of type NoneType"),
        ({"env": "AdAuction"}, ValueError, "id must be one of AdAuction-v0, .*; got 'AdAuction'"),
        ({"env": object}, TypeError, "env must be an id or a functional core .*, got <class 'object'>"),
        ({"policy": lambda observation: 0}, TypeError, "policy must be an object with the methods init and act"),
        ({"policy": Constant}, TypeError, "policy must be an object with the methods init and act .not its class"),
        (
            {"policy": Constant(jnp.zeros(3))},
            ValueError,
            r"policy must be .* floats of shape \(2,\), got float32 of .*3",
        ),
        ({"policy": Constant(jnp.int32([0, 0]))}, ValueError, r"policy must be .* floats of shape \(2,\), got int32"),
        ({"env": Toy(discrete=True)}, ValueError, r"policy must be .* integers of shape \(\), got float32 of shape"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_runs(changes, error, message):
    with pytest.raises(error, match=message):
        rollout(**{**ARGUMENTS, **changes})


def test_the_largest_seed_is_a_seed():
    assert rollout(**{**ARGUMENTS, "seed": 2**32 - 1}).num_envs == 2


@pytest.mark.parametrize(
    ("params", "axis", "error", "message"),
    [
        (ToyParams(jnp.full(5, 6), jnp.full(5, 2.0)), 0, ValueError, r"longest_episode must lead with the 4 lanes"),
        (ToyParams(jnp.full(4, 6), jnp.full(3, 2.0)), 0, ValueError, r"edge must lead with the 4 lanes .*shape \(3,\)"),
        (TOY.default_params, 0, ValueError, r"must lead with the 4 lanes where params_axis is 0, got shape \(\)"),
        (None, 0, ValueError, "must lead with the 4 lanes"),
        (TOY.default_params, 1, ValueError, "params_axis must be one of None, 0, got 1"),
        (3, None, TypeError, "params must be None or ToyParams of the environment, got 3"),
    ],
)
def test_parameters_that_do_not_fit_the_lanes_are_refused(params, axis, error, message):
    with pytest.raises(error, match=message):
        rollout(TOY, ALTERNATING, num_envs=4, num_steps=STEPS, seed=3, params=params, params_axis=axis)
