// java Server PORT KEYSTORE TRUSTSTORE: asks for a client certificate, prints what went wrong
import java.io.FileInputStream;
import java.security.KeyStore;
import javax.net.ssl.*;

public class Server {
    static KeyStore store(String path) throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(new FileInputStream(path), "changeit".toCharArray());
        return store;
    }

    public static void main(String[] words) throws Exception {
        KeyManagerFactory keys = KeyManagerFactory.getInstance("PKIX");
        keys.init(store(words[1]), "changeit".toCharArray());
        TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
        trust.init(store(words[2]));
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
        SSLServerSocket listener = (SSLServerSocket) context.getServerSocketFactory()
            .createServerSocket(Integer.parseInt(words[0]));
        listener.setNeedClientAuth(true);
        while (true) {
            try (SSLSocket socket = (SSLSocket) listener.accept()) {
                socket.setSoTimeout(3000);
                socket.startHandshake();
                socket.getInputStream().read();
            } catch (Exception error) {
                error.printStackTrace();
            }
        }
    }
}
