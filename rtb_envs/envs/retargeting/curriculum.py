"""The three markets of Retargeting's curriculum, of equal shapes, so that one compiled program serves them all."""

from __future__ import annotations

from typing import Any

from rtb_envs import validation

_COMPLEXITY = {1: 0.3, 2: 0.6, 3: 1.0}
_DRIFT = {1: 0.0, 2: 0.0, 3: 0.2}
STAGES = tuple(_COMPLEXITY)


def curriculum_options(stage: int, **given: Any) -> dict[str, Any]:
    """Options for ``make_multi_agent("retargeting_v0", **options)`` of a stage, 1 to 3, with those ``given`` over them.

    1. basic bidding: customers stay in their stage; 2. customer lifecycle; 3. the full market, with drift. Raises
    ValueError for another stage.
    """
    validation.choice("stage", stage, STAGES)
    return {"complexity": _COMPLEXITY[stage], "drift": _DRIFT[stage], **given}
