// An echo server for `cargo xtask bench-net`.
const server = require("net").createServer((socket) => {
    socket.setNoDelay(true);
    socket.on("data", (data) => socket.write(data));
    socket.on("error", () => {});
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
