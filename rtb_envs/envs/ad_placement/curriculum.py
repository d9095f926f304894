"""The three markets of AdPlacement's curriculum, of equal shapes, so that one compiled program serves them all.

1. patient: users never leave for ads; 2. touchy: half of the default market's annoyance; 3. the default market, in
which methods are compared.
"""

from __future__ import annotations

from typing import Any

from rtb_envs import validation
from rtb_envs.envs.ad_placement.options import Options

_ANNOYANCE_SHARE = {1: 0.0, 2: 0.5, 3: 1.0}
STAGES = tuple(_ANNOYANCE_SHARE)


def curriculum_options(stage: int, **given: Any) -> dict[str, Any]:
    """Options for ``make("AdPlacement-v0", **options)`` of a stage, 1 to 3, with those ``given`` over them.

    Raises ValueError for another stage.
    """
    validation.choice("stage", stage, STAGES)
    return {"annoyance_hazard": _ANNOYANCE_SHARE[stage] * Options.annoyance_hazard, **given}
