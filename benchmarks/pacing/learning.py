"""Learners of the benchmark: each is trained once in a market, for all of its budgets, and judged at every one."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from agents import registry
from benchmarks.pacing.budgets import Budgets, BudgetsParams
from benchmarks.pacing.markets import Market
from benchmarks.pacing.playing import Played, Sizes, Table
from rtb_envs import compile
from training.updates import Updates, over_devices

TRAINING_SEED = 0


def train_and_judge(
    market: Market, shares: Sequence[float], worth: Sequence[float], name: str, sizes: Sizes, iterations: int
) -> tuple[list[Played], int]:
    """The held-out episodes of learner ``name`` at the budget of each share, and the steps it was trained for.

    ``worth`` is what an episode is worth to a simple bidder at each budget: rewards are counted in it.
    """
    own = market.env(market.learner_actions[name])
    budget = np.array([market.budget(share) for share in shares], np.float32)
    # Where the simple bidder gets nothing, rewards count as they are.
    scale = [value if value > 0 else 1.0 for value in worth]
    params = BudgetsParams(
        own.default_params, jnp.asarray(budget), jnp.asarray(scale, jnp.float32), jnp.asarray(budget.max())
    )
    env = Budgets(own, params, market.with_budget)
    training = _training(name, env, repr(env.action_space(params)), iterations)
    state = training.updates.run(training.begin(TRAINING_SEED, params), params, iterations, enters_stage=False)[0]
    table = Table(env, int(params.horizon), sizes, market.totals())
    policy = training.learner.policy(state)
    # All budgets alike, rather than one, so that judging is one program.
    judged = (
        BudgetsParams(params.market, jnp.full_like(params.budget, b), params.worth, params.largest_budget)
        for b in budget
    )
    return [table.evaluate(policy, one) for one in judged], iterations * training.learner.steps_per_update


class _Training:
    """A learner and its compiled updates, which serve every market of one program."""

    def __init__(self, name: str, env: Budgets, iterations: int) -> None:
        self.learner = registry.make_learner(name, env, **_hyperparameters(name, iterations))
        self.updates = Updates(self.learner, iterations)
        self._init = compile.jit(self.learner.init, static_argnums=0)
        self._is_compiled = False

    def begin(self, seed: int, params: BudgetsParams) -> Any:
        """The state before the first update in the market ``params``; the updates are ready to run then."""
        state = over_devices(self._init(seed, params))
        if not self._is_compiled:
            self.updates.compile(state, params)
            self._is_compiled = True
        return state


@functools.lru_cache(maxsize=3)
def _training(name: str, env: Budgets, action_space: str, iterations: int) -> _Training:
    """Environments are equal where their programs are; learners read the bounds of actions too."""
    return _Training(name, env, iterations)


def _hyperparameters(name: str, iterations: int) -> dict[str, Any]:
    """What follows from so short a training: learning rate and exploration end with it, and DQN's batches are small,
    because gradients would take longer than everything else.
    """
    if name == "dqn":
        return {"exploration_updates": max(iterations // 2, 1), "batch_size": 2048}
    return {"annealing_updates": iterations}
