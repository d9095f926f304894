"""``rtb market`` on a run that is there or to come: status, check, verify, and tests of a scenario and of recovery."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from rtb_envs.cli import refuse
from rtb_envs.envs.marketplace.config import Scenario
from rtb_envs.studies.marketplace.locating import DB, STORE_ERRORS, described, opened, store_url
from rtb_envs.studies.marketplace.store import Run, Store

BAD = 1


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module to ``app``."""
    app.command()(status)
    app.command()(check)
    app.command()(verify)
    app.command("test-scenario")(try_scenario)
    app.command("test-recovery")(try_recovery)


def known_run(store: Store, run: str) -> Run:
    """The run of that name; ValueError names those that there are."""
    found = store.find_run(run)
    if found is None:
        names = ", ".join(repr(known.name) for known in store.runs()) or "none"
        raise ValueError(f"run must be one in the store ({names}), got {run!r}")
    return found


def status(run: Annotated[str, typer.Argument(help="The run's name.")], db: DB = None) -> None:
    """How far a run is, and how the machine and the store are doing."""
    from rtb_envs.studies.marketplace.health import status_lines

    try:
        with opened(store_url(db), read_only=True) as store:
            for line in status_lines(store, known_run(store, run)):
                typer.echo(line)
    except STORE_ERRORS as error:
        raise refuse(described(error)) from None


def check(
    db: DB = None,
    real_llm: Annotated[bool, typer.Option("--real-llm", help="Ask the model too.")] = False,
    config: Annotated[Path | None, typer.Option(help="A YAML file of settings.", exists=True, dir_okay=False)] = None,
) -> None:
    """Whether store, model and settings are fit for a run; every fault at once."""
    from rtb_envs.studies.marketplace.health import faults

    found = faults(store_url(db), config, real_llm=real_llm)
    if found:
        raise refuse(*found)
    typer.echo("ready: settings, store" + (" and model" if real_llm else ""))


def verify(
    run: Annotated[str, typer.Option(help="The run's name.")],
    results: Annotated[Path | None, typer.Option(help="Its results, which know where each chain ended.")] = None,
    db: DB = None,
) -> None:
    """Whether the ledger is as it was written; exit 1 and every fault when it is not."""
    from rtb_envs.studies.marketplace.verification import verify_run

    try:
        with opened(store_url(db), read_only=True) as store:
            count, problems = verify_run(store, known_run(store, run), results)
    except STORE_ERRORS as error:
        raise refuse(described(error)) from None
    for problem in problems:
        typer.echo(f"fault: {problem}", err=True)
    if problems:
        raise typer.Exit(BAD)
    typer.echo(f"{count:,} entries verify" + ("" if results is None else ", and the results' figures with them"))
    if results is None:
        typer.echo("without --results nobody outside of the store vouches for the ends of its chains")


def try_scenario(
    scenario: Annotated[Scenario, typer.Option(help="The scenario.")],
    days: Annotated[int, typer.Option(help="Simulated days.", min=1, max=30)] = 3,
) -> None:
    """A short run of one scenario in a store of its own, verified and recovered."""
    from rtb_envs.studies.marketplace.audit import audit
    from rtb_envs.studies.marketplace.runner import run_study
    from rtb_envs.studies.marketplace.settings import load_settings

    with tempfile.TemporaryDirectory() as folder, opened(f"{folder}/market.db") as store:
        settings = load_settings(None, scenarios=scenario, days=days)
        run_study(settings, store, "test")
        seen = audit(store, known_run(store, "test"), scenario, settings.seed)
    figures = seen.figures
    typer.echo(
        f"scenario {scenario}: {figures['deals']:,} deals of {figures['opportunities']:,} packages in {days} days"
    )
    typer.echo(f"entries: {seen.end.count:,}; faults: {len(seen.problems)}; recovered agents: {seen.recovery_rate:.1%}")
    if seen.problems or seen.recovery_rate < 1:
        raise typer.Exit(BAD)


def try_recovery(
    run: Annotated[str, typer.Option(help="The run's name.")],
    agent: Annotated[str | None, typer.Option(help="As buyer-001; all agents without it.")] = None,
    seed: Annotated[int | None, typer.Option(help="One seed; all without it.")] = None,
    db: DB = None,
) -> None:
    """Rebuild agents of scenario C from the ledger alone; exit 1 unless every digest is that of the live state."""
    from rtb_envs.studies.marketplace.verification import recover_run

    try:
        with opened(store_url(db), read_only=True) as store:
            recovered = recover_run(store, known_run(store, run), agent, seed)
    except STORE_ERRORS as error:
        raise refuse(described(error)) from None
    for name, at_seed, equal in recovered:
        typer.echo(
            f"{name}, seed {at_seed}: " + ("recovered, digest equal" if equal else "NOT recovered, digest differs")
        )
    good = sum(equal for *_, equal in recovered)
    typer.echo(f"recovery rate: {good / len(recovered):.1%} of {len(recovered)} agents")
    if good < len(recovered):
        raise typer.Exit(BAD)
