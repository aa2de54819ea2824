"""Who asks whether this node is ready, and whether those that were sent away by a restart have come back.

Nodes restart in turn. The next one goes when this one is ready, but a balancer knows that only when it asks again: until then
it would have nobody left.
"""

import json
import os
import threading
import time

# Who asked within these seconds before the end asks all the while; balancers ask every second.
RECENT_SECONDS = 3
OFTEN = 3
# Whoever has not come back by then is not waited for.
PATIENCE_SECONDS = 15


class Askers:
    """Everybody who asks, remembered in a file from one run of the program to the next."""

    def __init__(self, file, clock=time.monotonic):
        self.file = file
        self.clock = clock
        self.lock = threading.Lock()
        self.times = {}
        self.missed = set()
        self.ready_since = None
        try:
            with open(file, encoding="utf-8") as before:
                self.missed = set(json.load(before))
        except (OSError, ValueError, TypeError):
            # The first run, or one that was killed.
            pass

    def asked(self, address, ready):
        """Somebody asked, and was told whether."""
        with self.lock:
            self.times[address] = [*self.times.get(address, [])[1 - OFTEN :], self.clock()]
            if ready:
                self.missed.discard(address)
                self.ready_since = self.ready_since or self.clock()

    def awaited(self):
        """How many have not heard yet that this node is ready again."""
        with self.lock:
            over = self.ready_since is not None and self.clock() - self.ready_since > PATIENCE_SECONDS
            return 0 if over else len(self.missed)

    def keep(self):
        """Writes down who asks all the while; before they are told that this node goes."""
        with self.lock:
            now = self.clock()
            often = [
                address
                for address, times in self.times.items()
                if len(times) >= OFTEN and now - times[0] < OFTEN * RECENT_SECONDS and now - times[-1] < RECENT_SECONDS
            ]
        with open(f"{self.file}.new", "w", encoding="utf-8") as file:
            json.dump(sorted(often), file)
        os.rename(f"{self.file}.new", self.file)
