"""One step of AdAuction against a plain reading of the model: Python numbers, one auction after another."""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtb_envs.compile import jit
from rtb_envs.envs.ad_auction import Auctions, FirstObservation, Hidden, Recorded, derive, make_ad_auction
from rtb_envs.envs.ad_auction.settlement import StepTotals
from rtb_envs.users.response import ConstantResponse, LogisticResponse

ADS, USERS, STEPS, MOST_AUCTIONS, NUM_CASES = 5, 4, 5, 1000, 48
INTEGERS = ("search_volume", "impression", "click", "conversion", "cost", "remaining_budget")
# Every pair of options occurs in some row; blocks of 16 to 512 auctions make volumes of 0 to 1000 cross them.
CONFIGURATIONS = [
    {"cost_indicator": "click", "pricing": "second_price", "objective": "conversion", "budget_rule": "stop"},
    {"cost_indicator": "click", "pricing": "first_price", "objective": "click", "budget_rule": "skip"},
    {"cost_indicator": "click", "pricing": "hybrid", "objective": "conversion", "budget_rule": "skip"},
    {"cost_indicator": "impression", "pricing": "second_price", "objective": "click", "budget_rule": "skip"},
    {"cost_indicator": "impression", "pricing": "first_price", "objective": "conversion", "budget_rule": "stop"},
    {"cost_indicator": "impression", "pricing": "hybrid", "objective": "click", "budget_rule": "stop"},
    {"cost_indicator": "conversion", "pricing": "second_price", "objective": "conversion", "budget_rule": "skip"},
    {"cost_indicator": "conversion", "pricing": "first_price", "objective": "click", "budget_rule": "stop"},
    {"cost_indicator": "conversion", "pricing": "hybrid", "objective": "conversion", "budget_rule": "stop"},
]
BLOCKS = (16, 64, 256, 128, 48, 512, 32, 256, 96)


@dataclass
class Case:
    """One step to be played: a market, where its episode stands, what is bid, and every draw."""

    click_rate: np.ndarray
    """[steps, ads, users]"""
    conversion_rate: np.ndarray
    bid_scale: float
    """Bid at multiplier 1 per unit of the bidder's rate."""
    params: dict
    t: int
    remaining: int
    before: dict
    """Totals of the episode before this step."""
    drift_sign: float
    shock_step: int
    multiplier: float
    volume: int
    ad: np.ndarray
    user: np.ndarray
    price: np.ndarray
    uniform: np.ndarray


def played_by_hand(case, config):
    """Info, reward and observation of the step, by the model's definition."""
    p, t = case.params, case.t
    level = 1 + p["drift"] * case.drift_sign * t / max(p["horizon"] - 1, 1)
    if case.shock_step <= t < case.shock_step + p["shock_duration"]:
        level *= p["shock_factor"]
    multiplier = min(max(case.multiplier, p["multiplier_low"]), p["multiplier_high"])
    left, stopped, bids = case.remaining, False, 0
    kept = {"search_volume": case.volume, "impression": 0, "click": 0, "conversion": 0, "cost": 0}
    kept["expected_conversion"] = 0.0
    for i in range(case.volume):
        ctr = case.click_rate[t, case.ad[i], case.user[i]]
        cvr = case.conversion_rate[t, case.ad[i], case.user[i]]
        value = ctr * cvr if config["objective"] == "conversion" else ctr
        bid = int(multiplier * value * case.bid_scale)
        bids += bid
        price = max(case.price[i] * level, p["minimum_price"])
        impression = bid > price and bid >= p["reserve_price"]
        click = impression and case.uniform[i] < ctr
        conversion = impression and case.uniform[i] < ctr * cvr
        second = max(price, p["reserve_price"])
        charge = {
            "second_price": second,
            "first_price": bid,
            "hybrid": second + p["hybrid_weight"] * (bid - second),
        }[config["pricing"]]
        paid_event = {"impression": impression, "click": click, "conversion": conversion}[config["cost_indicator"]]
        cost = int(charge) if paid_event else 0
        fits = cost < left and not stopped
        stopped = stopped or (not fits and config["budget_rule"] == "stop")
        if fits:
            left -= cost
            kept["impression"] += impression
            kept["click"] += click
            kept["conversion"] += conversion
            kept["cost"] += cost
            kept["expected_conversion"] += cvr if click else 0.0
    totals = {name: case.before[name] + kept[name] for name in kept}
    reward = kept[config["objective"]]
    info = {
        **kept,
        "remaining_budget": left,
        "average_bid_price": bids / case.volume if case.volume else 0.0,
        "win_rate": kept["impression"] / case.volume if case.volume else 0.0,
        "multiplier": multiplier,
        "reward": reward,
        **{f"episode_{name}": total for name, total in totals.items()},
    }
    consumption = kept["cost"] / case.remaining
    per_mille = 1000 * kept["cost"] / kept["impression"] if kept["impression"] else 0.0
    observation = [t + 1, left, consumption, per_mille, info["win_rate"], reward, multiplier]
    return info, reward, t + 1 >= p["horizon"], observation


def state_and_noise(env, params, case):
    """The case as the environment's state and draws."""
    first = FirstObservation(*(jnp.zeros((), float) for _ in range(5)))
    hidden = Hidden(jnp.asarray(case.drift_sign, float), jnp.int32(case.shock_step))
    columns = (jnp.asarray(case.ad), jnp.asarray(case.user), jnp.asarray(case.price, float))
    auctions = Auctions(*columns, jnp.asarray(case.uniform, float))
    noise = Recorded(jnp.int32(case.volume), auctions, hidden, first)
    before = {name: jnp.int32(case.before[name]) for name in case.before if name != "expected_conversion"}
    expected = jnp.asarray(case.before["expected_conversion"], float)
    state = replace(
        env.initial(noise, params),
        t=jnp.int32(case.t),
        remaining_budget=jnp.int32(case.remaining),
        episode=replace(StepTotals.zero(), **before, expected_conversion=expected),
    )
    return state, noise


def compare(env, config, cases, markets):
    """Play ``cases`` in ``markets`` (underived params) compiled and by hand."""
    params = jit(jax.vmap(derive))(jax.tree.map(lambda *leaves: jnp.stack(leaves), *markets))

    def play(state, action, noise, params):
        after, *outcome = env.transition(state, action, noise, params)
        return env.observe(after, params), after, *outcome

    pairs = [state_and_noise(env, market, case) for market, case in zip(markets, cases, strict=True)]
    state, noise = jax.tree.map(lambda *leaves: jnp.stack(leaves), *pairs)
    action = jnp.asarray([[case.multiplier] for case in cases], float)
    played = jax.device_get(jit(jax.vmap(play))(state, action, noise, params))
    for i, case in enumerate(cases):
        observation, after, reward, terminated, truncated, info = jax.tree.map(lambda leaf: leaf[i], played)  # noqa: B023
        expected_info, expected_reward, expected_end, expected_observation = played_by_hand(case, config)
        assert {name: info[name] for name in INTEGERS} == {name: expected_info[name] for name in INTEGERS}, (i, case)
        for name, expected in expected_info.items():
            # Conversion rates are summed in units of 2**-20.
            tolerance = case.volume * 2.0**-20 if "expected_conversion" in name else 0.0
            assert info[name] == pytest.approx(expected, rel=1e-6, abs=tolerance), (i, name)
        assert (reward, terminated, truncated) == (expected_reward, expected_end, False)
        assert observation == pytest.approx(expected_observation, rel=1e-6)
        assert (after.drift_sign, after.shock_step) == (case.drift_sign, case.shock_step)


def random_case(rng, number, click_rate, conversion_rate, bid_scale, params):
    """A step somewhere in an episode; every fourth is short of budget, volumes reach from none to 1000."""
    budget = int(rng.choice([1, 2, 60, 400, 3000, 2**24]))
    volume = [0, 1, int(rng.integers(2, 70)), int(rng.integers(70, MOST_AUCTIONS)), MOST_AUCTIONS][number % 5]
    before = {name: int(rng.integers(1000)) for name in ("search_volume", "impression", "click", "conversion", "cost")}
    return Case(
        click_rate=click_rate,
        conversion_rate=conversion_rate,
        bid_scale=bid_scale,
        params=params,
        t=int(rng.integers(params["horizon"])),
        remaining=budget,
        before={**before, "expected_conversion": float(rng.integers(100))},
        drift_sign=float(rng.choice([-1, 1])),
        shock_step=int(rng.integers(STEPS)),
        multiplier=float(rng.choice([0.01, 0.125, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 8, 12])),
        volume=volume,
        ad=rng.integers(ADS, size=MOST_AUCTIONS, dtype=np.int32),
        user=rng.integers(USERS, size=MOST_AUCTIONS, dtype=np.int32),
        price=np.round(4 * rng.gamma(4, 12, MOST_AUCTIONS)) / 4,
        uniform=(rng.integers(2**23, size=MOST_AUCTIONS) + 0.5) / 2**23,
    )


def random_numbers(rng):
    """Numbers of a market in few binary digits, so that float32 computes every bid and price exactly."""
    return {
        "horizon": int(rng.integers(2, STEPS + 1)),
        "minimum_price": float(rng.choice([0, 1, 5.5])),
        "reserve_price": float(rng.choice([0, 12.25, 40, 300])),
        "hybrid_weight": float(rng.choice([0, 0.25, 0.5, 1])),
        "drift": float(rng.choice([0, 0.25, 0.5, 1])),
        "shock_factor": float(rng.choice([0.5, 1, 1.5, 4])),
        "shock_duration": int(rng.integers(3)),
        "multiplier_low": 0.125,
        "multiplier_high": 10.0,
    }


def with_numbers(params, numbers):
    """``params`` with these numbers, underived."""
    shift = {name: numbers[name] for name in ("drift", "shock_factor", "shock_duration")}
    rest = {name: value for name, value in numbers.items() if name not in shift}

    def as_leaf(value):
        return jnp.int32(value) if isinstance(value, int) else jnp.asarray(value, float)

    moved = replace(params.shift, **{name: as_leaf(value) for name, value in shift.items()})
    return replace(params, derived=None, shift=moved, **{name: as_leaf(value) for name, value in rest.items()})


def market(config, **options):
    sizes = {"horizon": STEPS, "n_ads": ADS, "n_users": USERS, "ad_feature_dim": 2, "user_feature_dim": 2}
    return make_ad_auction(**sizes, **config, search_volume_mean=MOST_AUCTIONS, search_volume_std=0.0, **options)


@pytest.mark.parametrize(("config", "block"), list(zip(CONFIGURATIONS, BLOCKS, strict=True)))
def test_the_compiled_step_agrees_with_the_model_played_auction_by_auction(config, block):
    rng = np.random.default_rng(block)
    env = market(config, max_auctions=block, scaler=1.0)
    # Five steps and quarters of their range: t / (T - 1) is exact for the horizons 2, 3 and 5.
    cases, markets = [], []
    for number in range(NUM_CASES):
        numbers = random_numbers(rng)
        numbers["horizon"] = int(rng.choice([2, 3, 5]))
        click, conversion = (rng.integers(1, 17, ADS) / 16 for _ in range(2))
        scaler = float(rng.choice([1, 2, 5, 12]))
        laws = (ConstantResponse(jnp.asarray(rate, float), jnp.ones(STEPS)) for rate in (click, conversion))
        params = with_numbers(env.default_params, {**numbers, "scaler": scaler, "standard_bid_price": 40.0})
        markets.append(replace(params, **dict(zip(("click_rate", "conversion_rate"), laws, strict=True))))
        table = np.ones((STEPS, ADS, USERS))
        rates = (table * rate[:, None] for rate in (click, conversion))
        cases.append(random_case(rng, number, *rates, 40 * scaler, numbers))
    compare(env, config, cases, markets)


@pytest.mark.parametrize("config", [CONFIGURATIONS[0], CONFIGURATIONS[5], CONFIGURATIONS[6]])
def test_with_logistic_rates_and_the_automatic_scaler_it_agrees_in_float64(config):
    """In float64 a bid lies too near an integer to be floored alike once in 10**12."""
    rng = np.random.default_rng(0)
    with jax.enable_x64(True):
        ad_rate, user_rate = rng.random((STEPS, ADS)), rng.random((STEPS, USERS))
        env = market(config, max_auctions=64, ad_sampling_rate=ad_rate, user_sampling_rate=user_rate)
        ad_rate, user_rate = (rate / rate.sum(axis=1, keepdims=True) for rate in (ad_rate, user_rate))
        cases, markets = [], []
        for number in range(NUM_CASES):
            numbers = random_numbers(rng)
            laws = [(rng.normal(size=ADS), rng.normal(size=USERS), rng.random(STEPS)) for _ in range(2)]
            click, conversion = (time[:, None, None] / (1 + np.exp(-(ad[:, None] + user))) for ad, user, time in laws)
            value = click * conversion if config["objective"] == "conversion" else click
            steps = numbers["horizon"]
            weights = (rate[:steps].mean(axis=0) for rate in (ad_rate, user_rate))
            mean = np.einsum("tau,a,u->", value[:steps], *weights) / steps
            params = with_numbers(env.default_params, numbers)
            responses = (LogisticResponse(*(jnp.asarray(part, float) for part in law)) for law in laws)
            markets.append(replace(params, **dict(zip(("click_rate", "conversion_rate"), responses, strict=True))))
            cases.append(random_case(rng, number, click, conversion, 50 / mean, numbers))
        compare(env, config, cases, markets)
