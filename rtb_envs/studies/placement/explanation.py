"""One auction in words and numbers: its candidates with the terms of their scores, and what the winner pays."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from rtb_envs import validation
from rtb_envs.compile import jit
from rtb_envs.envs.ad_placement import REASONS, AdPlacement, play_event, terms
from rtb_envs.envs.ad_placement.fixed_point import MICROS
from rtb_envs.random import EVALUATE, Stream, lane_keys
from rtb_envs.rollouts.chunk import POLICY_SITE
from rtb_envs.studies.placement.scenario import Scenario

TOP = 8
"""Candidates that are told of."""


def explain(scenario: Scenario, t: int, slot: int) -> dict[str, Any]:
    """The auction of ``slot`` (from 0) in event ``t`` of the first day; the slot's auction is held whether it is open
    or not.

    ``candidates`` are the ``TOP`` best by score, the eligible before the others. Raises ValueError for an event or a
    slot that there is not, TypeError for one that is no integer.
    """
    validation.integer("event", t, 0, scenario.events - 1)
    validation.integer("slot", slot, 0, scenario.auction.max_slots - 1)
    env = scenario.environment()
    state, action, event, about = jax.device_get(_replay(env, scenario, t))
    params = env.default_params
    offered = type(event.offered)(*(np.asarray(of_slots[slot]) for of_slots in event.offered))
    order = np.lexsort((np.arange(len(env.advertisers)), -offered.score, ~offered.is_eligible))[:TOP]
    rows = []
    for index in order.tolist():
        takes_format = bool(params.takes_format[int(state.slot_type), index])
        refused = "" if offered.is_eligible[index] else "budget spent" if takes_format else "other format"
        rows.append(
            {
                "advertiser": env.advertisers[index],
                "bid_cpm": float(offered.bid_cpm[index]),
                "base_ctr": float(params.ctr[index]),
                "pctr": float(offered.pctr[index]),
                "quality": float(params.quality[index]),
                "score": float(offered.score[index]),
                "is_eligible": bool(offered.is_eligible[index]),
                "reaches_floor": bool(offered.bid_cpm[index] >= about.floor_cpm),
                "not_eligible_because": refused,
            }
        )
    is_sold = bool(event.sale.is_sold[slot])
    return {
        "event": t,
        "slot": slot,
        "slot_type": env.slot_types[int(state.slot_type)],
        "has_user": bool(state.has_user),
        "is_open": bool(event.is_open[slot]),
        "opened_slots": int(action),
        "viewability": float(about.viewability),
        "floor_cpm": float(about.floor_cpm),
        "pressure": float(about.pressure),
        "fatigue": float(about.fatigue),
        "user_factor": float(state.user_factor),
        "pricing": scenario.auction.pricing,
        "reason": REASONS[int(event.sale.reason[slot])],
        "winner": env.advertisers[int(event.sale.winner[slot])] if is_sold else None,
        "price_cpm": int(event.sale.price[slot]) / MICROS if is_sold else None,
        "candidates": rows,
    }


def _replay(env: AdPlacement, scenario: Scenario, t: int) -> Any:
    """State, action, event and terms of event ``t`` of the first day, as ``play`` has it."""
    policy, params = scenario.rule(env), env.default_params
    lane = lane_keys(scenario.seed, EVALUATE, 1)[0]
    key = jax.random.fold_in(lane, 0)
    stream = Stream.from_key(lane).site(POLICY_SITE)

    def run() -> Any:
        observation, state = env.reset_env(key, params)

        def step(i: Any, progress: Any) -> Any:
            observation, state, carry = progress
            action, carry = policy.act(stream.step(i), carry, observation)
            observation, state, *_ = env.step_env(key, state, action, params)
            return observation, state, carry

        observation, state, carry = jax.lax.fori_loop(0, t, step, (observation, state, policy.init(params)))
        action, _ = policy.act(stream.step(t), carry, observation)
        event = play_event(state, action, env.noise(key, state, params), params, env.config)
        return state, action, event, terms(state, params, env.config)

    return jit(run)()
