# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text from outside, made safe to look at."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.visible import cells, fit, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("écho 4 – été", "écho 4 – été"),
        ("10\u202f000\u00a0jours", "10\u202f000\u00a0jours"),
        ("a\u202eb", "a[U+202E]b"),
        ("a\u2066b", "a[U+2066]b"),
        ("a\x00b", "a[U+0000]b"),
        ("a\x1b[31mb", "a[U+001B][31mb"),
        ("a\nb\tc\r", "a[U+000A]b[U+0009]c[U+000D]"),
        ("a\x9bb", "a[U+009B]b"),
        ("a\u200bb\ufeff", "a[U+200B]b[U+FEFF]"),
        ("a\ud800b", "a[U+D800]b"),
        ("a\U000e0041b", "a[U+E0041]b"),
        (None, ""),
        (12, "12"),
        (True, "True"),
    ],
)
def test_what_hides_is_written_out(text: object, shown: str) -> None:
    assert visible(text) == shown


def test_length_is_bounded() -> None:
    assert visible("x" * 5000, 10) == "xxxxxxxxx…"
    assert visible("x" * 10, 10) == "x" * 10


@given(st.text(st.characters(exclude_categories=()), max_size=80))
def test_the_result_always_fits_a_utf8_file_and_a_terminal(text: str) -> None:
    shown = visible(text)
    shown.encode("utf-8")
    assert not any(ord(char) < 0x20 or 0x7F <= ord(char) <= 0x9F or 0x202A <= ord(char) <= 0x202E for char in shown)
    assert visible(shown, 10_000) == shown


@given(st.text(max_size=40), st.integers(0, 30))
def test_fit_fills_exactly_the_width(text: str, width: int) -> None:
    assert cells(fit(visible(text), width)) == width


def test_wide_characters_fill_two_cells() -> None:
    assert cells("日本") == 4
    assert fit("日本語", 4) == "日… "
