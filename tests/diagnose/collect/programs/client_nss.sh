#!/bin/sh
# client_nss.sh PORT CA: NSS, whose codes it prints with its words
D=$(mktemp -d); certutil -N -d $D --empty-password; certutil -A -d $D -n ca -t C,, -i $2
printf 'GET / HTTP/1.0\r\n\r\n' | tstclnt -h localhost -p $1 -d $D -4 -A /dev/stdin 2>&1 >/dev/null; s=$?; rm -rf $D; exit $s
