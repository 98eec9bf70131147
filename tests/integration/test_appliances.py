"""The module appliance_info called by a task, against devices without Python that speak real SSH and real HTTPS."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.request import parse_http_list, parse_keqv_list

import paramiko
import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from integration.logins import Told, login_environment, prepare, told
from lab import pki, servers
from lab.appliances import Appliance, CommandLine, JsonPage, Manner, json_status, recorder_answers
from lab.places import own_network

PASSWORD = "correct-horse-7741"
Ask = Callable[..., Told]


@pytest.fixture
def ask(collections: Path, tmp_path: Path) -> Ask:
    """Run one task over these hosts, each a mapping of host variables."""

    def run(
        hosts: Mapping[str, Mapping[str, Any]],
        *arguments: str,
        vantage: Mapping[str, Any] | None = None,
        variables: Mapping[str, str] | None = None,
        each: list[dict[str, Any]] | None = None,
        **options: Any,
    ) -> Told:
        task: dict[str, Any] = {
            "biomed.cert_hygiene.appliance_info": {
                "devices": list(hosts),
                # Long enough for a busy machine; those that keep silent give their own.
                "timeout": 10,
                "device_timeout": 30,
                **options,
            }
        }
        if each:  # once with each of these options instead
            names = ("timeout", "concurrency", "profile_folders", "trust_anchors", "dest", "recorded")
            task["biomed.cert_hygiene.appliance_info"] = {
                "devices": f"{{{{ item.devices | default({list(hosts)}) }}}}",
                **{name: f"{{{{ item.{name} | default(omit) }}}}" for name in names},
            }
            task["loop"] = each
        command = [*prepare(tmp_path, hosts, task, vantage), *arguments]
        begun = time.monotonic()
        finished = subprocess.run(
            command,
            cwd=tmp_path,
            env=login_environment(tmp_path, collections, variables),
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        return told(tmp_path, finished.returncode, finished.stdout + finished.stderr, time.monotonic() - begun)

    return run


class Ward:
    """Devices at addresses of their own, closed together."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._next = 0

    def address(self) -> str:
        self._next += 1
        return f"{own_network('appliances')}.1.{self._next}"

    def admit(self, device: Any) -> Any:
        self._stack.callback(device.close)
        return device

    def recorder(self, **settings: Any) -> CommandLine:
        """A healthy command line, unless told otherwise."""
        answers = settings.pop("answers", None) or recorder_answers()
        device: CommandLine = self.admit(CommandLine(self.address(), answers, password=PASSWORD, **settings))
        return device

    def close(self) -> None:
        self._stack.close()


@pytest.fixture
def ward() -> Iterator[Ward]:
    opened = Ward()
    yield opened
    opened.close()


def recorder_host(device: CommandLine, **changes: Any) -> dict[str, Any]:
    return {
        "device_address": device.address,
        "device_profile": "generic_cli",
        "device_login_port": device.port,
        "device_ssh_host_key": device.host_key,
        "device_login": {"user": device.user, "password": PASSWORD},
        **changes,
    }


def offset(observation: Mapping[str, Any]) -> float:
    (sample,) = observation["clock"]["samples"]
    assert sample["uncertainty_seconds"] < 5
    return float(sample["offset_seconds"])


def assert_healthy(asked: Told, name: str) -> None:
    observation = asked.observations[name]
    assert asked.outcome(name) == ("observed", None), observation
    assert abs(offset(observation)) < 5
    assert observation["ntp"]["synchronised"] is True
    assert [server["address"] for server in observation["ntp"]["servers"]] == ["10.0.0.1", "10.0.0.2"]
    assert [account["name"] for account in observation["accounts"]] == ["biomed", "admin"]
    assert observation["system"]["firmware"] == "4.2.1"


# --- a command line over SSH ---


def test_every_bad_device_has_its_outcome_and_harms_no_other(ask: Ask, ward: Ward) -> None:
    devices = {
        "well": ward.recorder(),
        "paged": ward.recorder(manner=Manner(page_lines=1)),
        "mute": ward.recorder(manner=Manner(echo=False)),
        "interactive": ward.recorder(manner=Manner(ways="keyboard-interactive")),
        "slow-clock": ward.recorder(answers=recorder_answers(-90)),
        "privileged": ward.recorder(manner=Manner(enable_password="deep-6061")),
        "other-key": ward.recorder(),
        "unknown-key": ward.recorder(),
        "wrong-prompt": ward.recorder(manner=Manner(prompt="login: ")),
        "half": ward.recorder(manner=Manner(odd={"show ntp": "half"})),
        "half-closed": ward.recorder(manner=Manner(odd={"show ntp": "half_close"})),
        "hang": ward.recorder(manner=Manner(odd={"show clock": "hang"})),
        "closed": ward.recorder(manner=Manner(odd={"show clock": "close"})),
        "flood": ward.recorder(manner=Manner(odd={"show version": "flood"})),
        "garbage": ward.recorder(manner=Manner(odd={"show clock": "garbage"})),
        "no-such-command": ward.recorder(answers={"show clock": recorder_answers()["show clock"]}),
        "refused": ward.recorder(),
        "no-ssh": ward.admit(Chatter(ward.address(), b"220 FTP server ready\r\n" * 300)),
        "silent": ward.admit(Chatter(ward.address(), b"")),
    }
    hosts = {name: recorder_host(device) for name, device in devices.items() if isinstance(device, CommandLine)}
    for name in ("no-ssh", "silent"):
        hosts[name] = {
            **hosts["well"],
            "device_address": devices[name].address,
            "device_login_port": devices[name].port,
        }
    hosts["gone"] = {**hosts["well"], "device_address": ward.address()}
    hosts["nameless"] = {**hosts["well"], "device_address": "no-such-device.invalid"}
    hosts["other-key"]["device_ssh_host_key"] = hosts["well"]["device_ssh_host_key"]
    del hosts["unknown-key"]["device_ssh_host_key"]
    hosts["refused"]["device_login"] = {"user": "biomed", "password": "not-" + PASSWORD}
    hosts["privileged"]["device_profile"] = "privileged_cli"
    hosts["privileged"]["device_login"]["enable_password"] = "deep-6061"
    hosts["no-consent"] = {**hosts["well"], "device_probe_consent": None}
    hosts["no-profile"] = {**hosts["well"], "device_profile": None}
    hosts["wrong-profile"] = {**hosts["well"], "device_profile": "generic_clj"}
    hosts["no-user"] = {**hosts["well"], "device_login": {"password": PASSWORD}}
    hosts["undefined"] = {**hosts["well"], "device_login": {"user": "biomed", "password": "{{ no_such_variable }}"}}
    folder = own_profiles(ward_profile("privileged_cli"))
    asked = ask(hosts, profile_folders=[folder], concurrency=64)

    for name in ("well", "paged", "mute", "interactive", "privileged"):
        assert_healthy(asked, name)
    assert offset(asked.observations["slow-clock"]) == pytest.approx(-90, abs=5)
    assert {name: asked.outcome(name) for name in hosts if name not in HEALTHY} == {
        "other-key": ("aborted", "host_key_mismatch"),
        "unknown-key": ("aborted", "host_key_unknown"),
        "wrong-prompt": ("aborted", "prompt_missing"),
        "half": ("aborted", "stopped_answering"),
        "half-closed": ("aborted", "stopped_answering"),
        "hang": ("aborted", "stopped_answering"),
        "closed": ("aborted", "stopped_answering"),
        "flood": ("aborted", "answer_too_long"),
        "garbage": ("observed", None),
        "no-such-command": ("observed", None),
        "refused": ("aborted", "login_refused"),
        "no-ssh": ("aborted", "no_ssh"),
        "silent": ("aborted", "no_ssh"),
        "gone": ("unreachable", "no_answer"),
        "nameless": ("unreachable", "name_not_resolved"),
        "no-consent": ("skipped", "consent_missing"),
        "no-profile": ("skipped", "profile_missing"),
        "wrong-profile": ("skipped", "inventory_invalid"),
        "no-user": ("skipped", "inventory_invalid"),
        "undefined": ("skipped", "inventory_invalid"),
    }
    # What was answered before counts, what was not is said.
    for name in ("half", "half-closed"):
        observation = asked.observations[name]
        assert abs(offset(observation)) < 5
        assert "ntp" not in observation
        assert observation["subsets"]["ntp"]["status"] == observation["subsets"]["accounts"]["status"] == "failed"
    assert asked.observations["garbage"]["subsets"]["clock"]["status"] == "failed"
    assert asked.observations["garbage"]["subsets"]["accounts"]["status"] == "ok"
    assert "Unknown command" in asked.observations["no-such-command"]["subsets"]["accounts"]["detail"]
    for observation in asked.observations.values():
        assert observation["outcome"] == "observed" or observation.get("detail") or observation["outcome"] == "skipped"
    # The device's side of it: nobody was logged in on twice, and nobody without the right host key.
    for name, device in devices.items():
        assert device.sessions == 1, name
        if isinstance(device, CommandLine):
            tried = 0 if name in ("other-key", "unknown-key") else 1
            assert len(device.logins) == tried, (name, device.logins)
    assert devices["unknown-key"].key.fingerprint in asked.observations["unknown-key"]["detail"]
    assert asked.result["statistics"]["outcomes"] == {"observed": 8, "unreachable": 2, "skipped": 5, "aborted": 11}
    assert PASSWORD not in asked.output
    assert asked.seconds < 300


HEALTHY = ("well", "paged", "mute", "interactive", "privileged", "slow-clock")


class Chatter(Appliance):
    """Says one thing whatever it hears, and waits."""

    def __init__(self, address: str, words: bytes) -> None:
        self._words = words
        super().__init__(address)

    def converse(self, connection: Any) -> None:
        connection.sendall(self._words)
        self.wait_for(30)


def ward_profile(name: str) -> dict[str, Any]:
    """The generic command line with a step into its privileged mode."""
    root = Path(__file__).resolve().parents[2]
    data = yaml.safe_load((root / "plugins/plugin_utils/profiles/book/generic_cli.yml").read_text(encoding="utf-8"))
    data["name"] = name
    data["ssh"]["enable"] = {"command": "enable", "password_prompt": "[Pp]assword: ?$", "prompt": "# ?$"}
    return dict(data)


def openssh_profile() -> dict[str, Any]:
    """The generic command line through the system's client."""
    data = {**ward_profile("cli_openssh"), "transport": "openssh"}
    del data["ssh"]["enable"]
    return data


@pytest.fixture(autouse=True)
def _own_profiles(tmp_path: Path) -> Iterator[None]:
    _Profiles.folder = tmp_path / "profiles"
    _Profiles.folder.mkdir()
    yield


class _Profiles:
    folder: Path


def own_profiles(*profiles: dict[str, Any]) -> str:
    """Write profiles into a folder of the user's own."""
    for data in profiles:
        (_Profiles.folder / f"{data['name']}.yml").write_text(yaml.safe_dump(data), encoding="utf-8")
    return str(_Profiles.folder)


def test_many_at_once_in_one_run_one_session_each(ask: Ask, ward: Ward) -> None:
    """40 devices, of which each takes a second to tell the time: most of them do so at the same time."""
    busy: list[int] = []
    most: list[int] = []

    def slowly() -> str:
        busy.append(1)
        most.append(len(busy))
        time.sleep(1)
        busy.pop()
        return f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M:%S} UTC\n"

    key = paramiko.ECDSAKey.generate()
    answers = {**recorder_answers(), "show clock": slowly}
    devices = {f"rec-{number:02d}": ward.recorder(answers=answers, key=key) for number in range(40)}
    asked = ask({name: recorder_host(device) for name, device in devices.items()}, concurrency=40)
    for name, device in devices.items():
        assert_healthy(asked, name)
        assert device.sessions == 1
        assert device.logins == [("biomed", True)]
        assert device.commands == ["show clock", "show ntp", "show version", "show users"]
    assert max(most) > 10
    assert asked.output.count("TASK [Ask]") == 1


def test_devices_behind_one_address_are_asked_in_turn(ask: Ask, ward: Ward) -> None:
    address = ward.address()
    busy: list[int] = []
    most: list[int] = []

    def clock() -> str:
        busy.append(1)
        most.append(len(busy))
        time.sleep(0.3)
        busy.pop()
        return "2026-11-22 17:00:00 UTC\n"

    answers = {**recorder_answers(), "show clock": clock}
    devices = [ward.admit(CommandLine(address, answers, password=PASSWORD)) for _number in range(4)]
    asked = ask({f"rec-{device.port}": recorder_host(device) for device in devices})
    assert {observation["outcome"] for observation in asked.observations.values()} == {"observed"}
    assert max(most) == 1


def test_no_secret_is_seen_at_the_highest_verbosity(ask: Ask, ward: Ward, tmp_path: Path) -> None:
    """Also where the vantage is elsewhere, and Ansible shows what the module printed."""
    secrets = ["correct-horse-7741", "deep-6061", "wrong-deep-9934", "token-52917", "s"]
    well = ward.recorder(manner=Manner(enable_password="deep-6061"))
    refused = ward.recorder(manner=Manner(enable_password="deep-6061"))
    # It repeats what it was sent, and stops there.
    parrot = ward.recorder(manner=Manner(enable_password=None, prompt="rec> ", enable_prompt="x"))
    # A password of one letter is in every answer: nothing may be masked away for it.
    short = ward.admit(CommandLine(ward.address(), recorder_answers(), password="s"))
    hosts = {
        "well": recorder_host(well, device_profile="privileged_cli"),
        "refused": recorder_host(refused, device_profile="privileged_cli"),
        "parrot": recorder_host(parrot, device_profile="privileged_cli"),
        "short": recorder_host(short, device_login={"user": "biomed", "password": "s"}),
        "page": {
            "device_address": ward.address(),
            "device_profile": "token_page",
            "device_login": {"token": "token-52917"},
            "device_login_exception": "tests",
        },
    }
    hosts["well"]["device_login"] = {"user": "biomed", "password": PASSWORD, "enable_password": "deep-6061"}
    hosts["refused"]["device_login"] = {"user": "biomed", "password": PASSWORD, "enable_password": "wrong-deep-9934"}
    hosts["parrot"]["device_login"] = {"user": "biomed", "password": PASSWORD, "enable_password": "wrong-deep-9934"}
    page = {
        "schema_version": 1,
        "name": "token_page",
        "transport": "https",
        "http": {"authentication": "bearer"},
        "requests": {"a": "/"},
        "facts": {"system.firmware": {"output": "a", "jmespath": "v"}},
    }
    folder = own_profiles(ward_profile("privileged_cli"), page)
    log = tmp_path / "ansible.log"
    asked = ask(
        hosts,
        "-vvvvv",
        vantage={"ansible_connection": "elsewhere"},
        variables={"ANSIBLE_LOG_PATH": str(log), "ANSIBLE_DIFF_ALWAYS": "1"},
        profile_folders=[folder],
    )
    assert_healthy(asked, "well")
    assert_healthy(asked, "short")
    assert asked.outcome("refused") == ("aborted", "login_refused")
    everything = asked.output + log.read_text(encoding="utf-8") + json.dumps(asked.result)
    for secret in secrets[:-1]:
        assert secret not in everything
    assert "TASK [Ask]" in everything


# --- known hosts, keys, and a vantage without paramiko ---


def test_a_known_hosts_file_on_the_vantage(ask: Ask, ward: Ward, tmp_path: Path) -> None:
    known, other, unknown = (ward.recorder() for _number in range(3))
    (tmp_path / "known_hosts").write_text(
        f"[{known.address}]:{known.port} {known.host_key}\n[{other.address}]:{other.port} {known.host_key}\n",
        encoding="utf-8",
    )
    hosts = {name: recorder_host(device) for name, device in (("known", known), ("other", other), ("unknown", unknown))}
    for host in hosts.values():
        del host["device_ssh_host_key"]
    asked = ask(hosts, known_hosts=str(tmp_path / "known_hosts"))
    assert_healthy(asked, "known")
    assert asked.outcome("other") == ("aborted", "host_key_mismatch")
    assert asked.outcome("unknown") == ("aborted", "host_key_unknown")
    assert (other.logins, unknown.logins) == ([], [])


def test_without_paramiko_only_those_devices_are_left_out_that_need_it(ask: Ask, ward: Ward, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "paramiko.py").write_text("raise ImportError('hidden')\n", encoding="utf-8")
    recorder, old = ward.recorder(), ward.recorder()
    page = ward.admit(JsonPage(ward.address(), context=None))
    plain = {**json_profile("plain_page"), "transport": "http"}
    asked = ask(
        {
            "recorder": recorder_host(recorder),
            "old": recorder_host(old, device_profile="cli_openssh"),
            "page": {"device_address": page.address, "device_login_port": page.port, "device_profile": "plain_page"},
        },
        variables={"PYTHONPATH": str(hidden)},
        profile_folders=[own_profiles(openssh_profile(), plain)],
    )
    assert asked.outcome("recorder") == ("skipped", "paramiko_missing")
    assert recorder.sessions == 0
    assert "install it there" in asked.observations["recorder"]["detail"]
    assert "1 devices were not asked: the vantage has no paramiko" in " ".join(asked.output.split())
    assert asked.outcome("page") == ("observed", None)
    if shutil.which("ssh"):
        assert_healthy(asked, "old")


# --- through the system's OpenSSH ---

needs_ssh = pytest.mark.skipif(not shutil.which("ssh"), reason="no OpenSSH client here")


@needs_ssh
def test_a_login_is_tried_exactly_once(ask: Ask, ward: Ward) -> None:
    """By every way in, through both clients, with a right and with a wrong password; counted on the device."""
    devices: dict[str, CommandLine] = {}
    hosts: dict[str, dict[str, Any]] = {}
    for profile in ("generic_cli", "cli_openssh"):
        for ways in ("password", "keyboard-interactive", "password,keyboard-interactive"):
            for password in (PASSWORD, "nope-31"):
                name = f"{profile}-{ways.replace(',', '-')}-{'right' if password == PASSWORD else 'wrong'}"
                device = devices[name] = ward.recorder(manner=Manner(ways=ways))
                login = {"user": "biomed", "password": password}
                hosts[name] = recorder_host(device, device_profile=profile, device_login=login)
    asked = ask(hosts, "-vvvv", profile_folders=[own_profiles(openssh_profile())], timeout=10, concurrency=4)
    for name, device in devices.items():
        assert device.sessions == 1, name
        if name.endswith("right"):
            assert_healthy(asked, name)
            assert device.logins == [("biomed", True)], name
        else:
            assert asked.outcome(name) == ("aborted", "login_refused"), name
            assert device.logins == [("biomed", False)], name
    assert PASSWORD not in asked.output
    assert "nope-31" not in asked.output


@needs_ssh
def test_openssh_is_as_strict_about_host_keys(ask: Ask, ward: Ward) -> None:
    other, unknown, pinned = (ward.recorder() for _number in range(3))
    hosts = {
        "other": recorder_host(other, device_profile="cli_openssh", device_ssh_host_key=unknown.host_key),
        "unknown": recorder_host(unknown, device_profile="cli_openssh", device_ssh_host_key=None),
        "pinned": recorder_host(
            pinned, device_profile="cli_openssh", device_ssh_host_key="SHA256:" + pinned.key.fingerprint[7:]
        ),
    }
    asked = ask(hosts, profile_folders=[own_profiles(openssh_profile())])
    assert asked.outcome("other") == ("aborted", "host_key_mismatch")
    assert asked.outcome("unknown") == ("aborted", "host_key_unknown")
    assert asked.outcome("pinned") == ("aborted", "host_key_unknown")
    assert "the host key itself" in asked.observations["pinned"]["detail"]
    assert other.logins == unknown.logins == pinned.logins == []


SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
OLD_ALGORITHMS = (
    "KexAlgorithms diffie-hellman-group14-sha1",
    "HostKeyAlgorithms ssh-rsa",
    "Ciphers aes128-cbc",
    "MACs hmac-sha1",
)


@dataclass(frozen=True)
class Daemon:
    """A real OpenSSH server that gives a busybox shell to the holder of `key_file`."""

    address: str
    port: int
    host_key: str
    key_file: Path


@pytest.fixture
def sshd(tmp_path: Path, ward: Ward) -> Iterator[Callable[..., Daemon]]:
    busybox = shutil.which("busybox")
    if not SSHD or not busybox or os.geteuid() != 0:
        pytest.skip("a real OpenSSH server with a busybox shell needs root, sshd and busybox")
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    for name in ("host", "user"):
        command = ["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", str(tmp_path / name)]
        subprocess.run(command, check=True, capture_output=True)
    processes = []

    def start(*options: str) -> Daemon:
        address, port = ward.address(), 22022
        settings = [
            f"ListenAddress {address}:{port}",
            f"HostKey {tmp_path}/host",
            f"AuthorizedKeysFile {tmp_path}/user.pub",
            *("StrictModes no", "UsePAM no", "PidFile none", "PermitRootLogin yes", "PasswordAuthentication no"),
            f"ForceCommand {busybox} ash -i",
            *options,
        ]
        path = tmp_path / f"sshd-{len(processes)}"
        path.write_text("\n".join(settings) + "\n", encoding="utf-8")
        process = subprocess.Popen([str(SSHD), "-D", "-f", str(path)], stderr=subprocess.DEVNULL)
        processes.append(process)
        deadline = time.monotonic() + 300
        while b"SSH" not in greeting(address, port):
            assert process.poll() is None and time.monotonic() < deadline, "sshd does not start"
            time.sleep(0.05)
        kind, key = (tmp_path / "host.pub").read_text(encoding="ascii").split()[:2]
        return Daemon(address, port, f"{kind} {key}", tmp_path / "user")

    yield start
    for process in processes:
        process.terminate()
        process.wait(timeout=60)


def greeting(address: str, port: int) -> bytes:
    try:
        with socket.create_connection((address, port), timeout=1) as connection:
            return connection.recv(64)
    except OSError:
        return b""


def daemon_host(daemon: Daemon, profile: str) -> dict[str, Any]:
    return {
        "device_address": daemon.address,
        "device_profile": profile,
        "device_login_port": daemon.port,
        "device_ssh_host_key": daemon.host_key,
        "device_login": {"user": "root", "private_key_file": str(daemon.key_file)},
    }


def busybox_profile(name: str, **changes: Any) -> dict[str, Any]:
    root = Path(__file__).resolve().parents[2]
    data = yaml.safe_load((root / "plugins/plugin_utils/profiles/book/busybox_linux.yml").read_text(encoding="utf-8"))
    ssh = {**data["ssh"], **changes.pop("ssh", {})}
    return {**data, "name": name, "ssh": ssh, **changes}


def test_a_real_sshd_with_a_busybox_shell(ask: Ask, sshd: Callable[..., Daemon]) -> None:
    today, old = sshd(), sshd(*OLD_ALGORITHMS)
    folder = own_profiles(
        busybox_profile("busybox_openssh", transport="openssh"),
        busybox_profile("busybox_old", transport="openssh", ssh={"legacy_algorithms": True}),
    )
    asked = ask(
        {
            "paramiko": daemon_host(today, "busybox_linux"),
            "openssh": daemon_host(today, "busybox_openssh"),
            "old": daemon_host(old, "busybox_old"),
            "old-by-paramiko": daemon_host(old, "busybox_linux"),
            "old-without-leave": daemon_host(old, "busybox_openssh"),
            "no-key": {**daemon_host(today, "busybox_linux"), "device_login": {"user": "root"}},
            "key-gone": {
                **daemon_host(today, "busybox_linux"),
                "device_login": {"user": "root", "private_key_file": "/nonexistent/key"},
            },
        },
        profile_folders=[folder],
    )
    for name in ("paramiko", "openssh", "old"):
        observation = asked.observations[name]
        assert asked.outcome(name) == ("observed", None), observation
        assert abs(offset(observation)) < 5
        assert {"name": "root", "uid": 0} in [
            {key: account[key] for key in ("name", "uid")} for account in observation["accounts"]
        ]
        assert 22022 in [entry["port"] for entry in observation["listening"]]
        assert observation["time_zone"]["utc_offset_seconds"] is not None
    assert asked.outcome("old-by-paramiko") == ("aborted", "no_common_algorithm")
    assert "legacy_algorithms" in asked.observations["old-by-paramiko"]["detail"]
    assert asked.outcome("old-without-leave") == ("aborted", "no_common_algorithm")
    assert asked.outcome("no-key") == ("aborted", "login_refused")
    assert asked.outcome("key-gone") == ("skipped", "key_unusable")


# --- a JSON page over HTTPS ---


def json_profile(name: str, **http: Any) -> dict[str, Any]:
    root = Path(__file__).resolve().parents[2]
    data = yaml.safe_load((root / "plugins/plugin_utils/profiles/book/generic_json.yml").read_text(encoding="utf-8"))
    return {**data, "name": name, "http": http}


@dataclass(frozen=True)
class Certificates:
    """The demo hospital's own authorities, and contexts with certificates of theirs."""

    authorities: pki.Pki
    folder: Path

    @property
    def root(self) -> str:
        return pki.pem(self.authorities.root.certificate).decode("ascii")

    def context(self, names: list[str], **recipe: Any) -> tuple[Any, str]:
        """(a server's TLS context, the SHA-256 of its certificate)."""
        credentials = pki.issue(self.authorities, names, recipe)
        path = self.folder / f"{len(list(self.folder.iterdir()))}.pem"
        path.write_bytes(credentials.key_pem + credentials.chain_pem)
        der = credentials.chain[0].public_bytes(serialization.Encoding.DER)
        context = servers.tls_context({}, [path], client_authority=path)
        return context, hashlib.sha256(der).hexdigest()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    made_at = datetime.now(timezone.utc).replace(microsecond=0)
    return Certificates(pki.make_pki(made_at), tmp_path_factory.mktemp("certificates"))


def page_host(device: JsonPage, **changes: Any) -> dict[str, Any]:
    return {
        "device_address": device.address,
        "device_names": ["pump.hopital.example"],
        "device_profile": "generic_json",
        "device_login_port": device.port,
        **changes,
    }


def test_json_pages_are_verified_and_each_bad_one_has_its_outcome(
    ask: Ask, ward: Ward, certificates: Certificates
) -> None:
    trusted, _pin = certificates.context(["pump.hopital.example"])
    misnamed, misnamed_pin = certificates.context(["other.hopital.example"])
    foreign, _pin = certificates.context(["pump.hopital.example"], issuer="manufacturer")
    expired, _pin = certificates.context(["pump.hopital.example"], ends_in_days=-3)

    def page(context: Any, **settings: Any) -> JsonPage:
        device: JsonPage = ward.admit(JsonPage(ward.address(), context=context, **settings))
        return device

    devices = {
        "well": page(trusted),
        "slow-clock": page(trusted, page=lambda: json_status(-90)),
        "misnamed": page(misnamed),
        "foreign": page(foreign),
        "expired": page(expired),
        "pinned": page(misnamed),
        "wrong-pin": page(trusted),
        "signed-for": page(foreign),
        "half": page(trusted, manner="half"),
        "hang": page(trusted, manner="hang"),
        "garbage": page(trusted, manner="garbage"),
        "redirect": page(trusted, manner="redirect"),
        "html": page(trusted, manner="html"),
        "no-tls": page(None),
    }
    hosts = {name: page_host(device) for name, device in devices.items()}
    hosts["pinned"]["device_login_pin"] = misnamed_pin
    hosts["wrong-pin"]["device_login_pin"] = ":".join(["00"] * 32)
    hosts["signed-for"]["device_login_exception"] = "RSSI, until 2027-01-31"
    hosts["gone"] = {**hosts["well"], "device_address": ward.address()}
    asked = ask(hosts, trust_anchors=[certificates.root], concurrency=32)
    for name in ("well", "pinned", "signed-for"):
        observation = asked.observations[name]
        assert asked.outcome(name) == ("observed", None), observation
        assert abs(offset(observation)) < 5
        assert observation["ntp"]["client"] == "chrony"
        assert {account["name"]: account["can_login"] for account in observation["accounts"]} == {
            "admin": True,
            "reader": False,
        }
        assert [(entry["protocol"], entry["port"]) for entry in observation["listening"]] == [
            ("tcp", 443),
            ("udp", 123),
        ]
    assert offset(asked.observations["slow-clock"]) == pytest.approx(-90, abs=5)
    assert {name: asked.outcome(name) for name in hosts if name not in ("well", "pinned", "signed-for")} == {
        "slow-clock": ("observed", None),
        "misnamed": ("aborted", "certificate_refused"),
        "foreign": ("aborted", "certificate_refused"),
        "expired": ("aborted", "certificate_refused"),
        "wrong-pin": ("aborted", "certificate_refused"),
        "half": ("aborted", "stopped_answering"),
        "hang": ("aborted", "stopped_answering"),
        "garbage": ("aborted", "no_http"),
        "redirect": ("observed", None),
        "html": ("observed", None),
        "no-tls": ("aborted", "no_tls"),
        "gone": ("unreachable", "no_answer"),
    }
    assert "302" in asked.observations["redirect"]["subsets"]["clock"]["detail"]
    assert "not JSON" in asked.observations["html"]["subsets"]["clock"]["detail"]
    # Not one request to those whose certificate is not accepted; one connection for all the others.
    for name, device in devices.items():
        assert device.sessions == 1, name
        refused = asked.outcome(name)[1] in ("certificate_refused", "no_tls")
        assert device.requests == ([] if refused else ["/status"]), name


def test_without_anything_to_verify_with_nothing_is_sent(ask: Ask, ward: Ward, certificates: Certificates) -> None:
    device = ward.admit(JsonPage(ward.address(), context=certificates.context(["pump.hopital.example"])[0]))
    asked = ask({"page": page_host(device)})
    assert asked.outcome("page") == ("aborted", "certificate_refused")
    assert "trust_anchors" in asked.observations["page"]["detail"]
    assert device.sessions == 0


def digest_judge(user: str, password: str, realm: str, nonce: str) -> Callable[[str, str], bool]:
    """A server's view of RFC 7616, with SHA-256 and qop=auth."""

    def hashed(*parts: str) -> str:
        return hashlib.sha256(":".join(parts).encode()).hexdigest()

    def judge(header: str, path: str) -> bool:
        scheme, _space, rest = header.partition(" ")
        fields = parse_keqv_list(parse_http_list(rest))
        wanted = hashed(
            hashed(user, realm, password), nonce, fields["nc"], fields["cnonce"], "auth", hashed("GET", path)
        )
        return scheme == "Digest" and fields["uri"] == path and fields["response"] == wanted

    return judge


def test_logins_on_pages(ask: Ask, ward: Ward, certificates: Certificates) -> None:
    context, _pin = certificates.context(["pump.hopital.example"])
    basic = "Basic YmlvbWVkOmNvcnJlY3QtaG9yc2UtNzc0MQ=="  # biomed and the password above
    challenge = 'Digest realm="pump", nonce="n-1", qop="auth", algorithm=SHA-256, opaque="o"'
    judge = digest_judge("biomed", PASSWORD, "pump", "n-1")

    def page(authorization: Callable[[str, str], bool], says: str = 'Basic realm="pump"') -> JsonPage:
        device: JsonPage = ward.admit(
            JsonPage(ward.address(), context=context, authorization=authorization, challenge=says)
        )
        return device

    devices = {
        "basic": page(lambda header, _path: header == basic),
        "basic-wrong": page(lambda header, _path: header == basic),
        "digest": page(judge, challenge),
        "digest-wrong": page(judge, challenge),
        "bearer": page(lambda header, _path: header == "Bearer t-52917"),
    }
    right, wrong = {"user": "biomed", "password": PASSWORD}, {"user": "biomed", "password": "nope-31"}
    logins = {
        "basic": right,
        "basic-wrong": wrong,
        "digest": right,
        "digest-wrong": wrong,
        "bearer": {"token": "t-52917"},
    }
    hosts = {
        name: page_host(device, device_profile=f"page_{name.partition('-')[0]}", device_login=logins[name])
        for name, device in devices.items()
    }
    # Two pages, so that the second one shows whether the connection and the login are kept.
    profiles = [json_profile(f"page_{way}", authentication=way) for way in ("basic", "digest", "bearer")]
    for profile in profiles:
        profile["requests"] = {"status": "/status", "more": "/status"}
    plain = {**json_profile("page_plain", authentication="basic"), "transport": "http"}
    hosts["plain"] = {**hosts["basic"], "device_profile": "page_plain"}
    asked = ask(hosts, trust_anchors=[certificates.root], profile_folders=[own_profiles(*profiles, plain)])
    for name in ("basic", "digest", "bearer"):
        assert asked.outcome(name) == ("observed", None), asked.observations[name]
        assert devices[name].refused == 0
        assert devices[name].sessions == 1
    for name in ("basic-wrong", "digest-wrong"):
        assert asked.outcome(name) == ("aborted", "login_refused")
        assert devices[name].refused == 1
        assert devices[name].sessions == 1
    assert asked.outcome("plain") == ("skipped", "inventory_invalid")
    assert "device_login_exception" in asked.observations["plain"]["detail"]


# --- without a device, and into a file ---


def test_saved_answers_need_no_device_no_login_and_no_consent(ask: Ask) -> None:
    hosts = {
        "rec": {"device_profile": "generic_cli", "device_probe_consent": None},
        "page": {"device_profile": "generic_json", "device_probe_consent": None},
        "absent": {"device_profile": "generic_cli"},
    }
    recorded = {
        "rec": {"clock": "2026-11-22 17:00:00 UTC", "users": "admin   admin\n"},
        "page": {"status": {"firmware": "7.0.3", "time": "2026-11-22T17:00:00Z"}},
    }
    asked = ask(hosts, recorded=recorded)
    assert [account["name"] for account in asked.observations["rec"]["accounts"]] == ["admin"]
    assert asked.observations["rec"]["clock"] == {"samples": []}
    assert asked.observations["rec"]["subsets"]["ntp"]["status"] == "failed"
    assert asked.observations["page"]["system"]["firmware"] == "7.0.3"
    assert asked.outcome("absent") == ("skipped", "not_recorded")


def test_observations_go_to_a_file_of_ones_own(ask: Ask, ward: Ward, tmp_path: Path) -> None:
    device = ward.recorder()
    dest = tmp_path / "seen.jsonl"
    asked = ask({"rec": recorder_host(device)}, dest=str(dest))
    assert asked.result["observations"] == []
    (line,) = dest.read_text(encoding="ascii").splitlines()
    assert json.loads(line)["device"] == "rec"
    assert dest.stat().st_mode & 0o777 == 0o600
    before = dest.read_bytes()
    checked = ask({"rec": recorder_host(device)}, "--check", dest=str(dest))
    assert checked.result["statistics"]["outcomes"]["observed"] == 1
    assert dest.read_bytes() == before


def test_a_lost_vantage_is_said_of_every_device(ask: Ask, ward: Ward) -> None:
    device = ward.recorder()
    asked = ask({"rec": recorder_host(device)}, vantage={"ansible_python_interpreter": "/nonexistent/python"})
    assert asked.result["failed"] is True
    assert asked.outcome("rec") == ("aborted", "vantage_lost")
    assert device.sessions == 0


WRONG_OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"timeout": 0}, "timeout must be at least 0.1, not 0.0"),
    ({"concurrency": 0}, "concurrency must be at least 1, not 0"),
    ({"profile_folders": ["nowhere"]}, "profile_folders: 'nowhere' is no folder"),
    ({"trust_anchors": ["nowhere.pem"]}, "nowhere.pem"),
    ({"dest": "/nonexistent/seen.jsonl"}, "'/nonexistent' is no folder that can be written to"),
    ({"devices": ["rec", "rec"]}, "the device name 'rec' is given twice"),
    ({"devices": ["res"]}, "'res' is not in the inventory"),
    ({"recorded": {"rec": "text"}}, "recorded: rec: output names with their texts are needed"),
]


def test_a_wrong_option_is_named_before_any_device_is_asked(ask: Ask, ward: Ward) -> None:
    device = ward.recorder()
    asked = ask({"rec": recorder_host(device)}, each=[options for options, _sentence in WRONG_OPTIONS])
    for result, (_options, sentence) in zip(asked.result["results"], WRONG_OPTIONS, strict=True):
        assert result["failed"] is True
        assert sentence in result["msg"]
    assert device.sessions == 0
