"""The draws of auction rounds: who asks for an ad, which bidders are asked, whether a click follows."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Bool, Float, Int

from rtb_envs.envs.contextual_auction.catalogue import GRID, on_grid
from rtb_envs.envs.contextual_auction.config import Config
from rtb_envs.pytrees import pytree
from rtb_envs.random import Draw, Stream

# Purposes of the stream.
_CONTEXT, _PARTICIPANTS, _CLICK = 1, 2, 3


@pytree
@dataclass(frozen=True)
class Rounds:
    """The draws of some rounds, whatever is bid in them."""

    context: Float[Array, "features rounds"]
    """The user's context ~ N(0, 1), in multiples of ``catalogue.GRID``, and a constant 1 for the intercept."""
    takes_part: Bool[Array, "bidders rounds"]
    click_uniform: Float[Array, "rounds"]
    """A shown ad is clicked iff this is below its CTR."""


def draw_rounds(stream: Stream, index: Int[Array, "rounds"], config: Config) -> Rounds:
    """The rounds ``index`` of ``stream``."""
    context = stream.site(_CONTEXT).at(index)
    entries = [on_grid(context.normal(word), GRID) for word in range(config.context_dim)]
    return Rounds(
        jnp.stack([*entries, jnp.ones_like(entries[0])]),
        _drawn_without_replacement(stream.site(_PARTICIPANTS).at(index), config.participants, config.n_bidders),
        stream.site(_CLICK).uniform(index),
    )


def _drawn_without_replacement(draw: Draw, participants: int, bidders: int) -> Bool[Array, "bidders rounds"]:
    """Which bidders are among ``participants`` drawn at random, every subset being equally likely.

    The m-th draw is a rank among the bidders that are left; each bidder drawn before, in ascending order, that is not
    above it shifts it up by one.
    """
    shape = (bidders, *draw.index.shape)
    if participants == bidders:
        return jnp.ones(shape, bool)
    chosen: list[Array] = []
    for count in range(participants):
        bidder = (draw.uniform(count) * (bidders - count)).astype(jnp.int32)
        for earlier in chosen:
            bidder = bidder + (bidder >= earlier)
        for place, earlier in enumerate(chosen):
            chosen[place], bidder = jnp.minimum(earlier, bidder), jnp.maximum(earlier, bidder)
        chosen.append(bidder)
    everyone = lax.broadcasted_iota(jnp.int32, shape, 0)
    takes_part = jnp.zeros(shape, bool)
    for bidder in chosen:
        takes_part = takes_part | (bidder == everyone)
    return takes_part
