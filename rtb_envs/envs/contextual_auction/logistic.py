"""Logistic regression with a Gaussian prior, fitted by Newton's method and a bound."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float

_STEPS = 15
_NEWTON_SIZES = (1.0, 0.5, 0.25)


def fit_logistic(
    features: Float[Array, "features rows"],
    label: Float[Array, "rows"],
    weight: Float[Array, "rows"],
    prior_mean: Float[Array, "features"],
    prior_precision: Float[Array, "features"],
) -> Float[Array, "features"]:
    """The most probable coefficients w, where P(label = 1) = sigmoid(w . features) and w ~ N(mean, 1 / precision).

    ``label`` is 0 or 1, ``weight`` >= 0 how often a row counts, the prior's precision positive. Each of 15 steps is the
    most probable of none, Newton's, parts of it, and the one to the optimum of a quadratic bound, which never makes it
    less probable (Jaakkola and Jordan, Statistics and Computing 10, 2000): Newton's alone overshoots where the prior
    mean is surely wrong.
    """

    def loss(coefficients: Array) -> Array:
        logit = coefficients @ features
        fit = jnp.sum(weight * (jax.nn.softplus(logit) - label * logit))
        return fit + 0.5 * jnp.sum(prior_precision * (coefficients - prior_mean) ** 2)

    def step(_: int, coefficients: Array) -> Array:
        logit = coefficients @ features
        probability = jax.nn.sigmoid(logit)
        gradient = features @ (weight * (probability - label)) + prior_precision * (coefficients - prior_mean)
        distance = jnp.maximum(jnp.abs(logit), 1e-3)
        bound = jnp.tanh(distance / 2) / (2 * distance)

        def towards(curvature_of_row: Array) -> Array:
            curvature = (features * (weight * curvature_of_row)) @ features.T + jnp.diag(prior_precision)
            direction: Array = jnp.linalg.solve(curvature, gradient)
            return direction

        newton = towards(probability * (1 - probability))
        moves = [jnp.zeros_like(newton), towards(bound), *(size * newton for size in _NEWTON_SIZES)]
        candidates = coefficients - jnp.stack(moves)
        losses = lax.map(loss, candidates)
        best: Array = candidates[jnp.argmin(jnp.where(jnp.isnan(losses), jnp.inf, losses))]
        return best

    fitted: Array = lax.fori_loop(0, _STEPS, step, prior_mean)
    return fitted


def laplace_precision(
    features: Float[Array, "features rows"], weight: Float[Array, "rows"], coefficients: Float[Array, "features"]
) -> Float[Array, "features"]:
    """What the rows add to the precision of each coefficient alone, by Laplace's approximation: sum x**2 p (1 - p)."""
    probability = jax.nn.sigmoid(coefficients @ features)
    added: Array = features**2 @ (weight * probability * (1 - probability))
    return added
