# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What real gateways once told, read again without any: each was recorded with and without privilege.

tests/gateways/make_recordings.py made the recordings, tests/gateways/scenes.py says what stood on those gateways.
"""

from __future__ import annotations

import base64
import copy
import json
import time
from pathlib import Path
from typing import Any

import pytest
from unit.gateway_options import OPTIONS

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.accounts import (
    parse_shadow,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.files import (
    config_backup,
    parse_configuration,
    parse_os_release,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.gather import SUBSETS, gather
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.host import Host, NotPermitted, NotSupported
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.logs import Tally, tls_failures
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.recording import (
    RecordedHost,
    RecordingHost,
    check_record,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.secrets import without_secrets
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.time import parse_chrony_tracking
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.trust import (
    jks_certificates,
    pem_certificates,
)

FOLDER = Path(__file__).with_name("recordings")
NAMES = sorted({path.stem.partition("-privileged")[0] for path in FOLDER.glob("*-privileged.json")})
SERVER = "192.0.2.1"
FOLLOWED = [{"address": SERVER, "reachable": True, "selected": True, "stratum": 2}]
BUNDLE, CACERTS = "/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs/java/cacerts"
KEYSTORE = "/opt/engine/conf/truststore.p12"


def load(name: str, kind: str = "privileged") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{name}-{kind}.json").read_text(encoding="utf-8"))
    return found


def facts_of(name: str, kind: str = "privileged") -> dict[str, Any]:
    kept = load(name, kind)
    options = {**OPTIONS, **kept["options"], "now": kept["record"]["now"]}
    return gather(RecordedHost(kept["record"]), [subset for subset in SUBSETS if subset != "clock"], options)


def ports(facts: dict[str, Any]) -> dict[int, str | None]:
    """TCP ports that the network can reach."""
    return {
        entry["port"]: entry["program"]
        for entry in facts["listening"]
        if entry["protocol"] == "tcp" and not entry["address"].startswith("127.")
    }


def test_all_recordings_are_there() -> None:
    expected = ["failures", "healthy", "java", "java-without", "legacy", "no-ntp", "ntpsec", "slow", "timesyncd"]
    assert expected == NAMES


@pytest.mark.parametrize("kind", ["privileged", "unprivileged"])
@pytest.mark.parametrize("name", NAMES)
def test_a_recording_is_whole_and_holds_no_secret(name: str, kind: str) -> None:
    text = (FOLDER / f"{name}-{kind}.json").read_text(encoding="utf-8")
    record = load(name, kind)["record"]
    check_record(record)
    assert record["privileged"] is (kind == "privileged")
    assert "$y$" not in text and "a password of the laboratory" not in text
    for piece in text.split("PRIVATE KEY-----\\n")[1::2]:
        assert piece.startswith("-----END"), "a private key"


@pytest.mark.parametrize("name", NAMES)
def test_with_privilege_every_subset_answers(name: str) -> None:
    states = facts_of(name)["subsets"]
    assert states.pop("clock")["status"] == "not_asked"
    assert states == {name: {"status": "ok", "detail": ""} for name in states}


@pytest.mark.parametrize("name", NAMES)
def test_without_privilege_each_says_what_is_missing(name: str) -> None:
    facts = facts_of(name, "unprivileged")
    states = facts["subsets"]
    refused = {subset for subset, state in states.items() if state["status"] == "not_permitted"}
    assert refused == {"tls_failures", "config_backup"}
    assert {subset for subset, state in states.items() if "privileged login" in state["detail"]} == {
        *refused,
        "accounts",
        "listening",
    }
    assert {account["password"] for account in facts["accounts"]} == {"unknown"}
    # Nobody's rights are denied by one who could not read the rules.
    assert {account["administrator"] for account in facts["accounts"]} == {True, None}
    assert set(ports(facts).values()) == {None}
    (client,) = [entry for entry in facts["certificate_files"] if entry["role"] == "client"]
    assert client["chain_der"] == [] and "privileged login" in client["detail"]


@pytest.mark.parametrize("kind", ["privileged", "unprivileged"])
@pytest.mark.parametrize(
    ("name", "client", "synchronised", "offset", "servers"),
    [
        ("healthy", "chrony", True, 0.0, FOLLOWED),
        ("slow", "chrony", True, -90.0, FOLLOWED),
        ("ntpsec", "ntpsec", True, 0.0, FOLLOWED),
        # Its kernel's clock, the recording machine's, followed nobody: asked, answered, and not in charge.
        ("timesyncd", "systemd-timesyncd", False, None, [{**FOLLOWED[0], "selected": False}]),
        ("no-ntp", "none", False, None, []),
    ],
)
def test_the_ntp_client(
    name: str, kind: str, client: str, synchronised: bool, offset: float | None, servers: list[Any]
) -> None:
    ntp = facts_of(name, kind)["ntp"]
    assert (ntp["client"], ntp["running"], ntp["synchronised"]) == (client, client != "none", synchronised)
    assert ntp["servers"] == servers
    assert ntp["offset_seconds"] == (None if offset is None else pytest.approx(offset, abs=0.01))
    assert (ntp["last_sync_at"] is None) == (client == "none")


@pytest.mark.parametrize("name", NAMES)
def test_zone_system_and_accounts(name: str) -> None:
    facts = facts_of(name)
    assert facts["time_zone"] == {"name": "Europe/Paris", "utc_offset_seconds": 3600}
    assert facts["system"] == {"name": "Debian GNU/Linux 12 (bookworm)", "kernel": "6.1.0-18-amd64", "firmware": None}
    able = {account["name"]: account["administrator"] for account in facts["accounts"] if account["can_login"]}
    assert able == {"tech": True}
    assert facts["config_backup"]["path"] == "/var/backups/gateway/configuration-1.tar.gz"
    files = [(entry["service"], entry["role"], entry["key_safe"], len(entry["chain_der"])) for entry in _files(facts)]
    assert files == [("nginx", "server", True, 2), ("stunnel", "client", True, 2)]


def _files(facts: dict[str, Any]) -> list[dict[str, Any]]:
    return [entry for entry in facts["certificate_files"] if entry["path"] != "/etc/nginx/tls/server.key"]


def test_ports_and_the_programs_behind_them() -> None:
    assert ports(facts_of("healthy")) == {22: "sshd", 443: "nginx"}
    assert ports(facts_of("legacy")) == {21: "vsftpd", 22: "sshd", 23: "inetd", 443: "nginx"}
    assert ports(facts_of("legacy", "unprivileged")) == dict.fromkeys((21, 22, 23, 443))


def test_failures_have_their_peer_and_probes_are_left_out() -> None:
    kept = load("failures")
    options = {**OPTIONS, **kept["options"], "now": kept["record"]["now"]}
    told = tls_failures(RecordedHost(kept["record"]), options)["tls_failures"]
    assert [(group["peer"], group["cause"], group["count"]) for group in told["groups"]] == [
        ("192.0.2.2", "unknown_authority", 12)
    ]
    with_probes = tls_failures(RecordedHost(kept["record"]), {**options, "own_addresses": ["192.0.2.2"]})
    assert with_probes["tls_failures"]["total"] == 0


@pytest.mark.parametrize(
    ("name", "paths"),
    [
        ("healthy", {BUNDLE: ("system", True), "/opt/viewer/nss": ("nss", True)}),
        ("java", {BUNDLE: ("system", True), CACERTS: ("java", True), KEYSTORE: ("java", True)}),
        ("java-without", {BUNDLE: ("system", True), CACERTS: ("java", True), KEYSTORE: ("java", False)}),
    ],
)
def test_trust_stores(name: str, paths: dict[str, tuple[str, bool]]) -> None:
    root = load(name)["hospital_root_sha256"]
    stores = facts_of(name)["trust_stores"]
    assert all(store["readable"] for store in stores)
    assert {store["path"]: (store["kind"], root in store["fingerprints_sha256"]) for store in stores} == paths
    closed = {store["path"] for store in facts_of(name, "unprivileged")["trust_stores"] if not store["readable"]}
    assert closed == {path for path in paths if path.startswith("/opt/")}


# --- what a recording may not do


def test_what_was_not_looked_for_is_not_absent() -> None:
    record = load("healthy")["record"]
    with pytest.raises(NotSupported, match="not in this recording"):
        config_backup(RecordedHost(record), {"backup_paths": ["/elsewhere/*.tar"]})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"now": None}, "'now' is missing or of a wrong type"),
        ({"now": True}, "'now' is missing"),
        ({"now": "yesterday"}, "'now' is missing"),
        ({"now": float("inf")}, "'now' is no time"),
        ({"now": -1.0}, "'now' is no time"),
        ({"privileged": 1}, "'privileged' is missing"),
        ({"subsets": {}}, "'subsets' is missing"),
        ({"files": []}, "'files' is missing"),
        ({"files": {"/etc/passwd": "root:x:0"}}, "'files' has an entry that cannot be read: '/etc/passwd'"),
        ({"files": {"/a": {}}}, "'files' has an entry"),
        ({"files": {"/a": {"base64": "?"}}}, "'files' has an entry"),
        ({"files": {"/a": {"text": 3}}}, "'files' has an entry"),
        ({"commands": {"date +%z": {"stdout": "+0100"}}}, "'commands' has an entry"),
        ({"commands": {"date +%z": {"status": 0, "stdout": []}}}, "'commands' has an entry"),
        ({"globs": {"/a/*": "/a/b"}}, "'globs' has an entry"),
        ({"globs": {"/a/*": [1]}}, "'globs' has an entry"),
        ({"states": {"/a": {"mode": 420}}}, "'states' has an entry"),
        ({"states": {"/a": dict.fromkeys(("mode", "uid", "gid", "modified", "size"), "0")}}, "'states' has an entry"),
        ({"links": {"/a": 1}}, "'links' has an entry"),
        ({"closed": {"/a/*": True}}, "'closed' has an entry"),
    ],
)
def test_a_bad_recording_is_refused_in_one_sentence(change: dict[str, Any], message: str) -> None:
    record = load("no-ntp", "unprivileged")["record"]
    check_record(record)
    with pytest.raises(ValueError) as refused:
        check_record({**copy.deepcopy(record), **change})
    assert message in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize("missing", ["commands", "files", "globs", "states", "links", "closed", "subsets", "now"])
def test_a_recording_without_a_part_is_refused(missing: str) -> None:
    record = load("no-ntp", "unprivileged")["record"]
    del record[missing]
    with pytest.raises(ValueError, match=f"'{missing}' is missing"):
        check_record(record)


# --- secrets


def test_hashes_and_keys_are_blanked_and_read_the_same() -> None:
    shadow = b"root:$y$j9T$salt$hash:1::::::\nold:!$6$a$b:1::::::\nnone::1::::::\nstar:*:1::::::\n"
    kept = without_secrets("/etc/shadow", shadow)
    assert b"hash" not in kept and b"$6$" not in kept
    assert parse_shadow(kept.decode()) == parse_shadow(shadow.decode())
    begin, end = "-----BEGIN {}PRIVATE KEY-----", "-----END {}PRIVATE KEY-----"
    for kind in ("", "RSA ", "EC ", "ENCRYPTED "):
        pem = f"cert\n{begin.format(kind)}\nMIIEc2VjcmV0\n{end.format(kind)}\ntail\n"
        kept = without_secrets("/etc/a.pem", pem.encode())
        assert b"MIIE" not in kept and kept.endswith(b"tail\n") and b"PRIVATE KEY-----" in kept
    # One that is cut short, too; and of a binary file no more than what says its kind.
    assert without_secrets("/a", (begin.format("") + "\nMIIEc2VjcmV0").encode()) == begin.format("").encode() + b"\n"
    assert without_secrets("/a.p12", b"\x30\x82\x01\x00secret\x00key") == b"\x30\x82\x01\x00"
    assert without_secrets("/var/log/lastlog", b"\x00" * 600) == b"\x00" * 600


@pytest.mark.parametrize("path", ["/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-", "/etc/passwd"])
@pytest.mark.parametrize(
    ("field", "kept"),
    [
        ("$6$salt$hash", "set"),
        ("!$6$salt$hash", "!"),
        ("!", "!"),
        ("*", "*"),
        ("", ""),
        ("x", "x"),
        ("abJnggxhB/yWI", "set"),
    ],
)
def test_no_hash_of_an_account_or_of_a_group_is_recorded(path: str, field: str, kept: str) -> None:
    lines = f"wheel:{field}:root:alice\nroot:{field}:1:0:99999:7:::\n\nno fields\n"
    assert without_secrets(path, lines.encode()).decode() == lines.replace(f":{field}:", f":{kept}:")


def _jks(count: int | None = None) -> bytes:
    def block(data: bytes, size: int = 4) -> bytes:
        return len(data).to_bytes(size, "big") + data

    def certificate(data: bytes) -> bytes:
        return block(b"X.509", 2) + block(data)

    head = b"\xfe\xed\xfe\xed" + (2).to_bytes(4, "big") + (2 if count is None else count).to_bytes(4, "big")
    key = (1).to_bytes(4, "big") + block(b"key", 2) + bytes(8) + block(b"encrypted key") + (1).to_bytes(4, "big")
    trusted = (2).to_bytes(4, "big") + block(b"root", 2) + bytes(8) + certificate(b"the root")
    return head + key + certificate(b"the leaf") + trusted + b"digest of it all 20 "


def test_a_keystore_keeps_its_certificates_and_loses_its_keys() -> None:
    kept = without_secrets("/a.jks", _jks())
    assert b"encrypted key" not in kept and len(kept) == len(_jks())
    assert jks_certificates(kept) == jks_certificates(_jks()) == [b"the root"]


@pytest.mark.parametrize("cut", range(4, len(_jks()), 3))
def test_a_keystore_that_is_cut_short_or_lies_gives_no_key(cut: int) -> None:
    for data in (_jks()[:cut], _jks(2**31)[:cut] + b"\xff" * 40):
        assert b"encrypted key" not in without_secrets("/a.jks", data)


def test_the_password_of_a_keystore_is_read_and_not_recorded(tmp_path: Path) -> None:
    secret = tmp_path / "pass"
    secret.write_text("sesame\n", encoding="utf-8")
    host = RecordingHost()
    assert host.read_secret(str(secret)) == "sesame\n"
    assert host.read_secret(str(tmp_path / "none")) is None
    assert "sesame" not in json.dumps(host.record)
    again = RecordedHost(host.record)
    assert (again.read_secret(str(secret)), again.read_secret(str(tmp_path / "none"))) == ("", None)


# --- what real gateways taught


def test_a_file_of_the_kernel_is_read_in_pieces() -> None:
    if not Path("/proc/sys/kernel/osrelease").exists():
        pytest.skip("no /proc/sys/kernel/osrelease: no Linux")
    assert (Host().read("/proc/sys/kernel/osrelease") or "").strip()


def test_times_of_no_age_and_numbers_that_are_none() -> None:
    for number in ("1e300", "nan", "-inf", "1795366790.1"):
        told = parse_chrony_tracking(f"0,{SERVER},2,{number},{number},0,0,0,0,0,0,0,0,Normal\n")
        assert (told["last_sync_at"] is not None) is (number == "1795366790.1")
        json.dumps(told, allow_nan=False)


def test_a_directive_may_share_its_line() -> None:
    text = "server { listen 443 ssl; ssl_certificate /a.pem; ssl_certificate_key /a.key; } # ssl_certificate /b.pem;\n"
    (named,) = parse_configuration("nginx", text)
    assert (named.path, named.key_path) == ("/a.pem", "/a.key")


@pytest.mark.parametrize("piece", ["\n", " ", "ssl_certificate x ", "certfile " + " " * 99, 'PRETTY_NAME="" '])
def test_a_hostile_configuration_costs_little(piece: str) -> None:
    begun = time.process_time()
    for service in ("nginx", "apache", "haproxy", "stunnel", "mosquitto"):
        parse_configuration(service, piece * (400_000 // len(piece)))
    parse_os_release(piece * (400_000 // len(piece)))
    pem_certificates(b"-----BEGIN CERTIFICATE-----" + piece.encode() * 100_000 + b"-")
    assert time.process_time() - begun < 4


def test_a_long_file_is_cut(tmp_path: Path) -> None:
    long = tmp_path / "long"
    long.write_bytes(b"x" * (9 * 1024 * 1024))
    assert len(Host().read_bytes(str(long)) or b"") == 8 * 1024 * 1024


def test_stunnel_names_the_peer_on_another_line() -> None:
    def line(number: str, text: str) -> str:
        return f"2026.11.22 10:00:00 LOG5[{number}]: {text}"

    failed = "SSL_accept: error:0A000418:SSL routines::tlsv1 alert unknown ca"
    tally = Tally(since=0.0, own_addresses=frozenset({"192.0.2.1"}))
    for number, peer in (("0", "192.0.2.7"), ("1", "::ffff:192.0.2.1"), ("2", "2001:db8::7")):
        tally.add_line(line(number, f"Service [dicom] accepted connection from {peer}:40000"), 2026)
    for number in ("0", "1", "2"):
        tally.add_line(line(number, failed), 2026)
        tally.add_line(line(number, "Connection reset/closed: 0 byte(s) sent to TLS, 0 byte(s) sent to socket"), 2026)
    # The number comes again with the next connection.
    tally.add_line(line("0", "Service [dicom] accepted connection from 192.0.2.7:40001"), 2026)
    tally.add_line(line("0", failed), 2026)
    assert {(group.peer, group.count) for group in tally.groups.values()} == {("192.0.2.7", 2), ("2001:db8::7", 1)}
    assert tally.total == 3


PROBE = "journalctl --no-pager --output=short-iso --lines=1"
SYSLOG = "Nov 22 10:00:00 gw nginx: SSL_do_handshake() failed (unknown ca), client: 192.0.2.7\n"


def _journal(stdout: str, stderr: str = "", status: int = 0) -> RecordedHost:
    record = copy.deepcopy(load("no-ntp")["record"])
    record["commands"] = {PROBE: {"status": status, "stdout": stdout, "stderr": stderr}}
    record["globs"].update({"/var/log/syslog*": ["/var/log/syslog"]})
    record["files"]["/var/log/syslog"] = {"text": SYSLOG}
    record["states"]["/var/log/syslog"] = {"mode": 416, "uid": 0, "gid": 4, "modified": record["now"], "size": 99}
    return RecordedHost(record)


def test_a_journal_that_nobody_writes_to_does_not_hide_syslog() -> None:
    options = {**OPTIONS, "now": load("no-ntp")["record"]["now"]}
    for host in (_journal("-- No entries --\n"), _journal(""), _journal("", "No journal files were found.\n", 1)):
        assert tls_failures(host, options)["tls_failures"]["total"] == 1
    hints = ("Hint: You are currently not seeing messages from other users and the system.", "insufficient permissions")
    for hint in hints:
        with pytest.raises(NotPermitted, match="the journal"):
            tls_failures(_journal("a line of my own\n", hint), options)
    with pytest.raises(OSError, match="the journal gave no answer"):
        tls_failures(_journal("a line\n"), options)


def test_a_closed_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = tmp_path / "logs" / "today"
    inner.mkdir(parents=True)
    refused: dict[str, int] = {}
    monkeypatch.setattr("os.access", lambda path, mode: not refused.get(str(path), 0) & mode)
    host = RecordingHost()
    pattern = str(tmp_path / "logs" / "*" / "x.log")
    assert host.closed_folder(pattern) is None
    refused[str(tmp_path / "logs")] = 4  # may not be listed
    assert host.closed_folder(pattern) == str(tmp_path / "logs")
    assert host.closed_folder(str(inner / "x.log")) is None
    refused[str(tmp_path / "logs")] = 1  # may not be gone through
    assert host.closed_folder(str(inner / "x.log")) == str(tmp_path / "logs")
    assert host.closed_folder(str(tmp_path / "nowhere" / "*.log")) is None
    assert RecordedHost(host.record).closed_folder(str(inner / "x.log")) == str(tmp_path / "logs")
    plain = tmp_path / "pacs.conf"
    plain.touch()
    refused[str(plain)] = 5
    assert host.closed_folder(f"{plain}/*.cfg") is None


def test_a_binary_file_travels_as_base64(tmp_path: Path) -> None:
    store = tmp_path / "a.jks"
    store.write_bytes(_jks())
    host = RecordingHost()
    host.read_bytes(str(store))
    entry = host.record["files"][str(store)]
    assert base64.b64decode(entry["base64"])[:4] == b"\xfe\xed\xfe\xed"
