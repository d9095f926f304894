"""What the ads of an episode truly brought: the same bids and draws once more, with ads that nobody sees.

The ghost ads of Johnson, Lewis and Nubbemeyer (Journal of Marketing Research 54(6), 2017): whose ads are masked bids,
wins and pays as before, and the customers see nothing. What is then missing of all purchases, after a click or without
one, whoever is credited with them, is what the ads have added.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax import Array, lax
from jaxtyping import Bool, Float, Int

from rtb_envs.compile import jit
from rtb_envs.envs.retargeting import CENTS, Params, Retargeting, State

LANES = 8
"""Replays at a time: each holds all customers."""


class Added(NamedTuple):
    """What would not have come without the ads of each agent, then without anybody's: one entry more than agents."""

    revenue: npt.NDArray[np.float64]
    """Dollars of purchases."""
    purchases: npt.NDArray[np.int64]


def added_by_ads(
    market: Retargeting, key: Array, params: Params, actions: Float[Array, "opportunities agents 3"], end: State
) -> Added:
    """Replay the ``actions`` of the episode of ``key`` that came to ``end``, masking one agent after another, then all.

    An agent's ads are compared with those of the others being shown, so that the agents' sum need not be the total:
    what one ad brings depends on what the customer has seen besides.
    """
    agents = len(market.agents)
    shown = jnp.concatenate([~jnp.eye(agents, dtype=bool), jnp.zeros((1, agents), bool)])
    cents, purchases = jax.device_get(jit(partial(_replays, market))(key, params, actions, end.t, shown))
    had = end.market
    return Added(
        (int(had.purchase_revenue) - cents.astype(np.float64)) / CENTS, int(had.purchase) - purchases.astype(np.int64)
    )


def _replays(
    market: Retargeting,
    key: Array,
    params: Params,
    actions: Float[Array, "opportunities agents 3"],
    count: Int[Array, ""],
    shown: Bool[Array, "masks agents"],
) -> tuple[Int[Array, "masks"], Int[Array, "masks"]]:
    """Cents and number of all purchases in ``count`` opportunities, for each row of whose ads are shown."""

    def replay(shown: Bool[Array, "agents"]) -> tuple[Array, Array]:
        masked = params.replace(shown=params.shown & shown)

        def step(t: Array, state: State) -> State:
            after: State = market.settle(state, actions[t], market.noise(key, state, masked), masked)[0]
            return after

        end = lax.fori_loop(0, count, step, market.reset_env(key, masked)[1])
        return end.market.purchase_revenue, end.market.purchase

    replayed: tuple[Array, Array] = lax.map(replay, shown, batch_size=LANES)
    return replayed
