"""What each change needs on a gateway and on the control node, and no more: real gateways, real accounts.

Without the privilege that the roles ask for, a change ends with one sentence before anything was changed; an ordinary
user of the control node is enough.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateways.gateway import Gateway
from gateways.lab import Lab
from gateways.pushes import ROOT, NewRoot, command, environment, play

#: kind of change -> the variables of its playbook
CHANGES: dict[str, dict[str, Any]] = {
    "root_ca": {},
    "time_sync": {"time_sync_servers": ["192.0.2.1"], "time_sync_time_zone": "Europe/Paris"},
    "account_hygiene": {"device_accounts": [{"name": "ended", "until": "2026-01-31"}, {"name": "tech"}]},
    "tls_hardening": {"tls_hardening_accept_unknown_peers": True},
}
PLAYBOOKS = {"root_ca": "push_root_ca"}
#: User and group of the control node that nothing of this machine belongs to.
ORDINARY = (65534, 65534)


@pytest.fixture(scope="module")
def gateway(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A service that still speaks TLS 1.0, an account whose intervention has ended, another zone: all to change."""
    made = lab.add("ordinary", "tls")
    made.shell("useradd --create-home ended")
    (folder := tmp_path_factory.mktemp("served")).chmod(0o700)
    chain, key = NewRoot(folder).server()
    made.write("/etc/nginx/served.pem", chain)
    made.write("/etc/nginx/served.key", key, mode=0o600)
    tls = (
        "ssl_certificate /etc/nginx/served.pem; ssl_certificate_key /etc/nginx/served.key; ssl_protocols TLSv1 TLSv1.2;"
    )
    made.write("/etc/nginx/conf.d/served.conf", f"server {{ listen 8443 ssl; {tls} return 204; }}\n")
    made.shell("service nginx start >/dev/null 2>&1")
    yield made


@pytest.fixture(scope="module")
def variables(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    control = tmp_path_factory.mktemp("control")
    root = NewRoot(control)
    return {
        "root_ca_certificate": str(root.file),
        "root_ca_fingerprint_sha256": root.fingerprint,
        "root_ca_verify": {"host": "192.0.2.1", "port": 9, "name": "pacs.hopital.example"},
        "change_control_ticket": "CHG-7",
        "change_control_journal": str(control / "changes.jsonl"),
        "change_control_journal_vouched_by": "the test",
        "config_backup_dir": str(control / "backups"),
        "report_language": "en",
        "device_in_use": False,
        "device_vendor_authorisation": [
            {"kinds": list(CHANGES), "by": "x", "on": "2026-01-01", "until": "2099-12-31", "reference": "A-1"}
        ],
    }


def files(gateway: Gateway) -> str:
    """Hash, owner and mode of every file that a change could touch."""
    places = "/etc /usr/local /var/lib /opt"
    return gateway.shell(f"find {places} -type f -exec sha256sum {{}} + | sort -k2; find {places} -ls | sort -k11")


@pytest.mark.parametrize("kind", CHANGES)
def test_without_privilege_nothing_changes_and_it_says_so(
    lab: Lab, gateway: Gateway, variables: dict[str, Any], tmp_path: Path, kind: str
) -> None:
    inventory = tmp_path / "inventory.json"
    hosts = {gateway.name: lab.variables(gateway)}
    given = {**variables, **CHANGES[kind]}
    inventory.write_text(json.dumps({"gateways": {"hosts": hosts, "vars": given}}), encoding="utf-8")
    before = files(gateway)
    playbook = f"biomed.cert_hygiene.{PLAYBOOKS.get(kind, kind)}"
    done = play(lab, tmp_path, playbook, "-i", str(inventory), "--limit", gateway.name, "-e", "gateway_become=false")
    said = "with an account that may): nothing was changed. uid 1000"
    assert done.returncode != 0 and said in done.stdout, done.stdout[-3000:]
    assert files(gateway) == before
    assert not (Path(variables["config_backup_dir"]) / gateway.name).exists(), "it went as far as a backup"


def test_an_ordinary_user_of_the_control_node_is_enough(lab: Lab, gateway: Gateway, variables: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory(prefix="cert-hygiene-") as made:
        folder = Path(made)
        for path in (lab.login_key, lab.known_hosts):
            shutil.copy(path, folder)
        reached = json.dumps(lab.variables(gateway)).replace(str(lab.state), str(folder))
        kept = {
            **variables,
            **CHANGES["account_hygiene"],
            "change_control_journal": str(folder / "changes.jsonl"),
            "config_backup_dir": str(folder / "backups"),
        }
        hosts = {gateway.name: json.loads(reached)}
        (folder / "inventory.json").write_text(json.dumps({"gateways": {"hosts": hosts, "vars": kept}}))
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, *ORDINARY)
        # The interpreter may lie in a home that others cannot read: reading is allowed, and nothing else.
        read = ("--inh-caps=-all,+dac_read_search", "--ambient-caps=+dac_read_search")
        user = (f"--reuid={ORDINARY[0]}", f"--regid={ORDINARY[1]}", "--clear-groups")
        words = command(lab, folder, "biomed.cert_hygiene.account_hygiene", "-i", str(folder / "inventory.json"))
        words.remove(str(lab.inventory))
        words.remove("-i")
        given = environment(folder, ANSIBLE_SSH_CONTROL_PATH_DIR=str(folder / "ssh"))
        done = lab.run("setpriv", *user, *read, "--", *words, env=given, cwd=ROOT, timeout=600)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr
        assert (folder / "changes.jsonl").stat().st_uid == ORDINARY[0]
        journal = [json.loads(line) for line in (folder / "changes.jsonl").read_text(encoding="utf-8").splitlines()]
        assert [entry["event"] for entry in journal] == ["authorised", "began", "changed", "verified"]
    assert gateway.shell("passwd -S ended").split()[1] == "L"


def test_services_are_not_looked_for_without_privilege(lab: Lab, gateway: Gateway, tmp_path: Path) -> None:
    look = {"biomed.cert_hygiene.tls_services_info": {}}
    done = play(lab, tmp_path, [{"hosts": gateway.name, "gather_facts": False, "tasks": [look]}])
    assert done.returncode != 0 and "looking needs privilege" in done.stdout, done.stdout
