"""Sample journeys to read: who a user is, what it is shown, what it does."""

from __future__ import annotations

import io

import jax
import numpy as np

from rtb_envs.random import Stream
from rtb_envs.studies.offline.auction import numbers_of
from rtb_envs.studies.offline.calibration import persona_weights
from rtb_envs.studies.offline.journeys import population
from rtb_envs.studies.offline.study import Study
from rtb_envs.studies.offline.verdict import SLATE_SIZE
from rtb_envs.users.personas import (
    DAYPARTS,
    DEVICES,
    PERSONAS,
    PRICE_DOLLARS,
    click_probability,
    conversion_probability,
    fatigue_by_exposure,
)

_SAMPLES = 41


def sample_journeys(study: Study, number: int) -> str:
    """``number`` users, the i-th shown the i-th creative of the slate (in turn) as often as that creative's users are.

    A user who signs up sees no more. Probabilities are those of the persona's formulas, at the quality that gives the
    creative its adjusted rates over all users.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=f"{number} sample journeys", title_justify="left")
    for name in ("user", "persona", "device", "creative"):
        table.add_column(name)
    table.add_column("exposures: daypart, P(click) in %, what happened")
    slate = study.orders["journeys"][:SLATE_SIZE]
    users = population(Stream.from_key(jax.random.key(study.settings.seed + _SAMPLES)), number, numbers_of(study.items))
    random = np.random.default_rng((study.settings.seed, _SAMPLES))
    for user in range(number):
        creative = int(slate[user % len(slate)])
        persona, device = int(users.persona[user]), int(users.device[user])
        seen = _exposures(
            study,
            random,
            creative,
            persona,
            device,
            np.asarray(users.daypart[user]),
            float(users.match[user, creative]),
        )
        names = PERSONAS.names[persona], DEVICES[device], escape(study.items[creative].creative_id)
        table.add_row(str(user + 1), *names, "\n".join(seen))
    screen = io.StringIO()
    Console(file=screen, width=110).print(table)
    return screen.getvalue()


def _exposures(
    study: Study,
    random: np.random.Generator,
    creative: int,
    persona: int,
    device: int,
    dayparts: np.ndarray[tuple[int, ...], np.dtype[np.int32]],
    match: float,
) -> list[str]:
    clicks, signups = persona_weights()
    mean_clicks = (clicks.sum(axis=0) * study.fitted.dayparts).mean()
    mean_signups = (signups.sum(axis=0) * study.fitted.dayparts).mean()
    quality = study.items[creative].ctr / mean_clicks
    conversion_quality = study.cvr_adjusted[creative] * mean_clicks / mean_signups
    fatigue = np.asarray(fatigue_by_exposure(study.fitted.fatigue_rate, study.fitted.fatigue_recovery, 8))
    seen = []
    for exposure in range(max(1, round(study.items[creative].frequency))):
        daypart = int(dayparts[exposure])
        moment = PERSONAS.daypart[persona, daypart] * study.fitted.dayparts[daypart]
        affinity = PERSONAS.brand_affinity[persona]
        click = float(
            click_probability(
                PERSONAS.click_propensity[persona],
                quality,
                moment,
                PERSONAS.device[persona, device],
                fatigue[exposure],
                affinity,
                match,
            )
        )
        attention = min(1.0, random.exponential())
        signup = float(
            conversion_probability(
                PERSONAS.conversion_rate[persona],
                conversion_quality,
                PERSONAS.price_sensitivity[persona],
                PRICE_DOLLARS,
                PERSONAS.budget_dollars[persona],
                affinity,
                match,
                attention,
            )
        )
        clicked = random.uniform() < click
        signed_up = random.uniform() < signup and clicked
        what = "signs up" if signed_up else "clicks" if clicked else "passes"
        seen.append(f"day {exposure + 1} {DAYPARTS[daypart]:<9} {100 * click:5.2f} {what}")
        if signed_up:
            break
    return seen
