"""Pacing by small steps: actions that adjust the bid multiplier in force instead of naming a new one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from rtb_envs import validation
from rtb_envs.core import Environment, Info, make
from rtb_envs.pytrees import pytree

DRLB_ADJUSTMENTS = (-0.08, -0.03, -0.01, 0.0, 0.01, 0.03, 0.08)
"""The action set of DRLB (Wu et al., CIKM 2018, arXiv:1802.08365)."""


@pytree
@dataclass(frozen=True)
class AdjustmentParams:
    """The market's numbers, where lambda begins, and what each action adds to it."""

    market: Any
    initial_multiplier: Float[Array, ""]
    """The bid multiplier in force before the first action; lambda begins at its inverse."""
    adjustments: Float[Array, "actions"]
    """Relative change of lambda by each action, above -1."""

    @property
    def horizon(self) -> Array:
        """Steps of an episode."""
        horizon: Array = self.market.horizon
        return horizon


@pytree
@dataclass(frozen=True)
class AdjustmentState:
    """The market's own state and lambda, the price of a unit of budget that bids are divided by."""

    market: Any
    price_of_budget: Float[Array, ""]


class MultiplierAdjustment(Environment[AdjustmentParams, AdjustmentState, Any]):
    """A bidding environment whose actions adjust lambda, the inverse of its bid multiplier, by a few per cent.

    Action i makes lambda <- lambda (1 + adjustments[i]) and then bids at the multiplier 1 / lambda, so that a positive
    adjustment lowers bids: the bid value / lambda of the budget-constrained optimum, with DRLB's actions (Wu et al.,
    CIKM 2018). Lambda is kept where 1 / lambda is within the market's range of multipliers.

    - Observation: the market's, with lambda (in force, before the action) appended.
    - Action: int32 in 0..len(adjustments)-1.
    - Reward, end, info, hindsight and every draw: the market's.
    """

    def __init__(self, market: Environment[Any, Any, Any], params: AdjustmentParams) -> None:
        self._market, self._params = market, params
        self.id = market.id
        self.render_panels = market.render_panels

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MultiplierAdjustment) and other._market == self._market

    def __hash__(self) -> int:
        return hash((type(self), self._market))

    @property
    def config(self) -> Any:
        """The market's static configuration."""
        return self._market.config  # type: ignore[attr-defined]

    @property
    def default_params(self) -> AdjustmentParams:
        return self._params

    def observation_space(self, params: AdjustmentParams) -> gymnasium.spaces.Box:
        space = self._market.observation_space(params.market)
        assert isinstance(space, gymnasium.spaces.Box)
        low, high = (float(bound) for bound in _price_range(params))
        return gymnasium.spaces.Box(
            np.append(space.low, np.float32(low)), np.append(space.high, np.float32(high)), dtype=np.float32
        )

    def action_space(self, params: AdjustmentParams) -> gymnasium.spaces.Discrete:
        return gymnasium.spaces.Discrete(params.adjustments.shape[0])

    def reset_noise(self, key: Array, params: AdjustmentParams) -> Any:
        return self._market.reset_noise(key, params.market)

    def initial(self, noise: Any, params: AdjustmentParams) -> AdjustmentState:
        price = jnp.clip(1 / params.initial_multiplier, *_price_range(params))
        return AdjustmentState(self._market.initial(noise, params.market), price)

    def noise(self, key: Array, state: AdjustmentState, params: AdjustmentParams) -> Any:
        return self._market.noise(key, state.market, params.market)

    def transition(
        self, state: AdjustmentState, action: Array, noise: Any, params: AdjustmentParams
    ) -> tuple[AdjustmentState, Array, Array, Array, Info]:
        index = jnp.clip(action.astype(jnp.int32).reshape(()), 0, params.adjustments.shape[0] - 1)
        price = state.price_of_budget * (1 + params.adjustments[index])
        price = jnp.clip(price, *_price_range(params))
        multiplier = (1 / price)[None]
        market, reward, terminated, truncated, info = self._market.transition(
            state.market, multiplier, noise, params.market
        )
        return AdjustmentState(market, price), reward, terminated, truncated, info

    def observe(self, state: AdjustmentState, params: AdjustmentParams) -> Array:
        return jnp.append(self._market.observe(state.market, params.market), state.price_of_budget)

    @property
    def hindsight(self) -> Any:
        """The market's ``hindsight``, for these parameters; an AttributeError where the market has none."""
        of_market = self._market.hindsight  # type: ignore[attr-defined]
        return lambda key, params: of_market(key, params.market)


def make_multiplier_adjustment(
    market: str | Environment[Any, Any, Any] = "AdAuction-v0",
    adjustments: Sequence[float] = DRLB_ADJUSTMENTS,
    initial_multiplier: float = 1.0,
    **options: Any,
) -> MultiplierAdjustment:
    """Actions that adjust the multiplier of ``market``: an id, made with ``options``, or an environment.

    Raises TypeError for a market whose action is not one bid multiplier or ``options`` beside an environment, and
    ValueError or TypeError for adjustments that are not one or more numbers above -1 and at most 1, or an
    ``initial_multiplier`` outside the market's range.
    """
    if isinstance(market, str):
        market = make(market, **options)
    elif options:
        raise TypeError(f"options must be left out where market is no id, got {', '.join(options)}")
    params = market.default_params
    space = market.action_space(params)
    if not (isinstance(space, gymnasium.spaces.Box) and space.shape == (1,) and hasattr(params, "multiplier_low")):
        raise validation.wrong_type("market", "an environment whose action is one bid multiplier", market)
    if not isinstance(adjustments, Sequence) or isinstance(adjustments, str) or not adjustments:
        raise validation.wrong_type("adjustments", "a sequence of one or more numbers", adjustments)
    steps = [validation.number("adjustments", step, -1, 1, open_low=True) for step in adjustments]
    low, high = float(params.multiplier_low), float(params.multiplier_high)
    initial = validation.number("initial_multiplier", initial_multiplier, low, high)
    return MultiplierAdjustment(market, AdjustmentParams(params, jnp.float32(initial), jnp.asarray(steps, float)))


def _price_range(params: AdjustmentParams) -> tuple[Array, Array]:
    """The smallest and the largest lambda."""
    return 1 / params.market.multiplier_high, 1 / params.market.multiplier_low
