"""The ads that every bidder may show: what makes users click on them, and what a click is worth.

The model and its figures are AuctionGym's (Jeunen, Murphy and Allison, "Learning to Bid with AuctionGym", AdKDD 2022;
"Off-Policy Learning-to-Bid with AuctionGym", KDD 2023).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from rtb_envs.compile import jit
from rtb_envs.envs.contextual_auction.config import Config
from rtb_envs.envs.contextual_auction.money import MAX_AMOUNT, MICROS, to_micros
from rtb_envs.pytrees import pytree

GRID, INTERCEPT_GRID = 2.0**-8, 2.0**-16
"""Contexts and embeddings are multiples of the first, intercepts of the second: float32 then holds every logit exactly,
whatever the order in which a program sums it."""
LOG_VALUE_MEAN, LOG_VALUE_STD = 0.1, 0.2
HIGHEST_INTERCEPT, INTERCEPT_WIDTH = -3.0, 1.0


@pytree
@dataclass(frozen=True)
class Catalogue:
    """Every bidder's ads; a pytree, so a batch of random catalogues is ``vmap`` over keys."""

    embedding: Float[Array, "bidders ads features"]
    """CTR = sigmoid(embedding . (context, 1)): the last entry is the intercept."""
    value: Float[Array, "bidders ads"]
    """What a click is worth to the bidder, in currency."""


def sample_catalogue(key: Array, config: Config) -> Catalogue:
    """Draw a catalogue: embedding ~ N(0, 1), intercept ~ -3 - U(0, 1), value ~ LogNormal(0.1, 0.2)."""
    shape = (config.n_bidders, config.n_ads)
    embedding_key, intercept_key, value_key = jax.random.split(key, 3)
    embedding = on_grid(jax.random.normal(embedding_key, (*shape, config.context_dim)), GRID)
    intercept = HIGHEST_INTERCEPT - INTERCEPT_WIDTH * jax.random.uniform(intercept_key, (*shape, 1))
    intercept = on_grid(intercept, INTERCEPT_GRID)
    value = jnp.exp(LOG_VALUE_MEAN + LOG_VALUE_STD * jax.random.normal(value_key, shape))
    value = to_micros(jnp.minimum(value, MAX_AMOUNT)) / MICROS
    return Catalogue(jnp.concatenate([embedding, intercept], axis=-1), value)


def on_grid(value: Array, grid: float) -> Array:
    """``value`` rounded to a multiple of ``grid``, a power of two."""
    return jnp.round(value / grid) * grid


@functools.cache
def compiled_sample_catalogue() -> Any:
    """``sample_catalogue`` as one compiled program for each configuration."""
    return jit(sample_catalogue, static_argnums=1)
