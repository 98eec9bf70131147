# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One try to log in over SSH (RFC 4252), by paramiko; the host key is checked before anything is sent."""

from __future__ import annotations

import logging
import socket
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.appliance.session import (
    Allowance,
    SessionFailed,
    Spend,
    Told,
    locked_out,
    says_locked,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.appliance.ssh import verified_transport

try:
    import paramiko
except ImportError:
    paramiko = None

#: The user that nobody is: asked for without a password, to see whether one is needed.
_NOBODY = "anonymous"


def try_ssh(trial: dict[str, Any], password: str | None, allowance: Allowance, spend: Spend) -> Told:
    """`password` None: whether anyone gets in without one."""
    with verified_transport(trial, allowance) as (transport, _sock, _key):
        farewell = _Farewell(transport)
        transport.auth_timeout = allowance.seconds()
        try:
            # Which ways there are (RFC 4252, section 5.2): no attempt with a password.
            transport.auth_none(trial["account"] or _NOBODY)
            return Told("accepted", "the device asks for no password")
        except paramiko.BadAuthenticationType as answer:
            ways = list(answer.allowed_types)
        except (paramiko.SSHException, EOFError, OSError) as error:
            told = _broken(farewell, trial, error)
            if told.result == "refused" and password is not None:
                return Told("no_answer", "the device refused before a password was sent")
            return told
        if password is None:
            return Told("refused")
        if "password" not in ways and "keyboard-interactive" not in ways:
            return Told("no_answer", "the device takes no password over SSH")
        spend()
        questions = _Questions(password, trial.get("locked_out"))
        transport.auth_timeout = allowance.seconds()
        try:
            if "password" in ways:
                further = transport.auth_password(trial["account"], password, fallback=False)
            else:
                further = transport.auth_interactive(trial["account"], questions)
        except _Locked:
            return locked_out("the SSH server says so beside its question")
        except _AskedAgain:
            # As PAM does after a wrong password. Another question may be a second factor, after a right one.
            return Told("refused") if questions.same else Told("no_answer", "the device asks for something more")
        except (paramiko.SSHException, EOFError, OSError) as error:
            return _broken(farewell, trial, error)
        if further:
            return Told("no_answer", "the password is right, and the device asks for something more")
        return Told("accepted")


def _broken(farewell: _Farewell, trial: dict[str, Any], error: Exception) -> Told:
    """What a failed login says: only the device's own failure message (RFC 4252, section 5.1) is a refusal."""
    # The banner (RFC 4252, section 5.4) is no sign: it stands there for everyone, and may warn of lock-outs.
    if says_locked(farewell.words(), trial.get("locked_out")):
        return locked_out("the SSH session was ended for too many failures, or a locked account")
    silent = isinstance(error, socket.timeout) or "timeout" in str(error).lower()
    if silent:
        raise SessionFailed("stopped_answering", "the device went silent at the login")
    if farewell.refused:
        return Told("refused")
    raise SessionFailed("stopped_answering", "the device broke off at the login, without an answer")


class _AskedAgain(paramiko.AuthenticationException if paramiko else Exception):  # type: ignore[misc]
    """The device puts a further question."""


class _Locked(_AskedAgain):
    """The device says beside its question that the account is locked, as PAM does."""


class _Questions:
    """Answers the first question of a keyboard-interactive login (RFC 4256) with the password, and none after."""

    def __init__(self, password: str, locked: str | None) -> None:
        self._password = password
        self._locked = locked
        self._first: str | None = None
        self.same = False

    def __call__(self, title: str, instructions: str, questions: list[tuple[str, bool]]) -> list[str]:
        if says_locked("\n".join([title, instructions, *(question for question, _echo in questions)]), self._locked):
            raise _Locked("locked")
        if not questions:
            return []
        if self._first is None and len(questions) == 1:
            self._first = questions[0][0]
            return [self._password]
        self.same = len(questions) == 1 and questions[0][0] == self._first
        raise _AskedAgain("asked again")


class _Farewell(logging.Handler):
    """What paramiko only logs: that the device refused, and why it ends the session (RFC 4253, section 11.1)."""

    def __init__(self, transport: Any) -> None:
        super().__init__(logging.INFO)
        self._words: list[str] = []
        self.refused = False
        name = f"biomed_cert_hygiene.{id(self):x}"
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO)
        logger.propagate = False
        logger.addHandler(self)
        transport.set_log_channel(name)

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if text.startswith("Disconnect (code"):
            self._words.append(text[:1000])
        elif text.startswith("Authentication (") and text.endswith(") failed."):
            self.refused = True

    def words(self) -> str:
        return "\n".join(self._words)
