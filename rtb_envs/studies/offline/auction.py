"""Auction-aware simulation: each creative in the same GSP auctions for four slots, against six rivals.

All creatives meet the same rivals in the same round (common random numbers), so that what tells two creatives apart is
not luck; clicks are drawn for each creative and round. Rounds are settled a block of 4,096 at a time and only sums are
kept: memory does not grow with the rounds. Bids and prices are whole multiples of 2**-16 $, summed as integers, so the
sums are exact in any order and a creative's figures are the same alone as among a thousand.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int
from numpy.typing import NDArray

from rtb_envs import compile as compiling
from rtb_envs import validation
from rtb_envs.auctions.ranking import participating_score, rank
from rtb_envs.random import Stream
from rtb_envs.studies.offline.forecasts import Item, rates

NUM_SLOTS = 4
RESERVE_PRICE = 0.5
"""$ a click."""
BID_PER_QUALITY, LOWEST_BID, HIGHEST_BID, BID_CAP = 4.0, 0.2, 5.8, 6.0
RIVAL_MEDIAN_CTR, RIVAL_CTR_SPREAD, RIVAL_CTR_RANGE = 0.02, 0.6, (0.001, 0.05)
RIVAL_BID_SCALE, RIVAL_BID_SPREAD = 0.3, 0.6
RIVAL_SHADING = (1.0, 1.0, 1.0, 0.6, 0.7, 0.5)
"""Mean bid shading of each rival; 1 bids its value."""
SHADING_SPREAD = 0.1
MAX_ROUNDS = 10**9
BLOCK_ROUNDS = 4096
BLOCK_CREATIVES = 1024
_PRICE_VARIANCE = (BID_CAP - RESERVE_PRICE) ** 2 / 12
"""Of a price anywhere between reserve price and cap, $²: it counts as one round more, so that few rounds whose prices
happen to be alike do not pass for certainty."""
MONEY_UNITS = 2**16
"""Units of money in a dollar: a price of at most 6 $ summed over a block stays below 2**31."""
_RIVALS, _CLICKS = 1, 2


def quality_of(ctr: NDArray[np.float64]) -> NDArray[np.float64]:
    """Quality in [.5, 1.5] of a click rate: .5 + 2 · min(.5, ctr / .05)."""
    return 0.5 + 2.0 * np.minimum(0.5, ctr / 0.05)


def own_bid(quality: NDArray[np.float64], bid_factor: float | NDArray[np.float64] = 1.0) -> NDArray[np.float64]:
    """Our bid, $ a click: clip(4 · quality, .2, 5.8) · ``bid_factor``, at most 6."""
    return np.minimum(np.clip(BID_PER_QUALITY * quality, LOWEST_BID, HIGHEST_BID) * bid_factor, BID_CAP)


def rival_bids(stream: Stream, round_index: Int[Array, " rounds"]) -> Float[Array, "rivals rounds"]:
    """The six rivals' bids, in whole money units: min(6, 10 · quality · .3 exp(.6 z) · shading).

    Quality is that of a click rate of its own, log-normal around .02 and clipped to [.001, .05]; the shading of three
    is 1, of three normal around .6, .7 and .5, clipped to [0, 1].
    """
    draw = stream.at(round_index)
    bids, word = [], 0
    for shading_mean in RIVAL_SHADING:
        ctr = RIVAL_MEDIAN_CTR * jnp.exp(RIVAL_CTR_SPREAD * draw.normal(word))
        quality = 0.5 + 2.0 * jnp.minimum(0.5, jnp.clip(ctr, *RIVAL_CTR_RANGE) / 0.05)
        value = 10.0 * quality * RIVAL_BID_SCALE * jnp.exp(RIVAL_BID_SPREAD * draw.normal(word + 1))
        word += 2
        if shading_mean < 1.0:
            value = value * jnp.clip(shading_mean + SHADING_SPREAD * draw.normal(word), 0.0, 1.0)
            word += 1
        bids.append(jnp.round(jnp.minimum(BID_CAP, value) * MONEY_UNITS))
    return jnp.stack(bids)


def best_rivals(bids: Float[Array, "rivals rounds"]) -> Float[Array, "slots rounds"]:
    """The four highest rival bids that reach the reserve price, best first, -inf where there are fewer."""
    return rank(participating_score(bids, reserve_price=RESERVE_PRICE * MONEY_UNITS), NUM_SLOTS).score


def own_price(
    bid: Float[Array, "#creatives 1"], rivals: Float[Array, "slots rounds"]
) -> Float[Array, "creatives rounds"]:
    """What ``bid`` (at least the reserve price) pays a click, 0 where it wins no slot; in money units.

    One seat's view of ``position_auction(..., pricing="gsp")``: a bid above the fourth best rival holds a slot, and
    the bid of the next rank is the highest rival bid below it. Ties are lost.
    """
    next_bid = jnp.full(jnp.broadcast_shapes(bid.shape, rivals[0].shape), RESERVE_PRICE * MONEY_UNITS)
    for slot in range(NUM_SLOTS - 1, -1, -1):
        next_bid = jnp.where(bid > rivals[slot], jnp.maximum(rivals[slot], RESERVE_PRICE * MONEY_UNITS), next_bid)
    return jnp.where((bid > rivals[NUM_SLOTS - 1]) & (bid >= RESERVE_PRICE * MONEY_UNITS), next_bid, 0.0)


@dataclass(frozen=True)
class Totals:
    """What is kept of all rounds, an entry for each creative; money in $ as exact multiples of 2**-16."""

    num_rounds: int
    wins: NDArray[np.int64]
    clicks: NDArray[np.int64]
    cost: NDArray[np.float64]
    """Paid for all clicks."""
    price_sum: NDArray[np.float64]
    """Price a click summed over the rounds won, clicked or not."""
    price_square_sum: NDArray[np.float64]

    @property
    def win_rate(self) -> NDArray[np.float64]:
        """Share of the rounds in which a slot was won."""
        return self.wins / self.num_rounds

    @property
    def cost_per_click(self) -> NDArray[np.float64]:
        """$ a click, NaN without a click."""
        return _ratio(self.cost, self.clicks)

    @property
    def mean_price(self) -> NDArray[np.float64]:
        """Mean price a click over the rounds won, $, NaN without a win."""
        return _ratio(self.price_sum, self.wins)

    @property
    def cost_per_click_error(self) -> NDArray[np.float64]:
        """Standard error of ``cost_per_click``, $: clicks sample the prices of the rounds won."""
        return np.sqrt(_ratio(self._price_variance, self.clicks))

    @property
    def mean_price_error(self) -> NDArray[np.float64]:
        """Standard error of ``mean_price``, $, from the finite number of rounds won."""
        return np.sqrt(_ratio(self._price_variance, self.wins))

    @property
    def _price_variance(self) -> NDArray[np.float64]:
        """Of the price in a round won, $²."""
        within = np.maximum(0.0, _ratio(self.price_square_sum, self.wins) - self.mean_price**2)
        return within + _ratio(np.full(len(self.wins), _PRICE_VARIANCE), self.wins)


def _ratio(numerator: NDArray[Any], denominator: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(np.divide(numerator, denominator, out=np.full(len(numerator), np.nan), where=denominator > 0))


def simulate(
    bids: NDArray[np.float64],
    ctr: NDArray[np.float64],
    numbers: NDArray[np.uint32],
    num_rounds: int,
    seed: int,
    progress: Callable[[int], object] | None = None,
) -> Totals:
    """Play ``num_rounds`` (up to 10⁹) with each creative: ``bids`` in $, ``ctr`` and ``numbers`` (addresses of
    its click draws) all [creatives]. ``progress`` is told the rounds done after each block.

    Raises ValueError for a number of rounds, bids or click rates out of range, or arrays that differ in length.
    """
    validation.integer("num_rounds", num_rounds, 1, MAX_ROUNDS)
    ctr = validation.array("ctr", ctr, [(len(bids),)], 0.0, 1.0)
    bids = validation.array("bids", bids, [ctr.shape], 0.0, BID_CAP)
    if np.shape(numbers) != ctr.shape:
        raise ValueError(f"numbers must have shape {ctr.shape}, got shape {np.shape(numbers)}")
    units = np.round(bids * MONEY_UNITS).astype(np.float32)
    draw_rivals, settle = _programs()
    stream = Stream.from_key(jax.random.key(seed))
    groups = [slice(at, at + BLOCK_CREATIVES) for at in range(0, len(units), BLOCK_CREATIVES)]
    counts, money = np.zeros((2, len(units)), np.int64), np.zeros((3, len(units)))
    for first in range(0, num_rounds, BLOCK_ROUNDS):
        rivals = draw_rivals(stream, np.uint32(first))
        left = np.int32(min(BLOCK_ROUNDS, num_rounds - first))
        for group in groups:
            of_block = settle(
                stream, rivals, np.uint32(first), left, units[group], ctr[group].astype(np.float32), numbers[group]
            )
            packed, cost, price_sum, square_sum = map(np.asarray, of_block)
            counts[:, group] += np.stack([packed & 0xFFFF, packed >> 16])
            money[:, group] += np.stack([cost, price_sum, square_sum])
        if progress is not None:
            progress(first + int(left))
    return Totals(num_rounds, counts[0], counts[1], money[0] / MONEY_UNITS, money[1] / MONEY_UNITS, money[2])


@functools.cache
def _programs() -> tuple[Any, Any]:
    """The compiled halves of a block. The rivals are drawn apart from the settlement, so that the compiler fuses their
    arithmetic in the same way for any number of creatives."""
    return compiling.jit(_draw_block), compiling.jit(_settle_block)


def _draw_block(stream: Stream, first: Array) -> Float[Array, "slots rounds"]:
    return best_rivals(rival_bids(stream.site(_RIVALS), first + jnp.arange(BLOCK_ROUNDS, dtype=jnp.uint32)))


def _settle_block(
    stream: Stream, rivals: Array, first: Array, left: Array, bids: Array, ctr: Array, numbers: Array
) -> tuple[Array, Array, Array, Array]:
    """Wins in the low and clicks in the high 16 bits, cost and price sums in money units, squared prices in $²."""
    rounds = jnp.arange(BLOCK_ROUNDS, dtype=jnp.uint32)
    of_creative = stream.site(_CLICKS).step(numbers[:, None])
    price = own_price(bids[:, None], rivals)
    won = (price > 0) & (rounds < left.astype(jnp.uint32))
    clicked = won & (of_creative.uniform((first + rounds)[None]) < ctr[:, None])
    units = price.astype(jnp.int32)
    counts = jnp.sum(won.astype(jnp.int32) + (clicked.astype(jnp.int32) << 16), axis=1)
    dollars = price * (1.0 / MONEY_UNITS)
    return (
        counts,
        jnp.sum(jnp.where(clicked, units, 0), axis=1),
        jnp.sum(jnp.where(won, units, 0), axis=1),
        jnp.sum(jnp.where(won, dollars * dollars, 0.0), axis=1),
    )


@dataclass(frozen=True)
class AuctionResult:
    """The auctions of the items of a study, an entry for each in their order."""

    items: tuple[Item, ...]
    quality: NDArray[np.float64]
    bid: NDArray[np.float64]
    totals: Totals

    @property
    def cac(self) -> NDArray[np.float64]:
        """$ a sign-up: cost per click over the forecast's sign-up rate; NaN without a click."""
        return self.totals.cost_per_click / rates(self.items)[1]

    @property
    def cac_error(self) -> NDArray[np.float64]:
        """Standard error of ``cac`` from the finite number of rounds, $."""
        return self.totals.cost_per_click_error / rates(self.items)[1]

    @property
    def cpm(self) -> NDArray[np.float64]:
        """$ for a thousand impressions, NaN without a win."""
        return 1000.0 * _ratio(self.totals.cost, self.totals.wins)

    @property
    def expected_cpm(self) -> NDArray[np.float64]:
        """$ for a thousand impressions at the forecast's click rate and the mean price of a slot."""
        return 1000.0 * rates(self.items)[0] * self.totals.mean_price

    @property
    def cpm_log_error(self) -> NDArray[np.float64]:
        """Standard error of the logarithm of ``expected_cpm`` from the finite number of rounds."""
        return self.totals.mean_price_error / self.totals.mean_price


def simulate_items(items: Sequence[Item], num_rounds: int, seed: int) -> AuctionResult:
    """The auctions of ``items`` at their own bids."""
    ctr, _ = rates(items)
    quality = quality_of(ctr)
    bid = own_bid(quality)
    return AuctionResult(tuple(items), quality, bid, simulate(bid, ctr, numbers_of(items), num_rounds, seed))


def numbers_of(items: Sequence[Item]) -> NDArray[np.uint32]:
    """Addresses [items] of the draws of each item."""
    return np.array([item.number for item in items], np.uint32)
