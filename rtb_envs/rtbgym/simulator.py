"""RTBGym's market of a seed, number for number.

RTBGym seeds each of its parts with the same ``random_state`` (the conversion rate with the next number). The order of
the draws below was found by comparing with the parameters of RTBGym 0.2.1, which it reproduces to the last bit.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from rtb_envs.auctions.market_prices import GammaPrice
from rtb_envs.envs.ad_auction.instance import Instance
from rtb_envs.envs.ad_auction.params import Params
from rtb_envs.rtbgym.arguments import RTBArguments
from rtb_envs.users.response import Response

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
NUM_SAMPLES = 100_000
_NUM_WAVES = 10
_CLICK_WAVES, _CONVERSION_WAVES = (5, 20), (10, 15)


class Impressions(NamedTuple):
    """Sampled impressions, int64 [samples]."""

    ad: IntArray
    user: IntArray
    t: IntArray


class Simulator:
    """The instance of ``arguments`` and the generators in the state that drawing it leaves them in."""

    def __init__(self, arguments: RTBArguments) -> None:
        assert arguments.random_state is not None
        seed = arguments.random_state
        self._arguments = arguments
        self._identities = np.random.RandomState(seed)
        self._steps = np.random.RandomState(seed)
        ad_features = self._features(arguments.ad_feature_vector, (arguments.n_ads, arguments.ad_feature_dim))
        user_features = self._features(arguments.user_feature_vector, (arguments.n_users, arguments.user_feature_dim))
        shape, scale = price_parameters(arguments)
        dimension = arguments.ad_feature_dim + arguments.user_feature_dim
        self._click, self._conversion = np.random.RandomState(seed), np.random.RandomState(seed + 1)
        self.instance = Instance(
            _float(ad_features),
            _float(user_features),
            GammaPrice(_float(shape), _float(scale)),
            *map(_float, rate_parameters(self._click, dimension, arguments.step_per_episode, *_CLICK_WAVES)),
            *map(_float, rate_parameters(self._conversion, dimension, arguments.step_per_episode, *_CONVERSION_WAVES)),
        )

    def _features(self, given: Any, shape: tuple[int, int]) -> FloatArray:
        return self._identities.normal(size=shape) if given is None else np.asarray(given, np.float64)

    def impressions(self) -> Impressions:
        """The next sample: ids by the time-averaged sampling rates, steps uniform."""
        arguments, size = self._arguments, NUM_SAMPLES
        ads, users = (
            self._identities.choice(count, size=size, p=arguments.mean_rate(name, count))
            for name, count in (("ad_sampling_rate", arguments.n_ads), ("user_sampling_rate", arguments.n_users))
        )
        return Impressions(ads, users, self._steps.choice(arguments.step_per_episode, size=size))

    def labels(self, sample: Impressions, params: Params) -> npt.NDArray[np.bool_]:
        """Bernoulli(CTR), times Bernoulli(CVR) where conversions are the objective."""
        size = sample.t.size
        label: npt.NDArray[np.bool_] = self._click.random_sample(size) < _rates(params.click_rate, sample)
        if self._arguments.objective == "conversion":
            label &= self._conversion.random_sample(size) < _rates(params.conversion_rate, sample)
        return label


def true_reward_rates(sample: Impressions, params: Params, objective: str) -> FloatArray:
    """Rewards per impression that an oracle expects of ``sample``."""
    rates = _rates(params.click_rate, sample)
    return rates * _rates(params.conversion_rate, sample) if objective == "conversion" else rates


def price_parameters(arguments: RTBArguments) -> tuple[FloatArray, FloatArray]:
    """Shape and scale of each ad's gamma price, float64 [n_ads]; clipped positive, which RTBGym's are not."""
    assert arguments.random_state is not None
    price = arguments.standard_bid_price
    mean, minimum = float(price.mean), arguments.minimum_standard_bid_price
    level_seed = arguments.random_state if price.random_state is None else price.random_state
    level = np.random.RandomState(level_seed).normal(mean, float(price.std), arguments.n_ads)
    level = np.maximum(level, mean / 2 if minimum is None else minimum)
    random = np.random.RandomState(arguments.random_state)
    shape = random.normal(50, 5, arguments.n_ads)
    scale = random.normal(0.02 * level, 0.02 * level / 5)
    return np.maximum(shape, 1.0), np.maximum(scale, 1e-3 * level)


def rate_parameters(
    random: np.random.RandomState, dimension: int, horizon: int, alpha: float, beta: float
) -> tuple[FloatArray, FloatArray]:
    """Coefficients [dimension] and time factor [horizon], both float64, of a response law."""
    coefficients = random.normal(0, 0.5 / dimension, dimension)
    weight = random.beta(alpha, beta, _NUM_WAVES)
    phase = random.uniform(size=_NUM_WAVES)
    offset = random.randint(5, 15)
    wave, step = np.arange(1, _NUM_WAVES + 1), np.arange(horizon)[:, None]
    angle = ((step + offset) * wave * np.pi + 2 * np.pi * phase) / horizon
    return coefficients, np.clip(np.mean(weight * (np.cos(angle) + 1), axis=1), 0.0, 1.0)


def _rates(law: Response, sample: Impressions) -> FloatArray:
    # One impression at a time under vmap, for a law takes a single step.
    ids = (jnp.asarray(index, jnp.int32) for index in sample)
    return np.asarray(jax.vmap(law.rate)(*ids), np.float64)


def _float(value: Any) -> Any:
    return jnp.asarray(value, float)
