# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The roots that a device trusts: as it lists them, what a change makes of them, and what puts them back. Pure.

`Roots`: SHA-256 fingerprint -> the names that the device shows for it; one may be stored twice, or without a name.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.actions import Act, UploadRootCa
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.forms import Unread
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.reading import read_whole_list, what_came

SCHEMA_VERSION = 1
#: What the journal calls the list, since it is no file.
LIST = "trusted roots of the device"

Roots = Mapping[str, tuple[str, ...]]
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


class RootsProblem(Exception):
    """What keeps a device's roots from being read, changed or put back; one sentence."""


@dataclass(frozen=True)
class Kept:
    """A change that was begun. trusted: the list before it; appeared: what came into the list meanwhile, nameless."""

    device: str
    state: str
    fingerprint: str
    name: str
    pem: str
    trusted: tuple[str, ...]
    appeared: tuple[str, ...] = ()

    def with_appeared(self, roots: Roots) -> Kept:
        """With what the device stored in the place of what it was sent."""
        return replace(
            self, appeared=tuple(sorted(entry for entry in set(roots) - set(self.trusted) if not roots[entry]))
        )


def kept_text(kept: Kept) -> str:
    """A change as the file that remembers it."""
    return json.dumps({"schema_version": SCHEMA_VERSION, **asdict(kept)}, indent=1) + "\n"


def read_kept(text: str, device: str) -> Kept:
    """The change that a file remembers. RootsProblem where it is not one of this device's."""
    try:
        data = json.loads(text)
        version = data.pop("schema_version")
        kept = Kept(**{**data, "trusted": tuple(data["trusted"]), "appeared": tuple(data["appeared"])})
        sound = all(_FINGERPRINT.fullmatch(entry) for entry in (kept.fingerprint, *kept.trusted, *kept.appeared))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise RootsProblem("it is damaged: look at the device, then remove the file") from None
    if version != SCHEMA_VERSION or kept.device != device or kept.state not in ("present", "absent") or not sound:
        raise RootsProblem("it is not about this device: look at the device, then remove the file")
    return kept


def listed(upload: UploadRootCa, answer: Mapping[str, Any] | None) -> dict[str, tuple[str, ...]]:
    """The roots in the device's answer. RootsProblem where they cannot all be read."""
    try:
        entries = read_whole_list(upload.trusted, upload.expected, answer)
    except Unread as problem:
        raise RootsProblem(f"the roots that the device trusts cannot be read: {problem}") from None
    roots: dict[str, tuple[str, ...]] = {}
    for entry in entries:
        name = str(entry.get("name") or "").strip()
        roots[entry["value"]] = roots.get(entry["value"], ()) + ((name,) if name else ())
    return roots


def removals(upload: UploadRootCa, fingerprint: str, shown: tuple[str, ...], given: str) -> list[Any]:
    """What removes a root, by each name that the device shows for it, else by ours. RootsProblem without any."""
    names = list(dict.fromkeys(shown)) or [given]
    if not upload.remove.needs("{name}"):
        names = names[:1]
    elif not names[0]:
        raise RootsProblem("this profile removes by {name}, and nobody says it: give name, or the certificate")
    return [filled(upload.remove, name=name, fingerprint=fingerprint) for name in names]


def filled(act: Act, **values: str) -> Any:
    """What is sent; RootsProblem for a value that must not be."""
    try:
        return act.filled(**values)
    except ValueError as problem:
        raise RootsProblem(str(problem)) from None


def judged(act: Act, answer: Mapping[str, Any] | None) -> str:
    """What is wrong with the answer to an act; "" where nothing is."""
    if answer is None or answer.get("text") is None:
        return str((answer or {}).get("error") or "it was not sent")
    return what_came(str(answer["text"]), act.success, act.error)


def wanted(before: Iterable[str], fingerprint: str, state: str) -> set[str]:
    """The list as it is to be."""
    return set(before) | {fingerprint} if state == "present" else set(before) - {fingerprint}


def otherwise(roots: Iterable[str], expected: Iterable[str]) -> str:
    """How a list differs from the one expected, as words; "" where it does not."""
    more, less = sorted(set(roots) - set(expected)), sorted(set(expected) - set(roots))
    words = [f"SHA-256 {entry} is there" for entry in more] + [f"SHA-256 {entry} is not there" for entry in less]
    return ", ".join(words[:4] + ([f"and {len(words) - 4} more"] if len(words) > 4 else []))


def putting_back(kept: Kept, now: Roots) -> tuple[list[str], bool]:
    """(the roots to be removed, whether the removed one is to be added again). RootsProblem where neither would do.

    What somebody else has added meanwhile is not ours to remove.
    """
    more, less = set(now) - set(kept.trusted), set(kept.trusted) - set(now)
    ours = {kept.fingerprint, *kept.appeared} | {entry for entry in more if set(now[entry]) == {kept.name}}
    again = bool(less)
    if more - ours:
        raise RootsProblem(f"roots came that this change did not send: {otherwise(more - ours, ())}")
    if less - {kept.fingerprint} or (again and not kept.pem):
        raise RootsProblem(f"the device lost roots whose certificates are not at hand: {otherwise((), less)}")
    return sorted(more), again


def list_hash(roots: Iterable[str]) -> str:
    """SHA-256 of a list, for the journal: one fingerprint a line, sorted."""
    return hashlib.sha256(list_text(roots).encode("ascii")).hexdigest()


def list_text(roots: Iterable[str]) -> str:
    """A list as a person compares it."""
    return "".join(f"SHA-256 {entry}\n" for entry in sorted(set(roots)))


def journal_file(before: Iterable[str], after: Iterable[str] | None) -> dict[str, Any]:
    """What the journal is told of a list: what it was, as the only backup there is, and what came and went."""
    known, then = set(before), None if after is None else set(after)
    lines = [f"{' ' if then is None or entry in then else '-'} SHA-256 {entry}" for entry in sorted(known)] + [
        f"+ SHA-256 {entry}" for entry in sorted((then or set()) - known)
    ]
    return {
        "path": LIST,
        "before_sha256": list_hash(known),
        "after_sha256": None if then is None else list_hash(then),
        "diff": "\n".join(lines),
    }
