"""The randomness of an AdPlacement: draws addressed by index, computed (``Drawn``) or given (``Recorded``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from rtb_envs.pytrees import pytree
from rtb_envs.random import Stream
from rtb_envs.users.exact import once_word

_VISIT, _RESPONSE, _CLICK_RATE = 1, 2, 3


class Visit(NamedTuple):
    """Uniforms of what comes after an event, or before the first."""

    session: Float[Array, ""]
    """Whether a session ends, or a user arrives."""
    slot_type: Float[Array, ""]
    user: Float[Array, ""]


class Response(NamedTuple):
    """Uniforms of each slot's ad."""

    impression: Sequence[Float[Array, ""]]
    click: Sequence[Float[Array, ""]]


class Noise(Protocol):
    """The draws that ``transition`` and ``initial`` ask for."""

    def visit(self) -> Visit:
        """What comes next."""

    def response(self, num_slots: int) -> Response:
        """What users do with the ads."""

    def click_rate(self, num_slots: int, num_advertisers: int) -> Sequence[Sequence[Float[Array, ""]]]:
        """A uniform for the disturbance of each click rate, [slots][advertisers]."""


@pytree
@dataclass(frozen=True)
class Drawn:
    """Draws computed from a stream."""

    stream: Stream

    @classmethod
    def from_stream(cls, stream: Stream) -> Drawn:
        """Draws from ``stream``, whose own words are computed once."""
        return cls(_kept(stream))

    def visit(self) -> Visit:
        draw = self.stream.site(_VISIT).at(0)
        return Visit(draw.uniform(0), draw.uniform(1), draw.uniform(2))

    def response(self, num_slots: int) -> Response:
        draws = [self.stream.site(_RESPONSE).at(slot) for slot in range(num_slots)]
        return Response(*(tuple(draw.uniform(word) for draw in draws) for word in (0, 1)))

    def click_rate(self, num_slots: int, num_advertisers: int) -> Sequence[Sequence[Float[Array, ""]]]:
        stream = _kept(self.stream.site(_CLICK_RATE))
        pairs = (num_advertisers + 1) // 2
        rows = []
        for slot in range(num_slots):
            words = [once_word(stream.words(slot * pairs + pair)[0]) for pair in range(pairs)]
            # Half a word for a disturbance: one hash for two, each of 65,536 values.
            halves = [half for word in words for half in (word >> 16, word & 0xFFFF)]
            rows.append(tuple((half.astype(jnp.float32) + 0.5) * 2.0**-16 for half in halves[:num_advertisers]))
        return tuple(rows)


def _kept(stream: Stream) -> Stream:
    """``stream`` with its words computed once for all that is drawn from it."""
    return replace(stream, word0=once_word(stream.word0), word1=once_word(stream.word1))


@pytree
@dataclass(frozen=True)
class Recorded:
    """Draws given as arrays, as in a test or a replay."""

    next_visit: Visit
    responses: Response
    rates: Sequence[Sequence[Float[Array, ""]]]

    def visit(self) -> Visit:
        return self.next_visit

    def response(self, num_slots: int) -> Response:
        return self.responses

    def click_rate(self, num_slots: int, num_advertisers: int) -> Sequence[Sequence[Float[Array, ""]]]:
        return self.rates
