"""Custom laws, reward predictors, sampling rates, presets and the delivery constraint."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtb_envs import core
from rtb_envs.auctions.market_prices import EmpiricalPrice, LogNormalPrice
from rtb_envs.compile import jit
from rtb_envs.envs.ad_auction import PRESETS, expected_episode, make_ad_auction
from rtb_envs.envs.ad_auction.params import true_rates
from rtb_envs.pytrees import pytree
from rtb_envs.random import EVALUATE, lane_keys
from rtb_envs.users.response import ConstantResponse
from tests.envs.playing import compiled, play


@pytree
@dataclass(frozen=True)
class FlatPrice:
    """Every auction costs the same, more in later steps."""

    level: jax.Array

    def price(self, draw, ad, t):
        return jnp.full(ad.shape, self.level) + t

    @classmethod
    def from_instance(cls, instance):
        return cls(jnp.float32(instance.ad_features.shape[0]))


@pytree
@dataclass(frozen=True)
class GreedyDraw:
    """A price law that draws far more numbers than the default one, and then charges 20."""

    base: jax.Array

    def price(self, draw, ad, t):
        wasted = sum(draw.uniform(word) for word in range(9))
        return jnp.full(ad.shape, self.base) + 0 * wasted


def first_info(env, multiplier=1.0):
    return play(env, multiplier, steps=1)[1][0]


def test_a_custom_price_law_sets_every_charge():
    env = make_ad_auction(market_price=FlatPrice(jnp.float32(13.7)), cost_indicator="impression", initial_budget=10**6)
    info = first_info(env, 10.0)
    assert int(info["cost"]) == 13 * int(info["impression"]) > 0


def test_a_custom_law_may_be_a_class_that_is_built_from_the_instance():
    env = make_ad_auction(market_price=FlatPrice, n_ads=17, cost_indicator="impression", initial_budget=10**6)
    info = first_info(env, 10.0)
    assert int(info["cost"]) == 17 * int(info["impression"]) > 0


def test_a_law_that_draws_more_shifts_nothing_else():
    quiet = make_ad_auction(market_price=FlatPrice(jnp.float32(20.0)))
    greedy = make_ad_auction(market_price=GreedyDraw(jnp.float32(20.0)))
    for name, value in first_info(quiet).items():
        np.testing.assert_array_equal(value, first_info(greedy)[name])


def test_a_certain_click_and_conversion_law_turns_every_impression_into_both():
    sure = ConstantResponse(jnp.ones(100), jnp.ones(7))
    env = make_ad_auction(click_rate=sure, conversion_rate=sure, initial_budget=10**6)
    rewards, infos = play(env, steps=1)
    assert int(infos[0]["impression"]) == int(infos[0]["click"]) == int(infos[0]["conversion"]) == rewards[0] > 0


@pytest.mark.parametrize("law", ["lognormal", "empirical"])
def test_other_price_laws_charge_their_own_mean(law):
    laws = {
        "lognormal": LogNormalPrice(jnp.full(100, 3.0), jnp.full(100, 0.3)),
        "empirical": EmpiricalPrice(jnp.linspace(10.0, 30.0, 50)),
    }
    mean = {"lognormal": np.exp(3 + 0.3**2 / 2), "empirical": 20.0}[law]
    env = make_ad_auction(
        market_price=laws[law], cost_indicator="impression", initial_budget=2**24, scaler=1e6, search_volume_mean=5000.0
    )
    info = first_info(env)
    assert int(info["impression"]) == int(info["search_volume"])  # the bid is far above every price
    # int() takes half a unit off on average; the standard error is below .1.
    assert int(info["cost"]) / int(info["impression"]) == pytest.approx(mean - 0.5, abs=0.4)


class PerfectPredictor:
    """Knows the click rate of ad 0 alone: bids there, nowhere else."""

    def fit(self, features, label):
        assert features.shape == (100_000, 11)
        assert set(np.unique(label)) <= {0, 1}
        self.first = features[0, :5]
        return self

    def predict(self, features):
        return np.all(features[:, :5] == self.first, axis=1).astype(float)


def test_a_reward_predictor_decides_what_is_bid_on():
    env = make_ad_auction(reward_predictor=PerfectPredictor(), initial_budget=10**6, n_ads=10)
    table = np.asarray(env.default_params.predicted_rate)
    assert table.shape == (7, 10, 100)
    assert sorted(np.unique(table.sum(axis=(0, 2)))) == [0.0, 700.0]
    info = first_info(env)
    assert 0 < int(info["impression"]) < 0.3 * int(info["search_volume"])


def test_sampling_rates_decide_which_ads_come_up():
    rate = np.zeros((7, 100))
    rate[:, :3] = [1, 2, 5]
    env = make_ad_auction(ad_sampling_rate=rate, search_volume_mean=4000.0)
    params = env.default_params
    noise = env.noise(jax.random.key(0), env.reset_env(jax.random.key(0), params)[1], params)
    count = np.bincount(np.asarray(noise.auctions(jnp.arange(4000), params, jnp.int32(2)).ad), minlength=100)
    assert count[3:].sum() == 0
    expected = 4000 * np.array([1, 2, 5]) / 8
    assert ((count[:3] - expected) ** 2 / expected).sum() < 18.4  # chi-square, 2 degrees of freedom, p = 1e-4


def test_the_bid_averages_the_standard_bid_price_at_multiplier_one():
    env = make_ad_auction(initial_budget=2**24, search_volume_mean=20_000.0, objective="click")
    averages = [float(info["average_bid_price"]) for info in play(env)[1]]
    assert np.mean(averages) == pytest.approx(50.0 - 0.5, abs=0.3)  # floor() takes half a unit off


def test_a_missed_target_cost_per_action_scales_the_return_by_the_squared_ratio():
    free = make_ad_auction(initial_budget=10**6)
    bound = make_ad_auction(initial_budget=10**6, target_cost_per_action=20.0)

    value, score = sum(play(free, seed=5)[0]), sum(play(bound, seed=5)[0])
    info = play(free, seed=5)[1][-1]
    cost_per_action = int(info["episode_cost"]) / int(info["episode_conversion"])
    assert cost_per_action > 20
    assert score == pytest.approx(value * (20 / cost_per_action) ** 2, rel=1e-5)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_can_be_played_and_its_budget_binds_when_all_is_bought(preset):
    env = make_ad_auction(preset=preset)
    params = env.default_params
    assert expected_episode(env, params, float(params.multiplier_high)).cost > int(params.initial_budget)


@pytest.mark.parametrize(
    ("preset", "click_rate"),
    [("ipinyou_1458", 2454 / 3083056), ("gdn", 0.0046), ("open_web", 0.00085), ("retargeting", 0.0075)],
)
def test_a_campaign_preset_has_its_published_click_rate(preset, click_rate):
    assert float(make_ad_auction(preset=preset).default_params.derived.mean_click_rate) == pytest.approx(
        click_rate, rel=1e-3
    )


def test_click_rates_of_a_campaign_spread_as_those_of_slots_of_different_visibility():
    params = make_ad_auction(preset="ipinyou_2997").default_params
    rates = np.asarray(true_rates(params)[0])[12]
    assert np.log(rates).std() == pytest.approx(0.9, abs=0.02)
    views = np.log([0.192, 0.054, 0.033, 0.018])
    assert np.log(rates).std() == pytest.approx(views.std(), abs=0.05)


def test_an_ipinyou_preset_has_its_published_price_level():
    params = make_ad_auction(preset="ipinyou_2259").default_params
    np.testing.assert_allclose(params.derived.market_price.mean_price(), 93.1, rtol=2e-3)


def test_first_price_costs_more_than_second_price_and_hybrid_lies_between():
    costs = {}
    for pricing, options in (("second_price", {}), ("first_price", {}), ("hybrid", {"hybrid_weight": 0.5})):
        env = make_ad_auction(pricing=pricing, initial_budget=10**6, cost_indicator="impression", **options)
        costs[pricing] = int(first_info(env)["cost"])
    assert costs["second_price"] < costs["hybrid"] < costs["first_price"]


def test_lanes_of_random_markets_run_in_one_batch():
    """Parameters may differ between lanes: a batch of instances is one pytree with a leading axis."""
    envs = [make_ad_auction(instance_seed=seed) for seed in (1, 2)]
    params = jax.tree.map(lambda *leaves: jnp.stack(leaves), *[env.default_params for env in envs])
    keys = lane_keys(0, EVALUATE, 2)
    lanes = jit(lambda keys: core.start_batch(envs[0], keys, params, params_axis=0))(keys)
    step = jit(lambda lanes: core.autoreset_batch(envs[0], lanes, jnp.ones((2, 1)), params, params_axis=0))
    lanes, outcome = step(lanes)
    for lane, env in enumerate(envs):
        key = jax.random.fold_in(keys[lane], 0)
        reset_one, step_one = compiled(env.config)
        _, state = reset_one(key, env.default_params)
        _, _, reward, _, _, info = step_one(key, state, jnp.ones(1), env.default_params)
        assert float(reward) == float(outcome.reward[lane])
        assert int(info["cost"]) == int(outcome.info["cost"][lane])
