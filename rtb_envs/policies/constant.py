"""The same action in every step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jax import Array

from rtb_envs.pytrees import pytree
from rtb_envs.random import Stream


@pytree
@dataclass(frozen=True)
class Constant:
    """Takes ``action``, of the environment's action shape, whatever is observed; works in every environment."""

    action: Array

    def init(self, params: Any) -> tuple[()]:
        return ()

    def act(self, stream: Stream, carry: tuple[()], observation: Array) -> tuple[Array, tuple[()]]:
        return self.action, carry
