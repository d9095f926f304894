"""A small environment of many agents on the functional contract, to test what is generic over environments.

Its arithmetic is sums of multiples of 1/64, which float32 holds exactly, so that an oracle in NumPy can follow it bit
for bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import gymnasium
import jax.numpy as jnp
import numpy as np
from jax import Array

from rtb_envs.core import Info, RenderPanel
from rtb_envs.multi_agent import MultiAgentEnvironment
from rtb_envs.pytrees import pytree
from rtb_envs.random import Stream

_STEP = 2


@pytree
@dataclass(frozen=True)
class CrowdParams:
    """Steps of an episode; an agent leaves beyond ``edge``."""

    horizon: Array
    edge: Array


class CrowdState(NamedTuple):
    """Step number, and each agent's position and whether it has left."""

    t: Array
    position: Array
    left: Array


class Crowd(MultiAgentEnvironment[CrowdParams, CrowdState, Array]):
    """Agents on a line: each step adds an agent's action, a random push, and 1/8 of the way that all went together.

    Observation float32[2]: step number, position. Action: float32[1] in [-1, 1], or with ``discrete`` an int32 in 5..7
    that moves by -1, 0, 1. Reward: 1 - |position|. An agent terminates beyond ``edge``; those left are truncated after
    ``horizon`` steps.
    """

    id = "crowd_v0"
    render_panels = (RenderPanel("spread", "Spread", "m"),)
    seat_panels = (RenderPanel("position", "Position", "m"),)
    market_info = frozenset({"spread", "lane"})

    def __init__(self, num_agents: int = 3, discrete: bool = False, horizon: int = 5, edge: float = 2.0) -> None:
        self.agents = tuple(f"walker_{i}" for i in range(num_agents))
        self.discrete = discrete
        self._params = CrowdParams(jnp.int32(horizon), jnp.float32(edge))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Crowd) and (other.agents, other.discrete) == (self.agents, self.discrete)

    def __hash__(self) -> int:
        return hash((self.agents, self.discrete))

    @property
    def default_params(self) -> CrowdParams:
        return self._params

    def observation_space(self, params: CrowdParams, agent: str) -> gymnasium.spaces.Box:
        reach = float(params.edge) + len(self.agents) + 3
        high = np.array([float(params.horizon), reach], np.float32)
        return gymnasium.spaces.Box(np.array([0, -reach], np.float32), high)

    def action_space(self, params: CrowdParams, agent: str) -> gymnasium.spaces.Space[Any]:
        return gymnasium.spaces.Discrete(3, start=5) if self.discrete else gymnasium.spaces.Box(-1, 1, (1,), np.float32)

    def alive(self, state: CrowdState) -> Array:
        return ~state.left

    def reset_noise(self, key: Array, params: CrowdParams) -> Array:
        return self._pushes(key, jnp.int32(0))

    def initial(self, noise: Array, params: CrowdParams) -> CrowdState:
        return CrowdState(jnp.int32(0), noise, jnp.zeros(len(self.agents), bool))

    def noise(self, key: Array, state: CrowdState, params: CrowdParams) -> Array:
        return self._pushes(key, state.t + 1)

    def transition(
        self, state: CrowdState, action: Array, noise: Array, params: CrowdParams
    ) -> tuple[CrowdState, Array, Array, Array, Info]:
        move = action.astype(jnp.float32) - 6 if self.discrete else jnp.clip(action[:, 0], -1, 1)
        move = jnp.where(state.left, 0, move)
        position = state.position + jnp.where(state.left, 0, move + noise + jnp.sum(move) / 8)
        t = state.t + 1
        terminated = state.left & (jnp.abs(state.position) > params.edge) | (jnp.abs(position) > params.edge)
        truncated = ~terminated & (t >= params.horizon)
        reward = jnp.where(state.left, 0, 1 - jnp.abs(position))
        info = {"position": position, "moves": jnp.stack([move, noise], 1), "spread": jnp.ptp(position), "lane": move}
        return CrowdState(t, position, terminated | truncated), reward, terminated, truncated, info

    def observe(self, state: CrowdState, params: CrowdParams) -> Array:
        return jnp.stack([jnp.broadcast_to(state.t, state.position.shape).astype(jnp.float32), state.position], 1)

    def _pushes(self, key: Array, t: Array) -> Array:
        uniform = Stream.from_key(key).site(_STEP).step(t).uniform(jnp.arange(len(self.agents)))
        return jnp.floor(uniform * 64) / 64 - 0.5
