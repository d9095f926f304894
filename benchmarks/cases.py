"""What is measured: the rows of the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

NUM_ENVS = (1024, 4096, 16384)
PLACEMENT = {"num_envs": 32_768}
"""A step of an AdPlacement is little work, so that many run together."""


@dataclass(frozen=True)
class Case:
    """A row of the table: ``entry_point`` is the "module:function" that prepares its work, given ``options``."""

    name: str
    title: str
    entry_point: str
    options: dict[str, Any] = field(default_factory=dict)
    is_compared: bool = False
    """Whether to set it against other simulators; the variants that show what a choice brings are not."""


def cases(num_envs: Sequence[int] = NUM_ENVS) -> list[Case]:
    """The cases in the order of the table: rollouts at every batch size, the vector environment at the smallest."""
    smallest = min(num_envs)
    emitters, threefry = "… with XLA's fusion emitters off", '… with generator="threefry"'
    return [
        *(_rollout("rollout", "rtb_envs.rollout", n, is_compared=True) for n in num_envs),
        *(_rollout("rollout-no-emitters", emitters, n, without_emitters=True) for n in num_envs),
        *(_rollout("rollout-threefry", threefry, n, generator="threefry") for n in num_envs),
        _case(f"make_vec-{smallest}", "gymnasium.make_vec", "make_vec", is_compared=True, num_envs=smallest),
        _case("make", "gymnasium.make", "make", is_compared=True),
        _case(f"sb3-{smallest}", "SB3VecEnv", "stable_baselines", False, num_envs=smallest),
        _market("auto_bidding-4", "AutoBidding-v0, 48 bidders, 3 slots, 500,000 auctions a day", "auto_bidding", 4),
        _market("contextual_auction-4", "AuctionGym's world, 2 of 6 bidders a round", "contextual_auction", 4),
        _case("retargeting-1024", "retargeting_v0, 4 agents, 10,000 customers", "retargeting", False, num_envs=1024),
        Case("ad_placement-32768", "AdPlacement-v0, 3 slots, 8 advertisers", "benchmarks.placement:rollout", PLACEMENT),
        Case("ppo", "PPO, acting and learning (make train)", "benchmarks.learning:ppo"),
    ]


def _rollout(name: str, title: str, num_envs: int, is_compared: bool = False, **options: Any) -> Case:
    return _case(f"{name}-{num_envs}", title, "rollout", is_compared, num_envs=num_envs, **options)


def _case(name: str, title: str, function: str, is_compared: bool, **options: Any) -> Case:
    return Case(name, title, f"benchmarks.environments:{function}", options, is_compared)


def _market(name: str, title: str, function: str, num_envs: int) -> Case:
    return Case(name, title, f"benchmarks.auction_markets:{function}", {"num_envs": num_envs})
