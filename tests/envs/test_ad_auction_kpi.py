"""Statistical parity with RTBGym: episodes at a constant multiplier against figures of RTBGym's own runs.

A mean is compared by z = difference / sqrt(se**2 + se_ref**2), |z| < 4 (false alarm 6.3e-5). Where RTBGym's standard
error is 0 or its count below 10, counts are compared by the exact Poisson two-sample test, p > 6e-5, and amounts
through the count of the events they belong to. About 600 comparisons: one seed in 25 would raise a false alarm.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import binomtest

from rtb_envs.compile import jit
from rtb_envs.envs.ad_auction import AdAuction
from rtb_envs.rtbgym import CustomizedRTBEnv, NormalDistribution, RTBEnv, make_rtb_env
from tests.envs.rtbgym_reference import load, market_of

NUM_EPISODES = 4000
KPI = load("rtbgym_kpi.json")
RECORDED = load("rtbgym_params.json")["params"]
CONSTANT_MULTIPLIERS = [
    (name, float(multiplier)) for name, config in KPI["configs"].items() for multiplier in config["fixed_alpha"]
]
ENVIRONMENTS = load("rtbgym_environments.json")["configs"]
PRICE_SAMPLES = 200_000
"""Draws behind each point of the win curve: win_prob * (1 - win_prob) / win_prob_se**2."""
COUNTS = ("search_volume", "impression", "click", "conversion", "reward")


@functools.cache
def compiled_episodes(core):
    """Episodes of ``core`` at a constant multiplier as one program of (keys, params, multiplier)."""

    def episode(key, params, multiplier):
        _, state = core.reset_env(key, params)

        def step(state, _):
            _, state, reward, _, _, info = core.step_env(key, state, multiplier[None], params)
            return state, {**info, "reward": reward}

        return jax.lax.scan(step, state, None, core.config.max_horizon)[1]

    return jit(jax.vmap(episode, (0, None, None)))


def episodes(core, multiplier, num_episodes, seed):
    """Every step's info of independent episodes, each entry float64 [episodes, steps]."""
    keys = jax.random.split(jax.random.key(seed), num_episodes)
    info = compiled_episodes(core)(keys, core.default_params, jnp.float32(multiplier))
    info = {name: np.asarray(value, np.float64) for name, value in info.items()}
    return {**info, "win_rate": info["impression"] / info["search_volume"]}


def counted_by(name, core):
    """The count whose rareness makes the mean of ``name`` unfit for a z-test."""
    config = core.config
    return {"cost": config.cost_indicator, "reward": config.objective, "win_rate": "impression"}.get(name, name)


def disagreement(ours, mean, se, count, count_mean, reference_episodes):
    """None, or what is wrong with the mean of ``ours`` [episodes] against RTBGym's."""
    if se > 0 and count_mean * reference_episodes >= 10:
        z = (ours.mean() - mean) / np.hypot(se, ours.std(ddof=1) / ours.size**0.5)
        return None if abs(z) < 4 else f"z = {z:.1f}, {ours.mean():.5g} against {mean:.5g}"
    if se == 0 and ours.std() == 0 and ours.mean() == pytest.approx(mean, rel=1e-6):
        return None
    seen, expected = round(count.sum()), round(count_mean * reference_episodes)
    if seen + expected == 0:
        return None
    p = binomtest(seen, seen + expected, count.size / (count.size + reference_episodes)).pvalue
    return None if p > 6e-5 else f"p = {p:.1g}, {seen} events against {expected}"


def disagreements(core, info, per_step, reference_episodes, names):
    """What is wrong with the means of each step, by name and step; ``names`` maps ours to RTBGym's."""
    found = {}
    for name, theirs in names.items():
        count = counted_by(name, core)
        count_mean = per_step[names.get(count, count)]["mean"]
        for t, (mean, se) in enumerate(zip(per_step[theirs]["mean"], per_step[theirs]["se"], strict=True)):
            if mean is None:
                continue
            wrong = disagreement(info[name][:, t], mean, se, info[count][:, t], count_mean[t], reference_episodes)
            found |= {(name, t): wrong} if wrong else {}
    return found


@functools.cache
def recorded_market(name):
    """The market of a recorded configuration, with RTBGym's parameters."""
    return market_of(RECORDED, **KPI["configs"][name]["config"]["RTBEnv"])


@functools.cache
def recorded_episodes(name, multiplier):
    """Episodes of a recorded configuration at a constant multiplier."""
    return episodes(recorded_market(name), multiplier, NUM_EPISODES, seed=1)


@pytest.mark.parametrize(("name", "multiplier"), CONSTANT_MULTIPLIERS)
def test_every_step_has_the_means_of_rtbgym(name, multiplier):
    core, info = recorded_market(name), recorded_episodes(name, multiplier)
    reference = KPI["configs"][name]
    per_step = reference["fixed_alpha"][str(multiplier)]["per_step"]
    names = {**{count: count for count in COUNTS}, "cost": "spend", "win_rate": "win", "average_bid_price": "avg_bid"}
    num_reference = reference.get("n_episodes", KPI["n_episodes"])
    assert not disagreements(core, info, per_step, num_reference, names)


@pytest.mark.parametrize(("name", "multiplier"), CONSTANT_MULTIPLIERS)
def test_whole_episodes_have_the_means_of_rtbgym(name, multiplier):
    core, info = recorded_market(name), recorded_episodes(name, multiplier)
    reference = KPI["configs"][name]
    theirs = reference["fixed_alpha"][str(multiplier)]["episode"]
    num_reference = reference.get("n_episodes", KPI["n_episodes"])
    ours = {count: info[count].sum(axis=1) for count in COUNTS}
    ours["spend"] = info["cost"].sum(axis=1)
    ours["win_rate_mean_over_steps"] = info["win_rate"].mean(axis=1)
    ours["win_rate_ratio"] = ours["impression"] / ours["search_volume"]
    ours["remaining_budget_at_end"] = info["remaining_budget"][:, -1]
    ours["length"] = np.full(NUM_EPISODES, float(info["cost"].shape[1]))
    assert ours.keys() == theirs.keys()
    wrong = {
        key: disagreement(
            ours[key], figures["mean"], figures["se"], ours["impression"], theirs["impression"]["mean"], num_reference
        )
        for key, figures in theirs.items()
    }
    assert {key: text for key, text in wrong.items() if text} == {}
    assert (ours["spend"] + ours["remaining_budget_at_end"] == float(core.default_params.initial_budget)).all()


def environment(name):
    """The environments whose runs are recorded, made through RTBGym's arguments."""
    if name == "registered":
        return make_rtb_env("continuous")
    if name == "documented":
        market = RTBEnv("click", "click", step_per_episode=14, initial_budget=5000, random_state=12345)
    elif name == "paid_conversions":
        market = RTBEnv(cost_indicator="conversion", initial_budget=800, random_state=5)
    else:
        volume = NormalDistribution(mean=[50, 100, 150, 200, 250], std=[5, 10, 15, 20, 25], random_state=3)
        market = RTBEnv(
            objective="click",
            cost_indicator="impression",
            step_per_episode=5,
            initial_budget=20000,
            n_ads=30,
            n_users=40,
            ad_feature_dim=3,
            user_feature_dim=4,
            ad_sampling_rate=np.arange(1.0, 31.0),
            user_sampling_rate=1.0 + np.arange(200).reshape(5, 40) % 7,
            standard_bid_price_distribution=NormalDistribution(mean=80, std=8, random_state=11),
            minimum_standard_bid_price=70,
            search_volume_distribution=volume,
            minimum_search_volume=48,
            random_state=99,
        )
    scaler = 45.0 if name == "paid_conversions" else None
    return CustomizedRTBEnv(market, scaler=scaler, action_type="continuous").core


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_environments_of_rtbgym_arguments_have_the_means_of_rtbgym(name):
    core, reference = environment(name), ENVIRONMENTS[name]
    assert float(core.default_params.scaler) == pytest.approx(reference["scaler"], rel=5e-4)
    info = episodes(core, reference["adjust_rate"], NUM_EPISODES, seed=2)
    names = {name: name for name in (*COUNTS, "cost", "win_rate", "average_bid_price")}
    assert not disagreements(core, info, reference["per_step"], reference["episodes"], names)


def test_the_win_curve_is_rtbgyms_at_every_recorded_bid():
    core = market_of(
        {**RECORDED, "scaler": 1.0}, standard_bid_price=1.0, cost_indicator="impression", initial_budget=2**24
    )
    # A believed rate of 1 makes the multiplier the bid itself.
    params = core.default_params
    core = AdAuction(core.config, params.replace(predicted_rate=jnp.ones((7, 100, 100))))
    for point in KPI["win_curve_default_instance"]:
        info = episodes(core, point["bid"], 200, seed=point["bid"])
        assert (info["average_bid_price"] == point["bid"]).all()
        auctions, wins = info["search_volume"].sum(), info["impression"].sum()
        share = wins / auctions
        z = (share - point["win_prob"]) / np.hypot(point["win_prob_se"], (share * (1 - share) / auctions) ** 0.5)
        assert abs(z) < 4, (point, share)
        price, reference_wins = info["cost"].sum() / wins, PRICE_SAMPLES * point["win_prob"]
        spread = (((info["cost"] - price * info["impression"]) ** 2).sum() / wins) ** 0.5
        z = (price - point["mean_price_given_win"]) / (spread * (1 / wins + 1 / reference_wins) ** 0.5)
        assert abs(z) < 4, (point, price)
