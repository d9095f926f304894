"""The static configuration of AutoBidding: what fixes shapes and program, validated once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from rtb_envs import validation
from rtb_envs.random import GENERATORS, Generator

Objective = Literal["score", "conversion"]

AUCTIONNET_KEYS = (
    "time_left",
    "budget_left",
    "mean_bid",
    "last_three_mean_bid",
    "mean_least_winning_cost",
    "mean_value",
    "mean_conversion",
    "mean_win",
    "last_three_mean_least_winning_cost",
    "last_three_mean_value",
    "last_three_mean_conversion",
    "last_three_mean_win",
    "current_mean_value",
    "current_opportunities",
    "last_three_opportunities",
    "total_opportunities",
)
"""The 16 features of AuctionNet's bidders (Su et al., NeurIPS 2024), in their order."""
OBSERVATION_KEYS = (*AUCTIONNET_KEYS, "timestep", "remaining_budget", "target_cost_per_action", "reward")
"""All that can be observed, and what is unless asked otherwise; the last four are what pacing rules read."""

UNITS = 10_000
"""Money units of one unit of currency. Payments are whole money units, hence exact."""
MAX_BID = 2**21
"""Money units; higher bids are cut to this. The payments of one window then fit into int32."""
MAX_TOTAL_BUDGET = 2**31 // UNITS - 1
"""In currency, of all bidders together: the revenue of an episode then fits into int32."""
MAX_WINDOW = 512
GROUP = 16
"""Opportunities summed together before the budgets look at them; a divisor of the window."""
MAX_AGENTS = 1024
MAX_SLOTS = 16
MAX_OPPORTUNITIES = 2**24
"""Of an episode; exact as a float32 observation."""


@dataclass(frozen=True)
class Config:
    """What a compiled AutoBidding is specialised on. Hashable; wrong values raise ValueError or TypeError."""

    num_agents: int = 48
    num_slots: int = 3
    max_horizon: int = 48
    """Length of every array over time; the episode's ``horizon`` may be shorter."""
    window: int = 256
    """Opportunities of a tick that are computed at once, a multiple of 16; more are computed window by window."""
    objective: Objective = "score"
    observation_keys: tuple[str, ...] = OBSERVATION_KEYS
    generator: Generator = "counter"

    def __post_init__(self) -> None:
        validation.integer("num_agents", self.num_agents, 2, MAX_AGENTS)
        validation.integer("num_slots", self.num_slots, 1, MAX_SLOTS)
        validation.integer("max_horizon", self.max_horizon, 1, 100_000)
        validation.integer("window", self.window, GROUP, MAX_WINDOW)
        if self.window % GROUP:
            raise validation.wrong_value("window", f"a multiple of {GROUP}", self.window)
        validation.choice("objective", self.objective, get_args(Objective))
        validation.choice("generator", self.generator, GENERATORS)
        if not isinstance(self.observation_keys, tuple) or not self.observation_keys:
            raise validation.wrong_type("observation_keys", "a non-empty tuple of names", self.observation_keys)
        for key in self.observation_keys:
            validation.choice("observation_keys", key, OBSERVATION_KEYS)
        if len(set(self.observation_keys)) < len(self.observation_keys):
            raise validation.wrong_value("observation_keys", "distinct names", self.observation_keys)
