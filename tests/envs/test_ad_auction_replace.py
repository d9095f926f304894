"""Parameters changed by ``replace``: checked like options where they can be looked at, clipped where traced."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtb_envs.auctions.market_prices import EmpiricalPrice, GammaPrice, LogNormalPrice
from rtb_envs.compile import jit
from rtb_envs.envs.ad_auction import AdAuction, MarketShift, make_ad_auction
from rtb_envs.pytrees import pytree
from rtb_envs.users.response import ConstantResponse

SMALL = {"horizon": 3, "n_ads": 4, "n_users": 5, "search_volume_mean": 20.0, "search_volume_std": 2.0}
NAN, INFINITY = float("nan"), float("inf")


@pytest.fixture(scope="module")
def env():
    return make_ad_auction(**SMALL)


@pytree
@dataclass(frozen=True)
class Misshapen:
    """A law that answers with one number, whatever it is asked."""

    level: jax.Array

    def price(self, draw, ad, t):
        return self.level

    def rate(self, ad, user, t):
        return self.level


@pytree
@dataclass(frozen=True)
class Level:
    """A law of one number that knows no table; ``step`` is added in every step."""

    level: jax.Array
    step: jax.Array

    def price(self, draw, ad, t):
        return jnp.full(ad.shape, self.level) + self.step * t

    def rate(self, ad, user, t):
        return jnp.full(jnp.broadcast_shapes(ad.shape, user.shape), self.level) + self.step * t


def constant(probability, steps=3, ads=4):
    return ConstantResponse(jnp.full(ads, probability), jnp.ones(steps))


WRONG = [
    ("initial_budget", -5, ValueError, r"an integer in \[1, 16777216\], got -5"),
    ("initial_budget", 0, ValueError, r"an integer in \[1, 16777216\], got 0"),
    ("initial_budget", 2**30, ValueError, "got 1073741824"),
    ("initial_budget", 2500.5, TypeError, "an integer .* got 2500.5"),
    ("initial_budget", jnp.float32(2500), TypeError, "an integer"),
    ("initial_budget", True, TypeError, "an integer"),
    ("initial_budget", jnp.array([1, 2]), ValueError, r"one number, got shape \(2,\)"),
    ("initial_budget", None, TypeError, "an integer"),
    ("horizon", 0, ValueError, "got 0"),
    ("horizon", 4, ValueError, r"an integer in \[1, 3\], got 4"),
    ("horizon", 2.0, TypeError, "an integer"),
    ("ad_features", np.zeros((2, 5)), ValueError, r"shape \(4, 5\), got shape \(2, 5\)"),
    ("user_features", np.full((5, 5), NAN), ValueError, "finite numbers"),
    ("search_volume_mean", -1.0, ValueError, "finite numbers"),
    ("search_volume_mean", [1.0, 2.0], ValueError, r"shape \(\) or \(3,\), got shape \(2,\)"),
    ("search_volume_mean", 2.0**24, ValueError, "no volume exceeds 16777216"),
    ("ad_sampling_rate", np.zeros(4), ValueError, "a positive sum"),
    ("predicted_rate", np.zeros((4, 5)), ValueError, r"shape \(3, 4, 5\)"),
    ("reserve_price", NAN, ValueError, "a finite number"),
    ("reserve_price", "high", TypeError, "a finite number"),
    ("scaler", 0.0, ValueError, r"\(0, 1e\+09\]"),
    ("multiplier_high", 0.05, ValueError, r"\(0.1, "),
    ("action_meanings", [1.0, 2.0], ValueError, "None in an environment whose actions"),
    ("market_price", 50.0, TypeError, "a law with a method 'price'"),
    ("shift", 0.3, TypeError, "a MarketShift"),
]
WRONG_LAWS = [
    ("market_price", GammaPrice(jnp.full(7, 50.0), jnp.ones(7)), "must have numbers for 1 or 4 ads, got 7"),
    ("market_price", GammaPrice(jnp.full(4, NAN), jnp.ones(4)), "finite prices >= 0, got nan to nan"),
    ("market_price", GammaPrice(jnp.full(4, 5.0), jnp.ones(3)), "got an error"),
    ("market_price", EmpiricalPrice(jnp.array([-3.0, 1.0])), "finite prices >= 0, got -3"),
    ("market_price", EmpiricalPrice(jnp.array([9.0, 1.0, 5.0])), "quantiles that rise"),
    ("market_price", LogNormalPrice(jnp.zeros(1), jnp.full(1, -0.5)), "quantiles that rise"),
    ("market_price", Misshapen(jnp.float32(3)), "one number for each id"),
    ("market_price", Level(jnp.float32(5), jnp.float32(-4)), "finite prices >= 0, got -3 to 5"),
    ("click_rate", constant(2.0), r"probabilities in \[0, 1\], got 2 to 2"),
    ("click_rate", constant(-1.0), "got -1 to -1"),
    ("conversion_rate", constant(NAN), "got nan to nan"),
    ("click_rate", Level(jnp.float32(0.5), jnp.float32(0.5)), "got 0.5 to 1.5"),
    ("conversion_rate", Misshapen(jnp.float32(0.1)), "one number for each id"),
    ("click_rate", constant(0.5, steps=2), r"click_rate.time_factor must have shape \(3,\), got shape \(2,\)"),
    ("click_rate", constant(0.5, ads=3), r"click_rate.probability must have shape \(4,\), got shape \(3,\)"),
]


@pytest.mark.parametrize(("name", "value", "error", "message"), WRONG)
def test_a_wrong_number_is_refused_by_name(env, name, value, error, message):
    with pytest.raises(error, match=f"{name} must .*{message}"):
        env.default_params.replace(**{name: value})


@pytest.mark.parametrize(("name", "law", "message"), WRONG_LAWS)
def test_a_wrong_law_is_refused_by_replace_and_by_make(env, name, law, message):
    for build in (env.default_params.replace, lambda **option: make_ad_auction(**SMALL, **option)):
        with pytest.raises(ValueError, match=name) as refused:
            build(**{name: law})
        with pytest.raises(ValueError, match=message):
            raise refused.value


def test_an_unknown_field_is_refused_with_those_that_are_known(env):
    with pytest.raises(TypeError, match=r"unknown field 'budget'; it must be one of ad_features, .*initial_budget"):
        env.default_params.replace(budget=3)
    with pytest.raises(TypeError, match="unknown field 'derived'"):
        env.default_params.replace(derived=None)


def test_a_shift_out_of_bounds_is_refused(env):
    with pytest.raises(ValueError, match="drift must be a finite number in"):
        env.default_params.replace(shift=MarketShift(jnp.float32(2), jnp.float32(1), jnp.int32(1)))


def test_numbers_take_the_type_and_shape_that_they_had(env):
    params = env.default_params.replace(
        initial_budget=np.int64(100), horizon=2, search_volume_mean=30, reserve_price=3, scaler=2
    )
    for new, old in zip(jax.tree.leaves(params.replace(scaler=None)), jax.tree.leaves(env.default_params), strict=True):
        assert (new.shape, new.dtype) == (old.shape, old.dtype)
    assert params.search_volume_mean.tolist() == [30, 30, 30]
    assert (params.scaler.dtype, float(params.scaler)) == (jnp.float32, 2.0)


def test_every_field_takes_its_own_value_again():
    for kind in ("discrete", "bid_curve"):
        params = make_ad_auction(**SMALL, action_kind=kind, ad_sampling_rate=[1.0, 2.0, 3.0, 5.0]).default_params
        names = [name for name in vars(params) if name != "derived"]
        again = params.replace(**{name: getattr(params, name) for name in names})
        for left, right in zip(jax.tree.leaves(again), jax.tree.leaves(params), strict=True):
            np.testing.assert_allclose(left, right, rtol=1e-7)


def test_sampling_rates_are_normalised_traced_or_not(env):
    rate, replace = jnp.array([2.0, 6.0, 0.0, 8.0]), env.default_params.replace
    for params in (replace(ad_sampling_rate=rate), jit(lambda rate: replace(ad_sampling_rate=rate))(rate)):
        np.testing.assert_allclose(params.ad_sampling_rate, np.tile([0.125, 0.375, 0, 0.5], (3, 1)), rtol=1e-6)


def test_traced_numbers_are_clipped_to_their_bounds(env):
    budgets = jnp.array([-5, 0, 700, 2**30])
    markets = jax.vmap(lambda budget: env.default_params.replace(initial_budget=budget))(budgets)
    assert markets.initial_budget.tolist() == [1, 1, 700, 2**24]
    prices = jit(lambda price: env.default_params.replace(reserve_price=price, scaler=price))(jnp.float32(-1))
    assert float(prices.reserve_price) == 0 < float(prices.scaler)
    with pytest.raises(TypeError, match="initial_budget must be an integer"):
        jax.vmap(lambda budget: env.default_params.replace(initial_budget=budget))(jnp.array([1.5]))


def test_inside_a_program_concrete_numbers_are_checked_and_derived_as_outside(env):
    def budget_of(scale, budget):
        return scale * env.default_params.replace(initial_budget=budget, reserve_price=3.0).initial_budget

    assert int(jit(lambda scale: budget_of(scale, 700))(jnp.int32(2))) == 1400
    with pytest.raises(ValueError, match="initial_budget must be an integer"):
        jit(lambda scale: budget_of(scale, -5))(jnp.int32(2))


class Doubled(AdAuction):
    """An AdAuction of twice the reward."""

    def transition(self, state, action, noise, params):
        after, reward, *rest = super().transition(state, action, noise, params)
        return after, 2 * reward, *rest


def test_a_subclass_runs_its_own_program(env):
    doubled = Doubled(env.config, env.default_params)
    assert doubled != env
    assert doubled == Doubled(env.config, env.default_params)
    step = jit(lambda core, *inputs: core.step_env(*inputs)[2], static_argnums=0)
    action, params = jnp.array([10.0]), env.default_params
    keys = [jax.random.key(seed) for seed in range(8)]
    rewards = [
        [float(step(core, key, core.reset_env(key, params)[1], action, params)) for key in keys]
        for core in (env, doubled)
    ]
    assert sum(rewards[0]) > 0
    assert rewards[1] == [2 * reward for reward in rewards[0]]


def test_a_traced_horizon_stops_at_the_compiled_length(env):
    replaced = jax.jit(lambda horizon: env.default_params.replace(horizon=horizon).horizon)
    assert [int(replaced(horizon)) for horizon in (0, 2, 3, 4, 100_000)] == [1, 2, 3, 3, 3]
