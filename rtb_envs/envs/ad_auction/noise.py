"""The randomness of an AdAuction step: draws addressed by index, computed (``Drawn``) or given (``Recorded``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from rtb_envs.envs.ad_auction.params import Params
from rtb_envs.pytrees import pytree
from rtb_envs.random import Stream
from rtb_envs.users.traffic import search_volume

# Purposes of the stream; a law's site is its own, so that a law which draws more shifts nothing else.
_VOLUME, _IMPRESSION, _PRICE, _EPISODE, _FIRST_OBSERVATION = 1, 2, 3, 4, 5


class Auctions(NamedTuple):
    """The draws of some auctions of a step; every field has the shape of the index asked for."""

    ad: Int[Array, "*auctions"]
    user: Int[Array, "*auctions"]
    market_price: Float[Array, "*auctions"]
    """The price law's own draw, before the market's shift and the minimum price."""
    response_uniform: Float[Array, "*auctions"]
    """One uniform decides both events: click iff U < CTR, conversion iff U < CTR * CVR."""


class Hidden(NamedTuple):
    """What an episode's market keeps from the bidder."""

    drift_sign: Float[Array, ""]
    shock_step: Int[Array, ""]


class FirstObservation(NamedTuple):
    """What RTBGym shows, without meaning, at the start of an episode (only with ``compat="rtbgym"``)."""

    consumption_rate: Float[Array, ""]
    cost_per_mille: Float[Array, ""]
    win_rate: Float[Array, ""]
    reward: Float[Array, ""]
    multiplier: Float[Array, ""]


class Noise(Protocol):
    """The draws that ``transition`` and ``initial`` ask for."""

    def search_volume(self, params: Params, t: Int[Array, ""]) -> Int[Array, ""]:
        """How many auctions step ``t`` has."""

    def auctions(self, index: Int[Array, "*auctions"], params: Params, t: Int[Array, ""]) -> Auctions:
        """The draws of the auctions ``index`` of step ``t``."""

    def participation(self, index: Int[Array, "*auctions"]) -> Float[Array, "*auctions"]:
        """A uniform for each auction ``index`` of the step: a bidder with participation rate q takes part iff U < q."""

    def hidden(self, params: Params) -> Hidden:
        """The episode's hidden market."""

    def first_observation(self) -> FirstObservation:
        """RTBGym's noise at the start of the next episode."""


@pytree
@dataclass(frozen=True)
class Drawn:
    """Draws computed from a stream; two words to carry, whatever is asked for."""

    stream: Stream

    def search_volume(self, params: Params, t: Int[Array, ""]) -> Int[Array, ""]:
        uniform = self.stream.site(_VOLUME).uniform()
        return search_volume(
            uniform, params.search_volume_mean[t], params.search_volume_std[t], params.minimum_search_volume
        )

    def auctions(self, index: Int[Array, "*auctions"], params: Params, t: Int[Array, ""]) -> Auctions:
        assert params.derived is not None
        draw = self.stream.site(_IMPRESSION).at(index)
        ad = _identity(draw.uniform(0), params.ad_features.shape[0], params.derived.ad_cumulative, t)
        user = _identity(draw.uniform(1), params.user_features.shape[0], params.derived.user_cumulative, t)
        price = params.derived.market_price.price(self.stream.site(_PRICE).at(index), ad, t)
        return Auctions(ad, user, price, draw.uniform(2))

    def participation(self, index: Int[Array, "*auctions"]) -> Float[Array, "*auctions"]:
        return self.stream.site(_IMPRESSION).uniform(index, 3)

    def hidden(self, params: Params) -> Hidden:
        stream = self.stream.site(_EPISODE)
        sign = jnp.where(stream.uniform(0, 0) < 0.5, -1.0, 1.0)
        return Hidden(sign, (stream.uniform(0, 1) * params.horizon).astype(jnp.int32))

    def first_observation(self) -> FirstObservation:
        uniform = self.stream.site(_FIRST_OBSERVATION).uniform
        reward = jnp.floor(3 * uniform(0, 3))
        return FirstObservation(uniform(0, 0), uniform(0, 1), uniform(0, 2), reward, -jnp.log(uniform(1, 0)))


def _identity(uniform: Array, count: int, cumulative: Array | None, t: Array) -> Array:
    """An id in 0 .. count - 1: uniform, or by the cumulative rates of step ``t`` [steps, count].

    ``uniform * count`` stays below ``count`` after rounding, because the largest uniform is 1 - 2**-24.
    """
    if cumulative is None:
        return (uniform * count).astype(jnp.int32)
    found = jnp.searchsorted(cumulative[t], uniform, side="right", method="scan_unrolled")
    return jnp.minimum(found, count - 1).astype(jnp.int32)


@pytree
@dataclass(frozen=True)
class Recorded:
    """Draws given as arrays [auctions] of any dtype, as when a recorded step is replayed.

    ``response_uniform`` of a record with separate click and conversion uniforms (u, v) is v * ctr where u < ctr and u
    elsewhere. Asking beyond the recorded auctions repeats the last; ``transition`` ignores what is beyond the volume.
    Without ``participation_uniform`` whoever has a positive participation rate takes part.
    """

    volume: Int[Array, ""]
    recorded: Auctions
    episode: Hidden
    first: FirstObservation
    participation_uniform: Float[Array, "auctions"] | None = None

    def search_volume(self, params: Params, t: Int[Array, ""]) -> Int[Array, ""]:
        return self.volume

    def auctions(self, index: Int[Array, "*auctions"], params: Params, t: Int[Array, ""]) -> Auctions:
        return Auctions(*(field.at[index].get(mode="clip") for field in self.recorded))

    def participation(self, index: Int[Array, "*auctions"]) -> Float[Array, "*auctions"]:
        if self.participation_uniform is None:
            return jnp.zeros(index.shape)
        return self.participation_uniform.at[index].get(mode="clip")

    def hidden(self, params: Params) -> Hidden:
        return self.episode

    def first_observation(self) -> FirstObservation:
        return self.first
