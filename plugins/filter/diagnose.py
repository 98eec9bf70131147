# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The diagnose filter: an error text in, its probable causes and the next steps out."""

from __future__ import annotations

DOCUMENTATION = r"""
name: diagnose
short_description: Tell the probable causes of a TLS failure from its error text, and what to do
version_added: 1.0.0
author: The biomed.cert_hygiene authors
description:
  - Reads what a device, a server or a program says when a secure connection fails, in French or English. It may be a
    word on a screen, a line of a log, a code, or a whole trace of Java, .NET or Python.
  - The deepest cause in the text wins. A text that cannot tell several causes apart gives all of them, and the clock
    first.
  - A text that is no TLS failure gives C(unknown), never a guess.
  - Knows what OpenSSL, curl, Python, Java, .NET, Windows, Go, rustls, GnuTLS, NSS, mbedTLS, wolfSSL, browsers, Qt,
    Apple, DICOM tools and common servers say.
options:
  _input:
    description:
      - The text, or a list of its lines. What follows the first 1048576 characters is not read, and C(truncated) then
        says so.
    type: raw
    required: true
notes:
  - Nothing is asked of any device, and the text goes nowhere.
seealso:
  - plugin: biomed.cert_hygiene.assess
    plugin_type: filter
"""

EXAMPLES = r"""
- name: What does the screen of the analyser mean?
  ansible.builtin.debug:
    msg: "{{ diagnosis.causes[0].title.fr }} : {{ diagnosis.actions | map(attribute='text.fr') | join(' ') }}"
  vars:
    diagnosis: "{{ 'SSL certificate problem: certificate is not yet valid' | biomed.cert_hygiene.diagnose }}"

- name: A code is enough, and an alert that hides its cause gives each of them
  ansible.builtin.assert:
    that:
      - "('SSPI error -2146893019' | biomed.cert_hygiene.diagnose).categories == ['unknown_ca']"
      - "('tls alert: certificate_expired' | biomed.cert_hygiene.diagnose).categories == ['clock_skew', 'expired']"
      - "('job finished, 12 results sent' | biomed.cert_hygiene.diagnose).categories == ['unknown']"

- name: Read a whole log file of the interface engine
  ansible.builtin.debug:
    msg: "{{ lookup('ansible.builtin.file', 'mirth.log') | biomed.cert_hygiene.diagnose }}"
"""

RETURN = r"""
_value:
  description: The diagnosis.
  type: dict
  contains:
    categories:
      description:
        - The probable causes, the most probable first.
        - Each is one of V(clock_skew), V(expired), V(unknown_ca), V(hostname_mismatch), V(protocol_mismatch),
          V(client_certificate_required), V(plaintext_or_wrong_port), V(connection_reset), V(weak_crypto),
          V(crl_expired), V(crl_unreachable), V(validity_too_long) and V(unknown). V(unknown) stands alone.
      type: list
      elements: str
      sample: [clock_skew, expired]
    causes:
      description:
        - What each category means, in the same order, with C(category), C(title) and C(text). The last two are
          dictionaries with C(fr) and C(en).
      type: list
      elements: dict
    actions:
      description:
        - What to do, in order, with C(owner) (V(biomed) or V(it)), C(category) and C(text) (C(fr) and C(en)).
        - The first is to look at the clock, whatever the cause.
      type: list
      elements: dict
    evidence:
      description: The part of the text that decided, on one line, with what could mislead an eye or a terminal escaped.
      type: str
    stack:
      description: Which family of software says so, where that is known.
      type: str
    confidence:
      description:
        - V(high) where the text names the cause; V(medium) where the peer or a symptom tells it, or two causes remain;
          V(low) where more remain; V(none) for V(unknown).
      type: str
    truncated:
      description: Whether the text was longer than what is read.
      type: bool
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.diagnosis.message import diagnose_input


def diagnose(text: Any) -> dict[str, Any]:
    """See DOCUMENTATION. AnsibleFilterError for anything that is not a text or lines."""
    try:
        return diagnose_input(text)
    except ValueError as error:
        raise AnsibleFilterError(f"biomed.cert_hygiene.diagnose: {error}") from error


class FilterModule:
    """The filter, as Ansible loads it."""

    def filters(self) -> Mapping[str, Callable[..., Any]]:
        """Name of the filter -> the function."""
        return {"diagnose": diagnose}
