# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of which server that misleads, and what is true of it."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from servers.device import Device, Link, alert, free_port

from bench import chains
from bench import misleading as that
from bench.chains import NAME, SECOND_NAME
from bench.misleading import MODERN, OLD

#: Authorities are made once a run: two threads would make two of one name.
_MAKING = threading.Lock()


@dataclass(frozen=True)
class Case:
    """`truth`: "sound", "fault", or the versions that it accepts. `asks`: certificate | versions | cipher."""

    name: str
    asks: str
    truth: str | frozenset[str]
    serving: that.Serving
    names: tuple[str, ...] = (NAME,)
    service: str = "https"
    depth: str = "normal"

    @contextlib.contextmanager
    def open(self, folder: Path) -> Iterator[Device]:
        """The server on a port of 127.0.0.1, which counts its connections; `root.pem` in the folder is its root."""
        with contextlib.ExitStack() as held:
            stand = that.Stand(folder, held)
            with _MAKING:
                (folder / "root.pem").write_text(chains.root().pem)
                serve = self.serving(stand)
            stand.devices.append(held.enter_context(Device(serve, port=free_port())))
            yield stand.devices[0]


def _speaks(name: str, versions: tuple[str, ...], serving: that.Serving, depth: str = "normal") -> Case:
    return Case(name, "versions", frozenset(versions), serving, depth=depth)


_ok, _issuing = chains.leaf, chains.issuing
_expired_issuing = functools.partial(_issuing, -2000, -5)
_ending_issuing = functools.partial(_issuing, -1000, 10)
_CERTIFICATES: dict[str, tuple[str, that.Serving]] = {
    "cross-signed by an expired root": ("sound", that.chain(_ok, _issuing, chains.crossed_root)),
    "an expired twin of the intermediate first (GnuTLS refuses)": (
        *("fault", that.chain(_ok, _expired_issuing, _issuing)),
    ),
    "the same, last": ("sound", that.chain(_ok, _issuing, _expired_issuing)),
    "root and leaf sent twice, in disorder": ("sound", that.chain(_ok, chains.root, _issuing, _ok)),
    "only the expired intermediate": ("fault", that.chain(_ok, _expired_issuing)),
    "key usage of an authority": ("fault", that.chain(chains.used_as_authority, _issuing)),
    "must-staple, nothing stapled (GnuTLS refuses)": ("fault", that.chain(chains.must_staple, _issuing)),
    "the intermediate ends in 10 days": ("fault", that.chain(_ok, _ending_issuing)),
    "RSA expired, ECDSA not; TLS 1.3": ("fault", that.pair(-3, 365)),
    "ECDSA expired, RSA not; TLS 1.3": ("fault", that.pair(365, -3)),
    "RSA expired, ECDSA not; TLS 1.2": ("fault", that.pair(-3, 365, ("TLSv1.2",))),
    "ECDSA expired, RSA not; TLS 1.2": ("fault", that.pair(365, -3, ("TLSv1.2",))),
    "expired in TLS 1.3 alone": ("fault", that.expired_for(that.offers_tls_1_3, ("TLSv1.2",), ("TLSv1.3",))),
    "expired on every second node": ("fault", that.every_second_node),
    "another's key; TLS 1.2 and 1.3": ("fault", that.wrong_key("TLSv1.2-TLSv1.3")),
    "another's key; TLS 1.2": ("fault", that.wrong_key("TLSv1.2")),
    "another's key; TLS 1.3": ("fault", that.wrong_key("TLSv1.3")),
}
CASES = (
    *(Case(name, "certificate", truth, serving) for name, (truth, serving) in _CERTIFICATES.items()),
    Case(
        *("expired for who sends no name (DICOM)", "certificate", "fault", that.expired_for(that.names(None))),
        service="dicom",
    ),
    Case(
        *("expired for the second name", "certificate", "fault", that.expired_for(that.names(SECOND_NAME))),
        names=(NAME, SECOND_NAME),
    ),
    _speaks("a limiter that resets after the hello", OLD, that.limited(that.after_hello(Link.reset))),
    _speaks("a limiter that closes after the hello", OLD, that.limited(that.after_hello(Link.finish))),
    _speaks("a limiter that resets at once", OLD, that.limited(Link.reset)),
    _speaks("a limiter that says alert 80", OLD, that.limited(that.after_hello(Link.finish, alert(80)))),
    _speaks("a limiter that says alert 40", OLD[:3], that.limited(that.after_hello(Link.finish, alert(40)), OLD[:3])),
    _speaks("a limiter that says nothing", OLD, that.limited(Link.drain)),
    _speaks("haproxy's limit for connections", OLD, that.haproxy("connection")),
    _speaks("haproxy's limit for sessions", OLD, that.haproxy("session")),
    _speaks("alert 70 for TLS 1.1 alone", ("TLSv1.0", "TLSv1.2"), that.ruled(70, that.of_tls_1_1), "thorough"),
    _speaks("alert 40 for TLS 1.1 alone", ("TLSv1.0", "TLSv1.2"), that.ruled(40, that.of_tls_1_1)),
    _speaks("an old hello may have no extensions (47)", OLD[:3], that.ruled(47, that.old_with_a_name)),
    _speaks("an old hello may have no name (112)", OLD[:3], that.ruled(112, that.old_with_a_name)),
    _speaks("TLS 1.0 with CAMELLIA alone", OLD[:1], that.plain(OLD[:1], "CAMELLIA")),
    _speaks("SSL 2.0 beside TLS 1.2", ("SSLv2", "TLSv1.2"), that.sslv2_too, "thorough"),
    _speaks("it dies at its second connection", MODERN, that.dies_at(2)),
    _speaks("it dies at its third connection", MODERN, that.dies_at(3)),
    _speaks("it dies at its fourth connection", MODERN, that.dies_at(4)),
    Case("TLS 1.2 without encryption", "cipher", "fault", that.no_encryption),
)
