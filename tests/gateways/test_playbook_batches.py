"""time_sync, account_hygiene and tls_hardening on batches of real gateways: a failure leaves no neighbour half-way.

In each batch of two, one fails in the middle of its change. What the gateways are afterwards is asked of their own
programs: chronyc, passwd and chage, openssl.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gateways import ntp_server
from gateways.changes import inventory, journal, summary
from gateways.gateway import Gateway
from gateways.lab import BRIDGE, Lab
from gateways.pushes import ROOT, play

SERVE_TLS = ROOT / "extensions/molecule/tls_hardening/files/prepare.sh"
KEPT = "/var/lib/cert-hygiene"
BY_TWO = ("-e", json.dumps({"gateway_serial": 2}))


@dataclass(frozen=True)
class Change:
    """A playbook, and gateways for it.

    prepare, harm, mend: scripts on the gateway; harm has the change fail after it began
    files: what the change touches; done: succeeds where the change was made
    undone: succeeds where it was not
    """

    kind: str
    prepare: str
    harm: str
    mend: str
    files: str
    done: str
    undone: str
    variables: dict[str, Any] = field(default_factory=dict)
    events: tuple[str, ...] = ("authorised", "began", "failed", "rolled_back")

    @property
    def names(self) -> list[str]:
        short = self.kind.partition("_")[0]
        return [f"{short}-broken", f"{short}-neighbour", f"{short}-third"]


_CLOSED = "passwd -S {0} | grep -q '^{0} L ' && LC_ALL=C chage -l {0} | grep -q '^Account expires.*: Jan 02, 1970$'"
_OPEN = "passwd -S {0} | grep -q '^{0} P ' && LC_ALL=C chage -l {0} | grep -q '^Account expires.*: never$'"
_TLS_1_0 = "openssl s_client -connect 127.0.0.1:443 -tls1 -cipher ALL:@SECLEVEL=0 < /dev/null"

CHANGES = {
    change.kind: change
    for change in (
        Change(
            "time_sync",
            prepare="echo 'server 192.0.2.250' > /etc/chrony/chrony.conf; service chrony start",
            harm="cp /etc/init.d/chrony /var/tmp/init; printf '#!/bin/sh\\nexit 1\\n' > /etc/init.d/chrony",
            mend="cp /var/tmp/init /etc/init.d/chrony",
            files="/etc/chrony",
            done=f"chronyc -c -n sources | grep -F '^,*,{BRIDGE},'",
            undone=f"pidof chronyd; test -z \"$(chronyc -c -n sources | grep -F ',{BRIDGE},')\"",
            variables={"device_ntp_servers": [BRIDGE], "device_time_zone": "Europe/Paris"},
        ),
        Change(
            "account_hygiene",
            prepare="for name in acme other; do useradd $name; echo $name:s3cret | chpasswd; done",
            # The first account is closed by then.
            harm="printf '%s\\n' '#!/bin/sh' 'case \"$*\" in *-L*other) exit 9 ;; esac' 'exec /usr/sbin/usermod \"$@\"'"
            " > /usr/local/sbin/usermod; chmod 755 /usr/local/sbin/usermod",
            mend="rm /usr/local/sbin/usermod",
            files="/etc/shadow /etc/passwd /etc/group /etc/gshadow",
            done=f"{_CLOSED.format('acme')}; {_CLOSED.format('other')}",
            undone=f"{_OPEN.format('acme')}; {_OPEN.format('other')}",
            variables={
                "device_accounts": [
                    {"name": "tech", "until": "2099-12-31"},
                    {"name": "acme", "until": "2020-06-30"},
                    {"name": "other", "until": "2020-06-30"},
                ]
            },
        ),
        Change(
            "tls_hardening",
            prepare=SERVE_TLS.read_text(encoding="utf-8"),
            # Its workers go on with the old settings.
            harm="kill -STOP $(cat /run/nginx.pid)",
            mend="kill -CONT $(cat /run/nginx.pid)",
            files="/etc/nginx",
            done=f"nginx -t; said=$({_TLS_1_0} 2>&1 || true); echo \"$said\" | grep -F 'Cipher is (NONE)'",
            undone=f"nginx -t; {_TLS_1_0} | grep 'Cipher is [A-Z]'",
            variables={"device_probe_consent": {"by": "x", "on": "2026-01-01", "reference": "W-1"}},
        ),
    )
}


@dataclass
class Hospital:
    """The gateways of all changes, and the runs on them."""

    lab: Lab
    folder: Path
    gateways: dict[str, Gateway] = field(default_factory=dict)

    def prepare(self, change: Change) -> dict[str, str]:
        """Start the gateways of a change, once; returns {name: hashes of the files that it touches}."""
        for name in change.names:
            if name not in self.gateways:
                gateway = self.gateways[name] = self.lab.add(name)
                gateway.run("sh", "-eus", "nginx", text=change.prepare)
        return {name: self.hashes(change, name) for name in change.names}

    def hashes(self, change: Change, name: str) -> str:
        return self.gateways[name].shell(f"find {change.files} -type f -exec sha256sum {{}} + | sort -k2")

    def run(self, change: Change, names: list[str], *arguments: str) -> subprocess.CompletedProcess[str]:
        on = [self.gateways[name] for name in names]
        words = inventory(self.lab, self.folder / "inventory.json", on, change.variables, {})
        return play(self.lab, self.folder, f"biomed.cert_hygiene.{change.kind}", *words, *arguments)

    def left(self, name: str) -> str:
        """What a change that is not at its end has left on a gateway."""
        return self.gateways[name].shell(f"find {KEPT} -mindepth 1 2>/dev/null || true")

    def logins(self, name: str) -> int:
        log = self.gateways[name].root / "var/log/sshd.log"
        return log.read_text(encoding="utf-8").count("Accepted")


@pytest.fixture(scope="module")
def hospital(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    ntp_server.start(lab)
    yield Hospital(lab, tmp_path_factory.mktemp("batches"))


@pytest.mark.parametrize("kind", CHANGES)
def test_a_gateway_that_fails_leaves_its_neighbour_finished_and_the_rest_untouched(
    hospital: Hospital, kind: str
) -> None:
    change = CHANGES[kind]
    broken, neighbour, third = change.names
    before = hospital.prepare(change)
    hospital.gateways[broken].shell(change.harm)
    harmed = hospital.hashes(change, broken)
    done = hospital.run(change, change.names, *BY_TWO)
    assert done.returncode != 0 and f"Stopped: no further gateway is changed. Look at: {broken}" in done.stdout, (
        done.stdout[-6000:]
    )
    assert summary(done.stdout, kind) == {
        broken: "rolled back",
        neighbour: "changed and verified",
        third: "not reached",
    }
    assert {name: hospital.left(name) for name in change.names} == dict.fromkeys(change.names, "")
    assert hospital.hashes(change, broken) == harmed
    assert hospital.hashes(change, third) == before[third]
    assert hospital.logins(third) == 0, "a gateway of the second batch was reached"
    hospital.gateways[broken].shell(change.mend)
    hospital.gateways[neighbour].shell(change.done)
    for name in (broken, third):
        hospital.gateways[name].shell(change.undone)
    assert tuple(journal(hospital.lab, broken)) == change.events
    assert journal(hospital.lab, neighbour) == ["authorised", "began", "changed", "verified"]
    assert journal(hospital.lab, third) == []
    again = hospital.run(change, change.names, *BY_TWO)
    assert again.returncode == 0, again.stdout[-6000:]
    assert summary(again.stdout, kind) == {
        broken: "changed and verified",
        neighbour: "already as wanted",
        third: "changed and verified",
    }
    for name in change.names:
        hospital.gateways[name].shell(change.done)


@pytest.mark.parametrize("kind", CHANGES)
def test_a_batch_of_which_no_gateway_answers_stops_the_run_and_is_told_whole(hospital: Hospital, kind: str) -> None:
    change = CHANGES[kind]
    hospital.prepare(change)
    first, second, third = change.names
    logins = hospital.logins(third)
    for name in (first, second):
        hospital.gateways[name].shell("ip link set eth0 down")
    # Predicting meets them as well.
    predicted = hospital.run(change, change.names, *BY_TWO, "--check")
    assert predicted.returncode != 0, predicted.stdout[-6000:]
    assert summary(predicted.stdout, kind) == {first: "failed", second: "failed", third: "not reached"}
    done = hospital.run(change, change.names, *BY_TWO)
    for name in (first, second):
        hospital.gateways[name].shell("ip link set eth0 up")
    assert done.returncode != 0, done.stdout[-6000:]
    assert summary(done.stdout, kind) == {first: "failed", second: "failed", third: "not reached"}
    assert f"Look at: {first}, {second}" in done.stdout
    for name in (first, second):
        assert journal(hospital.lab, name)[-2:] == ["authorised", "failed"]
    assert hospital.logins(third) == logins


@pytest.mark.parametrize("kind", CHANGES)
def test_a_selection_of_nobody_is_an_error(hospital: Hospital, kind: str) -> None:
    change = CHANGES[kind]
    hospital.prepare(change)
    logins = sum(map(hospital.logins, change.names))
    typo = hospital.run(change, change.names, "-e", "gateway_hosts=gatewys")
    assert typo.returncode != 0 and "No gateway: the pattern gatewys selects no host" in typo.stdout, typo.stdout
    first, second, _third = change.names
    words = ("-e", f"gateway_hosts={first}", "--limit", second, "-e", "report_language=fr")
    limited = hospital.run(change, change.names, *words)
    assert limited.returncode != 0 and f"avec --limit {second}" in limited.stdout, limited.stdout + limited.stderr
    assert sum(map(hospital.logins, change.names)) == logins


def test_a_gateway_that_is_lost_alone_stops_the_run_and_is_healed_by_the_next(hospital: Hospital) -> None:
    change = CHANGES["account_hygiene"]
    names = ["alone", "behind"]
    for name in names:
        hospital.gateways[name] = hospital.lab.add(name)
        hospital.gateways[name].run("sh", "-eus", text=change.prepare)
    hospital.gateways["alone"].write(
        "/usr/local/sbin/usermod",
        "#!/bin/sh\nrm /usr/local/sbin/usermod; pkill -9 -f '^sshd: tech'; exec /usr/sbin/usermod \"$@\"\n",
        mode=0o755,
    )
    done = hospital.run(change, names)
    assert done.returncode != 0 and "UNREACHABLE" in done.stdout, done.stdout[-3000:]
    assert hospital.logins("behind") == 0
    assert hospital.left("alone") != ""
    assert journal(hospital.lab, "alone") == ["authorised", "began"]
    again = hospital.run(change, names)
    assert again.returncode == 0, again.stdout[-6000:]
    assert "An earlier run was interrupted here" in again.stdout
    for name in names:
        hospital.gateways[name].shell(change.done)
        assert hospital.left(name) == ""
