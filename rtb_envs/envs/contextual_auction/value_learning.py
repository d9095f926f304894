"""A bidder that learns how likely a bid is to win, and bids what that makes best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float

from rtb_envs.envs.contextual_auction.bidders import EXPLORATION, check_exploration, check_shading, explored
from rtb_envs.envs.contextual_auction.learning import Log, Shading
from rtb_envs.envs.contextual_auction.logistic import fit_logistic
from rtb_envs.pytrees import pytree
from rtb_envs.random import Draw

LOWEST_SHADING = 0.1
_PRIOR_PRECISION = 0.01
_NEWTON_STEPS = 4


def fit_win_rate(log: Log) -> Float[Array, "4"]:
    """Coefficients of P(win) = sigmoid(w . (1, estimated CTR, value, shading factor)), by logistic regression.

    Each round is used twice: as it was, and with the factor 0, at which it would have been lost (Jeunen et al. 2022).
    """
    factor = jnp.clip(log.proposed, 0, 1)
    features = win_features(log.estimated_ctr, log.value, factor)
    unshaded = win_features(log.estimated_ctr, log.value, jnp.zeros_like(factor))
    weight = log.takes_part.astype(factor.dtype)
    won = log.won.astype(factor.dtype)
    return fit_logistic(
        jnp.concatenate([features, unshaded], axis=1),
        jnp.concatenate([won, jnp.zeros_like(won)]),
        jnp.concatenate([weight, weight]),
        jnp.zeros(4, factor.dtype),
        jnp.full(4, _PRIOR_PRECISION, factor.dtype),
    )


def win_features(estimated_ctr: Array, value: Array, factor: Array) -> Float[Array, "4 rounds"]:
    """What a win rate depends on."""
    return jnp.stack([jnp.ones_like(value), estimated_ctr, value, factor])


def best_shading(coefficients: Float[Array, "4"], estimated_ctr: Array, value: Array) -> Array:
    """The factor g in [0.1, 1] with the highest P(win | g) (1 - g), the surplus of a first price per unit of value.

    With P(win | g) = sigmoid(a + b g) and b > 0 the derivative is zero where b (1 - g) = 1 + W(exp(a + b - 1)), W being
    Lambert's function. Where b <= 0 the surplus falls with g.
    """
    slope = coefficients[3]
    constant = coefficients[0] + coefficients[1] * estimated_ctr + coefficients[2] * value
    best = 1 - (1 + _lambert_of_exp(constant + slope - 1)) / jnp.maximum(slope, 1e-6)
    return jnp.where(slope > 0, jnp.clip(best, LOWEST_SHADING, 1), LOWEST_SHADING)


def _lambert_of_exp(x: Array) -> Array:
    """W(exp(x)), the solution w of w + log w = x, by Newton's method."""
    w = jnp.maximum(jax.nn.softplus(x), 1e-30)
    for _ in range(_NEWTON_STEPS):
        w = jnp.maximum(w * (1 + x - jnp.log(w)) / (1 + w), 1e-30)
    return w


class ValueMemory(NamedTuple):
    """``fitted`` is False as long as there is nothing to go by."""

    fitted: Bool[Array, ""]
    win_rate: Float[Array, "4"]


@pytree
@dataclass(frozen=True)
class ValueLearning:
    """Learns P(win | estimated CTR, value, factor), and bids the factor with the best expected surplus (first price).

    The factor is drawn around that, as it is around ``initial`` in the first iteration and after one without a single
    win (Jeunen et al., AdKDD 2022, "direct method").
    """

    exploration: float | Array = EXPLORATION
    initial: float | Array = 1.0
    learns: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_exploration(self.exploration)
        check_shading("initial", self.initial)

    def init(self) -> ValueMemory:
        return ValueMemory(jnp.zeros((), bool), jnp.zeros(4))

    def shade(
        self, draw: Draw, memory: ValueMemory, estimated_ctr: Float[Array, "rounds"], value: Float[Array, "rounds"]
    ) -> Shading:
        mean = jnp.where(memory.fitted, best_shading(memory.win_rate, estimated_ctr, value), self.initial)
        return explored(draw, mean, self.exploration)

    def update(self, memory: ValueMemory, log: Log) -> ValueMemory:
        return ValueMemory(jnp.any(log.won), fit_win_rate(log))
