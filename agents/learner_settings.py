"""The hyper-parameters that every learner has: lanes, network, discount, gradient steps."""

from __future__ import annotations

from dataclasses import dataclass, field

import jax
from jax.typing import ArrayLike

from agents.networks import ACTIVATIONS, Activation
from rtb_envs import validation

STATIC = {"static": True}
"""Metadata of a field that fixes shapes; every other number may be traced, hence vmapped over."""
MANY = 2**24


@dataclass(frozen=True)
class LearnerSettings:
    """What learners share; each adds its own, and registers itself as a pytree."""

    num_envs: int = field(default=1024, metadata=STATIC)
    num_steps: int = field(default=24, metadata=STATIC)
    """Steps of every environment between updates."""
    hidden_sizes: tuple[int, ...] = field(default=(64, 64), metadata=STATIC)
    """Of each network."""
    activation: Activation = field(default="tanh", metadata=STATIC)
    memory_decays: tuple[float, ...] = field(default=(0.6, 1.0), metadata=STATIC)
    """Averages of past observations that the networks see, by their decay per step in [0, 1]; () is no memory."""
    params_axis: int | None = field(default=None, metadata=STATIC)
    """0 if the params given to ``init`` and ``update`` lead with a lane axis: each lane its own market."""
    learning_rate: ArrayLike = 1e-3
    annealing_updates: ArrayLike | None = None
    """The learning rate falls linearly and reaches 0 after so many updates; None keeps it."""
    gamma: ArrayLike = 1.0
    max_gradient_norm: ArrayLike = 0.5

    def validate(self) -> None:
        """Raise ValueError or TypeError naming the first field that is wrong; traced numbers are taken as they are.

        Learners compute in float32, so they are refused where JAX computes in 64 bits.
        """
        if jax.config.values["jax_enable_x64"]:
            raise ValueError("jax_enable_x64 must be off for learners, which compute in float32; got True")
        self._check_integers("num_envs", "num_steps")
        for name, kind in (("hidden_sizes", "integers"), ("memory_decays", "numbers")):
            if not isinstance(getattr(self, name), tuple):
                raise validation.wrong_type(name, f"a tuple of {kind}", getattr(self, name))
        for size in self.hidden_sizes:
            validation.integer("hidden_sizes", size, 1, MANY)
        for decay in self.memory_decays:
            validation.number("memory_decays", decay, 0, 1)
        validation.choice("activation", self.activation, tuple(ACTIVATIONS))
        validation.choice("params_axis", self.params_axis, (None, 0))
        self._check_numbers(0, 1, "gamma")
        self._check_numbers(0, 1, "learning_rate", open_low=True)
        self._check_numbers(0, 1e6, "max_gradient_norm", open_low=True)
        if self.annealing_updates is not None:
            self._check_numbers(0, MANY, "annealing_updates", open_low=True)

    def _check_integers(self, *names: str) -> None:
        for name in names:
            validation.integer(name, getattr(self, name), 1, MANY)

    def _check_numbers(self, low: float, high: float, *names: str, open_low: bool = False) -> None:
        for name in names:
            if not isinstance(getattr(self, name), jax.Array):
                validation.number(name, getattr(self, name), low, high, open_low=open_low)
