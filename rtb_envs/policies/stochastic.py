"""What a policy is whose actions have a known probability: what off-policy evaluation asks of it."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from jax import Array

from rtb_envs.policies.policy import Policy
from rtb_envs.random import Stream


@runtime_checkable
class StochasticPolicy(Protocol):
    """A ``Policy`` that can tell how likely an action was.

    The carry that ``act`` hands on must depend on the observations only, not on what was drawn, so that the carries of
    another policy's episodes can be followed.
    """

    def init(self, params: Any) -> Any:
        """The carry that begins an episode in the market ``params``."""

    def act(self, stream: Stream, carry: Any, observation: Array) -> tuple[Array, Any]:
        """The action for ``observation`` and the next carry."""

    def log_propensity(self, carry: Any, observation: Array, action: Array) -> Array:
        """Natural logarithm of the propensity of ``action``, a float32 scalar; -inf for an action never taken.

        The propensity is the probability with which ``act`` takes the action given the same carry and observation;
        for a Box of actions, its density there.
        """


def is_stochastic(policy: Policy) -> bool:
    """Whether ``policy`` knows the propensities of its actions."""
    return isinstance(policy, StochasticPolicy)
