"""Quantile tables of market-price laws, addressed by the bits of a uniform.

A table of one law has two halves of ``HALF`` nodes: the quantiles at v_0 < v_1 < ... <= 1/2 and those at 1 - v_0,
1 - v_1, .... The v_j divide each octave from 2**-24 to 1/2 into equal parts, so exponent and leading mantissa bits of
a float32 are the node below it and the other bits are the linear weight of the next: no logarithm and no search.
"""

from __future__ import annotations

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax import Array
from jaxtyping import Float, Int

FloatArray = npt.NDArray[np.float64]

SMALLEST = 2.0**-24
"""The least uniform that ``rtb_envs.random`` draws, and 1 minus the largest."""
PARTS_BITS = 3
HALF = 24 << PARTS_BITS
_MANTISSA_BITS = 23 - PARTS_BITS
_FIRST_NODE = int(np.float32(SMALLEST).view(np.int32)) >> _MANTISSA_BITS

_CELLS_PER_E_FOLD = 5
_LEAST_SHAPE, _LARGEST_SHAPE = 0.05, 1e4
_SHAPE_E_FOLDS = math.log(_LARGEST_SHAPE / _LEAST_SHAPE)


@functools.lru_cache(maxsize=1)
def node_probabilities() -> FloatArray:
    """The v_j, shape (HALF,). Those of the last octave, which no v reaches but 1/2 itself, are 1/2."""
    bits = (np.arange(HALF, dtype=np.int32) + _FIRST_NODE) << _MANTISSA_BITS
    octaves: FloatArray = bits.view(np.float32).astype(np.float64)
    return np.minimum(octaves, 0.5)


def quantile(table: Float[Array, "laws nodes"], law: Int[Array, "*batch"], uniform: Array) -> Float[Array, "*batch"]:
    """The quantiles at ``uniform`` (float32 in (0, 1)) of the rows ``law``; a table of one row serves every law."""
    is_upper = uniform >= 0.5
    v = jnp.maximum(jnp.where(is_upper, 1.0 - uniform, uniform), jnp.float32(SMALLEST))  # 1 - u is exact there
    bits = jax.lax.bitcast_convert_type(v, jnp.int32)
    weight = (bits & ((1 << _MANTISSA_BITS) - 1)).astype(jnp.float32) * jnp.float32(2.0**-_MANTISSA_BITS)
    node = (bits >> _MANTISSA_BITS) - _FIRST_NODE + jnp.where(is_upper, HALF, 0)
    if table.shape[0] > 1:
        node = node + law * (2 * HALF)
    flat = table.reshape(-1)
    below = flat.at[node].get(mode="promise_in_bounds")
    above = flat.at[node + 1].get(mode="promise_in_bounds")
    price: Array = below + weight * (above - below)
    return price


def mean(table: Float[Array, "laws nodes"]) -> Float[Array, "laws"]:
    """The exact mean of what ``quantile`` gives for uniforms spread evenly over (0, 1)."""
    v = node_probabilities()
    width = np.diff(v, prepend=0.0)
    weight = (width + np.append(width[1:], 0.0)) / 2
    weight[0] += width[0] / 2  # the value at v_0 holds from 0 to v_0
    return table @ jnp.asarray(np.tile(weight, 2), dtype=jnp.float32)


def largest_fall(table: Float[Array, "laws nodes"]) -> Float[Array, ""]:
    """How far a quantile of ``table`` lies below that of a smaller probability at most; 0 where all rise."""
    rising = jnp.concatenate([table[:, :HALF], table[:, : HALF - 1 : -1]], axis=1)
    return jnp.max(rising[:, :-1] - rising[:, 1:], initial=0.0)


@functools.lru_cache
def highest_normal_nodes(count: int) -> FloatArray:
    """Quantiles of the largest of ``count`` independent standard normals at all nodes of a table, shape (2 * HALF,)."""
    from scipy.special import ndtri

    v = node_probabilities()
    log_probability = np.concatenate([np.log(v), np.log1p(-v)]) / count
    # Both tails are taken from the side where the probability is small, so that nothing cancels.
    survival = -np.expm1(log_probability)
    nodes: FloatArray = np.where(survival < 0.5, -ndtri(survival), ndtri(np.exp(log_probability)))
    return nodes


@functools.lru_cache(maxsize=1)
def _gamma_cube_roots() -> npt.NDArray[np.float32]:
    """(quantile / shape)**(1/3) of unit-scale gamma laws, shape (grid of log shapes, 2 * HALF).

    The cube root of a gamma is nearly normal (Wilson & Hilferty, PNAS 17, 1931), so it varies slowly with the shape.
    """
    from scipy.special import gammainccinv, gammaincinv

    num_shapes = 1 + round(_SHAPE_E_FOLDS * _CELLS_PER_E_FOLD)
    shape = np.geomspace(_LEAST_SHAPE, _LARGEST_SHAPE, num_shapes)[:, None]
    v = node_probabilities()
    quantiles = np.concatenate([gammaincinv(shape, v), gammainccinv(shape, v)], axis=1)
    return np.cbrt(quantiles / shape).astype(np.float32)


def clip_gamma_shape(shape: Float[Array, "laws"]) -> Float[Array, "laws"]:
    """``shape`` within the range of the gamma table, [0.05, 10,000]."""
    return jnp.clip(shape, _LEAST_SHAPE, _LARGEST_SHAPE)


def gamma_nodes(shape: Float[Array, "laws"]) -> Float[Array, "laws nodes"]:
    """Quantiles of unit-scale gamma laws at all nodes of a table, ``shape`` clipped by ``clip_gamma_shape``.

    Cubic (Lagrange) interpolation in log shape between rows that are exact.
    """
    cube_roots = _gamma_cube_roots()
    last = cube_roots.shape[0] - 1
    shape = clip_gamma_shape(shape)
    position = jnp.log(shape / _LEAST_SHAPE) * (last / _SHAPE_E_FOLDS)
    first = jnp.clip(position.astype(jnp.int32) - 1, 0, last - 3)
    x = position - first
    weights = (
        *(-(x - 1) * (x - 2) * (x - 3) / 6, x * (x - 2) * (x - 3) / 2),
        *(-x * (x - 1) * (x - 3) / 2, x * (x - 1) * (x - 2) / 6),
    )
    rows = jnp.asarray(cube_roots)
    cube_root = sum(weight[:, None] * rows[first + row] for row, weight in enumerate(weights))
    return shape[:, None] * jnp.maximum(cube_root, 0.0) ** 3
