"""Logs every single auction of a policy's episodes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from rtb_envs import validation
from rtb_envs.core import Environment
from rtb_envs.logs.auction_log import AuctionLog
from rtb_envs.policies.policy import Policy
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
    as AdAuction does; other ones raise TypeError. Raises what ``log_episodes`` raises.
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
    chunks = trace(env, policy, _auctions, num_episodes, seed, params, max_steps)
    return (_log(env.id, chunk) for chunk in chunks)


def _auctions(env: Any, policy: Policy, params: Any, moment: Moment) -> dict[str, Any]:
    """The record of one step."""
    records: dict[str, Any] = env.auction_records(moment.key, moment.state, moment.action, params)
    return records


def _log(env_id: str, chunk: Chunk) -> AuctionLog:
    """A chunk as a log: only the auctions that took place, one after another."""
    takes_place = chunk.steps["takes_place"] & chunk.in_progress[..., None]
    episode, step, index = np.nonzero(takes_place)
    columns = {name: value[takes_place] for name, value in chunk.steps.items() if name != "takes_place"}
    return AuctionLog(env_id, episode + chunk.first_episode, step, index, columns)
