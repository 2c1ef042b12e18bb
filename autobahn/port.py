"""Ports the fuzzing half of `autobahntestsuite`, which is for Python 2.7, and installs it where this runs.

pip fetches the source distribution, and it is checked against a pinned hash. Its code is changed in three steps,
none of which carries text of upstream's:

 1. fixers of lib2to3 (print, except, raise, has_key, relative imports and so on);
 2. `WireBytes`, which makes the literals that go on or come off the wire bytes, and leaves those of the report;
 3. `RULES`, a table of rewrites. Each says how often it must match: another release of upstream's is an error here,
    not a suite that is wrong and says nothing.
"""

import ast
import fnmatch
import hashlib
import io
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from lib2to3 import pytree, refactor
from lib2to3.pgen2 import token
from pathlib import Path

import cases

VERSION = "25.10.1"
SHA256 = "b083d6e15330fc16f3e5f0975cce2b15f21bfa0c6db09547316b1852c6dbd6df"
KEEP = ["_version.py", "fuzzing.py", "caseset.py", "report.py", "case/*.py",
        "testdata/*", "web/fuzzingserver/*"]

FIXERS = ["lib2to3.fixes.fix_" + name for name in
          ("dict", "except", "has_key", "import", "ne", "numliterals", "print", "raise", "repr",
           "xrange")]

COMPAT = "from autobahntestsuite import _compat"
BARE = r"(?<![\w.])"

# Files, pattern, replacement, and how often it matches over all those files.
RULES = [
    # Octets in the cases that lib2to3 and WireBytes cannot see.
    ("case/case6_4_[24].py", r"\bPAYLOAD\[12\]", "PAYLOAD[12:13]", 4),
    ("case/case6_x_x.py", r"\+= chr\((\w+)\)", r"+= bytes([\1])", 3),
    ("case/case6_2_*.py", r"%s<br>%s\"\"\" % \((PAYLOAD), ", r'%s<br>%s""" % (\1.decode("utf-8"), ', 3),
    ("case/case6_2_2.py", r"\((PAYLOAD1), (.*), (PAYLOAD2), ",
     r'(\1.decode("utf-8"), \2, \3.decode("utf-8"), ', 1),
    ("case/case10_1_1.py", r"len\(self\.payload\) / ", "len(self.payload) // ", 1),
    # With new-style classes only, (object, Case) has no consistent order of resolution.
    ("case/*.py", r"\(object, Case, \)", "(Case,)", 6),
    ("case/case9_9_1.py", r"from zope\.interface import implements\b", "", 1),
    ("case/case9_9_1.py", r"implements\(interfaces\.IPushProducer\)", "pass", 1),
    # The comparison that decides a case: pickles also differ by which of the equal objects are one object, and
    # versions of Python differ in that.
    ("case/case.py", r"pickle\.dumps\((\w+)\) == pickle\.dumps\((\w+)\)", r"\1 == \2", 1),
    # Hex dumps are text, and the package's files lie beside it.
    ("case/*.py,fuzzing.py", BARE + r"binascii\.(b2a_hex|hexlify)\(", "_compat.hexed(", 30),
    ("case/*.py,fuzzing.py", BARE + r"pkg_resources\.resource_filename\(", "_compat.resource(", 4),
    ("case/*.py,fuzzing.py", r"^import (.*), pkg_resources\b", r"import \1", 2),
    ("case/*.py,fuzzing.py", r"\A", COMPAT + "\n", None),
    # Logs, reports, and the protocol of commands.
    ("fuzzing.py", r"^def (bin|ascii)LogData\(", r"def _unused_\1LogData(", 2),
    ("fuzzing.py", BARE + r"(bin|ascii)LogData\(", r"_compat.\1_log(", 7),
    ("fuzzing.py", r"''\.join\(payload\)", "b''.join(payload)", 1),
    ("fuzzing.py", r"self\.factory\.logCase\(caseResult\)", "self.factory.logCase(_compat.textify(caseResult))", 1),
    ("fuzzing.py", r"json\.dumps\(len\(self\.factory\.specCases\)\)", r"\g<0>.encode()", 1),
    ("fuzzing.py", r"json\.dumps\(\{([^{}]*)\}\)", r"json.dumps({\1}).encode()", 2),
    ("fuzzing.py", r'payload = spec\.get\("payload", ""\)', r"\g<0>.encode()", 1),
    ("fuzzing.py", r"(open\(os\.path\.join\(outdir, report_filename\), 'w')\)", r"\1, encoding='utf-8')", 4),
    ("fuzzing.py", r"\(('  .*c\[1\]\))\)\.encode\(\"utf-8\"\)", r"(\1)", 1),
    ("fuzzing.py", r"\bll\.encode\('utf8'\)", "ll", 1),
    ("fuzzing.py", r"putChild\('cwd'", "putChild(b'cwd'", 1),
    # Listening where the URL says, not on every interface.
    ("fuzzing.py", r"listenWS\(factory, sslContext\)", "listenWS(factory, sslContext, interface=factory.host)", 1),
    ("fuzzing.py", r"(reactor\.listen(?:SSL|TCP)\(webport, web(?:, sslContext)?)\)", r"\1, interface=factory.host)", 2),
    # Only the style sheets of report.py are wanted.
    ("report.py", r"^import jinja2\n", "", 1),
    ("report.py", r"(?s)^REPORT_DIR_PERMISSIONS = .*\Z", "", 1),
    ("report.py", r',\s*"HtmlReport"\)', ")", 1),
    # Everywhere.
    ("caseset.py", r"'\\\.'", r"r'\\.'", 3),
]

# The one expression of autobahn 0.10.9 that Python 3 refuses, for a range of floats.
AUTOBAHN = ("websocket/protocol.py", "range(payload_len / len(payload))", "range(payload_len // len(payload))")


class WireBytes:
    """Which string literals of a case are octets; it rewrites lib2to3's tree."""

    NAMES = {"payload", "ping_payload", "fragments", "pings", "PAYLOAD", "PAYLOAD1", "PAYLOAD2",
             "PAYLOAD3", "reasonUtf8", "s", "vss", "k"}
    EVENTS = {"message", "ping", "pong"}

    @classmethod
    def apply(cls, tree):
        for leaf in list(tree.leaves()):
            if leaf.type == token.STRING and leaf.value[0] in "'\"" and cls.is_wire(leaf):
                leaf.value = cls.as_bytes(leaf.value)
                leaf.changed()

    @staticmethod
    def octets(literal):
        """The octets of a literal of Python 2 in a file of UTF-8, and the literal of Python 3."""
        head = re.match(r"'''|\"\"\"|'|\"", literal).group()
        body = literal[len(head):-len(head)]
        body = "".join(c if c < "\x80" else "".join("\\x%02x" % b for b in c.encode()) for c in body)
        return ast.literal_eval("b" + head + body + head), "b" + head + body + head

    @classmethod
    def as_bytes(cls, literal):
        return cls.octets(literal)[1]

    @classmethod
    def is_wire(cls, leaf):
        if leaf.value.startswith(('"""', "'''")):
            return False
        node = leaf
        while node.parent is not None:
            kind = pytree.type_repr(node.parent.type)
            siblings = node.parent.children
            if kind == "trailer" and str(siblings[0]) == "(":
                callee = node.parent.prev_sibling
                if str(callee).strip() in (".encode", ".decode"):
                    return False
            if kind == "argument" and siblings[-1] is node and siblings[0].value in cls.NAMES:
                return True
            if kind == "testlist_gexp" and siblings[0] is not node:
                first = str(siblings[0]).strip()
                if first in ("True", "False") or first.strip("'\"") in cls.EVENTS:
                    return True
            if kind == "expr_stmt" and siblings[0] is not node:
                if re.split(r"\W", str(siblings[0]).strip())[-1] in cls.NAMES:
                    return True
            node = node.parent
        return max(cls.octets(leaf.value)[0], default=0) >= 0x80


def fetch():
    """The pinned source distribution."""
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--no-deps", "--no-binary",
                        "autobahntestsuite", "--dest", directory, "autobahntestsuite==" + VERSION], check=True)
        data = Path(directory, f"autobahntestsuite-{VERSION}.tar.gz").read_bytes()
    if hashlib.sha256(data).hexdigest() != SHA256:
        sys.exit("autobahntestsuite: not the pinned source distribution")
    return data


def unpack(data, package):
    """Writes the files that are wanted into `package`, with the line ends of Unix."""
    prefix = f"autobahntestsuite-{VERSION}/autobahntestsuite/"
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive.getmembers():
            name = member.name[len(prefix):]
            if not (member.isfile() and member.name.startswith(prefix)
                    and any(fnmatch.fnmatch(name, pattern) for pattern in KEEP)):
                continue
            content = archive.extractfile(member).read()
            if name.endswith(".py"):
                content = content.replace(b"\r\n", b"\n")
            target = package / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    # lib2to3 finds relative imports only within a package.
    (package / "__init__.py").write_text("from ._version import __version__\nversion = __version__\n")


def port(package):
    tool = refactor.RefactoringTool(FIXERS)
    sources = {}
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package).as_posix()
        text = path.read_text(encoding="utf-8")
        if not text.endswith("\n"):
            text += "\n"
        tree = tool.refactor_string(text, str(path))
        if re.match(r"case/case\d", name):
            WireBytes.apply(tree)
        sources[name] = str(tree)

    for globs, pattern, replacement, expected in RULES:
        count = 0
        for name in sources:
            if any(fnmatch.fnmatch(name, glob) for glob in globs.split(",")):
                sources[name], n = re.subn(pattern, replacement, sources[name], flags=re.M)
                count += n
        if expected is not None and count != expected:
            sys.exit(f"the rule {pattern!r} matched {count} times, not {expected}")

    for name, text in sources.items():
        compile(text, name, "exec")
        (package / name).write_text(text, encoding="utf-8")


def mend_autobahn():
    import autobahn
    name, old, new = AUTOBAHN
    path = Path(autobahn.__file__).parent / name
    text = path.read_text(encoding="utf-8")
    if new not in text:
        if text.count(old) != 1:
            sys.exit(f"{path}: not the pinned autobahn")
        path.write_text(text.replace(old, new), encoding="utf-8")


def check():
    """Imports the result, and looks at what Python 3 would get wrong and not say."""
    from autobahntestsuite import case, fuzzing
    assert fuzzing.Cases is case.Cases
    ported = set()
    for klass in case.Cases:
        ported.add(klass.__name__[len("Case"):].replace("_", "."))
        for name in dir(klass):
            if name.startswith("PAYLOAD") and type(getattr(klass, name)) is not bytes:
                sys.exit(f"{klass.__name__}.{name} is not bytes")
        if "b'" in klass.DESCRIPTION:
            sys.exit(f"{klass.__name__}: bytes in a description")
    if ported != set(cases.select(["*"])):
        sys.exit("these are not the cases of cases.py")
    return len(ported)


def main():
    package = Path(sysconfig.get_paths()["purelib"], "autobahntestsuite")
    data = fetch()
    shutil.rmtree(package, ignore_errors=True)
    unpack(data, package)
    port(package)
    shutil.copy(Path(__file__).resolve().parent / "compat.py", package / "_compat.py")
    mend_autobahn()
    print(f"ported autobahntestsuite {VERSION}: {check()} cases")


if __name__ == "__main__":
    main()
