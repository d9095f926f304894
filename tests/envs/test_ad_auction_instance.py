"""What a random market looks like: statistics over 300 seeds, against RTBGym's own (SCOPE-RL 0.2.1)."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtb_envs.compile import jit
from rtb_envs.envs.ad_auction import derive, make_ad_auction
from rtb_envs.envs.ad_auction.instance import sample_instance
from rtb_envs.envs.ad_auction.params import true_rates
from rtb_envs.rtbgym import RTBArguments
from rtb_envs.rtbgym.simulator import price_parameters, rate_parameters

NUM_SEEDS = 300
# RTBGym's mean over 300 seeds of: mean CTR, mean CVR, win rate at multiplier 1; and their standard deviations (7 steps).
MEANS = {7: (0.102, 0.204, 0.440), 24: (0.096, 0.189, 0.501)}
DEVIATIONS = (0.014, 0.018, 0.057)
ROUNDING = 0.0005


def figures_of_random_markets(horizon):
    """Mean CTR, mean CVR and win rate at multiplier 1 of each seed, [seeds, 3], with one episode for the win rate."""
    env = make_ad_auction(horizon=horizon, initial_budget=2**24)
    params = env.default_params

    def figures(key):
        instance = sample_instance(key, horizon, (100, 5), (100, 5), 50.0, 5.0)
        features = {"ad_features": instance.ad_features, "user_features": instance.user_features}
        laws = {name: getattr(instance, name) for name in ("market_price", "click_rate", "conversion_rate")}
        market = derive(replace(params, **features, **laws, derived=None))

        def step(state, _):
            _, state, *_, info = env.step_env(key, state, jnp.ones(1), market)
            return state, (info["impression"], info["search_volume"])

        won, auctions = jax.lax.scan(step, env.reset_env(key, market)[1], None, horizon)[1]
        return jnp.stack([*map(jnp.mean, true_rates(market)), won.sum() / auctions.sum()])

    keys = jax.vmap(jax.random.key)(jnp.arange(NUM_SEEDS))
    return np.asarray(jit(lambda keys: jax.lax.map(figures, keys, batch_size=20))(keys), np.float64)


def assert_alike(figures, horizon, noise=(0.0, 0.0, 0.0)):
    """Means and deviations within four standard errors of a comparison of two samples of 300; false alarm 6e-5 each."""
    for values, mean, deviation, extra in zip(figures.T, MEANS[horizon], DEVIATIONS, noise, strict=True):
        spread = np.hypot(deviation, extra)
        assert abs(values.mean() - mean) < 4 * spread * np.sqrt(2 / NUM_SEEDS) + ROUNDING
        if horizon == 7:
            assert abs(values.std(ddof=1) - spread) < 4 * spread * np.sqrt(1 / NUM_SEEDS) + ROUNDING


@pytest.mark.parametrize("horizon", [7, 24])
def test_random_markets_have_the_rates_and_win_rates_of_rtbgyms(horizon):
    win_rate = MEANS[horizon][2]
    sampling_noise = np.sqrt(win_rate * (1 - win_rate) / (200 * horizon))
    assert_alike(figures_of_random_markets(horizon), horizon, noise=(0.0, 0.0, sampling_noise))


@pytest.mark.parametrize("horizon", [7, 24])
def test_markets_of_rtbgyms_seeds_have_its_rates(horizon):
    figures = []
    for seed in range(NUM_SEEDS):
        features = np.random.RandomState(seed).normal(size=(200, 5))
        means = []
        for shift, waves in ((0, (5, 20)), (1, (10, 15))):
            coefficients, factor = rate_parameters(np.random.RandomState(seed + shift), 10, horizon, *waves)
            logit = (features[:100] @ coefficients[:5])[:, None] + features[100:] @ coefficients[5:]
            means.append(np.mean(1 / (1 + np.exp(-logit))) * factor.mean())
        figures.append(means)
    for values, mean, deviation in zip(np.array(figures).T, MEANS[horizon], DEVIATIONS, strict=False):
        assert abs(values.mean() - mean) < 4 * deviation * np.sqrt(2 / NUM_SEEDS) + ROUNDING


def test_prices_of_rtbgyms_seeds_follow_their_law():
    """Shape ~ N(50, 5); scale ~ N(.02 b, .004 b) with b ~ N(50, 5), so mean 1 and deviation sqrt(.1**2 + .2**2 * 1.01)."""
    drawn = [price_parameters(RTBArguments(random_state=seed)) for seed in range(NUM_SEEDS)]
    shape, scale = (np.concatenate(column) for column in zip(*drawn, strict=True))
    for values, mean, deviation in ((shape, 50, 5), (scale, 1, np.sqrt(0.1**2 + 0.2**2 * 1.01))):
        assert abs(values.mean() - mean) < 4 * deviation / np.sqrt(values.size)
        assert values.std() == pytest.approx(deviation, rel=4 / np.sqrt(2 * values.size))
