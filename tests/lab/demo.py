"""Opens the demo hospital, audits it with the playbook a hospital would use, says where the report is, and closes it.

    .venv/bin/python tests/lab/demo.py [--report-dir report] [options of ansible-playbook]

Ends with the playbook's exit status; the hospital is closed even after Ctrl-C or an error.
"""

from __future__ import annotations

import argparse
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parents[2]
HOSPITAL = Path(__file__).with_name("hospital.py")
START_SECONDS = 120


class DemoError(Exception):
    """The demo cannot go on; the message says why and what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--state", type=Path, default=Path(".demo"), help="folder for the inventory and keys")
    parser.add_argument("--network", help="first two numbers of every device's address (127.20 if left out)")
    parser.add_argument("--report-dir", default="report", help="where the report goes")
    options, for_ansible = parser.parse_known_args(arguments)
    signal.signal(signal.SIGTERM, _as_interrupt)
    try:
        playbook = _ansible_playbook()
        hospital = _open_hospital(options.state, options.network)
    except DemoError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    try:
        return _audit(playbook, options.state, options.report_dir, for_ansible)
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return 130
    finally:
        _close_hospital(hospital)


def _ansible_playbook() -> list[str]:
    """Return the command of the ansible-core that belongs to this interpreter, else the one in PATH."""
    beside = Path(sys.executable).with_name("ansible-playbook")
    found = str(beside) if beside.exists() else shutil.which("ansible-playbook")
    if not found:
        raise DemoError("ansible-playbook is missing: run `make setup` first.")
    return [found]


def _open_hospital(state: Path, network: str | None) -> subprocess.Popen[str]:
    """Start the hospital and wait until it is ready. It ends by itself should this process be killed."""
    command = [sys.executable, str(HOSPITAL), "--state", str(state), "--stop-at-eof"]
    if network:
        command += ["--network", network]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a Ctrl-C in the terminal is for us: we close it in order
    )
    try:
        line = _first_line(process)
    except BaseException:
        _close_hospital(process)
        raise
    if not line:
        _close_hospital(process)
        raise DemoError("The demo stops here: its hospital did not open.")
    print(line.strip(), flush=True)
    return process


def _first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if not selector.select(timeout=START_SECONDS):
            raise DemoError(f"The demo hospital is not ready after {START_SECONDS} seconds.")
    return process.stdout.readline()


def _close_hospital(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _audit(playbook: list[str], state: Path, report_dir: str, for_ansible: Sequence[str]) -> int:
    environment = os.environ | {"ANSIBLE_CONFIG": os.environ.get("ANSIBLE_CONFIG", str(ROOT / "ansible.cfg"))}
    command = [
        *playbook,
        "-i",
        str(state / "inventory.yml"),
        "biomed.cert_hygiene.audit",
        "-e",
        json.dumps({"report_dir": report_dir}),
        *for_ansible,
    ]
    begun = time.monotonic()
    # In a session of its own: a Ctrl-C in the terminal reaches us alone, and we pass it on once.
    process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        status = process.wait()
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        raise
    index = Path(report_dir) / "index.html"
    if status == 0 and index.exists():
        print(f"Audited in {time.monotonic() - begun:.0f} s. Open {index} in a browser.")
    return status


def _as_interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
