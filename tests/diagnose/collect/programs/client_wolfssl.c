/* cc client_wolfssl.c -lwolfssl; ./a.out PORT CA */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

int main(int count, char **words)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(words[1]))};
    char said[WOLFSSL_MAX_ERROR_SZ];
    int handle = socket(AF_INET, SOCK_STREAM, 0), status, error;
    (void) count;
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    wolfSSL_Init();
    WOLFSSL_CTX *context = wolfSSL_CTX_new(wolfSSLv23_client_method());
    wolfSSL_CTX_set_verify(context, WOLFSSL_VERIFY_PEER, NULL);
    wolfSSL_CTX_load_verify_locations(context, words[2], NULL);
    WOLFSSL *ssl = wolfSSL_new(context);
    wolfSSL_check_domain_name(ssl, "localhost");
    connect(handle, (struct sockaddr *) &to, sizeof to);
    wolfSSL_set_fd(ssl, handle);
    status = wolfSSL_connect(ssl);
    if (status == WOLFSSL_SUCCESS) {
        wolfSSL_write(ssl, "GET / HTTP/1.0\r\n\r\n", 18);
        status = wolfSSL_read(ssl, said, 20);
        if (status > 0) return 0;
    }
    error = wolfSSL_get_error(ssl, status);
    wolfSSL_ERR_error_string(error, said);
    fprintf(stderr, "wolfSSL_connect failed: error = %d, %s\n", error, said);
    return 1;
}
