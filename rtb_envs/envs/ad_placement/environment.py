"""The dynamics of AdPlacement."""

from __future__ import annotations

import gymnasium
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Float, Int

from rtb_envs.core import Environment, Info, RenderPanel
from rtb_envs.envs.ad_placement.auction import BELOW_FLOOR
from rtb_envs.envs.ad_placement.config import OBSERVATION_KEYS, Config
from rtb_envs.envs.ad_placement.event import Event, play_event, total
from rtb_envs.envs.ad_placement.fixed_point import IMPRESSION_BITS, MICROS
from rtb_envs.envs.ad_placement.noise import Drawn, Noise
from rtb_envs.envs.ad_placement.params import Params
from rtb_envs.envs.ad_placement.records import event_records
from rtb_envs.envs.ad_placement.state import Counts, State
from rtb_envs.envs.ad_placement.visitors import first_visit, next_visit, pressure
from rtb_envs.random import Stream
from rtb_envs.users.exact import pick

WINDOW_BITS = 6
"""The rolling eCPM forgets 1/64 of its revenue and impressions in an event."""
FORGOTTEN = 1 << (IMPRESSION_BITS - 4)
"""A window that holds less than 1/16 of an impression tells nothing."""


class AdPlacement(Environment[Params, State, Noise]):
    """A publisher opens ad slots to auctions, event by event, at the price of its users' patience.

    An event is one page view of the day's ``horizon``. The agent opens 0 to ``max_slots`` slots of the page's slot
    type; advertisers bid for each; an ad that is sold is seen with the slot type's viewability, and the publisher is
    paid for each impression. Impressions press on the user: click rates fall, in the real market bids with them, and
    sessions end sooner, after which events pass without a user until the next one arrives.

    - Observation: float32[9] in [0, 1], see ``OBSERVATION_KEYS``.
    - Action: int32 in 0 .. max_slots, how many slots to open.
    - Reward: revenue of the event, $.
    - Truncation: after ``horizon`` events. Never terminated.
    - State: ``State``; hidden from the observation are the user's click factor and the advertisers' budgets.

    ``market="classic"`` is the model without sessions, budgets and recovery, in which pressure is impressions per
    event so far and bids do not depend on it.

    Usage::

        env = rtb_envs.make("AdPlacement-v0")
        params = env.default_params
        observation, state = env.reset_env(key, params)
        observation, state, reward, terminated, truncated, info = env.step_env(key, state, action, params)
    """

    id = "AdPlacement-v0"
    lanes_at_once = 16384
    render_panels = (
        RenderPanel("pressure", "User pressure", "impressions"),
        RenderPanel("opened_slots", "Opened slots", "slots per event"),
        RenderPanel("rolling_ecpm", "Rolling eCPM", "$ per mille"),
        RenderPanel("episode_revenue", "Revenue so far", "$"),
    )

    event_records = event_records

    def __init__(self, config: Config, params: Params, names: tuple[tuple[str, ...], tuple[str, ...]]) -> None:
        self.config = config
        self._params = params
        self.advertisers, self.slot_types = names

    def __eq__(self, other: object) -> bool:
        """Equal configurations share compiled programs."""
        return type(other) is type(self) and other.config == self.config

    def __hash__(self) -> int:
        return hash((type(self), self.config))

    @property
    def default_params(self) -> Params:
        return self._params

    def observation_space(self, params: Params) -> gymnasium.spaces.Box:
        return gymnasium.spaces.Box(0, 1, (len(OBSERVATION_KEYS),), np.float32)

    def action_space(self, params: Params) -> gymnasium.spaces.Discrete:
        return gymnasium.spaces.Discrete(self.config.max_slots + 1)

    def reset_noise(self, key: Array, params: Params) -> Noise:
        # The visit of step t is that of the event after it, so the first event has a step of its own.
        return Drawn.from_stream(Stream.from_key(key, self.config.generator).step(params.horizon))

    def noise(self, key: Array, state: State, params: Params) -> Noise:
        return Drawn.from_stream(Stream.from_key(key, self.config.generator).step(state.t))

    def initial(self, noise: Noise, params: Params) -> State:
        visit = first_visit(noise.visit(), params, self.config)
        nothing = jnp.zeros((), jnp.int32)
        return State(
            t=nothing,
            slot_type=visit.slot_type,
            has_user=visit.has_user,
            user_factor=visit.user_factor,
            pressure=visit.pressure,
            exposures=visit.exposures,
            session_age=visit.session_age,
            remaining_budget=tuple(params.daily_budget),
            recent_revenue=nothing,
            recent_impressions=nothing,
            sessions=nothing + 1,
            episode=Counts.zero(),
        )

    def transition(
        self, state: State, action: Array, noise: Noise, params: Params
    ) -> tuple[State, Array, Array, Array, Info]:
        event = play_event(state, action, noise, params, self.config)
        counts = event.counts
        visit = next_visit(state, counts.impressions, noise.visit(), params, self.config)
        recent = state.recent_revenue, state.recent_impressions
        if self.config.market == "real":
            revenue, impressions = (kept - (kept >> WINDOW_BITS) for kept in recent)
            recent = revenue + counts.revenue, impressions + (counts.impressions << IMPRESSION_BITS)
        after = State(
            t=state.t + 1,
            slot_type=visit.slot_type,
            has_user=visit.has_user,
            user_factor=visit.user_factor,
            pressure=visit.pressure,
            exposures=visit.exposures,
            session_age=visit.session_age,
            remaining_budget=tuple(map(jnp.subtract, state.remaining_budget, event.charge)),
            recent_revenue=recent[0],
            recent_impressions=recent[1],
            sessions=state.sessions + visit.is_new,
            episode=_add(state.episode, counts),
        )
        reward = _dollars(counts)
        truncated = after.t >= params.horizon
        return after, reward, jnp.zeros((), bool), truncated, self._info(state, after, event, params)

    def observe(self, state: State, params: Params) -> Float[Array, "9"]:
        numbers = params.numbers
        kinds = params.viewability.shape[0]
        entries = {
            "time": state.t.astype(float) * numbers.inverse_horizon,
            "pressure": pressure(state, self.config) / numbers.pressure_scale,
            "exposures": state.exposures / params.max_exposures,
            "session_age": state.session_age / params.max_exposures,
            "slot_type": state.slot_type.astype(float) * (1 / max(kinds - 1, 1)),
            "viewability": self.viewability(state, params),
            "floor": pick(numbers.floor_cpm, state.slot_type) / params.max_ecpm,
            "rolling_ecpm": self.rolling_ecpm(state, params) / params.max_ecpm,
            "hour": hour(state.t, params).astype(float) * (1 / 24),
        }
        # Without a user there is no page: no slot type, viewability or floor.
        for name in ("slot_type", "viewability", "floor"):
            entries[name] = jnp.where(state.has_user, entries[name], 0)
        return jnp.clip(jnp.stack([entries[key].astype(float) for key in OBSERVATION_KEYS]), 0, 1)

    def viewability(self, state: State, params: Params) -> Float[Array, ""]:
        """Chance that an ad of the coming event is seen."""
        return pick(params.viewability, state.slot_type) if self.config.viewability else jnp.ones(())

    def rolling_ecpm(self, state: State, params: Params) -> Float[Array, ""]:
        """Recent revenue per mille impressions, $; before there is any, the top bid for the coming event's slot type.

        Recent is a window that forgets 1/64 an event, in the classic market the whole episode.
        """
        if self.config.market == "classic":
            sold = state.episode.impressions
            ecpm, is_known = 1000 * _dollars(state.episode) / jnp.maximum(sold, 1), sold > 0
        else:
            impressions = state.recent_impressions.astype(float)
            micros = state.recent_revenue.astype(float)
            ecpm = micros * (1000.0 * (1 << IMPRESSION_BITS) / MICROS) / jnp.maximum(impressions, 1)
            is_known = state.recent_impressions >= FORGOTTEN
        return jnp.where(is_known, ecpm, pick(params.numbers.top_bid_cpm, state.slot_type))

    def _info(self, state: State, after: State, event: Event, params: Params) -> Info:
        counts, episode = event.counts, after.episode
        outcomes = zip(event.is_open, event.sale.reason, strict=True)
        below_floor = [is_open & (reason == BELOW_FLOOR) for is_open, reason in outcomes]
        return {
            "opened_slots": counts.opened,
            "filled_slots": counts.filled,
            "impression": counts.impressions,
            "click": counts.clicks,
            "revenue": _dollars(counts),
            "pressure": pressure(after, self.config),
            "has_user": state.has_user,
            "rolling_ecpm": self.rolling_ecpm(after, params),
            "below_floor": total(below_floor),
            "sessions": after.sessions,
            "episode_opened_slots": episode.opened,
            "episode_filled_slots": episode.filled,
            "episode_impression": episode.impressions,
            "episode_click": episode.clicks,
            "episode_revenue": _dollars(episode),
            "episode_sessions": after.sessions,
        }


def hour(t: Int[Array, ""], params: Params) -> Int[Array, ""]:
    """Hour of the day, 0 .. 23, of event ``t``; an episode is one day."""
    # Half an event later, so that rounding never moves an hour.
    share = (t.astype(float) + 0.5) * params.numbers.inverse_horizon
    return jnp.clip((share * 24).astype(jnp.int32), 0, 23)


def _dollars(counts: Counts) -> Float[Array, ""]:
    """Revenue in $. Of less than 16 dollars, whole micro-dollars in one rounding."""
    small = (counts.dollars * MICROS + counts.revenue).astype(float) * (1 / MICROS)
    return jnp.where(counts.dollars < 1000, small, counts.dollars.astype(float))


def _add(episode: Counts, event: Counts) -> Counts:
    micros = episode.revenue + event.revenue
    dollars = lax.div(micros, jnp.int32(MICROS))
    return Counts(
        opened=episode.opened + event.opened,
        filled=episode.filled + event.filled,
        impressions=episode.impressions + event.impressions,
        clicks=episode.clicks + event.clicks,
        revenue=micros - dollars * MICROS,
        dollars=episode.dollars + dollars,
    )
