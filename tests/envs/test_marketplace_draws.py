"""The laws that packages are drawn from, and the numbers that follow from options."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from rtb_envs.envs.marketplace import Options
from rtb_envs.envs.marketplace.packages import draw_losses, draw_packages
from rtb_envs.random import Stream

COUNT = 20_000
OPTIONS = Options()
# Each check fails in one of 10,000 seeds of a right law; the seed is fixed.
FALSE_ALARM = 1e-4


@pytest.fixture(scope="module")
def drawn():
    config, params = OPTIONS.config(), OPTIONS.params()
    draw = jax.jit(lambda: draw_packages(Stream.from_key(jax.random.key(3)), jnp.arange(COUNT), config, params))
    return jax.tree.map(np.asarray, draw())


def assert_uniform(values, low, high):
    assert low <= values.min()
    assert values.max() <= high
    assert stats.kstest(np.asarray(values, float), stats.uniform(low, high - low).cdf).pvalue > FALSE_ALARM


def test_sellers_channels_and_kinds_of_claims_are_equally_likely(drawn):
    for values, count in ((drawn.seller, 5), (drawn.channel, 4), (drawn.claim_kind, 4)):
        assert stats.chisquare(np.bincount(values, minlength=count)).pvalue > FALSE_ALARM


def test_impressions_prices_floors_and_bids_are_uniform_on_their_ranges(drawn):
    assert_uniform(drawn.impressions, 50_000, 500_000)
    for channel, (low, high) in enumerate([(5, 15), (15, 35), (25, 55), (8, 20)]):
        assert_uniform(drawn.target_cpm[drawn.channel == channel] / 1000, low, high)
    target = drawn.target_cpm.astype(float)
    # Floors and bids are whole mills: their shares may leave a range by half a mill of the cheapest target.
    for share, low, high in ((drawn.floor_cpm / target, 0.6, 0.8), (drawn.bid_cpm[:, 0] / target, 0.9, 1.1)):
        assert low - 1e-3 < share.min()
        assert share.max() < high + 1e-3
        assert stats.kstest(share, stats.uniform(low, high - low).cdf).pvalue > FALSE_ALARM


def test_bids_of_campaigns_are_independent(drawn):
    share = drawn.bid_cpm / drawn.target_cpm[:, None]
    correlation = np.corrcoef(share[:, :6].T)[np.triu_indices(6, 1)]
    # The largest of 15 normal correlations with standard deviation COUNT ** -.5.
    assert np.abs(correlation).max() < stats.norm.isf(FALSE_ALARM / 30) / COUNT**0.5


def test_claims_are_off_by_the_law_of_their_kind_and_invented_histories_wholly(drawn):
    for kind, largest in enumerate((3_000, 5_000, 8_000)):
        assert_uniform(drawn.claim_error[drawn.claim_kind == kind], 0, largest)
    assert (drawn.claim_error[drawn.claim_kind == 3] == 10_000).all()
    assert_uniform(drawn.overpay, 1_000, 3_000)


def test_every_draw_of_a_package_and_of_a_memory_is_a_uniform(drawn):
    facts, restart = draw_losses(Stream.from_key(jax.random.key(4)), Options(buyers=50).config())
    uniforms = (drawn.claim_uniform, drawn.corrected_uniform, drawn.fails_uniform, drawn.dispute_uniform)
    for values in (*uniforms, np.ravel(facts), np.ravel(restart)):
        assert_uniform(values, 0, 1)


@pytest.mark.parametrize(
    ("options", "fee"),
    [
        ({}, 0.15),
        ({"buyer_discount": 0.1, "seller_discount": 0.2}, 0.15 * 0.9 * 0.8),
        ({"buyer_discount": 0.6, "seller_discount": 0.6}, 0.10),
        ({"exchange_fee": 0.5}, 0.20),
        ({"exchange_fee": 0.5, "fee_clamp": (0, 1), "buyer_discount": 0.5}, 0.25),
    ],
)
def test_discounts_multiply_and_the_fee_is_clamped(options, fee):
    assert Options(**options).fee() == pytest.approx(fee)


def test_the_hazard_of_a_restart_grows_by_a_hundredth_a_day():
    rates = np.asarray(OPTIONS.params().restart_rate)
    np.testing.assert_allclose(rates, 0.005 * (1 + 0.01 * np.arange(1, 31)), rtol=1e-6)
    assert np.asarray(Options(restart_rate=0.9).params().restart_rate).max() == 1


def test_false_claims_double_from_all_facts_to_none():
    rates = np.asarray(OPTIONS.params().false_claim_rate)
    np.testing.assert_allclose(rates, 0.08 * (2 - np.arange(13) / 12), rtol=1e-6)
