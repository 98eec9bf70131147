// Copyright (c) 2026 the biomed.cert_hygiene authors
// GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// node node_server.js KEY CERTIFICATES PORT:VERSION[-VERSION…] …: Node of any age.

var fs = require('fs');
var https = require('https');
var constants = require('constants');
var modern = parseInt(process.versions.node, 10) >= 12;
var ALL = ['SSLv2', 'SSLv3', 'TLSv1', 'TLSv1.1', 'TLSv1.2'];

function options(versions) {
  var found = {
    key: fs.readFileSync(process.argv[2]).toString(),
    cert: fs.readFileSync(process.argv[3]).toString(),
    ciphers: modern ? 'ALL:@SECLEVEL=0' : 'ALL:!aNULL'
  };
  var names = versions.map(function (name) { return name === 'TLSv1.0' ? 'TLSv1' : name; });
  if (modern) {
    found.minVersion = names[0];
    found.maxVersion = names[names.length - 1];
  } else {
    found.secureProtocol = 'SSLv23_method';
    found.secureOptions = ALL.reduce(function (sum, name) {
      return names.indexOf(name) < 0 ? sum | (constants['SSL_OP_NO_' + name.replace('.', '_')] || 0) : sum;
    }, 0);
  }
  return found;
}

process.argv.slice(4).forEach(function (word) {
  var parts = word.split(':');
  var server = https.createServer(options(parts[1].split('-')), function (request, response) {
    response.writeHead(200, {Date: new Date().toUTCString(), 'Content-Length': 0, Connection: 'close'});
    response.end();
  });
  server.on('clientError', function () {});
  server.on('tlsClientError', function () {});
  server.listen(parseInt(parts[0], 10), '127.0.0.1');
});
