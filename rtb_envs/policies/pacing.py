"""What rules that pace a budget share: how they read the observation, and the plan that spending should follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from rtb_envs import validation
from rtb_envs.policies.policy import BiddingEnvironment, BiddingParams

SpendPlan = Literal["even", "traffic"]
SPEND_PLANS: tuple[SpendPlan, ...] = get_args(SpendPlan)


@dataclass(frozen=True)
class PacingView:
    """Where an observation tells time and money, and which plan spending is compared with. Hashable."""

    timestep: int
    """Index of the entry that counts the steps taken."""
    remaining_budget: int
    """Index of the entry that gives the money left."""
    plan: SpendPlan

    @classmethod
    def for_env(cls, env: BiddingEnvironment, plan: SpendPlan) -> PacingView:
        """Find the entries by their names.

        Raises ValueError for another ``plan`` or for an environment that does not show both entries.
        """
        validation.choice("plan", plan, SPEND_PLANS)
        keys = env.config.observation_keys
        for key in ("timestep", "remaining_budget"):
            if key not in keys:
                raise validation.wrong_value("observation_keys", f"such that they hold {key!r} for a pacing rule", keys)
        return cls(keys.index("timestep"), keys.index("remaining_budget"), plan)

    def read(self, observation: Float[Array, "entries"]) -> tuple[Int[Array, ""], Float[Array, ""]]:
        """Steps taken, and the money left."""
        return observation[self.timestep].astype(jnp.int32), observation[self.remaining_budget]

    def planned_budget(self, params: BiddingParams) -> Float[Array, "steps+1"]:
        """The money that the plan has left at the start of each step, and after the last one: from all of it to none.

        "even" spends equally in every step, "traffic" in proportion to ``search_volume_mean``.
        """
        volume = jnp.asarray(params.search_volume_mean, jnp.float32)
        weight = jnp.ones_like(volume) if self.plan == "even" else volume
        weight = jnp.where(jnp.arange(volume.shape[0]) < params.horizon, weight, 0.0)
        # Sums from the end: exactly nothing after the last step.
        left = jnp.cumsum(weight[::-1])[::-1]
        return params.initial_budget * jnp.append(left / left[0], 0.0)
