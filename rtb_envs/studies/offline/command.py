"""``rtb study``: the offline study from forecasts to verdict."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from rtb_envs.cli import need_extra, refuse
from rtb_envs.files import check_writable, write_texts

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)

_MOST_JOURNEYS = 1000


@app.command()
def study(
    forecasts: Annotated[
        Path | None, typer.Argument(help="Forecasts of the creatives, JSON.", metavar="FORECASTS")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the reports and the page.")] = None,
    budget: Annotated[int, typer.Option(min=1, max=10**9, help="Daily budget, $; a key of the forecasts.")] = 30_000,
    baselines: Annotated[
        Path | None, typer.Option(help="Placement baselines, YAML; the example's if left out.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, max=10**9, help="Auctions of each creative.")] = 2_000,
    days: Annotated[int, typer.Option(min=1, max=365, help="Days of Thompson Sampling.")] = 3,
    stop_ratio: Annotated[
        float, typer.Option(min=0.01, max=1e6, help="Stop at this multiple of the forecast CAC.")
    ] = 1.25,
    stop_probability: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Stop when the CAC exceeds it with this probability.")
    ] = 0.5,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1000, help="Seed of all that is drawn.")] = 0,
    journeys: Annotated[int, typer.Option(min=0, max=_MOST_JOURNEYS, help="Print so many sample journeys.")] = 0,
    legacy_names: Annotated[
        bool, typer.Option("--legacy-names", help="Also write auctiongym_, rl_ and recsim_offline_simulation.json.")
    ] = False,
    example: Annotated[Path | None, typer.Option(help="Write the example's inputs into this folder, and stop.")] = None,
) -> None:
    """Does auction- and user-aware simulation change the decision that Thompson Sampling makes?"""
    need_extra("studies", "plotly", "yaml")
    if example is not None and forecasts is None and out is None:
        _write_example(example)
        return
    if forecasts is None or out is None or example is not None:
        raise refuse("give FORECASTS and --out DIR, or --example DIR")

    from rtb_envs.studies.offline.baselines import Baselines, example_baselines, read_baselines
    from rtb_envs.studies.offline.checks import InvalidInputError
    from rtb_envs.studies.offline.forecasts import Item, read_forecasts
    from rtb_envs.studies.offline.study import Settings, run_study

    errors: list[str] = []
    items: list[Item] = []
    placements: Baselines = example_baselines()
    try:
        items = read_forecasts(forecasts, str(budget))
    except InvalidInputError as invalid:
        errors += invalid.errors
    except (OSError, UnicodeDecodeError) as error:
        errors.append(f"{forecasts}: {_reason(error)}")
    try:
        placements = placements if baselines is None else read_baselines(baselines)
    except InvalidInputError as invalid:
        errors += invalid.errors
    except (OSError, UnicodeDecodeError) as error:
        errors.append(f"{baselines}: {_reason(error)}")
    try:
        settings = Settings(budget, rounds, days, stop_ratio, stop_probability, seed)
    except ValueError as error:
        errors.append(str(error))
    errors += [f"--out {out}: {found}" for found in _faults_of_folder(out, legacy_names=legacy_names)]
    if errors:
        raise refuse(*errors)

    from rtb_envs.studies.offline.page import study_page
    from rtb_envs.studies.offline.reports import PAGE, json_reports
    from rtb_envs.studies.offline.samples import sample_journeys
    from rtb_envs.studies.offline.summary import summary

    try:
        result = run_study(items, placements, settings)
    except ValueError as error:
        raise refuse(error) from None
    reports = json_reports(result, legacy_names=legacy_names)
    texts = {name: json.dumps(report, indent=2, allow_nan=False) + "\n" for name, report in reports.items()}
    texts[PAGE] = study_page(result, example_baselines=baselines is None).html()
    try:
        write_texts(out, texts)
    except OSError as error:
        raise refuse(f"--out {out}: {_reason(error)}") from None
    typer.echo(summary(result))
    if journeys:
        typer.echo(sample_journeys(result, journeys))
    typer.echo(f"\nwritten to {out}: {', '.join(texts)}")


def _write_example(folder: Path) -> None:
    from rtb_envs.studies.offline.example import write_example

    try:
        paths = write_example(folder)
    except FileExistsError as error:
        raise refuse(f"--example {folder}: {error}") from None
    except OSError as error:
        raise refuse(f"--example {folder}: {_reason(error)}") from None
    typer.echo(f"written: {', '.join(map(str, paths))}")
    typer.echo(f"now: rtb study {paths[0]} --baselines {paths[2]} --out {folder / 'study'}")


def _faults_of_folder(out: Path, *, legacy_names: bool) -> list[str]:
    """Why the study's files cannot go into ``out``: it cannot be written, or others would stay that tell of another
    study under the reports' second names."""
    from rtb_envs.studies.offline.reports import LEGACY_NAMES, file_names

    try:
        if in_the_way := [
            f"{path} is not a folder" for path in (out, *out.parents) if path.exists() and not path.is_dir()
        ]:
            return in_the_way
        for name in file_names(legacy_names=legacy_names):
            check_writable(out / name)
        old = [] if legacy_names else [name for name in LEGACY_NAMES.values() if (out / name).exists()]
    except OSError as error:
        return [_reason(error)]
    if old:
        return [f"holds {', '.join(old)} of another study: --legacy-names replaces them, or choose another folder"]
    return []


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
