"""Wrong arguments of RTBGym's environments: each is refused by one error that names it and what it takes."""

import numpy as np
import pytest

import rtb_envs
from rtb_envs.rtbgym import CustomizedRTBEnv, LogisticRegression, NormalDistribution, RTBEnv

SMALL = {"step_per_episode": 3, "n_ads": 6, "n_users": 5, "random_state": 1}


@pytest.fixture(scope="module")
def small():
    return RTBEnv(**SMALL)


WRONG_ARGUMENTS = [
    ("objective", "impression", ValueError, "'conversion', 'click'"),
    ("cost_indicator", "reward", ValueError, "'click', 'impression', 'conversion'"),
    ("step_per_episode", 0, ValueError, "an integer in [1, "),
    ("step_per_episode", 7.0, TypeError, "an integer in [1, "),
    ("initial_budget", 3000.0, TypeError, "an integer in [1, 16777216]"),
    ("n_ads", 0, ValueError, "an integer in [1, "),
    ("n_users", "100", TypeError, "an integer in [1, "),
    ("ad_feature_dim", -1, ValueError, "an integer in [1, "),
    ("user_feature_dim", None, TypeError, "an integer in [1, "),
    ("ad_feature_vector", np.ones((6, 4)), ValueError, "shape (6, 5)"),
    ("user_feature_vector", np.full((5, 5), np.nan), ValueError, "finite numbers"),
    ("ad_sampling_rate", np.ones(5), ValueError, "shape (6,) or (3, 6)"),
    ("ad_sampling_rate", -np.ones(6), ValueError, "finite numbers in [0, "),
    ("user_sampling_rate", np.zeros((3, 5)), ValueError, "a positive sum in every step"),
    ("WinningPriceDistribution", 3, TypeError, "a law with a method 'price'"),
    ("ClickThroughRate", NormalDistribution, TypeError, "a law with a method 'rate'"),
    ("ConversionRate", "constant", TypeError, "a law with a method 'rate'"),
    ("standard_bid_price_distribution", 50, TypeError, "a NormalDistribution or None"),
    ("standard_bid_price_distribution", NormalDistribution(0.0, 1.0), ValueError, "a finite number in (0, "),
    ("standard_bid_price_distribution", NormalDistribution([1, 2], [1, 1]), TypeError, "a finite number in (0, "),
    ("minimum_standard_bid_price", 51, ValueError, "a finite number in [0, 50]"),
    ("search_volume_distribution", 200, TypeError, "a NormalDistribution or None"),
    ("search_volume_distribution", NormalDistribution([1, 2], [1, 1]), ValueError, "shape () or (3,)"),
    ("minimum_search_volume", 0, ValueError, "an integer in [1, "),
    ("random_state", None, TypeError, "an integer in [0, 4294967294]"),
    ("random_state", np.random.RandomState(0), TypeError, "an integer in [0, 4294967294]"),
]


@pytest.mark.parametrize(("name", "value", "error", "allowed"), WRONG_ARGUMENTS)
def test_a_wrong_argument_of_rtb_env_is_refused_by_name(name, value, error, allowed):
    with pytest.raises(error) as refused:
        RTBEnv(**{**SMALL, name: value})
    assert name in str(refused.value)
    assert allowed in str(refused.value)


WRONG_BIDDERS = [
    ("original_env", "RTBEnv", TypeError, "an RTBEnv"),
    ("reward_predictor", LogisticRegression, TypeError, "'fit' and 'predict_proba' or 'predict'"),
    ("scaler", -1.0, ValueError, "a finite number in (0, "),
    ("scaler", "auto", TypeError, "a finite number in (0, "),
    ("action_min", -0.1, ValueError, "a finite number in [0, "),
    ("action_min", 0, ValueError, "positive unless action_meaning is given"),
    ("action_max", 0.1, ValueError, "a finite number in (0.1, "),
    ("action_type", "both", ValueError, "'discrete', 'continuous'"),
    ("n_actions", 1, ValueError, "an integer in [2, "),
    ("n_actions", 10.0, TypeError, "an integer in [2, "),
    ("action_meaning", np.ones(9), ValueError, "shape (10,)"),
    ("action_meaning", np.linspace(0, 1, 10), ValueError, "finite numbers in [0.1, 10]"),
]


@pytest.mark.parametrize(("name", "value", "error", "allowed"), WRONG_BIDDERS)
def test_a_wrong_argument_of_the_customized_env_is_refused_by_name(small, name, value, error, allowed):
    with pytest.raises(error) as refused:
        CustomizedRTBEnv(**{"original_env": small, name: value})
    assert name in str(refused.value)
    assert allowed in str(refused.value)


@pytest.mark.parametrize(
    ("arguments", "error", "named"),
    [
        ({"mean": "a", "std": 1.0}, TypeError, "mean"),
        ({"mean": 1.0, "std": -1.0}, ValueError, "std"),
        ({"mean": [1.0, 2.0], "std": 1.0}, ValueError, "std"),
        ({"mean": 1.0, "std": 1.0, "random_state": "x"}, TypeError, "random_state"),
    ],
)
def test_a_wrong_distribution_is_refused_by_name(arguments, error, named):
    with pytest.raises(error, match=f"^{named} must"):
        NormalDistribution(**arguments)


def test_an_unknown_argument_is_refused_by_name():
    with pytest.raises(TypeError, match=r"unknown argument 'step'; it must be one of objective, .*step_per_episode"):
        RTBEnv(step=3, random_state=1)
    with pytest.raises(TypeError, match="budget"):
        RTBEnv(budget=3000, random_state=1)
    with pytest.raises(TypeError, match=r"unknown option 'budget'; it must be one of objective, .*n_actions"):
        rtb_envs.make("RTBEnv-discrete-v0", budget=3000)
