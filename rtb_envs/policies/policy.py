"""What a policy is, and how a rule that chooses a bid multiplier acts in an environment with discrete actions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import jax
import jax.numpy as jnp
from jax import Array

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


@jax.tree_util.register_dataclass
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


def suited(rule: Policy, params: BiddingParams) -> Policy:
    """``rule``, which chooses a multiplier float32[1], in the form that the actions of ``params`` ask for."""
    return rule if params.action_meanings is None else Discretized(rule)
