# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Targets: what stands in the files of a gateway, and what its commands write."""

from __future__ import annotations

import json
from collections.abc import Iterator

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.gather import SUBSETS, gather
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.host import FileState, Host, Output
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.recording import RecordedHost, check_record
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.secrets import without_secrets
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.observation.interpret import interpret_gateway
from fuzz.registry import NOW, Shape, safe_json, target

_OPTIONS = {
    "now": NOW.timestamp(),
    "log_days": 7,
    "log_files": [],
    "own_addresses": ["192.0.2.1"],
    "java_keystores": [{"path": "/opt/store.p12", "password_file": "/opt/pass"}],
    "java_default": {"password": "changeit"},
    "nss_databases": ["/opt/nss"],
    "bundles": ["/opt/bundle.pem"],
    "certificate_files": [{"path": "/opt/cert.pem", "key_path": "/opt/key.pem", "role": "client"}],
    "backup_paths": ["/backup/*"],
}


class _Same(Host):
    """A gateway that answers everything with the same bytes."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._data = data
        self._text = data.decode("utf-8", "replace")

    def run(self, *command: str, environment: dict[str, str] | None = None) -> Output | None:
        return Output(0, self._text, "")

    def read_bytes(self, path: str) -> bytes | None:
        return self._data

    def lines(self, path: str) -> Iterator[str]:
        yield from self._text.split("\n")

    def glob(self, pattern: str) -> list[str]:
        return [pattern.replace("[0-9]*", "1").replace("*", "1")]

    def closed_folder(self, pattern: str) -> str | None:
        return None

    def state(self, path: str) -> FileState | None:
        return FileState(0o640, 0, 0, NOW.timestamp(), len(self._data))

    def link(self, path: str) -> str | None:
        return self._text.split("\n")[0][:200]

    def descriptor(self, path: str) -> str | None:
        return "socket:[1]"

    def privileged(self) -> bool:
        return True


_TOKENS = (
    *(
        b"root:$6$a$b:1::::::\n",
        b"tech:x:1000:1000::/:/bin/sh\n",
        b"%sudo ALL=(ALL) ALL\n",
        b"\\\n",
        b"\xfe\xed\xfe\xed",
    ),
    *(b"-----BEGIN CERTIFICATE-----", b"-----BEGIN PRIVATE KEY-----", b"ssl_certificate a;", b"cert = /a\n", b"[x]\n"),
    *(b"LOG5[0]: ", b"accepted connection from 192.0.2.7:1", b"SSL_accept: unknown ca", b"Stratum=2", b",", b" 0A "),
)


@target("lines", _TOKENS)
def gateway(data: bytes) -> Shape:
    """Whatever stands on a gateway, each subset has an answer, and none falls over."""
    facts = gather(_Same(data), SUBSETS, _OPTIONS)
    states = {name: state["status"] for name, state in facts["subsets"].items()}
    assert "failed" not in states.values(), facts["subsets"]
    moment = NOW.timestamp()
    observation = interpret_gateway(
        facts,
        device="gw-1",
        asked=moment,
        answered=moment + 1,
        started=moment,
        finished=moment + 1,
        comparable=True,
        same_machine=False,
    )
    written = safe_json(observation)
    assert "$6$" not in json.dumps(observation["accounts"])
    assert len(written) < 40 * len(data) + 4_000_000
    return tuple(states.values()), len(facts["accounts"]) > 1, len(facts["listening"]) > 1


@target("lines", (*_TOKENS, b"-----END PRIVATE KEY-----", b"\x00\x00\x00\x01", b"\x00\x00\x00\x02", b"X.509"))
def recorded_file(data: bytes) -> Shape:
    """What a recording keeps of a file is no longer than it, and blank where it is blanked once more."""
    for path in ("/etc/shadow", "/etc/ssl/a.pem"):
        kept = without_secrets(path, data)
        assert len(kept) <= len(data) + 64 + 8 * data.count(b"\n")
        if data[:4] != b"\xfe\xed\xfe\xed":
            assert without_secrets(path, kept) == kept
    return data[:4] == b"\xfe\xed\xfe\xed", b"PRIVATE KEY-----" in data


@target("raw", (b'{"', b'": ', b"null", b"true", b"[]", b"{}", b"1e999", b'"text"', b'"status": 0'))
def recording(data: bytes) -> Shape:
    """A recording is refused in one sentence, or read as a gateway would be."""
    try:
        record = json.loads(data.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict):
        return False
    try:
        check_record(record)
    except ValueError as problem:
        assert len(str(problem)) < 300 and "\n" not in str(problem)
        return "refused"
    facts = gather(RecordedHost(record), SUBSETS, {**_OPTIONS, "now": float(record["now"])})
    safe_json(facts)
    return tuple(state["status"] for state in facts["subsets"].values())
