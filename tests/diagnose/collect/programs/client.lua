-- lua client.lua PORT CA
local socket, ssl = require("socket"), require("ssl")
local plain = assert(socket.connect("127.0.0.1", tonumber(arg[1])))
local secure = assert(ssl.wrap(plain, {mode = "client", protocol = "any", cafile = arg[2], verify = "peer"}))
local done, why = secure:dohandshake()
if not done then io.stderr:write(why, "\n") os.exit(1) end
