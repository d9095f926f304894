"""Expected spend and income of a constant bid multiplier, by numerical integration: what budgets are set from."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rtb_envs.envs.ad_auction.environment import AdAuction
from rtb_envs.envs.ad_auction.params import Params, true_rates
from rtb_envs.users.traffic import expected_search_volume

POINTS = 512
_R2 = (0.7548776662466927, 0.5698402909980532)


@dataclass(frozen=True)
class _Midpoints:
    """A draw whose uniforms are evenly spread: midpoints in word 0, an R2 sequence (Roberts 2018) in further words."""

    index: Array

    def uniform(self, word: int = 0) -> Array:
        point = self.index % POINTS
        if word == 0:
            return (point + 0.5) / POINTS
        return (0.5 + point * _R2[word % 2] * (1 + word // 2)) % 1.0

    def normal(self, word: int = 0) -> Array:
        return jax.scipy.special.ndtri(self.uniform(word))


@dataclass(frozen=True)
class Expectation:
    """Sums over one episode without a budget, drift or shock."""

    impression: float
    click: float
    conversion: float
    cost: float


def expected_episode(env: AdAuction, params: Params, multiplier: float) -> Expectation:
    """What a bidder who keeps ``multiplier`` and never runs out of budget wins and spends in an episode.

    Prices are integrated over 512 quantiles an ad; users, ads and the whole numbers of auctions are exact. Drift and
    shocks are left out.
    """
    assert params.derived is not None
    click, conversion = (np.asarray(rate, np.float64) for rate in true_rates(params))
    steps, ads, users = click.shape
    objective = click * conversion if env.config.objective == "conversion" else click
    believed = np.asarray(params.predicted_rate, np.float64) if params.predicted_rate is not None else objective
    bid = np.floor(multiplier * believed * float(env.bid_scale(params)))
    weight = (
        _rate(params.ad_sampling_rate, steps, ads)[:, :, None] * _rate(params.user_sampling_rate, steps, users)[:, None]
    )
    minimum = float(params.minimum_search_volume)
    volume = expected_search_volume(params.search_volume_mean, params.search_volume_std, minimum)
    weight = weight * (volume * (np.arange(steps) < int(params.horizon)))[:, None, None]

    draw = _Midpoints(jnp.arange(ads * POINTS).reshape(ads, POINTS))
    ad = jnp.broadcast_to(jnp.arange(ads)[:, None], (ads, POINTS))
    won, paid = np.empty_like(bid), np.empty_like(bid)
    for t in range(steps):
        price = np.asarray(params.derived.market_price.price(draw, ad, jnp.int32(t)))  # type: ignore[arg-type]
        price = np.sort(np.maximum(price, float(params.minimum_price)), axis=1)
        for a in range(ads):
            won[t, a], paid[t, a] = _win_and_pay(bid[t, a], price[a], env, params)
    events = {"impression": won, "click": won * click, "conversion": won * click * conversion}
    charged = {"impression": 1.0, "click": click, "conversion": click * conversion}[env.config.cost_indicator]
    sums = {name: float((weight * event).sum()) for name, event in events.items()}
    return Expectation(cost=float((weight * charged * paid).sum()), **sums)


def _win_and_pay(bid: np.ndarray, price: np.ndarray, env: AdAuction, params: Params) -> tuple[np.ndarray, np.ndarray]:
    """Probability of winning and expected charge of a won impression, for bids [users] against sorted prices."""
    reserve, share = float(params.reserve_price), float(params.hybrid_weight)
    rank = np.where(bid >= reserve, np.searchsorted(price, bid, side="left"), 0)
    second = np.maximum(price, reserve)
    if env.config.pricing == "first_price":
        paid = bid * rank
    elif env.config.pricing == "second_price":
        paid = np.concatenate([[0.0], np.cumsum(np.floor(second))])[rank]
    else:
        # What is charged is the whole part of the mixture, which is another one for each bid.
        mixture = np.floor(second + share * (bid[:, None] - second))
        paid = np.where(np.arange(price.size) < rank[:, None], mixture, 0.0).sum(axis=1)
    return rank / price.size, paid / price.size


def _rate(rate: Array | None, steps: int, count: int) -> np.ndarray:
    return np.full((steps, count), 1 / count) if rate is None else np.asarray(rate, np.float64)
