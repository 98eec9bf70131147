# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetch a small public thing of the hospital's authority over HTTP: a revocation list, an OCSP answer."""

from __future__ import annotations

import http.client
import ssl
import urllib.error
import urllib.request

SCHEMES = ("http://", "https://")


class FetchError(Exception):
    """It could not be had; the text says why."""


def fetch(
    address: str,
    timeout: float,
    max_bytes: int,
    body: bytes | None = None,
    content_type: str | None = None,
) -> bytes:
    """The bytes at an http or https address. Lists and answers are signed: the way they come is not what is trusted."""
    if not address.lower().startswith(SCHEMES):
        raise FetchError("the address must begin with http:// or https://")
    request = urllib.request.Request(address, data=body, headers={"User-Agent": "biomed-cert-hygiene"})
    if content_type:
        request.add_header("Content-Type", content_type)
    try:
        with urllib.request.build_opener().open(request, timeout=timeout) as answer:
            data: bytes = answer.read(max_bytes + 1)
    except urllib.error.HTTPError as error:
        raise FetchError(f"the server answered {error.code}") from None
    except urllib.error.URLError as error:
        raise FetchError(str(error.reason)) from None
    except (OSError, ValueError, ssl.SSLError, http.client.HTTPException) as error:
        raise FetchError(str(error)) from None
    if len(data) > max_bytes:
        raise FetchError(f"it is larger than {max_bytes} bytes")
    return data
