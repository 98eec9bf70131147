#!/bin/sh
# client_git.sh PORT CA: libcurl with GnuTLS, as Debian builds git
GIT_SSL_CAINFO=$2 exec git ls-remote "https://localhost:$1/x.git"
