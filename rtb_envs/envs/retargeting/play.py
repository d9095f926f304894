"""Whole episodes in which policies play every seat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from rtb_envs import validation
from rtb_envs.compile import jit
from rtb_envs.envs.retargeting.accounting import Reward
from rtb_envs.envs.retargeting.environment import Retargeting
from rtb_envs.envs.retargeting.information import episode_info
from rtb_envs.envs.retargeting.params import Params
from rtb_envs.envs.retargeting.state import State
from rtb_envs.policies.policy import Policy
from rtb_envs.random import Stream
from rtb_envs.seat import Kind, by_kind

SEATS_SITE = 0x53454154
"""Seat i draws in step t from Stream.from_key(key).site(SEATS_SITE).step(t).step(i), ``key`` being the episode's."""


class Played(NamedTuple):
    """What episodes came to; every array leads with the lane axis."""

    state: State
    """After ``horizon`` opportunities; an agent that has left earlier bids no more, the market goes on."""
    info: dict[str, Array]
    """Totals as in the environment's info; reward terms are sums over the episode."""
    reward: Array
    """Sum of the rewards [lanes, agents]."""


@dataclass(frozen=True)
class _Program:
    """What a compiled player is specialised on."""

    market: Retargeting
    kinds: tuple[Kind, ...]


def play_episodes(market: Retargeting, policies: Sequence[Policy], keys: Array, params: Params | None = None) -> Played:
    """One episode for each key, ``policies[i]`` in the seat of agent i.

    Policies are shown what ``Retargeting.policy_observation`` shows. Equal keys are equal draws whoever plays, so that
    sets of policies are compared in the same markets. Raises ValueError for another number of policies.
    """
    if len(policies) != len(market.agents):
        raise validation.wrong_value("policies", f"one for each of {len(market.agents)} agents", len(policies))
    kinds, stacked = by_kind(range(len(market.agents)), policies)
    chosen = market.default_params if params is None else params
    played: Played = _compiled(_Program(market, kinds))(stacked, keys, chosen)
    return played


_PROGRAMS: dict[_Program, Any] = {}


def _compiled(program: _Program) -> Any:
    if program not in _PROGRAMS:
        _PROGRAMS[program] = jit(lambda policies, keys, params: _play(program, policies, keys, params))
    return _PROGRAMS[program]


def _play(program: _Program, policies: tuple[Any, ...], keys: Array, params: Params) -> Played:
    market = program.market

    def begin(key: Array) -> tuple[State, tuple[Any, ...]]:
        carries = []
        for kind, policy in zip(program.kinds, policies, strict=True):
            told = [market.seat_params(params, jnp.int32(agent), ()) for agent in kind.agents]
            axis = kind.axis
            each = [jax.tree.map(lambda leaf, i=i: leaf[i], policy) if axis == 0 else policy for i in range(len(told))]
            begun = [one.init(seen) for one, seen in zip(each, told, strict=True)]
            carries.append(jax.tree.map(lambda *leaves: jnp.stack(leaves), *begun))
        return market.reset_env(key, params)[1], tuple(carries)

    def step(key: Array, state: State, carries: tuple[Any, ...]) -> tuple[State, tuple[Any, ...], Reward]:
        stream = Stream.from_key(key).site(SEATS_SITE).step(state.t)
        actions, carries = act(program.kinds, policies, stream, carries, market.policy_observation(state, params))
        after, reward = market.settle(state, actions, market.noise(key, state, params), params)
        return after, carries, reward

    def steps(carry: Any) -> Any:
        state, carries, earned = carry
        state, carries, reward = jax.vmap(step)(keys, state, carries)
        return state, carries, jax.tree.map(jnp.add, earned, reward)

    first, carries = jax.vmap(begin)(keys)
    none = jnp.zeros((keys.shape[0], len(market.agents)), float)
    earned = Reward(*(none for _ in Reward._fields))
    end, _, earned = lax.while_loop(lambda carry: carry[0].t[0] < params.horizon, steps, (first, carries, earned))
    info = jax.vmap(lambda before, after, reward: episode_info(before, after, reward, params))(first, end, earned)
    return Played(end, info, earned.total())


def act(
    kinds: tuple[Kind, ...], policies: tuple[Any, ...], stream: Stream, carries: tuple[Any, ...], observation: Array
) -> tuple[Array, tuple[Any, ...]]:
    """Everyone's actions [agents, ...] and next carries."""

    def one(policy: Policy, stream: Stream, carry: Any, observation: Array) -> tuple[Array, Any]:
        return policy.act(stream, carry, observation)

    actions, after = [], []
    order: list[int] = []
    for kind, policy, carry in zip(kinds, policies, carries, strict=True):
        members = np.asarray(kind.agents, np.int32)
        chosen, carry = jax.vmap(one, (kind.axis, 0, 0, 0))(policy, stream.step(members), carry, observation[members])
        actions.append(chosen)
        after.append(carry)
        order.extend(kind.agents)
    return jnp.concatenate(actions)[np.argsort(order)], tuple(after)
