"""What buyers believe of sellers' floors, and since when."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Int

from rtb_envs.envs.marketplace.config import LEDGER, Config
from rtb_envs.envs.marketplace.money import WHOLE
from rtb_envs.envs.marketplace.packages import Packages
from rtb_envs.envs.marketplace.params import Params
from rtb_envs.envs.marketplace.trade import DELIVERED, Trades
from rtb_envs.pytrees import pytree

FLOOR_FACTS = 5
"""Of a buyer's 12 facts the first five are what it knows of floors; seller j's is fact j modulo 5."""


@pytree
@dataclass(frozen=True)
class Beliefs:
    """Of each buyer about each seller."""

    floor_share: Int[Array, "buyers sellers"]
    """The floor over the target CPM that was last seen there, ten-thousandths."""
    age_hours: Int[Array, "buyers sellers"]
    """Hours since; those of the episode where nothing has been seen or it is forgotten."""


def prior(config: Config, params: Params) -> Beliefs:
    """Before anything is seen: the middle of what floors can be."""
    shape = (config.buyers, config.sellers)
    middle = (params.floor_share_low + params.floor_share_high) // 2
    return Beliefs(jnp.broadcast_to(middle, shape), jnp.broadcast_to(params.horizon_days * 24, shape))


def observe_trades(
    beliefs: Beliefs,
    packages: Packages,
    trades: Trades,
    kept: Bool[Array, "buyers facts"],
    config: Config,
    params: Params,
) -> Beliefs:
    """Beliefs after an hour: a buyer sees the floors of its own deals, over a ledger those of all deals.

    A forgotten fact falls back to the prior.
    """
    buyers, sellers = jnp.arange(config.buyers), jnp.arange(config.sellers)
    sold = trades.status >= DELIVERED
    own = trades.campaign[:, None] // config.campaigns_per_buyer == buyers
    sees = sold[:, None] & (own | (params.scenario == LEDGER))
    seen = sees[:, :, None] & (packages.seller[:, None, None] == sellers)
    # The last package of the hour that was seen; 0 where there was none.
    order = jnp.arange(1, seen.shape[0] + 1, dtype=jnp.int32)[:, None, None]
    last = jnp.max(jnp.where(seen, order, 0), axis=0)
    share = packages.floor_cpm * WHOLE // jnp.maximum(packages.target_cpm, 1)
    oldest = jnp.broadcast_to(params.horizon_days * 24, last.shape)
    fresh = jnp.where(last > 0, share[jnp.maximum(last - 1, 0)], beliefs.floor_share)
    age = jnp.where(last > 0, 0, jnp.minimum(beliefs.age_hours + 1, oldest))
    known = kept[:, sellers % FLOOR_FACTS]
    start = prior(config, params)
    return Beliefs(jnp.where(known, fresh, start.floor_share), jnp.where(known, age, start.age_hours))
