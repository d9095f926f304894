"""Wrong options and actions: each is refused by one error that names it, what it got and what it takes."""

import gymnasium
import numpy as np
import pytest

import rtb_envs

NAN, INFINITY = float("nan"), float("inf")
ID, DISCRETE, CURVE = "AdAuction-v0", "AdAuctionDiscrete-v0", "AdAuctionBidCurve-v0"


class NoMethods:
    """An object that is no law and no estimator."""

    def __repr__(self):
        return "<no methods>"


class PredictsNan:
    """An estimator that has learned nothing."""

    def fit(self, features, label):
        return self

    def predict(self, features):
        return np.full(len(features), NAN)


# id, option, wrong value, the error, what the message says of the value and of what is allowed
WRONG_OPTIONS = [
    (ID, "horizon", 0, ValueError, "0", "an integer in [1, 100000]"),
    (ID, "horizon", 7.0, TypeError, "7.0", "an integer in [1, 100000]"),
    (ID, "horizon", True, TypeError, "True", "an integer"),
    (ID, "horizon", "7", TypeError, "'7'", "an integer"),
    (ID, "initial_budget", 0, ValueError, "0", "an integer in [1, 16777216]"),
    (ID, "initial_budget", -5, ValueError, "-5", "an integer in [1, 16777216]"),
    (ID, "initial_budget", 2**24 + 1, ValueError, "16777217", "an integer in [1, 16777216]"),
    (ID, "initial_budget", 3000.0, TypeError, "3000.0", "an integer"),
    (ID, "initial_budget", None, TypeError, "None", "an integer"),
    (ID, "search_volume_mean", -1.0, ValueError, "-1", "finite numbers in [0, "),
    (ID, "search_volume_mean", NAN, ValueError, "nan", "finite numbers"),
    (ID, "search_volume_mean", [200.0] * 3, ValueError, "(3,)", "shape () or (7,)"),
    (ID, "search_volume_mean", "many", TypeError, "'many'", "an array of numbers"),
    (ID, "search_volume_mean", "200", TypeError, "'200'", "an array of numbers"),
    (ID, "search_volume_mean", True, TypeError, "True", "an array of numbers"),
    (ID, "search_volume_mean", 2.0**24, ValueError, "16777324", "no volume exceeds 16777216"),
    (ID, "search_volume_std", -0.1, ValueError, "-0.1", "finite numbers in [0, "),
    (ID, "search_volume_std", INFINITY, ValueError, "inf", "finite numbers"),
    (ID, "minimum_search_volume", 0, ValueError, "0", "an integer in [1, 16777216]"),
    (ID, "minimum_search_volume", 1.5, TypeError, "1.5", "an integer"),
    (ID, "day_curve", 1, TypeError, "1", "True or False"),
    (ID, "objective", "impression", ValueError, "'impression'", "'conversion', 'click'"),
    (ID, "objective", 3, ValueError, "3", "'conversion', 'click'"),
    (ID, "cost_indicator", "view", ValueError, "'view'", "'click', 'impression', 'conversion'"),
    (ID, "target_cost_per_action", 0.0, ValueError, "0.0", "a finite number in (0, "),
    (ID, "target_cost_per_action", "cheap", TypeError, "'cheap'", "a finite number"),
    (ID, "instance_seed", -1, ValueError, "-1", "an integer in [0, 4294967295]"),
    (ID, "instance_seed", None, TypeError, "None", "an integer"),
    (ID, "n_ads", 0, ValueError, "0", "an integer in [1, 1000000]"),
    (ID, "n_users", 2.5, TypeError, "2.5", "an integer"),
    (ID, "ad_feature_dim", 0, ValueError, "0", "an integer in [1, 10000]"),
    (ID, "user_feature_dim", "5", TypeError, "'5'", "an integer"),
    (ID, "ad_features", np.ones((100, 4)), ValueError, "(100, 4)", "shape (100, 5)"),
    (ID, "user_features", np.full((100, 5), NAN), ValueError, "nan", "finite numbers"),
    (ID, "ad_sampling_rate", np.ones(99), ValueError, "(99,)", "shape (100,) or (7, 100)"),
    (ID, "ad_sampling_rate", -np.ones(100), ValueError, "-1.0", "finite numbers in [0, "),
    (ID, "user_sampling_rate", np.zeros(100), ValueError, "a sum of 0", "a positive sum in every step"),
    (ID, "wave_phase", "in_phase", ValueError, "'in_phase'", "'rtbgym', 'spread'"),
    (ID, "market_price", NoMethods(), TypeError, "<no methods>", "a law with a method 'price'"),
    (ID, "market_price", 50.0, TypeError, "50.0", "a law with a method 'price'"),
    (ID, "click_rate", 0.1, TypeError, "0.1", "a law with a method 'rate'"),
    (ID, "conversion_rate", NoMethods, TypeError, "NoMethods", "a law with a method 'rate'"),
    (ID, "pricing", "third_price", ValueError, "'third_price'", "'second_price', 'first_price', 'hybrid'"),
    (ID, "hybrid_weight", 1.1, ValueError, "1.1", "a finite number in [0, 1]"),
    (ID, "hybrid_weight", NAN, ValueError, "nan", "a finite number in [0, 1]"),
    (ID, "reserve_price", -1, ValueError, "-1", "a finite number in [0, "),
    (ID, "minimum_price", -0.5, ValueError, "-0.5", "a finite number in [0, "),
    (ID, "drift", 1.5, ValueError, "1.5", "a finite number in [0, 1]"),
    (ID, "shock_factor", 0.0, ValueError, "0.0", "a finite number in (0, 1000]"),
    (ID, "shock_duration", -1, ValueError, "-1", "an integer in [0, 100000]"),
    (ID, "budget_rule", "ignore", ValueError, "'ignore'", "'stop', 'skip'"),
    (ID, "standard_bid_price", 0, ValueError, "0", "a finite number in (0, "),
    (ID, "standard_bid_price", INFINITY, ValueError, "inf", "a finite number in (0, "),
    (ID, "standard_bid_price_std", -5, ValueError, "-5", "a finite number in [0, "),
    (ID, "reward_predictor", NoMethods(), TypeError, "<no methods>", "'fit' and 'predict_proba' or 'predict'"),
    (ID, "scaler", 0, ValueError, "0", "a finite number in (0, "),
    (ID, "scaler", "auto", TypeError, "'auto'", "a finite number"),
    (ID, "multiplier_low", -0.1, ValueError, "-0.1", "a finite number in [0, "),
    (ID, "multiplier_low", 20.0, ValueError, "10.0", "a finite number in (20, "),
    (ID, "multiplier_high", 0.05, ValueError, "0.05", "a finite number in (0.1, "),
    (ID, "action_kind", "binary", ValueError, "'binary'", "'continuous', 'discrete', 'bid_curve'"),
    (DISCRETE, "n_actions", 1, ValueError, "1", "an integer in [2, 100000]"),
    (DISCRETE, "n_actions", 10.0, TypeError, "10.0", "an integer"),
    (DISCRETE, "action_meanings", [1.0], ValueError, "1", "an integer in [2, 100000]"),
    (DISCRETE, "action_meanings", [[1.0, 2.0]], ValueError, "(1, 2)", "shape (1,)"),
    (ID, "action_meanings", [0.5, 1.0, 2.0], ValueError, "[0.5, 1.0, 2.0]", "None unless action_kind is 'discrete'"),
    (ID, "n_actions", 10, ValueError, "10", "None unless action_kind is 'discrete'"),
    (DISCRETE, "bid_curve_knots", [1.0, 2.0], ValueError, "[1.0, 2.0]", "None unless action_kind is 'bid_curve'"),
    (DISCRETE, "action_meanings", np.linspace(0, 1, 10), ValueError, "0.0 at (0,)", "[0.1, 10]"),
    (DISCRETE, "multiplier_low", 0.0, ValueError, "0.0", "positive unless action_meanings are given"),
    (CURVE, "bid_curve_knots", [1.0], ValueError, "[1.0]", "2 to 64 numbers"),
    (CURVE, "bid_curve_knots", np.arange(1, 66), ValueError, "65", "2 to 64 numbers"),
    (CURVE, "bid_curve_knots", 17, ValueError, "17", "2 to 64 numbers"),
    (CURVE, "bid_curve_knots", [0.0, 1.0], ValueError, "0.0 at (0,)", "finite numbers in [1e-06, 1e+06]"),
    (CURVE, "bid_curve_knots", [1.0, NAN], ValueError, "nan at (1,)", "finite numbers"),
    (CURVE, "bid_curve_knots", [1.0, 2.0, 2.0], ValueError, "[1.0, 2.0, 2.0]", "increasing"),
    (CURVE, "bid_curve_knots", ["low", "high"], TypeError, "'low'", "an array of numbers"),
    (ID, "observation_keys", (), ValueError, "()", "a non-empty tuple of names"),
    (ID, "observation_keys", "timestep", TypeError, "'timestep'", "a non-empty tuple of names"),
    (ID, "observation_keys", ("budget",), ValueError, "'budget'", "'timestep', 'remaining_budget'"),
    (ID, "observation_keys", ("timestep",) * 2, ValueError, "('timestep', 'timestep')", "distinct names"),
    (ID, "max_auctions", 8, ValueError, "8", "an integer in [16, 1008]"),
    (ID, "max_auctions", 100, ValueError, "100", "a multiple of 16"),
    (ID, "generator", "mt19937", ValueError, "'mt19937'", "'counter', 'threefry'"),
    (ID, "compat", "gym", ValueError, "'gym'", "None, 'rtbgym'"),
    (ID, "preset", "ipinyou", ValueError, "'ipinyou'", "ipinyou_1458"),
    (ID, "reward_predictor", PredictsNan(), ValueError, "got nan in 70000 of 70000", "finite numbers"),
    (ID, "budget", 3000, TypeError, "unknown option", "initial_budget"),
]
# The value that is refused is that of another option: an empty range is found at its upper end.
NAMED = {("multiplier_low", 20.0): "multiplier_high"}


@pytest.mark.parametrize("make", [rtb_envs.make, gymnasium.make], ids=["rtb_envs", "gymnasium"])
@pytest.mark.parametrize(
    ("id", "option", "value", "error", "got", "allowed"),
    WRONG_OPTIONS,
    ids=[f"{option}-{i}" for i, (_, option, *_) in enumerate(WRONG_OPTIONS)],
)
def test_a_wrong_option_is_refused_by_name_with_what_it_got_and_what_it_takes(
    make, id, option, value, error, got, allowed
):
    with pytest.raises(error) as refused:
        make(id, **{option: value})
    message = str(refused.value)
    name = option if not isinstance(value, float) else NAMED.get((option, value), option)
    assert name in message
    assert got in message
    assert allowed in message


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"horizon": 100_000, "n_ads": 100, "n_users": 100}, r"horizon \* n_ads \* n_users must be at most 134217728"),
        ({"n_ads": 10**6, "n_users": 10**6}, r"got horizon = 7, n_ads = 1000000, n_users = 1000000"),
        ({"n_ads": 10**6, "n_users": 1, "ad_feature_dim": 1000}, r"n_ads \* ad_feature_dim must be at most"),
        ({"n_ads": 1, "n_users": 10**6, "user_feature_dim": 1000}, r"n_users \* user_feature_dim must be at most"),
        (
            {"horizon": 1000, "search_volume_mean": 2.2e6},
            r"search_volume_mean must be such that no episode exceeds 2147483647 auctions.* horizon = 1000 steps",
        ),
    ],
)
def test_a_market_that_could_not_be_held_or_counted_is_refused(options, named):
    with pytest.raises(ValueError, match=named):
        rtb_envs.make(ID, **options)


def test_meanings_tell_the_number_of_discrete_actions():
    params = rtb_envs.make(DISCRETE, action_meanings=[0.5, 1.0, 2.0]).default_params
    assert params.action_meanings.tolist() == [0.5, 1.0, 2.0]
    with pytest.raises(ValueError, match=r"action_meanings must have shape \(4,\), got shape \(3,\)"):
        rtb_envs.make(DISCRETE, action_meanings=[0.5, 1.0, 2.0], n_actions=4)


@pytest.mark.parametrize("changes", [{"search_volume_mean": 2000.0}, {"search_volume_std": 60.0}])
def test_a_preset_takes_other_volumes_than_it_was_compiled_for(changes):
    options = {"search_volume_mean": 200.0, "search_volume_std": 20.0, **changes}
    config = rtb_envs.make(ID, preset="stage3", **changes).config
    # 5.42 standard deviations are the most that a normal draw can lie from its mean.
    largest = int(options["search_volume_mean"] + 5.42 * options["search_volume_std"])
    assert config.largest_search_volume == largest


def test_a_campaign_preset_takes_any_number_of_ads():
    prices = [rtb_envs.make(ID, preset="ipinyou_2997", n_ads=n).default_params.derived.market_price for n in (3, 200)]
    np.testing.assert_array_equal(prices[0].table, prices[1].table)


@pytest.fixture(scope="module", params=[ID, DISCRETE, CURVE])
def env(request):
    env = gymnasium.make(request.param, horizon=3, n_ads=4, n_users=4, search_volume_mean=20.0, search_volume_std=2.0)
    yield env
    env.close()


# Refused by every kind of action space, by the continuous, by the discrete one, by that of bid curves.
WRONG_ACTIONS = {
    "all": [None, "1.0", [0.5, 1.0], np.ones((2, 1)), {}, np.nan, -1],
    ID: [[0.05], [10.5], [NAN], [INFINITY], [-INFINITY], 1.0, [[1.0]], [1 + 1j]],
    DISCRETE: [10, 1.0, np.array([1]), True, np.float32(2), 2**40],
    CURVE: [np.ones(17), [1.5, *[9.0] * 17], [1.0, *[9.0] * 16, 9000.0], [NAN, *[9.0] * 17], [1.0, *[-1.0] * 17]],
}
RIGHT_ACTIONS = {
    ID: np.array([1.0], np.float32),
    DISCRETE: 4,
    CURVE: np.array([1.0, *np.geomspace(3, 800, 17)], np.float32),
}


def test_a_wrong_action_is_refused_and_changes_nothing(env):
    right = RIGHT_ACTIONS[env.spec.id]
    outcomes = []
    for wrong_actions in ([], WRONG_ACTIONS["all"] + WRONG_ACTIONS[env.spec.id]):
        observation, _ = env.reset(seed=5)
        for wrong in wrong_actions:
            with pytest.raises((ValueError, TypeError), match="action must"):
                env.step(wrong)
        outcomes.append((observation.tolist(), *(env.step(right)[0].tolist() for _ in range(3))))
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize(("seed", "error"), [(-1, ValueError), (2**32, ValueError), (1.0, TypeError), ("1", TypeError)])
def test_a_wrong_seed_is_refused(env, seed, error):
    with pytest.raises(error, match="seed must be an integer in"):
        env.unwrapped.reset(seed=seed)
