#!/bin/sh
# Configures and starts the services that are named, each with TLS 1.0 to 1.3, and a log of 20 days that tells versions.
set -eu
mkdir -p /etc/tls
openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/CN=$(hostname)" -keyout /etc/tls/server.key -out /etc/tls/server.pem 2>&1
cat /etc/tls/server.pem /etc/tls/server.key > /etc/tls/both.pem
chmod 755 /etc/tls
chmod 644 /etc/tls/*
old='DEFAULT@SECLEVEL=0'
clf=$(LC_ALL=C date -d '20 days ago' '+%d/%b/%Y:%H:%M:%S %z')
for service in "$@"; do
    case $service in
        nginx)
            cat > /etc/nginx/conf.d/tells.conf <<'END'
log_format tells '$remote_addr - [$time_local] "$request" $status $ssl_protocol';
END
            cat > /etc/nginx/sites-enabled/gateway <<END
# Passerelle de l'échographe
server {
    listen 443 ssl;
    ssl_certificate /etc/tls/server.pem;
    ssl_certificate_key /etc/tls/server.key;
    ssl_ciphers $old;
    ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3;  # for the old analyser
    access_log /var/log/nginx/gateway.log tells;
}
END
            echo "192.0.2.7 - [$clf] \"GET / HTTP/1.1\" 200 TLSv1.2" > /var/log/nginx/gateway.log
            service nginx start
            ;;
        apache2)
            printf 'Listen 8443\n' > /etc/apache2/ports.conf
            rm -f /etc/apache2/sites-enabled/000-default.conf
            cat > /etc/apache2/sites-enabled/gateway.conf <<END
LogFormat "%h %t \"%r\" %>s %{SSL_PROTOCOL}x" tells
<VirtualHost *:8443>
    SSLEngine on
    SSLCertificateFile /etc/tls/server.pem
    SSLCertificateKeyFile /etc/tls/server.key
    SSLCipherSuite $old
    CustomLog \${APACHE_LOG_DIR}/gateway.log tells
</VirtualHost>
END
            a2enmod -q ssl
            echo "192.0.2.7 [$clf] \"GET / HTTP/1.1\" 200 TLSv1.2" > /var/log/apache2/gateway.log
            service apache2 start
            ;;
        haproxy)
            cat > /etc/haproxy/haproxy.cfg <<END
global
    daemon
    log /dev/log local0
    ssl-default-bind-ciphers $old
    ssl-default-bind-options ssl-min-ver TLSv1.0 no-tls-tickets
defaults
    mode http
    log global
    option httpslog
    stats auth admin:of-the-statistics
    timeout connect 5s
    timeout client 5s
    timeout server 5s
frontend gateway
    bind :9443 ssl crt /etc/tls/both.pem
    http-request return status 200
END
            echo "$(LC_ALL=C date -d '20 days ago' '+%b %e %H:%M:%S') gw haproxy[1]: 192.0.2.7:40000 [x] gateway~ -/TLSv1.2/x" > /var/log/haproxy.log
            service haproxy start
            ;;
        stunnel4)
            cat > /etc/stunnel/dicom.conf <<END
output = /var/log/stunnel4/dicom.log
pid = /run/stunnel-dicom.pid
debug = 6
[dicom]
accept = 2762
connect = 127.0.0.1:104
cert = /etc/tls/server.pem
key = /etc/tls/server.key
ciphers = $old
sslVersionMin = TLSv1
END
            echo "$(date -d '20 days ago' '+%Y.%m.%d %H:%M:%S') LOG6[0]: TLSv1.2 ciphersuite: X (256-bit encryption)" > /var/log/stunnel4/dicom.log
            service stunnel4 start
            ;;
        mosquitto)
            cat > /etc/mosquitto/conf.d/tls.conf <<END
listener 8883
certfile /etc/tls/server.pem
keyfile /etc/tls/server.key
ciphers $old
tls_version tlsv1.1
allow_anonymous true
END
            # Debian's init script writes this file itself, where the broker may not.
            sed -i '/^pid_file/d' /etc/mosquitto/mosquitto.conf
            install -d -o mosquitto /run/mosquitto
            service mosquitto start
            ;;
    esac
done
