"""Response laws: the probability that a user clicks on an ad, or converts after a click.

A response law is any frozen pytree with the method of ``Response``. Ad and user come in as indices, so that a law keeps
one number for each ad and each user instead of a table over their pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float, Int

from rtb_envs.pytrees import pytree

NUM_WAVES = 10


class Response(Protocol):
    """A law of click-through or conversion rates.

    A law may also have ``expected_shapes(steps, ads, users)``: the shape that each of its fields must have in a market
    of this size. Without it a field that is too short is not noticed, because JAX clamps indices.
    """

    def rate(
        self, ad: Int[Array, "*batch"], user: Int[Array, "*batch"], t: Int[ArrayLike, ""]
    ) -> Float[Array, "*batch"]:
        """Probability in [0, 1] for each pair of ``ad`` and ``user`` at step ``t``."""
        ...


@pytree
@dataclass(frozen=True)
class LogisticResponse:
    """sigmoid(ad_logit[ad] + user_logit[user]) * time_factor[t], with ``time_factor`` in [0, 1]."""

    ad_logit: Float[Array, "ads"]
    user_logit: Float[Array, "users"]
    time_factor: Float[Array, "horizon"]

    @classmethod
    def from_features(
        cls,
        ad_features: Float[ArrayLike, "ads ad_dim"],
        user_features: Float[ArrayLike, "users user_dim"],
        coefficients: Float[ArrayLike, "ad_dim+user_dim"],
        time_factor: Float[ArrayLike, "horizon"],
    ) -> LogisticResponse:
        """The law whose logit is the concatenation (ad features, user features) times ``coefficients``.

        Raises ValueError if the number of coefficients is not the number of ad features plus user features.
        """
        ad_features, user_features, coefficients = (
            jnp.asarray(array) for array in (ad_features, user_features, coefficients)
        )
        ad_dim, user_dim = ad_features.shape[-1], user_features.shape[-1]
        if coefficients.shape != (ad_dim + user_dim,):
            raise ValueError(
                f"coefficients: got shape {coefficients.shape}, must be ({ad_dim + user_dim},), "
                f"for {ad_dim} ad features and {user_dim} user features"
            )
        return cls(ad_features @ coefficients[:ad_dim], user_features @ coefficients[ad_dim:], jnp.asarray(time_factor))

    def expected_shapes(self, steps: int, ads: int, users: int) -> dict[str, tuple[int, ...]]:
        """The shape that each field has in a market of this size."""
        return {"ad_logit": (ads,), "user_logit": (users,), "time_factor": (steps,)}

    def rate(
        self, ad: Int[Array, "*batch"], user: Int[Array, "*batch"], t: Int[ArrayLike, ""]
    ) -> Float[Array, "*batch"]:
        """Probability in [0, 1] for each pair of ``ad`` and ``user`` at step ``t``."""
        return jax.nn.sigmoid(self.ad_logit[ad] + self.user_logit[user]) * self.time_factor[t]

    def tabulated(self) -> OddsResponse:
        """The same law with its exponentials taken once."""
        ad_odds, user_odds = (jnp.exp(jnp.clip(logit, -40.0, 40.0)) for logit in (self.ad_logit, self.user_logit))
        return OddsResponse(ad_odds, user_odds, self.time_factor)


@pytree
@dataclass(frozen=True)
class OddsResponse:
    """o / (1 + o) * time_factor[t] with odds o = ad_odds[ad] * user_odds[user]: a logistic law without exponentials.

    Odds lie within exp(+-40), so that their product is a finite float32.
    """

    ad_odds: Float[Array, "ads"]
    user_odds: Float[Array, "users"]
    time_factor: Float[Array, "horizon"]

    def expected_shapes(self, steps: int, ads: int, users: int) -> dict[str, tuple[int, ...]]:
        """The shape that each field has in a market of this size."""
        return {"ad_odds": (ads,), "user_odds": (users,), "time_factor": (steps,)}

    def rate(
        self, ad: Int[Array, "*batch"], user: Int[Array, "*batch"], t: Int[ArrayLike, ""]
    ) -> Float[Array, "*batch"]:
        """Probability in [0, 1] for each pair of ``ad`` and ``user``, both in bounds, at step ``t``."""
        # Saying that ids are in bounds spares the hot loop a clamp and a select for each look-up.
        odds = self.ad_odds.at[ad].get(mode="promise_in_bounds") * self.user_odds.at[user].get(mode="promise_in_bounds")
        return odds / (1 + odds) * self.time_factor[t]


@pytree
@dataclass(frozen=True)
class ConstantResponse:
    """probability[ad] * time_factor[t], the same for every user; both in [0, 1]."""

    probability: Float[Array, "ads"]
    time_factor: Float[Array, "horizon"]

    def expected_shapes(self, steps: int, ads: int, users: int) -> dict[str, tuple[int, ...]]:
        """The shape that each field has in a market of this size."""
        return {"probability": (ads,), "time_factor": (steps,)}

    def rate(
        self, ad: Int[Array, "*batch"], user: Int[Array, "*batch"], t: Int[ArrayLike, ""]
    ) -> Float[Array, "*batch"]:
        """Probability in [0, 1] for each entry of ``ad`` at step ``t``; ``user`` only gives its shape."""
        return jnp.broadcast_to(self.probability[ad] * self.time_factor[t], jnp.broadcast_shapes(ad.shape, user.shape))


def time_factor_of_waves(
    weight: Float[Array, "waves"], phase: Float[Array, "waves"], offset: Int[ArrayLike, ""], horizon: int
) -> Float[Array, "horizon"]:
    """The mean over waves i = 1, 2, ... of weight_i * (cos(((t + offset) * i * pi + 2 * pi * phase_i) / horizon) + 1).

    RTBGym's time coefficient (SCOPE-RL 0.2.1), which divides the phase too, so that the waves are nearly in phase.
    Clipped to [0, 1]: a probability is multiplied with it, and large weights of waves in phase can exceed 1.
    """
    wave = jnp.arange(1, weight.shape[0] + 1)
    step = jnp.arange(horizon)[:, None] + offset
    angle = (step * wave * jnp.pi + 2 * jnp.pi * phase) / horizon
    return jnp.clip(jnp.mean(weight * (jnp.cos(angle) + 1), axis=-1), 0.0, 1.0)


def sample_time_factor(
    key: Array, horizon: int, alpha: int, beta: int, phase_scale: float = 1.0
) -> Float[Array, "horizon"]:
    """A random time factor in [0, 1]: ten waves with Beta(alpha, beta) weights, uniform phases, an offset of 5 to 14.

    RTBGym draws click rates with Beta(5, 20) and conversion rates with Beta(10, 15). ``alpha`` and ``beta`` are static
    integers >= 1: such a Beta is the alpha-th smallest of alpha + beta - 1 uniforms, exact and far quicker to compile
    than a sampler by rejection. ``phase_scale`` multiplies the phases; ``horizon`` undoes their division by the
    horizon and spreads the waves over the whole circle.
    """
    weight_key, phase_key, offset_key = jax.random.split(key, 3)
    uniforms = jax.random.uniform(weight_key, (NUM_WAVES, alpha + beta - 1), jnp.float32)
    weight = jnp.sort(uniforms, axis=-1)[:, alpha - 1]
    phase = phase_scale * jax.random.uniform(phase_key, (NUM_WAVES,), jnp.float32)
    offset = jax.random.randint(offset_key, (), 5, 15)
    return time_factor_of_waves(weight, phase, offset, horizon)
