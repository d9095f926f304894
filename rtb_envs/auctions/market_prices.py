"""Market-price laws: the highest competing bid that an advertiser meets, in the money unit of the caller.

A law is any frozen pytree with the method of ``MarketPrice``. The laws here have one entry for each ad, or a single
entry that serves every ad, and can be turned into a ``TabulatedPrice``: an inverse-CDF table, many times faster than
sampling on a CPU. ``law.price(...)`` draws from that table; code that draws often builds it once by ``tabulated()``.
Gamma and log-normal laws raise ValueError, when they are used, for numbers that are not finite or a ``log_std`` below
0, unless these are traced.

Error of the tables against the exact law, for uniforms in [1e-5, 1 - 1e-5]: gamma with shape 0.5 to 200 within 2.5e-3
standard deviations and its mean within 7e-4 relative (both fall with the shape: 9e-4 and 1e-5 at shape 50); log-normal
with log_std up to 0.5 within 3e-3 standard deviations; with log_std 1.15 within 4e-3 between the 0.01 and 0.99
quantiles and 2.2e-2 outside, its mean within 7e-4 relative. Twice the nodes would quarter the errors; they cost a fifth
of the speed of an auction kernel, because the tables then leave the first-level cache.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass, field
from typing import Protocol

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float, Int

from rtb_envs.auctions import quantile_tables
from rtb_envs.pytrees import pytree
from rtb_envs.random import Draw
from rtb_envs.tracing import checked


class MarketPrice(Protocol):
    """A law of market prices."""

    def price(self, draw: Draw, ad: Int[Array, "*batch"], t: Int[ArrayLike, ""]) -> Float[Array, "*batch"]:
        """Float32 prices >= 0 for each entry of ``ad`` at step ``t``; ``draw`` holds uniforms of the same shape."""
        ...


@pytree
@dataclass(frozen=True)
class TabulatedPrice:
    """Quantiles at the nodes of ``quantile_tables``, linear between them; the same law in every step."""

    table: Float[Array, "ads nodes"]

    def price(self, draw: Draw, ad: Int[Array, "*batch"], t: Int[ArrayLike, ""]) -> Float[Array, "*batch"]:
        """Float32 prices, one for each entry of ``ad``, by one uniform each."""
        return quantile_tables.quantile(self.table, ad, draw.uniform())

    def mean_price(self) -> Float[Array, "ads"]:
        """The mean price of each ad, exact for the table."""
        return quantile_tables.mean(self.table)


class _Law(abc.ABC):
    """What the laws share: to draw from them is to draw from their table."""

    @abc.abstractmethod
    def tabulated(self) -> TabulatedPrice:
        """The law as a table of shape (ads, nodes); can be traced by jit and vmap."""

    def price(self, draw: Draw, ad: Int[Array, "*batch"], t: Int[ArrayLike, ""]) -> Float[Array, "*batch"]:
        """Float32 prices, one for each entry of ``ad``. Builds the table anew: draw often from ``tabulated()``."""
        return self.tabulated().price(draw, ad, t)


@pytree
@dataclass(frozen=True)
class GammaPrice(_Law):
    """Gamma(shape, scale), the law of RTBGym. ``shape`` is clipped to [0.05, 10,000], ``scale`` to be positive."""

    shape: Float[Array, "ads"]
    scale: Float[Array, "ads"]

    def tabulated(self) -> TabulatedPrice:
        """The law as a table of shape (ads, nodes); can be traced by jit and vmap."""
        shape, scale = _per_ad(checked("shape", self.shape), checked("scale", self.scale))
        return TabulatedPrice(quantile_tables.gamma_nodes(shape) * _positive(scale)[:, None])

    def mean_price(self) -> Float[Array, "ads"]:
        """The mean price of each ad: shape times scale."""
        shape, scale = _per_ad(checked("shape", self.shape), checked("scale", self.scale))
        return quantile_tables.clip_gamma_shape(shape) * _positive(scale)


@pytree
@dataclass(frozen=True)
class LogNormalPrice(_Law):
    """exp(Normal(log_mean, log_std)); ``log_mean`` is the logarithm of the median price, ``log_std`` >= 0."""

    log_mean: Float[Array, "ads"]
    log_std: Float[Array, "ads"]

    def tabulated(self) -> TabulatedPrice:
        """The law as a table of shape (ads, nodes); can be traced by jit and vmap."""
        return RivalsPrice(self.log_mean, self.log_std, num_rivals=1).tabulated()

    def mean_price(self) -> Float[Array, "ads"]:
        """The mean price of each ad: exp(log_mean + log_std**2 / 2)."""
        log_mean, log_std = _per_ad(checked("log_mean", self.log_mean), checked("log_std", self.log_std, 0))
        return jnp.exp(log_mean + 0.5 * log_std**2)


@pytree
@dataclass(frozen=True)
class RivalsPrice(_Law):
    """The highest of ``num_rivals`` independent log-normal bids: several simulated rivals by one draw.

    The quantile of the largest of n at u is the quantile of one at u**(1/n). Raises ValueError unless ``num_rivals``
    (static) is an integer >= 1.
    """

    log_mean: Float[Array, "ads"]
    log_std: Float[Array, "ads"]
    num_rivals: int = field(metadata={"static": True})

    def __post_init__(self) -> None:
        if not isinstance(self.num_rivals, int) or self.num_rivals < 1:
            raise ValueError(f"num_rivals: got {self.num_rivals!r}, must be an integer >= 1")

    def tabulated(self) -> TabulatedPrice:
        """The law as a table of shape (ads, nodes); can be traced by jit and vmap."""
        log_mean, log_std = _per_ad(checked("log_mean", self.log_mean), checked("log_std", self.log_std, 0))
        normal = jnp.asarray(quantile_tables.highest_normal_nodes(self.num_rivals), dtype=jnp.float32)
        return TabulatedPrice(jnp.exp(log_mean[:, None] + log_std[:, None] * normal))

    def mean_price(self) -> Float[Array, "ads"]:
        """The mean price of each ad, exact for the table."""
        return self.tabulated().mean_price()


@pytree
@dataclass(frozen=True)
class EmpiricalPrice(_Law):
    """Observed prices: sorted quantiles at the probabilities (i + 1/2) / Q, linear between them, constant outside.

    ``quantiles`` has shape (ads, Q), or (Q,) for one law that serves every ad. The table keeps details down to 1/64 of
    probability in the middle and finer ones towards the tails, so a price that holds much less of the mass is blurred.
    """

    quantiles: Float[Array, "*ads quantiles"]

    def tabulated(self) -> TabulatedPrice:
        """The law as a table of shape (ads, nodes); can be traced by jit and vmap."""
        quantiles = jnp.atleast_2d(jnp.asarray(self.quantiles, dtype=jnp.float32))
        last = quantiles.shape[-1] - 1
        v = quantile_tables.node_probabilities()
        position = np.clip(np.concatenate([v, 1 - v]) * (last + 1) - 0.5, 0, last)
        below = np.minimum(position.astype(np.int32), max(last - 1, 0))
        weight = jnp.asarray(position - below, dtype=jnp.float32)
        lower, upper = quantiles[:, below], quantiles[:, np.minimum(below + 1, last)]
        return TabulatedPrice(lower + weight * (upper - lower))

    def mean_price(self) -> Float[Array, "ads"]:
        """The mean price of each ad: the mean of its quantiles."""
        return jnp.mean(jnp.atleast_2d(jnp.asarray(self.quantiles, dtype=jnp.float32)), axis=-1)


def _per_ad(*parameters: Array) -> list[Array]:
    """Parameters as float32 arrays of one common shape (ads,)."""
    return jnp.broadcast_arrays(
        *(jnp.atleast_1d(jnp.asarray(parameter, dtype=jnp.float32)) for parameter in parameters)
    )


def _positive(scale: Array) -> Array:
    return jnp.maximum(scale, float(np.finfo(np.float32).tiny))
