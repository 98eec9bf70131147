// Copyright (c) 2026 the biomed.cert_hygiene authors
// GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

import java.io.FileInputStream;
import java.net.InetAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;

/** TLS servers whose key store holds a certificate and the key of another one, which Java serves all the same.
 *  Arguments: chain.pem key.der (PKCS #8) RSA|EC port:versions... (port:TLSv1.2-TLSv1.3). */
public class WrongKeyServer {
    public static void main(String[] arguments) throws Exception {
        var chain = CertificateFactory.getInstance("X.509").generateCertificates(new FileInputStream(arguments[0]));
        PrivateKey key = KeyFactory.getInstance(arguments[2])
            .generatePrivate(new PKCS8EncodedKeySpec(Files.readAllBytes(Path.of(arguments[1]))));
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        store.setKeyEntry("key", key, "p".toCharArray(), chain.toArray(new Certificate[0]));
        KeyManagerFactory keys = KeyManagerFactory.getInstance("SunX509");
        keys.init(store, "p".toCharArray());
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), null, null);
        for (int at = 3; at < arguments.length; at++) {
            String[] words = arguments[at].split(":");
            SSLServerSocket listener = (SSLServerSocket) context.getServerSocketFactory()
                .createServerSocket(Integer.parseInt(words[0]), 10, InetAddress.getByName("127.0.0.1"));
            listener.setEnabledProtocols(words[1].split("-"));
            new Thread(() -> accept(listener)).start();
        }
    }

    private static void accept(SSLServerSocket listener) {
        while (true) {
            try {
                SSLSocket socket = (SSLSocket) listener.accept();
                new Thread(() -> serve(socket)).start();
            } catch (Exception problem) {
                return;
            }
        }
    }

    private static void serve(SSLSocket socket) {
        try (socket) {
            socket.setSoTimeout(4000);
            socket.getInputStream().read(new byte[4096]);
        } catch (Exception problem) {
            return;
        }
    }
}
