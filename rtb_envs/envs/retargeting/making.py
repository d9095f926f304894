"""Building Retargeting markets and seats in them from options: the entry points of the registry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

from rtb_envs import validation
from rtb_envs.core import Environment
from rtb_envs.envs.retargeting.discrete import DiscreteSeat
from rtb_envs.envs.retargeting.environment import Retargeting
from rtb_envs.envs.retargeting.options import Options, option_names
from rtb_envs.policies.policy import Policy
from rtb_envs.policies.retargeting import demo_rule, strategy
from rtb_envs.seat import seat

SEAT_STRATEGIES = ("aggressive", "conservative", "adaptive", "retargeting")
"""The rule of each seat, in turn: what a learner in that seat is compared with."""
RIVAL_STRATEGIES = ("conservative", "aggressive", "retargeting")
"""Whom one learning agent meets, in turn; a curriculum begins with the first of them."""
ActionKind = Literal["continuous", "discrete"]


def make_retargeting(**options: Any) -> Retargeting:
    """A market in which every advertiser acts, with ``options`` (see ``Options``).

    Raises TypeError for an unknown option, ValueError or TypeError for a wrong one, each naming it.
    """
    if unknown := sorted(set(options) - set(option_names())):
        raise TypeError(f"unknown option {unknown[0]!r}; Retargeting takes {', '.join(option_names())}")
    chosen = Options(**options)
    return Retargeting(chosen.config(), chosen.params())


def make_retargeting_seat(
    agent: str = "advertiser_0",
    rivals: Policy | Sequence[Policy] | None = None,
    action_kind: ActionKind = "continuous",
    **options: Any,
) -> Environment[Any, Any, Any]:
    """One advertiser's seat in a market of ``options``, as in ``make_retargeting``.

    ``rivals`` play the other seats: one policy for each, one for all, or None for ``RIVAL_STRATEGIES`` in turn.
    ``action_kind`` "discrete" offers the 240 actions of ``Retargeting.action_choices``. Below complexity 1 only the
    first round(3 complexity) rivals take part. Raises what ``make_retargeting`` and
    ``rtb_envs.seat.seat`` raise.
    """
    validation.choice("action_kind", action_kind, get_args(ActionKind))
    market = make_retargeting(**options)
    place = market.index(agent)
    params = market.default_params.at_complexity(options.get("complexity", 1.0), agent=place)
    chosen = scripted_rivals(len(market.agents) - 1) if rivals is None else rivals
    taken = seat(market, agent, chosen, params)
    return DiscreteSeat(taken) if action_kind == "discrete" else taken


def scripted_rivals(count: int) -> list[Policy]:
    """``count`` rules of the strategy set, ``RIVAL_STRATEGIES`` in turn."""
    return [strategy(RIVAL_STRATEGIES[i % len(RIVAL_STRATEGIES)]) for i in range(count)]


def scripted_seats(count: int, rules: Literal["strategy", "demo"] = "strategy") -> list[Policy]:
    """A rule for every seat, ``SEAT_STRATEGIES`` in turn, of the strategy or the demo set."""
    make = strategy if validation.choice("rules", rules, ("strategy", "demo")) == "strategy" else demo_rule
    return [make(SEAT_STRATEGIES[i % len(SEAT_STRATEGIES)]) for i in range(count)]
