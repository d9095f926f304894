"""The pacer of Retargeting: its share of an impression's worth, by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtb_envs.envs.retargeting import make_retargeting
from rtb_envs.policies.retargeting_pacing import pacer
from tests.policies.test_retargeting import STREAM, shown

MARKET = make_retargeting(num_customers=10, horizon=1_000)
TOLD = MARKET.seat_params(MARKET.default_params, jnp.int32(0), ())
WORTH = 0.2 * 0.8 * 0.9 * 1.25 * 0.3 * 50
"""pCTR with stage, fatigue and intensity, times pCVR, times revenue: of the impression that ``shown`` makes."""


def bids(observations):
    """What a pacer bids for each of the observations in turn."""

    def act(carry, observation):
        action, carry = pacer().act(STREAM, carry, observation)
        return carry, action

    return np.asarray(jax.lax.scan(act, pacer().init(TOLD), jnp.stack(observations))[1])


def test_the_effective_bid_begins_at_a_tenth_of_what_the_impression_is_worth():
    bid, target, intensity = bids([shown(stage=0)])[0]
    np.testing.assert_allclose(1.2 * bid, 0.1 * WORTH, rtol=1e-5)
    assert (target, intensity) == (0, 5)


@pytest.mark.parametrize(
    ("spent", "factor"),
    [
        (0.1, 1),  # A tenth in a tenth of the episode.
        (0.12, (0.88 / 9) / 0.12),
        (0.05, 1.25),  # 2.1 is too large a change,
        (0.5, 1 / 1.25),  # and .11 too.
        (0.0, 1.25),
    ],
)
def test_the_share_moves_after_100_opportunities_by_the_rate_that_is_left_over_the_rate_that_was(spent, factor):
    seen = shown(stage=0, spent=spent, budget_left=1 - spent)
    told = bids([seen] * 102)[:, 0]
    np.testing.assert_allclose(1.2 * told[:100], 0.1 * WORTH, rtol=1e-5)
    np.testing.assert_allclose(1.2 * told[100:], 0.1 * WORTH * factor, rtol=1e-5)


def test_nothing_is_bid_above_what_an_impression_is_worth():
    seen = [shown(stage=0, budget_left=1.0)] * 1_000
    assert 1.2 * bids(seen)[:, 0].max() <= WORTH * (1 + 1e-5)


def test_the_rate_is_that_since_the_last_change():
    first, second = (shown(stage=0, spent=spent, budget_left=1 - spent) for spent in (0.1, 0.2))
    np.testing.assert_allclose(1.2 * bids([first] * 101 + [second] * 100)[-1, 0], 0.1 * WORTH, rtol=1e-5)
