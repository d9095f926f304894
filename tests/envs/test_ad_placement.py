"""AdPlacement: the golden auction, prices, fatigue and sessions against formulas, and what holds in every market."""

import dataclasses

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st

import rtb_envs
from rtb_envs.envs.ad_placement import (
    REASONS,
    Candidates,
    Config,
    Options,
    Recorded,
    Response,
    Visit,
    make_ad_placement,
    play_event,
    sell,
    terms,
)
from rtb_envs.envs.ad_placement.fixed_point import MICROS, PRESSURE_BITS
from rtb_envs.policies.placement import FixedPlacement, ThresholdPlacement, UtilityPlacement
from rtb_envs.random import EVALUATE, lane_keys
from rtb_envs.rollouts import rollout, tune

SLOTS = 3
REAL = make_ad_placement()
CLASSIC = make_ad_placement(market="classic", horizon=400)


def recorded(impression=0.0, click=0.999, session=0.999, advertisers=3, rates=0.5):
    """The same draw everywhere: every ad seen, none clicked, nobody leaving, click rates undisturbed."""
    responses = Response(jnp.full(SLOTS, impression), jnp.full(SLOTS, click))
    visit = Visit(jnp.float32(session), jnp.float32(0.0), jnp.float32(0.5))
    return Recorded(visit, responses, jnp.full((SLOTS, advertisers), rates))


@pytest.fixture(scope="module")
def golden():
    """The first event of the classic market in which a pricing rule sells one slot."""

    def auction(pricing, weight=0.25):
        env = make_ad_placement(market="classic", pricing=pricing, hybrid_weight=weight)
        noise = recorded()
        state = env.initial(noise, env.default_params)
        return env, state, play_event(state, jnp.int32(1), noise, env.default_params, env.config)

    return auction


@pytest.mark.parametrize(
    ("pricing", "weight", "price"),
    [
        ("second_price", 0.0, 5.925926),
        ("first_price", 0.0, 6.0),
        ("hybrid", 0.25, 5.944444),
        ("hybrid", 0.0, 5.925926),
        ("hybrid", 1.0, 6.0),
    ],
)
def test_the_golden_auction_sells_to_b_at_each_rules_price(golden, pricing, weight, price):
    env, _, event = golden(pricing, weight)
    assert env.advertisers[int(event.sale.winner[0])] == "B"
    np.testing.assert_allclose(event.offered.score[0], [0.112, 0.1134, 0.042], rtol=1e-6)
    np.testing.assert_allclose(event.sale.pctr[0], 0.021, rtol=1e-6)
    assert int(event.sale.price[0]) == pytest.approx(price * MICROS, abs=1)
    assert REASONS[int(event.sale.reason[0])] == "filled"


def test_the_ends_of_the_hybrid_are_exactly_the_second_and_the_first_price(golden):
    prices = {rule: int(golden(*rule)[2].sale.price[0]) for rule in [("second_price",), ("first_price",)]}
    assert int(golden("hybrid", 0.0)[2].sale.price[0]) == prices["second_price",]
    assert int(golden("hybrid", 1.0)[2].sale.price[0]) == prices["first_price",]


def test_an_impression_pays_a_thousandth_of_its_price_in_whole_micro_dollars(golden):
    env, state, event = golden("second_price")
    _, reward, terminated, truncated, info = env.transition(state, jnp.int32(1), recorded(), env.default_params)
    assert float(reward) == pytest.approx(0.005926, abs=1e-9)
    assert int(event.counts.revenue) == 5926
    assert (int(info["impression"]), bool(terminated), bool(truncated)) == (1, False, False)


@pytest.mark.parametrize(("product", "value"), [(0.25, 0.778801), (1.0, 0.367879), (3.0, 0.049787)])
def test_fatigue_is_the_exponential_of_sensitivity_times_pressure(product, value):
    params = CLASSIC.default_params.replace(fatigue_sensitivity=product / 2)
    state = CLASSIC.initial(recorded(), params)
    # Twice as many impressions as events: a pressure of 2.
    episode = dataclasses.replace(state.episode, impressions=jnp.int32(20))
    state = dataclasses.replace(state, t=jnp.int32(10), episode=episode)
    assert float(terms(state, params, CLASSIC.config).fatigue) == pytest.approx(value, abs=1e-6)


def oracle_price(bid, pctr, quality, eligible, floor, pricing, weight, below_floor):
    """The classic auction in plain Python floats: winner or None, price, reason."""
    entrants = [i for i in range(len(bid)) if eligible[i] and (below_floor == "no_fill" or bid[i] >= floor)]
    if not entrants:
        return None, 0.0, "below_floor" if any(eligible) else "no_eligible"
    ranked = sorted(entrants, key=lambda i: (-bid[i] * pctr[i] * quality[i], i))
    best = ranked[0]
    if bid[best] < floor:
        return None, 0.0, "below_floor"
    per_bid = pctr[best] * quality[best]
    if len(ranked) == 1 or per_bid == 0:
        second = floor
    else:
        other = ranked[1]
        second = min(max(floor, bid[other] * pctr[other] * quality[other] / per_bid), bid[best])
    first = max(floor, bid[best])
    return (
        best,
        {"second_price": second, "first_price": first}.get(pricing, weight * first + (1 - weight) * second),
        "filled",
    )


@pytest.fixture(scope="module")
def selling():
    """Compiled ``sell`` of the classic market by static rules."""
    programs = {}

    def run(offered, floor, params, config):
        if config not in programs:
            programs[config] = jax.jit(lambda *given: sell(*given, config))
        return jax.device_get(programs[config](offered, floor, params))

    return run


eighths = st.integers(0, 64).map(lambda n: n / 8)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    bids=st.lists(eighths.map(lambda b: b + 0.125), min_size=3, max_size=3),
    pctr=st.lists(eighths.map(lambda p: p / 16), min_size=3, max_size=3),
    quality=st.lists(eighths.map(lambda q: q / 4), min_size=3, max_size=3),
    eligible=st.lists(st.booleans(), min_size=3, max_size=3),
    floor=eighths,
    pricing=st.sampled_from(["second_price", "first_price", "hybrid"]),
    below_floor=st.sampled_from(["no_fill", "try_next"]),
)
def test_a_sale_is_what_the_oracle_says_and_its_price_is_between_floor_and_bid(
    selling, bids, pctr, quality, eligible, floor, pricing, below_floor
):
    config = Config(market="classic", pricing=pricing, below_floor=below_floor)
    params = CLASSIC.default_params.replace(quality=np.float32(quality), hybrid_weight=0.25)
    bid, rate = (np.tile(np.float32(values), (SLOTS, 1)) for values in (bids, pctr))
    offered = Candidates(bid, rate, bid * rate * np.float32(quality), np.tile(eligible, (SLOTS, 1)))
    offered = Candidates(pctr=rate, bid_cpm=bid, score=offered.score, is_eligible=offered.is_eligible)
    sale = selling(offered, jnp.float32(floor), params, config)
    winner, price, reason = oracle_price(bids, pctr, quality, eligible, floor, pricing, 0.25, below_floor)
    assert REASONS[sale.reason[0]] == reason
    assert bool(sale.is_sold[0]) == (winner is not None)
    if winner is not None:
        assert sale.winner[0] == winner
        assert sale.price[0] / MICROS == pytest.approx(price, abs=5e-6)
        assert floor * MICROS <= sale.price[0] <= bids[winner] * MICROS


def test_in_the_real_market_advertisers_bid_what_a_click_is_worth_and_viewability_counts_once():
    noise = recorded(advertisers=8)
    state = REAL.initial(noise, REAL.default_params)
    event = play_event(state, jnp.int32(3), noise, REAL.default_params, REAL.config)
    params = REAL.default_params
    factor = float(state.user_factor)
    pctr = np.asarray(params.ctr) * factor
    np.testing.assert_allclose(event.offered.pctr[0], pctr, rtol=1e-5)
    np.testing.assert_allclose(event.offered.bid_cpm[0], pctr * np.asarray(params.value_per_click) * 1000, rtol=1e-5)
    score = pctr * np.asarray(params.value_per_click) * 1000 * np.asarray(params.quality)
    banners = np.flatnonzero(np.asarray(params.takes_format[0]))
    first, second = banners[np.argsort(-score[banners])][:2]
    assert int(event.sale.winner[0]) == first
    expected = score[second] / float(params.quality[first])
    assert int(event.sale.price[0]) / MICROS == pytest.approx(expected, rel=1e-4)


def test_real_pressure_halves_in_a_half_life_and_a_session_leaves_a_new_user_without_it():
    params = REAL.default_params
    half_life = round(float(params.pressure_half_life))
    step = jax.jit(lambda state, noise: REAL.transition(state, jnp.int32(0), noise, params)[0])
    state = dataclasses.replace(REAL.initial(recorded(advertisers=8), params), pressure=jnp.int32(8 << PRESSURE_BITS))
    for _ in range(half_life):
        state = step(state, recorded(advertisers=8))
    assert int(state.pressure) / 2**PRESSURE_BITS == pytest.approx(4, rel=1e-2)
    left = step(state, recorded(session=1e-6, advertisers=8))
    assert not bool(left.has_user)
    assert (int(left.pressure), int(left.exposures), int(left.session_age)) == (0, 0, 0)
    back = step(left, recorded(session=1e-6, advertisers=8))
    assert bool(back.has_user)
    assert int(back.sessions) == 2


def test_without_a_user_no_slot_is_opened():
    params = REAL.default_params
    noise = recorded(advertisers=8)
    state = dataclasses.replace(REAL.initial(noise, params), has_user=jnp.bool_(False))
    _, reward, _, _, info = REAL.transition(state, jnp.int32(3), noise, params)
    assert (float(reward), int(info["opened_slots"])) == (0, 0)


@pytest.fixture(scope="module")
def day():
    """Plays whole days of given actions [events] in some lanes: states and infos [lanes, events]."""

    @jax.jit
    def play(keys, actions, params):
        def one(key):
            _, state = REAL.reset_env(key, params)

            def step(state, action):
                observation, state, reward, *_, info = REAL.step_env(key, state, action, params)
                return state, (state, observation, reward, info)

            return jax.lax.scan(step, state, actions)[1]

        return jax.vmap(one)(keys)

    return lambda actions, params=REAL.default_params: jax.device_get(
        play(lane_keys(3, EVALUATE, 16), jnp.asarray(actions, jnp.int32), params)
    )


def test_money_is_conserved_budgets_are_never_overdrawn_and_observations_stay_in_their_space(day):
    actions = np.random.default_rng(0).integers(0, 4, 1000)
    state, observation, reward, info = day(actions)
    limited = np.asarray(REAL.default_params.is_limited)
    budget = np.asarray(REAL.default_params.daily_budget)
    remaining = np.stack(state.remaining_budget, axis=-1)
    assert (remaining >= 0).all()
    assert (remaining[..., ~limited] == budget[~limited]).all()
    assert (remaining[:, -1, limited].min(axis=0) < budget[limited]).all()
    micros = np.round(reward * 1e6).astype(np.int64)
    whole = state.episode.dollars.astype(np.int64) * MICROS + state.episode.revenue
    np.testing.assert_array_equal(np.cumsum(micros, axis=1), whole)
    assert ((observation >= 0) & (observation <= 1)).all()
    assert (info["click"] <= info["impression"]).all()
    assert (info["impression"] <= info["filled_slots"]).all()
    assert (info["filled_slots"] <= info["opened_slots"]).all()
    assert (info["opened_slots"] <= actions).all()


def test_more_slots_make_shorter_sessions(day):
    visited = [day(np.full(1000, slots))[3]["has_user"].mean() for slots in (0, 1, 3)]
    assert visited[0] > visited[1] > visited[2]


def test_compiled_and_not_compiled_steps_have_the_same_bits():
    params = REAL.default_params
    key = jax.random.key(5)
    observation, state = REAL.reset_env(key, params)
    step = jax.jit(REAL.step_env)
    compiled = REAL.reset_env(key, params)[1]
    for action in (3, 2, 0, 3):
        compiled_observation, compiled, *_ = step(key, compiled, jnp.int32(action), params)
        with jax.disable_jit():
            observation, state, *_ = REAL.step_env(key, state, jnp.int32(action), params)
        np.testing.assert_array_equal(observation, compiled_observation)
        for a, b in zip(jax.tree.leaves(state), jax.tree.leaves(compiled), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("market", ["real", "classic"])
def test_gymnasiums_checker_accepts_both_markets(market):
    check_env(gymnasium.make("AdPlacement-v0", market=market, horizon=20).unwrapped)


def test_an_episode_is_truncated_after_its_events_and_never_terminated():
    env = gymnasium.make("AdPlacement-v0", horizon=5)
    env.reset(seed=1)
    flags = [env.step(1)[2:4] for _ in range(5)]
    assert flags == [(False, False)] * 4 + [(False, True)]


def test_in_the_classic_market_opening_everything_never_loses():
    # Common random numbers: every rule meets the same 16 episodes, so no interval is needed.
    def returns(family, **options):
        return rollout(CLASSIC, family.for_env(CLASSIC, **options), 16, 400, seed=0).totals["episode_return"]

    everything = returns(FixedPlacement, slots_per_open=3)
    for family, options in [
        (FixedPlacement, {"slots_per_open": 1}),
        (FixedPlacement, {"slots_per_open": 3, "every_n_events": 2}),
        (ThresholdPlacement, {"threshold_ecpm": 4.0}),
        (UtilityPlacement, {"annoyance_weight": 0.01}),
        (UtilityPlacement, {"annoyance_weight": 1.0}),
    ]:
        assert (returns(family, **options) <= everything).all()


def test_in_the_real_market_opening_everything_loses_to_opening_one_slot():
    def mean(slots):
        return rollout(REAL, FixedPlacement.for_env(REAL, slots_per_open=slots), 16, 1000, seed=0).mean_return

    assert mean(1) > mean(3) > 0


def test_the_best_weight_of_annoyance_is_inside_the_grid():
    tuning = tune(REAL, UtilityPlacement.for_env, {"annoyance_weight": np.logspace(-4, 1, 26)}, 64, 0)
    best = int(np.argmax(tuning.means))
    assert 3 <= best <= 22
    assert tuning.means[best] > max(tuning.means[0], tuning.means[-1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"market": "unreal"}, "market must be one of 'real', 'classic', got 'unreal'"),
        ({"max_slots": 0}, r"max_slots must be an integer in \[1, 8\], got 0"),
        ({"noise": 0.06}, r"noise must be a finite number in \[0, 0.05\], got 0.06"),
        ({"fatigue_sensitivity": 3}, r"fatigue_sensitivity must be a finite number in \[0, 2\], got 3"),
        ({"advertisers": [{"name": "a", "ctr": 2}]}, r"advertisers\[0\]: ctr must be a finite number in \[0, 1\]"),
        (
            {"advertisers": [{"name": "a", "ctr": 0.1}]},
            r"advertisers\[0\] must have value_per_click in the real market",
        ),
        ({"slot_types": []}, "the number of slot_types must be an integer"),
    ],
)
def test_a_wrong_option_is_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        rtb_envs.make("AdPlacement-v0", **options)


def test_an_unknown_option_is_refused_by_name():
    with pytest.raises(TypeError, match="unknown option 'slots'; AdPlacement takes market, horizon"):
        rtb_envs.make("AdPlacement-v0", slots=3)


def test_replaced_numbers_are_those_of_a_market_built_anew():
    built = Options(patience=3.0, floor_multiplier=2.0).params()
    replaced = REAL.default_params.replace(patience=3.0, floor_multiplier=2.0)
    for a, b in zip(jax.tree.leaves(built), jax.tree.leaves(replaced), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_classic_average_keeps_its_value_over_an_episode_of_thousands_of_dollars():
    # 20,000 events sell 8 ads at 200 $ per mille each: 32,000 $, far beyond the micro-dollars that int32 holds.
    advertiser = {"name": "a", "ctr": 0.02, "bid_cpm": 200.0}
    slot_type = {"name": "s", "viewability": 1.0, "floor_cpm": 0.0}
    env = make_ad_placement(
        market="classic",
        horizon=20_000,
        max_slots=8,
        pricing="first_price",
        advertisers=[advertiser],
        slot_types=[slot_type],
    )
    params = env.default_params
    key = jax.random.key(0)

    def step(state, _):
        _, state, _, _, _, info = env.step_env(key, state, jnp.int32(8), params)
        return state, info["rolling_ecpm"]

    state, ecpm = jax.jit(lambda: jax.lax.scan(step, env.reset_env(key, params)[1], length=20_000))()
    assert int(state.episode.dollars) == 32_000
    np.testing.assert_allclose(ecpm, 200.0, rtol=1e-3)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_ecpm": 1e-320}, r"max_ecpm must be a finite number in \[1e-06, 200\], got 1e-320"),
        ({"arrival_rate": 1e-320}, "arrival_rate must be"),
        ({"advertisers": [{"name": "a", "ctr": 0.1, "value_per_click": 1e-320}]}, r"advertisers\[0\]: value_per_click"),
        ({"advertisers": [{"name": "a", "ctr": 0.1, "value_per_click": 1e39}]}, r"advertisers\[0\]: value_per_click"),
        ({"advertisers": [{"name": "a", "ctr": 0.1, "bid_cpm": 1e-320}], "market": "classic"}, r"\[0\]: bid_cpm must"),
        ({"slot_types": [{"name": "s", "viewability": 1, "floor_cpm": 1, "share": 1e-320}]}, r"\[0\]: share must be"),
        ({"user_ctr_factor": [10**400]}, "user_ctr_factor must be"),
        ({"advertisers": ({"name": name} for name in "ab")}, "advertisers must be a sequence of Advertisers"),
    ],
)
def test_numbers_that_float32_cannot_hold_and_what_can_be_read_only_once_are_refused(options, said):
    with pytest.raises((TypeError, ValueError), match=said):
        make_ad_placement(**options)
