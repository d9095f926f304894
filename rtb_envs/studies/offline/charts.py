"""The charts of a study's page."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from rtb_envs.pages import COLORS, MUTED, literal
from rtb_envs.studies.offline.baselines import NUM_EXPOSURES
from rtb_envs.studies.offline.calibration import persona_weights
from rtb_envs.studies.offline.comparison import BID_FACTORS, METHODS, QUALITY_FACTORS
from rtb_envs.studies.offline.study import Study
from rtb_envs.studies.offline.verdict import SLATE_SIZE
from rtb_envs.users.personas import DAYPARTS, LEAST_INTEREST, fatigue_by_exposure

METHOD_NAMES = {
    "forecast": "forecast",
    "auction": "auction-aware",
    "thompson": "Thompson Sampling",
    "journeys": "journey-aware",
}
_METHOD_COLORS = dict(zip(METHODS, (COLORS[6], COLORS[4], COLORS[1], COLORS[0]), strict=True))
_METHOD_SYMBOLS = dict(zip(METHODS, ("circle", "diamond", "square", "triangle-up"), strict=True))
_ROW_HEIGHT = 46
_COST_TICKS = [size * 10**power for power in range(-2, 6) for size in (1, 1.5, 2, 3, 4, 5, 7)]


def cac_chart(study: Study) -> go.Figure:
    """CAC of each creative by each method with its interval."""
    order = study.orders["journeys"][::-1]
    figure = go.Figure()
    for index, method in enumerate(METHODS):
        middle, low, high = study.cac.of[method][:, order]
        figure.add_scatter(
            x=middle,
            y=np.arange(len(order)) + 0.27 - 0.18 * index,
            error_x={
                "type": "data",
                "array": high - middle,
                "arrayminus": middle - low,
                "thickness": 1.5,
                "width": 3,
            },
            mode="markers",
            marker={"color": _METHOD_COLORS[method], "symbol": _METHOD_SYMBOLS[method], "size": 9},
            name=METHOD_NAMES[method],
        )
    names = [literal(study.items[i].creative_id) for i in order]
    return figure.update_layout(
        xaxis_title="CAC ($ a sign-up, logarithmic)",
        yaxis_title="creative",
        height=140 + _ROW_HEIGHT * len(order),
        xaxis={"type": "log", "tickvals": _COST_TICKS, "range": _cost_range(study)},
        yaxis={"tickvals": list(range(len(order))), "ticktext": names},
    )


def _cost_range(study: Study) -> list[float]:
    """Powers of ten that hold every point; a very long interval leaves the chart."""
    middle, low, high = (np.concatenate([study.cac.of[method][row] for method in METHODS]) for row in range(3))
    top = min(np.nanmax(high), 2.0 * np.nanmax(middle))
    bottom = max(np.nanmin(low), 0.5 * np.nanmin(middle))
    return [float(np.log10(0.95 * bottom)), float(np.log10(1.05 * top))]


def slope_chart(study: Study) -> go.Figure:
    """The rank of each creative by each method; lines that end in another slate than they began in are coloured."""
    ranks, figure = study.ranks, go.Figure()
    positions = list(range(len(METHODS)))
    for i, item in enumerate(study.items):
        path = [int(ranks[method][i]) for method in METHODS]
        enters, leaves = path[-1] <= SLATE_SIZE < path[2], path[2] <= SLATE_SIZE < path[-1]
        color = COLORS[2] if enters else COLORS[1] if leaves else MUTED
        figure.add_scatter(
            x=positions,
            y=path,
            mode="lines+markers",
            line={"color": color, "width": 3 if enters or leaves else 1.2},
            marker={"size": 8},
            name=literal(item.creative_id),
            showlegend=False,
        )
        for x, anchor, rank in ((0, "right", path[0]), (positions[-1], "left", path[-1])):
            figure.add_annotation(
                x=x,
                y=rank,
                text=literal(item.creative_id),
                showarrow=False,
                xanchor=anchor,
                xshift=10 if anchor == "left" else -10,
                font={"color": color},
            )
    figure.add_hline(y=SLATE_SIZE + 0.5, line={"dash": "dot", "color": MUTED})
    return figure.update_layout(
        xaxis={
            "tickvals": positions,
            "ticktext": [METHOD_NAMES[method] for method in METHODS],
            "range": [-0.6, len(METHODS) - 0.4],
            "title": "method",
        },
        yaxis={"range": [len(study.items) + 0.6, 0.4], "dtick": 1, "title": "rank (1 = lowest CAC)", "showgrid": False},
        height=140 + 34 * len(study.items),
    )


def win_rate_chart(study: Study) -> go.Figure:
    """The win rate against the bid, with each creative on it and the range of its sensitivity."""
    result, figure = study.sensitivity, go.Figure()
    figure.add_scatter(
        x=result.curve_bids, y=100 * result.curve_win_rate, mode="lines", name="win rate of a bid", line={"width": 3}
    )
    middle = QUALITY_FACTORS.index(1.0)
    for b, factor in enumerate(BID_FACTORS):
        figure.add_scatter(
            x=np.minimum(study.auction.bid * factor, 6.0),
            y=100 * result.win_rate[b, middle],
            mode="markers",
            marker={
                "color": (COLORS[1], COLORS[2], COLORS[4])[b],
                "size": 9,
                "symbol": ("circle", "diamond", "square")[b],
            },
            text=[literal(item.creative_id) for item in study.items],
            name=f"creatives at bid × {factor:g}",
        )
    return figure.update_layout(xaxis_title="our bid ($ a click)", yaxis_title="win rate (% of auctions)")


def sensitivity_chart(study: Study) -> go.Figure:
    """Mean win rate and the stability of the five cheapest over bid and quality factors."""
    result = study.sensitivity
    text = [
        [
            f"win rate {100 * result.win_rate[b, q].mean():.0f} %<br>top 5 kept: {round(5 * result.top_overlap[b, q])}"
            for q in range(len(QUALITY_FACTORS))
        ]
        for b in range(len(BID_FACTORS))
    ]
    heat = go.Heatmap(
        x=[f"× {factor:g}" for factor in QUALITY_FACTORS],
        y=[f"× {factor:g}" for factor in BID_FACTORS],
        z=100 * result.win_rate.mean(axis=2),
        text=text,
        texttemplate="%{text}",
        colorscale=[[0, "#e8f1f8"], [1, "#8fbfe0"]],
        colorbar={"title": {"text": "win rate (%)"}},
    )
    return go.Figure(heat).update_layout(xaxis_title="quality factor", yaxis_title="bid factor", height=340)


def fatigue_chart(study: Study) -> go.Figure:
    """Click rate by exposure, relative to the first: the fit with its interval, and the baselines if they have it."""
    exposures = np.arange(1, NUM_EXPOSURES + 1)
    drawn = study.fitted.draws(400, study.settings.seed)
    curves = np.maximum(
        LEAST_INTEREST, 1.0 - np.asarray(fatigue_by_exposure(drawn[:, -2], drawn[:, -1], NUM_EXPOSURES))
    )
    low, high = np.quantile(curves, [0.025, 0.975], axis=0) * 100
    rate, recovery = study.fitted.fatigue_rate, study.fitted.fatigue_recovery
    fitted = 100 * np.maximum(LEAST_INTEREST, 1.0 - np.asarray(fatigue_by_exposure(rate, recovery, NUM_EXPOSURES)))
    figure = go.Figure()
    figure.add_scatter(
        x=[*exposures, *exposures[::-1]],
        y=[*high, *low[::-1]],
        mode="lines",
        fill="toself",
        fillcolor="rgba(11,105,163,.18)",
        line={"width": 0},
        name="95 % interval",
        hoverinfo="skip",
    )
    name = "fit" if study.fitted.detailed else "default (not measured)"
    figure.add_scatter(x=exposures, y=fitted, mode="lines+markers", name=name, line={"width": 3, "color": COLORS[0]})
    if study.fitted.detailed:
        baselines = study.baselines
        by_exposure = baselines.clicks.sum((0, 1)) / baselines.impressions.sum((0, 1))
        expected = (study.fitted.ctr * baselines.impressions).sum((0, 1)) / baselines.impressions.sum((0, 1))
        figure.add_scatter(
            x=exposures,
            y=fitted * by_exposure / expected,
            mode="markers",
            name="baselines",
            marker={"color": COLORS[1], "size": 10, "symbol": "x"},
        )
    return figure.update_layout(
        xaxis={"title": "exposure of a user to a creative (one a day)", "dtick": 1},
        yaxis={"title": "click rate (% of the first exposure's)", "rangemode": "tozero"},
    )


def daypart_chart(study: Study) -> go.Figure:
    """Click rate by daypart, mean 1: the personas' habits times the fitted multipliers, and the baselines'."""
    fitted = study.fitted
    habits = persona_weights()[0].sum(axis=0)
    scale = habits / (habits * fitted.dayparts).mean()
    error = 1.96 * fitted.standard_error[-len(DAYPARTS) - 2 : -2] * scale
    figure = go.Figure(
        go.Bar(
            x=DAYPARTS,
            y=fitted.dayparts * scale,
            error_y={"type": "data", "array": error, "visible": fitted.detailed},
            name="fit, 95 % interval" if fitted.detailed else "the personas' habits alone (not measured)",
            marker={"color": COLORS[5]},
            showlegend=True,
        )
    )
    if fitted.detailed:
        observed = study.baselines.clicks.sum((0, 2)) / study.baselines.impressions.sum((0, 2))
        expected = (fitted.ctr * study.baselines.impressions).sum((0, 2)) / study.baselines.impressions.sum((0, 2))
        figure.add_scatter(
            x=DAYPARTS,
            y=fitted.dayparts * scale * observed / expected,
            mode="markers",
            name="baselines",
            marker={"color": COLORS[1], "size": 10, "symbol": "x"},
        )
    return figure.update_layout(
        xaxis_title="daypart", yaxis={"title": "click rate (times the mean of the day)", "rangemode": "tozero"}
    )


def fit_chart(study: Study) -> go.Figure:
    """Observed and fitted click and sign-up rates of each placement."""
    figure, baselines, fitted = go.Figure(), study.baselines, study.fitted
    placements = [literal(name) for name in baselines.placements]
    impressions, clicks = baselines.impressions.sum((1, 2)), baselines.clicks.sum((1, 2))
    shown = {
        "CTR": (clicks / impressions, (fitted.ctr * baselines.impressions).sum((1, 2)) / impressions),
        "CVR": (
            baselines.conversions.sum((1, 2)) / np.maximum(clicks, 1),
            (fitted.cvr * baselines.clicks).sum((1, 2)) / np.maximum(clicks, 1),
        ),
    }
    for index, (name, (observed, predicted)) in enumerate(shown.items()):
        figure.add_bar(
            x=placements,
            y=100 * observed,
            offsetgroup=name,
            name=f"{name}, baseline",
            marker={"color": COLORS[5 - index]},
        )
        figure.add_scatter(
            x=placements,
            y=100 * predicted,
            offsetgroup=name,
            name=f"{name}, fit",
            mode="markers",
            marker={"symbol": "x" if index else "diamond", "size": 11, "color": (COLORS[0], COLORS[1])[index]},
        )
    # A category, whatever it is called: plotly would take 7 for a number and 2024-01 for a date.
    return figure.update_layout(
        xaxis={"title": "placement", "type": "category"},
        yaxis_title="rate (%)",
        barmode="group",
        scattermode="group",
    )


def allocation_chart(study: Study) -> go.Figure:
    """Thompson's spend by day and creative."""
    figure = go.Figure()
    days = [f"day {day + 1}" for day in range(len(study.tested.allocation))]
    for i in study.orders["thompson"]:
        figure.add_bar(
            y=days, x=study.tested.allocation[:, i], name=literal(study.items[i].creative_id), orientation="h"
        )
    return figure.update_layout(
        barmode="stack",
        xaxis_title="spend ($)",
        yaxis={"title": "day", "autorange": "reversed"},
        colorway=(*COLORS, "#a3c4dc", "#f0b08a", "#8fd0bb", "#e6c1d6", "#f3d27a"),
        height=200 + 50 * min(12, len(days)),
        legend={"y": -0.35, "yanchor": "top", "traceorder": "normal"},
    )
