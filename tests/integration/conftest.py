"""One demo hospital for the whole session, on a network of this process' own, and the collection as the tree has it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from integration.runs import ROOT, Run, environment, run_audit
from lab.hospital import Hospital
from lab.places import own_network

PLUGINS = Path(__file__).with_name("connection_plugins")


@pytest.fixture(scope="session")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    """The demo hospital, open for the whole session; call `forget()` before counting."""
    with Hospital(tmp_path_factory.mktemp("hospital") / "state", own_network("hospital")) as opened:
        yield opened


@pytest.fixture(scope="session")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collections path that leads to this tree."""
    path = tmp_path_factory.mktemp("collections")
    (path / "ansible_collections" / "biomed").mkdir(parents=True)
    (path / "ansible_collections" / "biomed" / "cert_hygiene").symlink_to(ROOT, target_is_directory=True)
    return path


@pytest.fixture
def audit(hospital: Hospital, collections: Path, tmp_path: Path) -> Callable[..., Run]:
    """Run the audit of the demo hospital (or of another inventory) in a folder of the test's own, and count anew."""

    def run(*arguments: str, inventory: Path = hospital.inventory, **variables: Any) -> Run:
        hospital.forget()
        return run_audit(inventory, tmp_path, *arguments, variables=variables, collections=collections)

    return run


@pytest.fixture
def probe(tmp_path: Path, collections: Path) -> Callable[..., tuple[dict[str, Any], str]]:
    """Run one device_probe task with these options; its result, and all that was printed."""

    def run(check: bool = False, host: dict[str, Any] | None = None, **options: Any) -> tuple[dict[str, Any], str]:
        play = {
            "hosts": "vantage",
            "gather_facts": False,
            "tasks": [
                {"biomed.cert_hygiene.device_probe": options, "register": "result", "ignore_errors": True},
                {
                    "ansible.builtin.copy": {
                        "content": "{{ result | to_json }}",
                        "dest": str(tmp_path / "result.json"),
                    },
                    "check_mode": False,
                    "delegate_to": "localhost",
                },
            ],
        }
        (tmp_path / "play.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")
        here = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
        inventory = {"all": {"hosts": {"vantage": {**here, **(host or {})}, "localhost": here}}}
        (tmp_path / "hosts.yml").write_text(yaml.safe_dump(inventory), encoding="utf-8")
        finished = subprocess.run(
            [
                str(Path(sys.executable).with_name("ansible-playbook")),
                *("-i", "hosts.yml", "play.yml"),
                *(["--check"] if check else []),
            ],
            cwd=tmp_path,
            env={
                **environment(tmp_path, collections),
                "ANSIBLE_CONNECTION_PLUGINS": str(PLUGINS),
                "TMPDIR": str(tmp_path),
            },
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        output = finished.stdout + finished.stderr
        assert finished.returncode == 0, output
        return json.loads((tmp_path / "result.json").read_text(encoding="utf-8")), output

    return run
