"""Real Linux gateways, isolated by namespaces, for tests: a Debian of their own, sshd, NTP, services. Needs root."""
