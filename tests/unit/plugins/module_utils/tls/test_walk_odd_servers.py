# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers with ways of their own: intolerant of versions or names, ending at any stage, speaking something else."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from servers import pki
from servers.device import (
    Device,
    Link,
    Serve,
    Tls,
    alert,
    hangs_up,
    hello_name,
    hello_version,
    in_turn,
    record,
    records,
    replies,
    resets,
    server_context,
    silent,
    web_page,
)
from servers.probe import exactly, probe, statuses

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.visit import device as visit_device

Credentials = Callable[..., str]

RESET, HANG_UP = b"reset", b""
MODERN, OLD = ("TLSv1.2", "TLSv1.3"), ("TLSv1.2",)


def tls(credentials: Credentials, *versions: str, gate: Callable[[bytes], bytes | None] | None = None) -> Tls:
    return Tls(server_context(credentials(), versions or ("TLSv1.2",)), web_page(), gate=gate)


def gated(tls: Serve, refuses: Callable[[bytes], bool], how: bytes | None) -> Serve:
    """A device that meets some hellos with `how`: an answer, b"" (hangs up), RESET, or None (silence)."""

    def serve(link: Link) -> None:
        first = link.sock.recv(65536, 2)  # MSG_PEEK
        if not refuses(first):
            tls(link)
        elif how is None:
            silent(link)
        elif how == RESET:
            resets(link)
        else:
            replies(how)(link) if how else hangs_up(link)

    return serve


# -- version intolerance


def above(version: int) -> Callable[[bytes], bool]:
    return lambda hello: hello[:1] == b"\x80" or hello_version(hello) > version


@pytest.mark.parametrize(
    "how", [RESET, HANG_UP, alert(70), alert(40), alert(80), alert(10)], ids=["reset", "eof", "70", "40", "80", "10"]
)
@pytest.mark.parametrize(
    ("versions", "highest"),
    [
        (("TLSv1.0",), 0x0301),
        (("TLSv1.1",), 0x0302),
        (("TLSv1.2",), 0x0303),
        (("TLSv1.0", "TLSv1.1"), 0x0302),
        (("TLSv1.1", "TLSv1.2"), 0x0303),
        (("TLSv1.0", "TLSv1.1", "TLSv1.2"), 0x0303),
    ],
)
def test_a_server_that_refuses_newer_hellos_instead_of_choosing_lower(
    credentials: Credentials, versions: tuple[str, ...], highest: int, how: bytes
) -> None:
    with Device(gated(tls(credentials, *versions), above(highest), how)) as device:
        seen = probe(device.port, "dicom", [pki.NAME])
        assert device.connections <= 12
    found = statuses(seen)
    assert [version for version in found if found[version] == "accepted"] == list(versions)
    assert "no_answer" not in found.values() and "not_tested" not in found.values()
    assert found["TLSv1.3"] == "refused" if how != alert(40) or highest > 0x0302 else found["TLSv1.3"] != "accepted"
    assert len(seen["chain"]) == 2


@pytest.mark.parametrize("names", [[], [pki.NAME]])
@pytest.mark.parametrize("first", [resets, hangs_up])
@pytest.mark.parametrize("versions", [("TLSv1.2",), ("TLSv1.3",), ("TLSv1.2", "TLSv1.3")], ids="-".join)
def test_one_connection_that_is_dropped_by_chance(
    credentials: Credentials, versions: tuple[str, ...], first: Serve, names: list[str]
) -> None:
    with Device(in_turn(first, tls(credentials, *versions))) as device:
        seen = probe(device.port, "dicom", names)
    assert statuses(seen) == exactly(*versions)
    assert len(seen["chain"]) == 2


def test_a_server_that_hangs_on_newer_hellos_is_asked_smaller_once(credentials: Credentials) -> None:
    device_tls = tls(credentials, "TLSv1.0")
    with Device(gated(device_tls, above(0x0301), None)) as device:
        seen = probe(device.port, "dicom", [pki.NAME], timeout=1.5)
    found = statuses(seen)
    assert seen["visit"]["outcome"] == "observed"
    assert found["TLSv1.0"] == "accepted" and len(seen["chain"]) == 2
    # Silence is never a refusal, and what is newer still was not sent to a device that hangs.
    assert seen["versions"]["TLSv1.3"] == {"status": "not_tested", "evidence": "inferred"}
    assert seen["versions"]["TLSv1.2"] == {"status": "no_answer", "evidence": "silence"}
    assert seen["versions"]["TLSv1.1"] == {"status": "no_answer", "evidence": "silence"}
    assert found["SSLv3"] == "refused"


def test_no_hello_over_255_bytes_reaches_a_server_that_hangs_on_them(credentials: Credentials) -> None:
    context = server_context(credentials(), ("TLSv1.0", "TLSv1.1", "TLSv1.2"))
    with Device(gated(Tls(context, web_page()), lambda hello: len(hello) > 255, None)) as device:
        seen = probe(device.port, "https", [pki.NAME], timeout=0.5)
    assert statuses(seen) == exactly("TLSv1.0", "TLSv1.1", "TLSv1.2")
    assert seen["handshake"] == "completed"


def has_extensions(hello: bytes) -> bool:
    at = 5 + 4 + 2 + 32 + 1
    return hello[0] == 22 and len(hello) > at + 2 + int.from_bytes(hello[at : at + 2], "big") + 2


def test_a_server_that_knows_no_extensions(credentials: Credentials) -> None:
    for how in (RESET, alert(50)):
        with Device(gated(tls(credentials, "TLSv1.0", "TLSv1.1"), has_extensions, how)) as device:
            seen = probe(device.port, "dicom", [pki.NAME])
        assert statuses(seen) == exactly("TLSv1.0", "TLSv1.1")
        assert len(seen["chain"]) == 2


def test_a_server_that_always_answers_in_its_own_version(credentials: Credentials) -> None:
    """It ignores what was offered: TLS 1.2 whatever the hello says. The walk must end."""
    flight = b""

    def learn(link: Link) -> None:
        nonlocal flight
        recorder = Recorder(link)
        tls(credentials, "TLSv1.2")(recorder)  # type: ignore[arg-type]
        flight = bytes(recorder.said)

    def repeat(link: Link) -> None:
        replies(flight)(link)

    with Device(in_turn(learn, repeat)) as device:
        seen = probe(device.port, "dicom", [pki.NAME])
        assert device.connections <= 4
    assert statuses(seen) == exactly("TLSv1.2")


class Recorder:
    """A link that keeps what was sent on it."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self.said = bytearray()

    def __getattr__(self, name: str) -> object:
        return getattr(self._link, name)

    def send(self, data: bytes) -> None:
        self.said += data
        self._link.send(data)


# -- names


@pytest.mark.parametrize("versions", [("TLSv1.2",), ("TLSv1.3",), ("TLSv1.2", "TLSv1.3"), ("TLSv1.0",)], ids="-".join)
@pytest.mark.parametrize(
    "how", [alert(112), alert(40), alert(80), RESET, HANG_UP], ids=["112", "40", "80", "reset", "eof"]
)
def test_a_server_that_needs_the_name_and_gets_it(
    credentials: Credentials, versions: tuple[str, ...], how: bytes
) -> None:
    def nameless(hello: bytes) -> bool:
        return hello[0] == 22 and hello_version(hello) > 0x0300 and hello_name(hello) != pki.NAME

    with Device(gated(tls(credentials, *versions), nameless, how)) as device:
        seen = probe(device.port, "dicom", [pki.NAME])
        # Without a name first, as DICOM clients do: one hello more, and one that asks for TLS 1.3.
        assert device.connections <= len(versions) + 5
    assert statuses(seen) == exactly(*versions)
    assert seen["server_name"] == pki.NAME and len(seen["chain"]) == 2


@pytest.mark.parametrize(
    "versions", [("TLSv1.2",), ("TLSv1.3",), ("TLSv1.2", "TLSv1.3"), ("TLSv1.0", "TLSv1.1")], ids="-".join
)
@pytest.mark.parametrize(
    "how", [alert(112), alert(40), alert(80), RESET, HANG_UP], ids=["112", "40", "80", "reset", "eof"]
)
def test_a_server_that_chokes_on_any_name(credentials: Credentials, versions: tuple[str, ...], how: bytes) -> None:
    def named(hello: bytes) -> bool:
        return hello[0] == 22 and hello_name(hello) is not None

    with Device(gated(tls(credentials, *versions), named, how)) as device:
        seen = probe(device.port, "dicom", [pki.NAME])
        assert device.connections <= 9
    assert statuses(seen) == exactly(*versions)
    assert seen["server_name"] is None and len(seen["chain"]) == 2


def test_another_declared_name_is_tried_where_the_first_is_unknown(credentials: Credentials) -> None:
    def unknown(hello: bytes) -> bool:
        return hello[0] == 22 and hello_name(hello) != "b.hopital.example"

    with Device(gated(tls(credentials, "TLSv1.2", "TLSv1.3"), unknown, alert(112))) as device:
        seen = probe(device.port, "dicom", ["a.hopital.example", "*.hopital.example", "10.1.1.1", "b.hopital.example"])
        assert device.connections == 6
    assert statuses(seen) == exactly("TLSv1.2", "TLSv1.3")
    assert seen["server_name"] == "b.hopital.example"
    # What was tried and not known is told, and not tried again.
    assert seen["server_names"] == [{"server_name": "a.hopital.example", "chain": None, "evidence": "alert:112"}]


def test_a_server_that_knows_none_of_our_names_is_not_hunted(credentials: Credentials) -> None:
    with Device(replies(alert(112))) as device:
        seen = probe(device.port, "dicom", [pki.NAME, "b.hopital.example"])
        assert device.connections == 3
    assert seen["outcome"] == "tls" and "alert 112" in seen["error"]
    assert "accepted" not in statuses(seen).values() and "refused" not in statuses(seen).values()


def test_a_warning_before_the_server_hello_is_read_over(credentials: Credentials) -> None:
    def warns(link: Link) -> None:
        link.sock.recv(65536, 2)
        link.send(alert(112, level=1))
        tls(credentials, "TLSv1.2")(link)

    with Device(warns) as device:
        seen = probe(device.port, "dicom", [pki.NAME])
        assert device.connections == 4
    assert statuses(seen) == exactly("TLSv1.2")


def test_a_refusal_that_calls_itself_a_warning_is_an_alert(credentials: Credentials) -> None:
    with Device(
        gated(tls(credentials, "TLSv1.2"), lambda hello: hello_version(hello) < 0x0303, alert(70, level=1))
    ) as device:
        seen = probe(device.port, "dicom", [pki.NAME])
    assert seen["versions"]["TLSv1.1"] == {"status": "refused", "evidence": "alert:70"}


# -- refusals of every kind stay apart, and none is a refusal where nothing else was answered


CUTS = [(RESET, "reset"), (HANG_UP, "eof"), (alert(80), "alert:80"), (alert(47), "alert:47"), (alert(40), "alert:40")]


@pytest.mark.parametrize("versions", [("TLSv1.2",), ("TLSv1.2", "TLSv1.3")], ids="-".join)
@pytest.mark.parametrize(("how", "evidence"), CUTS)
def test_a_cut_is_a_refusal_only_with_a_control_right_afterwards(
    credentials: Credentials, versions: tuple[str, ...], how: bytes, evidence: str
) -> None:
    with Device(gated(tls(credentials, *versions), lambda hello: hello_version(hello) < 0x0303, how)) as device:
        seen = probe(device.port, "https", ["e.example"])
        # SSLv3 is asked for itself too: a cut speaks for no other version.
        assert device.connections <= 6
    told = {"status": "refused", "evidence": evidence, "control": "answered"}
    assert [seen["versions"][version] for version in ("TLSv1.1", "TLSv1.0", "SSLv3")] == [told] * 3
    assert statuses(seen) == exactly(*versions) and seen["answers_unsteadily"] is False
    assert seen["handshake"] == "completed"


def test_an_alert_about_the_version_needs_no_control_and_speaks_for_all_below(credentials: Credentials) -> None:
    refuses = gated(tls(credentials, "TLSv1.2", "TLSv1.3"), lambda hello: hello_version(hello) < 0x0303, alert(70))
    with Device(refuses) as device:
        seen = probe(device.port, "dicom", [pki.NAME])
        assert device.connections == 4
    assert seen["versions"]["TLSv1.1"] == {"status": "refused", "evidence": "alert:70"}
    assert seen["versions"]["TLSv1.0"] == {"status": "refused", "evidence": "inferred"}
    assert seen["answers_unsteadily"] is None


class Limiter:
    """One session in so many seconds: what comes earlier is cut, as by rate limiters and single-session devices."""

    def __init__(self, serve: Serve, how: bytes, seconds: float) -> None:
        self._serve, self._how, self._seconds = serve, how, seconds
        self._last = -1000.0

    def __call__(self, link: Link) -> None:
        if time.monotonic() - self._last >= self._seconds:
            self._serve(link)
            self._last = time.monotonic()
        elif self._how == RESET:
            resets(link)
        else:
            replies(self._how)(link) if self._how else hangs_up(link)


@pytest.mark.parametrize("versions", [("TLSv1.0", "TLSv1.1", "TLSv1.2"), tuple(f"TLSv1.{at}" for at in range(4))])
@pytest.mark.parametrize(("how", "evidence"), CUTS)
@pytest.mark.parametrize("seconds", [0.4, 30.0])
def test_a_limiter_makes_no_version_refused(
    monkeypatch: pytest.MonkeyPatch,
    credentials: Credentials,
    versions: tuple[str, ...],
    how: bytes,
    evidence: str,
    seconds: float,
) -> None:
    monkeypatch.setattr(visit_device, "REST_SECONDS", 0.25)
    with Device(Limiter(tls(credentials, *versions), how, seconds)) as device:
        seen = probe(device.port, "tls", [pki.NAME])
        assert device.connections <= 12
    assert "refused" not in {statuses(seen)[version] for version in versions}
    assert seen["answers_unsteadily"] is True
    # Nor is it a handshake that fails.
    assert seen["handshake"] in ("cut", "not_possible")


class Bucket(Limiter):
    """So many sessions in so many seconds."""

    def __init__(self, serve: Serve, how: bytes, seconds: float, most: int) -> None:
        super().__init__(serve, how, seconds)
        self._most = most
        self._begun: list[float] = []

    def __call__(self, link: Link) -> None:
        now = time.monotonic()
        self._begun = [moment for moment in self._begun if now - moment < self._seconds]
        self._last = now if len(self._begun) >= self._most else -1000.0
        if self._last < 0:
            self._begun.append(now)
        super().__call__(link)


@pytest.mark.parametrize("versions", [("TLSv1.0", "TLSv1.1", "TLSv1.2"), tuple(f"TLSv1.{at}" for at in range(4))])
@pytest.mark.parametrize("how", [RESET, alert(80), alert(40)])
@pytest.mark.parametrize("most", [1, 2, 3, 4])
@pytest.mark.parametrize("seconds", [0.05, 0.1, 0.2, 0.3, 0.6])
def test_no_window_of_a_limiter_favours_the_control(
    monkeypatch: pytest.MonkeyPatch,
    credentials: Credentials,
    versions: tuple[str, ...],
    how: bytes,
    most: int,
    seconds: float,
) -> None:
    """Shorter and longer than the rest: whatever the window, no version that is spoken is called refused."""
    monkeypatch.setattr(visit_device, "REST_SECONDS", 0.7)
    with Device(Bucket(tls(credentials, *versions), how, seconds, most)) as device:
        seen = probe(device.port, "tls", ["e.example"], pause=0.02)
    assert "refused" not in {statuses(seen)[version] for version in versions if version != "TLSv1.3"}
    assert seen["handshake"] != "refused"


@pytest.mark.parametrize("at", range(1, 6))
@pytest.mark.parametrize("how", [RESET, HANG_UP, alert(80)])
@pytest.mark.parametrize("versions", [("TLSv1.1", "TLSv1.2"), tuple(f"TLSv1.{at}" for at in range(4))])
def test_one_cut_by_chance_makes_no_version_refused(
    credentials: Credentials, versions: tuple[str, ...], how: bytes, at: int
) -> None:
    whole = tls(credentials, *versions)

    def serve(link: Link) -> None:
        if link.number != at:
            whole(link)
        elif how == RESET:
            resets(link)
        else:
            replies(how)(link) if how else hangs_up(link)

    with Device(serve) as device:
        seen = probe(device.port, "tls", [pki.NAME])
    assert "refused" not in {statuses(seen)[version] for version in versions if version != "TLSv1.3"}
    assert seen["handshake"] == "completed"


@pytest.mark.parametrize("how", [alert(47), alert(40), alert(112), HANG_UP, RESET])
@pytest.mark.parametrize("picky", ["extensions", "name"])
def test_an_old_hello_that_is_refused_for_its_form_is_asked_in_another(
    credentials: Credentials, how: bytes, picky: str
) -> None:
    def refuses(hello: bytes) -> bool:
        if hello[0] != 22 or hello_version(hello) >= 0x0303:
            return False
        return has_extensions(hello) if picky == "extensions" else hello_name(hello) is not None

    old = ("TLSv1.0", "TLSv1.1", "TLSv1.2")
    with Device(gated(tls(credentials, *old), refuses, how)) as device:
        seen = probe(device.port, "tls", [pki.NAME])
    assert statuses(seen) == exactly(*old)


@pytest.mark.parametrize("how", [alert(70), alert(40)])
def test_a_hole_among_the_versions_is_found_at_thorough(credentials: Credentials, how: bytes) -> None:
    """It knows TLS 1.0 and 1.2, and refuses a hello of TLS 1.1 instead of choosing lower."""
    with Device(
        gated(tls(credentials, "TLSv1.0", "TLSv1.1", "TLSv1.2"), lambda hello: hello_version(hello) == 0x0302, how)
    ) as device:
        seen = probe(device.port, "tls", [pki.NAME], depth="thorough", connection_budget=20)
        assert device.connections <= 12
    assert statuses(seen)["TLSv1.0"] == "accepted" and statuses(seen)["TLSv1.1"] == "refused"


@pytest.mark.parametrize(
    "versions", [OLD, MODERN, ("TLSv1.0", *OLD), tuple(f"TLSv1.{at}" for at in range(4))], ids="-".join
)
@pytest.mark.parametrize("service", ["dicom", "https"])
def test_silence_on_an_old_version_is_no_refusal_and_is_not_repeated(
    credentials: Credentials, versions: tuple[str, ...], service: str
) -> None:
    """Packets that are dropped before a server look the same whatever it speaks: nobody can call that a refusal.

    What lies below is left alone: a hello that a device hangs on is not sent again in another form.
    """
    whole = Tls(server_context(credentials(), versions), web_page())
    with Device(gated(whole, lambda hello: hello_version(hello) < 0x0303, None)) as device:
        seen = probe(device.port, service, [pki.NAME], timeout=0.4)
        assert device.connections == 3 + ("TLSv1.3" not in versions)
    assert seen["visit"]["outcome"] == "observed" and seen["handshake"] == "completed"
    assert seen["versions"]["TLSv1.1"] == {"status": "no_answer", "evidence": "silence"}
    assert seen["versions"]["TLSv1.0"] == {"status": "undetermined", "evidence": "inferred"}
    assert statuses(seen)["TLSv1.2"] == "accepted" and seen["answers_unsteadily"] is None


@pytest.mark.parametrize("at", range(1, 4))
@pytest.mark.parametrize("versions", [("TLSv1.1", "TLSv1.2"), tuple(f"TLSv1.{at}" for at in range(4))], ids="-".join)
def test_one_silence_by_chance_makes_no_version_refused(
    credentials: Credentials, versions: tuple[str, ...], at: int
) -> None:
    whole = tls(credentials, *versions)
    with Device(lambda link: (silent if link.number == at else whole)(link)) as device:
        seen = probe(device.port, "tls", [pki.NAME], timeout=0.4)
    assert "refused" not in {statuses(seen)[version] for version in versions}


# -- what cuts whatever comes, by turns


def by_turns(turns: str, first: int = 0) -> Callable[[int], bool]:
    """Which connections are cut: "x" in a pattern that comes again and again, from its `first` on."""
    return lambda number: turns[(number + first) % len(turns)] == "x"


#: Every second, third, fourth connection; two or three of four; and some by chance.
TURNS = ["-x", "--x", "-xx", "---x", "--xx", "-x-x", "-xxx", "-xx-"]


@pytest.mark.parametrize(
    ("versions", "service", "how"),
    [
        (("TLSv1.0", "TLSv1.1", "TLSv1.2"), "https", RESET),
        (("TLSv1.1", "TLSv1.2"), "https", alert(40)),
        (("TLSv1.1", *MODERN), "https", alert(80)),
        (("TLSv1.1", *MODERN), "dicom", alert(40)),
    ],
    ids=["1.0 to 1.2", "1.1 to 1.2", "1.1 to 1.3", "1.1 to 1.3, nameless"],
)
@pytest.mark.parametrize(("turns", "first"), [(turns, first) for turns in TURNS for first in range(len(turns))])
def test_who_cuts_by_turns_makes_no_version_refused(
    credentials: Credentials, versions: tuple[str, ...], how: bytes, turns: str, first: int, service: str
) -> None:
    whole, cut = tls(credentials, *versions), gated(silent, lambda _hello: True, how)
    cuts = by_turns(turns, first)
    with Device(lambda link: (cut if cuts(link.number) else whole)(link)) as device:
        seen = probe(device.port, service, [pki.NAME])
        assert device.connections <= 12
    assert "refused" not in {statuses(seen)[version] for version in versions if version < "TLSv1.2"}, seen["versions"]
    assert seen["handshake"] != "refused"


@pytest.mark.parametrize(("serve", "outcome"), [(resets, "reset"), (hangs_up, "closed"), (silent, "silent")])
def test_a_port_that_never_speaks_tls_has_no_version_refused(serve: Serve, outcome: str) -> None:
    with Device(serve) as device:
        seen = probe(device.port, "https", [pki.NAME], timeout=0.4)
        assert device.connections <= (2 if outcome == "silent" else 5)
        assert set(device.endings()) <= {"eof", "open"}
    assert seen["outcome"] == outcome
    assert not {"accepted", "refused"} & set(statuses(seen).values())
    assert (seen["chain"], seen["handshake"]) == ([], "not_tried")


def test_a_silent_device_gets_two_connections_and_is_then_left_alone() -> None:
    with Device(silent) as device:
        seen = probe(device.port, "https", [pki.NAME], timeout=0.4)
        assert device.connections == 2
        assert (seen["visit"]["outcome"], seen["visit"]["reason"]) == ("aborted", "stopped_answering")
        assert seen["versions"]["TLSv1.2"] == {"status": "no_answer", "evidence": "silence"}
        assert device.endings() == ["eof", "eof"]


@pytest.mark.parametrize("cut", [1, 3, 5, 6, 40, 80, 100, 700, 1500])
@pytest.mark.parametrize("ending", ["eof", "reset", "silence"])
def test_a_server_that_ends_in_the_middle_of_its_flight(credentials: Credentials, cut: int, ending: str) -> None:
    """The first connection breaks off after some bytes; the second one goes on."""
    whole = tls(credentials, "TLSv1.2")

    def breaks_off(link: Link) -> None:
        recorder = Recorder(link)
        recorder.send = lambda data: link.send(data[:cut])  # type: ignore[method-assign]
        recorder.finish = lambda: None  # type: ignore[attr-defined]
        link.sock.settimeout(0.2)
        whole(recorder)  # type: ignore[arg-type]
        link.sock.settimeout(5)
        if ending == "reset":
            link.reset()
        elif ending == "silence":
            link.drain()

    with Device(in_turn(breaks_off, whole)) as device:
        seen = probe(device.port, "dicom", [pki.NAME], timeout=1.0)
        assert device.connections <= 6
    assert statuses(seen)["TLSv1.2"] == "accepted"
    assert seen["outcome"] == "tls"
    assert "accepted" not in {
        statuses(seen)[version] for version in ("SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.3")
    }
    assert len(seen["chain"]) == 2


# -- something else on the port


@pytest.mark.parametrize(
    ("answer", "first", "said"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n<html>", False, "HTTP/1.1 400 Bad Request\\x0d\\x0a"),
        (b"220 mail.hopital.example ESMTP\r\n", True, "220 mail.hopital.example ESMTP"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", True, "SSH-2.0-OpenSSH_9.2"),
        (b"\xff\xfd\x18login: ", True, "\\xff\\xfd\\x18login: "),
        (bytes.fromhex("07000000000400000201"), False, "\\x07\\x00\\x00\\x00\\x00\\x04"),  # DICOM A-ABORT
        (b"\x0bMSH|^~\\&|ACK\x1c\r", False, "\\x0bMSH|^~\\x5c&|ACK"),  # HL7 in MLLP
        (b"\x16\x03\x01\xff\xff" + bytes(50), False, "\\x16\\x03\\x01\\xff\\xff"),
    ],
)
def test_plain_text_is_told_and_shown(answer: bytes, first: bool, said: str) -> None:
    def serve(link: Link) -> None:
        if first:
            link.send(answer)
        link.receive()
        if not first:
            link.send(answer)
        link.finish()

    with Device(serve) as device:
        seen = probe(device.port, "https", [pki.NAME])
        assert device.connections == 1
        assert device.endings() == ["eof"]
    assert seen["outcome"] == "not_tls"
    assert seen["error"].startswith("answered without TLS: " + said)
    assert set(statuses(seen).values()) <= {"undetermined", "not_tested"}


def test_what_a_device_says_is_bounded_and_escaped() -> None:
    with Device(replies(b"\x1b[2J<script>\\" + b"A" * 5000)) as device:
        seen = probe(device.port, "https")
    assert seen["error"].startswith("answered without TLS: \\x1b[2J<script>\\x5cAAA")
    assert len(seen["error"]) < 600


@pytest.mark.parametrize(
    "flood",
    [record(22, b""), alert(112, level=1), record(22, bytes(4)), b"\x16\x03\x01\x40\x00" + bytes(0x4000)],
    ids=["empty records", "warnings", "hello requests", "zeros"],
)
def test_a_device_that_never_stops_costs_a_bounded_time(flood: bytes) -> None:
    def floods(link: Link) -> None:
        link.receive()
        end = time.monotonic() + 3
        block = flood * (65536 // len(flood) + 1)
        while time.monotonic() < end:
            try:
                link.sock.sendall(block)
            except OSError:
                return

    with Device(floods) as device:
        started = time.monotonic()
        seen = probe(device.port, "dicom", timeout=2.0, max_bytes=65536)
        assert time.monotonic() - started < 8
        assert seen["visit"]["bytes_received"] <= 65536 * seen["connections"]
    assert seen["outcome"] in ("not_tls", "tls")
    assert "accepted" not in statuses(seen).values()


def test_a_certificate_of_a_megabyte_is_refused_and_told(credentials: Credentials) -> None:
    whole = tls(credentials, "TLSv1.2")

    def huge(link: Link) -> None:
        recorder = Recorder(link)
        bloated = record(22, b"\x0b\x10\x00\x00" + bytes(16000)) * 20
        recorder.send = lambda data: link.send(data and record(*records(data)[0]) + bloated)  # type: ignore[method-assign]
        link.sock.settimeout(0.3)
        whole(recorder)  # type: ignore[arg-type]

    with Device(huge) as device:
        seen = probe(device.port, "dicom", [pki.NAME], timeout=1.0)
        assert device.connections <= 4
    assert statuses(seen)["TLSv1.2"] == "accepted" and seen["chain"] == []
    assert seen["error"]
