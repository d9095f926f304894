#!/usr/bin/env bash
# Measures RTBGym in a virtual environment of its own and prints the result as JSON; all other output goes to stderr.
#
#   benchmarks/peers/run.sh VENV [arguments of rtbgym_speed.py]
#
# VENV is created if it does not exist, by ${PYTHON:-python3}, which must be Python 3.11 or 3.12: NumPy < 2 has no
# wheels for later ones. OPENBLAS_CORETYPE and the thread limits of the caller are passed on.
set -euo pipefail

if [ $# -lt 1 ]; then
    echo "usage: $0 VENV [--repetitions N] [--steps N]" >&2
    exit 2
fi
venv=$1
shift
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

{
    python=${PYTHON:-python3}
    if [ -x "$venv/bin/pip" ]; then
        python=$venv/bin/python
    fi
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    case $version in
        3.11 | 3.12) ;;
        *)
            echo "$python is Python $version, but RTBGym's dependencies take 3.11 or 3.12: set PYTHON or remove $venv"
            exit 2
            ;;
    esac
    if [ ! -x "$venv/bin/pip" ]; then
        "$python" -m venv "$venv"
    fi
    # Exact versions: once they are there, pip asks no index and this costs about a second.
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt"
    # Without its dependencies, which bring PyTorch and d3rlpy: the simulator uses neither.
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps scope-rl==0.2.1
} >&2

exec "$venv/bin/python" "$here/rtbgym_speed.py" "$@"
