// Answers requests: a text, and an object as JSON. Says its port first.
const http = require("http")
const server = http.createServer((req, res) => {
  if (req.url === "/json") {
    res.setHeader("Content-Type", "application/json")
    res.end(JSON.stringify({ message: "hello", items: [1, 2, 3], ok: true }))
  } else {
    res.setHeader("Content-Type", "text/plain; charset=utf-8")
    res.end("hello")
  }
})
server.listen(0, "127.0.0.1", () => console.log(server.address().port))
