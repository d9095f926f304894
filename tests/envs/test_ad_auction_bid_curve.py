"""Bid curves as actions: what they buy, against the multiplier and by hand."""

import warnings

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from scipy import stats

from rtb_envs.auctions.market_prices import GammaPrice
from rtb_envs.compile import jit
from rtb_envs.envs.ad_auction import Auctions, FirstObservation, Hidden, Recorded, make_ad_auction
from rtb_envs.envs.ad_auction.bidding import read_action
from rtb_envs.users.response import ConstantResponse
from tests.envs.playing import compiled

SMALL = {"horizon": 4, "n_ads": 10, "n_users": 8, "search_volume_mean": 50.0, "search_volume_std": 10.0}
KINDS = ("continuous", "discrete", "bid_curve")


@pytest.fixture(scope="module")
def env():
    return make_ad_auction(**SMALL, action_kind="bid_curve")


@pytest.fixture(scope="module")
def multiplier_env():
    return make_ad_auction(**SMALL)


def straight(params, multiplier, participation_rate=1.0):
    """The curve that bids by a multiplier."""
    bids = np.float32(multiplier) * np.asarray(params.standard_bid_price * params.bid_curve_knots)
    return np.float32([participation_rate, *np.minimum(bids, params.largest_bid)])


def episode(env, actions, seed=0, **changes):
    """Observations with the first, and infos, of an episode by ``actions``, as NumPy arrays over steps."""
    params = env.default_params.replace(**changes) if changes else env.default_params
    reset, step = compiled(env.config)
    key = jax.random.key(seed)
    observation, state = reset(key, params)
    observations, infos = [observation], []
    for action in actions:
        observation, state, _, _, _, info = step(key, state, jnp.asarray(action), params)
        observations.append(observation)
        infos.append(info)
    return np.array(observations), {name: np.array([info[name] for info in infos]) for name in infos[0]}


@pytest.mark.parametrize("seed", range(4))
def test_a_straight_curve_buys_what_the_multiplier_buys(env, multiplier_env, seed):
    multipliers = [0.3, 1.0, 2.5, 9.0]
    seen, info = episode(env, [straight(env.default_params, m) for m in multipliers], seed)
    same, expected = episode(multiplier_env, [np.float32([m]) for m in multipliers], seed)
    np.testing.assert_allclose(seen, same, rtol=1e-6)
    for name in expected:
        np.testing.assert_allclose(info[name], expected[name], rtol=1e-6, err_msg=name)


def test_a_straight_curve_s_bids_differ_by_one_at_most_and_in_one_of_ten_thousand_auctions(env):
    params = env.default_params
    rng = np.random.default_rng(0)
    unit_bid = jnp.asarray(50 * np.exp(rng.uniform(np.log(1 / 64), np.log(32), 200_000)), jnp.float32)
    index = jnp.arange(unit_bid.size)
    noise = env.reset_noise(jax.random.key(0), params)

    def bids(multiplier):
        curve = params.standard_bid_price * params.bid_curve_knots * multiplier
        actions = {"continuous": multiplier[None], "bid_curve": jnp.append(1.0, curve)}
        return [read_action(action, params, kind).bid(unit_bid, index, noise) for kind, action in actions.items()]

    for multiplier in (0.1, 0.7, 3.3):
        by_multiplier, by_curve = (np.asarray(bid) for bid in jit(bids)(jnp.float32(multiplier)))
        assert np.abs(by_multiplier - by_curve).max() <= 1
        assert (by_multiplier != by_curve).mean() < 1e-4


def test_the_market_of_a_seed_is_the_same_bytes_whatever_the_kind_of_action():
    offers = []
    for kind in KINDS:
        env = make_ad_auction(**SMALL, action_kind=kind)
        params, key = env.default_params, jax.random.key(3)

        def draw(key, params, env=env):
            _, state = env.reset_env(key, params)
            noise = env.noise(key, state, params)
            offer, auctions = env.offer(jnp.arange(100), noise, state, params)
            return offer, auctions, noise.search_volume(params, state.t)

        offers.append([np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(jit(draw)(key, params))])
    assert offers[0] == offers[1] == offers[2]


class NoParticipation:
    """Draws that can not be asked who takes part."""

    def __init__(self, noise):
        self.search_volume, self.auctions = noise.search_volume, noise.auctions


def test_a_multiplier_asks_for_no_participation_draw(env, multiplier_env):
    def step(core, action):
        params = core.default_params
        state = core.initial(core.reset_noise(jax.random.key(0), params), params)
        noise = NoParticipation(core.noise(jax.random.key(0), state, params))
        return jax.eval_shape(lambda: core.transition(state, action, noise, params))

    step(multiplier_env, jnp.ones(1))
    with pytest.raises(AttributeError, match="participation"):
        step(env, jnp.ones(18))


def test_participation_is_its_own_uniform_draw(env):
    noise = env.noise(jax.random.key(0), env.reset_env(jax.random.key(0), env.default_params)[1], env.default_params)
    index = jnp.arange(20_000)
    auctions = noise.auctions(index, env.default_params, jnp.int32(0))
    participation = np.asarray(noise.participation(index))
    # Kolmogorov-Smirnov and correlations: each fails by chance once in 10,000.
    assert stats.kstest(participation, "uniform").pvalue > 1e-4
    for other in auctions:
        assert stats.pearsonr(participation, np.asarray(other)).pvalue > 1e-4


def test_a_bidder_takes_part_in_the_given_share_of_auctions(env):
    params = env.default_params.replace(search_volume_mean=jnp.full(4, 2000.0), initial_budget=jnp.int32(2**24))
    bought = []
    for rate in (1.0, 0.3, 0.0):
        action = np.float32([rate, *np.full(17, params.largest_bid)])
        changes = {"search_volume_mean": params.search_volume_mean, "initial_budget": params.initial_budget}
        bought.append(episode(env, [action] * 4, **changes)[1])
    everything, some, nothing = (info["impression"].sum() for info in bought)
    volume = bought[0]["search_volume"].sum()
    assert everything == volume
    # Binomial; outside 4 standard deviations once in 16,000.
    assert abs(some - 0.3 * volume) < 4 * np.sqrt(0.21 * volume)
    assert nothing == 0
    assert bought[2]["cost"].sum() == 0


def recorded_step(env, action, participation_uniform=None):
    """One step of four recorded auctions with rates 1/2, 1, 2, 4 times the mean; every impression is clicked."""
    rate = np.float32([0.125, 0.25, 0.5, 1.0])
    params = env.default_params.replace(
        click_rate=ConstantResponse(jnp.asarray(rate), jnp.ones(2)), scaler=jnp.float32(4.0)
    )
    auctions = Auctions(jnp.arange(4), jnp.zeros(4, int), jnp.float32([20, 40, 60, 80]), jnp.full(4, 0.1))
    first = FirstObservation(*[jnp.float32(0)] * 5)
    hidden = Hidden(jnp.float32(1), jnp.int32(0))
    noise = Recorded(jnp.int32(4), auctions, hidden, first, participation_uniform)
    state = env.initial(noise, params)
    return jax.device_get(jit(env.transition)(state, jnp.float32(action), noise, params)[-1])


@pytest.fixture(scope="module")
def coarse_env():
    """A market whose bid curve has three knots, at relative rates 1/2, 1 and 2; impressions are charged."""
    return make_ad_auction(
        horizon=2, n_ads=4, n_users=1, max_auctions=16, action_kind="bid_curve", bid_curve_knots=[0.5, 1, 2],
        objective="click", cost_indicator="impression", standard_bid_price=10.0,
    )  # fmt: skip


def test_a_recorded_step_by_hand(coarse_env):
    # Bids 21.9 -> 21, 40, 60, and 60 + 2 * 20 = 100 beyond the last knot, against prices 20, 40, 60, 80: the first and
    # the last win; 40 and 60 are ties. At the mean rate the curve bids 40, four times the standard bid price.
    info = recorded_step(coarse_env, [1.0, 21.9, 40, 60])
    assert (info["impression"], info["cost"], info["click"]) == (2, 100, 2)
    assert info["average_bid_price"] == (21 + 40 + 60 + 100) / 4
    assert info["multiplier"] == 4
    # Taking part with probability 1/2, where the uniform is below: not in the first auction.
    info = recorded_step(coarse_env, [0.5, 21.9, 40, 60], jnp.float32([0.5, 0.1, 0.1, 0.49]))
    assert (info["impression"], info["cost"]) == (1, 80)
    assert info["average_bid_price"] == (40 + 60 + 100) / 4
    assert info["multiplier"] == 2


def test_compiled_code_clips_an_action_to_its_space(env):
    params = env.default_params
    nothing = episode(env, [np.float32([1, *np.zeros(17)])] * 4)[1]
    for wrong in ([np.nan] * 18, [-1.0] * 18, [1.0, *[np.nan] * 17], [np.nan, *[1e9] * 17]):
        assert episode(env, [np.float32(wrong)] * 4)[1]["impression"].sum() == nothing["impression"].sum() == 0
    highest = episode(env, [np.float32([1, *np.full(17, params.largest_bid)])] * 4)[1]
    for wrong in ([np.inf] * 18, [5.0, *[1e30] * 17]):
        info = episode(env, [np.float32(wrong)] * 4)[1]
        for name in info:
            np.testing.assert_array_equal(info[name], highest[name])


def test_the_action_space_reaches_the_largest_multiplier_at_every_knot(env):
    params = env.default_params
    space = env.action_space(params)
    assert space.shape == (18,)
    assert (space.low == 0).all()
    assert space.high[0] == 1
    assert (space.high[1:] == 10 * 50 * 16).all()
    assert space.contains(straight(params, 10.0))
    np.testing.assert_allclose(params.bid_curve_knots, 2.0 ** np.arange(-4, 4.5, 0.5), rtol=1e-6)


def test_observations_stay_inside_their_space_for_every_corner_and_many_curves(env):
    space, action_space = env.observation_space(env.default_params), env.action_space(env.default_params)
    rng = np.random.default_rng(0)
    actions = [np.where(rng.random(18) < 0.5, action_space.low, action_space.high) for _ in range(32)]
    actions += [rng.uniform(action_space.low, action_space.high).astype(np.float32) for _ in range(32)]
    for i in range(0, 64, 4):
        observations, info = episode(env, actions[i : i + 4], seed=i)
        assert ((observations >= space.low) & (observations <= space.high)).all()
        assert (info["remaining_budget"] > 0).all()
        assert (np.cumsum(info["cost"]) + info["remaining_budget"] == 3000).all()


def test_hindsight_is_that_of_the_multiplier(env, multiplier_env):
    curve, multiplier = (jit(core.hindsight)(jax.random.key(0), core.default_params) for core in (env, multiplier_env))
    assert [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(curve)] == [
        np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(multiplier)
    ]


def test_gymnasium_s_checker_passes():
    with warnings.catch_warnings(record=True) as record, gymnasium.make("AdAuctionBidCurve-v0", **SMALL) as env:
        warnings.simplefilter("always")
        check_env(env.unwrapped)
    assert all("we recommend using a symmetric and normalized space" in str(warning.message) for warning in record)


def test_the_market_distribution_is_that_of_the_laws():
    shape, scale = 4.0, 12.0
    env = make_ad_auction(
        **SMALL, action_kind="bid_curve", market_price=GammaPrice(jnp.full(10, shape), jnp.full(10, scale)),
        click_rate=ConstantResponse(jnp.asarray([0.1, 0.2, 0.3, 0.6] * 2 + [0.4] * 2), jnp.ones(4)),
        objective="click", reserve_price=20.0, pricing="hybrid", hybrid_weight=0.25,
    )  # fmt: skip
    market = env.market_distribution(env.default_params)
    # The empirical distribution function of 200,000 prices errs by more than .005 once in 10,000 (Massart 1990).
    levels = (np.arange(256) + 0.5) / 256
    prices = [np.maximum(stats.gamma.ppf(levels + error, shape, scale=scale), 20) for error in (-0.005, 0.005)]
    inner = slice(2, -2)
    assert (np.asarray(market.price)[inner] >= prices[0][inner] * 0.995).all()
    assert (np.asarray(market.price)[inner] <= prices[1][inner] * 1.005).all()
    mean = (2 * (0.1 + 0.2 + 0.3 + 0.6) + 0.8) / 10
    assert market.unit_rate == pytest.approx(mean, rel=1e-6)
    assert market.charge_rate == pytest.approx(mean, rel=0.01)
    assert market.relative_rate[0] == pytest.approx(0.1 / mean, rel=1e-5)
    assert market.relative_rate[-1] == pytest.approx(0.6 / mean, rel=1e-5)
    assert market.first_price_share == 0.25
