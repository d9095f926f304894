"""Checkpoints of a training by orbax: the learner's whole state, and where in the run it stands.

Orbax writes a checkpoint under a temporary name and renames it when it is complete; what a killed process left half
written is never listed. One ``last`` and one ``best`` are kept; an older one goes only when the newer is complete.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypeVar

import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp

from training.run import RunError

StateT = TypeVar("StateT")
Kind = Literal["last", "best"]
_LONGEST_REASON = 200


@dataclass(frozen=True)
class Progress:
    """Where a run stands after ``iteration`` updates.

    ``stage`` counts from 1; ``stage_iteration`` is the number of updates made in it. ``best_score`` is the best
    validation score in the last stage so far, at ``best_iteration``. ``seconds`` of training exclude compilation.
    """

    iteration: int = 0
    stage: int = 1
    stage_iteration: int = 0
    best_score: float | None = None
    best_iteration: int | None = None
    seconds: float = 0.0
    compile_seconds: float = 0.0
    finished: bool = False


class Checkpoints:
    """The checkpoints of one kind under a run's folder; a context manager."""

    def __init__(self, folder: Path, kind: Kind) -> None:
        # Synchronous: a checkpoint is small, and what follows its save relies on it being there.
        options = ocp.CheckpointManagerOptions(max_to_keep=1, enable_async_checkpointing=False)
        self._manager = ocp.CheckpointManager((folder / kind).absolute(), options=options)

    def __enter__(self) -> Checkpoints:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._manager.close()

    @property
    def iteration(self) -> int | None:
        """Iteration of the newest complete checkpoint, None when there is none."""
        return self._manager.latest_step()

    def save(self, state: Any, progress: Progress) -> None:
        """Keep this state as the newest one."""
        items = ocp.args.Composite(
            state=ocp.args.StandardSave(jax.tree.map(_storable, state)), progress=ocp.args.JsonSave(asdict(progress))
        )
        self._manager.save(progress.iteration, args=items, force=True)

    def restore(self, like: StateT) -> tuple[StateT, Progress]:
        """The newest state and where it stood; ``like`` is a state of the same shapes (jax.eval_shape's will do).

        Raises FileNotFoundError when there is none, RunError for one that is damaged or of other shapes.
        """
        if self.iteration is None:
            raise FileNotFoundError(f"there is no complete checkpoint in {self._manager.directory}")
        items = ocp.args.Composite(
            state=ocp.args.StandardRestore(jax.tree.map(_described, like)), progress=ocp.args.JsonRestore()
        )
        try:
            restored = self._manager.restore(self.iteration, args=items)
            state = jax.tree.map(
                lambda own, leaf: leaf if own.size else jnp.zeros(own.shape, own.dtype), like, restored.state
            )
            return state, Progress(**restored.progress)
        except (ValueError, KeyError, TypeError, OSError) as error:
            reason = " ".join(str(error).split())[:_LONGEST_REASON]
            raise RunError(
                f"the checkpoint {self.iteration} in {self._manager.directory} cannot be read "
                f"({type(error).__name__}: {reason}): remove it to go on without it"
            ) from error


def _storable(leaf: Any) -> Any:
    """``leaf``, or one number in the place of an empty array, which orbax refuses."""
    return leaf if leaf.size else jnp.zeros(1, leaf.dtype)


def _described(leaf: Any) -> jax.ShapeDtypeStruct:
    if not leaf.size:
        return jax.ShapeDtypeStruct((1,), leaf.dtype)
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=getattr(leaf, "sharding", None))
