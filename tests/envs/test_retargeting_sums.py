"""Retargeting: the sums of an episode fit into int32, or the market is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtb_envs.envs.retargeting import make_retargeting
from rtb_envs.envs.retargeting.config import MAX_HORIZON

PARAMS = make_retargeting(num_customers=10).default_params
EVERY_VISIT_A_PURCHASE = {"organic_probability": 1.0, "leaving_probability": 0.0, "revenue_factor": 2.0}


def test_the_largest_revenue_that_is_allowed_is_counted_exactly():
    """One customer buys for 2 * $138.88 at each of 20,000 visits; its lifetime value grows to 12 * .3 times that.

    The lifetime values then sum to just under $20,000,000, of the $21,474,836.47 that int32 holds in cents.
    """
    visits, each = 20_000, 1000
    market = make_retargeting(num_agents=2, num_customers=1, opportunities_per_step=each, initial_budget=[1500, 0])
    params = market.default_params.replace(mean_revenue=138.88, revenue_sigma=0.0, **EVERY_VISIT_A_PURCHASE)
    action = jnp.broadcast_to(jnp.float32([0.2, 0, 1]), (2, each, 3))
    step = jax.jit(market.step_env)
    _, state = market.reset_env(jax.random.key(0), params)
    for _ in range(visits // each):
        _, state, *_ = step(jax.random.key(1), state, action, params)
    assert state.market.purchase_revenue == 2 * 138_88 * visits
    attributed = int(state.market.attributed)
    assert visits - 20 < attributed <= visits
    assert state.agents.revenue.tolist() == [2 * 138_88 * attributed, 0]
    at_most = 12 * 0.3 * 2 * 138_88 * attributed
    assert 0.999 * at_most < state.agents.lifetime_value[0] <= at_most < 2_000_000_000


@pytest.mark.parametrize(
    ("options", "allowed"),
    [
        ({"mean_revenue": 500, "horizon": MAX_HORIZON}, "at most 54.06 for a horizon of 200000"),
        ({"mean_revenue": 500, "horizon": 40_000}, "at most 270.32 for a horizon of 40000"),
        ({"mean_revenue": 500, "ad_effect": 10}, "at most 430.91 for a horizon of 20000"),
    ],
)
def test_options_under_which_sums_of_revenue_might_overflow_are_refused(options, allowed):
    """Expected at most: .95 * E[min(2 p, 1)] purchases by click, p ~ Beta(2, 8), and .01 * (1 + lambda) others, of
    twice the mean revenue, with lifetime values of 3.6 (1 - .9**5 * .135 / .235) times the revenue."""
    with pytest.raises(ValueError, match=f"mean_revenue must be {allowed} .* got 500"):
        make_retargeting(**options)
    rate = np.random.default_rng(0).beta(2, 8, 1_000_000)
    purchases = 0.95 * np.minimum(2 * rate, 1).mean() + 0.01 * (1 + options.get("ad_effect", 0.1))
    each = purchases * 2 * 12 * 0.3 * (1 - 0.9**5 * 0.135 / 0.235)
    expected = 20_000_000 / options.get("horizon", 20_000) / each
    np.testing.assert_allclose(float(allowed.split()[2]), expected, rtol=0.002)


def test_numbers_under_which_sums_of_revenue_might_overflow_are_refused():
    with pytest.raises(ValueError, match=r"mean_revenue must be at most 138.88 for a horizon of 20000 .* got 138.9"):
        PARAMS.replace(mean_revenue=138.9, **EVERY_VISIT_A_PURCHASE)


@pytest.mark.parametrize("options", [{"mean_revenue": 500}, {"horizon": MAX_HORIZON}])
def test_each_option_alone_may_be_as_large_as_it_is_allowed_to_be(options):
    make_retargeting(num_customers=10, **options)
