"""Episodes as pictures and as text."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rtb_envs.core import RenderPanel
from rtb_envs.render import Recorder, Renderer, number, text

ROOT = Path(__file__).resolve().parents[1]
PANELS = (
    RenderPanel("remaining_budget", "Remaining budget", "currency"),
    RenderPanel("win_rate", "Win rate", "share of auctions"),
)


def test_the_text_shows_title_bars_current_value_and_unit_of_each_panel():
    shown = text("Market   step 4 of 7", PANELS, [[3000, 2250, 1500, 10], [0, 0.125, 0.5, 1]])
    assert shown == (
        "Market   step 4 of 7\n"
        "  Remaining budget  █▆▄▁         10 currency\n"
        "  Win rate          ▁▁▄█          1 share of auctions\n"
    )


def test_the_text_of_an_episode_without_steps_has_no_values():
    assert text("Market   step 0", PANELS, [[], []]).splitlines()[1].split() == [
        "Remaining", "budget", "–", "currency"
    ]  # fmt: skip


def test_the_text_of_a_long_episode_shows_its_latest_steps():
    line = text("Market", PANELS, [range(1000), range(1000)]).splitlines()[1]
    assert sum(character in "▁▂▃▄▅▆▇█" for character in line) == 40
    assert "999" in line


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, "0"), (7.0, "7"), (1234567.0, "1,234,567"), (1234.56, "1,235"), (0.123456, "0.123"), (12.345, "12.3")],
)
def test_numbers_are_short_and_thousands_are_separated(value, shown):
    assert number(value) == shown


def test_a_picture_is_an_rgb_array_that_changes_with_the_episode():
    renderer = Renderer("Market", PANELS, "rgb_array", horizon=7)
    recorder = Recorder(renderer)
    frames = [recorder.frame()]
    for budget, win_rate in ((2500, 0.25), (1800, 0.5)):
        recorder.record({"remaining_budget": budget, "win_rate": win_rate, "not_shown": 3})
        frames.append(recorder.frame())
    for frame in frames:
        assert (frame.shape, frame.dtype) == ((480, 640, 3), np.uint8)
    assert len({frame.tobytes() for frame in frames}) == 3
    assert not np.shares_memory(frames[1], frames[2])
    recorder.clear()
    assert recorder.frame().tobytes() == frames[0].tobytes()


def test_a_picture_depends_on_the_episode_alone_and_not_on_earlier_pictures():
    curves = [[5.0, -2.0, 1.0], [0.5, 0.25, 0.125]]
    used = Renderer("Market", PANELS, "rgb_array")
    used.frame([[1e6] * 200, [3.0] * 200])
    fresh = Renderer("Market", PANELS, "rgb_array")
    assert used.frame(curves).tobytes() == fresh.frame(curves).tobytes()


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_any_number_of_panels_fits_the_picture(count):
    panels = [RenderPanel(f"quantity_{i}", f"Quantity {i}", "unit") for i in range(count)]
    assert Renderer("Market", panels, "rgb_array").frame([[1.0, 2.0]] * count).shape == (480, 640, 3)


def test_pictures_leave_the_global_state_of_matplotlib_alone():
    program = (
        "import sys\n"
        "from rtb_envs.render import Renderer\n"
        "from rtb_envs.core import RenderPanel\n"
        "assert 'matplotlib' not in sys.modules\n"
        "Renderer('Market', [RenderPanel('a', 'A', 'unit')], 'rgb_array').frame([[1.0]])\n"
        "print('matplotlib' in sys.modules, 'matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]
