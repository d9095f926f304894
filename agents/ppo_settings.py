"""The hyper-parameters of PPO."""

from __future__ import annotations

from dataclasses import dataclass, field

from jax.typing import ArrayLike

from agents.learner_settings import STATIC, LearnerSettings
from rtb_envs import validation
from rtb_envs.pytrees import pytree


@pytree
@dataclass(frozen=True)
class PPOSettings(LearnerSettings):
    """PPO's hyper-parameters over those of every learner; actor and critic are networks apart."""

    lanes_per_market: int = field(default=16, metadata=STATIC)
    """Environments that draw the same random numbers; divides ``num_envs``. From 2 on, an action's advantage is
    measured against those of the other lanes in its market, which met the same luck (common random numbers); with
    ``params_axis`` they must have equal parameters."""
    num_epochs: int = field(default=4, metadata=STATIC)
    """Passes over a rollout."""
    num_minibatches: int = field(default=4, metadata=STATIC)
    """Divides ``num_envs``: a minibatch is all steps of some lanes."""
    initial_log_std: float = field(default=-0.5, metadata=STATIC)
    """Logarithm of the first standard deviation of continuous latents."""
    gae_lambda: ArrayLike = 0.99
    clip_range: ArrayLike = 0.2
    value_coefficient: ArrayLike = 0.5
    entropy_coefficient: ArrayLike = 0.003

    def validate(self) -> None:
        super().validate()
        self._check_integers("lanes_per_market", "num_epochs", "num_minibatches")
        for name in ("lanes_per_market", "num_minibatches"):
            if self.num_envs % getattr(self, name):
                raise validation.wrong_value(name, f"a divisor of num_envs, {self.num_envs}", getattr(self, name))
        validation.number("initial_log_std", self.initial_log_std, -10, 10)
        self._check_numbers(0, 1, "gae_lambda")
        self._check_numbers(0, 1e6, "clip_range", open_low=True)
        self._check_numbers(0, 1e6, "value_coefficient", "entropy_coefficient")
