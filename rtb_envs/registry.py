"""The ids of the environments: plain data, read without loading JAX.

The id of an environment with one agent is known to ``rtb_envs.make``, ``gymnasium.make`` and ``gymnasium.make_vec``
alike, that of one with many agents to ``rtb_envs.make_multi_agent`` and ``pettingzoo.make``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import gymnasium
import pettingzoo

from rtb_envs import validation

GYM_ENTRY_POINT = "rtb_envs.adapters.gymnasium:GymEnv"
GYM_VECTOR_ENTRY_POINT = "rtb_envs.adapters.gymnasium_vector:GymVectorEnv"
ZOO_PARALLEL_ENTRY_POINT = "rtb_envs.adapters.pettingzoo:PettingZooEnv"
ZOO_AEC_ENTRY_POINT = "rtb_envs.adapters.pettingzoo:aec_env"


@dataclass(frozen=True)
class EnvSpec:
    """A registered environment: its id, the callable "module:name" that builds it, and that callable's options."""

    id: str
    entry_point: str
    options: Mapping[str, Any] = field(default_factory=dict)


_REGISTRY: dict[str, EnvSpec] = {}
_MULTI_AGENT: dict[str, EnvSpec] = {}


def register(id: str, entry_point: str, **options: Any) -> None:
    """Add a single-agent environment under ``id``, for this package and for Gymnasium.

    ``entry_point`` is the "module:callable" that builds the functional core, imported when first made; ``options`` are
    passed to it. Raises ValueError for an id that is taken or an entry point of another form.
    """
    _check_new(id, entry_point)
    gymnasium.register(id, entry_point=GYM_ENTRY_POINT, vector_entry_point=GYM_VECTOR_ENTRY_POINT, kwargs={"core": id})
    _REGISTRY[id] = EnvSpec(id, entry_point, options)


def register_multi_agent(id: str, entry_point: str, **options: Any) -> None:
    """Add an environment of many agents under ``id``, for this package and for PettingZoo; the rest as ``register``."""
    _check_new(id, entry_point)
    pettingzoo.register("parallel", id, ZOO_PARALLEL_ENTRY_POINT, kwargs={"core": id})
    pettingzoo.register("aec", id, ZOO_AEC_ENTRY_POINT, kwargs={"core": id})
    _MULTI_AGENT[id] = EnvSpec(id, entry_point, options)


def _check_new(id: str, entry_point: str) -> None:
    if id in _REGISTRY or id in _MULTI_AGENT:
        raise ValueError(f"id must be new, got {id!r}, which is registered already")
    if not all(entry_point.partition(":")):
        raise validation.wrong_value("entry_point", 'of the form "module:callable"', entry_point)


def list_envs() -> list[str]:
    """The ids that ``make`` takes, sorted."""
    return sorted(_REGISTRY)


def list_multi_agent_envs() -> list[str]:
    """The ids that ``make_multi_agent`` takes, sorted."""
    return sorted(_MULTI_AGENT)


def find(id: str) -> EnvSpec:
    """What is registered under ``id`` for one agent; ValueError if nothing is."""
    return _found(id, _REGISTRY)


def find_multi_agent(id: str) -> EnvSpec:
    """What is registered under ``id`` for many agents; ValueError if nothing is."""
    return _found(id, _MULTI_AGENT)


def _found(id: str, registry: dict[str, EnvSpec]) -> EnvSpec:
    if id not in registry:
        raise ValueError(f"id must be one of {', '.join(sorted(registry))}; got {id!r}")
    return registry[id]


register("AdAuction-v0", "rtb_envs.envs.ad_auction:make_ad_auction", action_kind="continuous")
register("AdAuctionDiscrete-v0", "rtb_envs.envs.ad_auction:make_ad_auction", action_kind="discrete")
register("AdAuctionBidCurve-v0", "rtb_envs.envs.ad_auction:make_ad_auction", action_kind="bid_curve")
register("RTBEnv-continuous-v0", "rtb_envs.rtbgym:make_rtb_env", action_kind="continuous")
register("RTBEnv-discrete-v0", "rtb_envs.rtbgym:make_rtb_env", action_kind="discrete")
register(
    "AdAuctionAdjustment-v0",
    "rtb_envs.envs.multiplier_adjustment:make_multiplier_adjustment",
    market="AdAuction-v0",
)
register("AdPlacement-v0", "rtb_envs.envs.ad_placement:make_ad_placement")
register("AutoBidding-v0", "rtb_envs.envs.auto_bidding:make_auto_bidding_seat")
register_multi_agent("auto_bidding_v0", "rtb_envs.envs.auto_bidding:make_auto_bidding")
register("ContextualAuction-v0", "rtb_envs.envs.contextual_auction:make_contextual_auction_seat")
register_multi_agent("contextual_auction_v0", "rtb_envs.envs.contextual_auction:make_contextual_auction")
register_multi_agent("marketplace_v0", "rtb_envs.envs.marketplace:make_marketplace")
register("Retargeting-v0", "rtb_envs.envs.retargeting:make_retargeting_seat")
register_multi_agent("retargeting_v0", "rtb_envs.envs.retargeting:make_retargeting")
