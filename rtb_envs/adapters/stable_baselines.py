"""Any functional core without an agent axis as a Stable-Baselines3 ``VecEnv``; needs the extra ``[sb3]``."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterable, Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode

from rtb_envs import validation
from rtb_envs.adapters.driver import MAX_SEED
from rtb_envs.adapters.gymnasium import drawn_seed
from rtb_envs.adapters.gymnasium_vector import GymVectorEnv
from rtb_envs.adapters.lane_infos import LaneInfos
from rtb_envs.adapters.programs import Step
from rtb_envs.core import Environment
from rtb_envs.render import RenderMode

try:
    from stable_baselines3.common.monitor import Monitor
    from stable_baselines3.common.vec_env import VecEnv
except ImportError as error:
    raise ImportError("this adapter needs Stable-Baselines3: install the extra rtb-envs[sb3]") from error

Indices = int | Iterable[int] | None


class SB3VecEnv(VecEnv):
    """``num_envs`` lanes of a functional core for Stable-Baselines3's algorithms, stepped by one compiled call.

    ``core``, ``params``, ``options`` and ``max_episode_steps`` are as in ``GymVectorEnv``; lane i with the seed s is
    ``gymnasium.make`` with the seed s + i. A lane that ends begins its next episode in the same step.

    Infos are dictionaries made when looked at (``LaneInfos``), filled for finished lanes only, with the core's info of
    the last step and

    - ``terminal_observation``: the last observation of the episode;
    - ``TimeLimit.truncated``: whether the episode was cut off, so that its value goes on;
    - ``episode``: its return ``r``, length ``l`` in steps, and ``t``, seconds since this object was made, as SB3's
      ``Monitor`` gives them, so that no monitor is needed.

    All lanes are one program: ``get_attr`` gives every lane the same value, ``env_method`` calls a method of the core
    once for all, and ``set_attr`` is refused.
    """

    def __init__(
        self,
        core: str | Environment[Any, Any, Any],
        num_envs: int = 1,
        *,
        params: Any = None,
        render_mode: RenderMode | None = None,
        max_episode_steps: int | None = None,
        **options: Any,
    ) -> None:
        self._envs = GymVectorEnv(
            core,
            num_envs,
            params=params,
            render_mode=render_mode,
            autoreset_mode=AutoresetMode.SAME_STEP,
            max_episode_steps=max_episode_steps,
            **options,
        )
        super().__init__(num_envs, self._envs.single_observation_space, self._envs.single_action_space)
        self._actions: Any = None
        self._episode_return = np.zeros(num_envs)
        self._episode_length = np.zeros(num_envs, np.int64)
        self._began = time.time()

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Give lane i the seed ``seed`` + i at the next reset; None draws one. Returns the seeds.

        Raises TypeError or ValueError for a seed that is no integer in [0, 2**32 - num_envs].
        """
        if seed is None:
            first = drawn_seed(np.random.default_rng(), self.num_envs)
        else:
            first = validation.integer("seed", seed, 0, MAX_SEED - self.num_envs + 1)
        self._seeds = [first + lane for lane in range(self.num_envs)]
        return self._seeds

    def reset(self) -> npt.NDArray[Any]:
        """The first observations of new episodes: of the seeds given since the last reset, else of each lane's next.

        Raises ValueError where ``set_options`` gave any option, as there is none.
        """
        for options in self._options:
            if options:
                raise ValueError(f"options must be empty, as a reset takes none, got {options!r}")
        observation, _ = self._envs.reset(seed=self._seeds)
        self._reset_seeds()
        self._reset_options()
        self._episode_return[:] = 0
        self._episode_length[:] = 0
        return np.asarray(observation)

    def step_async(self, actions: npt.NDArray[Any]) -> None:
        self._actions = actions

    def step_wait(self) -> tuple[npt.NDArray[Any], npt.NDArray[np.float32], npt.NDArray[np.bool_], Any]:
        """Observations, rewards, whether each lane is over, and infos; raises as ``GymVectorEnv.step``.

        RuntimeError without a ``step_async`` since the last step.
        """
        if self._actions is None:
            raise RuntimeError("no step is under way: call step_async(actions) before step_wait()")
        actions, self._actions = self._actions, None
        step = self._envs.advance(actions)
        self._episode_return += step.reward
        self._episode_length += 1
        infos = LaneInfos(self.num_envs)
        if step.over.any():
            lanes = np.flatnonzero(step.over)
            totals = self._episode_return[lanes], self._episode_length[lanes], round(time.time() - self._began, 6)
            infos = LaneInfos(self.num_envs, functools.partial(_told, step, lanes, *totals))
            self._episode_return[lanes] = 0
            self._episode_length[lanes] = 0
        return step.observation, step.reward.astype(np.float32), step.over, infos

    def close(self) -> None:
        self._envs.close()

    def get_images(self) -> Sequence[npt.NDArray[np.uint8] | None]:
        """Each lane's episode so far as uint8[height, width, 3]; None without the render mode "rgb_array"."""
        return list(self._envs.render()) if self.render_mode == "rgb_array" else [None] * self.num_envs

    def get_attr(self, attr_name: str, indices: Indices = None) -> list[Any]:
        """An attribute of ``gymnasium.make``'s environment or of the core, once for each lane asked for."""
        lanes = self._lanes(indices)
        if attr_name in ("observation_space", "action_space"):
            return [getattr(self._envs, f"single_{attr_name}")] * len(lanes)
        source = self._envs if attr_name in ("core", "params", "render_mode", "metadata", "spec") else self._envs.core
        return [getattr(source, attr_name)] * len(lanes)

    def set_attr(self, attr_name: str, value: Any, indices: Indices = None) -> None:
        """Refused by an AttributeError: what an environment computes is fixed when it is made."""
        raise AttributeError(
            f"{attr_name} cannot be set, as all lanes are one compiled program: make another SB3VecEnv with the "
            "options or params wanted"
        )

    def env_method(self, method_name: str, *method_args: Any, indices: Indices = None, **method_kwargs: Any) -> Any:
        """What a method of the core returns, a copy for each lane asked for; "render" gives each lane's own frame."""
        lanes = self._lanes(indices)
        if method_name == "render":
            frames = self._envs.render()
            return [None if frames is None else frames[lane] for lane in lanes]
        returned = getattr(self._envs.core, method_name)(*method_args, **method_kwargs)
        return [deepcopy(returned) for _ in lanes]

    def env_is_wrapped(self, wrapper_class: type, indices: Indices = None) -> list[bool]:
        """True for ``Monitor``, whose ``episode`` is in the infos, and for no other wrapper."""
        return [issubclass(Monitor, wrapper_class)] * len(self._lanes(indices))

    def _lanes(self, indices: Indices) -> list[int]:
        return [range(self.num_envs)[lane] for lane in self._get_indices(indices)]


def _told(
    step: Step,
    lanes: npt.NDArray[np.intp],
    total: npt.NDArray[np.float64],
    length: npt.NDArray[np.int64],
    seconds: float,
) -> dict[int, dict[str, Any]]:
    """The infos of the ``lanes`` whose episodes a step has ended."""
    cut_off = step.truncated & ~step.terminated
    episodes = zip(total.tolist(), length.tolist(), strict=True)
    # Columns become rows at once: ten times faster than indexing each entry.
    columns: dict[str, list[Any]] = {
        **{name: _entries(values[lanes]) for name, values in step.info.items()},
        "terminal_observation": list(step.final_observation[lanes]),
        "TimeLimit.truncated": cut_off[lanes].tolist(),
        "episode": [{"r": its_total, "l": its_length, "t": seconds} for its_total, its_length in episodes],
    }
    rows = zip(*columns.values(), strict=True)
    return {lane: dict(zip(columns, row, strict=True)) for lane, row in zip(lanes.tolist(), rows, strict=True)}


def _entries(values: npt.NDArray[Any]) -> list[Any]:
    """Python numbers, or arrays where an entry is one."""
    return values.tolist() if values.ndim == 1 else list(values)
