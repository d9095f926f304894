"""Building a ContextualAuction from options: the entry points of the registries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from rtb_envs.envs.contextual_auction.environment import ContextualAuction
from rtb_envs.envs.contextual_auction.options import Options, option_names
from rtb_envs.policies.constant import Constant
from rtb_envs.policies.policy import Policy
from rtb_envs.seat import Seat, seat


def make_contextual_auction(**options: Any) -> ContextualAuction:
    """A ContextualAuction in which every bidder is an agent, with ``options`` (see ``Options``).

    Raises TypeError for an unknown option, ValueError or TypeError for a wrong one, each naming it.
    """
    unknown = sorted(set(options) - set(option_names()))
    if unknown:
        raise TypeError(f"unknown option {unknown[0]!r}; ContextualAuction takes {', '.join(option_names())}")
    chosen = Options(**options)
    return ContextualAuction(chosen.config(), chosen.params())


def make_contextual_auction_seat(
    agent: str = "bidder_0", rivals: Policy | Sequence[Policy] | None = None, **options: Any
) -> Seat:
    """The seat of ``agent`` among ``rivals``: one policy for each other bidder, one for all, or None for truthful ones.

    Raises what ``make_contextual_auction`` and ``rtb_envs.seat.seat`` raise.
    """
    core = make_contextual_auction(**options)
    truthful = Constant(jnp.minimum(jnp.ones(1), core.default_params.shading_high))
    return seat(core, agent, truthful if rivals is None else rivals)
