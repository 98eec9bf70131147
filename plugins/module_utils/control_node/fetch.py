# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetch a small public thing of the hospital's authority over HTTP: a revocation list, an OCSP answer."""

from __future__ import annotations

import http.client
import ssl
import threading
import urllib.error
import urllib.request

SCHEMES = ("http://", "https://")


class FetchError(Exception):
    """It could not be had; the text says why."""


class _SameScheme(urllib.request.HTTPRedirectHandler):
    """Follows a redirect to http or https alone: urllib's own would go on to ftp."""

    def redirect_request(  # type: ignore[no-untyped-def]
        self, req, fp, code, msg, headers, newurl
    ) -> urllib.request.Request | None:
        if not newurl.lower().startswith(SCHEMES):
            raise urllib.error.HTTPError(req.full_url, code, "leads elsewhere", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def fetch(
    address: str, timeout: float, max_bytes: int, body: bytes | None = None, content_type: str | None = None
) -> bytes:
    """The bytes at an http or https address. Lists and answers are signed: the way they come is not what is trusted.

    `timeout` seconds are all that it may take, and not from one byte to the next: a server that trickles is left.
    """
    if not address.lower().startswith(SCHEMES):
        raise FetchError("the address must begin with http:// or https://")
    outcome: list[bytes | FetchError] = []

    def ask() -> None:
        try:
            outcome.append(_fetch(address, timeout, max_bytes, body, content_type))
        except FetchError as error:
            outcome.append(error)

    # http.client has a limit for each read and none for the whole; the thread ends with the connection or the process.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(timeout)
    found = outcome[0] if outcome else FetchError(f"it did not come within {timeout:g} s")
    if isinstance(found, FetchError):
        raise found
    return found


def _fetch(address: str, timeout: float, max_bytes: int, body: bytes | None, content_type: str | None) -> bytes:
    try:
        request = urllib.request.Request(address, data=body, headers={"User-Agent": "biomed-cert-hygiene"})
        if content_type:
            request.add_header("Content-Type", content_type)
        with urllib.request.build_opener(_SameScheme).open(request, timeout=timeout) as answer:
            data: bytes = answer.read(max_bytes + 1)
            missing = answer.length
    except urllib.error.HTTPError as error:
        raise FetchError(f"the server answered {error.code}") from None
    except urllib.error.URLError as error:
        raise FetchError(str(error.reason)) from None
    except (OSError, ValueError, ssl.SSLError, http.client.HTTPException) as error:
        raise FetchError(str(error) or type(error).__name__) from None
    if len(data) > max_bytes:
        raise FetchError(f"it is larger than {max_bytes} bytes")
    if missing:
        raise FetchError(f"it ends {missing} bytes early")
    return data
