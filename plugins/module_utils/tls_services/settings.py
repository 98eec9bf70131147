# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of TLS services, read from their configuration: what each line says and where it stands. Pure.

nginx.org/en/docs, httpd.apache.org/docs/2.4, HAProxy's configuration.txt, stunnel(8), mosquitto.conf(5).
"""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

SERVICES = ("nginx", "apache", "haproxy", "stunnel", "mosquitto")

_DEPTH = 10
_MAX_SETTINGS = 50_000
#: Blocks within each other, and characters read in all: a file that is included twice counts twice.
_MAX_NESTED = 50
_MAX_TEXT = 8 * 1024 * 1024
_MAX_PATTERNS = 1000

_HAPROXY_SECTIONS = (
    *("global", "defaults", "frontend", "backend", "listen", "userlist", "peers", "resolvers", "mailers", "program"),
    *("cache", "ring", "http-errors", "fcgi-app", "crt-store", "log-forward", "log-profile", "traces", "acme"),
)


class Unclear(ValueError):
    """A configuration that cannot be read for sure; the text is one sentence."""


@dataclass(frozen=True, eq=False)
class Block:
    """A section of a configuration. body: where the text after its opening begins."""

    name: str
    words: tuple[str, ...]
    path: str
    body: int


@dataclass(frozen=True)
class Setting:
    """One setting. start, end: its place in the text of `path`, from its name to its last word."""

    path: str
    start: int
    end: int
    name: str
    words: tuple[str, ...]
    blocks: tuple[Block, ...]

    @property
    def block(self) -> Block | None:
        """The innermost one."""
        return self.blocks[-1] if self.blocks else None


@dataclass
class Reading:
    """Settings in the order in which the service reads them; blocks too, also empty ones; include patterns."""

    settings: list[Setting] = field(default_factory=list)
    blocks: list[tuple[Block, ...]] = field(default_factory=list)
    patterns: list[str] = field(default_factory=list)
    _by_block: dict[Block | None, list[Setting]] = field(default_factory=dict)
    _matched: dict[str, list[str]] = field(default_factory=dict)
    _read: int = 0

    def add(self, setting: Setting) -> None:
        self._count(len(self.settings), _MAX_SETTINGS)
        self.settings.append(setting)
        self._by_block.setdefault(setting.block, []).append(setting)

    def open(self, blocks: tuple[Block, ...]) -> tuple[Block, ...]:
        self._count(len(self.blocks), _MAX_SETTINGS)
        if len(blocks) > _MAX_NESTED:
            raise Unclear("blocks stand within each other too deeply")
        self.blocks.append(blocks)
        return blocks

    def begin(self, text: str) -> str:
        """A file that is read from here on."""
        self._read += len(text)
        self._count(self._read, _MAX_TEXT)
        return text

    def named(self, name: str) -> Iterator[Setting]:
        return (setting for setting in self.settings if setting.name == name)

    def inside(self, block: Block | None) -> Sequence[Setting]:
        """The settings that stand in this block itself; None: in none."""
        return self._by_block.get(block, ())

    def follow(self, pattern: str, files: Mapping[str, str], depth: int) -> list[str]:
        """The files that an include names."""
        if depth >= _DEPTH:
            raise Unclear("files include each other too deeply")
        if pattern not in self._matched:
            if len(self._matched) >= _MAX_PATTERNS:
                raise Unclear("the configuration has too many files")
            self._matched[pattern] = matching(pattern, files)
        self.patterns.append(pattern)
        return self._matched[pattern]

    @staticmethod
    def _count(number: int, most: int) -> None:
        if number >= most:
            raise Unclear("the configuration is too long")


def read(service: str, mains: Sequence[str], files: Mapping[str, str]) -> Reading:
    """mains: the files that the service was started with. Unclear where the text does not hold together."""
    reading = Reading()
    reader = {"nginx": _nginx, "apache": _apache, "haproxy": _haproxy, "stunnel": _stunnel, "mosquitto": _mosquitto}
    if service not in reader:
        raise Unclear(f"service: {service!r} is none of {', '.join(SERVICES)}")
    for main in mains:
        if main not in files:
            raise Unclear(f"{main} is not there")
        reader[service](reading, main, main, files, (), 0)
    return reading


def matching(pattern: str, files: Mapping[str, str]) -> list[str]:
    """The files that a pattern of a configuration names, in the order in which they are read. Unclear."""
    wanted = pattern.split("/")
    try:
        for piece in wanted:
            re.compile(fnmatch.translate(piece))
    except re.error:  # older Pythons refuse a range such as [b-a]
        raise Unclear(f"the pattern {pattern[:80]!r} is not understood") from None
    return sorted(
        path
        for path in files
        if path.count("/") == len(wanted) - 1
        and all(
            fnmatch.fnmatchcase(part, piece) and not (part.startswith(".") and piece[:1] in "*?[")
            for part, piece in zip(path.split("/"), wanted)
        )
    )


# --- nginx --------------------------------------------------------------------------------------------------------

# Runs of plain characters are taken whole: an expression remembers each turn of a loop, and lines may be long.
_TOKEN = re.compile(
    r"""\s+|\#[^\n]*|(?P<mark>[{};])|"(?P<double>[^"\\]*(?:\\.[^"\\]*)*)"|'(?P<single>[^'\\]*(?:\\.[^'\\]*)*)'"""
    r"""|(?P<word>(?:[^\s{};\\$]+|\$\{[^}\s]{0,128}\}|\$|\\.)+)""",
    re.DOTALL,
)


def _nginx(
    reading: Reading, path: str, main: str, files: Mapping[str, str], around: tuple[Block, ...], depth: int
) -> None:
    text, at, stack, words, start, end = reading.begin(files[path]), 0, around, list[str](), 0, 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise Unclear(f"{path}: the text from character {at} on is not understood")
        at = token.end()
        mark = token["mark"]
        if mark is None:
            word = next((token[name] for name in ("word", "double", "single") if token[name] is not None), None)
            if word is not None:
                start = start if words else token.start()
                words.append(word)
                end = at
            continue
        if mark == "}":
            if words or len(stack) <= len(around):
                raise Unclear(f"{path}: a brace too many")
            stack = stack[:-1]
            continue
        if not words:
            raise Unclear(f"{path}: a {mark} after nothing")
        if mark == "{":
            stack = reading.open((*stack, Block(words[0], tuple(words[1:]), path, at)))
            if words[0].endswith("_by_lua_block"):
                at = _skip_block(text, at, path)
                stack = stack[:-1]
        else:
            setting = Setting(path, start, end, words[0], tuple(words[1:]), stack)
            reading.add(setting)
            if setting.name == "include" and setting.words:
                pattern = posixpath.join(posixpath.dirname(main), setting.words[0])
                for included in reading.follow(pattern, files, depth):
                    _nginx(reading, included, main, files, stack, depth + 1)
        words = []
    if words or len(stack) != len(around):
        raise Unclear(f"{path}: it ends within a block")


_BRACE = re.compile(r"[{}]")


def _skip_block(text: str, at: int, path: str) -> int:
    open_braces = 1
    for found in _BRACE.finditer(text, at):
        open_braces += 1 if found[0] == "{" else -1
        if not open_braces:
            return found.end()
    raise Unclear(f"{path}: it ends within a block")


# --- those with one setting a line --------------------------------------------------------------------------------

_WORD = re.compile(r""""[^"\\]*(?:\\.[^"\\]*)*"|'[^']*'|(?:\\.|[^\s\\]+)+""")


def _lines(text: str, joined: bool) -> Iterator[tuple[int, str]]:
    """(where it begins, line without its end); joined: a backslash at the end of a line continues it."""
    at = 0
    while at < len(text):
        start, end = at, text.find("\n", at) + 1 or len(text)
        while joined and end < len(text) and _continued(text[start:end]):
            start, end = end, text.find("\n", end) + 1 or len(text)
        yield at, text[at:end].rstrip("\r\n")
        at = end


def _continued(line: str) -> bool:
    """Whether it ends with a backslash that is not itself behind one."""
    told = line.removesuffix("\n").removesuffix("\r")
    return (len(told) - len(told.rstrip("\\"))) % 2 == 1


def _unquoted(word: str) -> str:
    return word[1:-1] if len(word) > 1 and word[0] == word[-1] and word[0] in "\"'" else word


def _apache(
    reading: Reading, path: str, main: str, files: Mapping[str, str], around: tuple[Block, ...], depth: int
) -> None:
    stack = around
    for at, line in _lines(reading.begin(files[path]), joined=True):
        bare = line.strip()
        if not bare or bare.startswith("#"):
            continue
        if bare.startswith("</"):
            if len(stack) <= len(around):
                raise Unclear(f"{path}: {bare[:40]} closes nothing")
            stack = stack[:-1]
            continue
        if bare.startswith("<"):
            words = [_unquoted(word) for word in _WORD.findall(bare[1:].rstrip(">"))]
            name = words[0].lower() if words else ""
            stack = reading.open((*stack, Block(name, tuple(words[1:]), path, at + len(line))))
            continue
        setting = _setting(path, at, line, stack, line)
        reading.add(setting)
        if setting.name in ("include", "includeoptional") and setting.words:
            root = next((item.words[0] for item in reading.named("serverroot") if item.words), posixpath.dirname(main))
            pattern = posixpath.join(root, setting.words[0])
            for included in reading.follow(pattern, files, depth):
                _apache(reading, included, main, files, stack, depth + 1)
    if len(stack) != len(around):
        raise Unclear(f"{path}: it ends within a block")


def _setting(path: str, at: int, line: str, stack: tuple[Block, ...], told: str) -> Setting:
    """told: the line without its comment."""
    found = list(_WORD.finditer(told.replace("\\\n", "  ").replace("\\\r\n", "   ")))
    words = [_unquoted(word[0]) for word in found]
    start, end = (found[0].start(), found[-1].end()) if found else (0, len(line))
    return Setting(path, at + start, at + end, words[0].lower() if words else "", tuple(words[1:]), stack)


def _haproxy(
    reading: Reading, path: str, main: str, files: Mapping[str, str], around: tuple[Block, ...], depth: int
) -> None:
    stack: tuple[Block, ...] = ()
    for at, line in _lines(reading.begin(files[path]), joined=False):
        told = re.sub(r"""(^|\s)#.*""", "", line)
        if not told.strip():
            continue
        setting = _setting(path, at, line, stack, told)
        # A section begins with its name, however far it is indented (cfgparse.c).
        if setting.name in _HAPROXY_SECTIONS:
            stack = reading.open((Block(setting.name, setting.words, path, at + len(line)),))
            continue
        reading.add(setting)
        if setting.name == "bind" and "crt-list" in setting.words[:-1]:
            listed = setting.words[setting.words.index("crt-list") + 1]
            for found in reading.follow(listed, files, depth):
                for place, entry in _lines(reading.begin(files[found]), joined=False):
                    if entry.strip() and not entry.lstrip().startswith("#"):
                        item = _setting(found, place, entry, stack, entry)
                        reading.add(Setting(found, item.start, item.end, "crt-list", item.words, stack))


def _stunnel(
    reading: Reading, path: str, main: str, files: Mapping[str, str], around: tuple[Block, ...], depth: int
) -> None:
    stack = around
    for at, line in _lines(reading.begin(files[path]), joined=False):
        bare = line.strip("\ufeff \t\r\n\f\v")
        if not bare or bare[0] in ";#":
            continue
        if bare[0] == "[":
            stack = reading.open((Block("service", (bare.strip("[] "),), path, at + len(line)),))
            continue
        name, equals, value = bare.partition("=")
        if not equals:
            raise Unclear(f"{path}: a line without an equals sign")
        start = at + len(line) - len(line.lstrip("\ufeff \t\f\v"))
        setting = Setting(path, start, start + len(bare), name.strip().lower(), (value.strip(),), stack)
        reading.add(setting)
        if setting.name == "include":
            for included in reading.follow(posixpath.join(value.strip(), "*"), files, depth):
                _stunnel(reading, included, main, files, stack, depth + 1)


def _mosquitto(
    reading: Reading, path: str, main: str, files: Mapping[str, str], around: tuple[Block, ...], depth: int
) -> None:
    # Each file begins with the default listener again.
    stack = reading.open((Block("default_listener", (), path, 0),))
    for at, line in _lines(reading.begin(files[path]), joined=False):
        bare = line.strip()
        if not bare or bare.startswith("#"):
            continue
        setting = _setting(path, at, line, stack, line)
        if setting.name == "listener":
            stack = reading.open((Block("listener", setting.words, path, at + len(line)),))
        elif setting.name == "connection":
            stack = reading.open((Block("connection", setting.words, path, at + len(line)),))
        else:
            reading.add(setting)
            if setting.name == "include_dir" and setting.words:
                for included in reading.follow(posixpath.join(setting.words[0], "*.conf"), files, depth):
                    _mosquitto(reading, included, main, files, (), depth + 1)
