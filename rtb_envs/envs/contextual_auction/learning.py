"""What bidders and allocators learn from: the log of an iteration, as one bidder saw it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol

from jax import Array
from jaxtyping import Bool, Float, Int

from rtb_envs.envs.contextual_auction.catalogue import Catalogue
from rtb_envs.envs.contextual_auction.offers import Offers
from rtb_envs.pytrees import pytree
from rtb_envs.random import Draw


class Shading(NamedTuple):
    """How a bidder shades some bids; every field has the shape of the rounds."""

    proposed: Float[Array, "rounds"]
    """The factor that was drawn; what is bid is that factor within [0, 1] times the estimated value."""
    log_propensity: Float[Array, "rounds"]
    """Logarithm of the density that ``proposed`` was drawn with; 0 where nothing was drawn."""


@pytree
@dataclass(frozen=True)
class Log:
    """The rounds of an iteration, and what one bidder knows of them afterwards. Money is in currency."""

    takes_part: Bool[Array, "rounds"]
    ad: Int[Array, "rounds"]
    value: Float[Array, "rounds"]
    estimated_ctr: Float[Array, "rounds"]
    proposed: Float[Array, "rounds"]
    log_propensity: Float[Array, "rounds"]
    won: Bool[Array, "rounds"]
    clicked: Bool[Array, "rounds"]
    surplus: Float[Array, "rounds"]


class Bidder(Protocol):
    """How much of an estimated value to bid: a frozen pytree whose numbers are leaves, written for one bidder."""

    learns: ClassVar[bool]
    """Whether ``update`` does anything; False spares the logs."""

    def init(self) -> Any:
        """The memory to begin with."""

    def shade(
        self, draw: Draw, memory: Any, estimated_ctr: Float[Array, "rounds"], value: Float[Array, "rounds"]
    ) -> Shading:
        """The shading of bids for impressions of these estimates; ``draw`` has one index for each round."""

    def update(self, memory: Any, log: Log) -> Any:
        """The memory after an iteration."""


class Allocator(Protocol):
    """Which ad to show, and what its click-through rate is believed to be; as ``Bidder``, for one bidder."""

    learns: ClassVar[bool]

    def init(self, n_ads: int, observed_dim: int) -> Any:
        """The memory to begin with."""

    def offers(self, draw: Draw, memory: Any, context: Float[Array, "features rounds"], catalogue: Catalogue) -> Offers:
        """What several bidders offer, whose memories lead with the bidder axis that the catalogue has."""

    def update(self, memory: Any, observed: Float[Array, "observed rounds"], log: Log) -> Any:
        """One bidder's memory after an iteration, in which it saw ``observed`` of the contexts."""


class Memory(NamedTuple):
    """What the advertisers of one kind have learnt; every array leads with their copies."""

    bidder: Any
    allocator: Any
