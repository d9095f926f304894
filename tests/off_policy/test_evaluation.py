"""The evaluation of a whole log, its parts against formulas, and its estimates against true values."""

from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

import rtb_envs
from rtb_envs.off_policy import evaluate, q_model
from rtb_envs.off_policy.target import NUM_DRAWS, follow
from rtb_envs.policies.constant import Constant
from rtb_envs.policies.exploration import EpsilonGreedy, GaussianExploration
from rtb_envs.policies.uniform_random import UniformRandom
from rtb_envs.pytrees import pytree
from tests.toy import Toy

TOY, BOX = Toy(discrete=True), Toy()


@pytree
@dataclass(frozen=True)
class TurningBack:
    """Goes left until it has been left of the origin, and right ever after."""

    def init(self, params):
        return jnp.zeros((), bool)

    def act(self, stream, carry, observation):
        turned = carry | (observation[1] < 0)
        return jnp.where(turned, 7, 5), turned


@pytest.fixture(scope="module")
def walks():
    """Random walks, of a policy that takes each of the three actions equally often."""
    return rtb_envs.log_episodes(TOY, UniformRandom.for_env(TOY), 6000, seed=0, max_steps=6)


def right(epsilon):
    """A policy that mostly steps to the right."""
    return EpsilonGreedy.for_env(TOY, Constant(jnp.int32(7)), epsilon=epsilon)


def test_a_target_is_followed_with_the_propensities_of_every_action(walks):
    followed = follow(walks, right(0.6), TOY.default_params)
    logged = walks.by_episode(walks.action)
    in_progress = np.arange(6) < walks.lengths[:, None]
    expected = np.where(logged == 7, np.log(0.6), np.log(0.2)) * in_progress[:, : logged.shape[1]]
    np.testing.assert_allclose(followed.log_propensity, expected, rtol=1e-5)
    assert (followed.action == [5, 6, 7]).all()
    np.testing.assert_allclose(followed.probability - [0.2, 0.2, 0.6], 0, atol=1e-6)


def test_a_target_with_a_memory_remembers_what_it_would_have(walks):
    followed = follow(walks, EpsilonGreedy.for_env(TOY, TurningBack(), epsilon=0.3), TOY.default_params)
    side = walks.by_episode(np.sign(walks.observation[:, 1]))
    turned = np.maximum.accumulate(side < 0, axis=1)  # it has been left of the origin
    greedy = np.where(turned, 7, 5)
    logged, in_progress = walks.by_episode(walks.action), walks.by_episode(np.ones(walks.num_steps, bool))
    expected = np.where(logged == greedy, np.log(0.8), np.log(0.1)) * in_progress
    np.testing.assert_allclose(followed.log_propensity, expected, rtol=1e-5)


def test_on_its_own_episodes_a_policy_is_worth_what_they_brought(walks):
    evaluation = evaluate(walks, UniformRandom.for_env(TOY), TOY.default_params, bootstrap_samples=50)
    mean = walks.returns.mean()
    assert evaluation.logged_return.value == pytest.approx(mean)
    for name in ("IS", "WIS", "PDIS"):
        assert evaluation.estimates[name].value == pytest.approx(mean, rel=1e-5)
    assert evaluation.effective_sample_size == pytest.approx(6000, rel=1e-4)


# Each |z| is beyond 4.5 with probability 7e-6; ten of them here.
@pytest.mark.parametrize("epsilon", [0.3, 0.8])
def test_estimates_agree_with_the_true_value_in_other_episodes(walks, epsilon):
    evaluation = evaluate(walks, right(epsilon), TOY.default_params, confidence=0.6826895)
    truth = rtb_envs.log_episodes(TOY, right(epsilon), 6000, seed=1, max_steps=6).returns
    for name, estimate in evaluation.estimates.items():
        error = np.hypot((estimate.high - estimate.low) / 2, truth.std() / np.sqrt(len(truth)))
        assert abs(estimate.value - truth.mean()) < 4.5 * error, name


def test_each_refinement_narrows_the_interval(walks):
    estimates = evaluate(walks, right(0.3), TOY.default_params).estimates
    width = {name: estimate.high - estimate.low for name, estimate in estimates.items()}
    assert width["DR"] < width["PDIS"] < width["IS"]


def test_continuous_actions_are_evaluated_by_their_densities():
    behaviour = GaussianExploration.for_env(BOX, Constant(jnp.zeros(2)), std=0.6)
    target = GaussianExploration.for_env(BOX, Constant(jnp.array([0.2, 0.0])), std=0.5)
    log = rtb_envs.log_episodes(BOX, behaviour, 6000, seed=0, max_steps=6)
    assert follow(log, target, BOX.default_params).action.shape[2:] == (NUM_DRAWS, 2)
    evaluation = evaluate(log, target, BOX.default_params, confidence=0.6826895)
    truth = rtb_envs.log_episodes(BOX, target, 6000, seed=1, max_steps=6).returns
    for name in ("WIS", "PDIS", "DR"):
        estimate = evaluation.estimates[name]
        error = np.hypot((estimate.high - estimate.low) / 2, truth.std() / np.sqrt(len(truth)))
        assert abs(estimate.value - truth.mean()) < 4.5 * error, name


def test_the_text_and_the_frame_tell_every_estimate(walks):
    evaluation = evaluate(walks, right(0.8), TOY.default_params, bootstrap_samples=20)
    frame = evaluation.frame()
    assert frame["estimator"].to_list() == ["IS", "WIS", "PDIS", "DR"]
    assert frame.row(3)[1:] == tuple(evaluation.estimates["DR"])
    lines = repr(evaluation).splitlines()
    assert lines[0].startswith("Off-policy evaluation in Toy-v0: 6,000 episodes, effective sample size ")
    assert [line.split()[0] for line in lines[2:]] == ["logged", "IS", "WIS", "PDIS", "DR"]


def test_the_fitted_model_is_the_true_one_where_that_is_linear():
    # Two steps; reward = s + 2a, the next state is s / 2 + a, the target always takes a = 1: Q_1 = s + 2a, V_1 = s + 2,
    # and Q_0 = s + 2a + (s / 2 + a + 2) / 2 with discount 1/2.
    rng = np.random.default_rng(0)
    first, action = rng.normal(size=(500, 1)), rng.integers(0, 2, (500, 2))
    state = np.hstack([first, first / 2 + action[:, :1]])

    def phi(state, action):
        return np.stack([np.ones_like(state), state, np.broadcast_to(action, state.shape)], axis=-1)

    theta = q_model.fit(phi(state, action), phi(state, 1), state + 2 * action, np.ones((500, 2), bool), 0.5, ridge=1e-9)
    np.testing.assert_allclose(theta, [[1, 1.25, 2.5], [0, 1, 2]], atol=1e-5)


def test_steps_that_did_not_take_place_teach_the_model_nothing():
    features, reward = np.ones((3, 2, 1)), np.array([[1.0, 100.0], [2.0, 4.0], [3.0, 100.0]])
    in_progress = np.array([[True, False], [True, True], [True, False]])
    theta = q_model.fit(features, features, reward, in_progress, 1.0, ridge=0.0)
    np.testing.assert_allclose(theta[:, 0], [(1 + 2 + 3 + 4) / 3, 4])
    nowhere = q_model.fit(features, features, reward, np.zeros((3, 2), bool), 1.0)
    assert not nowhere.any()


def test_box_features_are_all_products_of_standardised_entries():
    observation = np.array([[0.0, 5.0], [2.0, 5.0]])  # the second entry never varies
    features = q_model.Features.of(observation, spaces.Box(0.1, 10.0, (1,)))
    rows = features(observation, np.array([[1.0], [10.0]]))
    action = np.sqrt(12) / 2
    expected = [[1, -1, 0, 0, 1, 0, 0, 0, 0, 0], [1, 1, 0, action, 1, 0, action, 0, 0, action**2]]
    np.testing.assert_allclose(rows, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"log_propensity": None}, ValueError, "log must hold propensities"),
        ({"action_space": spaces.MultiBinary(3)}, TypeError, "action_space must be Discrete or a Box, got MultiBinary"),
    ],
)
def test_logs_that_can_not_be_evaluated_are_refused(walks, change, error, message):
    with pytest.raises(error, match=message):
        evaluate(replace(walks, **change), UniformRandom.for_env(TOY), TOY.default_params)


def test_policies_without_propensities_are_refused(walks):
    with pytest.raises(TypeError, match="policy must be a stochastic policy, with log_propensity, got Constant"):
        evaluate(walks, Constant(jnp.int32(6)), TOY.default_params)


def test_a_wrong_discount_is_refused(walks):
    with pytest.raises(ValueError, match=r"discount must be a finite number in \[0, 1\], got -0.5"):
        evaluate(walks, right(0.5), TOY.default_params, discount=-0.5)
