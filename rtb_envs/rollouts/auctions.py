"""Logs every single auction of a policy's episodes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from rtb_envs import validation
from rtb_envs.core import Environment
from rtb_envs.logs.auction_log import AuctionLog
from rtb_envs.policies.policy import Policy
from rtb_envs.policies.stochastic import StochasticPolicy
from rtb_envs.rollouts.lanes import resolve
from rtb_envs.rollouts.traced import Chunk, Moment, trace


def log_auctions(
    env: str | Environment[Any, Any, Any],
    policy: Policy,
    num_episodes: int,
    seed: int,
    params: Any = None,
    *,
    max_steps: int | None = None,
) -> AuctionLog:
    """Run ``num_episodes`` episodes of ``policy`` and keep every auction, with OpenRTB's names.

    The episodes are those of ``log_episodes`` with the same arguments. The environment must have ``auction_records``,
    as AdAuction and one seat in AutoBidding, ContextualAuction or Retargeting have; other ones raise TypeError.
    Propensities are those of a ``StochasticPolicy`` for the step's action, the same in all auctions of the step. Raises
    what ``log_episodes`` raises.
    """
    return AuctionLog.concatenate(list(auction_chunks(env, policy, num_episodes, seed, params, max_steps=max_steps)))


def auction_chunks(
    env: str | Environment[Any, Any, Any],
    policy: Policy,
    num_episodes: int,
    seed: int,
    params: Any = None,
    *,
    max_steps: int | None = None,
) -> Iterator[AuctionLog]:
    """What ``log_auctions`` gives, in parts of consecutive episodes that take some 64 MB each."""
    env = resolve(env)
    if not hasattr(env, "auction_records"):
        raise validation.wrong_type("env", "an environment with auction_records, such as AdAuction-v0", env)
    market: Any = env
    recorder = _Auctions(market.most_auctions(env.default_params if params is None else params))
    chunks = trace(env, policy, recorder, num_episodes, seed, params, max_steps)
    return (_log(env.id, chunk) for chunk in chunks)


@dataclass(frozen=True)
class _Auctions:
    """The record of one step, with room for so many auctions."""

    most: int

    def __call__(self, env: Any, policy: Policy, params: Any, moment: Moment) -> dict[str, Any]:
        records = env.auction_records(moment.key, moment.state, moment.action, params, self.most)
        propensity: Array = jnp.float32(jnp.nan)
        if isinstance(policy, StochasticPolicy):
            propensity = policy.log_propensity(moment.carry, moment.observation, moment.action)
        return {**records, "log_propensity": jnp.full(self.most, propensity, jnp.float32)}


def _log(env_id: str, chunk: Chunk) -> AuctionLog:
    """A chunk as a log: only the auctions that took place, one after another."""
    takes_place = chunk.steps["takes_place"] & chunk.in_progress[..., None]
    episode, step, index = np.nonzero(takes_place)
    columns = {name: value[takes_place] for name, value in chunk.steps.items() if name != "takes_place"}
    return AuctionLog(env_id, episode + chunk.first_episode, step, index, columns)
