"""The randomness of an AutoBidding market: draws addressed by index, computed (``Drawn``) or given (``Recorded``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from rtb_envs.envs.auto_bidding.params import Params
from rtb_envs.pytrees import pytree
from rtb_envs.random import Stream, uniform_from_word

# Purposes of the episode's stream, and of a tick's.
_TRAFFIC, _CATEGORY, _AGENT, _DEVIATION, _UNCERTAINTY = 1, 2, 3, 4, 5
_VALUE, _RESPONSE = 1, 2
_SMALLEST_DEVIATION = 0.1


class Tick(NamedTuple):
    """What is drawn for a tick before its opportunities are."""

    volume: Int[Array, ""]
    """Opportunities."""
    mean_value: Float[Array, "agents"]
    """Each bidder's mean value before values are cut to [0, 1]."""
    value_std: Float[Array, "agents"]


class Opportunities(NamedTuple):
    """The draws of some opportunities of a tick."""

    value: Float[Array, "agents opportunities"]
    """Predicted conversion probability if the ad is exposed, in [0, 1]."""
    response_uniform: Float[Array, "slots opportunities"]
    """One uniform a slot decides both events: it is shown iff U < exposure, and converts iff U < exposure * rate."""


class Noise(Protocol):
    """The draws that ``transition`` and ``initial`` ask for."""

    def conversion_factor(self, params: Params) -> Float[Array, "agents"]:
        """What a bidder's predicted values have to be multiplied with to be true; hidden, one an episode."""

    def tick(self, params: Params, t: Int[Array, ""]) -> Tick:
        """Traffic and levels of tick ``t``."""

    def opportunities(self, index: Int[Array, "opportunities"], tick: Tick, num_slots: int) -> Opportunities:
        """The draws of the opportunities ``index`` of the noise's own tick."""


@pytree
@dataclass(frozen=True)
class Drawn:
    """Draws computed from the episode's stream and that of the tick."""

    episode: Stream
    now: Stream

    def conversion_factor(self, params: Params) -> Float[Array, "agents"]:
        """1 + s * 0.72 * (b - a), s the bidder's relative uncertainty and a, b uniform.

        In AuctionNet a true value is the prediction plus s times a normal draw cut to [-2a, 2b], a and b drawn once an
        episode. Of that only the mean leaves a trace in conversions, which are Bernoulli either way: it is 0.72 (b - a)
        by least squares.
        """
        draw = self.episode.site(_UNCERTAINTY)
        agent = jnp.arange(params.category.shape[0])
        spread = cut_normal(draw.uniform(agent, 0)) * params.value.uncertainty_std
        uncertainty = jnp.minimum(jnp.abs(params.value.uncertainty_mean + spread), 1.0)
        return 1 + uncertainty * 0.72 * (draw.uniform(agent, 2) - draw.uniform(agent, 1))

    def tick(self, params: Params, t: Int[Array, ""]) -> Tick:
        law, agent = params.value, jnp.arange(params.category.shape[0])
        window = t // law.window
        category = _level(self.episode.site(_CATEGORY).step(window).uniform(params.category), law.category_spread)
        own = _level(self.episode.site(_AGENT).step(window).uniform(agent), law.agent_spread)
        mean = jnp.minimum(law.mean * category * own, 1.0)
        draw = self.episode.site(_DEVIATION)
        deviation = law.deviation_mean + law.deviation_std * cut_normal(draw.uniform(agent))
        moved = 1 + law.deviation_tick_spread * cut_normal(draw.step(t).uniform(agent))
        deviation = jnp.clip(jnp.clip(deviation, _SMALLEST_DEVIATION, 1) * moved, _SMALLEST_DEVIATION, 1)
        return Tick(self._volume(params, t), mean, deviation * mean)

    def _volume(self, params: Params, t: Int[Array, ""]) -> Int[Array, ""]:
        ticks = jnp.arange(params.traffic_weight.shape[0])
        factor = _level(self.episode.site(_TRAFFIC).uniform(ticks // params.traffic_window), params.traffic_spread)
        traffic = jnp.where(ticks < params.horizon, params.traffic_weight * factor, 0.0)
        at = jnp.minimum(t, ticks.shape[0] - 1)
        volume = params.num_opportunities * traffic[at] / traffic.sum()
        return jnp.where(t < params.horizon, volume, 0).astype(jnp.int32)

    def opportunities(self, index: Int[Array, "opportunities"], tick: Tick, num_slots: int) -> Opportunities:
        agents = tick.mean_value.shape[0]
        # One hash makes the values of four bidders: words are the largest cost of a market.
        quarter = -(-agents // 4)
        words = self.now.site(_VALUE).step(jnp.arange(quarter)[:, None]).words(index)
        normal = cut_normal(uniform_from_word(jnp.concatenate(words)[:agents]))
        value = jnp.clip(tick.mean_value[:, None] + tick.value_std[:, None] * normal, 0, 1)
        response = self.now.site(_RESPONSE).at(index)
        return Opportunities(value, jnp.stack([response.uniform(slot) for slot in range(num_slots)]))


# Numerator and denominator in u (1 - u), lowest power first.
_CUT_NORMAL = (
    (1.0, 551.11, 52663.21, 756167.8, 806148.6),
    (0.1666688, 103.9806, 12299.63, 256673.1, 653054.9),
)


def cut_normal(uniform: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The quantile of a standard normal law cut to [-3, 3], to within 5e-5; ``uniform`` in (0, 1).

    A rational function fitted to it (largest error minimised), because the logarithm in the exact one would cost more
    than all the rest of an auction.
    """
    tail = uniform * (1 - uniform)
    above, below = (_polynomial(coefficients, tail) for coefficients in _CUT_NORMAL)
    return (uniform - 0.5) * above / below


def _polynomial(coefficients: tuple[float, ...], x: Array) -> Array:
    value = jnp.full_like(x, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        value = value * x + coefficient
    return value


def _level(uniform: Array, spread: Array) -> Array:
    return 1 + spread * (2 * uniform - 1)


@pytree
@dataclass(frozen=True)
class Recorded:
    """Draws given as arrays, as when a recorded tick is replayed.

    ``ticks`` leads with the tick axis; ``recorded`` holds the opportunities of one tick. Asking beyond them repeats the
    last; ``transition`` ignores what is beyond the volume.
    """

    ticks: Tick
    recorded: Opportunities
    factor: Float[Array, "agents"]

    def conversion_factor(self, params: Params) -> Float[Array, "agents"]:
        return self.factor

    def tick(self, params: Params, t: Int[Array, ""]) -> Tick:
        return Tick(*(field.at[t].get(mode="clip") for field in self.ticks))

    def opportunities(self, index: Int[Array, "opportunities"], tick: Tick, num_slots: int) -> Opportunities:
        return Opportunities(*(field.at[:, index].get(mode="clip") for field in self.recorded))
