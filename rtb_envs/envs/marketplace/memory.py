"""What buyers know, and how it rots where nothing can be read back."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from rtb_envs.envs.marketplace.config import DIRECT
from rtb_envs.envs.marketplace.params import Params


class Rot(NamedTuple):
    """Facts after a day's losses, and what was lost."""

    kept: Bool[Array, "buyers facts"]
    lost: Int[Array, "buyers"]
    """Facts lost on this day, one rot event each."""
    restarted: Bool[Array, "buyers"]


def rot(
    kept: Bool[Array, "buyers facts"],
    day: Int[Array, ""],
    uniform: Float[Array, "buyers facts"],
    restart_uniform: Float[Array, "buyers"],
    params: Params,
) -> Rot:
    """Memory on the morning of ``day`` (1 is the first). Only direct trade loses facts: elsewhere they are read back.

    A restart wipes every fact that is left; facts are not learned again.
    """
    decays = (uniform < params.fact_loss_rate) & (day > params.grace_days)
    restarted = (restart_uniform < params.restart_rate[day - 1]) & (params.scenario == DIRECT)
    gone = (decays & (params.scenario == DIRECT)) | restarted[:, None]
    after = kept & ~gone
    return Rot(after, jnp.sum(kept & gone, axis=1, dtype=jnp.int32), restarted)
