"""The command line ``rtb``: what a user asks of the simulators, a sub-command each.

A sub-command is a typer application in a module of its own, which is imported when it is called: ``rtb --help`` loads
neither JAX nor any other heavy library. Exit codes: 0 done, 1 a result that the command is there to report as bad,
2 wrong arguments or input (one line an error on standard error), 130 stopped by the user.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

import typer
from typer.core import TyperGroup

REFUSED, STOPPED = 2, 130


class SubCommand(NamedTuple):
    """Where a sub-command is ("module:application"), and what ``rtb --help`` says of it."""

    application: str
    help: str


SUB_COMMANDS: dict[str, SubCommand] = {
    "study": SubCommand("rtb_envs.studies.offline.command:app", "Judge creatives offline before production changes."),
    "market": SubCommand(
        "rtb_envs.studies.marketplace.commands:app", "Exchange, direct trade or ledger: run and compare."
    ),
    "ctr": SubCommand("rtb_envs.studies.ctr.commands:app", "Click rates from a log of impressions."),
    "demo": SubCommand("rtb_envs.studies.retargeting.demo:app", "Watch rules compete for customers."),
    "report": SubCommand("rtb_envs.studies.report.commands:app", "A run as a page, pictures and tables."),
    "placement": SubCommand("rtb_envs.studies.placement.command:app", "Simulate a publisher's ad placement."),
}


class _LazyGroup(TyperGroup):
    """The sub-commands of the table, each loaded when it is asked for by name."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(SUB_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in SUB_COMMANDS:
            return None
        module, _, name = SUB_COMMANDS[cmd_name].application.partition(":")
        return typer.main.get_command(getattr(importlib.import_module(module), name))

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, SUB_COMMANDS[name].help) for name in self.list_commands(ctx)])


app = typer.Typer(
    cls=_LazyGroup,
    name="rtb",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def _rtb() -> None:
    """Simulate advertising auctions, budgets and customer journeys."""


def refuse(*errors: object) -> typer.Exit:
    """Say each of ``errors`` in a line of its own on standard error; the exit to raise then."""
    for error in errors:
        typer.echo(f"error: {error}", err=True)
    return typer.Exit(REFUSED)


def need_extra(extra: str, *modules: str) -> None:
    """Refuse unless every one of ``modules`` can be imported; the line names the extra that brings them."""
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        raise refuse(f'{", ".join(missing)} is not installed: pip install "rtb-envs[{extra}]"')


@contextlib.contextmanager
def stopped_by_sigterm() -> Iterator[None]:
    """Within, SIGTERM stops the program as Ctrl-C does: unfinished files go. For the main thread only.

    Compiled code that runs long heeds SIGINT alone, and Python's handlers wait until it returns. So a thread, which
    Python wakes at once, sends SIGINT.
    """
    woken, waker = socket.socketpair()
    waker.setblocking(False)

    def pass_on() -> None:
        while number := woken.recv(1):
            if number[0] == signal.SIGTERM:
                os.kill(os.getpid(), signal.SIGINT)

    with woken, waker:
        thread = threading.Thread(target=pass_on, daemon=True)
        thread.start()
        woken_before = signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        handler_before = signal.signal(signal.SIGTERM, lambda number, frame: None)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, handler_before)
            signal.set_wakeup_fd(woken_before)
            waker.shutdown(socket.SHUT_RDWR)
            thread.join()


def main() -> None:
    """Run the command line; Ctrl-C, and a file or folder that can not be used, end it without a traceback."""
    try:
        app(prog_name="rtb")
    except KeyboardInterrupt:
        sys.exit(STOPPED)
    except OSError as error:
        refuse(error)
        sys.exit(REFUSED)


if __name__ == "__main__":
    main()
