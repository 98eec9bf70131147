// server_go PORT PKI
package main

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
)

func main() {
	pem, _ := os.ReadFile(os.Args[2] + "/ca.pem")
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	server := &http.Server{
		Addr:      "127.0.0.1:" + os.Args[1],
		TLSConfig: &tls.Config{ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert},
	}
	panic(server.ListenAndServeTLS(os.Args[2]+"/good.pem", os.Args[2]+"/good.key"))
}
