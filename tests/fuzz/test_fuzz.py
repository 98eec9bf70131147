# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every parser of what devices send, with hostile bytes: a few seconds of what `make fuzz` does at length."""

from __future__ import annotations

import functools
import random
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.clock import http_date
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.stores import java
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls import wire
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls_services import found
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509 import der as x509_der
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509 import signatures
from fuzz.mutate import Mutator
from fuzz.targets import CORPUS, TARGETS, Target, certificate_targets, configuration_targets, wire_targets

#: CPU-seconds that one input may take: a thousand times what a sound one takes.
_MOST_SECONDS = 2.0

_EXAMPLES = 300
#: Those that do much more than read a few bytes.
_FEWER = {
    "visit": 120,
    "describe": 150,
    "whole_observation": 150,
    "assessed": 100,
    "judge": 150,
    "judge_unsigned": 150,
    "crl": 150,
}


@functools.cache
def _seeds(name: str) -> list[bytes]:
    return TARGETS[name].inputs()


def _hostile(target: Target, number: int) -> bytes:
    return Mutator(random.Random(number), _seeds(target.name), target.form, target.tokens).make()


def _run(target: Target, data: bytes) -> Any:
    started = time.process_time()
    shape = target.function(data)
    assert time.process_time() - started < _MOST_SECONDS, f"{len(data)} bytes took too long"
    return shape


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_hostile_bytes(name: str) -> None:
    target = TARGETS[name]

    @settings(max_examples=_FEWER.get(name, _EXAMPLES))
    @given(st.one_of(st.integers(0, 1 << 48).map(functools.partial(_hostile, target)), st.binary(max_size=300)))
    def fuzz(data: bytes) -> None:
        _run(target, data)

    fuzz()


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_the_corpus_again(name: str) -> None:
    target = TARGETS[name]
    assert _seeds(name), "no seeds"
    shapes = {repr(_run(target, data)) for data in _seeds(name)}
    # Seeds that all end at the same door would test nothing.
    assert len(shapes) > 1 or len(_seeds(name)) == 1


def test_the_corpus_stays_small() -> None:
    files = [path for path in CORPUS.rglob("*") if path.is_file()]
    assert len(files) < 300
    assert sum(path.stat().st_size for path in files) < 1_000_000
    assert {path.suffix for path in files} == {".bin"}
    known = {folder.name for target in TARGETS.values() for folder in target.folders} | {"pki"}
    assert {path.parent.name for path in files} <= known


def test_an_input_can_be_made_again() -> None:
    for target in TARGETS.values():
        assert _hostile(target, 11) == _hostile(target, 11)


def _breaks(name: str, inputs: int = 1500) -> bool:
    for number in range(inputs):
        try:
            TARGETS[name].function(_hostile(TARGETS[name], number))
        except Exception:
            return True
    return False


def _read_without_bounds(data: bytes, start: int, end: int) -> tuple[int, int, int]:
    length = data[start + 1]
    return data[start], start + 2, start + 2 + length


def _flight_that_loses_the_rest(self: Any, data: bytes) -> None:
    self._records[:] = data
    self._read_records()


@pytest.mark.parametrize(
    ("name", "module", "attribute", "fault"),
    [
        ("judge", signatures, "verify", lambda *_parts: True),
        ("describe", x509_der, "read", _read_without_bounds),
        ("flight", wire.ServerFlight, "feed", _flight_that_loses_the_rest),
        ("http", http_date, "_epoch", lambda text: float(text or "nan")),
        (
            "certificate_message",
            wire_targets,
            "parse_certificate_message",
            lambda data, _tls13: (data[6:], b"not there"),
        ),
        ("tls_configuration", found, "_endpoint", lambda text, *_rest: int(text.rpartition(":")[2])),
        ("keytool_list", java, "fingerprint", lambda der: der.hex()),
        ("certutil_list", configuration_targets, "parse_nss_list", lambda text: [(text[:9], ",")]),
    ],
)
def test_a_planted_fault_is_found(
    monkeypatch: pytest.MonkeyPatch, name: str, module: Any, attribute: str, fault: Any
) -> None:
    certificate_targets._judge.cache_clear()
    monkeypatch.setattr(module, attribute, fault)
    try:
        assert _breaks(name)
    finally:
        certificate_targets._judge.cache_clear()
