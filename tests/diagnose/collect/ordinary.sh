#!/bin/sh
# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# What programs say when nothing is wrong with TLS: sh ordinary.sh FOLDER > lines (FOLDER is bad_servers.py's, which runs)
pki=$1/pki
home=$(mktemp -d)
chmod 755 "$home"
cat > "$home/nginx.conf" <<CONF
daemon off; pid $home/nginx.pid; error_log $home/nginx.log info; events {}
http { access_log $home/access.log combined; server { listen 127.0.0.1:24801; root $home;
  location /closed { deny all; } location /up { proxy_pass http://127.0.0.1:9; } } 
  server { listen 127.0.0.1:24802 ssl; ssl_certificate $pki/good.pem; ssl_certificate_key $pki/good.key; root $home; } }
CONF
nginx -c "$home/nginx.conf" 2>&1 & first=$!
mosquitto -p 24803 -v > "$home/mosquitto.log" 2>&1 & second=$!
storescp -v -od "$home" 24804 > "$home/storescp.log" 2>&1 & third=$!
printf 'global\n log stdout format raw local0\ndefaults\n mode http\n log global\n option httplog\n timeout connect 2s\n timeout client 2s\n timeout server 2s\nfrontend f\n bind 127.0.0.1:24805\n default_backend b\nbackend b\n server s 127.0.0.1:24801 check\n' > "$home/haproxy.cfg"
haproxy -db -f "$home/haproxy.cfg" > "$home/haproxy.log" 2>&1 & fourth=$!
ssh-keygen -q -t ed25519 -N '' -f "$home/key"
mkdir -p /run/sshd
$(command -v sshd) -D -e -p 24806 -h "$home/key" -o ListenAddress=127.0.0.1 -o LogLevel=VERBOSE > "$home/sshd.log" 2>&1 & fifth=$!
mysqld=$home/maria
mariadb-install-db --no-defaults --datadir="$mysqld" --user=root > "$home/maria-install.log" 2>&1
mariadbd --no-defaults --datadir="$mysqld" --port=24807 --bind-address=127.0.0.1 --socket="$home/m.sock" --user=root > "$home/maria.log" 2>&1 & sixth=$!
sleep 4
for path in / /closed /up /missing '/a?b=1' /index.html; do
    curl -s "http://127.0.0.1:24801$path" > /dev/null
    curl -s -A 'Mozilla/5.0 (X11; Linux x86_64)' -d x=1 "http://127.0.0.1:24805$path" > /dev/null
    curl -sS -v --cacert "$pki/ca.pem" "https://localhost:24802$path" 2>&1
done
mosquitto_pub -p 24803 -t a -m b
mosquitto_sub -p 24803 -t a -W 1
echoscu -v 127.0.0.1 24804 2>&1
echoscu -d 127.0.0.1 24804 2>&1
ssh -p 24806 -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null nobody@127.0.0.1 true 2>&1
mariadb --no-defaults -S "$home/m.sock" -e 'show databases' 2>&1
openssl s_client -connect 127.0.0.1:24802 -servername localhost -CAfile "$pki/ca.pem" < /dev/null 2>&1 | grep -v '^[A-Za-z0-9+/=]\{64\}$'
openssl s_client -tls1_2 -connect 127.0.0.1:24802 -CAfile "$pki/ca.pem" < /dev/null 2>&1 | grep -v '^[A-Za-z0-9+/=]\{64\}$'
gnutls-cli --x509cafile="$pki/ca.pem" --verify-hostname=localhost 127.0.0.1:24802 < /dev/null 2>&1
openssl verify -CAfile "$pki/ca.pem" "$pki/good.pem" 2>&1
openssl x509 -in "$pki/good.pem" -noout -text 2>&1
keytool -printcert -file "$pki/good.pem" 2>&1
wget -O /dev/null --ca-certificate="$pki/ca.pem" https://localhost:24802/nginx.conf 2>&1
java -Xlog:startuptime -version 2>&1
java -Djavax.net.debug=ssl:handshake -cp "$(dirname "$1")" Client 24000 "$pki/ca.pem" url 2>&1 | cut -c1-300 | head -400
kill $first $second $third $fourth $fifth $sixth
sleep 3
cat "$home"/*.log
rm -rf "$home"
