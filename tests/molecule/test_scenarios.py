"""Each Molecule scenario is one test; `pytest -k change_control` runs one. Their own README says how they are made."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from gateways.lab import Unavailable, check_machine
from lab.places import ssh_sockets

ROOT = Path(__file__).resolve().parents[2]
SCENARIOS = sorted(path.parent.name for path in (ROOT / "extensions" / "molecule").glob("*/molecule.yml"))
#: Only so that one that hangs ends: none needs a fifth of it on two quiet cores.
SECONDS = 1800


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(scenario: str, tmp_path: Path) -> None:
    molecule = Path(sys.executable).with_name("molecule")
    if not molecule.exists():
        pytest.skip("molecule is not installed here (requirements-dev.txt)")
    try:
        check_machine()
    except Unavailable as why:
        pytest.skip(str(why))
    variables = {"HOME": str(tmp_path), "LC_ALL": "C.UTF-8", "ANSIBLE_NOCOLOR": "1", "NO_COLOR": "1"}
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "MOLECULE_"))}
    variables["ANSIBLE_SSH_CONTROL_PATH_DIR"] = ssh_sockets(tmp_path)
    environment |= variables | {"PATH": f"{molecule.parent}{os.pathsep}{environment.get('PATH', os.defpath)}"}
    finished = subprocess.run(
        [str(molecule), "test", "-s", scenario],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout
