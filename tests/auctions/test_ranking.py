"""Who takes part, in which order, and what happens to ties."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rtb_envs.auctions.ranking import participating_score, rank, slot_of_bidder

AUCTIONS, BIDDERS, RANKS = 8, 5, 3
# Few different scores, so that ties are common; -inf does not take part.
SCORES = arrays(np.float32, (BIDDERS, AUCTIONS), elements=st.sampled_from([-np.inf, 0.5, 1.0, 2.0, 3.0]))
LUCK = arrays(np.float32, (BIDDERS, AUCTIONS), elements=st.sampled_from([0.0, 0.25, 0.5]))

rank_bidders = jax.jit(rank, static_argnums=1)
scores_of = jax.jit(participating_score)


def ranked(scores, luck):
    """(score, bidder) of one auction by sorting, best first, then those who are missing."""
    order = sorted((-score, -luck[i], i) for i, score in enumerate(scores) if score > -np.inf)
    return [(-score, bidder) for score, _, bidder in order] + [(-np.inf, -1)] * RANKS


@settings(max_examples=60, deadline=None)
@given(scores=SCORES, luck=LUCK)
def test_the_running_fold_is_the_beginning_of_the_sorted_bidders(scores, luck):
    for tie_breaker, order_by in ((None, np.zeros_like(luck)), (luck, luck)):
        ranking = rank_bidders(scores, RANKS, tie_breaker)
        for auction in range(AUCTIONS):
            expected = ranked(scores[:, auction].tolist(), order_by[:, auction].tolist())[:RANKS]
            assert ranking.score[:, auction].tolist() == [score for score, _ in expected]
            assert ranking.bidder[:, auction].tolist() == [bidder for _, bidder in expected]


def test_ties_broken_by_uniforms_are_won_equally_often():
    # 30,000 auctions, 3 equal bidders: each share is 1/3 within 4.5 standard errors (false alarm 2e-5).
    uniform = jax.random.uniform(jax.random.key(2), (3, 30_000))
    winner = np.asarray(rank_bidders(jnp.ones((3, 30_000)), 1, uniform).bidder[0])
    shares = np.bincount(winner, minlength=3) / winner.size
    np.testing.assert_allclose(shares, 1 / 3, atol=4.5 * np.sqrt(2 / 9 / winner.size))


def test_more_ranks_than_bidders_leave_the_last_ones_empty():
    ranking = rank_bidders(jnp.array([2.0, 3.0]), 4)
    assert ranking.bidder.tolist() == [1, 0, -1, -1]
    assert ranking.score.tolist() == [3.0, 2.0, -np.inf, -np.inf]


def test_a_bidder_takes_part_with_a_positive_finite_score_at_the_reserve_price_if_it_is_eligible():
    bids = jnp.array([2.0, 0.0, -1.0, jnp.nan, jnp.inf, 0.9, 1.0, 5.0])
    eligible = jnp.array([True] * 7 + [False])
    assert scores_of(bids, None, 1.0, eligible).tolist() == [2.0, *[-np.inf] * 5, 1.0, -np.inf]


def test_the_score_is_bid_times_quality_and_the_reserve_price_is_held_against_the_bid():
    score = scores_of(jnp.array([4.0, 2.0, 3.0, 9.0]), jnp.array([0.5, 3.0, 0.0, jnp.nan]), 2.0)
    assert score.tolist() == [2.0, 6.0, -np.inf, -np.inf]


def test_the_slot_of_each_bidder_is_where_it_stands_among_the_holders():
    holders = jnp.array([[2, -1], [0, -1]])
    assert slot_of_bidder(holders, 4).tolist() == [[1, -1], [-1, -1], [0, -1], [-1, -1]]


@pytest.mark.parametrize(
    ("num_ranks", "error"), [(0, ValueError), (65, ValueError), (2.0, TypeError), (True, TypeError)]
)
def test_an_impossible_number_of_ranks_is_refused(num_ranks, error):
    with pytest.raises(error, match=r"num_ranks must be an integer in \[1, 64\]"):
        rank(jnp.ones(3), num_ranks)


def test_a_tie_breaker_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"tie_breaker: got shape \(3,\), must be \(3, 2\)"):
        rank(jnp.ones((3, 2)), 1, jnp.ones(3))
