"""The hyper-parameters of PPO."""

from __future__ import annotations

from dataclasses import dataclass, field

import jax
from jax.typing import ArrayLike

from agents.networks import ACTIVATIONS, Activation
from rtb_envs import validation

_STATIC = {"static": True}
_MANY = 2**24


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class PPOSettings:
    """Hyper-parameters. What fixes shapes is static; every other number may be traced, hence vmapped over."""

    num_envs: int = field(default=1024, metadata=_STATIC)
    num_steps: int = field(default=24, metadata=_STATIC)
    """Steps of every environment between updates."""
    lanes_per_market: int = field(default=16, metadata=_STATIC)
    """Environments that draw the same random numbers; divides ``num_envs``. From 2 on, an action's advantage is
    measured against those of the other lanes in its market, which met the same luck (common random numbers); with
    ``params_axis`` they must have equal parameters."""
    num_epochs: int = field(default=4, metadata=_STATIC)
    """Passes over a rollout."""
    num_minibatches: int = field(default=4, metadata=_STATIC)
    """Divides ``num_envs``: a minibatch is all steps of some lanes."""
    hidden_sizes: tuple[int, ...] = field(default=(64, 64), metadata=_STATIC)
    """Of the actor and, apart from it, of the critic."""
    activation: Activation = field(default="tanh", metadata=_STATIC)
    memory_decays: tuple[float, ...] = field(default=(0.6, 1.0), metadata=_STATIC)
    """Averages of past observations that the networks see, by their decay per step in [0, 1]; () is no memory."""
    params_axis: int | None = field(default=None, metadata=_STATIC)
    """0 if the params given to ``init`` and ``update`` lead with a lane axis: each lane its own market."""
    initial_log_std: float = field(default=-0.5, metadata=_STATIC)
    """Logarithm of the first standard deviation of continuous latents."""
    learning_rate: ArrayLike = 1e-3
    annealing_updates: ArrayLike | None = None
    """The learning rate falls linearly and reaches 0 after so many updates; None keeps it."""
    gamma: ArrayLike = 1.0
    gae_lambda: ArrayLike = 0.99
    clip_range: ArrayLike = 0.2
    value_coefficient: ArrayLike = 0.5
    entropy_coefficient: ArrayLike = 0.003
    max_gradient_norm: ArrayLike = 0.5

    def validate(self) -> None:
        """Raise ValueError or TypeError naming the first field that is wrong; traced numbers are taken as they are."""
        for name in ("num_envs", "num_steps", "lanes_per_market", "num_epochs", "num_minibatches"):
            validation.integer(name, getattr(self, name), 1, _MANY)
        for name in ("lanes_per_market", "num_minibatches"):
            if self.num_envs % getattr(self, name):
                raise validation.wrong_value(name, f"a divisor of num_envs, {self.num_envs}", getattr(self, name))
        for name, kind in (("hidden_sizes", "integers"), ("memory_decays", "numbers")):
            if not isinstance(getattr(self, name), tuple):
                raise validation.wrong_type(name, f"a tuple of {kind}", getattr(self, name))
        for size in self.hidden_sizes:
            validation.integer("hidden_sizes", size, 1, _MANY)
        for decay in self.memory_decays:
            validation.number("memory_decays", decay, 0, 1)
        validation.choice("activation", self.activation, tuple(ACTIVATIONS))
        validation.choice("params_axis", self.params_axis, (None, 0))
        validation.number("initial_log_std", self.initial_log_std, -10, 10)
        bounds = {"learning_rate": 1, "gamma": 1, "gae_lambda": 1, "clip_range": 1e6, "value_coefficient": 1e6}
        bounds |= {"entropy_coefficient": 1e6, "max_gradient_norm": 1e6, "annealing_updates": _MANY}
        for name, high in bounds.items():
            value = getattr(self, name)
            if not (isinstance(value, jax.Array) or (name == "annealing_updates" and value is None)):
                positive = name in ("learning_rate", "clip_range", "max_gradient_norm", "annealing_updates")
                validation.number(name, value, 0, high, open_low=positive)
