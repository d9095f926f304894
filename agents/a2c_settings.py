"""The hyper-parameters of A2C, which is PPO with a single whole pass over each rollout."""

from __future__ import annotations

from dataclasses import dataclass, field

from jax.typing import ArrayLike

from agents.learner_settings import STATIC
from agents.ppo_settings import PPOSettings
from rtb_envs import validation
from rtb_envs.pytrees import pytree


@pytree
@dataclass(frozen=True)
class A2CSettings(PPOSettings):
    """Advantage actor-critic (Mnih et al., "Asynchronous Methods for Deep Reinforcement Learning", ICML 2016) in its
    synchronous form.

    In a single gradient step on a whole rollout the likelihood ratio is 1, so that nothing is clipped and the gradient
    of PPO's surrogate is the policy gradient: A2C is this special case of PPO (Huang et al., arXiv:2205.09123, 2022).
    """

    num_epochs: int = field(default=1, metadata=STATIC)
    """1: another pass would need the ratio."""
    num_minibatches: int = field(default=1, metadata=STATIC)
    """1, likewise."""
    gae_lambda: ArrayLike = 1.0

    def validate(self) -> None:
        super().validate()
        for name in ("num_epochs", "num_minibatches"):
            if getattr(self, name) != 1:
                raise validation.wrong_value(name, "1 for A2C", getattr(self, name))
