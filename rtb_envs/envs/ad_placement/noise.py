"""The randomness of an AdPlacement: draws addressed by index, computed (``Drawn``) or given (``Recorded``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from rtb_envs.random import Stream

_VISIT, _RESPONSE, _CLICK_RATE = 1, 2, 3


class Visit(NamedTuple):
    """Uniforms of what comes after an event, or before the first."""

    session: Float[Array, ""]
    """Whether a session ends, or a user arrives."""
    slot_type: Float[Array, ""]
    user: Float[Array, ""]


class Response(NamedTuple):
    """Uniforms of each slot's ad."""

    impression: Float[Array, "slots"]
    click: Float[Array, "slots"]


class Noise(Protocol):
    """The draws that ``transition`` and ``initial`` ask for."""

    def visit(self) -> Visit:
        """What comes next."""

    def response(self, num_slots: int) -> Response:
        """What users do with the ads."""

    def click_rate(self, num_slots: int, num_advertisers: int) -> Float[Array, "slots advertisers"]:
        """A uniform for the disturbance of each click rate."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Drawn:
    """Draws computed from a stream."""

    stream: Stream

    def visit(self) -> Visit:
        draw = self.stream.site(_VISIT).at(0)
        return Visit(draw.uniform(0), draw.uniform(1), draw.uniform(2))

    def response(self, num_slots: int) -> Response:
        draw = self.stream.site(_RESPONSE).at(jnp.arange(num_slots))
        return Response(draw.uniform(0), draw.uniform(1))

    def click_rate(self, num_slots: int, num_advertisers: int) -> Float[Array, "slots advertisers"]:
        # The words of a hash are the slots': four slots cost an advertiser one hash.
        draw = self.stream.site(_CLICK_RATE).at(jnp.arange(num_advertisers))
        return jnp.stack([draw.uniform(slot) for slot in range(num_slots)])


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Recorded:
    """Draws given as arrays, as in a test or a replay."""

    next_visit: Visit
    responses: Response
    rates: Float[Array, "slots advertisers"]

    def visit(self) -> Visit:
        return self.next_visit

    def response(self, num_slots: int) -> Response:
        return self.responses

    def click_rate(self, num_slots: int, num_advertisers: int) -> Float[Array, "slots advertisers"]:
        return self.rates
