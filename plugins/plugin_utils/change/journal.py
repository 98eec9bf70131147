# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of the journal of changes: JSON, each chained to the one before it by its hash, free of secrets.

A line is altered, removed or put in only where every line after it is made again. (That lines are missing at the end
no chain can tell.)
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.visible import visible

SCHEMA_VERSION = 1
EVENTS = ("authorised", "refused", "began", "changed", "unchanged", "verified", "failed", "rolled_back", "left_open")

NO_LINE = "0" * 64
"""What the first line says of the line before it."""

_MAX_FILES = 200
_MAX_DIFF = 20_000
_MAX_DETAIL = 2000
# It comes first in every line, so that a chain of many lines is checked without reading their JSON.
_START = re.compile(rb'\{"previous_sha256": "([0-9a-f]{64})", ')


class ChainError(ValueError):
    """A journal's lines do not hang together. `line`: the first that does not; `cut`: only its end is missing."""

    def __init__(self, line: int, cut: bool) -> None:
        super().__init__(f"line {line}")
        self.line = line
        self.cut = cut


def check_chain(content: bytes) -> str:
    """The hash that the next line has to name. ChainError where a line does not follow from the one before."""
    previous, number, start = NO_LINE, 0, 0
    while start < len(content):
        number += 1
        end = content.find(b"\n", start)
        if end < 0:
            raise ChainError(number, cut=True)
        said = _START.match(content, start, end)
        if said is None or said[1].decode("ascii") != previous:
            raise ChainError(number, cut=False)
        previous = hashlib.sha256(content[start:end]).hexdigest()
        start = end + 1
    if number and not _is_json(content[content.rfind(b"\n", 0, -1) + 1 :]):
        raise ChainError(number, cut=False)
    return previous


def _is_json(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def journal_text(entry: Mapping[str, Any]) -> str:
    """What a line says, as JSON, for `journal_line`: all that takes time, and needs no lock.

    entry: at, id, device, ticket, by, kind, event, files, detail; texts are cleaned and secrets taken out here.
    """
    line = {
        "schema_version": SCHEMA_VERSION,
        **{key: _shown(entry, key) for key in ("at", "id", "device", "ticket", "by", "kind", "event")},
        "files": [_file(item) for item in list(entry.get("files") or [])[:_MAX_FILES]],
        "detail": visible(redacted(_cut(str(entry.get("detail") or ""), _MAX_DIFF)), _MAX_DETAIL),
    }
    return json.dumps(line, ensure_ascii=True)


def _shown(entry: Mapping[str, Any], key: str) -> str:
    return visible(entry.get(key), 256)


def journal_line(text: str, previous: str) -> bytes:
    """One line with its end, after the line whose hash is `previous`. `text`: of `journal_text`."""
    return f'{{"previous_sha256": "{previous}", {text[1:]}\n'.encode("ascii")


def was_authorised(content: bytes, entry: Mapping[str, Any]) -> bool:
    """Whether a journal says that this change was authorised: same id, device, ticket and kind."""
    # Quotes inside a text are escaped in JSON, so that no text can look like this.
    start = content.find(b', "id": ' + json.dumps(_shown(entry, "id"), ensure_ascii=True).encode("ascii") + b", ")
    if start < 0:
        return False
    line = content[content.rfind(b"\n", 0, start) + 1 : content.find(b"\n", start)]
    said = json.loads(line)
    same = all(said.get(key) == _shown(entry, key) for key in ("id", "device", "ticket", "kind"))
    return same and said.get("event") == "authorised"


def _file(item: Mapping[str, Any]) -> dict[str, Any]:
    path = visible(item.get("path"), 1024)
    diff = item.get("diff") or ""
    text = diff if isinstance(diff, str) else "\n".join(map(str, diff)) if isinstance(diff, Sequence) else str(diff)
    if _SECRET_FILE.search(path) and text:
        text = "[not shown: this file holds secrets]"
    kept = _cut(text, _MAX_DIFF)
    text = redacted(kept) + (f"\n[{len(text) - len(kept)} more characters]" if kept != text else "")
    hashes = {key: visible(item.get(key), 64) or None for key in ("before_sha256", "after_sha256")}
    return {"path": path, **hashes, "diff": text}


# --- no secret in a journal ----------------------------------------------------------------------------------------

_SECRET_FILE = re.compile(
    r"(?i)(/g?shadow-?$|/\.?pgpass$|/\.netrc$|/chap-secrets$|wpa_supplicant|\.(key|p12|pfx|jks|keytab|kdbx)$)"
)
_KEY_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----")
_KEY_END = re.compile(r"-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----")
# A hunk may show the middle of a key, without the line that says so: no line of bare base64 is kept.
_BASE64_LINE = re.compile(r"^([+ -]?)\s*[A-Za-z0-9+/_-]{24,}={0,2}\s*$")
_HEX_LINE = re.compile(r"(?i)^([+ -]?)\s*(?:[0-9a-f]{2}[: ]?){24,}\s*$")
_NAMED_SECRET = re.compile(
    r"""(?ix)
    ( (?: pass(?:w(?:or)?d|phrase|code)? | pwd | secret | token | api[_-]?key | private[_-]?key | psk | credentials?
        | mot[_-]de[_-]passe | authorization | community )
      [\w.-]* ["']? )
    ( \s*[:=]\s* | \s+ )
    (?! \[ ) \S.*
    """
)
_CRYPT = re.compile(r"\$(?:1|2[abxy]?|5|6|7|y|gy|argon2\w*|sha1|md5)\$[^\s:\"']+")
_USERINFO = re.compile(r"(?<=[a-zA-Z0-9+.-])(://)[^\s/@:]+:[^\s/@]+@")
#: A longer line is cut: the time that a line takes grows faster than it.
_MAX_LINE = 4096


def redacted(text: str) -> str:
    """`text` (a diff, a message) with no key material, password, token or password hash. Rather too little is kept."""
    kept: list[str] = []
    inside = False
    for line in text.splitlines():
        if inside or _KEY_BEGIN.search(line):
            if not inside:
                kept.append(line[: line.find("-----")][:1] + "[private key]")
            inside = not _KEY_END.search(line)
            continue
        start = _cut(line, _MAX_LINE)
        kept.append(_redacted_line(start) + (f" [{len(line) - len(start)} more characters]" if start != line else ""))
    return "\n".join(kept)


def _cut(text: str, most: int) -> str:
    """As many whole lines as fit, or words of a very long one: half a secret does not look like one."""
    if len(text) <= most:
        return text
    end = text.rfind("\n", max(most - _MAX_LINE, 0), most)
    return text[: max(end if end >= 0 else text.rfind(" ", 0, most), 0)]


def _redacted_line(line: str) -> str:
    bare = _BASE64_LINE.match(line) or _HEX_LINE.match(line)
    if bare:
        return f"{bare[1]}[{len(line.strip())} characters of base64 or hexadecimal]"
    line = _CRYPT.sub("[hash]", line)
    line = _USERINFO.sub(r"\1[user]@", line)
    return _NAMED_SECRET.sub(r"\1\2[hidden]", line)
