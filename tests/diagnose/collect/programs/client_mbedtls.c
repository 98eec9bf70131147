/* cc client_mbedtls.c -lmbedtls -lmbedx509 -lmbedcrypto; ./a.out PORT CA */
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/error.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>
#include <stdio.h>

int main(int count, char **words)
{
    mbedtls_net_context net; mbedtls_entropy_context entropy; mbedtls_ctr_drbg_context random;
    mbedtls_ssl_context ssl; mbedtls_ssl_config conf; mbedtls_x509_crt ca;
    char said[400];
    int status, read = 0;
    (void) count;
    mbedtls_net_init(&net); mbedtls_entropy_init(&entropy); mbedtls_ctr_drbg_init(&random);
    mbedtls_ssl_init(&ssl); mbedtls_ssl_config_init(&conf); mbedtls_x509_crt_init(&ca);
    mbedtls_ctr_drbg_seed(&random, mbedtls_entropy_func, &entropy, NULL, 0);
    mbedtls_x509_crt_parse_file(&ca, words[2]);
    mbedtls_net_connect(&net, "127.0.0.1", words[1], MBEDTLS_NET_PROTO_TCP);
    mbedtls_ssl_config_defaults(&conf, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
    mbedtls_ssl_conf_ca_chain(&conf, &ca, NULL);
    mbedtls_ssl_conf_rng(&conf, mbedtls_ctr_drbg_random, &random);
    mbedtls_ssl_setup(&ssl, &conf);
    mbedtls_ssl_set_hostname(&ssl, "localhost");
    mbedtls_ssl_set_bio(&ssl, &net, mbedtls_net_send, mbedtls_net_recv, NULL);
    while ((status = mbedtls_ssl_handshake(&ssl)) == MBEDTLS_ERR_SSL_WANT_READ) {}
    if (status == 0) {
        mbedtls_ssl_write(&ssl, (const unsigned char *) "GET / HTTP/1.0\r\n\r\n", 18);
        status = mbedtls_ssl_read(&ssl, (unsigned char *) said, 20);
        if (status > 0) return 0;
        read = 1;
    }
    mbedtls_strerror(status, said, sizeof said);
    fprintf(stderr, "mbedtls_ssl_%s returned -0x%04x: %s\n", read ? "read" : "handshake", (unsigned) -status, said);
    mbedtls_x509_crt_verify_info(said, sizeof said, "  ! ", mbedtls_ssl_get_verify_result(&ssl));
    if (mbedtls_ssl_get_verify_result(&ssl) != (unsigned) -1) fprintf(stderr, "%s", said);
    return 1;
}
