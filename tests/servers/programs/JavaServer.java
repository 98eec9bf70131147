// Copyright (c) 2026 the biomed.cert_hygiene authors
// GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

import java.io.FileInputStream;
import java.net.InetAddress;
import java.security.KeyStore;
import java.security.Security;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;

/** java JavaServer.java KEYSTORE PORT:PROTOCOL[-PROTOCOL…] …: every version that Java's own TLS still has. */
public class JavaServer {
    public static void main(String[] words) throws Exception {
        Security.setProperty("jdk.tls.disabledAlgorithms", "");
        Security.setProperty("jdk.tls.legacyAlgorithms", "");
        KeyStore store = KeyStore.getInstance("PKCS12");
        try (FileInputStream file = new FileInputStream(words[0])) {
            store.load(file, "changeit".toCharArray());
        }
        KeyManagerFactory keys = KeyManagerFactory.getInstance("SunX509");
        keys.init(store, "changeit".toCharArray());
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), null, null);
        for (int at = 1; at < words.length; at++) {
            String[] parts = words[at].split(":");
            SSLServerSocket socket = (SSLServerSocket) context.getServerSocketFactory()
                .createServerSocket(Integer.parseInt(parts[0]), 64, InetAddress.getByName("127.0.0.1"));
            socket.setEnabledProtocols(parts[1].replace("TLSv1.0", "TLSv1").split("-"));
            socket.setEnabledCipherSuites(socket.getSupportedCipherSuites());
            new Thread(() -> accept(socket)).start();
        }
    }

    private static void accept(SSLServerSocket server) {
        while (true) {
            try {
                SSLSocket socket = (SSLSocket) server.accept();
                new Thread(() -> answer(socket)).start();
            } catch (Exception error) {
                return;
            }
        }
    }

    private static void answer(SSLSocket socket) {
        try (socket) {
            if (socket.getInputStream().read(new byte[4096]) > 0) {
                String date = DateTimeFormatter.RFC_1123_DATE_TIME.format(ZonedDateTime.now(ZoneOffset.UTC));
                String page = "HTTP/1.1 200 OK\r\nDate: " + date + "\r\nContent-Length: 0\r\n\r\n";
                socket.getOutputStream().write(page.getBytes("US-ASCII"));
            }
        } catch (Exception error) {
            // A hello that is not completed: what we are here for.
        }
    }
}
