"""The episode that a run keeps for its reports: the first held-out one, played by what was trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agents.network_policy import NetworkPolicy
from agents.team import Seated
from rtb_envs.core import Environment
from rtb_envs.envs.retargeting import RIVAL_STRATEGIES, DiscreteSeat, Retargeting, scripted_rivals
from rtb_envs.policies.policy import Policy
from rtb_envs.random import EVALUATE, lane_keys
from rtb_envs.seat import Seat
from rtb_envs.studies.retargeting.recording import Recorder

FOLDER = "episode"
ROWS = 200
"""Of each agent, at least: so often the totals are written down."""


def record_episode(
    market: Retargeting, policies: Sequence[Policy], labels: Sequence[str], params: Any, folder: Path
) -> list[str]:
    """Record the first episode of the first held-out seed into ``folder``/episode; returns what was written.

    Nothing in a market with several opportunities a step.
    """
    if market.config.opportunities_per_step != 1:
        return []
    key = lane_keys(0, EVALUATE, 1)[0]
    every = max(int(params.horizon) // ROWS, 1)
    recorder = Recorder(market, policies, labels, key, params, every)
    for _ in recorder.play():
        pass
    recorder.recording().write(folder / FOLDER)
    return [f"{FOLDER}/"]


def record_seat(
    env: Environment[Any, Any, Any], network: NetworkPolicy, label: str, params: Any, folder: Path
) -> list[str]:
    """The same of one learner in a seat of Retargeting, with the rules that it meets in the others.

    Nothing where ``env`` is another environment.
    """
    own = env.base if isinstance(env, DiscreteSeat) else env
    if not isinstance(own, Seat) or not isinstance(own.core, Retargeting):
        return []
    choices = env.action_choices(params) if isinstance(env, DiscreteSeat) else None
    place = own.core.index(own.agent)
    rivals = len(own.core.agents) - 1
    policies: list[Policy] = list(scripted_rivals(rivals))
    labels = [RIVAL_STRATEGIES[i % len(RIVAL_STRATEGIES)] for i in range(rivals)]
    policies.insert(place, Seated(network, choices))
    labels.insert(place, label)
    return record_episode(own.core, policies, labels, params.market, folder)
