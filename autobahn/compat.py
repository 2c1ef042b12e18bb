"""What the ported suite calls; `port.py` copies this into it."""

import binascii
import os


def resource(package, name):
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), *name.split("/"))


def hexed(data):
    """A hex dump as text. (The report of a case dumps masks that are hex already.)"""
    if isinstance(data, str):
        data = data.encode("utf-8")
    return binascii.hexlify(data).decode("ascii")


def bin_log(data, maxlen=64):
    """At most `maxlen` octets in hex."""
    if len(data) > maxlen - 4:
        return hexed(data[:maxlen]) + " ..."
    return hexed(data)


def ascii_log(data, maxlen=64, replace=False):
    """At most `maxlen` octets as text if they are UTF-8, else in hex."""
    cut = data[:maxlen] + b" ..." if len(data) > maxlen - 4 else data
    try:
        return cut.decode("utf-8", errors="replace" if replace else "strict")
    except UnicodeDecodeError:
        return "0x" + bin_log(data, maxlen)


def textify(value):
    """The result of a case with all octets as text, for JSON and HTML."""
    if isinstance(value, (bytes, bytearray)):
        try:
            return bytes(value).decode("utf-8")
        except UnicodeDecodeError:
            return "0x" + hexed(bytes(value))
    if isinstance(value, dict):
        return {textify(k): textify(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(textify(v) for v in value)
    return value
