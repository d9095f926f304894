"""Journeys: what repetition leaves, users who meet every slate alike, and verdicts on studies with a known truth."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest

from rtb_envs.random import Stream
from rtb_envs.studies.offline.journeys import (
    exposure_weights,
    interest_left,
    journey_ranking,
    population,
    simulate_slates,
)
from rtb_envs.studies.offline.synthetic import (
    between_equals,
    with_effect,
    without_effect,
    without_effect_by_default,
)
from rtb_envs.studies.offline.thompson import Arms, Run
from rtb_envs.studies.offline.verdict import KEEP, SWITCH
from rtb_envs.users.personas import PERSONAS, fatigue_by_exposure

NUM_USERS = 20_000
NUMBERS = np.arange(5, 8, dtype=np.uint32)
FREQUENCY = np.array([1.0, 3.5, 8.0])
TIRED = SimpleNamespace(fatigue_rate=0.45, fatigue_recovery=0.15)
FRESH_AND_TIRED = np.array([[1.0, 1.0, 1.0, 1.0, 0.0, 0.0], [0.8, 1.0, 1.2, 1.0, 0.5, 0.2]])


def test_a_fractional_frequency_is_whole_exposures_and_a_part_of_one():
    assert exposure_weights(FREQUENCY)[1].tolist() == [1, 1, 1, 0.5, 0, 0, 0, 0]
    assert exposure_weights(FREQUENCY).sum(axis=1) == pytest.approx(FREQUENCY)


def test_interest_left_is_the_mean_over_exposures():
    fatigue = np.asarray(fatigue_by_exposure(0.6, 0.05, 8), np.float64)
    interest = np.maximum(0.1, 1 - fatigue)
    expected = [1.0, (interest[:3].sum() + 0.5 * interest[3]) / 3.5, interest.mean()]
    found = interest_left(np.array([0.6]), np.array([0.05]), FREQUENCY)[0]
    assert found == pytest.approx(expected, rel=1e-5)
    assert (np.diff(found) < 0).all()


def test_the_cheapest_come_first_then_the_stopped_and_last_what_is_not_for_sale():
    arms = Arms(np.array([0.1, np.nan, 0.1, 0.2]), np.full(4, 0.01), np.full(4, np.inf))
    counts, stopped = np.full(4, 100.0), np.array([0, -1, -1, -1])
    tested = Run(counts, 99 * counts, np.zeros((1, 4)), counts.astype(int), counts.astype(int), stopped, np.zeros(1))
    for order in journey_ranking(arms, tested, TIRED, np.full(4, 3.0)):
        assert order.tolist() == [2, 3, 0, 1]


def test_users_have_the_personas_shares_and_do_not_depend_on_the_creatives():
    stream = Stream.from_key(jax.random.key(1))
    users = population(stream, NUM_USERS, NUMBERS)
    share = np.bincount(np.asarray(users.persona), minlength=6) / NUM_USERS
    # 5 standard errors of a share of a quarter.
    assert np.abs(share - PERSONAS.share).max() < 5 * np.sqrt(0.25 * 0.75 / NUM_USERS)
    assert np.asarray(users.match).mean() == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(3 * NUM_USERS))
    alone = population(stream, NUM_USERS, NUMBERS[1:2])
    assert np.array_equal(alone.persona, users.persona)
    assert np.array_equal(alone.match[:, 0], users.match[:, 1])


def test_mean_signups_over_users_are_the_fresh_rate_times_the_interest_that_is_left():
    per_dollar = np.tile(np.eye(3) * 0.02, (2, 1, 1))
    signups = simulate_slates(0, NUM_USERS, NUMBERS, FREQUENCY, FRESH_AND_TIRED, per_dollar)
    assert signups.shape == (2, NUM_USERS, 3)
    left = interest_left(FRESH_AND_TIRED[:, 4], FRESH_AND_TIRED[:, 5], FREQUENCY)
    error = signups.std(axis=1) / np.sqrt(NUM_USERS)
    # Six means of 20,000 users, 5 standard errors each.
    assert (np.abs(signups.mean(axis=1) - 0.02 * left) < 5 * error).all()
    assert (error < 0.03 * 0.02).all()


def test_two_slates_of_the_same_creatives_have_the_same_signups_user_by_user():
    per_dollar = np.full((2, 3, 2), 0.02)
    signups = simulate_slates(0, 1000, NUMBERS, FREQUENCY, FRESH_AND_TIRED, per_dollar)
    assert signups[:, :, 0] == pytest.approx(signups[:, :, 1], rel=1e-5)


def test_where_journeys_do_not_matter_the_verdict_keeps_thompson_sampling():
    for seed in (0, 1):
        assert without_effect(seed).verdict.decision == KEEP


def test_where_journeys_matter_the_verdict_switches_to_a_slate_that_is_truly_cheaper():
    outcome = with_effect(5)
    assert outcome.verdict.decision == SWITCH
    assert outcome.journey_cac < outcome.thompson_cac
    assert outcome.verdict.gain[1] > 0


@pytest.mark.slow
def test_of_200_studies_without_an_effect_at_most_16_say_switch():
    # At 2.5 % each, more than 16 of 200 is a chance below 1e-4.
    assert sum(without_effect(seed).verdict.switch for seed in range(200)) <= 16


def test_default_baselines_change_the_slate_where_nobody_tires_and_the_verdict_keeps_thompson_sampling():
    for seed in (0, 3):
        outcome = without_effect_by_default(seed)
        assert not outcome.verdict.same_slate
        assert outcome.verdict.decision == KEEP
        assert outcome.journey_cac > outcome.thompson_cac


@pytest.mark.slow
def test_of_200_studies_without_an_effect_on_default_baselines_many_change_the_slate_and_at_most_16_say_switch():
    verdicts = [without_effect_by_default(seed).verdict for seed in range(200)]
    assert sum(not verdict.same_slate for verdict in verdicts) >= 60
    assert sum(verdict.switch for verdict in verdicts) <= 16


@pytest.mark.slow
def test_of_200_studies_of_two_equally_good_slates_at_most_16_say_switch():
    # At 2.5 % each, more than 16 of 200 is a chance below 1e-4.
    assert sum(between_equals(seed).switch for seed in range(200)) <= 16


@pytest.mark.slow
def test_of_200_studies_with_an_effect_most_say_switch_and_the_slate_is_truly_cheaper():
    outcomes = [with_effect(seed) for seed in range(200)]
    assert sum(outcome.verdict.switch for outcome in outcomes) >= 120
    assert np.mean([outcome.journey_cac < outcome.thompson_cac for outcome in outcomes]) > 0.8
