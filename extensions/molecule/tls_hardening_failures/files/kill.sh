#!/bin/sh
# Starts a playbook (the arguments) and kills it, with all that it started, once its first file was written on gw-4.
set -eu
setsid ansible-playbook "$@" > /dev/null 2>&1 &
controller=$!
while kill -0 "$controller" 2> /dev/null; do
    # shellcheck disable=SC2086 # several options
    if ssh $OPTIONS -i "$KEY" tech@192.0.2.13 sudo grep -qE 'ssl_protocols.TLSv1.2' /etc/nginx/nginx.conf /etc/nginx/sites-enabled/gateway; then
        kill -KILL "-$controller"
        exit 0
    fi
    sleep 0.1
done
echo 'no file was changed' >&2
exit 1
