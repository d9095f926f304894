"""What ContextualAuction's bidders and allocators learn from an iteration, against formulas and other solvers."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize

from rtb_envs.compile import jit
from rtb_envs.envs.contextual_auction import (
    BayesianLogistic,
    DoublyRobust,
    EmpiricallyShaded,
    Log,
    PolicyLearning,
    ValueLearning,
)
from rtb_envs.envs.contextual_auction.logistic import fit_logistic
from rtb_envs.envs.contextual_auction.policy_learning import LEAST_STD
from rtb_envs.envs.contextual_auction.value_learning import best_shading
from rtb_envs.random import Stream
from tests.envs.contextual_reference import sigmoid

fit = jit(fit_logistic)
best = jit(best_shading)


@functools.partial(jit, static_argnums=2)
def shaded(bidder, memory, rounds):
    draw = Stream.from_key(jax.random.key(0)).at(jnp.arange(rounds))
    return bidder.shade(draw, memory, jnp.full(rounds, 0.5), jnp.ones(rounds))


def log_of(proposed, surplus, *, won=None, clicked=None, ad=None, takes_part=None, log_propensity=0.0):
    """A log of rounds in which every ad is worth 1 and clicked half of the time, as the bidder believes."""
    rounds = len(proposed)
    flags = [np.ones(rounds, bool) if flag is None else np.asarray(flag) for flag in (takes_part, won, clicked)]
    return Log(
        takes_part=jnp.asarray(flags[0]),
        ad=jnp.zeros(rounds, jnp.int32) if ad is None else jnp.asarray(ad, jnp.int32),
        value=jnp.ones(rounds),
        estimated_ctr=jnp.full(rounds, 0.5),
        proposed=jnp.asarray(proposed, jnp.float32),
        log_propensity=jnp.broadcast_to(jnp.asarray(log_propensity, jnp.float32), (rounds,)),
        won=jnp.asarray(flags[1]),
        clicked=jnp.asarray(flags[2]),
        surplus=jnp.asarray(surplus, jnp.float32),
    )


@pytest.mark.parametrize("scale", [0.1, 1.0, 30.0])
def test_the_logistic_fit_is_the_minimum_that_scipy_finds(scale):
    rng = np.random.default_rng(1)
    features = rng.normal(size=(3, 300)) * np.array([[scale], [1.0], [0.0]]) + np.array([[0.0], [0.0], [1.0]])
    label = rng.random(300) < sigmoid(np.array([2 / scale, -1.0, -3.0]) @ features)
    weight, mean, precision = rng.random(300) < 0.8, np.array([0.5, 0.0, -1.0]), np.array([1.0, 2.0, 0.1])

    def loss(w):
        logit = w @ features
        return np.sum(weight * (np.logaddexp(0, logit) - label * logit)) + 0.5 * np.sum(precision * (w - mean) ** 2)

    expected = optimize.minimize(loss, mean, method="BFGS", options={"gtol": 1e-6}).x
    found = fit(*(jnp.asarray(array, jnp.float32) for array in (features, label, weight, mean, precision)))
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-3 / scale)


def test_without_data_the_fit_is_the_prior_and_separable_data_stay_finite():
    nothing = fit(jnp.ones((2, 4)), jnp.ones(4), jnp.zeros(4), jnp.array([0.3, -2.0]), jnp.ones(2))
    np.testing.assert_allclose(nothing, [0.3, -2.0], rtol=1e-6)
    features = jnp.stack([jnp.array([-1e3, -1.0, 1.0, 1e3]), jnp.ones(4)])
    separable = fit(features, jnp.array([0.0, 0.0, 1.0, 1.0]), jnp.ones(4), jnp.zeros(2), jnp.full(2, 0.01))
    assert np.isfinite(separable).all()
    assert separable[0] > 0


def test_the_bayesian_allocator_learns_each_ad_from_its_own_impressions_and_adds_laplace_s_precision():
    rng = np.random.default_rng(2)
    observed = np.vstack([rng.normal(size=(1, 400)), np.ones((1, 400))])
    ad, won = rng.integers(0, 2, 400), rng.random(400) < 0.7
    clicked = won & (rng.random(400) < sigmoid(observed[0] - 1))
    log = log_of(np.ones(400), np.zeros(400), won=won, clicked=clicked, ad=ad)
    allocator = BayesianLogistic(prior_precision=2.0)
    prior = allocator.init(3, 1)
    after = jit(allocator.update)(prior, jnp.asarray(observed, jnp.float32), log)
    for number in (0, 1):
        own = won & (ad == number)
        x, y = observed[:, own], clicked[own]

        def loss(w, x=x, y=y):
            return np.sum(np.logaddexp(0, w @ x) - y * (w @ x)) + np.sum(w**2)

        expected = optimize.minimize(loss, np.zeros(2), method="BFGS", options={"gtol": 1e-7}).x
        np.testing.assert_allclose(after.mean[number], expected, atol=1e-3)
        p = sigmoid(expected @ x)
        np.testing.assert_allclose(after.precision[number], 2 + x**2 @ (p * (1 - p)), rtol=1e-3)
    np.testing.assert_array_equal(after.mean[2], 0)
    np.testing.assert_array_equal(after.precision[2], 2)


@pytest.mark.parametrize(
    "coefficients", [(-3, 0.5, 0.2, 6), (1, 0, 0, 3), (-20, 1, 1, 25), (-2, 0, 0, 0.5), (8, 0, 0, 1)]
)
def test_the_best_shading_is_the_best_of_a_fine_grid(coefficients):
    grid = np.linspace(0.1, 1, 90_001)
    a = coefficients[0] + 0.5 * coefficients[1] + 2 * coefficients[2]
    expected = grid[np.argmax(sigmoid(a + coefficients[3] * grid) * (1 - grid))]
    found = best(np.array(coefficients, np.float32), np.float32(0.5), np.float32(2.0))
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_a_win_rate_that_does_not_rise_with_the_bid_is_answered_by_the_lowest_bid():
    found = best(np.array([0.0, 0.0, 0.0, -1.0], np.float32), np.float32(0.5), np.float32(1.0))
    np.testing.assert_allclose(found, 0.1)


def test_the_empirical_bidder_moves_to_the_bucket_whose_mean_is_surely_highest():
    # Buckets of 1/200: 0.90 earns 1 without spread, 0.80 earns 1.5 +- 1, and 0.70 earns 5 but in too few rounds.
    proposed = np.repeat([0.902, 0.802, 0.702], [50, 50, 19])
    surplus = np.concatenate([np.ones(50), 1.5 + np.tile([1.0, -1.0], 25), np.full(19, 5.0)])
    update = jit(EmpiricallyShaded().update)
    # 1.5 - 1.96 / sqrt(50) = 1.223 beats 1.
    np.testing.assert_allclose(update(jnp.float32(1), log_of(proposed, surplus)), 0.8025, rtol=1e-6)
    wider = np.where(proposed == 0.802, 1.5 + 2 * (surplus - 1.5), surplus)
    # 1.5 - 1.96 * 2 / sqrt(50) = 0.946 does not.
    np.testing.assert_allclose(update(jnp.float32(1), log_of(proposed, wider)), 0.9025, rtol=1e-6)
    nowhere = log_of(proposed, surplus, takes_part=np.zeros(119, bool))
    np.testing.assert_allclose(update(jnp.float32(0.7), nowhere), 0.7, rtol=1e-6)


def test_the_value_learning_bidder_falls_back_to_the_start_when_it_has_won_nothing():
    bidder = ValueLearning(exploration=0.01, initial=0.95)
    lost = log_of(np.full(100, 0.5), np.zeros(100), won=np.zeros(100, bool))
    memory = jit(bidder.update)(bidder.init(), lost)
    shading = shaded(bidder, memory, 500)
    np.testing.assert_allclose(shading.proposed.mean(), 0.95, atol=0.005)


def wins_above(threshold, rounds=4000):
    """A log of factors ~ N(0.7, 0.1**2) that win above ``threshold``: value 1, CTR 1/2, first price, mean surplus."""
    proposed = np.random.default_rng(3).normal(0.7, 0.1, rounds)
    won = proposed > threshold
    density = -0.5 * ((proposed - 0.7) / 0.1) ** 2 - np.log(0.1 * np.sqrt(2 * np.pi))
    return log_of(proposed, np.where(won, 0.5 - 0.5 * np.clip(proposed, 0, 1), 0), won=won, log_propensity=density)


@pytest.mark.parametrize("bidder", [PolicyLearning(0.1, 0.7), DoublyRobust(0.1, 0.7)], ids=repr)
@pytest.mark.parametrize(("threshold", "sign"), [(0.4, -1), (0.85, 1)])
def test_policies_move_towards_the_factors_that_earn_more(bidder, threshold, sign):
    @jit
    def learn(log):
        x = jnp.full(1, 0.5), jnp.ones(1)
        policy = bidder.init()
        return policy.distribution(*x), bidder.update(policy, log).distribution(*x)

    before, (mean, std) = learn(wins_above(threshold))
    np.testing.assert_allclose([value[0] for value in before], [0.7, 0.1], rtol=1e-5)
    assert sign * (mean[0] - 0.7) > 0.02
    assert std[0] > LEAST_STD


def test_propensities_are_those_of_the_normal_law_that_factors_are_drawn_from():
    shading = shaded(EmpiricallyShaded(exploration=0.2), np.float32(0.8), 5)
    expected = np.exp(-0.5 * ((np.asarray(shading.proposed) - 0.8) / 0.2) ** 2) / (0.2 * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(np.exp(shading.log_propensity), expected, rtol=1e-5)
