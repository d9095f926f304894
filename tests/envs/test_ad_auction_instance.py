"""What a random market looks like: statistics over 300 seeds, against RTBGym's own (SCOPE-RL 0.2.1)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import gamma

from rtb_envs.compile import jit
from rtb_envs.envs.ad_auction.instance import sample_instance
from rtb_envs.rtbgym import RTBArguments
from rtb_envs.rtbgym.simulator import Simulator, price_parameters

NUM_SEEDS, NUM_AUCTIONS = 300, 4000
# RTBGym over 300 seeds: mean CTR, mean CVR, win rate at multiplier 1. The standard deviations are those at 7 steps.
MEANS = {7: (0.102, 0.204, 0.440), 24: (0.096, 0.189, 0.501)}
DEVIATIONS = (0.014, 0.018, 0.057)
ROUNDING = 0.0005


def figures(instance, rng):
    """Mean CTR, mean CVR and the probability to win at multiplier 1, by the model's formulas in NumPy."""
    features = (instance.ad_features, instance.user_features)

    def rates(coefficients, factor):
        ads, users = (np.asarray(part, float) for part in features)
        logit = (ads @ coefficients[: ads.shape[1]])[:, None] + users @ coefficients[ads.shape[1] :]
        return expit(logit) * np.asarray(factor, float)[:, None, None]

    click = rates(instance.click_coefficients, instance.click_time_factor)
    conversion = rates(instance.conversion_coefficients, instance.conversion_time_factor)
    t, ad, user = (rng.integers(size, size=NUM_AUCTIONS) for size in click.shape)
    bid = np.floor(50 * (click * conversion)[t, ad, user] / (click * conversion).mean())
    shape, scale = (np.asarray(part, float)[ad] for part in (instance.market_price.shape, instance.market_price.scale))
    return click.mean(), conversion.mean(), gamma.cdf(bid, shape, scale=scale).mean()


def random_markets(horizon):
    keys = jax.vmap(jax.random.key)(jnp.arange(NUM_SEEDS))
    # Mapped, not batched: the sampler's loops compile in a third of the time.
    draw = jit(lambda keys: jax.lax.map(lambda key: sample_instance(key, horizon, (100, 5), (100, 5), 50.0, 5.0), keys))
    drawn = jax.device_get(draw(keys))
    return [jax.tree.map(lambda leaf: leaf[seed], drawn) for seed in range(NUM_SEEDS)]  # noqa: B023


def rtbgym_markets(horizon):
    return [Simulator(RTBArguments(step_per_episode=horizon, random_state=seed)).instance for seed in range(NUM_SEEDS)]


@pytest.mark.parametrize("markets", [random_markets, rtbgym_markets])
@pytest.mark.parametrize("horizon", [7, 24])
def test_markets_have_the_rates_and_win_rates_of_rtbgyms(markets, horizon):
    """Four standard errors of a comparison of two samples of 300: false alarm 6e-5 for each of nine figures."""
    rng = np.random.default_rng(0)
    samples = np.array([figures(market, rng) for market in markets(horizon)]).T
    for values, mean, deviation in zip(samples, MEANS[horizon], DEVIATIONS, strict=True):
        assert abs(values.mean() - mean) < 4 * deviation * np.sqrt(2 / NUM_SEEDS) + ROUNDING
        if horizon == 7:
            assert abs(values.std(ddof=1) - deviation) < 4 * deviation * np.sqrt(1 / NUM_SEEDS) + ROUNDING


def test_prices_of_rtbgyms_seeds_follow_their_law():
    """Shape ~ N(50, 5); scale ~ N(.02 b, .004 b) with b ~ N(50, 5): mean 1, variance .1**2 + .2**2 * 1.01."""
    drawn = [price_parameters(RTBArguments(random_state=seed)) for seed in range(NUM_SEEDS)]
    shape, scale = (np.concatenate(column) for column in zip(*drawn, strict=True))
    for values, mean, deviation in ((shape, 50, 5), (scale, 1, np.sqrt(0.1**2 + 0.2**2 * 1.01))):
        assert abs(values.mean() - mean) < 4 * deviation / np.sqrt(values.size)
        assert values.std() == pytest.approx(deviation, rel=4 / np.sqrt(2 * values.size))
