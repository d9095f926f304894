"""One seat among many: a multi-agent market as an environment for one agent, the others played by policies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Int

from rtb_envs import validation
from rtb_envs.action_scale import ActionScale
from rtb_envs.core import Environment, Info
from rtb_envs.multi_agent import MultiAgentEnvironment, SeatParams
from rtb_envs.policies.policy import Policy
from rtb_envs.pytrees import pytree
from rtb_envs.random import Stream

RIVALS_SITE = 0x52495641
"""Rival i draws in step t from Stream.from_key(key).site(RIVALS_SITE).step(t).step(i), ``key`` being the episode's."""


class Kind(NamedTuple):
    """Rivals whose policies run in one vmapped call."""

    agents: tuple[int, ...]
    """Their indices on the agent axis."""
    axis: int | None
    """0 where each has its own numbers, None where all have the same policy."""


class SeatNoise(NamedTuple):
    """The market's own noise, and the rivals' stream of the step."""

    market: Any
    rivals: Stream


@pytree
@dataclass(frozen=True)
class SeatState:
    """The market's own state, the step, and the carries of the rivals' policies, one entry for each kind."""

    market: Any
    t: Int[Array, ""]
    carries: tuple[Any, ...]


class Seat(Environment[SeatParams[Any], SeatState, SeatNoise]):
    """What one agent of ``core`` meets while policies play the other seats; made by ``seat``.

    Its observation, action, reward, flags and entries of info are the agent's own; entries of ``core.market_info`` are
    given as they are. The rivals' policies are parameters, so seats that differ only in their rivals' numbers share
    compiled programs.
    """

    def __init__(
        self,
        core: MultiAgentEnvironment[Any, Any, Any],
        agent: int,
        kinds: tuple[Kind, ...],
        default_params: SeatParams[Any],
    ) -> None:
        self.core = core
        self.agent = core.agents[agent]
        self.id = core.id
        self.render_panels = core.seat_panels
        self._index = agent
        self._kinds = kinds
        self._params = default_params
        played = [agent, *(rival for kind in kinds for rival in kind.agents)]
        self._place = np.argsort(played)
        """For each agent, where its action lies when the seat's and the kinds' are put one after another."""

    def __eq__(self, other: object) -> bool:
        """Seats of equal markets with rivals of the same kinds share compiled programs."""
        if not isinstance(other, Seat):
            return NotImplemented
        return (self.core, self._index, self._kinds) == (other.core, other._index, other._kinds)

    def __hash__(self) -> int:
        return hash((self.core, self._index, self._kinds))

    @property
    def config(self) -> Any:
        """The static configuration of the market."""
        return self.core.config  # type: ignore[attr-defined]

    @property
    def default_params(self) -> SeatParams[Any]:
        return self._params

    @property
    def action_scale(self) -> ActionScale:
        return self.core.action_scale

    def observation_space(self, params: SeatParams[Any]) -> gymnasium.spaces.Space[Any]:
        return self.core.observation_space(params.market, self.agent)

    def action_space(self, params: SeatParams[Any]) -> gymnasium.spaces.Space[Any]:
        return self.core.action_space(params.market, self.agent)

    def stacked(self, policies: Sequence[Policy]) -> tuple[Any, ...]:
        """``policies``, one for each other agent in their order, as ``params.rivals`` holds them; may be traced.

        They are of the structure of those that the seat was made with.
        """
        others = [i for i in range(len(self.core.agents)) if i != self._index]
        chosen = dict(zip(others, policies, strict=True))
        return tuple(
            chosen[kind.agents[0]]
            if kind.axis is None
            else jax.tree.map(lambda *leaves: jnp.stack(leaves), *(chosen[i] for i in kind.agents))
            for kind in self._kinds
        )

    def reset_noise(self, key: Array, params: SeatParams[Any]) -> SeatNoise:
        return SeatNoise(self.core.reset_noise(key, params.market), Stream.from_key(key).site(RIVALS_SITE))

    def initial(self, noise: SeatNoise, params: SeatParams[Any]) -> SeatState:
        def begin(policy: Policy, rival: Array) -> Any:
            return policy.init(self.core.seat_params(params.market, rival, ()))

        carries = tuple(
            jax.vmap(begin, (kind.axis, 0))(policy, jnp.asarray(kind.agents, jnp.int32))
            for kind, policy in zip(self._kinds, params.rivals, strict=True)
        )
        return SeatState(self.core.initial(noise.market, params.market), jnp.zeros((), jnp.int32), carries)

    def noise(self, key: Array, state: SeatState, params: SeatParams[Any]) -> SeatNoise:
        rivals = Stream.from_key(key).site(RIVALS_SITE).step(state.t)
        return SeatNoise(self.core.noise(key, state.market, params.market), rivals)

    def transition(
        self, state: SeatState, action: Array, noise: SeatNoise, params: SeatParams[Any]
    ) -> tuple[SeatState, Array, Array, Array, Info]:
        actions, carries = self.actions(state, action, noise.rivals, params)
        result = self.core.transition(state.market, actions, noise.market, params.market)
        market, reward, terminated, truncated, info = result
        i = self._index
        own = {name: value if name in self.core.market_info else value[i] for name, value in info.items()}
        return SeatState(market, state.t + 1, carries), reward[i], terminated[i], truncated[i], own

    def observe(self, state: SeatState, params: SeatParams[Any]) -> Array:
        return self.core.observe(state.market, params.market)[self._index]

    @property
    def auction_records(self) -> Any:
        """Single auctions as the seat sees them, for logs; an AttributeError where the market tells of none.

        A function of (key, state, action, params, most), see the market's ``auction_records`` and ``most_auctions``.
        """
        of_market = self.core.auction_records  # type: ignore[attr-defined]

        def records(key: Array, state: SeatState, action: Array, params: SeatParams[Any], most: int) -> dict[str, Any]:
            noise = self.noise(key, state, params)
            actions, _ = self.actions(state, action, noise.rivals, params)
            told: dict[str, Any] = of_market(noise.market, state.market, actions, params.market, self._index, most)
            return told

        return records

    def most_auctions(self, params: SeatParams[Any]) -> int:
        """The most auctions that a step can have in these (concrete) parameters, for ``auction_records``."""
        most: int = self.core.most_auctions(params.market)  # type: ignore[attr-defined]
        return most

    def actions(
        self, state: SeatState, action: Array, stream: Stream, params: SeatParams[Any]
    ) -> tuple[Array, tuple[Any, ...]]:
        """Everyone's actions [agents, ...] when the seat's is ``action``, and the rivals' next carries.

        ``stream`` is the rivals' of the step, as in ``SeatNoise``.
        """
        observation = self.core.policy_observation(state.market, params.market)

        def act(policy: Policy, stream: Stream, carry: Any, observation: Array) -> tuple[Array, Any]:
            return policy.act(stream, carry, observation)

        actions, carries = [action[None]], []
        for kind, policy, carry in zip(self._kinds, params.rivals, state.carries, strict=True):
            rivals = np.asarray(kind.agents, np.int32)
            chosen, carry = jax.vmap(act, (kind.axis, 0, 0, 0))(policy, stream.step(rivals), carry, observation[rivals])
            actions.append(chosen.astype(action.dtype))
            carries.append(carry)
        return jnp.concatenate(actions)[self._place], tuple(carries)


def seat(
    core: MultiAgentEnvironment[Any, Any, Any], agent: str, rivals: Policy | Sequence[Policy], params: Any = None
) -> Seat:
    """The environment of ``agent`` in ``core`` while ``rivals`` play the other seats.

    ``rivals`` is one policy for each other agent, in their order, or one that all of them play. Policies of one
    structure run in one vmapped call, however many they are. ``params`` replaces the market's default parameters.

    Raises ValueError for an unknown agent, another number of rivals, or a rival whose action does not fit, TypeError
    for what is no policy.
    """
    index = core.index(agent)
    others = [i for i in range(len(core.agents)) if i != index]
    if isinstance(rivals, str):  # of which each letter would be a policy
        raise validation.wrong_type("rivals", "policies with the methods init and act", rivals)
    policies = list(rivals) if isinstance(rivals, Sequence) and not _is_policy(rivals) else [rivals] * len(others)
    if len(policies) != len(others):
        raise ValueError(f"rivals must be one policy or {len(others)} of them, got {len(policies)}")
    for policy in policies:
        if not _is_policy(policy):
            raise validation.wrong_type("rivals", "policies with the methods init and act", policy)
    market = core.default_params if params is None else params
    kinds, stacked = by_kind(others, policies)
    for kind, policy in zip(kinds, stacked, strict=True):
        _check_actions(core, market, kind, policy)
    return Seat(core, index, kinds, core.seat_params(market, jnp.int32(index), stacked))


def _is_policy(value: Any) -> bool:
    return not isinstance(value, type) and all(callable(getattr(value, name, None)) for name in ("init", "act"))


def by_kind(agents: Sequence[int], policies: Sequence[Any]) -> tuple[tuple[Kind, ...], tuple[Any, ...]]:
    """The kinds among ``policies``, and for each its policies as one."""
    found: dict[Any, tuple[list[int], list[Any]]] = {}
    for agent, policy in zip(agents, policies, strict=True):
        leaves, structure = jax.tree.flatten(policy)
        kind = structure, tuple((jnp.shape(leaf), jnp.result_type(leaf)) for leaf in leaves)
        found.setdefault(kind, ([], []))
        found[kind][0].append(agent)
        found[kind][1].append(policy)
    kinds, stacked = [], []
    for members, alike in found.values():
        shared = all(policy is alike[0] for policy in alike)
        kinds.append(Kind(tuple(members), None if shared else 0))
        together = alike[0] if shared else jax.tree.map(lambda *leaves: np.stack(leaves), *alike)
        stacked.append(jax.tree.map(jnp.asarray, together))
    return tuple(kinds), tuple(stacked)


def _check_actions(core: MultiAgentEnvironment[Any, Any, Any], market: Any, kind: Kind, policy: Any) -> None:
    """Raise ValueError unless the actions of ``kind`` have the shape and the sort of number that their spaces have."""
    agent = core.agents[kind.agents[0]]
    space = core.action_space(market, agent)

    def act(key: Array) -> Array:
        observation = core.policy_observation(core.reset_env(key, market)[1], market)
        one = policy if kind.axis is None else jax.tree.map(lambda leaf: leaf[0], policy)
        carry = one.init(core.seat_params(market, jnp.int32(kind.agents[0]), ()))
        action: Array = one.act(Stream.from_key(key), carry, observation[kind.agents[0]])[0]
        return action

    action = jax.eval_shape(act, jax.random.key(0))
    integers = np.issubdtype(space.dtype, np.integer)
    if action.shape != space.shape or integers != jnp.issubdtype(action.dtype, jnp.integer):
        allowed = f"such that actions are {'integers' if integers else 'floats'} of shape {space.shape}"
        raise ValueError(f"rivals must be {allowed}, got {action.dtype} of shape {action.shape} for {agent}")
