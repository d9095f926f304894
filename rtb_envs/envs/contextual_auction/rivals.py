"""The bidders of an experiment as policies, to be rivals in the environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jax import Array

from rtb_envs.envs.contextual_auction.environment import OBSERVATION_KEYS
from rtb_envs.envs.contextual_auction.learning import Bidder
from rtb_envs.pytrees import pytree
from rtb_envs.random import Stream

_ESTIMATED_CTR, _VALUE = (OBSERVATION_KEYS.index(key) for key in ("estimated_ctr", "value"))


@pytree
@dataclass(frozen=True)
class ShadingRule:
    """Shades as ``bidder`` does with ``memory``, what it has learnt; it learns nothing more."""

    bidder: Bidder
    memory: Any

    def init(self, params: Any) -> tuple[()]:
        return ()

    def act(self, stream: Stream, carry: tuple[()], observation: Array) -> tuple[Array, tuple[()]]:
        estimated_ctr, value = observation[_ESTIMATED_CTR, None], observation[_VALUE, None]
        shading = self.bidder.shade(stream.at(jnp.zeros(1, jnp.int32)), self.memory, estimated_ctr, value)
        return jnp.clip(shading.proposed, 0, 1), carry
