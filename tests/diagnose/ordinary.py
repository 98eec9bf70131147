# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ordinary log lines, to see that none is taken for a TLS failure.

The real ones are in ordinary.txt: about a thousand kinds. `lines` repeats them with other numbers, times, names and
addresses, from a fixed seed, between lines of the applications that do not run here (systemd, Java servers, HL7 and
DICOM engines, a CMMS), whose forms are written below.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent

#: {n}: a number; {t}: a time of day; {h}: a host; {a}: an address; {u}: a user; {w}: a word of a hospital.
_FORMS = (
    "Nov {n2} {t} {h} systemd[1]: Started {w}.service - {w} daemon.",
    "Nov {n2} {t} {h} systemd[1]: {w}.service: Main process exited, code=exited, status={n2}/FAILURE",
    "Nov {n2} {t} {h} systemd[1]: {w}.timer: Deactivated successfully.",
    "Nov {n2} {t} {h} CRON[{n}]: ({u}) CMD (/usr/lib/{w}/run --id {n})",
    "Nov {n2} {t} {h} sshd[{n}]: Accepted publickey for {u} from {a} port {n} ssh2: ED25519 SHA256:x{n}",
    "Nov {n2} {t} {h} sshd[{n}]: Failed password for invalid user {u} from {a} port {n} ssh2",
    "Nov {n2} {t} {h} sshd[{n}]: Connection reset by {a} port {n} [preauth]",
    "Nov {n2} {t} {h} sshd[{n}]: Connection closed by authenticating user {u} {a} port {n} [preauth]",
    "Nov {n2} {t} {h} kernel: [{n}.{n}] eth0: link becomes ready",
    "Nov {n2} {t} {h} kernel: [{n}.{n}] TCP: request_sock_TCP: Possible SYN flooding on port {n}. Sending cookies.",
    "Nov {n2} {t} {h} kernel: [{n}.{n}] Out of memory: Killed process {n} (java) total-vm:{n}kB",
    "Nov {n2} {t} {h} chronyd[{n}]: Selected source {a}",
    "Nov {n2} {t} {h} chronyd[{n}]: System clock wrong by 0.{n} seconds",
    "Nov {n2} {t} {h} dhclient[{n}]: DHCPACK of {a} from {a}",
    "Nov {n2} {t} {h} NetworkManager[{n}]: <info> [{n}.{n}] device (eth0): state change: activated",
    "Nov {n2} {t} {h} smbd[{n}]: Error: NT_STATUS_ACCESS_DENIED opening {w}",
    "Nov {n2} {t} {h} postfix/smtpd[{n}]: lost connection after CONNECT from unknown[{a}]",
    "Nov {n2} {t} {h} postfix/smtp[{n}]: Trusted TLS connection established to {h}[{a}]:25: TLSv1.3",
    "Nov {n2} {t} {h} rsyslogd: action '{w}' suspended, next retry is in {n2} seconds",
    '{a} - - [22/Nov/2026:{t} +0100] "GET /{w}/{n}?page={n2} HTTP/1.1" 200 {n} "-" "Mozilla/5.0"',
    '{a} - {u} [22/Nov/2026:{t} +0100] "POST /api/{w} HTTP/1.1" 500 {n} "-" "okhttp/4.9"',
    '{a} - - [22/Nov/2026:{t} +0100] "GET /certs/{w}.crl HTTP/1.1" 304 0 "-" "Microsoft-CryptoAPI/10.0"',
    "2026/11/22 {t} [error] {n}#{n}: *{n} connect() failed (111: Connection refused) while connecting to upstream",
    '2026/11/22 {t} [error] {n}#{n}: *{n} open() "/srv/{w}" failed (2: No such file or directory), client: {a}',
    "2026/11/22 {t} [warn] {n}#{n}: *{n} an upstream response is buffered to a temporary file",
    "2026-11-22 {t},{n2} INFO  [main] org.springframework.boot.StartupInfoLogger - Starting {w} on {h} with PID {n}",
    "2026-11-22 {t},{n2} INFO  [main] o.s.b.w.embedded.tomcat.TomcatWebServer - Tomcat initialized with port {n}",
    "2026-11-22 {t},{n2} WARN  [pool-{n2}] com.zaxxer.hikari.pool.PoolBase - Connection is not available after {n}ms.",
    "2026-11-22 {t},{n2} ERROR [http-{n2}] o.h.e.jdbc.SqlExceptionHelper - Duplicate entry '{n}' for key '{w}'",
    "2026-11-22 {t},{n2} ERROR [task-{n2}] java.net.ConnectException: Connection refused (Connection refused)",
    "2026-11-22 {t},{n2} ERROR [task-{n2}] java.net.SocketTimeoutException: Read timed out",
    "2026-11-22 {t},{n2} ERROR [task-{n2}] java.lang.NullPointerException: Cannot invoke getName() on {w}",
    "\tat org.hibernate.internal.{w}.run({w}.java:{n})",
    "2026-11-22 {t},{n2} INFO  (com.mirth.connect.server.Mirth:{n}): Mirth Connect {n2}.{n2} successfully started.",
    "2026-11-22 {t},{n2} INFO  [Channel {n}] message {n} filtered, destination {w}, status SENT",
    "2026-11-22 {t},{n2} ERROR [Channel {n}] HL7 parse error: segment PID field {n2}: invalid date 1999{n}",
    "{t}.{n} INFO  - PACS->{w}({n}): A-ASSOCIATE-AC",
    "{t}.{n} INFO  - {w}->PACS({n}) << 1:C-STORE-RSP[pcid={n2}, status=0H]",
    "{t}.{n} WARN  - {w}: no matching presentation context, association {n} rejected",
    "I: Association Acknowledged (Max Send PDV: {n})",
    "I: Received Store Response (Success), {n} of {n} images",
    "W: DIMSE status {n}: out of resources",
    "[{t}] GMAO: intervention {n} closed by {u}, equipment {w}-{n}",
    "[{t}] alarm {n2} on bed {n}: SpO2 low, acknowledged by {u}",
    "[{t}] ALERT level {n2} on freezer {n}: temperature {n2}",
    "[{t}] sample {n} rejected: code {n}, reagent {w} expired on 2026-01-{n2}",
    "[{t}] licence check: {w} valid for {n} days",
    "[{t}] user {u} password expired, change required",
    "[{t}] certificate {w} renewed, valid until 2027-11-{n2}",
    "[{t}] TLS handshake with {h}:{n} completed in {n2} ms, TLSv1.3",
    "[{t}] SSL enabled on port {n}, {n2} ciphers",
)
_WORDS = ("echo", "monitor", "analyser", "pacs", "worklist", "scanner", "pump", "archive", "results", "order", "index")
_USERS = ("alice", "bruno", "chloe", "root", "www-data", "svc-dicom", "admin")


def real() -> list[str]:
    """The lines of ordinary.txt."""
    text = (HERE / "ordinary.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if not line.startswith("# ")]


def lines(count: int = 10_000, seed: int = 6) -> Iterator[str]:
    """`count` lines, the same ones each time: each real one as it is, then real ones and forms with other values."""
    rng = random.Random(seed)
    known = real()
    yield from known[:count]
    for number in range(count - len(known)):
        if number % 2:
            yield re.sub(r"\d", lambda _digit: rng.choice("0123456789"), rng.choice(known))
        else:
            yield _filled(rng.choice(_FORMS), rng)


def _filled(form: str, rng: random.Random) -> str:
    def value(found: re.Match[str]) -> str:
        name = found[1]
        if name == "n":
            return str(rng.randrange(10 ** rng.randrange(1, 6)))
        if name == "n2":
            return f"{rng.randrange(100):02}"
        if name == "t":
            return f"{rng.randrange(24):02}:{rng.randrange(60):02}:{rng.randrange(60):02}"
        if name == "a":
            return f"192.0.2.{rng.randrange(1, 255)}"
        if name == "h":
            return f"{rng.choice(_WORDS)}-{rng.randrange(100):03}"
        return rng.choice(_USERS if name == "u" else _WORDS)

    return re.sub(r"\{(\w+)\}", value, form)
