"""trust_anchor on real Debian gateways: added, removed, half made by a killed run and healed, and put back.

Whether a root is trusted is asked of OpenSSL and keytool there, never of the module.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateways.gateway import Gateway
from gateways.lab import Lab
from gateways.pushes import ANCHORS, BUNDLE, NewRoot, command, environment, play, stores, trusts

KEPT = "/var/lib/cert-hygiene/root_ca"
CACERTS = "/etc/ssl/certs/java/cacerts"
KEYSTORE, KEYSTORE_PASSWORD = "/opt/engine/truststore.p12", "a password of the laboratory"


@dataclass
class Place:
    """A gateway, and a root that it does not have yet."""

    lab: Lab
    gateway: Gateway
    root: NewRoot
    folder: Path

    def task(self, **options: Any) -> dict[str, Any]:
        wanted = {"certificate": str(self.root.file), "fingerprint_sha256": self.root.fingerprint, **options}
        if wanted.get("state") in ("absent", "restored", "settled"):
            del wanted["certificate"]
        return {"biomed.cert_hygiene.trust_anchor": wanted}

    def run(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        return play(self.lab, self.folder, self.plays(**options), *arguments)

    def plays(self, **options: Any) -> list[dict[str, Any]]:
        return [{"hosts": self.gateway.name, "gather_facts": False, "become": True, "tasks": [self.task(**options)]}]

    def trusted(self) -> bool:
        return trusts(self.gateway, self.root.server()[0])

    def java_has(self, path: str, password: str) -> bool:
        words = ("keytool", "-list", "-keystore", path, "-storepass", password)
        listed = self.gateway.run(*words).stdout.replace(":", "").lower()
        return self.root.fingerprint in listed


def certificates(place: Place) -> int:
    """How many Debian itself has chosen for this tree."""
    return int(place.gateway.shell("grep -c '^[^#!]' /etc/ca-certificates.conf"))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> NewRoot:
    return NewRoot(tmp_path_factory.mktemp("root"))


@pytest.fixture(scope="module")
def plain(lab: Lab, root: NewRoot) -> Place:
    return Place(lab, lab.add("anchors"), root, root.folder)


@pytest.fixture
def place(plain: Place) -> Iterator[Place]:
    """The gateway as it was made, whatever a test left on it."""
    yield plain
    plain.gateway.shell(f"rm -rf {ANCHORS}/* {KEPT} {KEPT}.json {BUNDLE}.new; update-ca-certificates --fresh")


@pytest.fixture(scope="module")
def engine(lab: Lab, root: NewRoot) -> Place:
    """A gateway with every kind of store."""
    made = Place(lab, lab.add("engine", "java"), root, root.folder)
    made.gateway.shell(
        f"mkdir -p {Path(KEYSTORE).parent}\n"
        f"printf '%s\\n' '{KEYSTORE_PASSWORD}' > {KEYSTORE}.password\n"
        f"keytool -genkeypair -alias own -keyalg EC -dname CN=own -keystore {KEYSTORE} -storetype PKCS12 "
        f"-storepass '{KEYSTORE_PASSWORD}' 2>/dev/null\n"
        "mkdir -p /opt/viewer/nss && certutil -N --empty-password -d sql:/opt/viewer/nss\n"
        f"openssl x509 -in {BUNDLE} > /opt/ca.pem"
    )
    return made


def everywhere() -> dict[str, Any]:
    return {
        "java_keystores": [{"path": KEYSTORE, "password_file": f"{KEYSTORE}.password"}],
        "nss_databases": [{"path": "/opt/viewer/nss"}],
        "bundles": ["/opt/ca.pem"],
    }


def test_a_wrong_fingerprint_reaches_no_gateway(place: Place) -> None:
    log = place.gateway.root / "var/log/sshd.log"
    before = log.read_bytes()
    answer = place.run(fingerprint_sha256="0" * 64)
    assert answer.returncode == 2 and "this is another certificate" in answer.stdout
    assert log.read_bytes() == before


def test_a_root_goes_in_everywhere_and_out_again(engine: Place) -> None:
    before = stores(engine.gateway)
    predicted = engine.run("--check", "--diff", **everywhere())
    assert predicted.returncode == 0 and "changed=1" in predicted.stdout, predicted.stdout
    assert stores(engine.gateway) == before and not engine.trusted()
    for what in (ANCHORS, KEYSTORE, CACERTS, "/opt/viewer/nss/cert9.db", "/opt/ca.pem", "update-ca-certificates"):
        assert what in predicted.stdout
    assert f"+{engine.root.fingerprint}" in predicted.stdout
    done = engine.run("-vvvv", **everywhere(), kept_in=KEPT)
    assert done.returncode == 0 and "changed=1" in done.stdout, done.stdout[-4000:]
    assert KEYSTORE_PASSWORD not in done.stdout + done.stderr
    assert engine.trusted()
    assert engine.java_has(KEYSTORE, KEYSTORE_PASSWORD) and engine.java_has(CACERTS, "changeit")
    assert "demo-hospital-root-ca" in engine.gateway.run("certutil", "-L", "-d", "sql:/opt/viewer/nss").stdout
    after = stores(engine.gateway)
    again = engine.run(**everywhere(), kept_in=KEPT)
    assert again.returncode == 0 and "changed=0" in again.stdout, again.stdout
    assert stores(engine.gateway) == after
    # What is kept puts everything back as it was, byte for byte.
    back = engine.run(state="restored", kept_in=KEPT)
    assert back.returncode == 0 and "changed=1" in back.stdout, back.stdout
    assert {path: what for path, what in stores(engine.gateway).items() if before.get(path) != what} == {}
    assert not engine.trusted()
    assert engine.run(state="settled", kept_in=KEPT).returncode == 0
    assert "changed=0" in engine.run(state="restored", kept_in=KEPT).stdout
    # Removal by fingerprint alone.
    assert engine.run(**everywhere()).returncode == 0 and engine.trusted()
    gone = engine.run(state="absent", **everywhere())
    assert gone.returncode == 0 and "changed=1" in gone.stdout, gone.stdout
    assert not engine.trusted() and not engine.java_has(CACERTS, "changeit")
    assert not engine.java_has(KEYSTORE, KEYSTORE_PASSWORD)
    assert "changed=0" in engine.run(state="absent", **everywhere()).stdout


#: What a killed run leaves: made here as it would, and recognised by the next.
HALF_MADE = {
    "anchor written, nothing made of it": "",
    "linked, not rehashed": f"ln -s {ANCHORS}/$1.crt /etc/ssl/certs/$1.pem",
    "a hash link of another lost": "update-ca-certificates; cd /etc/ssl/certs; rm $(ls | grep '[.]0$' | head -1)",
    "half a new bundle": f"update-ca-certificates; head -c 1000 {BUNDLE} > {BUNDLE}.new",
    "half a bundle": f"update-ca-certificates; head -c 1000 {BUNDLE} > /etc/x; mv /etc/x {BUNDLE}",
}


@pytest.mark.parametrize("script", HALF_MADE.values(), ids=HALF_MADE.keys())
def test_what_is_half_made_is_healed(script: str, place: Place) -> None:
    name = f"demo-hospital-root-ca-{place.root.fingerprint[:8]}"
    place.gateway.write(f"{ANCHORS}/{name}.crt", place.root.file.read_text(encoding="ascii"))
    place.gateway.run("sh", "-euc", script, "sh", name)
    predicted = place.run("--check", "--diff")
    assert "changed=1" in predicted.stdout and ": heal" in predicted.stdout, predicted.stdout
    healed = place.run()
    assert healed.returncode == 0 and "changed=1" in healed.stdout, healed.stdout
    assert place.trusted()
    bundle = place.gateway.root / BUNDLE.lstrip("/")
    text = bundle.read_text(encoding="ascii")
    assert text.count("-----BEGIN") == text.count("-----END") == certificates(place) + 1
    assert "changed=0" in place.run().stdout


def test_a_run_killed_in_the_middle_is_healed_by_the_next(place: Place) -> None:
    """kill -9 of all that runs on the gateway while update-ca-certificates waits for its openssl."""
    place.gateway.write("/usr/local/bin/openssl", "#!/bin/sh\ntouch /tmp/reached\nexec sleep 60\n", 0o755)
    words = place.lab.command(*command(place.lab, place.folder, place.plays(kept_in=KEPT)))
    process = subprocess.Popen(
        words, env=environment(place.folder), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        place.gateway.wait_for("the rehash", ["test", "-e", "/tmp/reached"], 40)
        os.killpg(process.pid, signal.SIGKILL)
        for what in ("-f [u]pdate-ca-certificates", "python3", "sleep"):
            place.gateway.run("pkill", "-9", *what.split(), check=False)
    finally:
        process.kill()
        process.wait()
        place.gateway.shell("rm -f /usr/local/bin/openssl /tmp/reached")
    time.sleep(0.2)
    refused = place.run(kept_in=KEPT)
    assert refused.returncode == 2 and "left open" in refused.stdout
    assert place.run(state="restored", kept_in=KEPT).returncode == 0
    assert not place.trusted()
    assert place.run(state="settled", kept_in=KEPT).returncode == 0
    assert place.run(kept_in=KEPT).returncode == 0 and place.trusted()
    assert place.run(state="settled", kept_in=KEPT).returncode == 0
    assert place.run(state="absent").returncode == 0


@pytest.mark.parametrize(
    ("options", "why"),
    [("size=4k", "No space left on device"), ("ro", "Read-only file system")],
    ids=["full disk", "read-only"],
)
def test_a_disk_that_takes_nothing(options: str, why: str, place: Place) -> None:
    before = stores(place.gateway)
    fill = "" if options == "ro" else f"dd if=/dev/zero of={ANCHORS}/full bs=1k count=4 2>/dev/null || true"
    place.gateway.shell(f"mount -t tmpfs -o {options} tmpfs {ANCHORS}\n{fill}")
    try:
        answer = place.run()
    finally:
        place.gateway.shell(f"umount {ANCHORS}")
    assert answer.returncode == 2 and why in answer.stdout, answer.stdout
    assert stores(place.gateway) == before


def test_what_belongs_to_the_distribution_is_not_removed(place: Place) -> None:
    first = place.gateway.shell(f"openssl x509 -in {BUNDLE} -noout -fingerprint -sha256").split("=")[1]
    answer = place.run(state="absent", fingerprint_sha256=first.strip())
    assert answer.returncode == 2 and "deselect it there" in answer.stdout


def test_a_failing_command_is_a_failure(place: Place) -> None:
    place.gateway.write("/usr/local/sbin/update-ca-certificates", "#!/bin/sh\necho broken >&2\nexit 3\n", mode=0o755)
    try:
        answer = place.run(kept_in=KEPT)
        assert answer.returncode == 2 and "failed (3): broken" in answer.stdout
    finally:
        place.gateway.shell("rm /usr/local/sbin/update-ca-certificates")
    assert place.run(state="restored", kept_in=KEPT).returncode == 0
    assert place.run(state="settled", kept_in=KEPT).returncode == 0
    assert not place.trusted()
