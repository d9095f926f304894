"""What an action means: the bid of each auction of a step."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from rtb_envs.auctions.bid_curves import bid_on_curve
from rtb_envs.envs.ad_auction.config import MAX_BID, ActionKind
from rtb_envs.envs.ad_auction.noise import Noise
from rtb_envs.envs.ad_auction.params import Params


class MultiplierBidding(NamedTuple):
    """Bids that are one multiple of the predicted worth."""

    multiplier: Float[Array, ""]

    def bid(
        self, unit_bid: Float[Array, "*auctions"], index: Int[Array, "*auctions"], noise: Noise
    ) -> Float[Array, "*auctions"]:
        """Whole money units, at most ``MAX_BID``; ``unit_bid`` is the bid at multiplier 1 of the auctions ``index``."""
        return jnp.minimum(jnp.floor(self.multiplier * unit_bid), MAX_BID)


class CurveBidding(NamedTuple):
    """Bids along a curve over the predicted worth, in a share of the auctions."""

    participation_rate: Float[Array, ""]
    knots: Float[Array, "knots"]
    """Bids at multiplier 1 at which the curve is given."""
    bids: Float[Array, "knots"]
    largest_bid: Float[Array, ""]
    standard_bid_price: Float[Array, ""]

    @property
    def multiplier(self) -> Float[Array, ""]:
        """What stands for the multiplier: expected bid at relative rate 1 over the standard bid price."""
        return self.participation_rate * self._on_curve(self.standard_bid_price) / self.standard_bid_price

    def bid(
        self, unit_bid: Float[Array, "*auctions"], index: Int[Array, "*auctions"], noise: Noise
    ) -> Float[Array, "*auctions"]:
        """Whole money units in 0 .. ``largest_bid``; 0, which never wins, where the bidder does not take part."""
        takes_part = noise.participation(index) < self.participation_rate
        return jnp.where(takes_part, jnp.floor(self._on_curve(unit_bid)), 0)

    def _on_curve(self, unit_bid: Array) -> Array:
        return jnp.clip(bid_on_curve(unit_bid, self.knots, self.bids), 0, self.largest_bid)


Bidding = MultiplierBidding | CurveBidding


def read_action(action: Array, params: Params, kind: ActionKind) -> Bidding:
    """The bids that an action means, clipped to the action space; NaN means the lowest."""
    if kind == "discrete":
        assert params.action_meanings is not None
        index = jnp.clip(action.astype(jnp.int32), 0, params.action_meanings.shape[0] - 1)
        return MultiplierBidding(params.action_meanings[index.reshape(())])
    value = jnp.nan_to_num(action, nan=-jnp.inf, posinf=jnp.inf, neginf=-jnp.inf)
    if kind == "continuous":
        return MultiplierBidding(jnp.clip(value.reshape(()), params.multiplier_low, params.multiplier_high))
    assert params.bid_curve_knots is not None
    return CurveBidding(
        participation_rate=jnp.clip(value[0], 0, 1),
        knots=params.bid_curve_knots * params.standard_bid_price,
        bids=jnp.clip(value[1:], 0, params.largest_bid),
        largest_bid=params.largest_bid,
        standard_bid_price=params.standard_bid_price,
    )
