"""A client that does not wait: each request has a connection of its own while it is in flight."""
import asyncio, collections, re

# Seconds until a request counts as failed without a response.
PATIENCE = 20
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
INSTANCE = re.compile(rb"\r\nx-instance: *(\w+)", re.IGNORECASE)
# Times of the event loop in seconds. Without a response the status is 0.
Response = collections.namedtuple("Response", "sent done status instance")


class Client:
    """Sends requests to one proxy, and keeps the responses in the order of their ends."""

    def __init__(self, port, path):
        self.port, self.idle, self.responses = port, [], []
        self.request = f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n\r\n".encode()

    def send(self):
        sent = asyncio.get_running_loop().time()
        while self.idle:
            connection = self.idle.pop()
            if not connection.transport.is_closing():
                return connection.start(sent)
        asyncio.get_running_loop().create_task(self.connect(sent))

    async def connect(self, sent):
        try:
            _, connection = await asyncio.get_running_loop().create_connection(lambda: Connection(self), "127.0.0.1", self.port)
        except OSError:
            return self.done(sent, 0, "")
        connection.start(sent)

    def done(self, sent, status, instance):
        self.responses.append(Response(sent, asyncio.get_running_loop().time(), status, instance))


class Connection(asyncio.Protocol):
    def __init__(self, client):
        self.client, self.sent, self.buffer, self.limit = client, None, b"", None

    def connection_made(self, transport):
        self.transport = transport

    def start(self, sent):
        self.sent, self.buffer = sent, b""
        self.limit = asyncio.get_running_loop().call_later(PATIENCE, self.transport.abort)
        self.transport.write(self.client.request)

    def data_received(self, data):
        self.buffer += data
        head, separator, body = self.buffer.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if separator and length and len(body) >= int(length[1]):
            self.end(head)
            is_closed = b"connection: close" in head.lower()
            self.transport.close() if is_closed else self.client.idle.append(self)

    def connection_lost(self, _error):
        if self.sent is not None:
            self.end(self.buffer)

    def end(self, head):
        """Records the response. A connection that was lost has status 0, or the one of a head without a length."""
        self.limit.cancel()
        sent, self.sent = self.sent, None
        instance = INSTANCE.search(head)
        status = int(head[9:12]) if head[9:12].isdigit() else 0
        self.client.done(sent, status, instance[1].decode() if instance else "")
