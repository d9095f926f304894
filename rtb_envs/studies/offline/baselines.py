"""Placement baselines: what the personas are fitted to, read from YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtb_envs.studies.offline.checks import Checks
from rtb_envs.users.personas import DAYPARTS
from rtb_envs.validation import shown

NUM_EXPOSURES = 8
DEFAULT_IMPRESSIONS = 1_000_000
"""Stands for the impressions that a baseline's rates were measured on where the file does not say: its standard errors
and the posterior follow from it."""
_LARGEST = 1_000_000_000
_LEAST_PERCENT, _LEAST_CPM = 1e-4, 1e-6
"""A rate of one in a million, as the forecasts' least, and a micro-dollar."""
MAX_PLACEMENTS = 200
_RATE_FIELDS = ("cpm_dollars", "ctr_percent", "cvr_percent", "impressions")
_CELL_FIELDS = ("cpm_dollars", "cells")

EXAMPLE = {
    "Feed": (119.15, 1.45, 0.31),
    "Stories": (85.42, 2.13, 0.42),
    "Reels": (92.31, 1.87, 0.28),
    "Audience Network": (75.43, 1.24, 0.19),
    "Video Feeds": (105.22, 2.45, 0.38),
}
"""CPM ($), CTR (%) and CVR (%) of the example's placements."""


@dataclass(frozen=True)
class Baselines:
    """Counts by placement, daypart and exposure; where only a placement's rates are known, ``detailed`` is False and
    the one cell [placements, 1, 1] holds all of its impressions."""

    placements: tuple[str, ...]
    cpm: NDArray[np.float64]
    """$ for a thousand impressions [placements]."""
    impressions: NDArray[np.float64]
    """[placements, dayparts, exposures], as are the next two."""
    clicks: NDArray[np.float64]
    conversions: NDArray[np.float64]
    detailed: bool
    assumed_impressions: bool
    """Whether impressions were not given, so that standard errors rest on ``DEFAULT_IMPRESSIONS``."""


def example_baselines() -> Baselines:
    """The example's placements."""
    return parse_baselines(example_document(), Checks("placements.yaml"))


def example_document() -> dict[str, Any]:
    """The example's placements as a baselines file holds them."""
    return {
        "placements": {
            name: {"cpm_dollars": cpm, "ctr_percent": ctr, "cvr_percent": cvr}
            for name, (cpm, ctr, cvr) in EXAMPLE.items()
        }
    }


def read_baselines(path: Path) -> Baselines:
    """The baselines of a YAML file; InvalidInputError with a line for each error, OSError if it cannot be read."""
    from rtb_envs.yaml_reader import YamlError, read_yaml

    checks = Checks(path.name)
    try:
        document = read_yaml(path)
    except YamlError as error:
        for one in error.errors:
            checks.fail("the file", one)
        checks.finish()
    return parse_baselines(document, checks)


def parse_baselines(document: Any, checks: Checks) -> Baselines:
    """The baselines of a decoded file; see ``read_baselines``."""
    file = checks.mapping("the file", document)
    checks.fields("the file", file, ["placements"])
    placements = checks.mapping("placements", file.get("placements")) if file else {}
    if len(placements) > MAX_PLACEMENTS:
        checks.fail("placements", f"must be at most {MAX_PLACEMENTS}, got {len(placements)}")
        checks.finish()
    entries = {
        checks.name("placements: a name", name): checks.mapping(f"placement {shown(name)}", entry)
        for name, entry in placements.items()
    }
    with_cells = ["cells" in entry for entry in entries.values()]
    if any(with_cells) and not all(with_cells):
        checks.fail("placements", "must give cells for every placement or for none")
    detailed = bool(with_cells) and all(with_cells)
    read, fields = (_cells, _CELL_FIELDS) if detailed else (_rates, _RATE_FIELDS)
    for name, entry in entries.items():
        if detailed or "cells" not in entry:
            checks.fields(f"placement {name!r}", entry, fields)
    counts = [read(checks, f"placement {name!r}", entry) for name, entry in entries.items()]
    cpm = [
        checks.number(f"placement {name!r}", entry, "cpm_dollars", _LEAST_CPM, _LARGEST)
        for name, entry in entries.items()
    ]
    checks.finish()
    impressions, clicks, conversions = np.moveaxis(np.array(counts), 1, 0)
    assumed = not detailed and any("impressions" not in entry for entry in entries.values())
    return Baselines(tuple(entries), np.array(cpm), impressions, clicks, conversions, detailed, assumed)


def _rates(checks: Checks, where: str, entry: Mapping[str, Any]) -> NDArray[np.float64]:
    """Impressions, clicks and conversions [3, 1, 1] of a placement whose rates are given."""
    ctr = checks.number(where, entry, "ctr_percent", _LEAST_PERCENT, 100.0) / 100
    cvr = checks.number(where, entry, "cvr_percent", _LEAST_PERCENT, 100.0) / 100
    impressions = float(DEFAULT_IMPRESSIONS)
    if "impressions" in entry:
        impressions = checks.number(where, entry, "impressions", 1.0, _LARGEST)
    return np.array([impressions, impressions * ctr, impressions * ctr * cvr]).reshape(3, 1, 1)


def _cells(checks: Checks, where: str, entry: Mapping[str, Any]) -> NDArray[np.float64]:
    """Counts [3, dayparts, exposures] of a placement's cells, each given exactly once."""
    counts = np.full((3, len(DAYPARTS), NUM_EXPOSURES), np.nan)
    cells = entry["cells"]
    if not isinstance(cells, list):
        checks.fail(f"{where}: cells", "must be a list")
        return counts
    seen = set()
    for index, cell in enumerate(cells):
        at = f"{where}: cell {index}"
        cell = checks.mapping(at, cell)
        checks.fields(at, cell, ("daypart", "exposure", "impressions", "clicks", "conversions"))
        daypart, exposure = cell.get("daypart"), cell.get("exposure")
        if daypart not in DAYPARTS or type(exposure) is not int or not 1 <= exposure <= NUM_EXPOSURES:
            checks.fail(at, f"must have a daypart of {', '.join(DAYPARTS)} and an exposure from 1 to {NUM_EXPOSURES}")
            continue
        if (daypart, exposure) in seen:
            checks.fail(at, f"repeats {daypart}, exposure {exposure}")
        seen.add((daypart, exposure))
        impressions = checks.number(at, cell, "impressions", 1.0, _LARGEST)
        clicks = checks.number(at, cell, "clicks", 0.0, _LARGEST)
        conversions = checks.number(at, cell, "conversions", 0.0, _LARGEST)
        if clicks > impressions:
            checks.fail(f"{at}: clicks", f"must not exceed impressions, got {clicks:g} > {impressions:g}")
        if conversions > clicks:
            checks.fail(f"{at}: conversions", f"must not exceed clicks, got {conversions:g} > {clicks:g}")
        counts[:, DAYPARTS.index(daypart), exposure - 1] = impressions, clicks, conversions
    missing = len(DAYPARTS) * NUM_EXPOSURES - len(seen)
    if missing:
        checks.fail(f"{where}: cells", f"must cover every daypart and exposure, {missing} are missing")
    if np.nansum(counts[1]) < 1.0:
        # Conversions per click are no number then.
        checks.fail(f"{where}: cells", "must have a click in one of them at least")
    return counts
