"""The example inputs, and the generator that made them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from rtb_envs.files import write_texts
from rtb_envs.studies.offline.baselines import NUM_EXPOSURES, example_document, parse_baselines
from rtb_envs.studies.offline.checks import Checks
from rtb_envs.users.personas import DAYPARTS

FORECASTS, PLACEMENTS, BY_EXPOSURE = "forecasts.json", "placements.yaml", "placements_by_exposure.yaml"
NUM_CREATIVES, BUDGETS, SEED = 16, (10_000, 30_000), 4
FORMATS = ("video", "carousel", "image", "story")
_TRUE_DAYPARTS, _TRUE_FATIGUE = (0.85, 0.95, 1.25, 0.95), (0.4, 0.15)
_LEAST_P_WIN, _SIGNIFICANT, _CELL_IMPRESSIONS = 0.02, 4, 100_000


def example_forecasts(num_creatives: int = NUM_CREATIVES, seed: int = SEED) -> dict[str, Any]:
    """Forecasts of ``num_creatives`` creatives as a file holds them: click rates around 2 %, sign-ups per click
    around 5 %, a cost per click around 3.60 $, one to eight exposures a user, p10 and p90 some 15 to 40 % off p50."""
    random = np.random.default_rng(seed)
    items = []
    for index in range(num_creatives):
        ctr = float(np.clip(0.02 * np.exp(0.35 * random.standard_normal()), 0.004, 0.049))
        cvr = float(np.clip(0.05 * np.exp(0.35 * random.standard_normal()), 0.005, 0.3))
        cost_per_click = 3.6 * float(np.exp(0.15 * random.standard_normal()))
        cpm, frequency = 1000.0 * ctr * cost_per_click, float(random.choice((1.2, 2.5, 5.0, 7.5)))
        budgets = {str(budget): _figures(budget, cpm, ctr, cvr, frequency) for budget in BUDGETS}
        name = f"{FORMATS[index % len(FORMATS)]}-{index // len(FORMATS) + 1:02d}"
        items.append({"creative_id": name, "p_win": 0.0, "budgets": budgets})
    worth = np.array([1.0 / item["budgets"]["30000"]["cac"]["p50"] for item in items])  # type: ignore[index]
    chance = np.maximum(_LEAST_P_WIN, (worth / worth.max()) ** 3 * 0.9)
    for item, p_win in zip(items, chance, strict=True):
        item["p_win"] = round(float(p_win), 3)
    return {"items": items}


def example_by_exposure(seed: int = SEED) -> dict[str, Any]:
    """The example's placements with counts by daypart and exposure, drawn from the persona model: their rates, dayparts
    of .85, .95, 1.25 and .95, and a fatigue that takes 40 % of the interest and gives back 15 % of itself a day."""
    import jax.numpy as jnp

    from rtb_envs.studies.offline.calibration import fit, predicted_rates

    document, random = example_document(), np.random.default_rng((seed, 1))
    placements, names = document["placements"], list(document["placements"])
    plain = fit(parse_baselines(document, Checks(PLACEMENTS)))
    free = np.concatenate([plain.estimate[: 2 * len(names)], _TRUE_DAYPARTS[:3], _TRUE_FATIGUE])
    rates = predicted_rates(jnp.asarray(free, jnp.float32), len(names))
    # Rounded, so that the last bit of a machine's arithmetic draws no other counts.
    ctr, cvr = (np.round(np.asarray(rate, np.float64), 5) for rate in rates)
    clicks = random.binomial(_CELL_IMPRESSIONS, ctr)
    conversions = random.binomial(clicks, cvr)
    for p, name in enumerate(names):
        cells = [
            {
                "daypart": daypart,
                "exposure": exposure + 1,
                "impressions": _CELL_IMPRESSIONS,
                "clicks": int(clicks[p, d, exposure]),
                "conversions": int(conversions[p, d, exposure]),
            }
            for d, daypart in enumerate(DAYPARTS)
            for exposure in range(NUM_EXPOSURES)
        ]
        placements[name] = {"cpm_dollars": placements[name]["cpm_dollars"], "cells": cells}
    return document


def _figures(budget: float, cpm: float, ctr: float, cvr: float, frequency: float) -> dict[str, dict[str, float]]:
    impressions = budget / cpm * 1000.0
    clicks, signups = impressions * ctr, impressions * ctr * cvr
    return {
        "impressions": _quantiles(impressions, 1.15),
        "clicks": _quantiles(clicks, 1.25),
        "signups": _quantiles(signups, 1.4),
        "cac": _quantiles(budget / signups, 1.4),
        "reach": _quantiles(impressions / frequency, 1.15),
    }


def _quantiles(median: float, ratio: float) -> dict[str, float]:
    points = {"p10": median / ratio, "p50": median, "p90": median * ratio}
    return {name: float(f"{value:.{_SIGNIFICANT}g}") for name, value in points.items()}


def example_files() -> dict[str, str]:
    """File name -> contents of the example."""
    import yaml

    forecasts = json.dumps(example_forecasts(), indent=1) + "\n"
    return {
        FORECASTS: forecasts,
        PLACEMENTS: yaml.safe_dump(example_document(), sort_keys=False),
        BY_EXPOSURE: yaml.safe_dump(example_by_exposure(), sort_keys=False, default_flow_style=None, width=120),
    }


def write_example(folder: Path) -> list[Path]:
    """Write the example's files into ``folder``, which is made; returns their paths.

    Raises FileExistsError rather than replace a file of one of their names that holds something else.
    """
    texts = example_files()
    for name, text in texts.items():
        path = folder / name
        if path.exists() and not (path.is_file() and path.read_bytes() == text.encode()):
            raise FileExistsError(f"{name} is there already and is not the example's")
    return write_texts(folder, texts)
