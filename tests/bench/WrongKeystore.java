// Copyright (c) 2026 the biomed.cert_hygiene authors
// GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;

/** java WrongKeystore.java KEY.der CHAIN.pem KEYSTORE: a keystore as Java alone makes it, whose key is not its certificate's. */
public class WrongKeystore {
    public static void main(String[] words) throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        Certificate[] chain = CertificateFactory.getInstance("X.509")
            .generateCertificates(new FileInputStream(words[1])).toArray(new Certificate[0]);
        char[] password = "changeit".toCharArray();
        store.setKeyEntry("1", KeyFactory.getInstance("RSA")
            .generatePrivate(new PKCS8EncodedKeySpec(Files.readAllBytes(Path.of(words[0])))), password, chain);
        store.store(new FileOutputStream(words[2]), password);
    }
}
