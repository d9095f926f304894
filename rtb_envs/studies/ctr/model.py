"""LightGBM on a converted log: fitted to the earlier part, stopped and judged on the later one.

The folder of a model holds ``model.txt`` (LightGBM's own format), ``categories.json`` (the values behind the codes of
the categorical features), ``metrics.json`` and ``importance.png``. Needs the extra ``[ctr]``.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt
import polars as pl

from rtb_envs.files import write_atomically, write_json
from rtb_envs.studies.ctr.avazu import CALENDAR, CATEGORICAL, COLUMNS, FEATURES, LogError

EARLIER_SHARE = 0.8
MAX_TREES = 2_000
EARLY_STOPPING_TREES = 50
_LAST_SECTION = "\npandas_categorical:"
"""What the last line of ``model.txt`` begins with."""
PARAMETERS: dict[str, Any] = {
    "objective": "binary",
    "metric": ["auc"],
    "learning_rate": 0.1,
    "num_leaves": 64,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Metrics:
    """How a model does on the later part of its log, which also decided when to stop adding trees.

    ``base_logloss`` is that of predicting the earlier part's click rate for every impression.
    """

    auc: float
    logloss: float
    base_logloss: float
    mean_prediction: float
    click_rate: float
    best_iteration: int
    rows_fitted: int
    rows_judged: int
    first_hour_judged: int
    importance: dict[str, float]


@dataclass(frozen=True)
class ClickModel:
    """A fitted model with the categories that its codes stand for."""

    booster: lightgbm.Booster
    categories: dict[str, list[str]]

    def predict(self, log: pl.DataFrame) -> Floats:
        """Click probabilities of the rows of ``log``, float64[rows]."""
        return np.asarray(self.booster.predict(matrix(log, self.categories)), np.float64)


def read_log(path: Path, needs_clicks: bool) -> pl.DataFrame:
    """Hour and features (and clicks) of a converted log; LogError when it is none, lacks a column or holds others."""
    names = ["id", "hour", *FEATURES, *(["click"] if needs_clicks else [])]
    if path.is_dir():
        raise LogError(f"{path} is a folder, must be a Parquet file: make it by rtb ctr convert")
    try:
        scan = pl.scan_parquet(path)
        schema = scan.collect_schema()
        missing = [name for name in names if name not in schema]
        if missing == ["click"]:
            raise LogError(f"{path} has no column click: a model is fitted to a log with clicks, such as train.csv")
        if missing:
            raise LogError(f"{path} lacks the columns {', '.join(missing)}: make it by rtb ctr convert")
        for name in names:
            allowed = (COLUMNS | CALENDAR)[name]
            if schema[name] != allowed:
                raise LogError(f"{path}: {name} must be of type {allowed.__name__}, got {schema[name]}")
        log = scan.select(names).collect()
    except FileNotFoundError:
        raise LogError(f"{path} does not exist") from None
    except (OSError, pl.exceptions.PolarsError) as error:
        raise LogError(f"{path} is no Parquet file: {str(error).splitlines()[0]}") from None
    if log.is_empty():
        raise LogError(f"{path} has no rows")
    for name in names:
        if log[name].null_count():
            raise LogError(f"{path}: {name} is null in {log[name].null_count():,} rows, must have a value in every row")
    if needs_clicks and (highest := log["click"].to_numpy().max()) > 1:
        raise LogError(f"{path}: click must be 0 or 1, got {highest}")
    return log


def train(source: Path, folder: Path, seed: int = 0) -> Metrics:
    """Fit a model to the log ``source`` (Parquet) and write it, its metrics and its picture into ``folder``.

    The rows of the later hours, about a fifth, are kept apart: with a random split the model would have seen the very
    campaigns and hours that it is asked about. Raises LogError for a log without clicks, of one hour, or in which one
    part has clicks or non-clicks only.
    """
    log = read_log(source, needs_clicks=True)
    earlier, later = split_by_time(log)
    for name, part in {"earlier": earlier, "later": later}.items():
        if part["click"].n_unique() != 2:
            raise LogError(f"{source}: the {name} part, {part.height} rows, needs both clicks and non-clicks")
    categories = {name: earlier[name].unique().sort().to_list() for name in CATEGORICAL}
    fitted = lightgbm.Dataset(
        matrix(earlier, categories),
        label=earlier["click"].to_numpy(),
        feature_name=list(FEATURES),
        categorical_feature=list(CATEGORICAL),
    )
    judged = fitted.create_valid(matrix(later, categories), label=later["click"].to_numpy())
    booster = lightgbm.train(
        {**PARAMETERS, "seed": seed},
        fitted,
        num_boost_round=MAX_TREES,
        valid_sets=[judged],
        callbacks=[lightgbm.early_stopping(EARLY_STOPPING_TREES, verbose=False)],
    )
    model = ClickModel(booster, categories)
    metrics = _judge(model, earlier, later)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "model.txt", lambda path: booster.save_model(path, booster.best_iteration))
    write_json(folder / "categories.json", categories)
    _draw_importance(metrics, folder / "importance.png")
    write_json(folder / "metrics.json", asdict(metrics))
    return metrics


def load(folder: Path) -> ClickModel:
    """The model in ``folder``; LogError when there is none, or one that is cut off or of other features."""
    try:
        text = (folder / "model.txt").read_text(encoding="utf-8")
        categories = json.loads((folder / "categories.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise LogError(f"{folder} is not the folder of a model: make one by rtb ctr train") from None
    # LightGBM ends the whole process at a file that is cut off.
    if _LAST_SECTION not in text:
        raise LogError(f"{folder / 'model.txt'} is cut off or no model: make it by rtb ctr train")
    try:
        booster = lightgbm.Booster(model_str=text)
    except lightgbm.basic.LightGBMError:
        raise LogError(f"{folder / 'model.txt'} is damaged: make it by rtb ctr train") from None
    if booster.feature_name() != list(FEATURES):
        raise LogError(f"{folder / 'model.txt'} is a model of other features: make it by rtb ctr train")
    if not _are_categories(categories):
        names = " and ".join(CATEGORICAL)
        raise LogError(f"{folder / 'categories.json'} must map {names} to lists of texts: make it by rtb ctr train")
    return ClickModel(booster, categories)


def _are_categories(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and set(value) == set(CATEGORICAL)
        and all(isinstance(one, list) and all(isinstance(text, str) for text in one) for one in value.values())
    )


def split_by_time(log: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The earlier hours with about 80 % of the rows, and the later ones. Raises LogError when there is one hour."""
    hours = log.group_by("hour").len().sort("hour")
    if hours.height < 2:
        raise LogError("the log has rows of one hour only: it cannot be split by time")
    share = hours["len"].cum_sum() / log.height
    first_judged = hours["hour"][
        int(np.clip(np.abs(share.to_numpy() - EARLIER_SHARE).argmin() + 1, 1, hours.height - 1))
    ]
    return log.filter(pl.col("hour") < first_judged), log.filter(pl.col("hour") >= first_judged)


def matrix(log: pl.DataFrame, categories: dict[str, list[str]]) -> npt.NDArray[np.float32]:
    """The features of ``log`` as float32[rows, features]; categories as codes, NaN for one that was never fitted."""
    codes = {
        name: pl.col(name).replace_strict(values, range(len(values)), default=None, return_dtype=pl.Float32)
        for name, values in categories.items()
    }
    columns = log.select(codes[name] if name in codes else pl.col(name).cast(pl.Float32) for name in FEATURES)
    return columns.to_numpy()


def auc(clicks: npt.NDArray[Any], scores: Floats) -> float:
    """The probability that a click scores higher than a non-click, ties counting one half (Mann & Whitney, 1947)."""
    ranks = pl.Series(scores).rank("average").to_numpy()
    positive = clicks == 1
    count = int(positive.sum())
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * (len(clicks) - count)))


def logloss(clicks: npt.NDArray[Any], probabilities: Floats | float) -> float:
    """Mean negative log-likelihood of the clicks, in nats an impression."""
    return float(-np.mean(np.where(clicks == 1, np.log(probabilities), np.log1p(-np.asarray(probabilities)))))


def _judge(model: ClickModel, earlier: pl.DataFrame, later: pl.DataFrame) -> Metrics:
    clicks = later["click"].to_numpy()
    predicted = np.clip(model.predict(later), 1e-7, 1 - 1e-7)
    gains = model.booster.feature_importance("gain")
    return Metrics(
        auc=auc(clicks, predicted),
        logloss=logloss(clicks, predicted),
        base_logloss=logloss(clicks, float(earlier["click"].to_numpy().mean())),
        mean_prediction=float(predicted.mean()),
        click_rate=float(clicks.mean()),
        best_iteration=model.booster.best_iteration,
        rows_fitted=earlier.height,
        rows_judged=later.height,
        first_hour_judged=int(later["hour"].to_numpy().min()),
        importance=dict(zip(FEATURES, (gains / max(gains.sum(), 1e-12)).tolist(), strict=True)),
    )


def _draw_importance(metrics: Metrics, path: Path) -> None:
    """Bars of each feature's share of the gain."""
    from matplotlib.figure import Figure

    names = sorted(metrics.importance, key=lambda name: metrics.importance[name])
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    bars = axes.barh(names, [100 * metrics.importance[name] for name in names], color="#0b69a3")
    axes.bar_label(bars, fmt="%.1f", padding=3, fontsize=9)
    axes.set_xlabel("share of the total gain in log-likelihood (%)")
    axes.set_title(
        f"What the click model looks at\n(AUC {metrics.auc:.3f} on {metrics.rows_judged:,} later impressions, "
        f"{metrics.best_iteration} trees)",
        loc="left",
        fontsize=12,
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.1)
    write_atomically(path, lambda unfinished: figure.savefig(unfinished, dpi=160))
