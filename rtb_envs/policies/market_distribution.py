"""What a bidder knows of its market from logs: how likely prices and predicted rates are."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from rtb_envs.pytrees import pytree


@pytree
@dataclass(frozen=True)
class MarketDistribution:
    """Market prices and relative rates, each as equally likely values in rising order.

    A price and a relative rate are taken as independent, as the sources of the rules here do.
    """

    price: Float[Array, "prices"]
    """What a bid has to exceed: the highest competing bid or the reserve price; money units of one auction."""
    relative_rate: Float[Array, "rates"]
    """Predicted rate times scaler; its mean is 1 unless a scaler was given."""
    unit_rate: Float[Array, ""]
    """The predicted rate at relative rate 1."""
    charge_rate: Float[Array, ""]
    """Mean probability that a won impression is charged: 1 where impressions are, the click rate where clicks are."""
    first_price_share: Float[Array, ""]
    """What a winner pays lies this far from the second price (0) to its bid (1)."""

    def win_probability(self, bid: ArrayLike) -> Float[Array, "*batch"]:
        """F(bid): how likely the market price is below ``bid``."""
        return self._cheaper(bid) / self.price.shape[0]

    def expected_charge(self, bid: ArrayLike) -> Float[Array, "*batch"]:
        """What an auction is expected to cost, won or not."""
        second = jnp.append(0.0, jnp.cumsum(self.price))[self._cheaper(bid)] / self.price.shape[0]
        first = jnp.asarray(bid) * self.win_probability(bid)
        return self.charge_rate * (second + self.first_price_share * (first - second))

    def _cheaper(self, bid: ArrayLike) -> Array:
        return jnp.searchsorted(self.price, jnp.asarray(bid), side="left")
