"""The three markets of AdAuction's curriculum, of equal shapes, so that one compiled program serves them all.

1. static: constant rates, budget for 3/4 of the traffic; 2. day: the day's traffic and time-varying rates, budget for
half; 3. moving: prices drift and jump, unseen, budget for a quarter. The third is the market that methods are compared
in.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from rtb_envs import validation
from rtb_envs.envs.ad_auction.economics import expected_episode
from rtb_envs.envs.ad_auction.environment import AdAuction
from rtb_envs.envs.ad_auction.instance import Instance
from rtb_envs.envs.ad_auction.options import Options
from rtb_envs.users.response import LogisticResponse

HORIZON = 24
INSTANCE_SEED = 12345


@dataclass(frozen=True)
class _Unchanging:
    """Builds the instance's rate law with its time factor replaced by the mean over the day."""

    event: str

    def from_instance(self, instance: Instance) -> LogisticResponse:
        law: LogisticResponse = getattr(instance, self.event)
        factor = jnp.full_like(law.time_factor, jnp.mean(law.time_factor))
        return LogisticResponse(law.ad_logit, law.user_logit, factor)


@dataclass(frozen=True)
class _Stage:
    budget_share: float
    """Budget as a share of the expected spend at the highest multiplier, without drift or shock."""
    options: dict[str, Any]


_STAGES = {
    1: _Stage(0.75, {"click_rate": _Unchanging("click_rate"), "conversion_rate": _Unchanging("conversion_rate")}),
    2: _Stage(0.5, {"day_curve": True}),
    3: _Stage(0.25, {"drift": 0.3, "shock_factor": 1.5}),
}
STAGES = tuple(_STAGES)


def curriculum_options(stage: int, instance_seed: int = INSTANCE_SEED) -> dict[str, Any]:
    """Options for ``make("AdAuction-v0", **options)`` of a stage, 1 to 3, in one instance of the market.

    The budget is the stage's share of what that instance can spend. Raises ValueError for another stage.
    """
    validation.choice("stage", stage, STAGES)
    return {
        **_own_options(stage, instance_seed),
        **_shared_shapes(),
        "initial_budget": int(_STAGES[stage].budget_share * _largest_spend(stage, instance_seed)),
    }


def _own_options(stage: int, instance_seed: int = INSTANCE_SEED) -> dict[str, Any]:
    return {"horizon": HORIZON, "instance_seed": instance_seed, **_STAGES[stage].options}


@functools.cache
def _shared_shapes() -> dict[str, int]:
    """The static numbers that differ between stages: what fits the last one, and what bounds them all."""
    configs = [Options(**_own_options(stage)).config() for stage in STAGES]
    return {
        "max_auctions": configs[-1].max_auctions,
        "largest_search_volume": max(config.largest_search_volume for config in configs),
    }


@functools.cache
def _largest_spend(stage: int, instance_seed: int) -> float:
    options = Options(**_own_options(stage, instance_seed))
    params = options.params()
    return expected_episode(AdAuction(options.config(), params), params, float(params.multiplier_high)).cost
