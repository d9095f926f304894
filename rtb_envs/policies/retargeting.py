"""Rules that bid for customers on a journey: two sets of five, a fixed bid, and how allies yield.

They read the 24 entries that a Retargeting market shows to policies in its seats (its ``POLICY_KEYS``: the
observation and the impression's predicted click rate, the own fatigue, the return on ad spend, and whether an ally is
left the impression) along the last axis, whatever axes lead. Their action is (bid, target_stage, intensity), which
passes through the same effective-bid rule as a learner's: inside their stages they target the customer's own, else
their first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from rtb_envs import validation
from rtb_envs.pytrees import pytree
from rtb_envs.random import Stream
from rtb_envs.users.exact import pick
from rtb_envs.users.lifecycle import Stage

_IDLE, _CONVERSION_PROBABILITY, _STAGE, _SPENT = 3, 7, 8, 15
_PREDICTED_CTR, _FATIGUE, _ROAS, _YIELDS = 20, 21, 22, 23
_HIGHEST_ROAS, _IDLE_SCALE = 10.0, 1000.0
YIELDING_BID = 0.1
"""Dollars: what an ally bids that leaves an impression to the other."""
RECENCY_HOURS = 168.0
ADAPTS_AFTER = 100
"""Opportunities between two changes of an adaptive multiplier."""


class RetargetingParams(Protocol):
    """What a rule is told of its market; arrays over the six stages."""

    @property
    def ctr_factor(self) -> Float[Array, "stages"]: ...

    @property
    def ctr_per_intensity(self) -> Float[Array, ""]: ...

    @property
    def ctr_cap(self) -> Float[Array, ""]: ...

    @property
    def cvr_factor(self) -> Float[Array, "stages"]: ...

    @property
    def expected_revenue(self) -> Float[Array, "stages"]: ...


class Seen(NamedTuple):
    """The entries of an observation that rules read."""

    stage: Int[Array, "*batch"]
    conversion_probability: Float[Array, "*batch"]
    idle_hours: Float[Array, "*batch"]
    predicted_ctr: Float[Array, "*batch"]
    fatigue: Float[Array, "*batch"]
    roas: Float[Array, "*batch"]
    """Of the own campaign so far, at most 10."""
    has_spent: Bool[Array, "*batch"]
    yields: Bool[Array, "*batch"]


def see(observation: Float[Array, "*batch 24"]) -> Seen:
    """The entries by name, in their own units."""
    return Seen(
        stage=jnp.round(observation[..., _STAGE] * (len(Stage) - 1)).astype(jnp.int32),
        conversion_probability=observation[..., _CONVERSION_PROBABILITY],
        idle_hours=observation[..., _IDLE] * _IDLE_SCALE,
        predicted_ctr=observation[..., _PREDICTED_CTR],
        fatigue=observation[..., _FATIGUE],
        roas=observation[..., _ROAS] * _HIGHEST_ROAS,
        has_spent=observation[..., _SPENT] > 0,
        yields=observation[..., _YIELDS] > 0.5,
    )


class StrategyCarry(NamedTuple):
    """The memory of a ``Strategy``."""

    params: RetargetingParams
    multiplier: Float[Array, ""]
    """In force: 1 at first, moved by an adaptive rule."""
    opportunities: Int[Array, ""]


@pytree
@dataclass(frozen=True)
class Strategy:
    """bid = multiplier * .33 * pCTR * pCVR * E[revenue] inside the rule's stages, a tenth of it outside.

    pCTR holds stage, own fatigue and intensity. ``adaptation`` > 0 moves the multiplier every 100 opportunities,
    m <- clip(m * (1 + adaptation * clip(ROAS / 3 - 1, -1, 1)), .5, 2), but not before the first spend.
    """

    multiplier: Float[Array, ""]
    stages: Bool[Array, "stages"]
    first_stage: Int[Array, ""]
    inside_factor: Float[Array, ""]
    adaptation: Float[Array, ""]
    intensity: Float[Array, ""]
    value_share: Float[Array, ""]
    """Of an impression's expected revenue: what a bid at multiplier 1 is."""
    outside_factor: Float[Array, ""]

    def init(self, params: RetargetingParams) -> StrategyCarry:
        return StrategyCarry(params, jnp.ones((), jnp.float32), jnp.zeros((), jnp.int32))

    def act(self, stream: Stream, carry: StrategyCarry, observation: Array) -> tuple[Array, StrategyCarry]:
        seen, told = see(observation), carry.params
        carry = self._adapted(carry, seen)
        inside = pick(self.stages, seen.stage)
        intensity_factor = 1 + told.ctr_per_intensity * self.intensity
        ctr = seen.predicted_ctr * pick(told.ctr_factor, seen.stage) * seen.fatigue * intensity_factor
        cvr = jnp.minimum(seen.conversion_probability * pick(told.cvr_factor, seen.stage), 1)
        revenue = pick(told.expected_revenue, seen.stage)
        value = self.value_share * jnp.minimum(ctr, told.ctr_cap) * cvr * revenue
        factor = jnp.where(inside, self.inside_factor, self.outside_factor)
        bid = carry.multiplier * self.multiplier * value * factor
        return _action(bid, seen, inside, self.first_stage, self.intensity), carry

    def _adapted(self, carry: StrategyCarry, seen: Seen) -> StrategyCarry:
        """The carry after the opportunities now seen, the multiplier moved first where its time has come."""
        came = 1 if seen.stage.ndim == 0 else seen.stage.size
        before, after = carry.opportunities, carry.opportunities + came
        roas, has_spent = seen.roas.reshape(-1)[0], seen.has_spent.reshape(-1)[0]
        due = (before > 0) & ((before // ADAPTS_AFTER) > ((before - came) // ADAPTS_AFTER)) & has_spent
        change = jnp.maximum(self.adaptation * jnp.clip(roas * (1 / 3) - 1, -1, 1), -1)
        moved = jnp.clip(carry.multiplier * (1 + change), 0.5, 2).astype(carry.multiplier.dtype)
        multiplier = jnp.where(due & (self.adaptation > 0), moved, carry.multiplier)
        return StrategyCarry(carry.params, multiplier, after)


@pytree
@dataclass(frozen=True)
class BidFormula:
    """bid = base + recency coefficient * exp(-idle / 168 h) + slope * p**power, each by the customer's stage.

    p is the customer's conversion probability. ``adaptive`` multiplies the bid by clip(ROAS / 2, .5, 2), by 1 before
    the first spend.
    """

    base: Float[Array, "stages"]
    recency: Float[Array, "stages"]
    slope: Float[Array, "stages"]
    power: Float[Array, "stages"]
    intensity: Float[Array, "stages"]
    stages: Bool[Array, "stages"]
    first_stage: Int[Array, ""]
    adaptive: Bool[Array, ""]

    def init(self, params: RetargetingParams) -> tuple[()]:
        return ()

    def act(self, stream: Stream, carry: tuple[()], observation: Array) -> tuple[Array, tuple[()]]:
        seen = see(observation)
        base, recency, slope, power, intensity = (
            pick(table, seen.stage) for table in (self.base, self.recency, self.slope, self.power, self.intensity)
        )
        probability = jnp.maximum(seen.conversion_probability, 1e-6)
        recent = recency * jnp.exp(-seen.idle_hours * (1 / RECENCY_HOURS))
        bid = base + jnp.maximum(recent, 0) + jnp.maximum(slope * probability**power, 0)
        roas = jnp.where(seen.has_spent, seen.roas, 2.0)
        bid = bid * jnp.where(self.adaptive, jnp.clip(roas * 0.5, 0.5, 2), 1)
        return _action(bid, seen, pick(self.stages, seen.stage), self.first_stage, intensity), carry


def _action(bid: Array, seen: Seen, inside: Array, first_stage: Array, intensity: Array) -> Array:
    """(bid, target stage, intensity); a member of an alliance that yields bids 10 cents."""
    bid = jnp.where(seen.yields, YIELDING_BID, bid)
    target = jnp.where(inside, seen.stage, first_stage)
    parts = (bid, target, jnp.broadcast_to(intensity, bid.shape))
    return jnp.stack([jnp.asarray(part, jnp.float32) for part in parts], axis=-1)


ALL = tuple(Stage)
STRATEGIES: dict[str, tuple[float, tuple[Stage, ...], float, float]] = {
    "aggressive": (1.3, ALL, 1.0, 0.0),
    "conservative": (0.7, (Stage.INTEREST, Stage.CONSIDERATION), 1.0, 0.0),
    "retargeting": (1.5, (Stage.CONSIDERATION, Stage.CHURN_RISK), 2.0, 0.0),
    "adaptive": (1.0, ALL, 1.0, 0.1),
    "brand": (1.2, (Stage.AWARENESS, Stage.INTEREST), 1.0, 0.0),
}
"""Of each strategy: multiplier, stages, factor inside them, adaptation."""


def strategy(name: str) -> Strategy:
    """A rule of the strategy set; ValueError for another name than those of ``STRATEGIES``."""
    multiplier, stages, inside, adaptation = STRATEGIES[validation.choice("strategy", name, tuple(STRATEGIES))]
    return Strategy(
        multiplier=jnp.float32(multiplier),
        stages=_mask(stages),
        first_stage=jnp.int32(stages[0]),
        inside_factor=jnp.float32(inside),
        adaptation=jnp.float32(adaptation),
        intensity=jnp.float32(5),
        value_share=jnp.float32(0.33),
        outside_factor=jnp.float32(0.1),
    )


def every_stage(value_share: float) -> Strategy:
    """A rule that bids ``value_share`` of pCTR * pCVR * E[revenue] for every customer, whatever the stage."""
    return replace(strategy("adaptive"), adaptation=jnp.float32(0), value_share=jnp.float32(value_share))


DEMO_RULES = tuple(STRATEGIES)


def demo_rule(name: str) -> BidFormula:
    """A rule of the demo set; ValueError for another name than those of ``DEMO_RULES``."""
    validation.choice("demo rule", name, DEMO_RULES)
    stages = STRATEGIES[name][1]
    if name == "aggressive":
        return _formula(stages, base=0.6, slope=10, power=1.5, intensity=7)
    if name == "conservative":
        return _formula(stages, base=0.5, slope=15, power=2, intensity=4)
    if name == "adaptive":
        return _formula(stages, base=0.8, slope=8, power=1.5, intensity=5, adaptive=True)
    if name == "brand":
        return _formula(stages, base=[2.5 if stage in stages else 0.4 for stage in Stage], intensity=5)
    inside = _mask(stages)
    interest = jnp.arange(len(Stage)) == Stage.INTEREST

    def by_stage(within: float, in_interest: float, elsewhere: float) -> list[float]:
        chosen = jnp.where(inside, within, jnp.where(interest, in_interest, elsewhere))
        return [float(value) for value in chosen]

    return _formula(
        stages,
        base=by_stage(2.5, 0.4, 0.1),
        recency=by_stage(2, 0, 0),
        slope=by_stage(12, 3, 0),
        power=by_stage(1.5, 1, 1),
        intensity=by_stage(10, 3, 1),
    )


def fixed_bid(bid: float = 1.0) -> BidFormula:
    """``bid`` dollars for every impression, whoever the customer is, at intensity 1."""
    return _formula(ALL, base=validation.number("bid", bid, 0.01, 20), intensity=1)


def _formula(
    stages: tuple[Stage, ...],
    base: float | list[float] = 0.0,
    recency: float | list[float] = 0.0,
    slope: float | list[float] = 0.0,
    power: float | list[float] = 1.0,
    intensity: float | list[float] = 1.0,
    adaptive: bool = False,
) -> BidFormula:
    def table(value: float | list[float]) -> Float[Array, "stages"]:
        return jnp.broadcast_to(jnp.asarray(value, jnp.float32), (len(Stage),))

    return BidFormula(
        base=table(base),
        recency=table(recency),
        slope=table(slope),
        power=table(power),
        intensity=table(intensity),
        stages=_mask(stages),
        first_stage=jnp.int32(stages[0]),
        adaptive=jnp.asarray(adaptive),
    )


def _mask(stages: tuple[Stage, ...]) -> Bool[Array, "stages"]:
    return jnp.array([stage in stages for stage in Stage])
