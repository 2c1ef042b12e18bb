"""Whom our clients trust: a server that cannot prove who it is hears no request."""

from harness import PLAIN, PYTHON, SECURE, Server, echo_client, echo_server, report

# case, the server's certificate, the CA that the client trusts (None: the platform's), the host in the URL, the complaint
CASES = [
    ("the right CA, by address", "good", "ca.pem", "127.0.0.1", None),
    ("the right CA, by name", "good", "ca.pem", "localhost", None),
    ("another host's certificate", "wrong-host", "ca.pem", "localhost", ("not valid for name",)),
    ("another address's certificate", "wrong-host", "ca.pem", "127.0.0.1", ("not valid for name",)),
    ("an expired certificate", "expired", "ca.pem", "localhost", ("expired",)),
    ("an unknown CA", "good", "other-ca.pem", "localhost", ("UnknownIssuer",)),
    ("an unknown CA of the same name", "good", "namesake-ca.pem", "localhost", ("BadSignature",)),
    ("a CA that the platform does not know", "good", None, "localhost", ("UnknownIssuer",)),
]


def run(certificates):
    for case, certificate, trust, host, complaint in CASES:
        files = certificates(f"{certificate}.pem"), certificates(f"{certificate}.key")
        with Server(*PYTHON, "websockets_server.py", *files) as server:
            url = server.url.replace("127.0.0.1", host) + "/echo"
            for variant in SECURE:
                client = echo_client(variant, certificates, url, "--message", "hello", trust=trust)
                why = client.differs("" if complaint else "closed: 1000", complaint)
                if complaint and "connected" in client.stdout:
                    why = "it connected"
                report(variant, "echo_client -> websockets", case, why)
    with Server(*PYTHON, "websockets_server.py") as server:
        for variant in SECURE:
            client = echo_client(variant, certificates, server.url.replace("ws:", "wss:"))
            report(variant, "echo_client -> websockets", "a server without TLS", client.differs("", ("error: ",)))
    self_signed(certificates)


def self_signed(certificates):
    """The certificate that our server makes at start, and says whom to trust for it."""
    for plain, variant in zip(PLAIN, SECURE):
        with echo_server(plain, certificates, "--tls", "--ca-out", certificates("own.pem")) as server:
            for host in ["localhost", "127.0.0.1"]:
                client = echo_client(variant, certificates, server.url.replace("127.0.0.1", host), trust="own.pem")
                report(variant, "echo_client -> echo_server", f"a certificate made for {host}", client.differs("closed: 1000", None))
            client = echo_client(variant, certificates, server.url)
            report(variant, "echo_client -> echo_server", "an unknown CA", client.differs("", ("UnknownIssuer",)))
