"""Any functional core without an agent axis as a Gymnasium vector environment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import logger
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from rtb_envs import validation
from rtb_envs.adapters.actions import ActionCheck
from rtb_envs.adapters.driver import MAX_SEED, Driver
from rtb_envs.adapters.gymnasium import (
    NEEDS_RESET,
    check_options,
    core_and_params,
    drawn_seed,
    metadata_of,
    renderer_of,
)
from rtb_envs.adapters.programs import Output, Step
from rtb_envs.core import AutoReset, Environment
from rtb_envs.render import Recorder, RenderMode

MAX_ENVS = 2**24
AUTO_RESET: dict[AutoresetMode, AutoReset] = {
    AutoresetMode.NEXT_STEP: "next_step",
    AutoresetMode.SAME_STEP: "same_step",
    AutoresetMode.DISABLED: "disabled",
}

Mask = npt.NDArray[np.bool_]


class GymVectorEnv(VectorEnv[Any, Any, Any]):
    """``num_envs`` lanes of a functional core as a ``gymnasium.vector.VectorEnv``, stepped by one compiled call.

    ``core``, ``params`` and ``options`` are as in ``GymEnv``; ``max_episode_steps`` truncates longer episodes.
    ``autoreset_mode`` is an ``AutoresetMode`` or its value:

    - NEXT_STEP: the step after an episode's end resets the lane; it ignores the lane's action and returns reward 0,
      False flags and no info for it.
    - SAME_STEP: the lane is reset in the step that ends its episode; ``final_obs`` and ``final_info`` keep the end.
    - DISABLED: ``reset(options={"reset_mask": mask})`` resets; ``step`` raises ``ResetNeeded`` until it has.

    Infos follow Gymnasium's convention: ``info[key]`` [num_envs] holds where ``info["_" + key]`` is True. With
    ``output="jax"`` no key is left out, entries outside the masks mean nothing, and ``final_obs`` is one array.
    """

    def __init__(
        self,
        core: str | Environment[Any, Any, Any],
        num_envs: int = 1,
        *,
        params: Any = None,
        render_mode: RenderMode | None = None,
        output: Output = "numpy",
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        max_episode_steps: int | None = None,
        **options: Any,
    ) -> None:
        self.num_envs = validation.integer("num_envs", num_envs, 1, MAX_ENVS)
        if max_episode_steps is not None:
            max_episode_steps = validation.integer("max_episode_steps", max_episode_steps, 1, 2**31 - 1)
        self._mode = _autoreset_mode(autoreset_mode)
        self.core, self.params = core_and_params(core, params, options)
        self.metadata = {**metadata_of(self.core, render_mode, output), "autoreset_mode": self._mode}
        self.render_mode = render_mode
        self.single_action_space = self.core.action_space(self.params)
        self.single_observation_space = self.core.observation_space(self.params)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self._check = ActionCheck(self.single_action_space, (self.num_envs,))
        self._output = output
        self._driver = Driver(self.core, self.params, self.num_envs, AUTO_RESET[self._mode], output, max_episode_steps)
        self._over: Any = np.zeros(self.num_envs, bool)
        renderer = renderer_of(self.core, self.params, render_mode, max_episode_steps)
        self._recorders = [] if renderer is None else [Recorder(renderer) for _ in range(self.num_envs)]

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """The observation of every lane, and an empty info.

        ``seed`` s gives lane i the seed s + i, a sequence gives one for each lane; where it is None, the lane goes on
        to its next episode. ``options={"reset_mask": bool[num_envs]}`` leaves the other lanes alone. Raises TypeError
        or ValueError for a seed outside [0, 2**32 - 1], another number of seeds, other options, a mask of another
        kind.
        """
        seeds, seeded = self._seeds(seed)
        mask = self._reset_mask(options)
        if not self._driver.started and not mask.all():
            raise ResetNeeded("the first reset must be of all lanes, got a reset_mask with some False")
        super().reset(seed=int(seeds[seeded][0]) if seeded.any() else None)
        if not self._driver.started:
            drawn = drawn_seed(self.np_random, self.num_envs) + np.arange(self.num_envs)
            seeds = np.where(seeded, seeds, drawn)
            observation = self._driver.start(seeds.astype(np.uint32))
        else:
            observation = self._driver.restart(mask, seeds.astype(np.uint32), seeded & mask)
        self._over = np.asarray(self._over) & ~mask
        for lane in np.flatnonzero(mask) if self._recorders else ():
            self._recorders[lane].clear()
        return observation, {}

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Observation, reward, terminated, truncated and info of one step of every lane.

        Raises as ``GymEnv.step``; an invalid action in one lane is refused for all.
        """
        waiting = self._over
        step = self.advance(actions)
        reward = step.reward if self._output == "jax" else step.reward.astype(np.float64)
        return step.observation, reward, step.terminated, step.truncated, self._infos(step, waiting)

    def advance(self, actions: Any) -> Step:
        """One step of every lane as compiled code returns it, which other adapters give their own form; as ``step``."""
        if not self._driver.started:
            raise ResetNeeded(NEEDS_RESET)
        waiting = self._over
        if self._mode is AutoresetMode.DISABLED and waiting.any():
            over = np.flatnonzero(waiting)[:5].tolist()
            raise ResetNeeded(f'episodes are over, first in lanes {over}: call reset(options={{"reset_mask": mask}})')
        ignored = np.asarray(waiting) if self._mode is AutoresetMode.NEXT_STEP else None
        step = self._driver.step(self._check(actions, ignored))
        self._over = step.over
        if self._recorders:
            self._record(step, np.asarray(waiting))
        return step

    def render(self) -> Any:
        """A tuple with each lane's episode so far, as ``GymEnv.render`` shows it; None without a render mode."""
        if not self._recorders:
            logger.warn("render() shows nothing without a render_mode; give one to gymnasium.make_vec")
            return None
        if not self._driver.started:
            raise ResetNeeded(NEEDS_RESET)
        return tuple(recorder.frame() for recorder in self._recorders)

    def _record(self, step: Step, waiting: Mask) -> None:
        info = {name: np.asarray(value) for name, value in step.info.items()}
        over = np.asarray(step.over)
        for lane, recorder in enumerate(self._recorders):
            if self._mode is AutoresetMode.NEXT_STEP and waiting[lane]:
                recorder.clear()
                continue
            recorder.record({name: value[lane] for name, value in info.items()})
            if self._mode is AutoresetMode.SAME_STEP and over[lane]:
                recorder.clear()

    def _infos(self, step: Step, waiting: Any) -> dict[str, Any]:
        if self._mode is not AutoresetMode.SAME_STEP:
            return self._masked(step.info, ~waiting)
        infos = self._masked(step.info, ~step.over)
        if self._output == "jax" or step.over.any():
            infos["final_obs"], infos["_final_obs"] = self._final_observation(step), step.over.copy()
            infos["final_info"], infos["_final_info"] = self._masked(step.info, step.over), step.over.copy()
        return infos

    def _final_observation(self, step: Step) -> Any:
        """The last observation of each lane that is over; on the host one object a lane, None where it goes on."""
        if self._output == "jax":
            return step.final_observation
        final_observation = np.full(self.num_envs, None, dtype=object)
        for lane in np.flatnonzero(step.over):
            final_observation[lane] = step.final_observation[lane].copy()
        return final_observation

    def _masked(self, info: dict[str, Any], mask: Any) -> dict[str, Any]:
        """``info`` with a mask for each key; on the host without keys that no lane has, and 0 outside the mask."""
        if self._output == "jax":
            return {**info, **{f"_{name}": mask for name in info}}
        if not mask.any():
            return {}
        infos: dict[str, Any] = {}
        everywhere = mask.all()
        for name, value in info.items():
            infos[name] = value if everywhere else _zero_outside(mask, value)
            infos[f"_{name}"] = mask.copy()
        return infos

    def _seeds(self, seed: int | Sequence[int | None] | None) -> tuple[npt.NDArray[np.int64], Mask]:
        """A seed for each lane, and which of them were given."""
        if seed is None:
            return np.zeros(self.num_envs, np.int64), np.zeros(self.num_envs, bool)
        if not isinstance(seed, Sequence | np.ndarray) or isinstance(seed, str):
            first = validation.integer("seed", seed, 0, MAX_SEED - self.num_envs + 1)
            return np.arange(first, first + self.num_envs), np.ones(self.num_envs, bool)
        if len(seed) != self.num_envs:
            raise ValueError(f"seed must be one integer or {self.num_envs} of them, got {len(seed)}")
        checked = [None if each is None else validation.integer("seed", each, 0, MAX_SEED) for each in seed]
        return np.array([each or 0 for each in checked]), np.array([each is not None for each in checked])

    def _reset_mask(self, options: dict[str, Any] | None) -> Mask:
        """The lanes to reset: all, or those of the option ``reset_mask``."""
        check_options(options, ("reset_mask",))
        if not options:
            return np.ones(self.num_envs, bool)
        mask = options["reset_mask"]
        if not isinstance(mask, np.ndarray) or mask.dtype != bool:
            raise validation.wrong_type("reset_mask", "a NumPy array of bool", mask)
        if mask.shape != (self.num_envs,):
            raise ValueError(f"reset_mask must have shape ({self.num_envs},), got {mask.shape}")
        if not mask.any():
            raise ValueError("reset_mask must be True in at least one lane, got none")
        return mask


def _autoreset_mode(mode: AutoresetMode | str) -> AutoresetMode:
    try:
        return AutoresetMode(mode)
    except ValueError:
        allowed = "an AutoresetMode or one of " + ", ".join(repr(each.value) for each in AutoresetMode)
        raise validation.wrong_value("autoreset_mode", allowed, mode) from None


def _zero_outside(mask: Mask, value: npt.NDArray[Any]) -> npt.NDArray[Any]:
    masked = value.copy()
    masked[~mask] = 0
    return masked
