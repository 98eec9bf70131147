"""The module access_check called by a task, against real servers that ask for a password, and counted on their side."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml
from integration.access_servers import ACCOUNTS, Servers, servers
from integration.logins import CONSENT, Told, login_environment, prepare, told
from integration.runs import environment
from lab import pki
from lab.appliances import Appliance, CommandLine, Manner
from lab.places import own_network

from ansible_collections.biomed.cert_hygiene.plugins.modules import access_check
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.assess.device import assess_device
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory.card import device_card
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.policy import load_policy

ROOT = Path(__file__).resolve().parents[2]
WRONG = "factory-0000-wrong"
NAME = "device.hopital.example"


class Ward:
    """A folder to work in, and what the task is given."""

    def __init__(self, folder: Path, collections: Path) -> None:
        self.folder = folder
        self.collections = collections
        self.state = folder / "state"
        self.profiles = folder / "profiles"
        self.profiles.mkdir()
        self._count = 0

    def profile(self, **parts: Any) -> str:
        """A profile of the user's own, and its name."""
        self._count += 1
        name = f"own_{self._count}"
        data = {
            "schema_version": 1,
            "name": name,
            "transport": "ssh",
            "ssh": {"prompt": "[$#] ?$"},
            "commands": {"now": "date"},
            "facts": {"system.name": {"output": "now", "regex": "(?P<value>.+)"}},
            **parts,
        }
        (self.profiles / f"{name}.yml").write_text(yaml.safe_dump(data), encoding="utf-8")
        return name

    def start(
        self,
        hosts: Mapping[str, Mapping[str, Any]],
        *arguments: str,
        name: str = "run",
        vantage: Mapping[str, Any] | None = None,
        variables: Mapping[str, str] | None = None,
        **options: Any,
    ) -> tuple[subprocess.Popen[str], Path]:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        task = {
            "biomed.cert_hygiene.access_check": {
                "devices": list(hosts),
                "authorised_by": "Dr A. Martin, BIO-2026-031",
                "state_dir": str(self.state),
                "state_dir_vouched_by": "the tests, for as long as they run",
                "profile_folders": [str(self.profiles)],
                "timeout": 10,
                "device_timeout": 40,
                "pause": 0.1,
                **options,
            }
        }
        devices = {host: {"device_in_use": False, **values} for host, values in hosts.items()}
        command = [*prepare(folder, devices, task, vantage), *arguments]
        env = login_environment(folder, self.collections, variables)
        output = (folder / "output").open("w", encoding="utf-8")
        with output:
            started = subprocess.Popen(command, cwd=folder, env=env, stdout=output, stderr=subprocess.STDOUT, text=True)
        return started, folder

    def finish(self, started: tuple[subprocess.Popen[str], Path], seconds: float = 0.0) -> Told:
        process, folder = started
        process.wait(600)
        output = (folder / "output").read_text(encoding="utf-8")
        return told(folder, process.returncode, output, seconds)

    def check(self, hosts: Mapping[str, Mapping[str, Any]], *arguments: str, **options: Any) -> Told:
        begun = time.monotonic()
        started = self.start(hosts, *arguments, **options)
        started[0].wait(600)
        return self.finish(started, time.monotonic() - begun)


@pytest.fixture
def ward(tmp_path: Path, collections: Path) -> Ward:
    return Ward(tmp_path, collections)


ADDRESSES = iter(range(1, 250))


def address() -> str:
    """One of our own, beside those of another run of these tests."""
    return f"{own_network('access_check')}.1.{next(ADDRESSES)}"


@pytest.fixture
def place() -> Iterator[Servers]:
    with servers(address()) as opened:
        yield opened


@dataclass(frozen=True)
class Certificate:
    """The key and certificate that a server shows, as a file, and the root above it."""

    file: Path
    root: str


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    authorities = pki.make_pki(datetime.now(timezone.utc).replace(microsecond=0))
    made = pki.issue(authorities, [NAME], {})
    path = tmp_path_factory.mktemp("pki") / "device.pem"
    path.write_bytes(made.key_pem + made.chain_pem)
    return Certificate(path, pki.pem(authorities.root.certificate).decode("ascii"))


def judged(checked: Told, name: str, host: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """check -> (status, reason), as the audit judges this observation."""
    card = device_card(
        name, {"device_probe_consent": CONSENT, "device_in_use": False, **host}, datetime.now(timezone.utc)
    )
    findings = assess_device(card, [checked.observations[name]], load_policy({}), datetime.now(timezone.utc))
    return {finding["check"]: (finding["status"], finding["reason"]) for finding in findings}


# --- the right verdict, against real servers ---


def credential(account: str, password: str | None = None, *services: str) -> dict[str, Any]:
    """A line of factory_credentials; without a password, the right one."""
    entry: dict[str, Any] = {"account": account, "password": ACCOUNTS[account] if password is None else password}
    return {**entry, "services": list(services)} if services else entry


def shell(port: int) -> dict[str, Any]:
    return {"prompt": "[$#] ?$", "port": port}


def test_a_real_sshd(ward: Ward, place: Servers) -> None:
    password = place.sshd()
    questions = place.sshd("UsePAM yes", "PasswordAuthentication no", "KbdInteractiveAuthentication yes")
    strict = place.sshd("MaxAuthTries 1")
    daemons = {"password": password, "questions": questions, "strict": strict}
    lines = [credential("service"), credential("sealed", WRONG)]
    hosts = {
        name: {
            "device_address": place.address,
            "device_ssh_host_key": daemon.host_key,
            "device_clinical_login": {"user": "carer", "password": ACCOUNTS["carer"]},
            "device_profile": ward.profile(
                factory_credentials=lines[::-1] if name == "strict" else lines,
                ssh=shell(daemon.port),
                admin=[{"service": "ssh"}],
            ),
        }
        for name, daemon in daemons.items()
    }
    checked = ward.check(hosts, tries_per_day=10)
    for name in ("password", "questions"):
        assert checked.outcome(name) == ("observed", None), checked.observations[name]
        assert checked.results(name) == [("ssh", "service", "accepted"), ("ssh", "sealed", "refused")]
        assert checked.admin(name) == [("ssh", "anonymous", "refused"), ("ssh", "clinical", "accepted")]
        assert judged(checked, name, hosts[name])["default_passwords"] == ("fail", "default_password_accepted")
        assert judged(checked, name, hosts[name])["admin_interface"] == ("fail", "admin_open_to_clinical_user")
    # The first sign of a lock-out ends it: neither another account nor the administration is tried.
    assert checked.results("strict") == [("ssh", "sealed", "locked_out"), ("ssh", "service", "not_tried")]
    assert checked.admin("strict") == [("ssh", "anonymous", "not_tried"), ("ssh", "clinical", "not_tried")]
    assert judged(checked, "strict", hosts["strict"])["default_passwords"] == ("not_assessed", "access_inconclusive")
    for daemon, service in ((password, 1), (questions, 1), (strict, 0)):
        assert (daemon.tries("service"), daemon.tries("sealed"), daemon.tries("carer")) == (service, 1, service)
    # It is remembered: that account is left alone from then on, also another day, until a person says otherwise.
    again = ward.check({"strict": hosts["strict"]}, tries_per_day=10)
    assert again.results("strict")[0] == ("ssh", "sealed", "locked_out")
    assert "remove" in again.observations["strict"]["default_passwords"][0]["detail"]
    assert strict.tries("sealed") == 1


def test_a_real_telnetd_and_a_real_vsftpd(ward: Ward, place: Servers) -> None:
    telnet, ftp = place.telnetd(), place.vsftpd()
    secured = place.vsftpd("userlist_enable=YES", f"userlist_file={_nobody_listed(place)}", "userlist_deny=NO")
    lines = [credential("service", None, "telnet", "ftp"), credential("sealed", WRONG, "telnet", "ftp")]
    hosts = {
        name: {
            "device_address": place.address,
            "device_clinical_login": {"user": "carer", "password": WRONG},
            "device_login_exception": "tests",
            "device_profile": ward.profile(
                factory_credentials=lines,
                access={"telnet": {"port": telnet.port}, "ftp": {"port": port}},
                admin=[{"service": "telnet", "port": telnet.port}],
            ),
        }
        for name, port in (("well", ftp.port), ("listed", secured.port))
    }
    hosts["listed"]["device_profile"] = ward.profile(
        factory_credentials=[credential("service", None, "ftp"), credential("sealed", WRONG, "ftp")],
        access={"ftp": {"port": secured.port}},
    )
    checked = ward.check(hosts, tries_per_day=10, timeout=10)
    assert checked.outcome("well") == ("observed", None), checked.observations["well"]
    assert checked.results("well") == [
        ("telnet", "service", "accepted"),
        ("ftp", "service", "accepted"),
        ("telnet", "sealed", "refused"),
        ("ftp", "sealed", "refused"),
    ]
    assert checked.admin("well") == [("telnet", "anonymous", "refused"), ("telnet", "clinical", "refused")]
    # This one answers 530 to the account already: no password was looked at.
    assert checked.results("listed") == [("ftp", "service", "no_answer"), ("ftp", "sealed", "no_answer")]
    assert (ftp.tries("service"), ftp.tries("sealed")) == (1, 1)
    assert (telnet.failures("sealed"), telnet.failures("carer"), telnet.failures("service")) == (1, 1, 0)


def test_an_account_that_pam_locks_is_left_alone(ward: Ward, place: Servers) -> None:
    """The first wrong password locks it; the next try is told so, and none follows."""
    ssh = place.sshd(
        *("UsePAM yes", "PasswordAuthentication no", "KbdInteractiveAuthentication yes", "Banner /etc/hostname"),
        lock_after=1,
    )
    telnet = place.telnetd(lock_after=1)
    hosts = {
        name: {
            "device_address": place.address,
            "device_ssh_host_key": ssh.host_key,
            "device_profile": ward.profile(
                factory_credentials=[credential(account, WRONG, name)], access={name: {"port": port}}
            ),
        }
        for name, port, account in (("ssh", ssh.port, "sealed"), ("telnet", telnet.port, "carer"))
    }
    for result in ("refused", "locked_out", "locked_out"):
        checked = ward.check(hosts, tries_per_day=10, timeout=10)
        assert checked.results("ssh") == [("ssh", "sealed", result)]
        assert checked.results("telnet") == [("telnet", "carer", result)]
    assert "remove" in checked.observations["telnet"]["default_passwords"][0]["detail"]
    assert ssh.tries("sealed") <= 2
    assert telnet.failures("carer") <= 2


def _nobody_listed(place: Servers) -> Path:
    path = place.folder / "userlist"
    path.write_text("nobody-at-all\n", encoding="utf-8")
    return path


def web_host(place: Servers, profile: str, **changes: Any) -> dict[str, Any]:
    return {
        "device_address": place.address,
        "device_names": [NAME],
        "device_profile": profile,
        "device_clinical_login": {"user": "carer", "password": ACCOUNTS["carer"]},
        **changes,
    }


def test_basic_authentication_by_a_real_nginx(ward: Ward, place: Servers, certificate: Certificate) -> None:
    web, limited = place.nginx(certificate.file), place.nginx(certificate.file, limit=True)
    page = {"accepted": {"regex": "<title>Administration"}}

    def profile(port: int, path: str, admin: str) -> str:
        return ward.profile(
            factory_credentials=[credential("service", None, "https"), credential("sealed", WRONG, "https")],
            access={"https": {"port": port, "path": path}},
            admin=[{"service": "https", "port": port, "path": admin, **page}],
        )

    hosts = {
        "well": web_host(place, profile(web.port, "/", "/admin/")),
        "open": web_host(place, profile(web.port, "/open/", "/open/")),
        "other-page": web_host(place, profile(web.port, "/", "/")),
        "limited": web_host(place, profile(limited.port, "/", "/")),
        "unverified": web_host(place, profile(web.port, "/", "/admin/"), device_names=["other.hopital.example"]),
    }
    checked = ward.check(hosts, trust_anchors=[certificate.root], tries_per_day=10)
    assert checked.results("well") == [("https", "service", "accepted"), ("https", "sealed", "refused")]
    assert checked.admin("well") == [("https", "anonymous", "refused"), ("https", "clinical", "refused")]
    assert judged(checked, "well", hosts["well"])["admin_interface"] == ("pass", "admin_protected")
    # A page that opens for anyone says nothing about a password, and everything about the administration.
    assert checked.results("open") == [("https", "service", "no_answer"), ("https", "sealed", "no_answer")]
    assert checked.admin("open")[0] == ("https", "anonymous", "accepted")
    assert judged(checked, "open", hosts["open"])["admin_interface"] == ("fail", "admin_open_to_anonymous")
    # Carers get in, but what they see is not what the profile calls the administration.
    assert checked.admin("other-page") == [("https", "anonymous", "refused"), ("https", "clinical", "no_answer")]
    assert judged(checked, "other-page", hosts["other-page"])["admin_interface"][0] == "not_assessed"
    assert checked.results("limited")[0] == ("https", "service", "locked_out")
    assert checked.outcome("unverified") == ("aborted", "certificate_refused")
    assert {result for _service, _account, result in checked.results("unverified")} == {"no_answer", "not_tried"}
    # nginx names the account of a request also where its password was wrong.
    assert (limited.tries("service"), limited.tries("sealed")) == (1, 0)
    assert web.tries("sealed") == 2  # "well" and "other-page", each once


def test_digest_and_a_form_by_a_real_apache(ward: Ward, place: Servers) -> None:
    web = place.apache()
    form = {
        "page": "/login.html",
        "path": "/enter",
        "user": "user",
        "password": "pin",
        "accepted": {"status": [302], "regex": "^Location: .*/form/$"},
        "refused": {"status": [302], "regex": "^Location: .*/wrong.html$"},
    }
    lines = [credential("service", None, "http"), credential("sealed", WRONG, "http")]
    refused = {"status": [401, 403], "regex": "^Location: .*/login.html$"}
    page = {"service": "http", "port": web.port, "accepted": {"regex": "<title>Administration"}, "refused": refused}

    def host(access: dict[str, Any], **admin: Any) -> dict[str, Any]:
        profile = ward.profile(
            factory_credentials=lines,
            access={"http": {"port": web.port, **access}},
            admin=[{**page, **admin}] if admin else [],
        )
        return web_host(place, profile, device_login_exception="tests")

    hosts = {
        "digest": host({"path": "/digest/", "login": "digest"}),
        "basic": host({"path": "/digest/"}),
        "form": host({"login": "form", "form": form}, path="/form/", login="form"),
        "unknown": host(
            {
                "login": "form",
                "form": {**form, "accepted": {"regex": "no such words"}, "refused": {"regex": "nor these"}},
            }
        ),
    }
    checked = ward.check(hosts, tries_per_day=10)
    for name in ("digest", "form"):
        assert checked.results(name) == [("http", "service", "accepted"), ("http", "sealed", "refused")], name
    for name in ("basic", "unknown"):
        assert checked.results(name) == [("http", "service", "no_answer"), ("http", "sealed", "no_answer")], name
    # The carers' account opens the administration, because this form lets every account in.
    assert checked.admin("form") == [("http", "anonymous", "refused"), ("http", "clinical", "accepted")]


# --- the limit, counted on the device's side ---


def test_no_account_is_tried_more_often_than_the_limit(ward: Ward, place: Servers, certificate: Certificate) -> None:
    """Over services, passwords, names and runs, and with two runs at the same time."""
    daemon, web = place.sshd(), place.nginx(certificate.file)
    lines = [credential("sealed", f"{WRONG}-{number}", "ssh", "https") for number in range(3)]
    profile = ward.profile(
        factory_credentials=[*lines, credential("SEALED", f"{WRONG}-9", "ssh")],
        ssh=shell(daemon.port),
        access={"https": {"port": web.port}},
    )
    host = {"device_ssh_host_key": daemon.host_key, "device_profile": profile, "device_names": [NAME]}
    hosts = {
        "echo-004": {**host, "device_address": place.address},
        "echo-004-again": {**host, "device_address": place.address},
    }
    options: dict[str, Any] = {"trust_anchors": [certificate.root], "tries_per_day": 3}
    both = [ward.start(hosts, name=f"run-{number}", **options) for number in range(2)]
    for started in both:
        checked = ward.finish(started)
        assert {result for name in hosts for _service, _account, result in checked.results(name)} <= {
            "refused",
            "limit_reached",
        }
    later = ward.check({"renamed": {**host, "device_address": place.address}}, **options)
    assert {result for _service, _account, result in later.results("renamed")} == {"limit_reached"}
    assert judged(later, "renamed", host)["default_passwords"] == ("not_assessed", "access_limit_reached")
    # What the servers counted.
    assert daemon.tries("sealed") + daemon.tries("SEALED") + web.tries("sealed") == 3


def test_a_run_that_is_killed_has_counted_its_try(ward: Ward) -> None:
    """kill -9 while the device thinks about the password: the next runs know of that try."""
    with SlowLogin(address(), {}) as device:
        profile = ward.profile(
            factory_credentials=[credential("biomed", f"{WRONG}-{number}") for number in range(4)],
            ssh=shell(device.port),
        )
        host = {"device_address": device.address, "device_profile": profile, "device_ssh_host_key": device.host_key}
        for _round in range(3):
            tried = len(device.logins)
            process, _folder = ward.start({"echo-004": host}, timeout=30)
            deadline = time.monotonic() + 300
            while len(device.logins) == tried and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
            for pid in children(process.pid):
                os.kill(pid, signal.SIGKILL)
            process.kill()
            process.wait()
        assert len(device.logins) == 2
        device.patience = 0.0
        checked = ward.check({"echo-004": host})
        assert {result for _service, _account, result in checked.results("echo-004")} == {"limit_reached"}
        assert len(device.logins) == 2


def children(pid: int) -> list[int]:
    """All processes below this one."""
    below: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "stat").read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            below.setdefault(int(text.rsplit(")", 1)[1].split()[1]), []).append(int(entry.name))
    found, queue = [], [pid]
    while queue:
        queue += (more := below.get(queue.pop(), []))
        found += more
    return found


class SlowLogin(CommandLine):
    """Counts a login at once, and thinks about it for long."""

    patience = 60.0

    def judge(self, user: str, password: str) -> int:
        answer = super().judge(user, password)
        self.wait_for(self.patience)
        return answer


def test_a_damaged_record_stops_every_try(ward: Ward) -> None:
    with CommandLine(address(), {}, password="x-7") as device:
        profile = ward.profile(factory_credentials=[credential("biomed", WRONG)], ssh=shell(device.port))
        host = {"device_address": device.address, "device_profile": profile, "device_ssh_host_key": device.host_key}
        ward.check({"echo-004": host})
        assert len(device.logins) == 1
        records = [path for path in ward.state.iterdir() if path.suffix == ".json"]
        assert len(records) == 2
        for path in records:
            path.write_text(path.read_text(encoding="utf-8")[:-20], encoding="utf-8")
        checked = ward.check({"echo-004": host})
        (entry,) = checked.observations["echo-004"]["default_passwords"]
        assert entry["result"] == "not_tried"
        assert "is damaged" in entry["detail"]
        assert len(device.logins) == 1


def test_an_open_door_is_not_forgotten_when_the_limit_is_reached(ward: Ward) -> None:
    with CommandLine(address(), {}, password=WRONG) as device:
        profile = ward.profile(factory_credentials=[credential("biomed", WRONG)], ssh=shell(device.port))
        host = {"device_address": device.address, "device_profile": profile, "device_ssh_host_key": device.host_key}
        for _run in range(2):
            checked = ward.check({"echo-004": host}, tries_per_day=1)
            assert checked.results("echo-004") == [("ssh", "biomed", "accepted")]
        assert device.logins == [("biomed", True)]
        assert "not tried again" in checked.observations["echo-004"]["default_passwords"][0]["detail"]


# --- passwords stay where they are ---


class ProcessWatch:
    """Looks at the command lines and environments of all processes for as long as it is open."""

    def __init__(self, secrets: list[str]) -> None:
        self._secrets = [secret.encode() for secret in secrets]
        self._over = threading.Event()
        self.looks = 0
        self.found: list[str] = []
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> ProcessWatch:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        own = str(os.getpid())
        while not self._over.wait(0.05):
            self.looks += 1
            for entry in Path("/proc").iterdir():
                if not entry.name.isdigit() or entry.name == own:
                    continue
                for name in ("cmdline", "environ"):
                    try:
                        data = (entry / name).read_bytes()
                    except OSError:
                        continue
                    if any(secret in data for secret in self._secrets):
                        self.found.append(f"{name}: {data[:80]!r}")


class Parrot(Appliance):
    """Repeats what it hears, and asks as telnet does."""

    def converse(self, connection: Any) -> None:
        for prompt in (b"login: ", b"Password: "):
            connection.sendall(prompt)
            heard = connection.recv(200)
            connection.sendall(b"you said " + heard)
        connection.sendall(b"and that is too many failed attempts\r\n")
        self.wait_for(30)


def forms(secret: str) -> list[str]:
    """A password as it stands, within Base64 (at each of its three alignments), in hexadecimal, and its digests."""
    data = secret.encode()
    within = [base64.b64encode(b"x" * shift + data).decode()[(0, 2, 3)[shift] :].rstrip("=")[:-1] for shift in range(3)]
    digests = [hashlib.new(name, data).hexdigest() for name in ("md5", "sha1", "sha256", "sha512")]
    return [secret, *within, data.hex(), *digests]


def test_the_vantages_own_log_shows_no_login(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module writes its arguments to the system's log of the vantage, all but those that are marked."""
    given: dict[str, Any] = {}

    def take(argument_spec: dict[str, Any], **_more: Any) -> None:
        given.update(argument_spec)
        raise KeyboardInterrupt

    monkeypatch.setattr(access_check, "AnsibleModule", take)
    with pytest.raises(KeyboardInterrupt):
        access_check.main()
    assert {name for name, option in given.items() if option.get("no_log")} == {"logins"}


def test_no_password_is_seen_anywhere(ward: Ward, place: Servers, certificate: Certificate) -> None:
    daemon, web = place.sshd(), place.nginx(certificate.file)
    secrets = [WRONG, f"{WRONG}-parrot", f"{WRONG}-carer", *ACCOUNTS.values()]
    with Parrot(address()) as parrot:
        profile = ward.profile(
            factory_credentials=[credential("service", None, "ssh", "https"), credential("sealed", WRONG, "ssh")],
            ssh=shell(daemon.port),
            access={"https": {"port": web.port}},
            admin=[{"service": "https", "port": web.port, "path": "/admin/", "accepted": {"regex": "<title>"}}],
        )
        parroted = ward.profile(
            factory_credentials=[credential("service", f"{WRONG}-parrot", "telnet")],
            access={"telnet": {"port": parrot.port}},
        )
        hosts = {
            "well": {
                **web_host(place, profile),
                "device_ssh_host_key": daemon.host_key,
                "device_clinical_login": {"user": "carer", "password": ACCOUNTS["carer"]},
            },
            "parrot": {"device_address": parrot.address, "device_profile": parroted},
            "wrong-login": {
                **web_host(place, profile),
                "device_clinical_login": {"user": ["carer"], "password": f"{WRONG}-carer"},
            },
        }
        log = ward.folder / "ansible.log"
        with ProcessWatch([form for secret in secrets for form in forms(secret)]) as watch:
            checked = ward.check(
                hosts,
                "-vvvvv",
                vantage={"ansible_connection": "elsewhere"},
                # With debugging on, Ansible shows what the module printed too.
                variables={"ANSIBLE_LOG_PATH": str(log), "ANSIBLE_DIFF_ALWAYS": "1", "ANSIBLE_DEBUG": "1"},
                trust_anchors=[certificate.root],
            )
    assert checked.results("well") == [
        ("ssh", "service", "accepted"),
        ("https", "service", "accepted"),
        ("ssh", "sealed", "refused"),
    ]
    assert checked.results("parrot") == [("telnet", "service", "locked_out")]
    assert checked.outcome("wrong-login") == ("skipped", "inventory_invalid")
    assert watch.looks > 10
    assert watch.found == []
    observed = ward.folder / "access.jsonl"
    lines = [json.dumps(observation) + "\n" for observation in checked.observations.values()]
    observed.write_text("".join(lines), encoding="utf-8")
    report(ward, hosts, observed)
    everything = [checked.output, log.read_text(encoding="utf-8"), json.dumps(checked.result)]
    for folder in (ward.state, ward.folder / "report"):
        paths = [path for path in folder.rglob("*") if path.is_file()]
        assert len(paths) > 2
        everything += [path.read_text(encoding="utf-8") for path in paths]
    for secret in secrets:
        for form in forms(secret):
            for text in everything:
                assert form not in text
    assert "default_password_accepted" in (ward.folder / "report" / "summary.json").read_text(encoding="utf-8")
    # The record: ours alone.
    assert stat.S_IMODE(ward.state.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in ward.state.iterdir()} == {0o600}


def report(ward: Ward, hosts: Mapping[str, Any], observed: Path) -> None:
    """Write the report folder of these observations."""
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "tasks": [
            {
                "biomed.cert_hygiene.report": {
                    "observations": [str(observed)],
                    "devices": list(hosts),
                    "dest": str(ward.folder / "report"),
                }
            }
        ],
    }
    folder = ward.folder / "run"
    (folder / "report.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")
    command = [Path(sys.executable).with_name("ansible-playbook"), "-i", "inventory.yml", "report.yml"]
    env = environment(folder / "home", ward.collections)
    finished = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=600, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr


# --- devices that answer oddly (no real server does so when told to: these are ours) ---


class Odd(Appliance):
    """Says `words` and then hangs, or closes."""

    def __init__(self, place: str, words: bytes, *, hang: bool) -> None:
        self._words, self._hang = words, hang
        super().__init__(place)

    def converse(self, connection: Any) -> None:
        connection.sendall(self._words)
        if self._hang:
            self.wait_for(30)
        else:
            connection.recv(1000)


def test_odd_devices_have_one_clear_outcome_each_and_harm_no_other(ward: Ward) -> None:
    devices: dict[str, Any] = {
        "well": CommandLine(address(), {}, password="x-7"),
        "other-key": CommandLine(address(), {}, password="x-7"),
        "unknown-key": CommandLine(address(), {}, password="x-7"),
        "keys-only": CommandLine(address(), {}, password="x-7", manner=Manner(ways="publickey")),
        "silent-login": SlowLogin(address(), {}, password="x-7"),
        "silent": Odd(address(), b"", hang=True),
        "garbage": Odd(address(), b"220 FTP server\r\n" * 300, hang=False),
        "ftp-garbage": Odd(address(), bytes(range(256)) * 100, hang=False),
        "ftp-half": Odd(address(), b"220-Welc", hang=False),
        "ftp-hang": Odd(address(), b"220-Welcome\r\n", hang=True),
        "telnet-half": Odd(address(), b"login: ", hang=False),
        "telnet-flood": Odd(address(), b"x" * 300000, hang=True),
        "http-half": Odd(
            address(), b"HTTP/1.1 401 -\r\nWWW-Authenticate: Basic\r\nContent-Length: 9\r\n\r\nx", hang=False
        ),
        "http-garbage": Odd(address(), os.urandom(500), hang=False),
    }
    hosts: dict[str, dict[str, Any]] = {}
    for name, device in devices.items():
        service = name.split("-", maxsplit=1)[0] if name.startswith(("ftp", "telnet", "http")) else "ssh"
        profile = ward.profile(
            factory_credentials=[credential("biomed", WRONG, service)], access={service: {"port": device.port}}
        )
        hosts[name] = {"device_address": device.address, "device_profile": profile}
        if isinstance(device, CommandLine) and name != "unknown-key":
            hosts[name]["device_ssh_host_key"] = device.host_key
    for name in ("other-key", "silent", "garbage"):
        hosts[name]["device_ssh_host_key"] = devices["well"].host_key
    hosts["gone"] = {**hosts["well"], "device_address": address()}
    hosts["nameless"] = {**hosts["well"], "device_address": "no-such-device.invalid"}
    hosts["in-use"] = {**hosts["well"], "device_in_use": True}
    hosts["use-unknown"] = {**hosts["well"], "device_in_use": None}
    hosts["no-consent"] = {**hosts["well"], "device_probe_consent": None}
    hosts["no-profile"] = {**hosts["well"], "device_profile": None}
    hosts["nothing"] = {**hosts["well"], "device_profile": "generic_cli"}
    try:
        checked = ward.check(hosts, concurrency=64, timeout=2)
    finally:
        for device in devices.values():
            device.close()
    assert {name: checked.outcome(name) for name in hosts} == {
        "well": ("observed", None),
        "other-key": ("aborted", "host_key_mismatch"),
        "unknown-key": ("observed", None),
        "keys-only": ("observed", None),
        "silent-login": ("aborted", "stopped_answering"),
        "silent": ("aborted", "no_ssh"),
        "garbage": ("aborted", "no_ssh"),
        "ftp-garbage": ("aborted", "no_ftp"),
        "ftp-half": ("aborted", "stopped_answering"),
        "ftp-hang": ("aborted", "stopped_answering"),
        "telnet-half": ("aborted", "stopped_answering"),
        "telnet-flood": ("aborted", "answer_too_long"),
        "http-half": ("aborted", "stopped_answering"),
        "http-garbage": ("aborted", "no_http"),
        "gone": ("unreachable", "no_answer"),
        "nameless": ("unreachable", "name_not_resolved"),
        "in-use": ("skipped", "device_in_use"),
        "use-unknown": ("skipped", "device_in_use"),
        "no-consent": ("skipped", "consent_missing"),
        "no-profile": ("skipped", "profile_missing"),
        "nothing": ("skipped", "nothing_to_try"),
    }
    answers = {name: [result for _s, _a, result in checked.results(name)] for name in hosts}
    assert answers["well"] == ["refused"]
    assert answers["unknown-key"] == ["not_tried"]
    assert all(results in (["no_answer"], ["not_tried"], []) for name, results in answers.items() if name != "well")
    for name, device in devices.items():
        tried = {"well": 1, "silent-login": 1}.get(name, 0)
        if isinstance(device, CommandLine):
            assert len(device.logins) == tried, name
        assert device.sessions <= 1, name


# --- what is asked for beforehand ---


def test_nothing_is_tried_in_check_mode(ward: Ward) -> None:
    with CommandLine(address(), {}, password="x-7") as device:
        profile = ward.profile(
            factory_credentials=[credential("biomed", WRONG)], ssh=shell(device.port), admin=[{"service": "ssh"}]
        )
        host = {"device_address": device.address, "device_profile": profile, "device_ssh_host_key": device.host_key}
        dest = ward.folder / "access.jsonl"
        checked = ward.check({"echo-004": host}, "--check", dest=str(dest))
        assert checked.result["planned"] == {
            "echo-004": [
                {"service": "ssh", "port": device.port, "path": None, "account": "biomed", "as": None},
                {"service": "ssh", "port": device.port, "path": "/", "account": None, "as": "anonymous"},
            ]
        }
        assert device.sessions == 0
        assert not dest.exists()
        assert not ward.state.exists()
        ward.check({"echo-004": host}, dest=str(dest))
        assert stat.S_IMODE(dest.stat().st_mode) == 0o600
        assert json.loads(dest.read_text(encoding="utf-8"))["device"] == "echo-004"


def test_the_examples_of_the_documentation_run(ward: Ward, certificate: Certificate) -> None:
    """As they stand, in check mode: only the places of files are ours."""
    tasks = yaml.safe_load(access_check.EXAMPLES)
    page = (ROOT / "docs" / "en" / "access_checks.md").read_text(encoding="utf-8")
    blocks = [yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```", page, re.M | re.S)]
    profile, (play,) = blocks
    (ward.profiles / "acme_imager.yml").write_text(yaml.safe_dump(profile), encoding="utf-8")
    (ward.folder / "root.pem").write_text(certificate.root, encoding="utf-8")
    host = {"device_address": address(), "device_profile": "acme_imager", "device_ssh_host_key": "SHA256:" + "A" * 43}
    for number, task in enumerate((*tasks, play["tasks"][0])):
        options = dict(task["biomed.cert_hygiene.access_check"])
        options.update({"devices": ["echo-004"]} if "{{" in str(options["devices"]) else {})
        if "trust_anchors" in options:
            options["trust_anchors"] = [str(ward.folder / "root.pem")]
        options["profile_folders"] = [str(ward.profiles)]
        assert options.pop("devices") == ["echo-004"]
        checked = ward.check({"echo-004": host}, "--check", name=f"example-{number}", **options)
        places = checked.result["planned"]["echo-004"]
        assert ("ftp", 21, "upload") in [(place["service"], place["port"], place["account"]) for place in places]


def test_without_a_lasting_record_or_an_authorisation_nothing_is_tried(ward: Ward) -> None:
    open_to_all = ward.folder / "open"
    open_to_all.mkdir(mode=0o755)
    with CommandLine(address(), {}, password="x-7") as device:
        profile = ward.profile(factory_credentials=[credential("biomed", WRONG)], ssh=shell(device.port))
        host = {"device_address": device.address, "device_profile": profile, "device_ssh_host_key": device.host_key}
        wrong: list[tuple[dict[str, Any], str]] = [
            ({"authorised_by": " "}, "nothing was tried: write in authorised_by"),
            ({"state_dir": "/dev/shm/biomed", "state_dir_vouched_by": ""}, "which the system empties: name a folder"),
            ({"state_dir_vouched_by": " "}, "name a folder on a lasting disk of the vantage"),
            ({"state_dir": str(open_to_all)}, "must belong to the user that the task runs as, and to nobody else"),
            ({"tries_per_day": 0}, "tries_per_day must be at least 1, not 0"),
            ({"tries_per_day": 11}, "tries_per_day must be at most 10, not 11"),
            ({"profile_folders": ["nowhere"]}, "profile_folders: 'nowhere' is no folder"),
        ]
        for options, sentence in wrong:
            checked = ward.check({"echo-004": host}, **options)
            assert checked.result["failed"] is True
            assert sentence in checked.result["msg"], checked.result["msg"]
        assert device.sessions == 0
