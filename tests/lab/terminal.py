"""Starts a Python program as a terminal would: Ctrl-C reaches it.

A job that a shell put in the background ignores Ctrl-C, and hands that down to what it starts. What would take that
back between fork and exec (`preexec_fn`) may hang under the threads of pytest-xdist; so it is done after the exec.
"""

from __future__ import annotations

import sys

_LISTEN = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


def as_in_a_terminal(*command: str) -> list[str]:
    """The command line for these words of the same Python's: a file and its arguments."""
    return [sys.executable, "-c", _LISTEN, *command]
