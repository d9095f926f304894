"""AuctionGym's experiment: its figures, identities that hold exactly, and what learning brings."""

import functools
import re

import numpy as np
import pytest
from scipy import stats

from rtb_envs.envs.contextual_auction import (
    Advertisers,
    BayesianLogistic,
    Catalogue,
    DoublyRobust,
    EmpiricallyShaded,
    FixedShading,
    Oracle,
    PolicyLearning,
    Truthful,
    ValueLearning,
    simulate,
)
from rtb_envs.envs.contextual_auction.metrics import MONEY

FALSE_ALARM = 1e-3
"""Probability that a test of a gain fails although the gain is zero; seeds are fixed."""


@functools.cache
def truthful(pricing):
    """200 catalogues of AuctionGym's default world, 10,000 rounds each, oracles that bid truthfully."""
    return simulate([Advertisers(Truthful(), copies=6)], seed=0, pricing=pricing, num_runs=200)


# Figures of AuctionGym's own run with random_seed 0 and the worlds of its config/SP_Oracle.json, 10,000 rounds.
@pytest.mark.parametrize(
    ("pricing", "name", "figure"),
    [
        ("second_price", "welfare", 7130.6),
        ("second_price", "spend", 4131.6),
        ("first_price", "spend", 7175.3),
        ("first_price", "overbid_regret", 3043.7),
    ],
)
def test_auctiongym_s_figures_are_within_the_central_95_percent_of_the_catalogues(pricing, name, figure):
    totals = truthful(pricing).money(name)[:, 0].sum(axis=-1)
    low, high = np.quantile(totals, [0.025, 0.975])
    assert low < figure < high


@pytest.mark.parametrize("pricing", ["first_price", "second_price"])
def test_welfare_is_surplus_plus_revenue_to_the_micro(pricing):
    sums = truthful(pricing).sums
    assert (sums["welfare"] > 0).all()
    np.testing.assert_array_equal(sums["welfare"], sums["surplus"] + sums["spend"])
    np.testing.assert_array_equal(sums["impressions"].sum(axis=-1), 10_000)
    np.testing.assert_array_equal(sums["rounds"].sum(axis=-1), 20_000)


def test_first_price_revenue_less_overbid_regret_is_second_price_revenue_to_the_micro():
    first, second = truthful("first_price").sums, truthful("second_price").sums
    np.testing.assert_array_equal(first["spend"] - first["overbid_regret"], second["spend"])
    np.testing.assert_array_equal(first["welfare"], second["welfare"])
    assert not second["overbid_regret"].any()


def test_oracles_have_no_regret_of_allocation_or_estimation_and_know_every_rate():
    result = truthful("second_price")
    assert not result.sums["allocation_regret"].any()
    assert not result.sums["estimation_regret"].any()
    assert not result.ctr_rmse.any()
    np.testing.assert_allclose(result.ctr_bias, 1, rtol=1e-6)
    np.testing.assert_array_equal(result.shading, 1)


RUNS, ITERATIONS, ROUNDS, ADS = 12, 4, 3000, 4


def surplus_of_first(bidder, pricing):
    """The surplus of one bidder among five truthful ones, in each of 12 worlds, after its first iteration."""
    rivals = Advertisers(Truthful(), copies=5)
    result = simulate(
        [Advertisers(bidder), rivals],
        seed=1,
        pricing=pricing,
        num_runs=RUNS,
        iterations=ITERATIONS,
        rounds_per_iteration=ROUNDS,
        n_ads=ADS,
    )
    return result.surplus[:, 1:, 0].sum(axis=-1)


surplus_of_truthful = functools.cache(lambda pricing: surplus_of_first(FixedShading(1.0), pricing))


@pytest.mark.parametrize(
    "bidder",
    [EmpiricallyShaded(), ValueLearning(), DoublyRobust(), pytest.param(PolicyLearning(), marks=pytest.mark.slow)],
    ids=lambda bidder: type(bidder).__name__,
)
def test_learned_shading_earns_more_than_the_truth_under_first_price(bidder):
    gain = surplus_of_first(bidder, "first_price") - surplus_of_truthful("first_price")
    assert stats.ttest_1samp(gain, 0, alternative="greater").pvalue < FALSE_ALARM


@pytest.mark.parametrize("factor", [0.6, 0.8])
def test_shading_does_not_pay_under_second_price_and_does_under_first_price(factor):
    loss = surplus_of_truthful("second_price") - surplus_of_first(FixedShading(factor), "second_price")
    assert stats.ttest_1samp(loss, 0, alternative="greater").pvalue < FALSE_ALARM
    gain = surplus_of_first(FixedShading(factor), "first_price") - surplus_of_truthful("first_price")
    assert stats.ttest_1samp(gain, 0, alternative="greater").pvalue < FALSE_ALARM


@functools.cache
def learners():
    advertisers = [Advertisers(Truthful(), BayesianLogistic(), copies=4), Advertisers(Truthful(), Oracle(), copies=2)]
    options = {"num_runs": 4, "iterations": 4, "rounds_per_iteration": 2000, "n_ads": 4, "pricing": "second_price"}
    return simulate(advertisers, seed=2, **options)


def test_the_bayesian_allocator_s_estimates_get_better_with_data():
    rmse = learners().ctr_rmse[..., :4].mean(axis=(0, 2))
    assert (np.diff(rmse) < 0).all()
    assert rmse[-1] < rmse[0] / 2
    regret = learners().money("allocation_regret")[..., :4].sum(axis=-1)
    assert (regret[:, -1] < regret[:, 0]).all()
    bias = np.abs(learners().ctr_bias[..., :4].mean(axis=(0, 2)) - 1)
    assert bias[-1] < bias[0] / 4


def test_what_is_learnt_is_returned_and_the_oracle_learns_nothing():
    logistic, oracle = learners().memories
    assert logistic.allocator.mean.shape == (4, 4, 4, 5)
    assert (logistic.allocator.precision >= 1).all()
    assert not np.isnan(logistic.allocator.mean).any()
    assert oracle == ((), ())
    assert not learners().ctr_rmse[..., 4:].any()


def small(seed=0, num_runs=2, bidder=None, **options):
    advertisers = [Advertisers(Truthful() if bidder is None else bidder, copies=3)]
    return simulate(advertisers, seed=seed, num_runs=num_runs, rounds_per_iteration=5000, n_ads=2, **options)


@pytest.mark.slow
def test_a_run_does_not_depend_on_how_many_there_are():
    two, one = small(), small(num_runs=1)
    for name in MONEY:
        np.testing.assert_array_equal(two.sums[name][:1], one.sums[name])


def test_the_same_seed_gives_the_same_sums_and_another_one_others():
    two, again, other = small(), small(), small(seed=1)
    for name in MONEY:
        np.testing.assert_array_equal(two.sums[name], again.sums[name])
    assert (two.sums["welfare"] != other.sums["welfare"]).any()


def test_a_given_catalogue_is_used_in_every_run_and_bidders_permuted_permute_what_can_not_depend_on_draws():
    rng = np.random.default_rng(0)
    embedding, value = rng.normal(size=(3, 2, 6)), rng.uniform(0.5, 2, (3, 2))
    everyone = small(participants=3, catalogue=Catalogue(embedding, value), pricing="second_price")
    order = [2, 0, 1]
    permuted = small(participants=3, catalogue=Catalogue(embedding[order], value[order]), pricing="second_price")
    for name in ("welfare", "spend", "impressions", "best_expected_value"):
        np.testing.assert_array_equal(everyone.sums[name][..., order], permuted.sums[name])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"participants": 4}, "participants must be an integer in [1, 3], got 4"),
        ({"participants": 0}, "participants must be an integer in [1, 3], got 0"),
        ({"pricing": "third_price"}, "pricing must be one of 'second_price', 'first_price', got 'third_price'"),
        ({"num_runs": 0}, "num_runs must be an integer in [1, 1048576], got 0"),
        ({"iterations": 0}, "iterations must be an integer in [1, 1048576], got 0"),
        ({"context_dim": 0}, "context_dim must be an integer in [1, 1024], got 0"),
        ({"observed_dim": 6}, "observed_dim must be an integer in [0, 5], got 6"),
        ({"seed": -1}, "seed must be an integer in [0, 4294967295], got -1"),
        (
            {"catalogue": Catalogue(np.zeros((3, 2, 5)), np.ones((3, 2)))},
            "catalogue.embedding must have shape (3, 2, 6), got shape (3, 2, 5)",
        ),
        (
            {"catalogue": Catalogue(np.zeros((3, 2, 6)), -np.ones((3, 2)))},
            "catalogue.value must hold finite numbers in [1e-06, 1000], got -1.0 at (0, 0)",
        ),
    ],
)
def test_impossible_numbers_are_refused_by_name(options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        small(**options)


@pytest.mark.parametrize(
    ("advertisers", "message"),
    [
        ([], "advertisers must be a sequence of at least one Advertisers"),
        (["Truthful"], "advertisers must be a sequence of Advertisers"),
        ([Advertisers("Truthful")], "bidder must be an object with the methods init, shade and update, got 'Truthful'"),
        ([Advertisers(Truthful)], "bidder must be an object with the methods init, shade and update"),
        ([Advertisers(Truthful(), "TS")], "allocator must be an object with the methods init, offers and update"),
    ],
)
def test_what_is_no_bidder_or_allocator_is_refused(advertisers, message):
    with pytest.raises(TypeError, match=re.escape(message)):
        simulate(advertisers, seed=0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FixedShading(np.float32(-1)), "factor must be a finite number in [0, 1], got "),
        (lambda: FixedShading(1.5), "factor must be a finite number in [0, 1], got 1.5"),
        (lambda: EmpiricallyShaded(exploration=0.0), "exploration must be a finite number in (0, 1], got 0.0"),
        (lambda: ValueLearning(initial=-0.1), "initial must be a finite number in [0, 1], got -0.1"),
        (lambda: BayesianLogistic(prior_precision=-1.0), "prior_precision must be a finite number in (0, 1e+09]"),
        (lambda: Advertisers(Truthful(), copies=0), "copies must be an integer in [1, 10000], got 0"),
        (lambda: small().money("profit"), "name must be one of welfare, spend, surplus"),
    ],
)
def test_wrong_numbers_of_bidders_are_refused_by_name(make, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        make()
