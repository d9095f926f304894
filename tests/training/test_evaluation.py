import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rtb_envs
from rtb_envs.policies.constant import Constant
from rtb_envs.policies.linear import Linear
from rtb_envs.policies.retargeting import fixed_bid
from rtb_envs.random import EVALUATE, TUNE, lane_keys
from tests.training.guessing import HORIZON, Guess, Guessing, guessing_params
from training import held_out
from training.evaluation import Judge
from training.held_out import Method

SEEDS, EPISODES, TARGET = 3, 5, 0.5


@pytest.fixture(scope="module")
def judge():
    return Judge(Guessing(), EVALUATE, SEEDS, EPISODES, HORIZON)


@pytest.fixture(scope="module")
def costs(judge):
    """The random cost of each step of each episode [seeds, episodes, steps], drawn here by the environment's law."""
    env, params = Guessing(), guessing_params(TARGET)
    drawn = np.zeros((SEEDS, EPISODES, HORIZON))
    for seed in range(SEEDS):
        for episode, lane in enumerate(lane_keys(seed, EVALUATE, EPISODES)):
            key = jax.random.fold_in(lane, 0)
            state = env.initial(env.reset_noise(key, params), params)
            for t in range(HORIZON):
                drawn[seed, episode, t] = env.noise(key, state.__class__(jnp.int32(t), state.target), params)
    return drawn


def test_a_policy_is_judged_in_episode_0_of_the_lanes_of_each_seed(judge, costs):
    played = judge.play(Guess(jnp.float32(0.75)), guessing_params(TARGET))
    np.testing.assert_allclose(played.cost, costs, rtol=1e-6)
    np.testing.assert_allclose(played.totals["episode_return"], (1 - 0.25**2 - costs).sum(axis=-1), rtol=1e-6)
    np.testing.assert_array_equal(played.value, played.totals["episode_return"])


def test_bounds_are_of_the_same_episodes(judge, costs):
    bounds = judge.bounds(guessing_params(TARGET))
    np.testing.assert_allclose(bounds.ceiling, (1 - costs).sum(axis=-1), rtol=1e-6)
    np.testing.assert_allclose(bounds.optimum, 1.1 * bounds.ceiling, rtol=1e-6)


def test_purposes_share_no_episode(costs):
    other = Judge(Guessing(), TUNE, SEEDS, EPISODES, HORIZON).play(Guess(jnp.float32(0)), guessing_params(TARGET))
    assert not np.isin(other.cost.astype(np.float32), costs.astype(np.float32)).any()


def test_a_horizon_that_is_too_short_is_refused():
    judge = Judge(Guessing(), EVALUATE, 2, 2, HORIZON - 1)
    with pytest.raises(ValueError, match=f"num_steps must be the length of every episode, got {HORIZON - 1}"):
        judge.play(Guess(jnp.float32(0)), guessing_params(TARGET))


def test_what_comes_after_the_end_of_an_episode_does_not_count(judge):
    longer = Judge(Guessing(), EVALUATE, SEEDS, EPISODES, HORIZON + 2)
    played, alike = (each.play(Guess(jnp.float32(0.75)), guessing_params(TARGET)) for each in (longer, judge))
    np.testing.assert_array_equal(played.value, alike.value)
    np.testing.assert_array_equal(played.cost[..., :HORIZON], alike.cost)
    assert not played.cost[..., HORIZON:].any()


@pytest.mark.parametrize("opportunities_per_step", [1, 5])
def test_an_advertiser_that_leaves_early_is_judged_by_what_it_had_then(opportunities_per_step):
    """A lone bidder pays 5 or 6 cents an impression, and with $1 is soon out of the market, which goes on."""
    horizon = 200
    options = {"opportunities_per_step": opportunities_per_step, "initial_budget": 1}
    env = rtb_envs.make("Retargeting-v0", num_customers=20, horizon=horizon, rivals=fixed_bid(0.01), **options)
    shape = env.action_space(env.default_params).shape
    policy = Constant(jnp.broadcast_to(jnp.float32([0.1, 0, 1]), shape))
    played = Judge(env, EVALUATE, 1, 2, horizon).play(policy, env.default_params)
    step = jax.jit(env.step_env)
    for i, lane in enumerate(lane_keys(0, EVALUATE, 2)):
        key, done, total, steps = jax.random.fold_in(lane, 0), False, 0.0, 0
        _, state = env.reset_env(key, env.default_params)
        while not done:
            _, state, reward, terminated, truncated, info = step(key, state, policy.action, env.default_params)
            total, steps, done = total + float(reward), steps + 1, bool(terminated | truncated)
        assert steps < horizon // opportunities_per_step
        np.testing.assert_allclose(played.totals["episode_return"][0, i], total, rtol=1e-4, atol=1e-5)
        for name in ("episode_revenue", "episode_cost", "episode_bids"):
            assert played.totals[name][0, i] == pytest.approx(float(info[name]))


@pytest.mark.parametrize(("objective", "total"), [("conversion", "expected_conversion"), ("click", "click")])
def test_an_advertiser_is_judged_by_what_rollout_reports_of_the_same_seed(objective, total):
    options = {"n_ads": 3, "n_users": 3, "horizon": 2, "search_volume_mean": 30.0, "initial_budget": 300}
    env = rtb_envs.make("AdAuction-v0", objective=objective, **options)
    policy = Linear.for_env(env, multiplier=2.0)
    played = Judge(env, EVALUATE, 2, 4, 2).play(policy, env.default_params)
    for seed in range(2):
        rolled = rtb_envs.rollout(env, policy, num_envs=4, num_steps=2, seed=seed)
        np.testing.assert_allclose(played.value[seed], rolled.totals[f"episode_{total}"], rtol=1e-6)
        np.testing.assert_allclose(played.cost[seed].sum(axis=-1), rolled.totals["episode_cost"])


@pytest.fixture(scope="module")
def evaluated(judge):
    """A learner that misses the target by 1/4 beside rules that miss it by 1/2 and not at all."""
    learner, *rules = (
        Method(name, name, Guess(jnp.float32(TARGET + miss)))
        for name, miss in (("ours", 0.25), ("far", 0.5), ("at", 0.0))
    )
    return held_out.evaluate(judge, guessing_params(TARGET), learner, rules, 1000)


def test_shares_are_of_sums_over_all_episodes_and_by_seed(evaluated, costs):
    ours = evaluated["methods"][0]
    value, ceiling = (1 - 0.25**2 - costs).sum(axis=-1), (1 - costs).sum(axis=-1)
    assert ours["share_of_ceiling"]["estimate"] == pytest.approx(value.sum() / ceiling.sum())
    assert ours["share_of_optimum"]["estimate"] == pytest.approx(value.sum() / ceiling.sum() / 1.1)
    assert ours["share_of_ceiling"]["by_seed"] == pytest.approx(list(value.sum(axis=1) / ceiling.sum(axis=1)))
    assert ours["value"]["estimate"] == pytest.approx(value.mean())


def test_leads_are_paired_so_that_a_lead_that_never_varies_has_no_width(evaluated):
    far, at = evaluated["differences"]
    assert (far["rule"], at["rule"]) == ("far", "at")
    expected = {"far": HORIZON * (0.5**2 - 0.25**2), "at": -HORIZON * 0.25**2}
    for difference in (far, at):
        lead = expected[difference["rule"]]
        assert [difference["value"][end] for end in ("low", "estimate", "high")] == pytest.approx([lead] * 3, rel=1e-5)
    # Their own values vary with the costs of the episodes.
    ours = evaluated["methods"][0]["value"]
    assert ours["high"] - ours["low"] > 0.01


def test_spending_starts_at_nothing_and_ends_at_the_budget_use():
    env = rtb_envs.make("AdAuction-v0", n_ads=3, n_users=3, horizon=2, search_volume_mean=30.0, initial_budget=300)
    learner, rule = (Method(name, name, Linear.for_env(env, multiplier=m)) for name, m in (("a", 10.0), ("b", 1.0)))
    found = held_out.evaluate(Judge(env, EVALUATE, 2, 4, 2), env.default_params, learner, [rule], 100)
    for method in found["methods"]:
        path = method["spent_by_step"]["mean"]
        assert len(path) == 3
        assert path[0] == 0
        assert sorted(path) == path
        assert path[-1] == pytest.approx(method["budget_use"]["estimate"])
        assert 0 < path[-1] < 1
