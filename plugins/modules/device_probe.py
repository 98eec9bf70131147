#!/usr/bin/python
# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One polite network visit to each medical device: certificates, TLS versions, clock, ports."""

from __future__ import annotations

DOCUMENTATION = r"""
module: device_probe
short_description: Visit medical devices politely and record their certificates, TLS versions, clock and ports
version_added: "1.0.0"
description:
  - Visits each device once from the host that the task runs on (the vantage) and returns one observation per device.
    An observation says what was seen, never whether it is good; the P(biomed.cert_hygiene.assess#filter) filter and
    the M(biomed.cert_hygiene.report) action judge it.
  - The visit is built for fragile devices. One connection at a time per address, a pause between two, at most four
    connections for all the facts of a modern HTTPS device, no hello over 255 bytes, only declared addresses and ports,
    and a device that stops answering during its visit is left alone at once.
  - A cut is no refusal. Where a server resets, hangs up, stays silent or answers with an alert that is not about the
    version, an old version is V(refused) only if a hello that was answered before is answered again right afterwards;
    else it is V(undetermined), and the endpoint RV(ignore:answers_unsteadily).
  - Every certificate that a client may get is looked for. The hellos of one visit ask for RSA and for ECDSA keys, with
    each declared name, and without any where the clients usually send none (DICOM, MLLP, a declared IP address).
  - A device without recorded consent is never sent a packet. Its observation has the outcome V(skipped) and the reason
    V(consent_missing); a consent that is still to come, has lapsed or cannot be read is none (V(consent_future),
    V(consent_lapsed), V(consent_invalid)), and C(detail) says what is wrong with it.
  - An observation names its vantage twice, as the inventory does (C(vantage)) and as that host names itself
    (C(vantage_host)). Do not loop over vantages in one task with C(delegate_to), loop over an C(include_tasks) instead.
    ansible-core 2.21 keeps the connection of the first item; the module then fails and sends nothing.
  - The vantage needs Python 3.9 or newer and nothing else. Certificates are read, and trust and names compared, on the
    control node, which needs the C(cryptography) library.
options:
  devices:
    description:
      - The devices to visit, as dictionaries or as inventory names.
      - For an inventory name, the documented host variables are read (RV(ignore:device_address), C(device_names),
        C(device_endpoints), C(device_ports_watch), C(device_peers), C(device_probe_consent) and so on), and the servers
        in C(device_peers) are visited too, each once, as devices named C(peer:<address>:<port>).
      - A dictionary has the keys C(name) (required, unique), C(address) (required), C(names), C(endpoints), C(ports),
        C(sntp) and C(consent). C(consent) must be true, or a record as in C(device_probe_consent), for the device to be
        visited.
      - A host name with several addresses is visited at each, at most four, one at a time and within the device's time.
        Two services on one port that both begin with TLS are one endpoint with two names.
      - A device whose description cannot be used is skipped with the reason V(inventory_invalid) and a sentence that
        names the variable; the others are visited. An address that is no device's (V(0.0.0.0), broadcast, multicast,
        link-local without a zone, a whole, hexadecimal or octal number) is such a mistake, and so is V(host:port).
      - Host variables that nobody reads and that are nearly one of the documented ones are told.
    type: list
    elements: raw
    required: true
  trust_anchors:
    description:
      - The hospital's root certificates, as files on the control node or as PEM texts.
      - Without any, only what no root could mend is judged (a self-signed certificate, a false signature, an expired
        intermediate, a certificate that is not a server's); the trust of every other chain is V(not_assessed).
      - A C(BEGIN TRUSTED CERTIFICATE) that OpenSSL is told not to trust for TLS servers is refused by name.
    type: list
    elements: str
    default: []
  crls:
    description:
      - Certificate revocation lists of the hospital's authorities, as files on the control node or as http or https
        addresses that it fetches.
      - Once lists are asked for, a chain that they cannot clear is not assessed, and never taken for trusted. So it is
        where a list cannot be had, has expired, or is of another authority.
    type: list
    elements: str
    default: []
  ocsp:
    description:
      - The http or https address of the authority's OCSP responder, which the control node asks about every certificate
        that is trusted otherwise. It is never asked by or of a device.
      - A certificate that it does not clear is not assessed, and never taken for trusted.
    type: str
  depth:
    description:
      - V(quick) sends the fewest hellos and marks what it inferred; it reads no clock, and proves no private key.
      - V(normal) gives all facts, completes one handshake with every endpoint as a proof that it holds its private key,
        and reads the clock where an endpoint speaks HTTP.
      - V(thorough) also asks for every old version by itself, where V(normal) takes the alert C(protocol_version) for
        all versions below; for SSL 2.0 in any case; for each kind of key; and once for nothing but weak suites (NULL,
        anonymous, export, RC4, DES, 3DES). It was added in version 1.1.0.
      - V(handshake) is a deprecated alias of V(normal), which completes a handshake too since version 1.1.0.
    type: str
    choices: [quick, normal, thorough, handshake]
    default: normal
  timeout:
    description:
      - Seconds to wait for a connection, and again for each answer on it; a slow greeting before TLS is one.
      - Where nobody answers at all, two connections are tried.
    type: float
    default: 5.0
  device_timeout:
    description: Seconds that the visit to one device may take.
    type: float
    default: 60.0
  concurrency:
    description: Devices visited at the same time. One address never sees two connections at once, whatever its names.
    type: int
    default: 200
  rate:
    description: Connections per second for the whole run; V(0) sets no cap.
    type: float
    default: 0.0
  pause:
    description: Seconds between two connections to one address.
    type: float
    default: 0.05
  connection_budget:
    description: Connections that one endpoint may see; its visit stops there, and what stays unknown is named.
    type: int
    default: 12
  max_bytes:
    description: Bytes read from one connection at most.
    type: int
    default: 262144
  dest:
    description:
      - A file on the control node for the observations, one JSON object a line, readable by its owner only.
      - With it, RV(statistics) is returned and RV(observations) is empty.
    type: path
extends_documentation_fragment:
  - biomed.cert_hygiene.attributes
attributes:
  check_mode:
    details: Looking changes nothing on a device, so that the visit is made in check mode too; O(dest) is not written.
seealso:
  - plugin: biomed.cert_hygiene.assess
    plugin_type: filter
  - module: biomed.cert_hygiene.report
author:
  - The biomed.cert_hygiene authors (@biomed-cert-hygiene)
"""

EXAMPLES = r"""
- name: Look at one echograph
  biomed.cert_hygiene.device_probe:
    devices:
      - name: echo-004
        address: 192.0.2.14
        names: [echo-004.hopital.example]
        endpoints:
          - {port: 443, service: https}
          - {port: 2762, service: dicom}
        ports: [21, 23, 80]
        consent: true
    trust_anchors: [/etc/pki/hospital-root.pem]
  delegate_to: probe-imaging.hopital.example
  register: visit

- name: The visit was made, and the certificate was seen
  ansible.builtin.assert:
    that:
      - visit.observations[0].outcome == 'observed'
      - visit.observations[0].endpoints[0].chain | length > 0

- name: Visit every device of the play, from one vantage, and keep the observations in a file
  biomed.cert_hygiene.device_probe:
    devices: "{{ ansible_play_hosts_all }}"
    trust_anchors: [/etc/pki/hospital-root.pem]
    dest: observations.jsonl
  run_once: true
  delegate_to: probe-imaging.hopital.example
"""

RETURN = r"""
observations:
  description: One observation per device, in the order of O(devices), then one per peer. Empty with O(dest).
  type: list
  elements: dict
  returned: always
  sample:
    - schema_version: 1
      device: echo-004
      source: network
      vantage: localhost
      vantage_host: control-1.hopital.example
      started_at: "2026-11-22T17:00:00.120Z"
      finished_at: "2026-11-22T17:00:00.540Z"
      outcome: observed
      reason:
      connections: 4
      bytes_sent: 912
      bytes_received: 5210
      endpoints:
        - port: 443
          service: https
          outcome: tls
          versions:
            TLSv1.1: {status: refused, evidence: "alert:70"}
            TLSv1.3: {status: accepted, evidence: server_hello, cipher: TLS_AES_256_GCM_SHA384}
          answers_unsteadily:
          negotiated:
            version: TLSv1.3
            cipher: TLS_AES_256_GCM_SHA384
            group: x25519
            signature_algorithm: rsa_pss_rsae_sha256
          client_certificate: not_requested
          chain: []
          chain_shown_to: {version: TLSv1.2, key: rsa, server_name: echo-004.hopital.example}
          further_chains: []
          trust:
            status: trusted
            anchor: "CN=Hospital Root CA"
            detail: ""
            # The certificates that were judged, from the device's own to the anchor.
            path:
              - role: anchor
                sent: false
                subject: CN=Hospital Root CA
                fingerprint_sha256: 2b3c…
                not_before: "2020-01-01T00:00:00Z"
                not_after: "2040-01-01T00:00:00Z"
                key: {type: RSA, bits: 4096, curve: null}
                signature_algorithm: sha256WithRSAEncryption
          name_match: true
          handshake: completed
          key_proof: proved
          key_proof_detail:
          weak_suites: {status: not_tested, accepted: [], evidence: inferred}
          unknown: []
          error:
          connections: 4
      ports: {"23": closed}
      clock:
        samples:
          - {source: http_date, endpoint: "https:443", offset_seconds: -720.4, uncertainty_seconds: 0.6, evidence: true}
statistics:
  description: What the run cost, and how the visits ended.
  type: dict
  returned: always
  sample:
    devices: 24
    consented: 23
    connections: 96
    bytes_sent: 20112
    bytes_received: 130204
    seconds: 10.6
    outcomes: {observed: 21, unreachable: 1, skipped: 1, aborted: 1}
"""

import gc
import json
import os
import platform
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.arguments import DEVICE_PROBE
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.visit.device import Settings
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.visit.round import Round


def main() -> None:
    """Visit the devices that the action has read, checked and grouped; return raw observations."""
    module = AnsibleModule(
        argument_spec=DEVICE_PROBE,
        supports_check_mode=True,
    )
    params = module.params
    devices = [device for device in params["devices"] if isinstance(device, dict) and device.get("consent") is True]
    if len(devices) != len(params["devices"]):
        module.fail_json(msg="device_probe: every device must be a dictionary with consent: true at this point.")
    if params["depth"] == "handshake":
        params["depth"] = "normal"
    settings = Settings(
        **{
            key: params[key]
            for key in ("depth", "timeout", "device_timeout", "pause", "connection_budget", "max_bytes")
        }
    )
    # Thousands of visits make many objects and hardly a cycle: looking for cycles is work for nothing.
    gc.set_threshold(100_000, 50, 50)
    observations: list[dict[str, t.Any]] = []
    started = time.time()
    visits = Round(settings, params["concurrency"], params["rate"], observations.append)
    try:
        if params["dest"]:
            # The action names a spool, so that it can show progress, and keep what was seen should we be killed.
            with open(params["dest"], "w", encoding="ascii", opener=_private) as spool:
                visits.on_observation = lambda observation: _write_line(spool, observation)
                visits.run(devices)
        else:
            visits.run(devices)
    except OSError as error:
        module.fail_json(msg=f"device_probe: {error}")
    module.exit_json(
        changed=False,
        observations=observations,
        vantage_host=platform.node(),
        vantage_clock={"started": started, "finished": time.time()},
    )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _write_line(spool: t.TextIO, observation: dict[str, t.Any]) -> None:
    spool.write(json.dumps(observation, separators=(",", ":")) + "\n")
    spool.flush()


if __name__ == "__main__":
    main()
