// node server.js PORT PKI
const fs = require('fs')
const [port, pki] = process.argv.slice(2)
const options = {
  cert: fs.readFileSync(`${pki}/good.pem`), key: fs.readFileSync(`${pki}/good.key`), ca: fs.readFileSync(`${pki}/ca.pem`),
  requestCert: true, rejectUnauthorized: true
}
const server = require('tls').createServer(options, (s) => s.on('error', (e) => console.error(e)).end('ok'))
server.on('tlsClientError', (error, socket) => console.error(error.code, error.message, socket.authorizationError || ''))
server.listen(port, '127.0.0.1')
