"""The hyper-parameters of DQN."""

from __future__ import annotations

from dataclasses import dataclass, field

from jax.typing import ArrayLike

from agents.learner_settings import MANY, STATIC, LearnerSettings
from rtb_envs import validation
from rtb_envs.pytrees import pytree


@pytree
@dataclass(frozen=True)
class DQNSettings(LearnerSettings):
    """DQN's hyper-parameters over those of every learner."""

    replay_size: int = field(default=16 * 1024 * 24, metadata=STATIC)
    """Transitions kept, the newest; a multiple of ``num_envs * num_steps``, which an update adds."""
    num_gradient_steps: int = field(default=16, metadata=STATIC)
    """Gradient steps of an update."""
    batch_size: int = field(default=8192, metadata=STATIC)
    """Transitions of a gradient step, drawn with replacement."""
    n_step: int = field(default=8, metadata=STATIC)
    """Rewards of a transition, at most ``num_steps``; fewer where the episode or the rollout ends."""
    huber_delta: ArrayLike = 1.0
    """Error, in units of the normalised reward, up to which the loss is its square and from which it is linear. A value
    learned by the linear part is more a median than a mean: where rewards are rare and large, take a large one."""
    target_period: ArrayLike = 100
    """Gradient steps after which the target network becomes the network."""
    initial_epsilon: ArrayLike = 1.0
    """Share of uniformly random actions at first."""
    final_epsilon: ArrayLike = 0.05
    exploration_updates: ArrayLike = 150
    """Updates in which it falls linearly to ``final_epsilon``."""

    def validate(self) -> None:
        super().validate()
        self._check_integers("replay_size", "num_gradient_steps", "batch_size")
        validation.integer("n_step", self.n_step, 1, self.num_steps)
        if self.replay_size % (self.num_envs * self.num_steps):
            allowed = f"a multiple of num_envs * num_steps, {self.num_envs * self.num_steps}"
            raise validation.wrong_value("replay_size", allowed, self.replay_size)
        self._check_numbers(0, 1e6, "huber_delta", open_low=True)
        self._check_numbers(1, MANY, "target_period")
        self._check_numbers(0, 1, "initial_epsilon", "final_epsilon")
        self._check_numbers(0, MANY, "exploration_updates", open_low=True)
