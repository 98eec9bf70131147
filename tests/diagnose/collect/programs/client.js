// node client.js PORT CA tls|https|fetch
const [port, ca, way] = process.argv.slice(2)
const options = { host: '127.0.0.1', servername: 'localhost', port, ca: require('fs').readFileSync(ca) }
const fail = (error) => { console.error(error); process.exit(1) }
if (way === 'tls') require('tls').connect(options, () => process.exit(0)).on('error', fail)
else if (way === 'https') {
  require('https').get({ ...options, path: '/' }, () => process.exit(0)).on('error', (e) => fail(`${e.code} ${e.message}`))
} else fetch(`https://localhost:${port}/`).then(() => process.exit(0), fail)
