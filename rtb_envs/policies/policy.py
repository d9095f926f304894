"""What a policy is, and how a rule that chooses a bid multiplier acts where actions have another form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from rtb_envs.pytrees import pytree
from rtb_envs.random import Stream


class Policy(Protocol):
    """A rule for ONE environment: a frozen pytree whose numbers are leaves, so that ``jax.vmap`` runs many settings.

    The carry is the policy's memory within an episode: any pytree, begun anew by ``init`` when an episode begins. The
    stream is the policy's own, one position a step; the market never draws from it.
    """

    def init(self, params: Any) -> Any:
        """The carry that begins an episode in the market ``params``."""

    def act(self, stream: Stream, carry: Any, observation: Array) -> tuple[Array, Any]:
        """The action for ``observation`` and the next carry."""


class BiddingParams(Protocol):
    """The numbers of a market in which an advertiser paces a budget by one bid multiplier a step."""

    @property
    def horizon(self) -> Array:
        """Steps of an episode."""

    @property
    def initial_budget(self) -> Array:
        """Money of an episode."""

    @property
    def search_volume_mean(self) -> Array:
        """Mean number of auctions of each step; entries beyond ``horizon`` do not count."""

    @property
    def multiplier_low(self) -> Array:
        """The smallest bid multiplier."""

    @property
    def multiplier_high(self) -> Array:
        """The largest bid multiplier."""

    @property
    def action_meanings(self) -> Array | None:
        """The multiplier of each discrete action, or None where the action is the multiplier itself."""


class BidCurveParams(BiddingParams, Protocol):
    """The numbers of a market whose actions are bid curves: a participation rate, and bids at K relative rates.

    A relative rate is a predicted rate times the market's scaler, by default the predicted rate over its mean.
    """

    @property
    def bid_curve_knots(self) -> Array | None:
        """The relative rates at which bids are given [K], rising."""

    @property
    def standard_bid_price(self) -> Array:
        """The bid at multiplier 1 of an impression of relative rate 1."""

    @property
    def largest_bid(self) -> Array:
        """The highest bid that an action may hold."""


class ObservationKeys(Protocol):
    """The configuration of an environment that names the entries of its observation."""

    @property
    def observation_keys(self) -> tuple[str, ...]:
        """One name for each entry of the observation, in order."""


class BiddingEnvironment(Protocol):
    """What a rule is built from: names of the observation's entries and the market's numbers."""

    @property
    def config(self) -> ObservationKeys:
        """The environment's static configuration."""

    @property
    def default_params(self) -> BiddingParams:
        """The market as configured."""


@pytree
@dataclass(frozen=True)
class Discretized:
    """A rule that chooses a multiplier, acting by the discrete action whose meaning is nearest to it in the logarithm.

    Actions are int32 scalars; of two equally near meanings the first is taken.
    """

    rule: Policy

    def init(self, params: BiddingParams) -> tuple[Any, Array]:
        return self.rule.init(params), jnp.log(jnp.asarray(params.action_meanings))

    def act(self, stream: Stream, carry: tuple[Any, Array], observation: Array) -> tuple[Array, tuple[Any, Array]]:
        memory, log_meanings = carry
        multiplier, memory = self.rule.act(stream, memory, observation)
        distance = jnp.abs(log_meanings - jnp.log(multiplier.reshape(())))
        return jnp.argmin(distance).astype(jnp.int32), (memory, log_meanings)


def bid_curve_action(bids: Array, largest_bid: Array, participation_rate: ArrayLike = 1.0) -> Array:
    """The action float32[1 + K] that takes part in this share of the auctions with these ``bids`` [K], clipped."""
    rate = jnp.clip(jnp.asarray(participation_rate, jnp.float32), 0, 1)
    bids = jnp.clip(jnp.asarray(bids, jnp.float32), 0, jnp.asarray(largest_bid, jnp.float32))
    return jnp.concatenate([rate[None], bids])


@pytree
@dataclass(frozen=True)
class StraightCurve:
    """A rule that chooses a multiplier, acting by the bid curve through the origin that bids by it in every auction."""

    rule: Policy

    def init(self, params: Any) -> tuple[Any, Array, Array]:
        unit_bids = jnp.asarray(params.standard_bid_price * params.bid_curve_knots)
        return self.rule.init(params), unit_bids, jnp.asarray(params.largest_bid)

    def act(
        self, stream: Stream, carry: tuple[Any, Array, Array], observation: Array
    ) -> tuple[Array, tuple[Any, Array, Array]]:
        memory, unit_bids, largest_bid = carry
        multiplier, memory = self.rule.act(stream, memory, observation)
        return bid_curve_action(multiplier.reshape(()) * unit_bids, largest_bid), (memory, unit_bids, largest_bid)


def check_multipliers(params: Any) -> None:
    """Raise TypeError unless ``params`` are those of a market in which actions are, or can express, bid multipliers."""
    if not hasattr(params, "multiplier_high") or not hasattr(params, "action_meanings"):
        allowed = "a market of bid multipliers, such as AdAuction-v0 or AutoBidding-v0"
        raise TypeError(f"env must be {allowed}, got one whose parameters are {type(params).__name__}")


def suited(rule: Policy, params: BiddingParams) -> Policy:
    """``rule``, which chooses a multiplier float32[1], in the form that the actions of ``params`` ask for.

    Raises TypeError where actions can express no multiplier.
    """
    check_multipliers(params)
    if params.action_meanings is not None:
        return Discretized(rule)
    # A market need not know of bid curves.
    return rule if getattr(params, "bid_curve_knots", None) is None else StraightCurve(rule)
