"""Any functional core without an agent axis as a single Gymnasium environment."""

from __future__ import annotations

from typing import Any, get_args

import gymnasium
import numpy as np
from gymnasium import logger
from gymnasium.error import ResetNeeded

from rtb_envs import core as functional
from rtb_envs import validation
from rtb_envs.adapters.actions import ActionCheck
from rtb_envs.adapters.driver import MAX_SEED, Driver
from rtb_envs.adapters.programs import Output
from rtb_envs.core import Environment, FunctionalCore
from rtb_envs.render import Recorder, Renderer, RenderMode

NEEDS_RESET = "there is no episode yet: call env.reset() before the first env.step() or env.render()"


class GymEnv(gymnasium.Env[Any, Any]):
    """One functional core as a ``gymnasium.Env``.

    ``core`` is an id with its ``options``, or a core itself; ``params`` replaces its default parameters.

    Observations are fresh NumPy arrays, everything else is Python numbers; with ``output="jax"`` all are JAX arrays.
    ``reset(seed=s)`` begins episode 0 of lane key(s), which is lane i of a vector environment reset with s - i.
    ``reset()`` goes on to that lane's next episode; without any seed so far, the lane is drawn from ``np_random``.
    """

    metadata: dict[str, Any] = {"render_modes": list(get_args(RenderMode)), "render_fps": 4}  # noqa: RUF012

    def __init__(
        self,
        core: str | Environment[Any, Any, Any],
        *,
        params: Any = None,
        render_mode: RenderMode | None = None,
        output: Output = "numpy",
        **options: Any,
    ) -> None:
        self.core, self.params = core_and_params(core, params, options)
        self.metadata = metadata_of(self.core, render_mode, output)
        self.render_mode = render_mode
        self.action_space = self.core.action_space(self.params)
        self.observation_space = self.core.observation_space(self.params)
        self._check = ActionCheck(self.action_space)
        self._driver = Driver(self.core, self.params, None, output=output)
        renderer = renderer_of(self.core, self.params, render_mode)
        self._recorder = None if renderer is None else Recorder(renderer)
        self._over: Any = False

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """The first observation of an episode, and an empty info.

        Raises TypeError or ValueError for a ``seed`` outside [0, 2**32 - 1] and for any ``options``.
        """
        if seed is not None:
            seed = validation.integer("seed", seed, 0, MAX_SEED)
        check_options(options, ())
        super().reset(seed=seed)
        if seed is None and self._driver.started:
            observation = self._driver.restart()
        else:
            first = drawn_seed(self.np_random, 1) if seed is None else seed
            observation = self._driver.start(np.array([first], np.uint32))
        self._over = False
        if self._recorder is not None:
            self._recorder.clear()
        return observation, {}

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Observation, reward, terminated, truncated and info of one step.

        Raises TypeError or ValueError for an action outside the space, ``gymnasium.error.ResetNeeded`` before the
        first reset and after an episode's end; then nothing has changed.
        """
        if not self._driver.started:
            raise ResetNeeded(NEEDS_RESET)
        if self._over:
            raise ResetNeeded("the episode is over: call env.reset() before the next env.step()")
        step = self._driver.step(self._check(action))
        self._over = step.over
        if self._recorder is not None:
            self._recorder.record(step.info)
        return step.observation, step.reward, step.terminated, step.truncated, step.info

    def render(self) -> Any:
        """The episode so far: uint8[height, width, 3] for "rgb_array", a str for "ansi", None without a mode."""
        if self._recorder is None:
            logger.warn("render() shows nothing without a render_mode; give one to gymnasium.make")
            return None
        if not self._driver.started:
            raise ResetNeeded(NEEDS_RESET)
        return self._recorder.frame()


def core_and_params(
    core: str | Environment[Any, Any, Any], params: Any, options: dict[str, Any]
) -> tuple[Environment[Any, Any, Any], Any]:
    """The core of an id and its options, or the one given, and ``params`` or else its default parameters."""
    if isinstance(core, str):
        core = functional.make(core, **options)
    elif not isinstance(core, Environment):
        raise validation.wrong_type("core", "the id of an environment or a functional core", core)
    elif options:
        raise TypeError(f"options must be left out where core is no id, got {', '.join(options)}")
    return core, core.default_params if params is None else params


def metadata_of(core: Environment[Any, Any, Any], render_mode: RenderMode | None, output: Output) -> dict[str, Any]:
    """The metadata of an environment over ``core``; refuses a render mode or an output that it does not have."""
    render_modes = list(get_args(RenderMode)) if core.render_panels else []
    validation.choice("render_mode", render_mode, (None, *render_modes))
    validation.choice("output", output, get_args(Output))
    return {"render_modes": render_modes, "render_fps": 4, **({"jax": True} if output == "jax" else {})}


def renderer_of(
    core: FunctionalCore[Any, Any, Any], params: Any, mode: RenderMode | None, max_episode_steps: int | None = None
) -> Renderer | None:
    """What shows episodes of ``core``; None without a mode."""
    if mode is None:
        return None
    limits = [int(limit) for limit in (getattr(params, "horizon", None), max_episode_steps) if limit is not None]
    return Renderer(core.id, core.render_panels, mode, min(limits, default=None))


def check_options(options: dict[str, Any] | None, allowed: tuple[str, ...]) -> None:
    """Refuse options of ``reset`` other than ``allowed``: TypeError for no dictionary, ValueError for another name."""
    if options is not None and not isinstance(options, dict):
        raise validation.wrong_type("options", "None or a dictionary", options)
    if unknown := sorted(map(str, set(options or {}) - set(allowed))):
        what = f"hold nothing but {', '.join(allowed)}" if allowed else "be None or empty"
        raise ValueError(f"options must {what}, got {', '.join(unknown)}")


def drawn_seed(random: np.random.Generator, lanes: int) -> int:
    """A seed s for which s .. s + lanes - 1 are seeds too."""
    return int(random.integers(MAX_SEED - lanes + 2))
