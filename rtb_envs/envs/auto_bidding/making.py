"""Building AutoBidding markets and seats in them from options: the entry points of the registry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from rtb_envs import validation
from rtb_envs.envs.auto_bidding.config import Config
from rtb_envs.envs.auto_bidding.environment import AutoBidding
from rtb_envs.envs.auto_bidding.options import FULL_SIZE, Options, option_names
from rtb_envs.envs.auto_bidding.params import BidderParams
from rtb_envs.policies.adaptive_pacing import AdaptivePacing
from rtb_envs.policies.linear import Linear
from rtb_envs.policies.pid import PID
from rtb_envs.policies.policy import Policy
from rtb_envs.seat import Seat, seat

PRESETS: dict[str, dict[str, Any]] = {"auctionnet": {"num_opportunities": FULL_SIZE}}
"""Options for ``preset``: "auctionnet" is the market at its full size."""


def make_auto_bidding(preset: str | None = None, **options: Any) -> AutoBidding:
    """A market in which every bidder acts, with ``options`` (see ``Options``) over those of ``preset``.

    Raises TypeError for an unknown option, ValueError or TypeError for a wrong one, each naming it.
    """
    if preset is not None:
        options = {**PRESETS[validation.choice("preset", preset, tuple(PRESETS))], **options}
    if unknown := sorted(set(options) - set(option_names())):
        raise TypeError(f"unknown option {unknown[0]!r}; AutoBidding takes preset, {', '.join(option_names())}")
    chosen = Options(**options)
    return AutoBidding(chosen.config(), chosen.params())


def make_auto_bidding_seat(
    agent: str = "bidder_0", rivals: Policy | Sequence[Policy] | None = None, **options: Any
) -> Seat:
    """One bidder's seat in a market of ``options``, as in ``make_auto_bidding``.

    ``rivals`` play the other seats: one policy for each, one for all, or None for ``scripted_rivals``. Raises what
    ``make_auto_bidding`` and ``rtb_envs.seat.seat`` raise.
    """
    market = make_auto_bidding(**options)
    return seat(market, agent, scripted_rivals(market, agent) if rivals is None else rivals)


@dataclass(frozen=True)
class _Bidder:
    """What a bidder's rule is built from (``policies.policy.BiddingEnvironment``)."""

    config: Config
    default_params: BidderParams


def scripted_rivals(market: AutoBidding, agent: str) -> list[Policy]:
    """A policy for each bidder but ``agent``: in turn PID, adaptive pacing and linear bidding.

    Each takes its own target cost per action as what a conversion is worth.
    """
    params, index = market.default_params, market.index(agent)
    targets = params.target_cost_per_action.tolist()
    rivals: list[Policy] = []
    for i in range(len(market.agents)):
        if i == index:
            continue
        bidder, worth = _Bidder(market.config, market.seat_params(params, jnp.int32(i), ())), targets[i]
        if i % 3 == 0:
            rivals.append(PID.for_env(bidder, base_multiplier=worth, plan="traffic"))
        elif i % 3 == 1:
            rivals.append(AdaptivePacing.for_env(bidder, value_multiplier=worth, plan="traffic"))
        else:
            rivals.append(Linear.for_env(bidder, multiplier=worth))
    return rivals
