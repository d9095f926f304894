"""Building an AdAuction from options and presets: the entry point of the registry."""

from __future__ import annotations

from typing import Any

from rtb_envs.envs.ad_auction.environment import AdAuction
from rtb_envs.envs.ad_auction.options import Options, option_names
from rtb_envs.envs.ad_auction.presets import preset_options


def make_ad_auction(preset: str | None = None, **options: Any) -> AdAuction:
    """An AdAuction with ``options`` (see ``Options``) over those of ``preset`` (see ``presets.PRESETS``).

    Raises TypeError for an unknown option, ValueError or TypeError for a wrong one, each naming it.
    """
    unknown = sorted(set(options) - set(option_names()))
    if unknown:
        raise TypeError(f"unknown option {unknown[0]!r}; AdAuction takes preset, {', '.join(option_names())}")
    chosen = Options(**{**(preset_options(preset) if preset is not None else {}), **options})
    return AdAuction(chosen.config(), chosen.params())
