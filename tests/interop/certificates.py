"""Three CAs, and certificates of the first, made by openssl for one run."""

import os
import subprocess

CONFIG = """
[ca]
default_ca = all
[all]
database = index
new_certs_dir = .
default_md = sha256
policy = any
copy_extensions = copy
unique_subject = no
rand_serial = yes
[any]
commonName = supplied
"""
LONG_AGO, RECENTLY, FAR_AHEAD = "20200101000000Z", "20200201000000Z", "20480101000000Z"


class Certificates:
    """Paths of files: `NAME.pem` and `NAME.key`."""

    def __init__(self, directory):
        self.directory = directory
        with open(self("config"), "w") as config, open(self("index"), "w"):
            config.write(CONFIG)
        for ca, subject in [("ca", "interop"), ("other-ca", "another"), ("namesake-ca", "interop")]:
            self.openssl("req", "-x509", *key(ca), "-out", f"{ca}.pem", "-subj", f"/CN={subject}", "-days", "2")
        self.issue("good", "DNS:localhost,IP:127.0.0.1", FAR_AHEAD)
        self.issue("wrong-host", "DNS:example.com,IP:127.0.0.2", FAR_AHEAD)
        self.issue("expired", "DNS:localhost,IP:127.0.0.1", RECENTLY)

    def __call__(self, file):
        return os.path.join(self.directory, file)

    def issue(self, name, hosts, until):
        request = ["-out", "request", "-subj", f"/CN={name}", "-addext", f"subjectAltName={hosts}"]
        self.openssl("req", "-new", *key(name), *request)
        by = ["-config", "config", "-cert", "ca.pem", "-keyfile", "ca.key"]
        valid = ["-startdate", LONG_AGO, "-enddate", until]
        self.openssl("ca", "-batch", "-notext", *by, *valid, "-in", "request", "-out", f"{name}.pem")

    def openssl(self, *args):
        done = subprocess.run(["openssl", *args], cwd=self.directory, capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"openssl {' '.join(args)}:\n{done.stderr}")


def key(name):
    """A new key, in a file of its own."""
    return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{name}.key"]
