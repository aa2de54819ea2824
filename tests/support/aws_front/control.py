"""The control endpoint, `/_front/...`: what a test sets and asks. Everything is JSON."""

import json
import threading

from . import backend, faults, inventory


class Control:
    """Answers the control endpoint's calls."""

    def __init__(self, world, url):
        self.world, self.url = world, url
        self.held, self.release = threading.Event(), threading.Event()
        self._clients = {}

    def answer(self, method, path, body):
        """The answer to a call below `/_front/`, or none where there is no such thing."""
        asked = json.loads(body) if body else {}
        action = getattr(self, f"{method.lower()}_{path.partition('?')[0].strip('/').replace('/', '_')}", None)
        return None if action is None else action(asked)

    def get_ready(self, _):
        return {"ready": True}

    def post_reset(self, _):
        """A fresh account: nothing in it, no faults, settings as at the start, an empty log."""
        with backend.LOCK:
            backend.reset()
            self.world.reset()
        self.held.clear()
        self.release.set()
        return {}

    def post_settings(self, asked):
        """Sets what is named: see `world.Settings`."""
        with backend.LOCK:
            for name, value in asked.items():
                if not hasattr(self.world.settings, name):
                    raise ValueError(f"there is no setting {name}")
                current = getattr(self.world.settings, name)
                setattr(self.world.settings, name, {**current, **value} if isinstance(current, dict) else value)
        return {}

    def post_faults(self, asked):
        """Orders faults in place of those that were on order: see `faults`."""
        with backend.LOCK:
            faults.order(self.world, asked)
        self.held.clear()
        self.release.clear()
        return {}

    def get_faults(self, _):
        """How often each fault fired."""
        with backend.LOCK:
            return [{key: value for key, value in one.items() if key != "dice"} for one in self.world.faults]

    def get_calls(self, _):
        """Every call since the last reset, oldest first."""
        with backend.LOCK:
            return list(self.world.log)

    def post_calls_forget(self, _):
        """Empties the log."""
        with backend.LOCK:
            self.world.log.clear()
        return {}

    def get_counts(self, _):
        """Calls for each operation."""
        counts = {}
        with backend.LOCK:
            for one in self.world.log:
                name = f"{one['service']}.{one['operation']}"
                counts[name] = counts.get(name, 0) + 1
        return dict(sorted(counts.items()))

    def post_wait_held(self, asked):
        """Waits until a call is held, at most so many seconds."""
        return {"held": self.held.wait(asked.get("seconds", 60))}

    def post_release(self, _):
        """Lets held calls go: their connections are closed without an answer."""
        self.release.set()
        return {}

    def post_inventory(self, asked):
        """All that the account has, as boto3 sees it: resource -> list."""
        return self._client(asked).all()

    def post_do(self, asked):
        """A call by somebody else, with boto3: `{"client": "ec2", "method": "terminate_instances", "params": {}}`."""
        client = self._client(asked).client[asked["client"]]
        return getattr(client, asked["method"])(**asked.get("params", {}))

    def _client(self, asked):
        region = asked.get("region", "us-east-1")
        if region not in self._clients:
            self._clients[region] = inventory.Inventory(self.url, region)
        return self._clients[region]

    def post_settle(self, _):
        """Lets everything arrive that is on its way."""
        with backend.LOCK:
            self.world.lingering.clear()
            self.world.profiles.clear()
            for identifier in list(self.world.passages):
                self.world.passages.pop(identifier).arrive()
        return {}
