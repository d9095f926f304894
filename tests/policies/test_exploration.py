"""Exploration around rules: what is drawn follows the propensities, and these follow the formulas."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import rtb_envs
from rtb_envs import compile
from rtb_envs.policies.constant import Constant
from rtb_envs.policies.exploration import EpsilonGreedy, GaussianExploration, SoftmaxExploration
from rtb_envs.policies.linear import Linear
from rtb_envs.policies.stochastic import is_stochastic
from rtb_envs.policies.uniform_random import UniformRandom
from rtb_envs.random import Stream
from tests.toy import Toy

DISCRETE = Toy(discrete=True)
BOX = Toy()
OBSERVATION = jnp.zeros(2)
DRAWS = 20_000


@pytest.fixture(scope="module")
def auction():
    return rtb_envs.make("AdAuctionDiscrete-v0")


def drawn(policy, params=None, draws=DRAWS, observation=OBSERVATION):
    """Independent actions of the policy at the start of an episode, and the log propensity of each."""

    def draw(stream, policy, params):
        carry = policy.init(params)
        action = policy.act(stream, carry, observation)[0]
        return action, policy.log_propensity(carry, observation, action)

    streams = Stream.from_key(jax.random.split(jax.random.key(0), draws))
    return jax.device_get(compile.jit(jax.vmap(draw, (0, None, None)))(streams, policy, params))


# The probability that a right sampler fails a chi-squared or a Kolmogorov-Smirnov test here is 1e-6 each.
FALSE_ALARM = 1e-6


def assert_frequencies(actions, probabilities):
    counts = np.bincount(actions, minlength=len(probabilities))
    assert counts[probabilities == 0].sum() == 0
    kept = probabilities * DRAWS > 5
    expected = np.append(probabilities[kept], probabilities[~kept].sum() + 1e-12) * DRAWS
    assert stats.chisquare(np.append(counts[kept], counts[~kept].sum()), expected * DRAWS / expected.sum())[1] > (
        FALSE_ALARM
    )


def test_epsilon_greedy_takes_the_rules_action_or_any_evenly():
    policy = EpsilonGreedy.for_env(DISCRETE, Constant(jnp.int32(6)), epsilon=0.3)
    actions, log_propensity = drawn(policy)
    assert_frequencies(actions - 5, np.array([0.1, 0.8, 0.1]))
    np.testing.assert_allclose(np.exp(log_propensity), np.where(actions == 6, 0.8, 0.1), rtol=1e-6)


def test_without_epsilon_it_is_the_rule_itself():
    policy = EpsilonGreedy.for_env(DISCRETE, Constant(jnp.int32(6)), epsilon=0)
    actions, log_propensity = drawn(policy, draws=100)
    assert set(actions) == {6}
    assert (log_propensity == 0).all()
    assert policy.log_propensity((), OBSERVATION, jnp.int32(5)) == -np.inf


def test_softmax_prefers_multipliers_near_the_rules_by_a_log_normal_law(auction):
    params = auction.default_params
    policy = SoftmaxExploration.for_env(auction, Linear.for_env(auction, multiplier=1.3), log_std=0.5)
    actions, log_propensity = drawn(policy, params, observation=jnp.zeros(7))
    distance = np.log(np.asarray(params.action_meanings, float)) - np.log(params.action_meanings[5])  # 1.29
    weight = np.exp(-(distance**2) / 0.5)
    probabilities = weight / weight.sum()
    assert_frequencies(actions, probabilities)
    np.testing.assert_allclose(np.exp(log_propensity), probabilities[actions], rtol=1e-5)


@pytest.mark.parametrize(("mean", "std"), [((0.0, 0.9), 0.5), ((-1.0, 1.0), 0.2), ((0.3, -0.3), 8.0), ((5, -5), 1.0)])
def test_gaussian_noise_on_a_linear_scale_is_a_truncated_normal_law(mean, std):
    policy = GaussianExploration.for_env(BOX, Constant(jnp.array(mean, jnp.float32)), std=std)
    actions, log_propensity = drawn(policy)
    centre = np.clip(mean, -1, 1)
    laws = [stats.truncnorm((-1 - c) / std, (1 - c) / std, c, std) for c in centre]
    for entry, law in enumerate(laws):
        assert stats.kstest(actions[:, entry], law.cdf).pvalue > FALSE_ALARM
    expected = sum(law.logpdf(actions[:, entry].astype(float)) for entry, law in enumerate(laws))
    np.testing.assert_allclose(log_propensity, expected, atol=2e-4)


def test_noise_on_a_bid_multiplier_is_log_normal_with_a_density_that_integrates_to_one():
    env = rtb_envs.make("AdAuction-v0")
    policy = GaussianExploration.for_env(env, Linear.for_env(env, multiplier=8.0), std=0.5)
    actions, _ = drawn(policy, env.default_params, observation=jnp.zeros(7))
    assert env.action_space(env.default_params).contains(actions[0])
    below, above = (np.log([0.1, 10]) - np.log(8)) / 0.5
    law = stats.truncnorm(below, above, np.log(8), 0.5)
    assert stats.kstest(np.log(actions[:, 0]), law.cdf).pvalue > FALSE_ALARM
    grid = np.linspace(0.1, 10, 20_001, dtype=np.float32)
    density = np.exp(jax.vmap(lambda m: policy.log_propensity((), jnp.zeros(7), m[None]))(jnp.asarray(grid)))
    assert np.trapezoid(density, grid) == pytest.approx(1, abs=1e-3)


def test_no_action_is_without_density_however_far_it_is():
    env = rtb_envs.make("AdAuction-v0")
    policy = GaussianExploration.for_env(env, Linear.for_env(env, multiplier=10.0), std=0.01)
    assert np.isfinite(policy.log_propensity((), jnp.zeros(7), jnp.array([0.1])))


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        (BOX, lambda action: np.log(1 / 2 / 2)),
        (DISCRETE, lambda action: np.log(1 / 3)),
        ("AdAuction-v0", lambda action: -np.log(action[0] * np.log(100))),
    ],
    ids=["linear", "integer", "log"],
)
def test_the_uniform_rule_knows_its_propensities(env, expected):
    env = rtb_envs.make(env) if isinstance(env, str) else env
    actions, log_propensity = drawn(UniformRandom.for_env(env), draws=5)
    np.testing.assert_allclose(log_propensity, [expected(action) for action in actions], rtol=1e-5)


def test_only_policies_that_know_propensities_count_as_stochastic():
    assert is_stochastic(UniformRandom.for_env(BOX))
    assert is_stochastic(EpsilonGreedy.for_env(DISCRETE, Constant(jnp.int32(6))))
    assert not is_stochastic(Constant(jnp.int32(6)))


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: EpsilonGreedy.for_env(BOX, Constant(jnp.zeros(2))), TypeError, "action space must be Discrete, got"),
        (
            lambda: EpsilonGreedy.for_env(DISCRETE, Constant(jnp.int32(6)), epsilon=1.5),
            ValueError,
            r"epsilon must be a finite number in \[0, 1\], got 1.5",
        ),
        (
            lambda: EpsilonGreedy.for_env(DISCRETE, UniformRandom.for_env(DISCRETE)),
            ValueError,
            "rule must be a policy that draws nothing itself, got UniformRandom",
        ),
        (
            lambda: SoftmaxExploration.for_env(DISCRETE, Constant(jnp.int32(6))),
            ValueError,
            "action_meanings must be the multiplier of each action, got None",
        ),
        (
            lambda: GaussianExploration.for_env(DISCRETE, Constant(jnp.int32(6))),
            TypeError,
            "action space must be a Box of floats, got Discrete",
        ),
        (
            lambda: GaussianExploration.for_env(BOX, Constant(jnp.zeros(2)), std=0.0),
            ValueError,
            r"std must be a finite number in \(0, 1e\+06\], got 0.0",
        ),
    ],
)
def test_wrong_arguments_are_refused(build, error, message):
    with pytest.raises(error, match=message):
        build()
