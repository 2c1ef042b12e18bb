"""Peers that end TLS, or the connection below it, where nobody should: ours end with an error in time, and do not spin."""

import base64
import hashlib
import re
import socket
import ssl
import threading
import time
from urllib.parse import urlsplit

from harness import LOST, PATIENCE, SECURE, echo_client, echo_server, report

CLOSE_NOTIFY = b"\x15\x03\x03\x00\x02\x01\x00"  # in the clear, before there are keys
GARBAGE = b"\x17\x03\x03\x00\x20" + bytes(32)  # a record that nobody has encrypted
REQUEST = (
    b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
# How long ours may take: the deadline of the handshake is the longest that it has, with ten seconds.
IN_TIME = 15
# What ours may compute meanwhile: a handshake costs milliseconds, a loop that spins all the time there is.
COMPUTES = 1


class Peer:
    """TLS over a connection that it leaves open whatever happens to TLS."""

    def __init__(self, connection, context, **options):
        self.connection = connection
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, **options)

    def flush(self):
        self.raw(self.outgoing.read())

    def raw(self, data):
        self.connection.sendall(data)

    def wait_for(self, function, *args):
        while True:
            try:
                result = function(*args)
                self.flush()
                return result
            except ssl.SSLWantReadError:
                self.flush()
                data = self.connection.recv(65536)
                self.incoming.write(data) if data else self.incoming.write_eof()

    def handshake(self):
        self.wait_for(self.tls.do_handshake)

    def send(self, data):
        self.tls.write(data)
        self.flush()

    def read_until(self, end):
        read = b""
        while end not in read:
            read += self.wait_for(self.tls.read, 65536)
        return read

    def close_notify(self):
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass  # the other one's is not waited for
        self.flush()

    def begin(self):
        """Sends what TLS begins with, and no more."""
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            self.flush()


# As a client: every frame is masked, with zeros.


def no_client_hello(peer):
    peer.raw(CLOSE_NOTIFY)


def half_a_handshake(peer):
    peer.begin()


def close_notify_in_the_handshake(peer):
    peer.begin()
    peer.raw(CLOSE_NOTIFY)


def no_request(peer):
    peer.handshake()
    peer.close_notify()


def half_a_request(peer):
    peer.handshake()
    peer.send(REQUEST[:50])
    peer.close_notify()


def open_client(peer):
    peer.handshake()
    peer.send(REQUEST)
    peer.read_until(b"\r\n\r\n")


def half_a_frame_from_a_client(peer):
    open_client(peer)
    peer.send(b"\x82\x90\0\0\0\0half")
    peer.close_notify()


def half_a_frame_and_no_close_notify(peer):
    open_client(peer)
    peer.send(b"\x82\x90\0\0\0\0half")
    peer.connection.shutdown(socket.SHUT_WR)


def garbage_from_a_client(peer):
    open_client(peer)
    peer.send(b"\x82\x90\0\0\0\0half")
    peer.raw(GARBAGE)


def nothing_after_the_close_frame(peer):
    open_client(peer)
    peer.send(b"\x88\x82\0\0\0\0\x03\xe8")


SERVER_CASES = [
    ("close_notify instead of a ClientHello", no_client_hello),
    ("nothing after the ClientHello", half_a_handshake),
    ("close_notify in the handshake of TLS", close_notify_in_the_handshake),
    ("close_notify instead of a request", no_request),
    ("close_notify in the request", half_a_request),
    ("close_notify in a frame", half_a_frame_from_a_client),
    ("no close_notify, in a frame", half_a_frame_and_no_close_notify),
    ("garbage in a frame", garbage_from_a_client),
    ("no close_notify after the Close frames", nothing_after_the_close_frame),
]


def our_server(variant, certificates):
    """All cases at once, because each may wait for a deadline."""
    context = ssl.create_default_context(cafile=certificates("ca.pem"))
    with echo_server(variant, certificates) as server:
        threads = [threading.Thread(target=end_at_server, args=(variant, context, server, *case)) for case in SERVER_CASES]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        why = None if server.seconds() < COMPUTES else f"it has computed for {server.seconds()} seconds"
        report(variant, "echo_server", "it has not been spinning", why)


def end_at_server(variant, context, server, case, behave):
    address = urlsplit(server.url)
    why = None
    with socket.create_connection((address.hostname, address.port), timeout=IN_TIME) as connection:
        try:
            behave(Peer(connection, context, server_hostname="localhost"))
            while connection.recv(65536):
                pass
        except TimeoutError:
            why = "the server keeps the connection"
        except (ConnectionError, ssl.SSLError):
            pass  # that is an end too
    report(variant, "echo_server <- ssl", case, why)


# As a server.


def no_server_hello(peer):
    peer.raw(CLOSE_NOTIFY)


def half_a_server_handshake(peer):
    peer.connection.recv(1)


def no_response(peer):
    peer.handshake()
    peer.read_until(b"\r\n\r\n")
    peer.close_notify()


def half_a_response(peer):
    peer.handshake()
    peer.read_until(b"\r\n\r\n")
    peer.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgr")
    peer.close_notify()


def open_server(peer):
    peer.handshake()
    key = re.search(rb"sec-websocket-key: *(\S+)", peer.read_until(b"\r\n\r\n"), re.IGNORECASE)[1]
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    peer.send(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


def half_a_frame_from_a_server(peer):
    open_server(peer)
    peer.send(b"\x82\x10half")
    peer.close_notify()


def half_a_frame_and_the_end(peer):
    open_server(peer)
    peer.send(b"\x82\x10half")
    peer.connection.shutdown(socket.SHUT_WR)


def garbage_from_a_server(peer):
    open_server(peer)
    peer.send(b"\x82\x10half")
    peer.raw(GARBAGE)


def close_frames(peer):
    open_server(peer)
    peer.wait_for(peer.tls.read, 100)
    peer.send(b"\x88\x02\x03\xe8")


def close_notify_after_the_close_frames(peer):
    close_frames(peer)
    peer.close_notify()
    # The client ends its side in the same way.
    peer.wait_for(peer.tls.unwrap)


def the_end_after_the_close_frames(peer):
    close_frames(peer)
    peer.connection.shutdown(socket.SHUT_WR)


def an_alert_for_a_certificate(peer):
    try:
        peer.handshake()
    except ssl.SSLError as error:
        assert error.reason == "TLSV1_ALERT_UNKNOWN_CA", error
    else:
        raise AssertionError("it trusts anybody")


LATE = ("the time is up",)
# case, behaviour, options of echo_client here, the complaint
CLIENT_CASES = [
    # Anybody on the way can have sent it, so rustls takes it for nothing.
    ("close_notify instead of a ServerHello", no_server_hello, {}, LATE),
    ("nothing after the ClientHello", half_a_server_handshake, {}, LATE),
    ("close_notify instead of a response", no_response, {}, ("the stream ended",)),
    ("close_notify in the response", half_a_response, {}, ("the stream ended",)),
    ("close_notify in a frame", half_a_frame_from_a_server, {}, ("connection was lost",)),
    ("no close_notify, in a frame", half_a_frame_and_the_end, {}, LOST),
    ("garbage in a frame", garbage_from_a_server, {}, ("decrypt",)),
    ("no close_notify after the Close frames, and TCP goes on", close_frames, {}, LATE),
    ("close_notify after the Close frames, and TCP goes on", close_notify_after_the_close_frames, {}, None),
    ("the end of TCP after the Close frames", the_end_after_the_close_frames, {}, None),
    ("a client that does not trust us says so", an_alert_for_a_certificate, {"trust": "other-ca.pem"}, ("UnknownIssuer",)),
]


def our_client(variant, certificates):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates("good.pem"), certificates("good.key"))
    for case, behave, options, complaint in CLIENT_CASES:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            url = f"wss://127.0.0.1:{listener.getsockname()[1]}"
            wrong = []
            thread = threading.Thread(target=end_at_client, args=(listener, context, behave, wrong))
            thread.start()
            began = time.monotonic()
            messages = [] if "Close" in case else ["--message", "hello"]
            client = echo_client(variant, certificates, url, "--timeout", "2", *messages, **options)
            took = time.monotonic() - began
            thread.join()
        why = client.differs("", complaint) or (wrong[0] if wrong else None)
        if complaint is not LATE and took > 1.5:
            why = why or f"it took {took:.1f} seconds"
        if client.seconds > COMPUTES:
            why = why or f"it has computed for {client.seconds} seconds"
        report(variant, "echo_client -> ssl", case, why)


def end_at_client(listener, context, behave, wrong):
    listener.settimeout(PATIENCE)
    with listener.accept()[0] as connection:
        connection.settimeout(PATIENCE)
        try:
            behave(Peer(connection, context, server_side=True))
            while connection.recv(65536):
                pass
        except ConnectionError:
            pass
        except Exception as error:
            wrong.append(f"to the server: {error!r}")


def run(certificates):
    for variant in SECURE:
        our_server(variant, certificates)
        our_client(variant, certificates)
