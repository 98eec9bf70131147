#!/bin/sh
# client_uv.sh PORT CA: rustls
SSL_CERT_FILE=$2 exec uv pip install --no-cache --default-index "https://localhost:$1/" --target /tmp/nothing nothing-at-all
