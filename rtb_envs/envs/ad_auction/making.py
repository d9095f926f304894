"""Building an AdAuction from options and presets: the entry point of the registry."""

from __future__ import annotations

from typing import Any

from rtb_envs.envs.ad_auction.environment import AdAuction
from rtb_envs.envs.ad_auction.options import Options, option_names
from rtb_envs.envs.ad_auction.presets import preset_options

_DECIDE_VOLUMES = {"horizon", "search_volume_mean", "search_volume_std", "minimum_search_volume", "day_curve"}
_COMPILED_FOR_VOLUMES = {"max_auctions", "largest_search_volume"}


def make_ad_auction(preset: str | None = None, **options: Any) -> AdAuction:
    """An AdAuction with ``options`` (see ``Options``) over those of ``preset`` (see ``presets.PRESETS``).

    Raises TypeError for an unknown option, ValueError or TypeError for a wrong one, each naming it.
    """
    unknown = sorted(set(options) - set(option_names()))
    if unknown:
        raise TypeError(f"unknown option {unknown[0]!r}; AdAuction takes preset, {', '.join(option_names())}")
    of_preset = preset_options(preset) if preset is not None else {}
    if not _DECIDE_VOLUMES.isdisjoint(options):
        # What the preset was compiled for does not bind a market of other volumes.
        of_preset = {name: value for name, value in of_preset.items() if name not in _COMPILED_FOR_VOLUMES}
    chosen = Options(**{**of_preset, **options})
    return AdAuction(chosen.config(), chosen.params())
