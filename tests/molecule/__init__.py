"""The roles against real, isolated gateways: runs the scenarios of extensions/molecule."""
