"""Single auctions of an AutoBidding market as one bidder sees them, for logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Int

from rtb_envs.auctions.position_auctions import position_auction
from rtb_envs.envs.auto_bidding.config import UNITS
from rtb_envs.envs.auto_bidding.hindsight import largest_tick
from rtb_envs.envs.auto_bidding.noise import Noise
from rtb_envs.envs.auto_bidding.params import Params
from rtb_envs.envs.auto_bidding.settlement import Window
from rtb_envs.envs.auto_bidding.state import State
from rtb_envs.envs.openrtb import BIDS, BUDGET_EXHAUSTED, THROTTLED, bid_columns

if TYPE_CHECKING:
    from rtb_envs.envs.auto_bidding.environment import AutoBidding


def auction_records(
    env: AutoBidding, noise: Noise, state: State, action: Array, params: Params, agent: int, most: int
) -> dict[str, Any]:
    """The opportunities of the tick that ``action`` [bidders, 1] begins, for the bidder ``agent``; arrays are [most].

    - ``takes_place``: whether the tick has so many opportunities.
    - ``metric_cvr``: the true chance of a conversion if the ad is shown, ``metric_predicted_cvr``: the bidder's value.
    - the bid and what became of it: ``envs.openrtb.bid_columns``; ``position``: the slot held, from 0, -1 for none.
    - ``impression``: whether the slot was shown; ``conversion``; ``cost``: what the budget paid, in currency.
    """
    index = jnp.arange(most, dtype=jnp.int32)
    drawn = noise.opportunities(index, state.tick, env.config.num_slots)
    multiplier = env.multipliers(action, params)

    def auctions_until(leaves_at: Int[Array, "agents"]) -> Window:
        """The tick's auctions when each bidder takes part in those before the one that it leaves at."""
        present = drawn._replace(value=jnp.where(index < leaves_at[:, None], drawn.value, 0))
        return env.auctions(present, multiplier, state.conversion_factor, params)

    leaves_at = _departures(auctions_until, index < state.tick.volume, state)
    window = auctions_until(leaves_at)
    bid, held = window.bid[agent], window.bidder == agent
    won, shown = held.any(axis=0), (held & window.shown).any(axis=0)
    price = jnp.sum(jnp.where(held, window.price, 0), axis=0) / UNITS
    auction = position_auction(window.bid, params.exposure, "gsp", reserve_price=params.reserve_price)
    gone = jnp.where(index < leaves_at[agent], THROTTLED, BUDGET_EXHAUSTED)
    return {
        "takes_place": index < state.tick.volume,
        "metric_cvr": drawn.value[agent] * state.conversion_factor[agent],
        "metric_predicted_cvr": drawn.value[agent],
        **bid_columns(
            "second_price",
            params.reserve_price / UNITS,
            bid / UNITS,
            jnp.where(bid > 0, BIDS, gone),
            won,
            price,
            auction.min_bid_to_win[agent] / UNITS,
        ),
        "position": jnp.where(won, jnp.argmax(held, axis=0), -1),
        "impression": shown,
        "conversion": (held & window.converted).any(axis=0),
        "cost": jnp.where(shown, price, 0),
    }


def most_auctions(env: AutoBidding, params: Params) -> int:
    """The most opportunities that a tick can have."""
    return largest_tick(params)


def _departures(auctions_until: Any, in_tick: Array, state: State) -> Int[Array, "agents"]:
    """At which opportunity each bidder leaves: the first whose bid exceeds what is left of its budget then.

    The earliest departure changes the auctions after it, so departures are found one after another.
    """
    most, agents = in_tick.shape[0], state.playing.shape[0]

    def uncovered_at(leaves_at: Array) -> Array:
        window = auctions_until(leaves_at)
        charged = jnp.where(window.shown & in_tick, window.price, 0)
        paid = jnp.zeros((agents, most), jnp.int32)
        for slot in range(charged.shape[0]):
            paid = paid + jnp.where(window.bidder[slot] == jnp.arange(agents)[:, None], charged[slot], 0)
        spent_before = jnp.cumsum(paid, axis=1, dtype=jnp.int32) - paid
        # Sums may overflow after the first bid that is not covered, where nobody looks.
        uncovered = in_tick & (jnp.floor(window.bid).astype(jnp.int32) > state.remaining_budget[:, None] - spent_before)
        return jnp.where(uncovered.any(axis=1), jnp.argmax(uncovered, axis=1), most).astype(jnp.int32)

    def leave(progress: tuple[Array, Array]) -> tuple[Array, Array]:
        leaves_at, uncovered = progress
        leaves_at = jnp.where(uncovered == uncovered.min(), jnp.minimum(uncovered, leaves_at), leaves_at)
        return leaves_at, uncovered_at(leaves_at)

    begin = jnp.where(state.playing, most, 0).astype(jnp.int32)
    leaves_at, _ = lax.while_loop(lambda progress: (progress[1] < most).any(), leave, (begin, uncovered_at(begin)))
    found: Array = leaves_at
    return found
