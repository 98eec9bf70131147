# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One SSH session with a device, by paramiko, with today's algorithms alone.

The host key is checked before anything is sent, and one login is tried once: a refused one may lock the account.
"""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Iterator
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.appliance.dialogue import hold
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.appliance.host_keys import keys_on_record
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.appliance.session import (
    Allowance,
    SessionFailed,
    connect,
    cut_after,
)

try:
    import paramiko
except ImportError:
    paramiko = None

#: What a session may receive in all, whatever for.
_MAX_BYTES = 4 * 1024 * 1024

#: Older releases of paramiko still offer these; devices that need them are asked through OpenSSH, where told.
_OLD_ALGORITHMS = {
    "kex": (
        *("diffie-hellman-group1-sha1", "diffie-hellman-group14-sha1", "diffie-hellman-group-exchange-sha1"),
        *("gss-group1-sha1", "gss-group14-sha1", "gss-gex-sha1"),
    ),
    "keys": ("ssh-rsa", "ssh-dss", "ssh-rsa-cert-v01@openssh.com", "ssh-dss-cert-v01@openssh.com"),
    "pubkeys": ("ssh-rsa", "ssh-dss", "ssh-rsa-cert-v01@openssh.com", "ssh-dss-cert-v01@openssh.com"),
    "ciphers": (*("aes128-cbc", "aes192-cbc", "aes256-cbc", "3des-cbc", "blowfish-cbc"), "arcfour128", "arcfour256"),
    "macs": ("hmac-md5", "hmac-md5-96", "hmac-sha1-96"),
}
#: The names that a key of one kind signs with (RFC 8332).
_SIGNATURES = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}


def ask_over_paramiko(device: dict[str, Any], secret: dict[str, str], allowance: Allowance) -> dict[str, Any]:
    """Answers by output, as `hold` gives them."""
    with verified_transport(device, allowance) as (transport, sock, key):
        _log_in(transport, device["user"], secret.get("password"), key, allowance)
        return hold(_ShellLine(_shell(transport, sock, allowance)), device, secret, allowance)


@contextlib.contextmanager
def verified_transport(device: dict[str, Any], allowance: Allowance) -> Iterator[tuple[Any, socket.socket, Any]]:
    """(the transport, its socket, our private key if any) of a device whose host key is one on record."""
    _require_paramiko()
    record = keys_on_record(device["host_key"], device["known_hosts"], device["names"], device["port"])
    key = _private_key(device)
    sock = connect(device["address"], device["port"], allowance)
    transport = None
    try:
        with cut_after(sock, allowance.left()):
            transport = paramiko.Transport(_Metered(sock), disabled_algorithms=_OLD_ALGORITHMS)
            _negotiate(transport, record.kinds(), allowance)
            shown = transport.get_remote_server_key()
            record.check(shown.get_name(), shown.asbytes())
            yield transport, sock, key
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise SessionFailed("no_ssh", f"the SSH session broke: {_text(error)}") from None
    finally:
        if transport is not None:
            transport.close()
        sock.close()


def _require_paramiko() -> None:
    if paramiko is None:
        raise SessionFailed(
            "paramiko_missing",
            "the vantage has no paramiko: install it there (python3-paramiko, or pip install paramiko), "
            "or use a profile with transport openssh",
        )
    if not hasattr(paramiko.PKey, "from_path"):
        raise SessionFailed(
            "paramiko_missing", f"the vantage has paramiko {paramiko.__version__}; at least 3.4 is needed"
        )
    # Its log goes nowhere: without a handler Python would write it to the module's standard error.
    logger = logging.getLogger("paramiko")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
        logger.propagate = False


def _private_key(device: dict[str, Any]) -> Any:
    path = device["private_key_file"]
    if not path:
        return None
    try:
        return paramiko.PKey.from_path(path)
    except OSError as error:
        raise SessionFailed("key_unusable", f"{path}: {error.strerror}") from None
    except Exception as error:  # every kind of key has errors of its own; none may show what stands in the file
        raise SessionFailed(
            "key_unusable", f"{path} is no private key without a passphrase ({type(error).__name__})"
        ) from None


def _negotiate(transport: Any, kinds: list[str], allowance: Allowance) -> None:
    options = transport.get_security_options()
    if kinds:
        names = [name for kind in kinds for name in _SIGNATURES.get(kind, (kind,))]
        known = [name for name in names if name in options.key_types]
        if not known:
            raise SessionFailed(
                "no_common_algorithm", f"the key on record is of the kind {kinds[0]}, which only openssh can check"
            )
        options.key_types = known
    transport.banner_timeout = transport.handshake_timeout = allowance.seconds()
    try:
        transport.start_client(timeout=allowance.seconds())
    except paramiko.ssh_exception.IncompatiblePeer as error:
        raise SessionFailed(
            "no_common_algorithm",
            f"{_text(error)}: a device with old algorithms needs a profile with transport openssh and "
            "legacy_algorithms",
        ) from None
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise SessionFailed("no_ssh", f"no SSH session: {_text(error)}") from None
    if not transport.initial_kex_done:
        raise SessionFailed("no_ssh", "the device did not finish the SSH handshake in time")


def _log_in(transport: Any, user: str, password: str | None, key: Any, allowance: Allowance) -> None:
    """One attempt, by the one way that the device names and that we have something for."""
    transport.auth_timeout = allowance.seconds()
    try:
        try:
            transport.auth_none(user)  # asks which ways there are (RFC 4252, section 5.2); no attempt
            return
        except paramiko.BadAuthenticationType as answer:
            ways = list(answer.allowed_types)
        transport.auth_timeout = allowance.seconds()
        if key is not None and "publickey" in ways:
            further = transport.auth_publickey(user, key)
        elif key is None and password is not None and "password" in ways:
            further = transport.auth_password(user, password, fallback=False)
        elif key is None and password is not None and "keyboard-interactive" in ways:
            further = transport.auth_interactive(user, _answer_once(password))
        else:
            raise SessionFailed("login_refused", f"the device lets {user} in by {', '.join(ways)} only")
    except paramiko.AuthenticationException as error:
        if "timeout" in str(error).lower():
            raise SessionFailed("stopped_answering", "the device went silent at the login") from None
        raise SessionFailed("login_refused", f"the device refused the login of {user}") from None
    except (paramiko.SSHException, EOFError, OSError):
        raise SessionFailed("login_refused", f"the device broke off at the login of {user}") from None
    if further:
        raise SessionFailed("login_refused", f"the device also wants {', '.join(further)} of {user}")


def _answer_once(password: str) -> Any:
    """A keyboard-interactive handler (RFC 4256) that gives the password to the first question, and to none after."""
    given: list[bool] = []

    def handler(_title: str, _instructions: str, questions: list[tuple[str, bool]]) -> list[str]:
        if not questions:
            return []
        if given or len(questions) > 1:
            raise paramiko.AuthenticationException("asked again")
        given.append(True)
        return [password]

    return handler


def _shell(transport: Any, sock: socket.socket, allowance: Allowance) -> Any:
    # These wait without a limit of their own.
    with cut_after(sock, allowance.seconds()):
        channel = transport.open_session(timeout=allowance.seconds())
        channel.get_pty(width=200, height=1000)
        channel.invoke_shell()
    return channel


class _Metered:
    """A socket that ends when the device has sent too much."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._left = _MAX_BYTES

    def recv(self, size: int) -> bytes:
        if self._left <= 0:
            raise EOFError("the device sends without end")
        data = self._sock.recv(min(size, self._left))
        self._left -= len(data)
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class _ShellLine:
    """The channel of a shell as a Line."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel

    def send(self, text: str) -> None:
        try:
            self._channel.sendall(text.encode("utf-8"))
        except OSError:
            raise SessionFailed("stopped_answering", "the device closed the session") from None

    def receive(self, seconds: float) -> bytes | None:
        self._channel.settimeout(seconds)
        try:
            data: bytes = self._channel.recv(16384)
        except socket.timeout:
            return None
        return data


def _text(error: BaseException) -> str:
    return (str(error) or "the device closed the connection")[:200]
