"""Bids linear in the predicted value of an impression, at one multiplier for the whole episode."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array

from rtb_envs import validation
from rtb_envs.policies.policy import BiddingEnvironment, BiddingParams, Policy, suited
from rtb_envs.pytrees import pytree
from rtb_envs.random import Stream


@pytree
@dataclass(frozen=True)
class Linear:
    """Bid = ``multiplier`` times the predicted value: the linear bidding of Perlich et al. (KDD 2012).

    The environment multiplies the action with the predicted value of each impression, so the rule is one number, which
    ``rtb_envs.rollouts.tune`` finds by grid search.
    """

    multiplier: Array

    @classmethod
    def for_env(
        cls, env: BiddingEnvironment, params: BiddingParams | None = None, *, multiplier: float = 1.0
    ) -> Policy:
        """The rule for an environment's actions, continuous or discrete.

        Raises TypeError or ValueError unless ``multiplier`` is a number in (0, 1e6].
        """
        multiplier = validation.number("multiplier", multiplier, 0, 1e6, open_low=True)
        return suited(cls(jnp.float32(multiplier)), env.default_params if params is None else params)

    def init(self, params: BiddingParams) -> tuple[()]:
        return ()

    def act(self, stream: Stream, carry: tuple[()], observation: Array) -> tuple[Array, tuple[()]]:
        return self.multiplier[None], carry
