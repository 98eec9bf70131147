#!/bin/sh
# Makes .venv ready for `runtime` or `dev`; returns at once when it already is. PYTHON=… chooses the interpreter.
set -eu
cd "$(dirname "$0")/.."
if [ -z "${PYTHON:-}" ] && .venv/bin/python tools/setup_env.py --fresh "$1" 2>/dev/null; then
    exit 0
fi
python=$(sh tools/find-python.sh)
exec "$python" tools/setup_env.py "$1"
