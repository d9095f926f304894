"""What holds for the repository as a whole: who imports whom, sizes, docstrings, the wheel and the Makefile."""

import ast
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Package of this repository -> the other packages of it that it may import.
PACKAGES = {
    "rtb_envs": set(),
    "agents": {"rtb_envs"},
    "training": {"agents", "rtb_envs"},
    "benchmarks": {"training", "agents", "rtb_envs"},
}
LOCAL_PACKAGES = {*PACKAGES, "tests"}

# Room of rtb_envs (a module, or a folder with all that is in it) -> the rooms it may import. From the ground up: a
# room names only rooms above it in this table. The package itself, rtb_envs/__init__.py, is the roof.
GROUND = {"pytrees", "validation", "tracing", "random", "compile", "files", "action_scale"}
SIMULATORS = {"auctions", "users", "policies", "core", "multi_agent", "seat", "envs", *GROUND}
STUDIES = {
    "rtbgym",
    "adapters",
    "off_policy",
    "rollouts",
    "logs",
    "render",
    "metrics",
    "intervals",
    "pages",
    "yaml_reader",
    "layered_settings",
    "model_errors",
} | SIMULATORS
ROOMS = {
    "pytrees": set(),
    "validation": set(),
    "tracing": {"validation"},
    "files": set(),
    "yaml_reader": {"files"},
    "layered_settings": {"validation", "yaml_reader"},
    "model_errors": {"validation"},
    "action_scale": {"validation"},
    "registry": {"validation"},
    "random": {"pytrees", "validation"},
    "compile": {"validation"},
    "auctions": GROUND,
    "users": GROUND,
    "policies": {"auctions", "users", *GROUND},
    "core": {"registry", *GROUND},
    "multi_agent": {"core", "registry", *GROUND},
    "seat": {"policies", "core", "multi_agent", *GROUND},
    "envs": SIMULATORS - {"envs"},
    "intervals": GROUND,
    "pages": GROUND,
    "metrics": GROUND,
    "render": {"core", *GROUND},
    "logs": {"core", "registry", *GROUND},
    "rollouts": {"core", "policies", "metrics", "logs", *GROUND},
    "off_policy": {"policies", "logs", *GROUND},
    "adapters": {"core", "multi_agent", "registry", "render", *GROUND},
    "auto_bidding_v0": {"adapters"},
    "contextual_auction_v0": {"adapters"},
    "marketplace_v0": {"adapters"},
    "retargeting_v0": {"adapters"},
    "rtbgym": {"adapters", "render", *SIMULATORS},
    # The command line imports its sub-commands, which are studies, by name when they are called.
    "cli": set(),
    "studies": {"cli", *STUDIES},
}

LEARNING_LIBRARIES = {"flax", "optax", "orbax", "torch", "d3rlpy"}
LOADED_ONLY_ON_USE = {
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "orbax",
    "ray",
    "torch",
    "matplotlib",
    "polars",
    "minari",
    "plotly",
}
MAX_LINES = 300


def sources(package: str) -> list[Path]:
    """Every Python file of a package of this repository."""
    return sorted((ROOT / package).rglob("*.py"))


def module_name(path: Path) -> str:
    """The dotted name that a file of this repository is imported by."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(tree: ast.Module, path: Path) -> Iterator[str]:
    """Dotted names that a file imports, wherever in it, `from a import b` as `a.b`."""
    name = module_name(path)
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            ancestors = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*ancestors, *([node.module] if node.module else [])])
            yield from (f"{source}.{alias.name}" for alias in node.names)


def imports_of(package: str) -> Iterator[tuple[Path, str]]:
    """Pairs (file, imported dotted name) of a package of this repository."""
    for path in sources(package):
        for imported in imports(ast.parse(path.read_text(encoding="utf-8")), path):
            yield path, imported


def room_of(name: str) -> str:
    """The room of a dotted name: `auctions` of `rtb_envs.auctions.pricing`, `__init__` of what the package offers."""
    parts = name.split(".")
    inside = ROOT / "rtb_envs"
    is_module = len(parts) > 1 and ((inside / parts[1]).is_dir() or (inside / f"{parts[1]}.py").is_file())
    return parts[1] if is_module else "__init__"


def test_relative_and_absolute_imports_are_read_as_the_same_names():
    path = ROOT / "rtb_envs" / "envs" / "market.py"
    lines = ["import numpy as np", "from . import laws", "from .laws import price", "from ..core import Core"]
    names = ["numpy", "rtb_envs.envs.laws", "rtb_envs.envs.laws.price", "rtb_envs.core.Core"]
    assert list(imports(ast.parse("\n".join(lines)), path)) == names


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_import_only_packages_below_them(package):
    forbidden = LOCAL_PACKAGES - {package} - PACKAGES[package]
    upward = [
        f"{path.relative_to(ROOT)}: {name}" for path, name in imports_of(package) if name.split(".")[0] in forbidden
    ]
    assert not upward


def test_the_table_of_rooms_only_goes_down():
    below = set()
    for room, importable in ROOMS.items():
        assert importable <= below, f"{room} names rooms that the table lists after it: {importable - below}"
        below.add(room)


def test_every_room_of_rtb_envs_has_a_place_in_the_table():
    rooms = {room_of(module_name(path)) for path in sources("rtb_envs")}
    assert rooms - {"__init__"} <= ROOMS.keys()


def test_no_class_is_a_pytree_by_jax_s_own_decorator():
    # Whose structures do not tell one class from another: rtb_envs.pytrees.
    used = [
        path.relative_to(ROOT).as_posix()
        for package in sorted(LOCAL_PACKAGES)
        for path in sources(package)
        if re.search(r"^@.*register_dataclass", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert used == []


def test_rooms_of_rtb_envs_import_only_rooms_below_them():
    upward = []
    for path, name in imports_of("rtb_envs"):
        room = room_of(module_name(path))
        if name.split(".")[0] != "rtb_envs" or room == "__init__":
            continue
        if room_of(name) not in ROOMS[room] | {room}:
            upward.append(f"{path.relative_to(ROOT)}: {name}")
    assert not upward


def test_rtb_envs_imports_no_learning_library():
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path, name in imports_of("rtb_envs")
        if name.split(".")[0] in LEARNING_LIBRARIES
    ]
    assert not found


@pytest.mark.parametrize("package", PACKAGES)
def test_no_module_is_longer_than_a_reader_can_hold(package):
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in sources(package)}
    assert not {str(path.relative_to(ROOT)): count for path, count in lines.items() if count > MAX_LINES}


def test_every_public_module_of_rtb_envs_has_a_docstring():
    public = [path for path in sources("rtb_envs") if path.name == "__init__.py" or not path.name.startswith("_")]
    undocumented = [path for path in public if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))]
    assert public
    assert not undocumented


def test_importing_rtb_envs_loads_no_heavy_library():
    program = f"import sys, rtb_envs; print(*sorted({LOADED_ONLY_ON_USE!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.slow
def test_the_wheel_holds_all_of_rtb_envs_and_nothing_else(tmp_path):
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True)
    (wheel,) = tmp_path.glob("rtb_envs-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        shipped = {name for name in archive.namelist() if ".dist-info/" not in name}
    files = (path for path in (ROOT / "rtb_envs").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    assert shipped == {path.relative_to(ROOT).as_posix() for path in files}
    assert "rtb_envs/py.typed" in shipped


# Stands for Python: answers version questions as the real one, makes an empty environment, and notes what pip is told.
FAKE_PYTHON = """#!/bin/sh
case "$1 $2" in
    "-m venv") mkdir -p "$4/bin" && cp "$0" "$4/bin/python" ;;
    "-m pip") echo "$@" >> pip_calls; exit "${PIP_STATUS:-0}" ;;
    "-m training") shift 2; printf '%s\\n' "$@" > training_arguments ;;
    "-m pytest") ;;
    *) exec "$REAL_PYTHON" "$@" ;;
esac
"""


@pytest.fixture
def checkout(tmp_path):
    """A folder with the Makefile, what it reads, and a Python that installs nothing."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    python = tmp_path / "fake-python"
    python.write_text(FAKE_PYTHON, encoding="utf-8")
    python.chmod(0o755)
    return tmp_path


def make(checkout: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run make in the checkout, untouched by a make that runs these tests."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    environment = {**clean, "PYTHON": "./fake-python", "REAL_PYTHON": sys.executable, **environment}
    return subprocess.run(["make", *arguments], cwd=checkout, env=environment, capture_output=True, text=True)


def pip_calls(checkout: Path) -> list[str]:
    """The arguments of each pip call so far."""
    calls = checkout / "pip_calls"
    return calls.read_text(encoding="utf-8").splitlines() if calls.exists() else []


def test_make_installs_once_under_the_constraints_and_again_when_the_requirements_change(checkout):
    for _ in range(2):
        assert make(checkout, "test").returncode == 0
    assert pip_calls(checkout) == ["-m pip install -c constraints.txt -e .[train,dev]"]
    os.utime(checkout / "pyproject.toml", (2**31, 2**31))
    assert make(checkout, "test").returncode == 0
    assert len(pip_calls(checkout)) == 2


def test_make_installs_again_after_an_install_that_failed(checkout):
    assert make(checkout, "test", PIP_STATUS="1").returncode != 0
    assert make(checkout, "test").returncode == 0
    assert len(pip_calls(checkout)) == 2


def test_make_adds_the_cuda_build_to_an_environment_without_it(checkout):
    assert make(checkout, "train", "CURRICULUM=1").returncode == 0
    assert make(checkout, "train", "CURRICULUM=1", "ACCELERATOR=cuda").returncode == 0
    assert [call.split()[-1] for call in pip_calls(checkout)] == [".[train]", ".[train,cuda]"]


def test_make_train_passes_on_only_the_options_given_on_its_command_line(checkout):
    given = make(checkout, "train", "CURRICULUM=3", "ALGO=ppo", "OUT=it's here", "SEED=", ENV="/etc/shrc")
    assert given.returncode == 0, given.stderr
    arguments = (checkout / "training_arguments").read_text(encoding="utf-8").splitlines()
    assert arguments == ["train", "--curriculum", "3", "--algo", "ppo", "--out", "it's here"]


@pytest.mark.parametrize(
    ("given", "passed"),
    [
        (["ENV=retargeting_v0"], ["--env", "retargeting_v0", "--config", "configs/multi_agent.yaml"]),
        (
            ["ENV=retargeting_v0", "PRESET=quick"],
            ["--env", "retargeting_v0", "--config", "configs/multi_agent_quick.yaml"],
        ),
        (["ENV=retargeting_v0", "CONFIG=my.yaml"], ["--env", "retargeting_v0", "--config", "my.yaml"]),
        ([], ["--config", "configs/multi_agent.yaml"]),
        (["PRESET=quick", "SEED=1"], ["--seed", "1", "--config", "configs/multi_agent_quick.yaml"]),
        (["CONFIG=my.yaml"], ["--config", "my.yaml"]),
        (["ENV=AdAuction-v0"], ["--env", "AdAuction-v0"]),
        (["ALGO=a2c"], ["--algo", "a2c"]),
        (["CONFIG=my.yaml", "CURRICULUM=2"], ["--curriculum", "2", "--config", "my.yaml"]),
    ],
)
def test_make_train_trains_a_team_by_its_configuration_unless_something_else_is_asked_for(checkout, given, passed):
    # Names that a shell has set for other ends count for nothing; a curriculum not given is left to the configuration.
    assert make(checkout, "train", *given, CURRICULUM="4", ENV="/etc/shrc").returncode == 0
    arguments = (checkout / "training_arguments").read_text(encoding="utf-8").splitlines()
    assert arguments == ["train", *passed]


def test_make_ablation_passes_on_what_is_given(checkout):
    assert make(checkout, "ablation", "SEEDS=2", "PRESET=full", SEED="7", OUT="/tmp").returncode == 0
    arguments = (checkout / "training_arguments").read_text(encoding="utf-8").splitlines()
    assert arguments == ["ablation", "--seeds", "2", "--preset", "full"]


def test_configurations_that_make_names_are_there():
    assert all((ROOT / "configs" / f"multi_agent{preset}.yaml").is_file() for preset in ("", "_quick"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "CURRICULUM="], "CURRICULUM must be 1, 2 or 3, not ''"),
        (["train", "CURRICULUM=4"], "CURRICULUM must be 1, 2 or 3, not '4'"),
        (["train", "CURRICULUM=1 2"], "CURRICULUM must be 1, 2 or 3, not '1 2'"),
        (["train", "CURRICULUM=1", "PRESET=slow"], "PRESET must be quick or left out, not 'slow'"),
        (["train", "PRESET=quick", "ALGO=ppo"], "PRESET must be left out with CONFIG, with ALGO and with another ENV"),
        (["train", "CURRICULUM=1", "ACCELERATOR=tpu"], "ACCELERATOR must be cuda or left out, not 'tpu'"),
        (["test", "PYTHON=no-such-python"], "Python 3.11 or newer is needed, but no-such-python is not there"),
        (["test", "MINIMUM_PYTHON=99.0"], "Python 99.0 or newer is needed, but ./fake-python is 3."),
    ],
)
def test_make_refuses_bad_input_in_one_line_before_it_installs_anything(checkout, arguments, message):
    refused = make(checkout, *arguments)
    assert refused.returncode != 0
    assert message in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert not pip_calls(checkout)
    assert not (checkout / ".venv").exists()
