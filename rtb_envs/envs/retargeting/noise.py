"""The randomness of a Retargeting market: computed from a key (``Drawn``) or given (``Recorded``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float, Int

from rtb_envs.pytrees import pytree
from rtb_envs.random import Stream, normal_from_uniform, uniform_from_word
from rtb_envs.users.exact import after, once

# Purposes of the episode's stream, and of a step's.
_POPULATION, _ARRIVALS, _RESPONSES, _DRIFT = 1, 2, 3, 4


class Arrivals(NamedTuple):
    """Who comes with which impression, one entry for each opportunity of a step."""

    customer: Int[Array, "opportunities"]
    context: Int[Array, "opportunities"]
    """Index into ``ResponseParams.context_ctr``."""


class Responses(NamedTuple):
    """The draws of a step's opportunities: uniforms in (0, 1), but the two normals."""

    ctr_noise: Float[Array, "opportunities"]
    """Standard normal."""
    click: Float[Array, "opportunities"]
    conversion: Float[Array, "opportunities"]
    revenue: Float[Array, "opportunities"]
    """Standard normal."""
    organic: Float[Array, "opportunities"]
    cart: Float[Array, "opportunities"]
    cart_value: Float[Array, "opportunities"]
    leaving: Float[Array, "opportunities"]
    fresh_conversion: Float[Array, "opportunities"]
    fresh_category: Float[Array, "opportunities"]
    delay_part: Float[Array, "opportunities"]
    delay: Float[Array, "opportunities"]


class Population(NamedTuple):
    """The draws that make the customers when an episode begins: uniforms in (0, 1)."""

    stage: Float[Array, "customers"]
    visits: Float[Array, "customers"]
    purchases: Float[Array, "customers"]
    cart_value: Float[Array, "customers"]
    idle: Float[Array, "customers"]
    conversion: Float[Array, "customers"]
    category: Float[Array, "customers"]


class Noise(Protocol):
    """The draws that ``initial`` and ``transition`` ask for."""

    def population(self, customers: int) -> Population:
        """Those of the customers of an episode."""

    def drift_sign(self) -> Float[Array, ""]:
        """-1 or 1, one an episode."""

    def arrivals(self, t: Int[Array, ""], opportunities: int, customers: int, contexts: int) -> Arrivals:
        """Those of the step that begins at opportunity ``t``."""

    def responses(self, opportunities: int) -> Responses:
        """Those of the noise's own step."""


@pytree
@dataclass(frozen=True)
class Drawn:
    """Draws computed from the episode's stream and that of the step."""

    episode: Stream
    now: Stream

    def population(self, customers: int) -> Population:
        index = jnp.arange(customers)
        stream = self.episode.site(_POPULATION)
        words = (*stream.words(index), *stream.site(1).words(index)[:3])
        return Population(*(uniform_from_word(word) for word in words))

    def drift_sign(self) -> Float[Array, ""]:
        return jnp.where(self.episode.site(_DRIFT).uniform() < 0.5, -1.0, 1.0)

    def arrivals(self, t: Int[Array, ""], opportunities: int, customers: int, contexts: int) -> Arrivals:
        words = self.episode.site(_ARRIVALS).words(t + jnp.arange(opportunities))
        customer = once(_index(words[0], customers))
        # With a second reader the customer's index is kept, where it would be hashed again for each field of its row.
        return Arrivals(customer, after(_index(words[1], contexts), customer))

    def responses(self, opportunities: int) -> Responses:
        index = 3 * jnp.arange(opportunities)[:, None] + jnp.arange(3)
        words = jnp.concatenate(self.now.site(_RESPONSES).words(index), axis=1)
        # Kept as an array, where the compiler would hash again for each of the many who read it.
        uniform = lax.optimization_barrier(uniform_from_word(words))
        drawn = Responses(*(uniform[:, i] for i in range(len(Responses._fields))))
        return drawn._replace(
            ctr_noise=normal_from_uniform(drawn.ctr_noise), revenue=normal_from_uniform(drawn.revenue)
        )


def _index(word: Array, size: int) -> Int[Array, "*batch"]:
    """An index below ``size`` <= 2**20, even to 2**-23: floor(u * size) for a uniform u."""
    below = jnp.floor(uniform_from_word(word) * size).astype(jnp.int32)
    return jnp.minimum(below, size - 1)


@pytree
@dataclass(frozen=True)
class Recorded:
    """Given draws: those of one step and the customers who come after it."""

    drawn: Responses
    next: Arrivals
    drawn_population: Population
    sign: Float[Array, ""]

    def population(self, customers: int) -> Population:
        return self.drawn_population

    def drift_sign(self) -> Float[Array, ""]:
        return self.sign

    def arrivals(self, t: Int[Array, ""], opportunities: int, customers: int, contexts: int) -> Arrivals:
        return self.next

    def responses(self, opportunities: int) -> Responses:
        return self.drawn
