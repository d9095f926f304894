"""The functional contract of environments with many agents: that of one agent, with an agent axis in front.

The batched functions of ``rtb_envs.core`` serve both kinds.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic

import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Int

from rtb_envs import validation
from rtb_envs.core import FunctionalCore, NoiseT, ParamsT, RenderPanel, StateT, build
from rtb_envs.pytrees import pytree
from rtb_envs.registry import find_multi_agent

if TYPE_CHECKING:
    import gymnasium


class MultiAgentEnvironment(FunctionalCore[ParamsT, StateT, NoiseT]):
    """One market with many agents.

    Observation, action, reward, terminated and truncated lead with a static axis [agents] in the order of ``agents``,
    so all agents' observations have one shape and all their actions another. An episode begins with every agent alive
    and is over when none is. Flags stay: an agent that has left is terminated or truncated in every later step too,
    earns 0, and its actions are ignored.

    Entries of info lead with the agent axis, but those named in ``market_info``, which are the market's.
    """

    agents: tuple[str, ...]
    market_info: frozenset[str] = frozenset()
    seat_panels: tuple[RenderPanel, ...] = ()
    """The curves of one agent, as ``render_panels`` are those of the market: these name entries of ``market_info``."""

    @abstractmethod
    def observation_space(self, params: ParamsT, agent: str) -> gymnasium.spaces.Space[Any]:
        """The agent's row of what ``observe`` returns for these (concrete) parameters."""

    @abstractmethod
    def action_space(self, params: ParamsT, agent: str) -> gymnasium.spaces.Space[Any]:
        """The agent's row of what ``transition`` takes for these (concrete) parameters; compiled code clips to it."""

    @abstractmethod
    def alive(self, state: StateT) -> Bool[Array, "agents"]:
        """Who still acts: neither terminated nor truncated so far."""

    def policy_observation(self, state: StateT, params: ParamsT) -> Array:
        """What policies in the seats are shown [agents, ...]: what ``observe`` shows, unless an environment tells rules
        written for it more. Such entries come after those of the observation, along its last axis."""
        return self.observe(state, params)

    def over(self, terminated: Array, truncated: Array) -> Array:
        return jnp.all(terminated | truncated, axis=-1)

    def seat_params(self, params: ParamsT, agent: Int[Array, ""], rivals: tuple[Any, ...]) -> SeatParams[ParamsT]:
        """What a policy in the seat ``agent`` (an index, perhaps traced) is told of the market by its ``init``."""
        return SeatParams(params, agent, rivals)

    def index(self, agent: str) -> int:
        """The agent's place on the agent axis; ValueError for a name that is not in ``agents``."""
        return self.agents.index(validation.choice("agent", agent, self.agents))


@pytree
@dataclass(frozen=True)
class SeatParams(Generic[ParamsT]):
    """The numbers of a market seen from one seat; environments add properties for what their policies read."""

    market: ParamsT
    agent: Int[Array, ""]
    """The seat's index on the agent axis. Telling only: which seat is played was fixed when the seat was taken."""
    rivals: tuple[Any, ...]
    """The policies of the other seats, those of one kind stacked into one."""

    @property
    def horizon(self) -> Int[Array, ""]:
        """The market's own: no episode has more steps. An AttributeError where it has none."""
        market: Any = self.market
        horizon: Array = market.horizon
        return horizon

    def replace(self, **changes: Any) -> SeatParams[ParamsT]:
        """These parameters with some numbers of the market changed, by the market's own ``replace``."""
        market: Any = self.market
        return replace(self, market=market.replace(**changes))


def make_multi_agent(id: str, **options: Any) -> MultiAgentEnvironment[Any, Any, Any]:
    """Build the functional core registered under a multi-agent ``id``; ``options`` are its configuration.

    Raises ValueError for an unknown id, and what the environment raises for a wrong option.
    """
    env: MultiAgentEnvironment[Any, Any, Any] = build(find_multi_agent(id), options)
    return env
