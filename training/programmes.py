"""What an environment brings to its training: stages of a curriculum, rival rules, and a learner's hyperparameters.

One table for every environment. An environment that is not in it takes its stages from the settings alone, learners
with their defaults, and the pacing rules if its actions are bid multipliers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rtb_envs.envs import ad_auction, ad_placement, retargeting
from training.baselines import Rules, pacing_rules, placement_rules

StageOptions = Callable[..., dict[str, Any]]


@dataclass(frozen=True)
class Programme:
    """How an environment is trained in."""

    stages: StageOptions | None = None
    """Options of ``rtb_envs.make`` for a stage, 1 to 3, with those that it is given over the stage's own."""
    has_instances: bool = False
    """Whether ``stages`` may be given the ``instance_seed`` of an instance of the market."""
    rules: Rules = pacing_rules
    hyperparameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Algorithm -> hyperparameters that differ from its defaults; a run's own settings go over them."""


_BIDDING = Programme(ad_auction.curriculum_options, has_instances=True)
# A day has 1,000 events, and what an ad costs is over with the session that it ends: long rollouts of fewer
# environments, and a discount that looks some hundred events ahead.
_DAYS_OF_EVENTS: dict[str, Any] = {"num_envs": 128, "num_steps": 250, "gamma": 0.99}

# A learner of a team takes 5,000 opportunities an update in its own market. What it buys pays at once or hardly ever,
# and what else the budget could buy is the dollar's weight to tell: horizons are short.
_CAMPAIGNS: dict[str, Any] = {"num_envs": 20, "num_steps": 250, "memory_decays": ()}
_CAMPAIGN_GRADIENTS: dict[str, Any] = {
    **_CAMPAIGNS,
    "lanes_per_market": 5,
    "learning_rate": 3e-4,
    "gamma": 0.95,
    "gae_lambda": 0.95,
}

PROGRAMMES: dict[str, Programme] = {
    "AdAuction-v0": _BIDDING,
    "AdAuctionDiscrete-v0": _BIDDING,
    "AdAuctionAdjustment-v0": _BIDDING,
    "AdAuctionBidCurve-v0": _BIDDING,
    "AdPlacement-v0": Programme(
        ad_placement.curriculum_options,
        rules=placement_rules,
        hyperparameters={
            # The first stage rewards opening every slot: with less entropy PPO hardly tries anything else ever after.
            "ppo": {**_DAYS_OF_EVENTS, "gae_lambda": 0.95, "num_minibatches": 8, "entropy_coefficient": 0.02},
            "dqn": {**_DAYS_OF_EVENTS, "replay_size": 128 * 250 * 16},
        },
    ),
    "retargeting_v0": Programme(
        retargeting.curriculum_options,
        hyperparameters={
            "ppo": {**_CAMPAIGN_GRADIENTS, "num_epochs": 4, "num_minibatches": 4},
            "dqn": {
                **_CAMPAIGNS,
                "learning_rate": 1e-3,
                "gamma": 0.0,
                "n_step": 1,
                "huber_delta": 1000.0,
                "replay_size": 400_000,
                "num_gradient_steps": 10,
                "batch_size": 4096,
                "exploration_updates": 40,
                "final_epsilon": 0.02,
            },
            "a2c": {**_CAMPAIGN_GRADIENTS, "entropy_coefficient": 0.01},
        },
    ),
}


def programme_of(env_id: str) -> Programme:
    """The programme of an environment."""
    return PROGRAMMES.get(env_id, Programme())
