#!/bin/sh
SSL_CERT_FILE=$2 exec uv pip install --no-cache --index-url https://localhost:$1/ --target /tmp/nothing nothing-at-all
