"""push_root_ca on real gateways: twenty in one run, each kind of failure, a killed controller; each undone.

The server that the gateways ask is a real nginx on a gateway of its own. What a gateway trusts afterwards is asked of
OpenSSL there, and every file of its stores is compared.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gateways.changes import inventory, journal, summary
from gateways.gateway import Gateway
from gateways.lab import Lab
from gateways.pushes import ANCHORS, BUNDLE, NewRoot, command, environment, play, stores, trusts

PLAYBOOK = "biomed.cert_hygiene.push_root_ca"
STATE = "/var/lib/cert-hygiene/root_ca.json"
PASSWORD = "a password of the laboratory"
NAME = "pacs.hopital.example"

#: A command that fails once the new root is there, and works without: as on a gateway with a broken package.
BROKEN_COMMAND = f"""\
#!/bin/sh
if ls {ANCHORS}/*.crt > /dev/null 2>&1; then echo 'broken by the test' >&2; exit 3; fi
exec /usr/sbin/update-ca-certificates "$@"
"""


@dataclass
class Hospital:
    """A server that uses the new root, and the files of the control node."""

    lab: Lab
    folder: Path
    root: NewRoot
    other: NewRoot
    server: str
    gateways: dict[str, Gateway] = field(default_factory=dict)

    def add(self, name: str, variant: str = "plain") -> Gateway:
        gateway = self.lab.add(name, variant)
        self.gateways[name] = gateway
        return gateway

    def inventory(self, names: list[str], variables: dict[str, dict[str, Any]]) -> list[str]:
        """The arguments of a run on these gateways; `variables` by name of a gateway."""
        common = {
            "root_ca_certificate": str(self.root.file),
            "root_ca_fingerprint_sha256": self.root.fingerprint,
            "root_ca_verify": {"host": self.server, "port": 8443, "name": NAME},
        }
        gateways = [self.gateways[name] for name in names]
        return inventory(self.lab, self.folder / "inventory.json", gateways, common, variables)

    def push(
        self, names: list[str], *arguments: str, variables: dict[str, dict[str, Any]] | None = None
    ) -> subprocess.CompletedProcess[str]:
        words = [*self.inventory(names, variables or {}), *arguments]
        return play(self.lab, self.folder, PLAYBOOK, *words)

    def trusted(self, name: str) -> bool:
        return trusts(self.gateways[name], self.root.server()[0])

    def journal(self, name: str) -> list[str]:
        return journal(self.lab, name)


@pytest.fixture(scope="module")
def hospital(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    folder = tmp_path_factory.mktemp("push")
    for name in ("root", "other"):
        (folder / name).mkdir()
    root, server = NewRoot(folder / "root"), lab.add("pacs")
    chain, key = root.server(NAME)
    server.write("/etc/nginx/pacs.pem", chain)
    server.write("/etc/nginx/pacs.key", key, mode=0o600)
    tls = "ssl_certificate /etc/nginx/pacs.pem; ssl_certificate_key /etc/nginx/pacs.key;"
    server.write("/etc/nginx/conf.d/pacs.conf", f"server {{ listen 8443 ssl; {tls} return 204; }}\n")
    server.shell("service nginx start >/dev/null 2>&1")
    yield Hospital(lab, folder, root, NewRoot(folder / "other"), server.address)


def test_twenty_gateways_one_broken_in_the_second_batch(hospital: Hospital) -> None:
    names = [f"gw-{number:02}" for number in range(1, 21)]
    for name in names:
        hospital.add(name, "java" if name == "gw-01" else "plain")
    hospital.gateways["gw-01"].shell(
        "mkdir /opt/engine && cd /opt/engine\n"
        f"printf '%s\\n' '{PASSWORD}' > pass\n"
        "keytool -genkeypair -alias own -keyalg EC -dname CN=own -keystore trust.p12 -storetype PKCS12 "
        "-storepass:file pass 2>/dev/null"
    )
    broken = hospital.gateways["gw-04"]
    broken.write("/usr/local/sbin/update-ca-certificates", BROKEN_COMMAND, mode=0o755)
    before = {name: stores(hospital.gateways[name]) for name in names}
    keystores = {
        "gw-01": {"device_java_keystores": [{"path": "/opt/engine/trust.p12", "password_file": "/opt/engine/pass"}]}
    }
    serial = json.dumps({"gateway_serial": [1, 5, "25%"]})
    refused = {"gw-03": {"device_in_use": True}}
    done = hospital.push(names, "-vvvv", "-e", serial, variables={**keystores, **refused})
    assert done.returncode != 0
    told = summary(done.stdout, "root_ca")
    assert sorted(told) == names
    verified = ["gw-01", "gw-02", "gw-05", "gw-06"]
    assert {name: told[name] for name in verified} == dict.fromkeys(verified, "changed and verified")
    assert told["gw-04"] == "rolled back"
    assert told["gw-03"].startswith("skipped: ")
    assert {told[name] for name in names[6:]} == {"not reached"}
    assert "Stopped: no further gateway is changed. Look at: gw-04" in done.stdout
    assert "broken by the test" in done.stdout
    assert PASSWORD not in done.stdout + done.stderr
    assert [name for name in names if hospital.trusted(name)] == verified
    untouched = ["gw-03", "gw-04", *names[6:]]
    assert {name: stores(hospital.gateways[name]) for name in untouched} == {name: before[name] for name in untouched}
    assert hospital.journal("gw-04") == ["authorised", "began", "rolled_back"]
    assert hospital.journal("gw-03") == ["refused"]
    assert hospital.journal("gw-07") == []
    assert hospital.journal("gw-02") == ["authorised", "began", "changed", "verified"]
    for name in names:
        assert not (hospital.gateways[name].root / STATE.lstrip("/")).exists()
    backups = {path.parent.name for path in (hospital.lab.state / "control" / "backups").rglob("*") if path.is_file()}
    assert backups & set(names) == {*verified, "gw-04"}, "a folder for each that was changed, and for no other"
    logins = hospital.gateways["gw-07"].root / "var/log/sshd.log"
    assert "Accepted" not in logins.read_text(encoding="utf-8"), "a gateway of the third batch was reached"


#: name -> (injected on the gateway before the run, taken back after it, its variables, what is said, events)
FAILURES: dict[str, tuple[str, str, dict[str, Any], str, list[str]]] = {
    "full": (
        f"mount -t tmpfs -o size=4k tmpfs {ANCHORS}; dd if=/dev/zero of={ANCHORS}/x bs=1k count=4 2>/dev/null || true",
        f"umount {ANCHORS}",
        {},
        "No space left on device",
        ["failed"],
    ),
    "full-state": (
        "mkdir /var/lib/cert-hygiene; mount -t tmpfs -o size=4k tmpfs /var/lib/cert-hygiene; "
        "dd if=/dev/zero of=/var/lib/cert-hygiene/x bs=1k count=4 2>/dev/null || true",
        "umount /var/lib/cert-hygiene",
        {},
        "No space left on device",
        ["failed"],
    ),
    "read-only": (f"mount -t tmpfs -o ro tmpfs {ANCHORS}", f"umount {ANCHORS}", {}, "Read-only", ["failed"]),
    "command": (
        f"cat > /usr/local/sbin/update-ca-certificates <<'X'\n{BROKEN_COMMAND}X\n"
        "chmod 755 /usr/local/sbin/update-ca-certificates",
        "rm /usr/local/sbin/update-ca-certificates",
        {},
        "broken by the test",
        ["began", "rolled_back"],
    ),
    "other-root": ("", "", {"root_ca_certificate": "OTHER"}, "is not trusted with SHA-256", ["began", "rolled_back"]),
    "service": (
        "",
        "",
        {"root_ca_restart": "restart", "root_ca_services": ["no-such-service"]},
        "Not running: no-such-service",
        ["failed"],
    ),
    "no-server": ("", "", {"root_ca_verify": {"host": "192.0.2.1", "port": 9}}, "could not be verified", ["failed"]),
    "unreachable": ("ip link set eth0 down", "ip link set eth0 up", {}, "cannot be reached", ["failed"]),
    "retires-new": ("", "", {"root_ca_retire": ["NEW"]}, "names the new root itself", ["failed"]),
    "fingerprint": ("", "", {"root_ca_fingerprint_sha256": "0" * 64}, "this is another certificate", ["failed"]),
}


def test_each_failure_is_undone_and_the_next_run_succeeds(hospital: Hospital) -> None:
    variables = {}
    for name, (inject, _undo, own, _said, _events) in FAILURES.items():
        hospital.add(name).shell(f"{inject}\ntrue")
        variables[name] = dict(own)
    variables["retires-new"] = {"root_ca_retire": [hospital.root.fingerprint.upper()]}
    variables["other-root"] = {
        "root_ca_certificate": str(hospital.other.file),
        "root_ca_fingerprint_sha256": hospital.other.fingerprint,
    }
    names = list(FAILURES)
    before = {name: stores(hospital.gateways[name]) for name in names}
    failed = hospital.push(names, "-e", "gateway_serial=20", variables=variables)
    assert failed.returncode != 0
    for name, (_inject, undo, _own, said, events) in FAILURES.items():
        assert said in failed.stdout, (name, failed.stdout[-6000:])
        assert hospital.journal(name) == ["authorised", *events], (name, failed.stdout[-6000:])
        assert stores(hospital.gateways[name]) == before[name], name
        hospital.gateways[name].shell(f"{undo}\ntrue")
        assert not hospital.trusted(name), name
    again = hospital.push(names, "-e", "gateway_serial=20")
    assert again.returncode == 0, again.stdout[-6000:]
    assert set(summary(again.stdout, "root_ca").values()) == {"changed and verified"}
    assert all(hospital.trusted(name) for name in names)


def test_a_killed_controller_is_healed_by_the_next_run(hospital: Hospital) -> None:
    gateway = hospital.add("killed")
    before = stores(gateway)
    gateway.write(
        "/usr/local/bin/openssl",
        '#!/bin/sh\n[ $1 = rehash ] || exec /usr/bin/openssl "$@"\ntouch /tmp/reached\nexec sleep 60\n',
        mode=0o755,
    )
    words = command(hospital.lab, hospital.folder, PLAYBOOK, *hospital.inventory(["killed"], {}))
    process = subprocess.Popen(
        hospital.lab.command(*words),
        env=environment(hospital.folder),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        gateway.wait_for("the rehash", ["test", "-e", "/tmp/reached"], 60)
        os.killpg(process.pid, signal.SIGKILL)
        # The gateway loses its power too.
        gateway.shell(
            "pkill -9 -f '[u]pdate-ca-certificates' || true; pkill -9 python3 || true; pkill -9 sleep || true"
        )
    finally:
        process.kill()
        process.wait()
    gateway.shell("rm -f /usr/local/bin/openssl /tmp/reached")
    assert (gateway.root / STATE.lstrip("/")).exists()
    # Not out of use any more: the change stays open, and the gateway is not reached.
    skipped = hospital.push(["killed"], variables={"killed": {"device_in_use": True}})
    assert skipped.returncode == 0 and (gateway.root / STATE.lstrip("/")).exists()
    # A run whose push fails leaves it as it was before the killed one.
    gateway.write("/usr/local/sbin/update-ca-certificates", BROKEN_COMMAND, mode=0o755)
    failed = hospital.push(["killed"])
    assert failed.returncode != 0 and "An earlier run was interrupted" in failed.stdout
    assert stores(gateway) == before and not hospital.trusted("killed")
    gateway.shell("rm /usr/local/sbin/update-ca-certificates")
    done = hospital.push(["killed"])
    assert done.returncode == 0 and hospital.trusted("killed"), done.stdout
    events = hospital.journal("killed")
    assert events[:4] == ["authorised", "began", "refused", "authorised"]
    assert events[4:] == ["rolled_back", "began", "rolled_back", "authorised", "began", "changed", "verified"]


#: Connects as an application does: the keystore of javax.net.ssl.trustStore, PKIX, and the server's name.
CONNECT = """\
import java.net.Socket;
import java.nio.file.*;
import javax.net.ssl.*;

public class Connect {
    public static void main(String[] words) throws Exception {
        System.setProperty("javax.net.ssl.trustStore", words[0]);
        System.setProperty("javax.net.ssl.trustStorePassword", Files.readAllLines(Path.of(words[1])).get(0));
        SSLSocketFactory factory = (SSLSocketFactory) SSLSocketFactory.getDefault();
        try (SSLSocket socket = (SSLSocket) factory.createSocket(new Socket(words[2], 8443), words[3], 8443, true)) {
            SSLParameters parameters = socket.getSSLParameters();
            parameters.setEndpointIdentificationAlgorithm("HTTPS");
            socket.setSSLParameters(parameters);
            socket.startHandshake();
            System.out.println(socket.getSession().getPeerCertificates().length + " certificates");
        }
    }
}
"""
#: nginx ends as soon as it finds the new root, as a service that cannot read it would; its start is said to be well.
DYING = f"if ls {ANCHORS}/*.crt > /dev/null 2>&1; then DAEMON=/bin/true; fi\n"


@pytest.mark.skipif(shutil.which("javac") is None, reason="needs the program javac")
def test_java_connects_after_the_push_alone_and_a_service_that_dies_undoes_it(hospital: Hospital) -> None:
    (hospital.folder / "Connect.java").write_text(CONNECT, encoding="utf-8")
    subprocess.run(["javac", "--release", "17", "Connect.java"], cwd=hospital.folder, check=True)
    gateway = hospital.add("jsse", "java")
    shutil.copy(hospital.folder / "Connect.class", gateway.root / "tmp")
    gateway.shell(
        "mkdir /opt/engine && cd /opt/engine\n"
        f"printf '%s\\n' '{PASSWORD}' > pass; echo changeit > changeit\n"
        f"openssl x509 -in {BUNDLE} > other.pem\n"
        "for kind in PKCS12 JKS; do keytool -importcert -noprompt -alias other -file other.pem -keystore trust.$kind "
        "-storetype $kind -storepass:file pass; done\n"
        "echo 'server { listen 8080; }' > /etc/nginx/conf.d/viewer.conf; service nginx start"
    )
    stores_of_java = {"/opt/engine/trust.PKCS12": "pass", "/opt/engine/trust.JKS": "pass"}
    stores_of_java["/etc/ssl/certs/java/cacerts"] = "changeit"

    def java(path: str) -> str:
        words = ("java", "-cp", "/tmp", "Connect", path, f"/opt/engine/{stores_of_java[path]}", hospital.server, NAME)
        done = gateway.run(*words, check=False)
        return "connected" if done.returncode == 0 else done.stderr

    named = [{"path": path, "password_file": "/opt/engine/pass"} for path in list(stores_of_java)[:2]]
    own = {"device_java_keystores": named, "root_ca_restart": "restart", "root_ca_services": ["nginx"]}
    before, ran = stores(gateway), gateway.shell("cat /run/nginx.pid")
    assert all("PKIX path building failed" in java(path) for path in stores_of_java)
    gateway.write("/etc/default/nginx", DYING)
    failed = hospital.push(["jsse"], "-vvvv", variables={"jsse": own})
    assert failed.returncode != 0 and "Not running: nginx" in failed.stdout, failed.stdout[-6000:]
    assert hospital.journal("jsse") == ["authorised", "began", "rolled_back"]
    assert stores(gateway) == before
    # Every keystore had been changed, and the service runs again with what was there before.
    journal = hospital.lab.state / "control" / "changes.jsonl"
    last = json.loads(journal.read_text(encoding="utf-8").splitlines()[-1])
    assert {file["path"] for file in last["files"]} >= set(stores_of_java), last
    assert gateway.listens(8080) and gateway.shell("cat /run/nginx.pid") != ran
    assert all("PKIX path building failed" in java(path) for path in stores_of_java)
    gateway.shell("rm /etc/default/nginx")
    done = hospital.push(["jsse"], "-vvvv", variables={"jsse": own})
    assert done.returncode == 0, done.stdout[-6000:]
    assert {path: java(path) for path in stores_of_java} == dict.fromkeys(stores_of_java, "connected")
    assert gateway.listens(8080)
    for run in (failed, done):
        assert PASSWORD not in run.stdout + run.stderr and "PRIVATE KEY" not in run.stdout + run.stderr


#: The gateway's logins end in the middle of the change, as when it loses its network; the change goes on without them.
LOST = """\
#!/bin/sh
rm -f /usr/local/sbin/update-ca-certificates
pkill -9 -f '^sshd: tech'
exec /usr/sbin/update-ca-certificates "$@"
"""


def test_a_gateway_that_is_lost_stops_the_run_and_not_its_neighbours(hospital: Hospital) -> None:
    names = ["lost", "neighbour", "later"]
    for name in names:
        hospital.add(name)
    hospital.gateways["lost"].write("/usr/local/sbin/update-ca-certificates", LOST, mode=0o755)
    serial = json.dumps({"gateway_serial": 2})
    done = hospital.push(names, "-e", serial)
    assert done.returncode != 0 and "Look at: lost" in done.stdout, done.stdout[-3000:]
    told = summary(done.stdout, "root_ca")
    assert told == {"lost": "begun and not finished", "neighbour": "changed and verified", "later": "not reached"}
    again = hospital.push(names, "-e", serial)
    assert again.returncode == 0 and all(hospital.trusted(name) for name in names), again.stdout[-3000:]
    assert hospital.journal("lost")[-4:] == ["rolled_back", "began", "changed", "verified"]


def test_it_speaks_french_and_predicts(hospital: Hospital) -> None:
    hospital.add("apercu")
    before = stores(hospital.gateways["apercu"])
    words = ("--check", "--diff", "-e", "report_language=fr")
    done = hospital.push(["apercu"], *words)
    assert done.returncode == 0, done.stdout
    assert "Changements prévus (root_ca)" in done.stdout and "changed=1" in done.stdout
    assert f"+{hospital.root.fingerprint}" in done.stdout
    assert stores(hospital.gateways["apercu"]) == before
    assert hospital.journal("apercu") == []
    nobody = hospital.push(["apercu"], "-e", "gateway_hosts=nobody", "-e", "report_language=fr")
    assert nobody.returncode != 0 and "Aucune passerelle" in nobody.stdout
