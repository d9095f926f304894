"""Placement rules against their formulas, on observations made by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtb_envs.envs.ad_placement import make_ad_placement
from rtb_envs.policies.placement import FixedPlacement, ThresholdPlacement, UtilityPlacement
from rtb_envs.random import Stream

REAL = make_ad_placement(horizon=100)
CLASSIC = make_ad_placement(market="classic", horizon=100)
STREAM = Stream.from_key(jax.random.key(0))


def seen(env, t=0, pressure=0.0, viewability=0.5, ecpm=4.0):
    """The observation of time, pressure in impressions, viewability and rolling eCPM in $; 0 in all other entries."""
    params = env.default_params
    observation = np.zeros(9, np.float32)
    observation[[0, 1, 5, 7]] = (
        t / float(params.horizon),
        pressure / float(params.numbers.pressure_scale),
        viewability,
        ecpm / float(params.max_ecpm),
    )
    return jnp.asarray(observation)


def choices(env, policy, observations):
    carry, actions = policy.init(env.default_params), []
    for step, observation in enumerate(observations):
        action, carry = policy.act(STREAM.step(step), carry, observation)
        actions.append(int(action))
    return actions


def test_fixed_opens_its_slots_every_so_many_events():
    policy = FixedPlacement.for_env(REAL, slots_per_open=2, every_n_events=3)
    assert choices(REAL, policy, [seen(REAL)] * 7) == [2, 0, 0, 2, 0, 0, 2]


def test_threshold_opens_while_the_expected_ecpm_exceeds_it_and_opens_again_after_closing():
    policy = ThresholdPlacement.for_env(REAL, threshold_ecpm=3.0, max_slots=2, exploration=0.0)
    assert choices(REAL, policy, [seen(REAL, ecpm=e) for e in (4.0, 2.9, 2.9, 3.1)]) == [2, 0, 0, 2]


def test_a_threshold_that_no_observation_can_reach_is_refused():
    with pytest.raises(ValueError, match=r"threshold_ecpm must be a finite number in \[0, 10\], got 20"):
        ThresholdPlacement.for_env(CLASSIC, threshold_ecpm=20.0)
    assert float(ThresholdPlacement.for_env(REAL, threshold_ecpm=20.0).threshold_ecpm) == 20.0


def test_a_closed_threshold_explores_with_its_chance_by_one_slot():
    policy = ThresholdPlacement.for_env(REAL, threshold_ecpm=3.0, exploration=0.25)
    actions = np.array(choices(REAL, policy, [seen(REAL, ecpm=1.0)] * 400))
    assert set(actions.tolist()) == {0, 1}
    # 400 draws at .25 are within .25 +- .09 but for one seed in 30,000.
    assert abs(actions.mean() - 0.25) < 0.09


@pytest.mark.parametrize("pressure", [0.0, 1.0, 2.5, 6.0])
@pytest.mark.parametrize("weight", [0.0, 3e-4, 1e-3, 1e-2])
def test_utility_opens_what_maximises_revenue_less_weighted_annoyance(pressure, weight):
    v, ecpm = 0.5, 4.0
    utility = [k * v * ecpm / 1000 - weight * sum(v * (pressure + v * j) for j in range(1, k + 1)) for k in range(4)]
    policy = UtilityPlacement.for_env(REAL, annoyance_weight=weight)
    assert choices(REAL, policy, [seen(REAL, pressure=pressure, ecpm=ecpm)]) == [int(np.argmax(utility))]


def test_the_classic_weight_of_annoyance_fades_with_time():
    # v * k * eCPM / 1000 against lambda * v * k / t: open from t > 1000 * lambda / eCPM on.
    policy = UtilityPlacement.for_env(CLASSIC, annoyance_weight=0.1)
    times = (1, 20, 24, 26, 90)
    assert choices(CLASSIC, policy, [seen(CLASSIC, t=t, ecpm=4.0) for t in times]) == [0, 0, 0, 3, 3]


def test_threshold_reopens_in_the_real_market_and_stays_closed_in_the_classic_one():
    def opened(env, threshold, events):
        from rtb_envs.rollouts.traced import trace

        policy = ThresholdPlacement.for_env(env, threshold_ecpm=threshold, max_slots=1)
        record = lambda env, policy, params, moment: {"action": moment.action}  # noqa: E731
        return next(trace(env, policy, record, 8, 0, max_steps=events)).steps["action"] > 0

    real = opened(make_ad_placement(), 5.0, 1000)
    classic = opened(make_ad_placement(market="classic", fatigue_sensitivity=1.0), 5.9, 1000)

    def reopenings(is_open, gap):
        """Times that five slots in a row follow ``gap`` events in a row with at most one open."""
        text = ["".join("1" if o else "0" for o in day) for day in is_open]
        return sum(day.count("0" * gap + "11111") for day in text)

    assert reopenings(real, 10) > 0
    for day in classic:
        closed = np.flatnonzero(~day)
        assert not len(closed) or not day[closed[0] :].any()


@pytest.mark.parametrize(
    ("family", "options", "message"),
    [
        (FixedPlacement, {"slots_per_open": 4}, r"slots_per_open must be an integer in \[0, 3\], got 4"),
        (ThresholdPlacement, {"exploration": 1.5}, r"exploration must be a finite number in \[0, 1\], got 1.5"),
        (UtilityPlacement, {"annoyance_weight": -1}, r"annoyance_weight must be a finite number in \[0, 1e\+06\]"),
    ],
)
def test_wrong_settings_are_refused_by_name(family, options, message):
    with pytest.raises(ValueError, match=message):
        family.for_env(REAL, **options)
