"""The page of a study: the verdict first, then what it rests on."""

from __future__ import annotations

import math

from rtb_envs.pages import Page
from rtb_envs.studies.offline import charts
from rtb_envs.studies.offline.comparison import METHODS
from rtb_envs.studies.offline.forecasts import DEFAULT_FREQUENCY
from rtb_envs.studies.offline.study import Study
from rtb_envs.studies.offline.summary import dollars, verdict_sentence
from rtb_envs.studies.offline.verdict import NUM_RESAMPLES, NUM_USERS, SLATE_SIZE


def study_page(study: Study, *, example_baselines: bool = False) -> Page:
    """The page; ``example_baselines`` says that no baselines were given and the example's stand in."""
    settings = study.settings
    page = Page(
        "Offline study of creatives",
        f"{len(study.items)} creatives, ${settings.budget:,} a day, {settings.num_rounds:,} auctions each, "
        f"{settings.num_days} days of Thompson Sampling, seed {settings.seed}",
    )
    page.verdict(verdict_sentence(study.verdict))
    page.text(*_caveats(study, example_baselines))
    _costs(page, study)
    _ranks(page, study)
    _auctions(page, study)
    _thompson(page, study)
    _journeys(page, study)
    return page


def _caveats(study: Study, example_baselines: bool) -> list[str]:
    said = [
        "The truth is simulated: each creative's hidden sign-up rate is drawn around its forecast, as widely as the "
        "forecast's p10 to p90, and users are those of the persona model. The verdict says what these models imply; "
        "it is no measurement of production."
    ]
    if example_baselines:
        said.append("No baselines were given: the personas are fitted to the example's placements.")
    if not study.fitted.detailed:
        said.append(
            "The baselines hold plain rates of each placement, so only its two scales are fitted; dayparts stay at 1, "
            "fatigue at its published defaults with their spread."
        )
    if study.baselines.assumed_impressions:
        said.append("They do not say on how many impressions they rest: a million each is assumed.")
    if any(item.reach is None for item in study.items):
        said.append(
            f"Creatives whose forecast has no reach are taken to be shown {DEFAULT_FREQUENCY:g} times to each user."
        )
    return said


def _costs(page: Page, study: Study) -> None:
    page.heading("What a customer costs")
    page.figure(
        "CAC by creative and method",
        charts.cac_chart(study),
        "Bars: p10 to p90 of the forecast; middle 95 % of the others. The forecast prices its own impressions, the "
        "other three the simulated auctions. Creatives in the order of the journey-aware method.",
    )
    rows = []
    for i in study.orders["journeys"]:
        forecast = study.cac.of["forecast"][0, i]
        deltas = [_signed(study.cac.of[method][0, i] - forecast) for method in METHODS[1:]]
        rows.append([study.items[i].creative_id, dollars(forecast), *deltas])
    header = ["creative", "forecast CAC ($)"]
    header += [f"{charts.METHOD_NAMES[method]} ($)" for method in METHODS[1:]]
    page.table("CAC: the forecast, and what each method adds to it, $ a sign-up", header, rows)


def _ranks(page: Page, study: Study) -> None:
    page.heading("Where the methods disagree")
    page.figure(
        "Rank of each creative by method",
        charts.slope_chart(study),
        f"Above the dotted line: the slate of {SLATE_SIZE}. Green enters Thompson's slate by the journeys, orange "
        "leaves it. A creative that Thompson Sampling stopped ranks after all that it did not.",
    )
    verdict = study.verdict
    rows = [
        ["Thompson's slate", *map(dollars, verdict.thompson_cac)],
        ["journey-aware slate", *map(dollars, verdict.journey_cac)],
        ["gain", *map(dollars, verdict.gain)],
    ]
    page.table(
        "CAC over held-out simulated journeys, $ a sign-up",
        ["slate", "median ($)", "2.5 % ($)", "97.5 % ($)"],
        rows,
        f"{NUM_USERS:,} users meet both slates at the same moments; {NUM_RESAMPLES:,} resamples of users, with draws "
        "of the fit, the sign-up rates and the auctions' costs. A switch needs a gain above 0 at 2.5 %.",
    )
    header = ["method", "wasted before a stop ($)", "rotation regret (sign-ups)", "sign-ups", "creatives stopped"]
    rotation = [
        [
            charts.METHOD_NAMES[method],
            f"{result.wasted_spend:,.0f}",
            f"{result.regret:,.0f}",
            f"{result.signups:,}",
            str(result.stopped),
        ]
        for method, result in ((method, study.rotations[method]) for method in METHODS)
    ]
    page.table(
        f"Early stops and rotation over {study.settings.num_days} days",
        header,
        rotation,
        "Fixed slates in equal parts, Thompson by its posterior, all under the same stop rule and the response that "
        "is left over whole journeys. Regret: against the best capped allocation of the true rates.",
    )


def _auctions(page: Page, study: Study) -> None:
    page.heading("Auctions")
    page.figure(
        "Win rate by bid",
        charts.win_rate_chart(study),
        "Four slots, generalised second price, six rivals; at the cap of 6 $ bids tie with the highest rivals'.",
    )
    page.figure(
        "Sensitivity to bid and quality",
        charts.sensitivity_chart(study),
        "Mean win rate of the creatives, and how many of the five cheapest stay so.",
    )


def _thompson(page: Page, study: Study) -> None:
    page.heading("Thompson Sampling")
    page.figure("Spend by day and creative", charts.allocation_chart(study), "In the order of the final ranking.")


def _journeys(page: Page, study: Study) -> None:
    page.heading("Personas and journeys")
    page.figure("Fatigue", charts.fatigue_chart(study), "Interest that is left when the same creative comes again.")
    page.figure(
        "Dayparts", charts.daypart_chart(study), "The personas' own habits, times what the baselines add to them."
    )
    page.figure(
        "Placement baselines and fit",
        charts.fit_chart(study),
        _fit_note(study),
    )
    rows = [
        [
            study.items[i].creative_id,
            f"{study.items[i].frequency:.1f}",
            f"{100 * study.ctr_adjusted[i]:.2f}",
            f"{100 * study.cvr_adjusted[i]:.2f}",
            dollars(study.cac.of["journeys"][0, i]),
        ]
        for i in study.orders["journeys"]
    ]
    header = ["creative", "exposures a user", "CTR adjusted (%)", "CVR adjusted (%)", "CAC adjusted ($)"]
    page.table("Creatives over whole journeys", header, rows, "Adjusted for repetition and for the tested days.")


def _fit_note(study: Study) -> str:
    fitted = study.fitted
    if not fitted.detailed:
        return "Two scales a placement: they meet its two rates."
    return (
        f"Relative error, root mean square over cells: CTR {100 * fitted.ctr_error:.1f} %, CVR "
        f"{100 * fitted.cvr_error:.0f} %; the cells' finite counts alone would give {100 * fitted.ctr_noise:.1f} % and "
        f"{100 * fitted.cvr_noise:.0f} %."
    )


def _signed(value: float) -> str:
    return f"{value:+,.2f}" if math.isfinite(value) else "–"
