"""Single steps of RTBGym with every draw given, reproduced exactly in float64 by ``compat="rtbgym"``."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtb_envs.compile import jit
from rtb_envs.envs.ad_auction import Auctions, FirstObservation, Hidden, Recorded
from tests.envs.rtbgym_reference import load, market_of

CASES = {case["name"]: case for case in load("rtbgym_golden.json")["cases"]}
PADDED = 80
"""At least as many auctions as any recorded step has."""
FIRST = FirstObservation(0.25, 0.5, 0.75, 2.0, 1.75)
ONE_BY_ONE = ("bid_prices", "impressions", "clicks", "conversions", "costs")


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def response_uniform(step, recorded):
    """One uniform with the outcome of RTBGym's two: below CTR iff its click is, below CTR * CVR iff both events are."""
    ad, user = np.array(step["ad_ids"]), np.array(step["user_ids"])
    features = np.concatenate(
        [np.array(recorded["ad_feature_vector"])[ad], np.array(recorded["user_feature_vector"])[user]], axis=1
    )
    rate = 1 / (1 + np.exp(-features @ recorded["ctr_coef"])) * recorded["ctr_time_coef"][step["timestep"]]
    click, conversion = np.array(step["click_uniforms"]), np.array(step["conversion_uniforms"])
    return np.where(click < rate, conversion * rate, click)


def noise_of(step, recorded):
    """The draws of a recorded step, padded so that every step has the same shapes."""
    columns = (step["ad_ids"], step["user_ids"], step["gamma_draws"], response_uniform(step, recorded))
    padded = (jnp.asarray(np.pad(column, (0, PADDED - len(column)), mode="edge")) for column in columns)
    hidden = Hidden(jnp.float64(1.0), jnp.int32(0))
    first = FirstObservation(*map(jnp.float64, FIRST))
    return Recorded(jnp.int32(len(step["ad_ids"])), Auctions(*padded), hidden, first)


def market(case, **options):
    names = ("objective", "cost_indicator", "initial_budget")
    return market_of(case["params"], **{name: case["config"][name] for name in names} | options)


@pytest.mark.parametrize("name", CASES)
def test_recorded_episodes_have_rtbgyms_rewards_observations_info_and_budgets(name):
    case = CASES[name]
    env = market(case)
    params, transition, observe = env.default_params, jit(env.transition), jit(env.observe)
    state = env.initial(noise_of(case["steps"][0], case["params"]), params)
    for step in case["steps"]:
        assert (state.t, state.remaining_budget) == (step["timestep"], step["remaining_before"])
        noise = noise_of(step, case["params"])
        state, reward, terminated, truncated, info = transition(state, jnp.array([step["action"]]), noise, params)
        assert (reward, terminated, truncated) == (step["reward"], step["done"], step["truncated"])
        assert {key: float(info[key]) for key in step["info"]} == step["info"]
        assert info["remaining_budget"] == step["remaining_after"]
        begun = [0.0, case["config"]["initial_budget"], *FIRST]
        assert observe(state, params).tolist() == (begun if step["obs"] is None else step["obs"])
        assert observe(state, params).dtype == jnp.float64


@pytest.mark.parametrize("name", CASES)
def test_every_recorded_auction_alone_has_rtbgyms_bid_impression_click_conversion_and_cost(name):
    case = CASES[name]
    env = market(case, minimum_search_volume=1)
    params = env.default_params.replace(initial_budget=jnp.int32(2**24))

    def alone(index, noise, t, action):
        """Bid, impression, click, conversion and cost of a step that has this auction only."""
        only = Auctions(*(field[index][None] for field in noise.recorded))
        state = replace(env.initial(noise, params), t=t)
        info = env.transition(state, action, replace(noise, volume=jnp.int32(1), recorded=only), params)[-1]
        return info["average_bid_price"], info["impression"], info["click"], info["conversion"], info["cost"]

    every = jit(jax.vmap(alone, (0, None, None, None)))
    for step in case["steps"]:
        count = len(step["ad_ids"])
        outcome = every(
            jnp.arange(PADDED), noise_of(step, case["params"]), jnp.int32(step["timestep"]), jnp.array([step["action"]])
        )
        for key, ours in zip(ONE_BY_ONE, outcome, strict=True):
            assert ours[:count].tolist() == step[key], key
