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
from rtb_envs.envs.ad_auction.options import Options, option_names
from rtb_envs.users.response import LogisticResponse

HORIZON = 24
INSTANCE_SEED = 12345
_INTERFACE = {"action_kind", "n_actions", "action_meanings", "bid_curve_knots"}


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


def curriculum_options(stage: int, **given: Any) -> dict[str, Any]:
    """Options for ``make("AdAuction-v0", **options)`` of a stage, 1 to 3, with those ``given`` over the stage's own.

    Unless it is given, the budget is the stage's share of what the market so made can spend. Raises ValueError for
    another stage and for a preset, whose market would not be the stage's, and what ``make`` raises for wrong options.
    """
    validation.choice("stage", stage, STAGES)
    if "preset" in given:
        allowed = "left out of a curriculum, whose stages are markets of their own"
        raise validation.wrong_value("preset", allowed, given["preset"])
    return _options(stage, given) if given else dict(_own_options(stage))


@functools.cache
def _own_options(stage: int) -> dict[str, Any]:
    return _options(stage, {})


def _options(stage: int, given: dict[str, Any]) -> dict[str, Any]:
    options = {**_shared_shapes(given), **_of_stage(stage, given)}
    if "initial_budget" not in options:
        options["initial_budget"] = int(_STAGES[stage].budget_share * _largest_spend(options))
    return options


def _of_stage(stage: int, given: dict[str, Any]) -> dict[str, Any]:
    return {"horizon": HORIZON, "instance_seed": INSTANCE_SEED, **_STAGES[stage].options, **given}


def _shared_shapes(given: dict[str, Any]) -> dict[str, int]:
    """The static numbers that differ between stages: what fits the last one, and what bounds them all."""
    configs = [_market(_of_stage(stage, given)).config() for stage in STAGES]
    return {
        "max_auctions": configs[-1].max_auctions,
        "largest_search_volume": max(config.largest_search_volume for config in configs),
    }


def _largest_spend(options: dict[str, Any]) -> float:
    market = _market(options)
    params = market.params()
    return expected_episode(AdAuction(market.config(), params), params, float(params.multiplier_high)).cost


def _market(options: dict[str, Any]) -> Options:
    """The market of ``options`` under a bidder of multipliers; what is misspelt is for ``make`` to refuse."""
    known = set(option_names()) - _INTERFACE
    return Options(**{name: value for name, value in options.items() if name in known})
