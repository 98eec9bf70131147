#!/bin/sh
# client_nss.sh PORT CA: NSS, whose codes it prints with its words
base=$(mktemp -d)
certutil -N -d "$base" --empty-password
certutil -A -d "$base" -n ca -t C,, -i "$2"
printf 'GET / HTTP/1.0\r\n\r\n' | tstclnt -h localhost -p "$1" -d "$base" -4 -A /dev/stdin > "$base/answer"
status=$?
rm -rf "$base"
exit $status
