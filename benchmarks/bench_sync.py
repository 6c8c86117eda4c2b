"""What one changed flag among ten thousand costs: bytes over the wire, and CPU until a client answers with it.

Usage: python benchmarks/bench_sync.py [flags]
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from flagctl.client.client import Client
from flagctl.ops.publish import publish
from flagctl.ops.publish_model import PublishOptions

sys.path.insert(0, str(Path(__file__).parent))

from repositories import publish_flags

ROUNDS = 12


class Meter:
    """A remote that adds up what is read from it, by kind of object."""

    def __init__(self, remote) -> None:  # noqa: ANN001
        self.remote, self.url, self.read = remote, remote.url, {}

    def get(self, key: str, **settings):  # noqa: ANN003, ANN201, D102
        found = self.remote.get(key, **settings)
        kind = key.split("/")[1]
        self.read[kind] = self.read.get(kind, 0) + len(getattr(found, "data", b""))
        return found


def changed(data: bytes, number: int) -> bytes:
    lines = data.split(b"\n")
    at = next(index for index, line in enumerate(lines) if line.startswith(b'"flag-00005"'))
    lines[at] = lines[at].replace(b'"owner":"', b'"owner":"v%d-' % number, 1)
    return b"\n".join(lines)


def main(flags: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        base, target, trust, publisher = publish_flags(Path(folder), flags)
        remote = target.remote
        with Client(remote.url, environment=target.environment, trust=trust, poll_interval=86_400) as client:
            client.wait_until_ready(60)
            client.refresh()
            for warm in (0, flags):
                for key in client._updater.held.flags.keys()[:warm]:  # noqa: SLF001
                    client.evaluate(key, {"targeting_key": "u"})
                costs = []
                for number in range(ROUNDS):
                    publish(target, changed(base, warm + number), [publisher], PublishOptions(allow_rollback=True))
                    meter = client._updater._remote = Meter(remote)  # noqa: SLF001
                    begun = time.process_time()
                    client.refresh()
                    client.evaluate("flag-00005", {"targeting_key": "u"})
                    costs.append(time.process_time() - begun)
                print(
                    f"{warm:6} flags in use: {min(costs) * 1000:6.2f} ms of CPU until the answer, bytes read: {meter.read}"
                )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
