"""The static configuration of Retargeting: what fixes shapes and program, validated once."""

from __future__ import annotations

from dataclasses import dataclass

from rtb_envs import validation
from rtb_envs.auctions.mechanisms import PRICINGS, Pricing
from rtb_envs.random import GENERATORS, Generator
from rtb_envs.users.attribution import ATTRIBUTIONS, Attribution

UNITS = 10_000
"""Money units of one dollar of the auctions' money: bids, prices, surcharges, budgets."""
CENTS = 100
"""Of one dollar of revenue."""
MIN_AGENTS, MAX_AGENTS = 2, 64
MAX_TOTAL_BUDGET = 200_000
"""Dollars of all agents together: the spend of an episode then fits into int32."""
MAX_HORIZON = 200_000
"""Opportunities of an episode: credits in ten-thousandths then fit into int32."""
MOST_REVENUE = 20_000_000
"""Dollars that may be expected at most of an episode's revenue or lifetime values: cents then fit into int32."""
SHORT_HORIZON = 20_000
"""Opportunities: in an episode of fewer revenue is checked as in one of so many."""
MAX_CUSTOMERS = 2**20
MAX_OPPORTUNITIES_PER_STEP = 1024
WINDOW = 100
"""Opportunities of the window of recent results."""
LOWEST_BID, HIGHEST_BID = 0.01, 20.0
LOWEST_INTENSITY, HIGHEST_INTENSITY = 1.0, 10.0
LEAVING_BUDGET = 600
"""Money units: an agent with less leaves. It is the price of a lone bid at the default reserve."""

OBSERVATION_KEYS = (
    *("visits", "purchases", "total_spent", "idle", "cart_value", "lifetime_value"),
    *("churn_probability", "conversion_probability", "stage", "category"),
    *("market_spend", "mean_clearing_price", "mean_bidders", "stage_entropy", "time_of_day"),
    *("spent", "budget_left", "win_rate", "roas", "roas_trend"),
)
"""The 20 entries of an agent's observation, in order, each in [0, 1]."""
POLICY_KEYS = (*OBSERVATION_KEYS, "predicted_ctr", "fatigue", "roas_of_10", "yields")
"""What rules in the seats are shown: the observation, and what a bidder knows of its own impression besides."""
NUM_CATEGORIES = 5


@dataclass(frozen=True)
class Config:
    """What a compiled Retargeting is specialised on. Hashable; wrong values raise ValueError or TypeError."""

    num_agents: int = 4
    num_customers: int = 10_000
    opportunities_per_step: int = 1
    pricing: Pricing = "second_price"
    attribution: Attribution = "last"
    touches: int = 8
    """Clicks of a customer that attribution looks back on; "last" and "last_non_direct" need and keep one."""
    alliance: tuple[int, int] | None = None
    """Two agents of which the less suited yields an impression to the other."""
    generator: Generator = "counter"

    def __post_init__(self) -> None:
        validation.integer("num_agents", self.num_agents, MIN_AGENTS, MAX_AGENTS)
        validation.integer("num_customers", self.num_customers, 1, MAX_CUSTOMERS)
        validation.integer("opportunities_per_step", self.opportunities_per_step, 1, MAX_OPPORTUNITIES_PER_STEP)
        validation.choice("pricing", self.pricing, PRICINGS)
        validation.choice("attribution", self.attribution, ATTRIBUTIONS)
        validation.integer("touches", self.touches, 1, 64)
        validation.choice("generator", self.generator, GENERATORS)
        if self.alliance is not None:
            self._check_alliance()

    def _check_alliance(self) -> None:
        allowed = f"None or two different agents' indices in [0, {self.num_agents - 1}]"
        if not isinstance(self.alliance, tuple) or len(self.alliance) != 2:
            raise validation.wrong_type("alliance", allowed, self.alliance)
        for member in self.alliance:
            validation.integer("alliance", member, 0, self.num_agents - 1)
        if self.alliance[0] == self.alliance[1]:
            raise validation.wrong_value("alliance", allowed, self.alliance)

    @property
    def path_length(self) -> int:
        """Clicks that the state keeps of each customer."""
        return 1 if self.attribution in ("last", "last_non_direct") else self.touches

    def ally(self, agent: int) -> int:
        """The other member of the agent's alliance, or the agent itself."""
        if self.alliance is None or agent not in self.alliance:
            return agent
        return self.alliance[1 - self.alliance.index(agent)]
