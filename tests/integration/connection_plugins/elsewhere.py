"""A vantage that is not this machine, as far as Ansible can tell: the local connection under another name."""

from __future__ import annotations

from ansible.plugins.connection.local import Connection as LocalConnection

DOCUMENTATION = """
name: elsewhere
short_description: The local connection under another name
description: For tests of what is done differently for a vantage that is reached over a network.
author: The biomed.cert_hygiene authors
options: {}
extends_documentation_fragment: [connection_pipelining]
"""


class Connection(LocalConnection):
    """Runs here, and says that it doesn't."""

    transport = "elsewhere"
