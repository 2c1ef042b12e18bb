"""What of upstream's `wstest` is ported: its two fuzzing modes, with the same options.

    wstest.py --mode fuzzingclient|fuzzingserver --spec FILE [--webport 0]

Fails with 3 if the suite itself raised an exception, so that a fault of the port cannot pass for one of ours.
"""

import argparse
import json
import sys
import zlib
from pathlib import Path

from autobahntestsuite import fuzzing
from twisted.internet import reactor
from twisted.python import log


class Exceptions:
    """An exception can leave the suite without a next step: it is shown, and ends the run."""

    raised = False

    def __call__(self, event):
        if not event.get("isError"):
            return
        failure = event.get("failure")
        file, function = (failure.frames[-1][1], failure.frames[-1][0]) if failure and failure.frames else ("", "")
        if failure and failure.check(zlib.error):
            # Upstream leaves it uncaught, and the case fails.
            print("what came does not decompress:", failure.getErrorMessage(), file=sys.stderr)
        elif function == "onMessage" and Path(file).name == "fuzzing.py":
            print("a message came outside of a case:", failure.getErrorMessage(), file=sys.stderr)
        elif not self.raised:
            self.raised = True
            print(failure.getTraceback() if failure else event.get("message"), file=sys.stderr)
            reactor.callLater(0, reactor.crash)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", required=True, choices=["fuzzingclient", "fuzzingserver"])
    parser.add_argument("--spec", required=True, type=Path)
    parser.add_argument("--webport", default=8080, type=int, help="of the fuzzing server's web pages, or 0")
    args = parser.parse_args()

    exceptions = Exceptions()
    log.addObserver(exceptions)
    spec = json.loads(args.spec.read_text())
    if args.mode == "fuzzingclient":
        fuzzing.startClient(spec)
    else:
        fuzzing.startServer(spec, args.webport)
    reactor.run()
    return 3 if exceptions.raised else 0


if __name__ == "__main__":
    sys.exit(main())
