"""What bidders have to offer in a round: the ad that each would show, and what it believes that to be worth.

An allocator chooses the ad. The oracle knows the true click-through rates; another one estimates them from what it sees
of the context, and may sample its estimates (Thompson sampling) to choose, but not to bid, as AuctionGym does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float, Int

from rtb_envs.envs.contextual_auction.catalogue import Catalogue
from rtb_envs.pytrees import pytree
from rtb_envs.random import Draw, normal_from_uniform, uniform_from_word


@pytree
@dataclass(frozen=True)
class Offers:
    """Every bidder's best ad for each of some rounds, as it believes; no bid yet."""

    ad: Int[Array, "bidders rounds"]
    value: Float[Array, "bidders rounds"]
    """Of a click on the ad, in currency."""
    estimated_ctr: Float[Array, "bidders rounds"]
    ctr: Float[Array, "bidders rounds"]
    """The ad's true click-through rate."""
    best_expected_value: Float[Array, "bidders rounds"]
    """CTR times value of the truly best of the bidder's ads, in currency."""


def oracle_offers(context: Float[Array, "features rounds"], catalogue: Catalogue) -> Offers:
    """What bidders offer who know every click-through rate."""
    chosen = _best_ad(catalogue.value, (_logits(context, catalogue.embedding),))
    ctr = jax.nn.sigmoid(chosen.logits[0])
    return Offers(chosen.ad, chosen.value, ctr, ctr, chosen.value * ctr)


def estimated_offers(
    context: Float[Array, "features rounds"],
    catalogue: Catalogue,
    mean: Float[Array, "bidders ads observed"],
    precision: Float[Array, "bidders ads observed"] | None = None,
    draw: Draw | None = None,
) -> Offers:
    """What bidders offer who estimate CTR = sigmoid(mean . what they see of the context).

    They see the first entries of the context, and its constant as the last. With ``precision`` the ad is chosen by
    Thompson sampling: a round's weights are N(mean, 1 / precision), hence an ad's logit N(mean . x, sum(x**2 /
    precision)), independently of the other ads; ``draw`` has one index for each round.
    """
    observed = jnp.concatenate([context[: mean.shape[-1] - 1], context[-1:]])
    truth, belief = _logits(context, catalogue.embedding), _logits(observed, mean)
    sampled = belief
    if precision is not None and draw is not None:
        sampled = belief + jnp.sqrt(_logits(observed**2, 1 / precision)) * _normals(draw, belief.shape[:2])
    chosen = _best_ad(catalogue.value, (sampled, belief, truth))
    best = _best_ad(catalogue.value, (truth,))
    estimated_ctr, ctr = (jax.nn.sigmoid(logit) for logit in chosen.logits[1:])
    return Offers(chosen.ad, chosen.value, estimated_ctr, ctr, best.value * jax.nn.sigmoid(best.logits[0]))


class _Chosen(NamedTuple):
    ad: Int[Array, "bidders rounds"]
    value: Float[Array, "bidders rounds"]
    logits: tuple[Float[Array, "bidders rounds"], ...]


def _best_ad(value: Float[Array, "bidders ads"], logits: tuple[Float[Array, "ads bidders rounds"], ...]) -> _Chosen:
    """The ad with the highest value * sigmoid(first of ``logits``), the lowest index of equals; all its logits.

    A running choice over the unrolled ads: on a CPU several times faster than ``argmax`` and gathers.
    """
    first_value, first_logits = value[:, 0, None], [of_ad[0] for of_ad in logits]
    score = first_value * jax.nn.sigmoid(first_logits[0])
    best = (jnp.zeros(score.shape, jnp.int32), jnp.broadcast_to(first_value, score.shape), *first_logits)
    for ad in range(1, value.shape[1]):
        challenger = (jnp.int32(ad), value[:, ad, None], *(of_ad[ad] for of_ad in logits))
        challenging_score = value[:, ad, None] * jax.nn.sigmoid(logits[0][ad])
        is_better = challenging_score > score
        score = jnp.maximum(score, challenging_score)
        best = tuple(jnp.where(is_better, new, old) for new, old in zip(challenger, best, strict=True))
    return _Chosen(best[0], best[1], best[2:])


def _logits(
    context: Float[Array, "features rounds"], weight: Float[Array, "bidders ads features"]
) -> Float[Array, "ads bidders rounds"]:
    """weight . context for every ad of every bidder: one matrix product is faster than those of the participants."""
    by_ad = jnp.swapaxes(weight, 0, 1)
    return lax.dot_general(by_ad, context, (((2,), (0,)), ((), ())), precision=lax.Precision.HIGHEST)


def _normals(draw: Draw, shape: tuple[int, ...]) -> Float[Array, "ads bidders rounds"]:
    """Standard normals of ``shape`` for each index of ``draw``, four of one hash."""
    ads, bidders = shape
    hashes = -(-ads // 4)
    place = jnp.arange(hashes)[:, None, None] * bidders + jnp.arange(bidders)[:, None]
    words = draw.stream.words(draw.index * (hashes * bidders) + place)
    return normal_from_uniform(uniform_from_word(jnp.concatenate(words)))[:ads]
