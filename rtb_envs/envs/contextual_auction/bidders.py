"""Bidders that bid a share of the estimated value: all of it, a fixed one, or one found by trial."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import ClassVar

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from rtb_envs import validation
from rtb_envs.envs.contextual_auction.learning import Log, Shading
from rtb_envs.pytrees import pytree
from rtb_envs.random import Draw

EXPLORATION = 0.05
"""Standard deviation that learning bidders draw their shading factors with."""
_BUCKETS = 200
_MIN_SAMPLES = 20
_QUANTILE = 1.96


def log_normal_density(x: Array, mean: Array | float, std: Array | float) -> Array:
    """The logarithm of the density of N(mean, std**2) at ``x``."""
    return -0.5 * ((x - mean) / std) ** 2 - jnp.log(std) - 0.5 * jnp.log(2 * jnp.pi)


def explored(draw: Draw, mean: Array, std: Array | float) -> Shading:
    """Factors drawn from N(mean, std**2)."""
    proposed = mean + std * draw.normal()
    return Shading(proposed, log_normal_density(proposed, mean, std))


def check_shading(name: str, value: object) -> None:
    """Refuse a number outside [0, 1]; traced values pass."""
    if isinstance(value, Real):
        validation.number(name, value, 0, 1)


def check_exploration(value: object) -> None:
    """Refuse a number that is no standard deviation in (0, 1]; traced values pass."""
    if isinstance(value, Real):
        validation.number("exploration", value, 0, 1, open_low=True)


@pytree
@dataclass(frozen=True)
class FixedShading:
    """Bids ``factor`` in [0, 1] of the estimated value."""

    factor: float | Array
    learns: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_shading("factor", self.factor)

    def init(self) -> tuple[()]:
        return ()

    def shade(
        self, draw: Draw, memory: tuple[()], estimated_ctr: Float[Array, "rounds"], value: Float[Array, "rounds"]
    ) -> Shading:
        return Shading(jnp.full_like(value, self.factor), jnp.zeros_like(value))

    def update(self, memory: tuple[()], log: Log) -> tuple[()]:
        return memory


@pytree
@dataclass(frozen=True)
class Truthful(FixedShading):
    """Bids the estimated value: the best that can be done under second price (Vickrey 1961)."""

    factor: float | Array = 1.0


@pytree
@dataclass(frozen=True)
class EmpiricallyShaded:
    """Tries factors around one, and moves that one to where the surplus was surely best.

    Factors are drawn from N(centre, exploration**2) and sorted into buckets of 1/200; the next centre is the middle of
    the bucket whose mean surplus, less 1.96 standard errors, is highest, among those with at least 20 rounds; the
    highest of equals (Jeunen et al., AdKDD 2022).
    """

    exploration: float | Array = EXPLORATION
    initial: float | Array = 1.0
    learns: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_exploration(self.exploration)
        check_shading("initial", self.initial)

    def init(self) -> Float[Array, ""]:
        return jnp.asarray(self.initial, float)

    def shade(
        self,
        draw: Draw,
        memory: Float[Array, ""],
        estimated_ctr: Float[Array, "rounds"],
        value: Float[Array, "rounds"],
    ) -> Shading:
        return explored(draw, memory, self.exploration)

    def update(self, memory: Float[Array, ""], log: Log) -> Float[Array, ""]:
        bucket = jnp.clip((log.proposed * _BUCKETS).astype(jnp.int32), 0, _BUCKETS - 1)
        columns = jnp.stack([jnp.ones_like(log.surplus), log.surplus, log.surplus**2])
        sums = jax.ops.segment_sum(jnp.where(log.takes_part, columns, 0).T, bucket, _BUCKETS)
        count, total, squares = sums.T
        mean = total / jnp.maximum(count, 1)
        variance = jnp.maximum(squares / jnp.maximum(count, 1) - mean**2, 0)
        sure = mean - _QUANTILE * jnp.sqrt(variance / jnp.maximum(count, 1))
        enough = count >= _MIN_SAMPLES
        best = _BUCKETS - 1 - jnp.argmax(jnp.where(enough, sure, -jnp.inf)[::-1])
        return jnp.where(jnp.any(enough), (best + 0.5) / _BUCKETS, memory)
