"""Personas: the source model's table and formulas, and fatigue that rises and recovers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb_envs.users.personas import PERSONAS, click_probability, conversion_probability, fatigue_by_exposure

UNIT = st.floats(0.0, 1.0, width=32)


def test_the_shares_of_the_six_personas_sum_to_one():
    assert len(PERSONAS.names) == 6
    assert PERSONAS.share.sum() == pytest.approx(1.0)


def test_a_click_probability_is_worked_by_hand():
    # A loyal user on a desktop in the evening, half tired, brand matched: .15 · 1.2 · 1.2 · .5 · (1 + .9).
    loyal = PERSONAS.names.index("loyal")
    found = click_probability(
        PERSONAS.click_propensity[loyal], 1.0, PERSONAS.daypart[loyal, 2], PERSONAS.device[loyal, 1], 0.5, 0.9, 1.0
    )
    assert float(found) == pytest.approx(0.15 * 1.2 * 1.2 * 0.5 * 1.9, rel=1e-6)


def test_a_tenth_of_the_interest_survives_the_highest_fatigue():
    assert float(click_probability(0.1, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0)) == pytest.approx(0.01, rel=1e-6)


def test_a_conversion_probability_is_worked_by_hand():
    # A researcher: .02 · (1 - .8 · 60 / 300) · (1 + .2 · .6) · .5 of the attention.
    found = conversion_probability(0.02, 1.0, 0.8, 60.0, 300.0, 0.6, 1.0, 0.5)
    assert float(found) == pytest.approx(0.02 * 0.84 * 1.12 * 0.5, rel=1e-6)
    # A price beyond the budget counts as the whole budget.
    assert float(conversion_probability(0.02, 1.0, 0.8, 900.0, 300.0, 0.0, 0.0, 1.0)) == pytest.approx(0.004, rel=1e-6)


@given(rate=UNIT, recovery=UNIT)
def test_fatigue_starts_at_zero_never_falls_from_exposure_to_exposure_and_stays_in_the_unit_interval(rate, recovery):
    fatigue = np.asarray(fatigue_by_exposure(rate, recovery, 8))
    assert fatigue[0] == 0.0
    assert ((fatigue >= 0.0) & (fatigue <= 1.0)).all()
    # A higher rate tires more and a higher recovery less.
    assert (np.asarray(fatigue_by_exposure(min(1.0, rate + 0.1), recovery, 8)) >= fatigue - 1e-6).all()
    assert (np.asarray(fatigue_by_exposure(rate, min(1.0, recovery + 0.1), 8)) <= fatigue + 1e-6).all()


def test_the_published_decline_of_click_rates_is_met_by_the_rate_and_recovery_that_stand_for_it():
    # Relative click rates 1, .847, .787, .728 at exposures 1, 2, 3, 5 (Criteo Attribution, within users).
    left = 1.0 - np.asarray(fatigue_by_exposure(0.28, 0.45, 5))
    assert left[[0, 1, 2, 4]] == pytest.approx([1.0, 0.847, 0.787, 0.728], abs=0.03)
