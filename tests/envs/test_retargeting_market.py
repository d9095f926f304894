"""The default market of Retargeting at its full size: health, stage mix, incremental effects, and what is observed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rtb_envs
from rtb_envs import core
from rtb_envs.envs.retargeting import SEAT_STRATEGIES, make_retargeting, scripted_seats
from rtb_envs.envs.retargeting.metrics import (
    agent_metrics,
    claimed_opportunity_lift,
    claimed_run_lift,
    incremental_revenue,
    market_metrics,
    opportunity_lift,
    run_lift,
)
from rtb_envs.envs.retargeting.play import play_episodes
from rtb_envs.policies.retargeting import fixed_bid
from rtb_envs.random import EVALUATE, Stream, lane_keys

MARKET = make_retargeting()
PARAMS = MARKET.default_params
RULES = scripted_seats(4)


@pytest.fixture(scope="module")
def played():
    return jax.device_get(play_episodes(MARKET, RULES, lane_keys(0, EVALUATE, 8)))


@pytest.fixture(scope="module")
def masked():
    """The same episodes with nobody's ads shown."""
    params = PARAMS.replace(shown=jnp.zeros(4, bool))
    return jax.device_get(play_episodes(MARKET, RULES, lane_keys(0, EVALUATE, 8), params))


def test_the_market_of_the_rules_is_healthy(played):
    """Return on ad spend above 3, conversions of more than 5 % of clicks, a new customer below $25."""
    market = market_metrics(played.info)
    assert market["roas"] > 3
    assert market["cvr"] > 0.05
    assert market["cac"] < 25


def test_the_stages_keep_their_mix(played):
    target = np.array([41.8, 26.8, 13.9, 13.3, 2.3, 1.8])
    np.testing.assert_allclose(100 * played.info["stage_mix"].mean(0), target, atol=7)
    assert (played.info["stage_opportunities"].sum(0) > 0).all()


def test_the_rules_exhaust_their_budgets_and_do_not_share_the_market(played):
    """What a learner has to do better: pace."""
    agents = agent_metrics(played.info)
    assert (agents["market_share"].max() > 0.5) or (agents["market_share"].min() < 0.1)
    assert (agents["budget_used"] > 0.99).sum() >= 3
    assert SEAT_STRATEGIES == ("aggressive", "conservative", "adaptive", "retargeting")


def test_spend_is_publisher_revenue_and_surcharge(played):
    units = played.state.agent_totals[:, 0].sum(1)
    np.testing.assert_array_equal(units, played.state.market_totals[:, 0] + played.state.market_totals[:, 1])


def test_revenue_arrives_within_the_episode_and_later(played):
    assert 0.1 < market_metrics(played.info)["later_share"] < 0.5
    agents = agent_metrics(played.info)
    np.testing.assert_allclose(agents["revenue_within"] + agents["revenue_later"], agents["revenue"])


def test_without_ads_there_are_no_clicks_and_the_same_budgets_are_spent(masked, played):
    assert not masked.info["episode_clicks"].any()
    assert not masked.info["episode_revenue"].any()
    assert masked.info["market_exposed"].sum() == 0
    assert (masked.info["market_purchases"] == masked.info["market_organic_purchases"]).all()


def test_last_click_overstates_what_ads_bring(played, masked):
    """Attributed revenue against revenue that would not have come without the ads."""
    assert incremental_revenue(played, masked) < played.info["episode_revenue"].sum(1).mean()
    assert claimed_run_lift(played, masked) > run_lift(played, masked).lift
    assert claimed_opportunity_lift(played) > opportunity_lift(played).lift


@pytest.mark.slow
@pytest.mark.parametrize("effect", [0.05, 0.10, 0.30])
def test_the_ghost_ad_lift_recovers_the_planted_effect(effect):
    """Within 3 standard errors (a false alarm in 1 of 370 seeds); the bids are low, so that budgets last."""
    params = PARAMS.replace(ad_effect=jnp.float32(effect))
    rules = [fixed_bid(0.06)] * 4
    keys = lane_keys(2, EVALUATE, 64)
    shown = play_episodes(MARKET, rules, keys, params)
    hidden = play_episodes(MARKET, rules, keys, params.replace(shown=jnp.zeros(4, bool)))
    lift, whole = opportunity_lift(shown), run_lift(shown, hidden)
    claimed, claimed_whole = claimed_opportunity_lift(shown), claimed_run_lift(shown, hidden)
    print(f"planted {effect}: same state {lift}, claimed {claimed:.3f}; whole run {whole}, claimed {claimed_whole:.3f}")
    assert abs(lift.lift - effect) < 3 * lift.standard_error
    assert claimed > lift.lift
    assert claimed_whole > whole.lift


@pytest.mark.slow
def test_observations_stay_in_their_box_over_a_million_random_steps():
    lanes, steps = 50, 20_000
    keys = lane_keys(4, EVALUATE, lanes)
    space = MARKET.observation_space(PARAMS, MARKET.agents[0])
    low, high = (jnp.asarray(bound) for bound in (MARKET.action_space(PARAMS, "advertiser_0").low, space.high))
    top = jnp.asarray(MARKET.action_space(PARAMS, "advertiser_0").high)

    @jax.jit
    def run(lanes):
        def step(carry, t):
            lanes, least, most = carry
            uniform = jax.vmap(lambda key: Stream.from_key(key).site(9).step(t).uniform(jnp.arange(12)))(lanes.keys)
            shape = (uniform.shape[0], 4, 3)
            uniform = uniform.reshape(shape) ** jnp.array([4.0, 1.0, 1.0])
            lanes, _ = core.autoreset_batch(MARKET, lanes, low + uniform * (top - low), PARAMS)
            return (
                lanes,
                jnp.minimum(least, lanes.observation.min()),
                jnp.maximum(most, lanes.observation.max()),
            ), None

        return jax.lax.scan(step, (lanes, jnp.float32(0), jnp.float32(0)), jnp.arange(steps))[0]

    end, least, most = run(core.start_batch(MARKET, keys, PARAMS))
    assert 0 <= float(least) <= float(most) <= float(high.max())
    assert np.isfinite(np.asarray(end.observation)).all()


def test_the_gymnasium_environment_plays_against_three_rules():
    env = rtb_envs.make("Retargeting-v0", num_customers=50)
    assert env.observation_space(env.default_params).shape == (20,)
    assert env.default_params.market.active.all()
    assert sum(len(kind.agents) for kind in env._kinds) == 3
