# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The account_plan filter: a gateway's accounts in, which of them to close out."""

from __future__ import annotations

DOCUMENTATION = r"""
name: account_plan
short_description: Say which accounts of a gateway are to be closed, and which are kept all the same
version_added: "1.0.0"
author: The biomed.cert_hygiene authors
description:
  - Compares the accounts that M(biomed.cert_hygiene.gateway_info) saw with the hospital's list (C(device_accounts)) and
    with the factory accounts that no device should have.
  - Never says that the account that Ansible is logged in with, a system account, or the last account that can
    administer the gateway is to be closed. These are returned as kept, with the reason.
  - Changes nothing. The role P(biomed.cert_hygiene.account_hygiene#role) does, after change control and a backup.
positional: listed
options:
  _input:
    description: The accounts, as C(observation.accounts) of M(biomed.cert_hygiene.gateway_info) holds them.
    type: list
    elements: dict
    required: true
  listed:
    description: C(device_accounts), with C(name), C(until) and C(owner); null where it is not declared.
    type: list
    elements: dict
    required: true
  login:
    description: The names of the account that Ansible is logged in with. At least one is needed.
    type: list
    elements: str
    required: true
  factory:
    description: Names of factory accounts.
    type: list
    elements: str
    default: []
  unlisted:
    description: Whether accounts that can log in and are not on the list are to be closed.
    type: bool
    default: false
  uid_min:
    description: Accounts with a smaller number belong to the system.
    type: int
    default: 1000
  now:
    description:
      - The moment to compare with, in ISO 8601. Without a zone it is UTC.
      - The control node's clock if left out.
    type: str
"""

EXAMPLES = r"""
- name: Show whose account would be closed
  ansible.builtin.debug:
    msg: "{{ plan | selectattr('action', 'eq', 'close') | map(attribute='name') }}"
  vars:
    plan: "{{ gateway.observation.accounts | biomed.cert_hygiene.account_plan(device_accounts, login=['ansible']) }}"
"""

RETURN = r"""
_value:
  description: One entry for each account that the list or the policy speaks against.
  type: list
  elements: dict
  contains:
    name:
      description: The account.
      type: str
    action:
      description: V(close), V(closed) where nothing is left to do, or V(keep).
      type: str
    reason:
      description: V(ended), V(factory) or V(unlisted).
      type: str
    kept:
      description: V(login_account), V(system_account), V(last_administrator), V(listed) or V(odd_name); null otherwise.
      type: str
    password:
      description: The state of its password, as gateway_info tells it.
      type: str
    expires_on:
      description: The day on which it expires, as gateway_info tells it.
      type: str
    until:
      description: Until when the list allowed it.
      type: str
    owner:
      description: Whose it is, by the list.
      type: str
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.change.accounts import account_plan as plan_accounts
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.inputs import moment


def account_plan(
    accounts: Any,
    listed: Any,
    login: Any = (),
    factory: Any = (),
    unlisted: bool = False,
    uid_min: int = 1000,
    now: Any = None,
) -> list[dict[str, Any]]:
    """See DOCUMENTATION. AnsibleFilterError, in one sentence, for anything that cannot be used."""
    for name, value in (("accounts", accounts), ("login", login), ("factory", factory)):
        if not isinstance(value, (list, tuple)):
            raise AnsibleFilterError(f"biomed.cert_hygiene.account_plan: {name}: a list is needed")
    try:
        return plan_accounts(
            accounts,
            listed,
            now=moment(now, datetime.now(timezone.utc)),
            factory=[str(name) for name in factory],
            login=[str(name) for name in login if name],
            unlisted=bool(unlisted),
            uid_min=int(uid_min),
        )
    except ValueError as error:
        raise AnsibleFilterError(f"biomed.cert_hygiene.account_plan: {error}") from error


class FilterModule:
    """The filter, as Ansible loads it."""

    def filters(self) -> Mapping[str, Callable[..., Any]]:
        """Name of the filter -> the function."""
        return {"account_plan": account_plan}
