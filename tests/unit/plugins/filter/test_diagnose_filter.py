# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The diagnose filter: its documentation is true, and a wrong call is refused in one sentence."""

from __future__ import annotations

import re

import pytest
import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.biomed.cert_hygiene.plugins.filter import diagnose as module
from ansible_collections.biomed.cert_hygiene.plugins.filter.diagnose import FilterModule, diagnose


def test_the_documented_examples_are_true() -> None:
    assert diagnose("SSL certificate problem: certificate is not yet valid")["causes"][0]["category"] == "clock_skew"
    said = yaml.safe_load(module.EXAMPLES)[1]["ansible.builtin.assert"]["that"]
    pattern = re.compile(r"\('(.*)' \| biomed\.cert_hygiene\.diagnose\)\.categories == (\[.*\])")
    for line in said:
        text, categories = pattern.fullmatch(line).groups()  # type: ignore[union-attr]
        assert diagnose(text)["categories"] == yaml.safe_load(categories)


def test_the_return_documentation_names_what_comes_back() -> None:
    documented = yaml.safe_load(module.RETURN)["_value"]["contains"]
    assert set(documented) == set(diagnose("certificate has expired"))
    categories = " ".join(documented["categories"]["description"])
    assert diagnose("x")["categories"][0] in categories


def test_it_is_found_by_its_name() -> None:
    assert FilterModule().filters() == {"diagnose": diagnose}


def test_a_wrong_call_is_refused_in_one_sentence() -> None:
    with pytest.raises(
        AnsibleFilterError, match=r"biomed\.cert_hygiene\.diagnose: a text or a list of lines is needed"
    ):
        diagnose(None)
