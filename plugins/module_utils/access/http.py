# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One try to log in over HTTP(S): basic and digest (RFC 7617, RFC 7616), or the form that a profile describes.

A page that opens without a login proves nothing about a login; a status is an answer only where it can mean just that.
"""

from __future__ import annotations

import contextlib
import html
import http.client
import re
import urllib.parse
from dataclasses import dataclass
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.appliance.http import _tls_context, _Visit
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.appliance.session import (
    MAX_TEXT,
    Allowance,
    SessionFailed,
    Spend,
    Told,
    locked_out,
    says_locked,
)

#: Locked (RFC 4918, section 11.3) and Too Many Requests (RFC 6585, section 4).
_LOCKED = (423, 429)
_MAX_COOKIES, _MAX_CHALLENGES, _MAX_HEADER = 20, 8, 4096
#: What refuses an administration page where the profile says nothing else.
_REFUSED = (401, 403)


@dataclass(frozen=True)
class Response:
    """What a device answered, as far as it is looked at. `text`: where it leads, and the page."""

    status: int
    text: str
    #: The ways to log in that a 401 names, in lower case.
    ways: tuple[str, ...] = ()


def try_http(trial: dict[str, Any], password: str | None, allowance: Allowance, spend: Spend) -> Told:
    """A factory password; or, with trial["as"], whether the administration opens. `password` None: without a login."""
    login = trial.get("login", "basic")
    device = {
        **trial,
        "transport": trial["service"],
        "user": trial["account"],
        "http": {"authentication": login if login in ("basic", "digest") else "none"},
    }
    context = _tls_context(device) if trial["service"] == "https" else None
    visit = _Asking(device, {"password": password or ""}, allowance, context)
    try:
        if password is None:
            return administration(trial, visit.get(trial["path"]))
        if login == "form":
            return _by_form(trial, password, visit, spend)
        return _by_header(trial, login, visit, spend)
    finally:
        visit.close()


def _by_header(trial: dict[str, Any], login: str, visit: _Asking, spend: Spend) -> Told:
    before = visit.get(trial["path"])
    if before.status in _LOCKED:
        return locked_out(f"HTTP {before.status}")
    if before.status != 401 or login not in before.ways:
        shown = "the page opens without a login" if 200 <= before.status < 300 else f"it answers {before.status}"
        return Told("no_answer", f"{trial['path']} asks for no {login} login ({shown})")
    if not visit.ready():
        return Told("no_answer", f"{trial['path']} asks for a kind of {login} login that is not known here")
    spend()
    after = visit.get(trial["path"], with_login=True)
    if after.status in _LOCKED:
        return locked_out(f"HTTP {after.status}")
    if 200 <= after.status < 300 or trial.get("as"):
        told = administration(trial, after) if trial.get("as") else Told("accepted")
    elif after.status == 401 and login in after.ways:
        told = Told("refused")
    else:
        told = Told("no_answer", f"the answer to the login was {after.status}")
    return _unless_locked(told, after, trial)


def _by_form(trial: dict[str, Any], password: str, visit: _Asking, spend: Spend) -> Told:
    form = trial["form"]
    page = visit.get(form.get("page", form["path"]))
    if page.status in _LOCKED:
        return locked_out(f"HTTP {page.status}")
    if not 200 <= page.status < 300:
        return Told("no_answer", f"the page with the form answers {page.status}")
    if fits(form["accepted"], page):
        return Told("no_answer", "what the profile calls accepted is already on the page before the login")
    fields = dict(form.get("fields") or {})
    if "token" in form:
        found = re.search(form["token"]["regex"], page.text, re.MULTILINE)
        if found is None:
            return Told("no_answer", "the page has no token as the profile describes it")
        fields[form["token"]["field"]] = html.unescape(found["value"])
    fields[form["user"]], fields[form["password"]] = trial["account"], password
    spend()
    answer = visit.post(form["path"], fields)
    if answer.status in _LOCKED:
        return locked_out(f"HTTP {answer.status}")
    seen = answer
    refused = fits(form["refused"], answer)
    if not refused and "check" in form:
        seen = visit.get(form["check"])
    accepted = fits(form["accepted"], seen)
    if accepted == refused:
        told = Told("no_answer", "the answer to the form is neither of those that the profile describes")
    elif accepted and trial.get("as"):
        told = administration(trial, visit.get(trial["path"]))
    else:
        told = Told("accepted" if accepted else "refused")
    if accepted and not refused and "logout" in form:
        visit.leave(form["logout"])
    return _unless_locked(told, answer, trial)


def administration(trial: dict[str, Any], answer: Response) -> Told:
    """Whether this answer is the administration itself, or its refusal; only one of the two is an answer."""
    if answer.status in _LOCKED:
        return locked_out(f"HTTP {answer.status}")
    refusal = trial.get("refused") or {}
    statuses, regex = refusal.get("status", _REFUSED), refusal.get("regex")
    refused = answer.status in statuses or bool(regex and fits({"regex": regex}, answer))
    accepted = 200 <= answer.status < 300 and answer.status not in statuses and fits(trial["accepted"], answer)
    if accepted == refused:
        return Told(
            "no_answer", f"it is neither the administration nor a refusal as the profile has them ({answer.status})"
        )
    return Told("accepted" if accepted else "refused")


def fits(condition: dict[str, Any], answer: Response) -> bool:
    """condition: {"status": [numbers], "regex": text}; what is given must all hold."""
    if "status" in condition and answer.status not in condition["status"]:
        return False
    return "regex" not in condition or re.search(condition["regex"], answer.text, re.MULTILINE) is not None


def _unless_locked(told: Told, answer: Response, trial: dict[str, Any]) -> Told:
    if told.result != "accepted" and says_locked(answer.text, trial.get("locked_out")):
        return locked_out("the page after the login says so")
    return told


def read_answer(status: int, headers: Any, text: str) -> Response:
    """`headers`: as http.client gives them."""
    ways = []
    for header in (headers.get_all("WWW-Authenticate") or [])[:_MAX_CHALLENGES]:
        # A scheme stands at the beginning or after a comma, and is no parameter.
        bare = re.sub(r'"(?:[^"\\]|\\.)*"', '""', str(header)[:_MAX_HEADER])
        ways += re.findall(r"(?:^|,)\s*([A-Za-z][A-Za-z0-9-]{0,31})(?=\s*(?:$|,)|\s+[^=,\s])", bare)
    location = str(headers.get("Location") or "")[:_MAX_HEADER]
    return Response(
        status, (f"Location: {location}\n" if location else "") + text[:MAX_TEXT], tuple(map(str.lower, ways))
    )


class _Asking(_Visit):
    """A visit that takes every status as an answer, and keeps cookies."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._cookies: dict[str, str] = {}
        self._last: http.client.HTTPResponse | None = None

    def get(self, path: str, with_login: bool = False) -> Response:
        return self._exchange(path, self._login(path) if with_login else None)

    def post(self, path: str, fields: dict[str, str]) -> Response:
        body = urllib.parse.urlencode(fields).encode("ascii")
        return self._exchange(path, None, "POST", body, Content_Type="application/x-www-form-urlencoded")

    def leave(self, path: str) -> None:
        """End the session on the device; whatever it answers."""
        with contextlib.suppress(SessionFailed):
            self.get(path)

    def ready(self) -> bool:
        """Whether the last answer gave all that a login needs."""
        if self._way != "digest" or self._last is None:
            return True
        try:
            self._challenge, self._count = self._digest_challenge(self._last), 0
        except SessionFailed:
            return False
        return bool(self._challenge)

    def _exchange(
        self, path: str, login: str | None, method: str = "GET", body: bytes | None = None, **more: str
    ) -> Response:
        more["Accept"] = "*/*"
        if self._cookies:
            more["Cookie"] = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        _asked, _answered, answer, text = self._get(path, login, method, body, **more)
        self._last = answer
        for header in (answer.headers.get_all("Set-Cookie") or [])[:_MAX_COOKIES]:
            self._keep(str(header))
        return read_answer(answer.status, answer.headers, text)

    def _keep(self, header: str) -> None:
        found = re.match(r"\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)=([!-:<-~]*)", header[:_MAX_HEADER])
        if found and (found[1] in self._cookies or len(self._cookies) < _MAX_COOKIES):
            self._cookies[found[1]] = found[2]
