"""Estimators against a case worked by hand and against small Markov decision processes whose values are known."""

import numpy as np
import pytest

from rtb_envs.off_policy import (
    bootstrap,
    doubly_robust,
    effective_sample_size,
    importance_sampling,
    per_decision_importance_sampling,
    weighted_importance_sampling,
)
from rtb_envs.off_policy.estimators import Contributions

# Two episodes of two steps. Ratios (2, 1/2) and (1/2, 1): up to each step (2, 1) and (1/2, 1/2).
LOG_RATIO = np.log([[2.0, 0.5], [0.5, 1.0]])
REWARD = np.array([[1.0, 4.0], [2.0, 6.0]])
ACTION_VALUE = np.array([[3.0, 4.0], [1.0, 2.0]])
STATE_VALUE = np.array([[2.0, 1.0], [2.0, 3.0]])


def test_a_case_worked_by_hand():
    # With discount 1/2 the returns are 1 + 2 = 3 and 2 + 3 = 5, and the episodes' ratios 1 and 1/2.
    arguments = LOG_RATIO, REWARD
    np.testing.assert_allclose(importance_sampling(*arguments, 0.5).value, [3, 2.5])
    assert importance_sampling(*arguments, 0.5).estimate == pytest.approx(2.75)
    assert weighted_importance_sampling(*arguments, 0.5).estimate == pytest.approx(5.5 / 1.5)
    # 2 * 1 + 1 * 4 / 2 and 1/2 * 2 + 1/2 * 6 / 2.
    np.testing.assert_allclose(per_decision_importance_sampling(*arguments, 0.5).value, [4, 2.5])
    # 2 (1 - 3) + 1 * 2 + (1 (4 - 4) + 2 * 1) / 2 = -1 and 1/2 (2 - 1) + 2 + (1/2 (6 - 2) + 1/2 * 3) / 2 = 4.25.
    robust = doubly_robust(*arguments, ACTION_VALUE, STATE_VALUE, 0.5)
    np.testing.assert_allclose(robust.value, [-1, 4.25])
    assert effective_sample_size(LOG_RATIO) == pytest.approx(1.5**2 / 1.25)


def test_with_a_model_of_zeros_the_doubly_robust_estimator_is_importance_sampling_per_decision():
    robust = doubly_robust(LOG_RATIO, REWARD, np.zeros((2, 2)), np.zeros((2, 2)), 0.9)
    np.testing.assert_allclose(robust.value, per_decision_importance_sampling(LOG_RATIO, REWARD, 0.9).value)


def test_on_the_target_s_own_episodes_every_estimate_is_the_mean_return():
    for estimator in (importance_sampling, weighted_importance_sampling, per_decision_importance_sampling):
        assert estimator(np.zeros((2, 2)), REWARD).estimate == pytest.approx(6.5)
    assert effective_sample_size(np.zeros((2, 2))) == 2


def test_episodes_that_the_target_never_takes_count_nothing():
    log_ratio = np.array([[-np.inf, 0.0], [0.0, 0.0]])
    assert importance_sampling(log_ratio, REWARD).value[0] == 0
    assert weighted_importance_sampling(log_ratio, REWARD).estimate == 8
    assert np.isnan(weighted_importance_sampling(log_ratio[:1], REWARD[:1]).estimate)
    assert effective_sample_size(log_ratio[:1]) == 0


@pytest.mark.parametrize("shift", [800.0, -800.0])
def test_the_weighted_estimate_and_the_effective_sample_size_do_not_depend_on_the_ratios_scale(shift):
    # The weights are 1 and 1/2, times exp(shift), which float64 does not hold.
    log_ratio = LOG_RATIO + np.array([shift, 0.0])
    assert weighted_importance_sampling(log_ratio, REWARD, 0.5).estimate == pytest.approx(5.5 / 1.5)
    assert effective_sample_size(log_ratio) == pytest.approx(1.5**2 / 1.25)


def test_where_the_ratio_itself_counts_one_that_float64_does_not_hold_is_refused():
    log_ratio = np.array([[0.0, 0.0], [500.0, 300.0]])
    values = np.zeros((2, 2))
    message = r"log_ratio must sum to at most 709.78 up to each step .*, got 800 in episode 1 up to step 1"
    for call in (
        lambda: importance_sampling(log_ratio, REWARD),
        lambda: per_decision_importance_sampling(log_ratio, REWARD),
        lambda: doubly_robust(log_ratio, REWARD, values, values),
    ):
        with pytest.raises(ValueError, match=message):
            call()


STATES, ACTIONS, STEPS, EPISODES = 3, 2, 4, 40_000


class Process:
    """A random Markov decision process of a few steps, with tables for everything."""

    def __init__(self, seed, deterministic=False):
        rng = np.random.default_rng(seed)
        next_state = rng.dirichlet(np.ones(STATES), (STATES, ACTIONS))
        self.next_state = np.eye(STATES)[next_state.argmax(-1)] if deterministic else next_state
        self.reward = rng.normal(size=(STATES, ACTIONS))
        self.noise = 0.0 if deterministic else 0.5
        self.behaviour, self.target = rng.dirichlet([3, 3], (2, STATES))

    def values(self, discount):
        """Q [steps, states, actions] and V [steps, states] of the target, by dynamic programming."""
        q, v = np.zeros((STEPS, STATES, ACTIONS)), np.zeros((STEPS + 1, STATES))
        for t in reversed(range(STEPS)):
            q[t] = self.reward + discount * self.next_state @ v[t + 1]
            v[t] = (self.target * q[t]).sum(-1)
        return q, v[:-1]

    def log(self, seed):
        """States, actions, rewards and log ratios of the behaviour's episodes, which begin in state 0."""
        rng = np.random.default_rng(seed)
        state = np.zeros(EPISODES, int)
        steps = []
        for _ in range(STEPS):
            action = (rng.random(EPISODES) > self.behaviour[state, 0]).astype(int)
            reward = self.reward[state, action] + self.noise * rng.normal(size=EPISODES)
            steps.append((state, action, reward, np.log(self.target / self.behaviour)[state, action]))
            cumulative = self.next_state[state, action].cumsum(-1)
            state = np.minimum((rng.random((EPISODES, 1)) > cumulative).sum(-1), STATES - 1)
        return [np.stack(part, axis=1) for part in zip(*steps, strict=True)]


def deviation(value, truth):
    """The mean's distance from the truth in standard errors."""
    return abs(value.mean() - truth) / (value.std(ddof=1) / np.sqrt(len(value)))


# An unbiased estimate is off by more than 5 standard errors with probability 6e-7: for 15 of them 1e-5 together.
@pytest.mark.parametrize("seed", range(3))
def test_all_but_the_weighted_estimator_are_unbiased_and_each_refinement_has_less_variance(seed):
    process = Process(seed)
    q, v = process.values(0.9)
    state, action, reward, log_ratio = process.log(seed)
    t = np.arange(STEPS)
    plain = importance_sampling(log_ratio, reward, 0.9).value
    per_decision = per_decision_importance_sampling(log_ratio, reward, 0.9).value
    exact_model = doubly_robust(log_ratio, reward, q[t, state, action], v[t, state], 0.9).value
    wrong = q + np.random.default_rng(1).normal(size=q.shape) / 2
    wrong_state = (process.target * wrong).sum(-1)
    wrong_model = doubly_robust(log_ratio, reward, wrong[t, state, action], wrong_state[t, state], 0.9).value
    for value in (plain, per_decision, exact_model, wrong_model):
        assert deviation(value, v[0, 0]) < 5
    assert exact_model.var() < per_decision.var() < plain.var()
    weighted = weighted_importance_sampling(log_ratio, reward, 0.9)
    assert deviation(weighted.value - v[0, 0] * weighted.weight, 0) < 5


def test_the_doubly_robust_estimate_is_exact_in_every_episode_where_the_model_is_and_nothing_is_random():
    process = Process(3, deterministic=True)
    q, v = process.values(0.8)
    state, action, reward, log_ratio = process.log(3)
    t = np.arange(STEPS)
    robust = doubly_robust(log_ratio, reward, q[t, state, action], v[t, state], 0.8).value
    np.testing.assert_allclose(robust, v[0, 0], rtol=1e-9)


# 300 bootstrap intervals of 95 % miss Binomial(300, p) times; at 200 episodes p is near .055. Fewer than 3 or more than
# 36 misses have a probability below 1e-5 each.
def test_bootstrap_intervals_cover_as_often_as_they_say():
    rng = np.random.default_rng(0)
    misses = 0
    for seed in range(300):
        weight = rng.lognormal(-0.08, 0.4, 200)  # of mean 1
        contributions = Contributions(weight * rng.normal(3, 1, 200), weight)
        estimate = bootstrap(contributions, samples=400, seed=seed)
        assert estimate.low <= estimate.value <= estimate.high
        misses += not estimate.low <= 3 <= estimate.high
    assert 3 <= misses <= 36


def test_the_same_seed_gives_the_same_interval_and_more_confidence_a_wider_one():
    contributions = importance_sampling(*np.random.default_rng(0).normal(size=(2, 50, 3)))
    assert bootstrap(contributions, seed=4) == bootstrap(contributions, seed=4)
    wide, narrow = (bootstrap(contributions, confidence=confidence) for confidence in (0.99, 0.5))
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: importance_sampling(LOG_RATIO[0], REWARD), r"log_ratio must have shape \(episodes, steps\)"),
        (lambda: importance_sampling(LOG_RATIO, REWARD[:1]), r"reward must have shape \(2, 2\), got shape \(1, 2\)"),
        (lambda: importance_sampling(LOG_RATIO + np.nan, REWARD), "log_ratio must hold numbers below infinity"),
        (lambda: importance_sampling(LOG_RATIO + np.inf, REWARD), "log_ratio must hold numbers below infinity"),
        (lambda: importance_sampling(LOG_RATIO, REWARD, 1.1), r"discount must be .* in \[0, 1\], got 1.1"),
        (lambda: doubly_robust(LOG_RATIO, REWARD, ACTION_VALUE, STATE_VALUE * np.nan), "state_value must hold finite"),
        (lambda: bootstrap(Contributions(REWARD[0], REWARD[0]), samples=1), "samples must be an integer in"),
        (lambda: bootstrap(Contributions(REWARD[0], REWARD[0]), confidence=1.0), "confidence must be a finite number"),
    ],
)
def test_wrong_arrays_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
