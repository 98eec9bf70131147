# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom sudo and doas let become root, from their rules. Pure: sudoers(5), doas.conf(5).

Three answers: True (any command as root), False (no rule), None (a rule that cannot be resolved from here, such as a
netgroup or another host's name, or one that opens some commands only: what those can do is not known).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Optional

#: With these, sudo asks for the password of root, or of whom one becomes, not for one's own.
_ROOTS_PASSWORD = ("targetpw", "rootpw", "runaspw")
_MAX_FILES = 200
#: Characters of all of them: a hospital's rules are far shorter, and files may include each other.
_MAX_TEXT = 500_000
_MAX_DEPTH = 20
_WORD = re.compile(r'[!%+]*"[^"]*"|,|=|(?:\\.|[^\s,="])+')
_TAG = re.compile(r"\s*(?:(NOPASSWD|[A-Z]+)\s*:(?!=)|[A-Z]+=\S+\s)")
#: What opens all other commands.
_SHELLS = re.compile(r"(?:/usr)?/s?bin/(?:(?:ba|da|z|k|a)?sh|su|sudo|visudo|passwd)(?:\s+-[a-z]*)?\s*")

#: Whether a rule holds for somebody.
Answer = Optional[bool]


@dataclass(frozen=True)
class Account:
    """Who is asked about; groups: the names of all of them, the primary one included."""

    name: str
    uid: int
    gid: int
    groups: frozenset[str]


@dataclass
class Sudoers:
    """The rules of all files in order, (users, hosts, the rest), and what they need to be read."""

    rules: list[tuple[list[str], list[str], str]] = field(default_factory=list)
    aliases: dict[str, list[str]] = field(default_factory=dict)
    roots_password: bool = False
    #: A file, or a line, that could not be read: it may let anybody do anything.
    unclear: bool = False

    def may(self, account: Account, host_name: str, local_groups: frozenset[str]) -> Answer:
        """Whether it may become root with a password of its own, or with none."""
        state: Answer = None if self.unclear else False
        for users, hosts, rest in self.rules:
            matched = self._listed(users, lambda name: self._is(name, account, local_groups))
            if matched is False:
                continue
            here = self._listed(hosts, lambda name: True if name in ("ALL", host_name) else None)
            for opened, free in self._opened(rest):
                # SUSE's own rule for everybody asks for root's password: it makes nobody an administrator.
                if opened is True and self.roots_password and not free and users == ["ALL"]:
                    continue
                if opened is False:
                    state = False if matched and here else state
                elif state is not True:
                    state = True if opened and matched and here else None if here is not False else state
        return state

    def _listed(self, names: Sequence[str], test: Callable[[str], Answer], depth: int = 0) -> Answer:
        """The last name of a list that fits decides; "!" turns it round, an alias stands for its own list."""
        found: Answer = False
        for name in names:
            bare = name.lstrip("!")
            inside = self.aliases.get(bare) if depth < _MAX_DEPTH else None
            fits = test(bare) if inside is None else self._listed(inside, test, depth + 1)
            if fits is None:
                found = found or None
            elif fits:
                found = (len(name) - len(bare)) % 2 == 0
        return found

    def _is(self, name: str, account: Account, local_groups: frozenset[str]) -> Answer:
        if name == "ALL":
            return True
        if name[:1] == "#":
            return name[1:] == str(account.uid)
        if name[:2] == "%#":
            return name[2:] == str(account.gid) or None
        if name[:2] == "%:" or name[:1] == "+":
            return None
        if name[:1] == "%":
            return name[1:] in account.groups or (False if name[1:] in local_groups else None)
        return name == account.name

    def _opened(self, rest: str) -> Iterable[tuple[Answer, bool]]:
        """(what each command of a rule opens, whether without a password)."""
        runas, free = ["root"], False
        for piece in rest.split(","):
            spec = piece.strip()
            found = re.match(r"\(([^):]*)(:[^)]*)?\)\s*", spec)
            if found:
                runas = _names(found[1]) or ([] if found[2] else ["root"])
                spec = spec[found.end() :]
            tag = _TAG.match(spec)
            while tag:
                free = {"NOPASSWD": True, "PASSWD": False}.get(tag[1] or "", free)
                spec = spec[tag.end() :].strip()
                tag = _TAG.match(spec)
            as_root = self._listed(runas, lambda name: name in ("ALL", "root", "#0"))
            if as_root is not False and spec:
                yield self._commands(spec), free

    def _commands(self, spec: str) -> Answer:
        if spec.startswith("!"):
            return False if self._commands(spec[1:].strip()) and "/" not in spec else None
        if spec in self.aliases:
            return True if self._listed([spec], lambda name: name == "ALL" or bool(_SHELLS.fullmatch(name))) else None
        return True if spec == "ALL" or _SHELLS.fullmatch(spec) else None


def _names(text: str) -> list[str]:
    """The names of a list, quotes and escapes taken off: `a, !b, "%domain users"`."""
    words = [word for word in _WORD.findall(text) if word != ","]
    return [re.sub(r"\\(.)", r"\1", word.replace('"', "")) for word in words]


def read_sudoers(main: str, read: Callable[[str], str | None], names: Callable[[str], Iterable[str]]) -> Sudoers:
    """The rules of a sudoers file and of those that it includes. names: the files of a folder's pattern."""
    found = Sudoers()
    _read(found, main, read, names, [0, 0])
    return found


def _read(
    found: Sudoers,
    path: str,
    read: Callable[[str], str | None],
    names: Callable[[str], Iterable[str]],
    count: list[int],
) -> None:
    count[0] += 1
    text = read(path) if count[0] <= _MAX_FILES and count[1] <= _MAX_TEXT else None
    if text is None:
        found.unclear = found.unclear or count[0] > 1
        return
    count[1] += len(text)
    for line in re.sub(r"\\\r?\n", " ", text).splitlines():
        # "#1001" is somebody's number, "#include" a directive; all else behind "#" is a comment.
        told = re.sub(r"""(^|[\s,])#(?!\d|include(dir)?\s).*""", r"\1", line).strip()
        included = re.match(r"""[@#](include|includedir)\s+"?([^"]+)""", told)
        if included:
            target = posixpath.join(posixpath.dirname(path), re.sub(r"\\(.)", r"\1", included[2].strip()))
            if "%h" in target:
                found.unclear = True
            elif included[1] == "include":
                _read(found, target, read, names, count)
            else:
                for name in sorted(names(target.rstrip("/") + "/*")):
                    # sudo itself passes over a file with a dot or a tilde in its name.
                    if not name.endswith("~") and "." not in posixpath.basename(name):
                        _read(found, name, read, names, count)
        elif told:
            _add(found, told)


def _add(found: Sudoers, line: str) -> None:
    alias = re.match(r"(User|Runas|Host|Cmnd|Cmd)_Alias\s+(.*)", line)
    if alias:
        for part in re.split(r"\s*:\s*(?=[A-Z][A-Z0-9_]*\s*=)", alias[2]):
            name, equals, members = part.partition("=")
            separate = re.split(r"\s*,\s*", members.strip()) if alias[1].startswith("Cm") else _names(members)
            found.aliases[name.strip()] = separate
            found.unclear = found.unclear or not equals
        return
    if re.match(r"Defaults([@:!>]|\s|$)", line):
        for negated, name in re.findall(r"(!?)\b(\w+)", line.partition("Defaults")[2]):
            if name in _ROOTS_PASSWORD:
                found.roots_password = not negated
        return
    words = list(_WORD.finditer(line))
    equals = next((number for number, word in enumerate(words) if word[0] == "="), 0)
    # users, a list without blanks but around its commas; then hosts, another.
    split = next((number for number in range(1, equals) if words[number][0] != "," and words[number - 1][0] != ","), 0)
    if not split:
        found.unclear = True
        return
    users, hosts = line[: words[split].start()], line[words[split].start() : words[equals].start()]
    rest, *more = re.split(r"\s:\s*(?=[\w!.,\s-]+=\s*[(/A-Z])", line[words[equals].end() :])
    found.rules.append((_names(users), _names(hosts), rest))
    for part in more:
        others, _equals, commands = part.partition("=")
        found.rules.append((_names(users), _names(others), commands))


def read_doas(texts: Iterable[str]) -> Callable[[Account], Answer]:
    """Whether doas lets an account become root: the last rule that fits counts."""
    rules = [
        re.match(r"\s*(permit|deny)\s+((?:(?:nopass|nolog|persist|keepenv|setenv\s*\{[^}]*\})\s+)*)(\S+)(.*)", line)
        for text in texts
        for line in re.sub(r"\\\r?\n", " ", text).splitlines()
        if not line.lstrip().startswith("#")
    ]

    def may(account: Account) -> Answer:
        state: Answer = False
        for rule in rules:
            if rule is None:
                continue
            who, rest = rule[3].strip('"'), rule[4].split("#")[0]
            fits = who[1:] in account.groups if who.startswith(":") else who in (account.name, str(account.uid))
            target = re.search(r"\bas\s+(\S+)", rest)
            if fits and (target is None or target[1] in ("root", "0")):
                limited = re.search(r"\bcmd\s+(\S+)", rest)
                opened = True if limited is None or _SHELLS.fullmatch(limited[1]) else None
                state = (
                    (opened if state is not True else True) if rule[1] == "permit" else (limited is not None and state)
                )
        return state

    return may


def groups_of(name: str, gid: int, groups: Mapping[str, tuple[int, Sequence[str]]]) -> frozenset[str]:
    """All groups of an account, the primary one included."""
    return frozenset(group for group, (number, members) in groups.items() if number == gid or name in members)
