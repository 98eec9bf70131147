# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Host keys: what is on record counts, in every form that a record has; all else is refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
from pathlib import Path

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.appliance.host_keys import (
    fingerprint_of,
    keys_on_record,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.appliance.session import SessionFailed


def key_of(kind: str, filling: bytes) -> bytes:
    return len(kind).to_bytes(4, "big") + kind.encode() + len(filling).to_bytes(4, "big") + filling


ED, OTHER = key_of("ssh-ed25519", b"a" * 32), key_of("ssh-ed25519", b"b" * 32)
RSA = key_of("ssh-rsa", b"c" * 64)


def text_of(key: bytes) -> str:
    return base64.b64encode(key).decode()


PINS = [
    fingerprint_of(ED),
    fingerprint_of(ED) + "=",
    f"256 {fingerprint_of(ED)} device (ED25519)",
    f"ssh-ed25519 {text_of(ED)}",
    f"ssh-ed25519 {text_of(ED).rstrip('=')} root@device",
    f"[10.0.0.1]:2222 ssh-ed25519 {text_of(ED)}\n",
]


@pytest.mark.parametrize("pin", PINS)
def test_a_pinned_key_passes_and_no_other(pin: str) -> None:
    record = keys_on_record(pin, None, ["10.0.0.1"], 22)
    record.check("ssh-ed25519", ED)
    for kind, key in (("ssh-ed25519", OTHER), ("ssh-rsa", RSA)):
        with pytest.raises(SessionFailed) as refusal:
            record.check(kind, key)
        assert refusal.value.reason == "host_key_mismatch"
        assert fingerprint_of(key) in str(refusal.value)


@pytest.mark.parametrize("pin", ["x", "ssh-ed25519", "ssh-ed25519 AAAA", f"ssh-rsa {text_of(ED)}", "MD5:00:11"])
def test_a_pin_that_cannot_be_read_passes_nothing(pin: str) -> None:
    with pytest.raises(SessionFailed) as refusal:
        keys_on_record(pin, None, ["10.0.0.1"], 22)
    assert refusal.value.reason == "host_key_unknown"


def test_no_record_refuses_and_shows_the_fingerprint() -> None:
    with pytest.raises(SessionFailed) as refusal:
        keys_on_record(None, None, ["10.0.0.1"], 22).check("ssh-ed25519", ED)
    assert refusal.value.reason == "host_key_unknown"
    assert fingerprint_of(ED) in str(refusal.value)


def hashed(name: str) -> str:
    salt = b"s" * 20
    digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


@pytest.mark.parametrize(
    ("hosts", "port", "found"),
    [
        ("10.0.0.1", 22, True),
        ("10.0.0.1", 2222, False),
        ("[10.0.0.1]:2222", 2222, True),
        ("[10.0.0.1]:2222", 22, False),
        ("other,10.0.0.1", 22, True),
        ("Device.Hopital.Example", 22, True),
        ("*.hopital.example", 22, True),
        ("10.0.0.?", 22, True),
        ("10.0.0.*,!10.0.0.1", 22, False),
        ("10.0.0.10", 22, False),
        (hashed("10.0.0.1"), 22, True),
        (hashed("[10.0.0.1]:2222"), 2222, True),
        (hashed("10.0.0.2"), 22, False),
        ("|1|x|y", 22, False),
        ("|1|x", 22, False),
    ],
)
def test_known_hosts_in_every_form(tmp_path: Path, hosts: str, port: int, found: bool) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(f"# comment\n\nbroken line\n{hosts} ssh-ed25519 {text_of(ED)} note\n", encoding="utf-8")
    record = keys_on_record(None, str(path), ["10.0.0.1", "device.hopital.example"], port)
    if found:
        record.check("ssh-ed25519", ED)
        assert record.kinds() == ["ssh-ed25519"]
    else:
        with pytest.raises(SessionFailed) as refusal:
            record.check("ssh-ed25519", ED)
        assert refusal.value.reason == "host_key_unknown"
        assert str(path) in str(refusal.value)


def test_several_keys_of_one_device_all_count(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    lines = [
        f"10.0.0.1 ssh-ed25519 {text_of(OTHER)}",
        f"10.0.0.1 ssh-ed25519 {text_of(ED)}",
        f"10.0.0.1 ssh-rsa {text_of(RSA)}",
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    record = keys_on_record(None, str(path), ["10.0.0.1"], 22)
    for kind, key in (("ssh-ed25519", ED), ("ssh-ed25519", OTHER), ("ssh-rsa", RSA)):
        record.check(kind, key)
    assert record.kinds() == ["ssh-ed25519", "ssh-rsa"]


def test_a_revoked_key_is_refused_even_where_it_is_known(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(
        f"10.0.0.1 ssh-ed25519 {text_of(ED)}\n@revoked * ssh-ed25519 {text_of(ED)}\n"
        f"@cert-authority * ssh-ed25519 {text_of(OTHER)}\n",
        encoding="utf-8",
    )
    record = keys_on_record(None, str(path), ["10.0.0.1"], 22)
    for key in (ED, OTHER):
        with pytest.raises(SessionFailed) as refusal:
            record.check("ssh-ed25519", key)
        assert refusal.value.reason == "host_key_mismatch"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SessionFailed) as refusal:
        keys_on_record(None, str(tmp_path / "none"), ["10.0.0.1"], 22)
    assert refusal.value.reason == "host_key_unknown"
    assert "none" in str(refusal.value)
