"""What a short training on the publisher's side is worth."""

import pytest
from rich.console import Console

from training import commands
from training.run import RunFolder
from training.settings import Settings

SHORT = {
    "env": "AdPlacement-v0",
    "stage3": {"iterations": 50},
    "validation": {"seeds": 2, "episodes": 16},
    "evaluation": {"seeds": 10, "episodes": 32},
}
"""The first two stages in full, and 50 updates in the default market: a good third of a run, half a minute on two
cores."""


@pytest.mark.slow
def test_a_short_training_earns_a_publisher_more_a_day_than_every_rule_at_its_best_settings(tmp_path):
    assert commands.train(Settings(**SHORT, out=tmp_path / "run"), Console(quiet=True))
    evaluation = RunFolder(tmp_path / "run").read_results()["evaluation"]
    leads = {difference["rule"]: difference["value"]["low"] for difference in evaluation["differences"]}
    assert evaluation["value"] == "return"
    assert leads.keys() == {"random", "fixed", "threshold", "utility"}
    # In $ a day, where the rules get 1.26: what is left of the first stage's habit of opening every slot is little.
    assert min(leads.values()) > 0.1
