"""Asks the dependencies in the background, so that a health check is answered at once and never piles up."""

import threading
import time

INTERVAL = 1.0
# A round may take this long before its last results count as unknown.
STALE = 12.0


class Dependency:
    """Something the program needs."""

    def __init__(self, name, probe, required):
        self.name = name
        self.probe = probe
        self.required = required
        self.good = False
        self.detail = "not asked yet"
        self.milliseconds = 0.0
        self.last_good = None
        self.asked = time.monotonic()

    def ask(self):
        started = time.monotonic()
        try:
            self.detail = self.probe() or ""
            self.good = True
            self.last_good = time.monotonic()
        except Exception as error:  # noqa: BLE001 - whatever goes wrong is the answer
            self.good = False
            self.detail = str(error) or type(error).__name__
        self.asked = time.monotonic()
        self.milliseconds = (self.asked - started) * 1000

    def is_good(self):
        return self.good and time.monotonic() - self.asked < STALE


class Health:
    """All dependencies, and what they mean for this node."""

    def __init__(self, dependencies, patience):
        self.dependencies = dependencies
        self.patience = patience
        self.stopping = False

    def start(self):
        for dependency in self.dependencies:
            threading.Thread(target=self._watch, args=(dependency,), daemon=True).start()

    @staticmethod
    def _watch(dependency):
        while True:
            dependency.ask()
            time.sleep(INTERVAL)

    def good(self, name):
        """Whether a dependency was good when last asked."""
        return any(dependency.name == name and dependency.is_good() for dependency in self.dependencies)

    def ready(self):
        """Whether a balancer should send work here.

        Not when the node stops, nor before everything required has been good once, nor when a required dependency
        has been bad for longer than a failover takes. A shorter failure is waited out by the requests themselves:
        it hits all nodes alike, and taking all of them out would only turn slow answers into refused ones. One lost
        storage concerns only its own projects, a lost cache none: neither takes the node out.
        """
        now = time.monotonic()
        return not self.stopping and all(
            dependency.last_good is not None and now - dependency.last_good < self.patience
            for dependency in self.dependencies
            if dependency.required
        )

    def report(self, node):
        """The answer to a readiness check."""
        good = all(dependency.is_good() for dependency in self.dependencies)
        ready = self.ready()
        return ready, {
            "status": "ok" if good and ready else "degraded" if ready else "failed",
            "node": node,
            "stopping": self.stopping,
            "checks": {
                dependency.name: {
                    "status": "ok" if dependency.is_good() else "failed",
                    "required": dependency.required,
                    "milliseconds": round(dependency.milliseconds, 1),
                    "detail": dependency.detail,
                }
                for dependency in self.dependencies
            },
        }

    def metrics(self):
        lines = ["# TYPE sandbox_dependency_up gauge"]
        lines += [f'sandbox_dependency_up{{name="{each.name}"}} {int(each.is_good())}' for each in self.dependencies]
        lines += ["# TYPE sandbox_ready gauge", f"sandbox_ready {int(self.ready())}"]
        return lines
