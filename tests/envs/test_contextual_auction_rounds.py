"""ContextualAuction's rounds: their draws, the choice of ads, the auctions, and sums of money."""

import functools
from itertools import combinations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rtb_envs.compile import jit
from rtb_envs.envs.contextual_auction import Catalogue, Config, Rounds, draw_rounds, sample_catalogue, settle
from rtb_envs.envs.contextual_auction.money import MICROS, ExactSum, sum_rounds, to_micros
from rtb_envs.envs.contextual_auction.offers import Offers, estimated_offers, oracle_offers
from rtb_envs.random import Stream
from tests.envs.contextual_reference import best_ads, round_metrics

FALSE_ALARM = 1e-6
"""Probability that a statistical test of this file fails although all is well, in each of its comparisons."""

catalogue_of = jit(lambda seed, config: sample_catalogue(jax.random.key(seed), config), static_argnums=1)
settled = jit(settle, static_argnums=3)


@functools.partial(jit, static_argnums=(1, 2))
def draw(seed, count, config):
    return draw_rounds(Stream.from_key(jax.random.key(seed)), jnp.arange(count), config)


@functools.cache
def rounds_of(participants, bidders=5, count=20_000):
    config = Config(n_bidders=bidders, participants=participants, context_dim=3, observed_dim=2)
    return jax.device_get(draw(7, count, config))


@pytest.mark.parametrize("participants", [1, 2, 3, 5])
def test_every_set_of_participants_is_equally_likely(participants):
    takes_part = rounds_of(participants).takes_part
    assert (takes_part.sum(axis=0) == participants).all()
    sets = takes_part.T @ (2 ** np.arange(5))
    expected = [sum(2**bidder for bidder in chosen) for chosen in combinations(range(5), participants)]
    counts = [np.sum(sets == chosen) for chosen in expected]
    assert sum(counts) == takes_part.shape[1]
    assert len(counts) == 1 or stats.chisquare(counts).pvalue > FALSE_ALARM


def test_contexts_are_independent_standard_normals_with_a_constant_and_clicks_are_uniform():
    rounds = rounds_of(2)
    assert (rounds.context[3] == 1).all()
    for entry in rounds.context[:3]:
        assert stats.kstest(entry, "norm").pvalue > FALSE_ALARM
    assert stats.kstest(rounds.click_uniform, "uniform").pvalue > FALSE_ALARM
    correlation = np.corrcoef(np.vstack([rounds.context[:3], rounds.click_uniform, rounds.takes_part[0]]))
    bound = stats.norm.isf(FALSE_ALARM / 2) / np.sqrt(rounds.context.shape[1])
    assert np.abs(correlation - np.eye(5)).max() < bound


def test_a_round_does_not_depend_on_how_many_are_drawn_with_it():
    few = draw(7, 10, Config(5, 2, context_dim=3, observed_dim=2))
    many = rounds_of(2)
    for part, whole in zip(jax.tree.leaves(few), jax.tree.leaves(many), strict=True):
        np.testing.assert_array_equal(part, whole[..., :10])


def test_catalogues_follow_auctiongym_s_laws():
    config = Config(n_bidders=100, n_ads=100)
    catalogue = jax.device_get(catalogue_of(3, config))
    assert stats.kstest(catalogue.embedding[..., :5].ravel(), "norm").pvalue > FALSE_ALARM
    assert stats.kstest(-3 - catalogue.embedding[..., 5].ravel(), "uniform").pvalue > FALSE_ALARM
    assert stats.kstest((np.log(catalogue.value.ravel()) - 0.1) / 0.2, "norm").pvalue > FALSE_ALARM


@pytest.mark.parametrize("sees_all", [True, False])
def test_bidders_choose_the_ad_with_the_highest_estimated_value(sees_all):
    config = Config(n_bidders=4, n_ads=7, context_dim=3, observed_dim=2)
    catalogue = catalogue_of(1, config)
    rounds = draw(2, 200, config)
    belief = np.random.default_rng(0).normal(size=(4, 7, 3)).astype(np.float32)
    offers = (
        jit(oracle_offers)(rounds.context, catalogue)
        if sees_all
        else jit(estimated_offers)(rounds.context, catalogue, belief)
    )
    embedding, value = (np.asarray(part, np.float64) for part in (catalogue.embedding, catalogue.value))
    for index, context in enumerate(np.asarray(rounds.context, np.float64).T):
        expected = best_ads(context, embedding, value, None if sees_all else belief.astype(np.float64))
        fields = (offers.ad, offers.value, offers.estimated_ctr, offers.ctr, offers.best_expected_value)
        for field, reference in zip(fields, expected, strict=True):
            np.testing.assert_allclose(field[:, index], reference, rtol=2e-5)


def test_thompson_sampling_shows_each_of_two_ads_as_often_as_its_sampled_rate_is_the_higher():
    rounds, mean, precision = 20_000, np.array([[[0.5, -1.0], [0.2, -1.2]]]), np.array([[[4.0, 2.0], [1.0, 8.0]]])
    drawn = catalogue_of(0, Config(1, 1, n_ads=2, context_dim=1, observed_dim=1))
    catalogue = Catalogue(drawn.embedding, jnp.ones((1, 2)))
    x = np.array([2.0, 1.0])
    context = jnp.broadcast_to(jnp.asarray(x)[:, None], (2, rounds))

    @jit
    def choose(context, mean, precision):
        stream = Stream.from_key(jax.random.key(4))
        return estimated_offers(context, catalogue, mean, precision, stream.at(jnp.arange(rounds)))

    offers = choose(context, jnp.asarray(mean, jnp.float32), jnp.asarray(precision, jnp.float32))
    difference = (mean[0, 0] - mean[0, 1]) @ x
    spread = np.sqrt((x**2 / precision[0]).sum())
    first = int((offers.ad == 0).sum())
    assert stats.binomtest(first, rounds, stats.norm.cdf(difference / spread)).pvalue > FALSE_ALARM
    shown = np.where(np.asarray(offers.ad[0]) == 0, mean[0, 0] @ x, mean[0, 1] @ x)
    np.testing.assert_allclose(offers.estimated_ctr[0], 1 / (1 + np.exp(-shown)), rtol=1e-5)


BIDDERS, ROUNDS = 4, 6


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), pricing=st.sampled_from(["first_price", "second_price"]))
def test_an_auction_brings_every_bidder_what_the_rules_say(seed, pricing):
    rng = np.random.default_rng(seed)
    shape = (BIDDERS, ROUNDS)
    # Bids in eighths of a micro-rich grid, so that ties, zeros and lost participants are common.
    bid = rng.integers(0, 5, shape) / 8
    value = rng.integers(1, 4, shape) / 2
    ctr, estimated = rng.integers(0, 9, (2, *shape)) / 8
    best = np.maximum(ctr * value, rng.integers(0, 9, shape) / 4)
    takes_part, uniform = rng.random(shape) < 0.7, rng.random(ROUNDS).astype(np.float32)
    rounds = Rounds(jnp.zeros((1, ROUNDS)), jnp.asarray(takes_part), jnp.asarray(uniform))
    numbers = [jnp.asarray(array, jnp.float32) for array in (value, estimated, ctr, best)]
    results = settled(jnp.asarray(bid, jnp.float32), Offers(jnp.zeros(shape, jnp.int32), *numbers), rounds, pricing)
    for index in range(ROUNDS):
        column = [array[:, index] for array in (takes_part, value, estimated, ctr, best)]
        whole_bids = [int(amount * MICROS) for amount in bid[:, index]]
        winner, price, expected = round_metrics(whole_bids, *column, uniform[index], pricing)
        assert results.price[index] == price
        np.testing.assert_array_equal(results.won[:, index], np.arange(BIDDERS) == winner)
        for name, amounts in expected.items():
            np.testing.assert_array_equal(getattr(results, name)[:, index], amounts, err_msg=name)


def test_a_bid_that_is_no_number_or_nothing_abstains_and_huge_ones_are_capped():
    offers = Offers(jnp.zeros((3, 1), jnp.int32), *(jnp.full((3, 1), 0.5),) * 4)
    rounds = Rounds(jnp.zeros((1, 1)), jnp.ones((3, 1), bool), jnp.array([0.9]))
    results = settled(jnp.array([[jnp.nan], [0.0], [-1.0]]), offers, rounds, "first_price")
    assert not results.won.any()
    assert int(results.price[0]) == 0
    results = settled(jnp.array([[jnp.inf], [1e9], [0.25]]), offers, rounds, "first_price")
    np.testing.assert_array_equal(results.won[:, 0], [True, False, False])
    assert int(results.price[0]) == 1000 * MICROS


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(-(2**30) + 1, 2**30 - 1), min_size=8, max_size=8), st.integers(0, 2**32 - 1))
def test_sums_of_amounts_are_exact_whatever_their_order(amounts, seed):
    order = np.random.default_rng(seed).permutation(8)
    (total,), (other,) = (summed(jnp.array([row], jnp.int32)) for row in (amounts, np.array(amounts)[order]))
    assert total.whole()[0] == other.whole()[0] == sum(amounts)
    assert added(total, other).whole()[0] == 2 * sum(amounts)


summed = jit(lambda amounts: sum_rounds([amounts]))
added = jit(lambda a, b: a + b)


def test_the_largest_sum_of_a_block_does_not_overflow():
    amounts = jnp.full((1, 2**15), 10**9, jnp.int32)
    (total,) = summed(amounts)
    assert total.whole()[0] == 2**15 * 10**9
    (total,) = summed(-amounts)
    assert total.whole()[0] == -(2**15) * 10**9
    count = ExactSum(jnp.int32(3), jnp.int32(5))
    assert int(count.count()) == 3 * 2**15 + 5


def test_amounts_are_rounded_to_the_nearest_micro():
    np.testing.assert_array_equal(to_micros(jnp.array([0.1234564, 0.1234566, 5000.0])), [123456, 123457, 10**9])
