"""The command line `rtb`: what it offers, and how it refuses."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from rtb_envs import cli

ROOT = Path(__file__).resolve().parents[1]


def test_help_names_every_sub_command_and_loads_nothing_heavy():
    program = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from rtb_envs import cli\n"
        "print(CliRunner().invoke(cli.app, ['--help']).output)\n"
        "print(sorted({'jax', 'polars', 'matplotlib', 'plotly', 'lightgbm', 'sqlalchemy'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    *screen, loaded = done.stdout.splitlines()
    assert [name for name in cli.SUB_COMMANDS if not any(line.split()[:1] == [name] for line in screen)] == []
    assert loaded == "[]"


@pytest.mark.parametrize("name", cli.SUB_COMMANDS)
def test_every_sub_command_is_there(name):
    module, _, application = cli.SUB_COMMANDS[name].application.partition(":")
    assert isinstance(getattr(importlib.import_module(module), application), typer.Typer)


def test_an_unknown_sub_command_is_refused_in_a_line():
    refused = CliRunner().invoke(cli.app, ["auctoin"])
    assert refused.exit_code == cli.REFUSED
    assert "auctoin" in refused.output
    assert "Traceback" not in refused.output


def test_errors_are_said_in_a_line_each_on_standard_error(capsys):
    assert cli.refuse("budget must be positive", ValueError("horizon must be at least 1")).exit_code == cli.REFUSED
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == ["error: budget must be positive", "error: horizon must be at least 1"]


def test_a_missing_library_is_said_with_the_extra_that_brings_it(capsys):
    cli.need_extra("ctr", "json")
    with pytest.raises(typer.Exit):
        cli.need_extra("ctr", "json", "no_such_library")
    assert capsys.readouterr().err == ('error: no_such_library is not installed: pip install "rtb-envs[ctr]"\n')


def test_a_folder_that_can_not_be_made_is_told_in_a_line(tmp_path, monkeypatch, capsys):
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text("{name: short, days: 1, policy: {rule: fixed, slots_per_open: 1}}")
    monkeypatch.setattr(sys, "argv", ["rtb", "placement", "run", str(scenario), "--out", str(scenario / "below")])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == cli.REFUSED
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
