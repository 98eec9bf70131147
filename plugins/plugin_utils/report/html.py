# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lay out the report's pages: one Jinja environment, templates compiled once, everything escaped.

Two nets under every text, whatever a template's author forgets: autoescape, and a `finalize` that
writes out control and bidirectional characters. A page holds no script, loads nothing, and its
Content-Security-Policy allows only its own style sheets, by hash.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.folder import TO_FILL
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.visible import is_clean, visible
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words.phrases import Words, load_words

_TEMPLATES = Path(__file__).parent / "templates"
_NOT_PLAIN = re.compile("[^A-Za-z0-9 ]")
_WORD = re.compile(r"\{\{ w\.(\w+) \}\}")


class Style(NamedTuple):
    """The style sheets of a page and the sources that its policy allows."""

    texts: list[Markup]
    sources: Markup


def _finalize(value: Any) -> Any:
    # Nearly every text is clean: one scan.
    if value.__class__ is str and is_clean(value):
        return value
    return value if value.__class__ is Markup else visible(value)


def _source(name: str, language: str) -> str:
    """Return a template with the report's own words put in: they never change while it runs."""
    words = load_words(language)
    text = (_TEMPLATES / name).read_text(encoding="utf-8")
    return _WORD.sub(lambda found: str(escape(words[found[1]])), text)


@functools.cache
def _environment(language: str) -> Environment:
    return Environment(
        loader=FunctionLoader(lambda name: _source(name, language)),
        autoescape=True,
        finalize=_finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


@functools.cache
def _template(name: str, language: str) -> Template:
    return _environment(language).get_template(name)


@functools.lru_cache(maxsize=256)
def _unknown_section(unknown: tuple[Any, ...], language: str) -> Markup:
    """Return the section of what remains to be checked: the same on most sheets of a fleet."""
    # Rendered with autoescape: it is markup already.
    return Markup(_template("unknown.html.j2", language).render(unknown=unknown))


@functools.cache
def _css(*names: str) -> tuple[Markup, str]:
    """Return style sheets as one text, without needless spaces, and the source expression of its hash."""
    text = "".join((_TEMPLATES / f"{name}.css").read_text(encoding="utf-8") for name in names)
    return _hashed(re.sub(r"\s*\n\s*", "", text))


def _hashed(text: str) -> tuple[Markup, str]:
    digest = base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
    # Our own style sheets and css_string() below: nothing in them can end the element.
    return Markup(text), f"'sha256-{digest}'"


def css_string(text: str) -> str:
    """Return ``text`` as a CSS string: all but letters, digits and spaces as escapes (CSS Syntax 3, 4.3.7)."""
    # The space after an escape belongs to it.
    return '"' + _NOT_PLAIN.sub(lambda found: f"\\{ord(found[0]):x} ", text) + '"'


def _page_style(names: Sequence[str], left: str, right: str, words: Words) -> Style:
    """Return the style of a page; on paper each sheet carries what it is, its date and its number."""
    screen, screen_source = _css(*names)
    margin = "font:8pt system-ui,sans-serif"
    page = css_string(words["page"] + " ")
    paper, paper_source = _hashed(
        "@page{size:A4;margin:16mm 13mm 15mm;"
        f"@top-left{{content:{css_string(visible(left, 60))};{margin}}}"
        f"@top-right{{content:{css_string(visible(right, 60))};{margin}}}"
        f"@bottom-right{{content:{page}counter(page){css_string(' / ')}counter(pages);{margin}}}}}"
    )
    return Style([screen, paper], Markup(f"{screen_source} {paper_source}"))


@functools.cache
def _fleet_labels(language: str) -> tuple[Markup, str]:
    """On a phone, the cells of a row are below one another, each with its label."""
    words = load_words(language)
    rules = []
    for table, columns in (
        ("fleet", ("ward_class", "verdict", "worst", "next")),
        ("how", ("devices", "points", "how")),
        ("wards", ("devices", "non_compliant", "incomplete", "fine")),
    ):
        for number, column in enumerate(columns, 2):
            label = css_string(words[f"column_{column}"] + words["colon"])
            rules.append(f".{table} td:nth-child({number})::before{{content:{label}}}")
    return _hashed("@media screen and (max-width:48rem){" + "".join(rules) + "}")


def render_sheet(
    view: Any, *, file: str, other: str | None, as_of: str, words: Words, weakened: Sequence[str] = ()
) -> bytes:
    """Return the page of one device.

    :param view: a Sheet (sheet.py)
    :param file: name of the sheet's file, the same in every language
    :param other: the other language of this report, if it has one
    :param as_of: the moment that the report speaks of, in words
    :param weakened: what the policy switches off, a sentence each
    """
    sections = [
        ("todo", words["todo_title"]),
        *([("request", words["request_title"])] if view.request else []),
        ("unknown", words["unknown_title"]),
        ("certificates", words["certs_title"]),
    ]
    text = _template("sheet.html.j2", words.language).render(
        view._asdict(),
        language=words.language,
        title=f"{view.name} – {view.verdict.label}",
        style=_page_style(("base", "sheet"), f"{view.name} – {view.verdict.label}", as_of, words),
        unknown_section=_unknown_section(view.unknown, words.language),
        sections=sections,
        file=file,
        other=other,
        as_of=as_of,
        weakened=weakened,
    )
    return text.encode("utf-8")


def render_fleet(
    view: Mapping[str, Any], rows: Iterable[Any] | None, *, other: str | None, words: Words
) -> Iterator[bytes]:
    """Yield the fleet page in pieces (its rows may be many thousands).

    :param view: what a Fleet made (fleet.py): texts, tiles, sections
    :param rows: the devices that were not aborted, in order; None for none
    """
    sections = [("devices", words["column_devices"])]
    if view["authorities"]:
        sections.append(("authorities", words["authorities_title"]))
    if view["wards"]:
        sections.append(("wards", words["wards_title"]))
    sections.append(("unassessed", words["unassessed_title"]))
    style = _page_style(("base", "fleet"), words["fleet_title"], view["as_of"], words)
    labels, labels_source = _fleet_labels(words.language)
    style = Style([*style.texts, labels], Markup(f"{style.sources} {labels_source}"))
    stream = _template("fleet.html.j2", words.language).stream(
        view,
        language=words.language,
        title=words["fleet_title"],
        style=style,
        sections=sections,
        other=other,
        top="../" if other else "",
        to_fill=TO_FILL,
        devices=rows,
    )
    stream.enable_buffering(200)
    for piece in stream:
        yield piece.encode("utf-8")


def render_chooser(parts: Sequence[Mapping[str, Any]], words: Words) -> bytes:
    """Return the first page of a report in two languages: the totals, and the way to each language."""
    style = _page_style(("base", "fleet"), words["choose_title"], "", words)
    text = _template("chooser.html.j2", words.language).render(
        parts=parts, language=words.language, title=words["choose_title"], style=style
    )
    return text.encode("utf-8")


def render_page(template: Path, parts: Sequence[Mapping[str, Any]], title: str, right: str, words: Words) -> bytes:
    """Return a page of another room, one part a language: head, style and escaping are the report's.

    :param template: the room's own file; it says its texts by `parts`, and includes the report's head
    :param right: what stands on paper at the top right
    """
    source = template.read_text(encoding="utf-8")
    text = (
        _environment(words.language)
        .from_string(source)
        .render(
            parts=parts, language=words.language, title=title, style=_page_style(("base", "sheet"), title, right, words)
        )
    )
    return text.encode("utf-8")
