"""RTBGym's environments under their own names: arguments, attributes, markets of a seed, bidders and errors."""

from dataclasses import dataclass

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import rtb_envs
from rtb_envs.pytrees import pytree
from rtb_envs.rtbgym import CustomizedRTBEnv, LogisticRegression, RTBArguments, RTBEnv
from rtb_envs.rtbgym.simulator import Simulator
from rtb_envs.users.response import ConstantResponse
from tests.envs.rtbgym_reference import instance_of, load

SMALL = {"step_per_episode": 3, "n_ads": 6, "n_users": 5, "random_state": 1}


@pytest.fixture(scope="module")
def small():
    return RTBEnv(**SMALL)


def test_the_documented_example_runs_with_only_its_import_changed():
    env = RTBEnv(
        objective="click",
        cost_indicator="click",
        step_per_episode=14,
        initial_budget=5000,
        random_state=12345,
    )
    env = CustomizedRTBEnv(original_env=env, reward_predictor=None, action_type="discrete")
    for _ in range(2):
        obs, info = env.reset()
        done, steps, clicks = False, 0, 0
        while not done:
            action = env.action_space.sample()
            obs, reward, done, truncated, info = env.step(action)
            steps, clicks = steps + 1, clicks + reward
            assert not truncated
        assert steps == 14
        assert clicks == info["episode_click"] > 0
        assert 0 < info["remaining_budget"] <= 5000
        assert obs[:2].tolist() == [0, 5000]


@pytest.mark.parametrize(
    ("recorded", "arguments"),
    [
        (load("rtbgym_params.json")["params"], {"random_state": 12345}),
        (
            load("rtbgym_golden.json")["cases"][0]["params"],
            {
                "random_state": 7,
                "step_per_episode": 4,
                "n_ads": 6,
                "n_users": 5,
                "ad_feature_dim": 3,
                "user_feature_dim": 2,
            },
        ),
    ],
    ids=["12345", "7"],
)
def test_the_market_of_a_seed_is_rtbgyms_to_the_last_recorded_digit(recorded, arguments):
    with jax.enable_x64(True):
        ours, theirs = Simulator(RTBArguments(**arguments)).instance, instance_of(recorded)
        for left, right in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
            assert left.dtype == jnp.float64
            # The first file holds nine digits, the second all; the time factor is a sum in another order.
            np.testing.assert_allclose(left, right, rtol=5e-9 if arguments["random_state"] == 12345 else 1e-15)


@pytest.mark.parametrize(
    ("seed", "scaler"), [(12345, 43.34607625574621), (7, 47.80996047091371), (1, 45.46445453004681)]
)
def test_the_automatic_scaler_is_that_of_rtbgyms_sample(seed, scaler):
    """The scalers are RTBGym's at its default arguments."""
    assert float(RTBEnv(random_state=seed).params.scaler) == pytest.approx(scaler, rel=1e-6)


def test_a_wrapped_environment_has_the_scaler_of_rtbgyms_second_sample():
    wrapped = CustomizedRTBEnv(RTBEnv(random_state=12345), action_type="continuous")
    assert float(wrapped.params.scaler) == pytest.approx(43.38464, abs=5e-6)


def test_features_given_leave_the_others_those_of_a_market_that_draws_only_them():
    """RTBGym draws user features first where ad features are given."""
    given = RTBArguments(**SMALL, ad_feature_vector=np.ones((6, 5)))
    drawn = np.random.RandomState(1).normal(size=(5, 5))
    np.testing.assert_array_equal(Simulator(given).instance.user_features, drawn.astype(np.float32))


def test_spaces_and_attributes_are_rtbgyms(small):
    discrete = CustomizedRTBEnv(small, action_min=0.5, action_max=8.0, n_actions=5)
    continuous = CustomizedRTBEnv(small, action_type="continuous")
    for env in (small, discrete, continuous):
        assert env.observation_space.low.tolist() == [0] * 7
        assert env.observation_space.high.tolist() == [3, 3000, np.inf, np.inf, 1, np.inf, np.inf]
        assert (env.step_per_episode, env.initial_budget, env.action_dim) == (3, 3000, 1)
        assert env.obs_keys[3:5] == ("cost_per_mille_of_impression", "winning_rate")
    assert (small.action_space.low, small.action_space.high, small.standard_bid_price) == (0, np.inf, 50)
    assert (continuous.action_space.low, continuous.action_space.high) == (np.float32(0.1), 10)
    assert (discrete.action_space.n, discrete.n_actions, discrete.action_type) == (5, 5, "discrete")
    np.testing.assert_allclose(discrete.action_meaning, [0.5, 1, 2, 4, 8], rtol=1e-6)
    assert discrete.env is small
    assert (continuous.n_actions, continuous.action_meaning) == (None, None)


def test_an_episode_shows_what_rtbgym_shows(small):
    first, info = small.reset(seed=3)
    assert info == {}
    assert first[:2].tolist() == [0, 3000]
    assert ((first[2:5] > 0) & (first[2:5] < 1)).all()
    assert first[5] in (0, 1, 2)
    for t in range(1, 4):
        obs, reward, terminated, truncated, info = small.step(1.5)
        assert (terminated, truncated) == (t == 3, False)
        assert reward == info["conversion"]
        assert info["impression"] <= info["search_volume"]
        expected = [t, info["remaining_budget"]] if t < 3 else [0, 3000]
        assert obs[:2].tolist() == expected
        assert (obs[6] == 1.5) == (t < 3)
    assert [*small.reset(seed=3)[0]] == [*first]


@pytest.mark.parametrize(
    "action", [2, 2.0, np.float64(2), np.array(2.0), np.array([2.0]), np.array([2], np.int64), [2]]
)
def test_a_continuous_action_may_be_a_number_or_an_array_of_one(small, action):
    small.reset(seed=0)
    assert small.step(action)[0][6] == 2.0


@pytest.mark.parametrize("action", [-0.1, np.inf, np.nan, "1", None, [1.0, 2.0], np.ones((1, 1)), 1e39])
def test_a_wrong_continuous_action_is_refused(small, action):
    small.reset(seed=0)
    with pytest.raises((ValueError, TypeError), match="action must"):
        small.step(action)


def test_any_finite_multiplier_is_taken_as_it_is(small):
    small.reset(seed=0)
    obs, *_, info = small.step(1e38)
    assert obs[6] == np.float32(1e38)
    assert info["impression"] >= 1
    assert np.isfinite(list(info.values())).all()


def test_a_wrapper_leaves_the_environment_that_it_wraps_alone(small):
    before = float(small.params.scaler)
    CustomizedRTBEnv(small, scaler=5.0, reward_predictor=LogisticRegression())
    assert float(small.params.scaler) == before
    assert small.params.predicted_rate is None


def test_environments_share_nothing():
    one, other = RTBEnv(**SMALL), RTBEnv(**SMALL)
    starts = [env.reset(seed=9)[0].tolist() for env in (one, other)]
    one.step(1.0)
    two_steps = one.step(1.0)[0].tolist()
    other.step(1.0)
    assert starts[0] == starts[1]
    assert other.step(1.0)[0].tolist() == two_steps


def test_both_classes_pass_gymnasiums_checker(small, recwarn):
    for env in (small, CustomizedRTBEnv(small)):
        check_env(env, skip_render_check=True)
    advice = ("range=[-1, 1]", "value is infinity", "env.spec")
    warnings = [str(warning.message) for warning in recwarn]
    assert not [text for text in warnings if not any(part in text for part in advice)]


class TestRewardPredictors:
    def test_the_registered_environments_learn_the_bidder_as_rtbgym_does(self):
        """RTBGym's figure stems from scikit-learn's solver, which stops before the optimum."""
        core = rtb_envs.make("RTBEnv-continuous-v0")
        assert float(core.default_params.scaler) == pytest.approx(43.72542667679091, rel=5e-4)
        assert core.default_params.predicted_rate.shape == (7, 100, 100)

    def test_any_estimator_with_fit_and_predict_serves(self, small):
        seen = {}

        class Constant:
            def fit(self, X, y):
                seen.update(shape=X.shape, labels=set(y.tolist()))

            def predict(self, X):
                return np.full(len(X), 0.2)

        core = CustomizedRTBEnv(small, reward_predictor=Constant(), action_type="continuous").core
        assert seen == {"shape": (100_000, 11), "labels": {0, 1}}
        assert float(core.default_params.scaler) == pytest.approx(5.0)
        assert (core.default_params.predicted_rate == np.float32(0.2)).all()

    def test_a_logistic_regression_is_at_the_optimum_of_its_penalised_likelihood(self):
        rng = np.random.default_rng(0)
        X = rng.normal(size=(500, 3))
        y = rng.random(500) < 1 / (1 + np.exp(-X @ [2.0, -1.0, 0.0] - 1))
        model = LogisticRegression().fit(X, y)
        probability = model.predict_proba(X)
        np.testing.assert_allclose(probability.sum(axis=1), 1)
        residual = probability[:, 1] - y
        assert np.abs(X.T @ residual + model.coefficients[:3]).max() < 1e-6
        assert abs(residual.sum()) < 1e-6

    def test_it_agrees_with_scikit_learns(self):
        linear_model = pytest.importorskip("sklearn.linear_model")
        rng = np.random.default_rng(1)
        X = rng.normal(size=(2000, 4)) * [1, 10, 0.1, 1]
        y = rng.random(2000) < 0.1
        theirs = linear_model.LogisticRegression(tol=1e-10, max_iter=10_000).fit(X, y).predict_proba(X)
        np.testing.assert_allclose(LogisticRegression().fit(X, y).predict_proba(X), theirs, atol=1e-6)

    def test_it_refuses_labels_that_are_all_equal(self):
        with pytest.raises(ValueError, match="y must hold both labels"):
            LogisticRegression().fit(np.ones((3, 1)), [1, 1, 1])


@pytree
@dataclass(frozen=True)
class DearPrice:
    """A user's law: ad a costs ``level[a]``, more in later steps."""

    level: jax.Array

    def price(self, draw, ad, t):
        return self.level[ad] * (1 + 0.5 * t) + 0.01 * draw.uniform()

    @classmethod
    def from_instance(cls, instance):
        return cls(jnp.full(instance.ad_features.shape[0], 20.0))


@pytest.mark.parametrize(
    ("law", "level"), [(DearPrice, 20), (DearPrice(jnp.full(6, 30.0)), 30)], ids=["class", "instance"]
)
def test_a_price_law_may_be_a_class_or_an_instance(law, level):
    env = RTBEnv(**SMALL, WinningPriceDistribution=law, cost_indicator="impression", initial_budget=100_000)
    env.reset(seed=0)
    for t in range(3):
        info = env.step(1e6)[-1]
        assert info["cost"] == info["impression"] * int(level * (1 + 0.5 * t))


def test_rate_laws_may_be_given():
    rates = {"ClickThroughRate": ConstantResponse(jnp.full(6, 1.0), jnp.ones(3))}
    env = RTBEnv(
        **SMALL, **rates, ConversionRate=ConstantResponse(jnp.full(6, 1e-9), jnp.ones(3)), initial_budget=2**24
    )
    env.reset(seed=0)
    info = env.step(1.0)[-1]
    assert info["click"] == info["impression"] > 0
    assert info["conversion"] == 0
    assert float(env.params.scaler) == pytest.approx(1e9, rel=1e-5)


def test_ids_take_the_arguments_of_both_classes():
    env = gymnasium.make(
        "RTBEnv-discrete-v0", **SMALL, n_actions=4, action_min=1.0, action_max=8.0, reward_predictor=None
    )
    assert env.action_space == gymnasium.spaces.Discrete(4)
    env.reset(seed=0)
    assert env.step(1)[0][6] == 2.0
    env.close()
