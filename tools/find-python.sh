#!/bin/sh
# Prints the path of the newest Python that really works here.
#
#   sh tools/find-python.sh              the newest of 3.14, 3.13, 3.12, 3.11, then plain python3
#   sh tools/find-python.sh 3.11 3.12    the first of these versions that works
#   PYTHON=/opt/py/bin/python3 sh tools/find-python.sh     this one or nothing
#
# A name on PATH proves nothing: a pyenv shim can exist and fail, a distribution can ship Python without
# ensurepip. So each candidate is started. One that can make virtual environments wins over a newer one that
# cannot; if none can, the newest is printed all the same and tools/setup_env.py says what is missing.
set -u

probe='
import sys
if sys.version_info < (3, 11):
    sys.exit(1)
import os, ssl, ctypes
wanted = sys.argv[1]
if wanted and wanted != "%d.%d" % sys.version_info[:2]:
    sys.exit(1)
try:
    import ensurepip, venv
    whole = "whole"
except ImportError:
    whole = "bare"
print(whole, os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable))
'

bare=''

# try COMMAND VERSION: prints the interpreter and ends the script if it is whole; remembers the first bare one.
try() {
    answer=$("$1" -I -c "$probe" "$2" 2>/dev/null </dev/null) || return 0
    case $answer in
        whole\ *) printf '%s\n' "${answer#whole }"; exit 0 ;;
        bare\ *) [ -n "$bare" ] || bare=${answer#bare } ;;
    esac
}

# try_path NAME VERSION: NAME in every folder of PATH, not only in the first that has it.
try_path() {
    old_ifs=$IFS
    IFS=:
    for folder in $PATH; do
        IFS=$old_ifs
        [ -x "$folder/$1" ] && try "$folder/$1" "$2"
        IFS=:
    done
    IFS=$old_ifs
}

if [ -n "${PYTHON:-}" ]; then
    try "$PYTHON" ''
    if [ -z "$bare" ]; then
        echo "PYTHON=$PYTHON is not a working Python 3.11 or newer." >&2
        exit 1
    fi
    printf '%s\n' "$bare"
    exit 0
fi

# Where pyenv keeps its versions: its own variable, the usual folder, or beside the shims on PATH.
pyenv_roots="${PYENV_ROOT:-} ${HOME:-/nonexistent}/.pyenv"
shims=$(printf '%s\n' "$PATH" | tr ':' '\n' | sed -n 's,/shims/*$,,p' | head -n 1)
[ -n "$shims" ] && pyenv_roots="$pyenv_roots $shims"

named=$#
[ "$named" -gt 0 ] || set -- 3.14 3.13 3.12 3.11
for version in "$@"; do
    for root in $pyenv_roots; do
        for candidate in "$root/versions/$version".*[0-9]/bin/python; do
            [ -x "$candidate" ] && try "$candidate" "$version"
        done
    done
    try_path "python$version" "$version"
    try_path python3 "$version"
done
[ "$named" -gt 0 ] || try_path python3 ''

if [ -n "$bare" ]; then
    printf '%s\n' "$bare"
    exit 0
fi
if [ "$named" -gt 0 ]; then
    echo "No working Python among these versions: $*" >&2
else
    echo "No working Python 3.11 or newer was found. Name one: make PYTHON=/path/to/python3" >&2
fi
exit 1
