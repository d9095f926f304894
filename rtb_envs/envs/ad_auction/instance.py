"""The instance of an AdAuction market: its ads, its users and the laws that follow from them.

The laws are RTBGym's (Kiyohara et al., SCOPE-RL 0.2.1).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from rtb_envs.auctions.market_prices import GammaPrice
from rtb_envs.compile import jit
from rtb_envs.pytrees import pytree
from rtb_envs.users.response import LogisticResponse, sample_time_factor

WavePhase = Literal["rtbgym", "spread"]
_CLICK_WAVES, _CONVERSION_WAVES = (5, 20), (10, 15)


@pytree
@dataclass(frozen=True)
class Instance:
    """Drawn once and fixed over episodes; a pytree, so a batch of random markets is ``vmap`` over keys."""

    ad_features: Float[Array, "ads ad_features"]
    user_features: Float[Array, "users user_features"]
    market_price: GammaPrice
    click_coefficients: Float[Array, "features"]
    click_time_factor: Float[Array, "steps"]
    conversion_coefficients: Float[Array, "features"]
    conversion_time_factor: Float[Array, "steps"]

    @property
    def click_rate(self) -> LogisticResponse:
        """CTR(ad, user, t) = sigmoid(features * coefficients) * time factor."""
        return LogisticResponse.from_features(
            self.ad_features, self.user_features, self.click_coefficients, self.click_time_factor
        )

    @property
    def conversion_rate(self) -> LogisticResponse:
        """CVR(ad, user, t), of a click; the same law with its own coefficients."""
        return LogisticResponse.from_features(
            self.ad_features, self.user_features, self.conversion_coefficients, self.conversion_time_factor
        )

    def with_features(self, **features: Any) -> Instance:
        """The instance with ``ad_features`` or ``user_features`` given."""
        return replace(self, **features)


def sample_instance(
    key: Array,
    horizon: int,
    ad_shape: tuple[int, int],
    user_shape: tuple[int, int],
    standard_bid_price: float,
    standard_bid_price_std: float,
    wave_phase: WavePhase = "rtbgym",
) -> Instance:
    """Draw an instance; ``ad_shape`` and ``user_shape`` are (count, feature dimension).

    Features ~ N(0, 1); coefficients ~ N(0, 0.5 / d) with d the number of features together; the price of ad a is
    Gamma(k_a, theta_a) with k_a ~ N(50, 5), theta_a ~ N(0.02 b_a, 0.004 b_a) and b_a ~ N(standard bid price, its std)
    but at least half the standard bid price. RTBGym's k is independent of the standard bid price, so the price level
    follows it. k and theta are clipped positive (RTBGym's are not).
    """
    keys = iter(jax.random.split(key, 8))
    dimension = ad_shape[1] + user_shape[1]
    phase_scale = 1.0 if wave_phase == "rtbgym" else float(horizon)

    def normal(shape: tuple[int, ...], mean: Any = 0.0, std: Any = 1.0) -> Array:
        drawn: Array = mean + std * jax.random.normal(next(keys), shape)
        return drawn

    ad_features, user_features = normal(ad_shape), normal(user_shape)
    level = jnp.maximum(normal((ad_shape[0],), standard_bid_price, standard_bid_price_std), standard_bid_price / 2)
    shape = jnp.maximum(normal((ad_shape[0],), 50.0, 5.0), 1.0)
    scale = jnp.maximum(normal((ad_shape[0],), 0.02 * level, 0.004 * level), 1e-3 * level)
    coefficients = normal((2, dimension), 0.0, 0.5 / dimension)
    return Instance(
        ad_features,
        user_features,
        GammaPrice(shape, scale),
        coefficients[0],
        sample_time_factor(next(keys), horizon, *_CLICK_WAVES, phase_scale),
        coefficients[1],
        sample_time_factor(next(keys), horizon, *_CONVERSION_WAVES, phase_scale),
    )


@functools.cache
def compiled_sample_instance() -> Any:
    """``sample_instance`` as one compiled program for each horizon and shape."""
    return jit(sample_instance, static_argnums=(1, 2, 3, 6))
