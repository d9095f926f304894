"""Allocators: the oracle, and Bayesian logistic regression with Thompson sampling."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from rtb_envs import validation
from rtb_envs.envs.contextual_auction.catalogue import Catalogue
from rtb_envs.envs.contextual_auction.learning import Log
from rtb_envs.envs.contextual_auction.logistic import fit_logistic, laplace_precision
from rtb_envs.envs.contextual_auction.offers import Offers, estimated_offers, oracle_offers
from rtb_envs.pytrees import pytree
from rtb_envs.random import Draw


@pytree
@dataclass(frozen=True)
class Oracle:
    """Knows the whole context and every click-through rate."""

    learns: ClassVar[bool] = False

    def init(self, n_ads: int, observed_dim: int) -> tuple[()]:
        return ()

    def offers(
        self, draw: Draw, memory: tuple[()], context: Float[Array, "features rounds"], catalogue: Catalogue
    ) -> Offers:
        return oracle_offers(context, catalogue)

    def update(self, memory: tuple[()], observed: Float[Array, "observed rounds"], log: Log) -> tuple[()]:
        return memory


class Posterior(NamedTuple):
    """Independent normal beliefs about the coefficients of each ad's click-through rate."""

    mean: Float[Array, "ads observed"]
    precision: Float[Array, "ads observed"]


@pytree
@dataclass(frozen=True)
class BayesianLogistic:
    """Learns each ad's click-through rate from its impressions.

    Regularised Bayesian logistic regression with a diagonal Laplace approximation, each iteration's posterior being the
    next one's prior (Chapelle and Li, "An Empirical Evaluation of Thompson Sampling", NeurIPS 2011, algorithm 3). With
    ``thompson_sampling`` ads are chosen by weights sampled from it; bids always follow its mean.
    """

    prior_precision: float | Array = 1.0
    thompson_sampling: bool = field(default=True, metadata={"static": True})
    learns: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if isinstance(self.prior_precision, int | float):
            validation.number("prior_precision", self.prior_precision, 0, 1e9, open_low=True)

    def init(self, n_ads: int, observed_dim: int) -> Posterior:
        zero = jnp.zeros((n_ads, observed_dim + 1))
        return Posterior(zero, zero + self.prior_precision)

    def offers(
        self, draw: Draw, memory: Posterior, context: Float[Array, "features rounds"], catalogue: Catalogue
    ) -> Offers:
        precision = memory.precision if self.thompson_sampling else None
        return estimated_offers(context, catalogue, memory.mean, precision, draw)

    def update(self, memory: Posterior, observed: Float[Array, "observed rounds"], log: Log) -> Posterior:
        def of_ad(ad: Array, mean: Array, precision: Array) -> Posterior:
            weight = (log.won & (log.ad == ad)).astype(observed.dtype)
            fitted = fit_logistic(observed, log.clicked.astype(observed.dtype), weight, mean, precision)
            return Posterior(fitted, precision + laplace_precision(observed, weight, fitted))

        after: Posterior = jax.vmap(of_ad)(jnp.arange(memory.mean.shape[0]), memory.mean, memory.precision)
        return after
