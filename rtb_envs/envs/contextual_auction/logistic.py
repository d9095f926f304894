"""Logistic regression with a Gaussian prior, fitted by Newton's method."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float

_STEPS = 12
_STEP_SIZES = (0.0, 0.125, 0.25, 0.5, 1.0)


def fit_logistic(
    features: Float[Array, "features rows"],
    label: Float[Array, "rows"],
    weight: Float[Array, "rows"],
    prior_mean: Float[Array, "features"],
    prior_precision: Float[Array, "features"],
) -> Float[Array, "features"]:
    """The most probable coefficients w, where P(label = 1) = sigmoid(w . features) and w ~ N(mean, 1 / precision).

    ``label`` is 0 or 1, ``weight`` >= 0 how often a row counts, the prior's precision positive. Each of 12 Newton steps
    is taken whole, in part or not at all, whichever is most probable, so that it can not diverge.
    """

    def loss(coefficients: Array) -> Array:
        logit = coefficients @ features
        fit = jnp.sum(weight * (jax.nn.softplus(logit) - label * logit))
        return fit + 0.5 * jnp.sum(prior_precision * (coefficients - prior_mean) ** 2)

    def step(_: int, coefficients: Array) -> Array:
        probability = jax.nn.sigmoid(coefficients @ features)
        gradient = features @ (weight * (probability - label)) + prior_precision * (coefficients - prior_mean)
        curvature = (features * (weight * probability * (1 - probability))) @ features.T + jnp.diag(prior_precision)
        direction = jnp.linalg.solve(curvature, gradient)
        candidates = coefficients - jnp.asarray(_STEP_SIZES, direction.dtype)[:, None] * direction
        losses = lax.map(loss, candidates)
        return candidates[jnp.argmin(jnp.where(jnp.isnan(losses), jnp.inf, losses))]

    fitted: Array = lax.fori_loop(0, _STEPS, step, prior_mean)
    return fitted


def laplace_precision(
    features: Float[Array, "features rows"], weight: Float[Array, "rows"], coefficients: Float[Array, "features"]
) -> Float[Array, "features"]:
    """What the rows add to the precision of each coefficient alone, by Laplace's approximation: sum x**2 p (1 - p)."""
    probability = jax.nn.sigmoid(coefficients @ features)
    added: Array = features**2 @ (weight * probability * (1 - probability))
    return added
