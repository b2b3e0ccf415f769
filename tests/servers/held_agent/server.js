// `node server.js` [any word: with HOST, too]. As Node's own example of a server.
const http = require("node:http");

const server = http.createServer((request, response) => response.end(String(process.pid)));
if (process.argv.length > 2) {
  server.listen(process.env.PORT, process.env.HOST);
} else {
  server.listen(process.env.PORT);
}
process.on("SIGTERM", () => server.close());
