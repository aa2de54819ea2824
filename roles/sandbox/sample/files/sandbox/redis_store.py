"""Redis, found through Sentinel where its set has several nodes, surviving a failover."""

import time

import redis
import redis.sentinel

PASSING = (
    redis.exceptions.ConnectionError,  # includes a primary that Sentinel does not know
    redis.exceptions.TimeoutError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.BusyLoadingError,
)


class Unavailable(Exception):
    """Redis did not answer within the patience given."""


class Store:
    """One set of Redis nodes."""

    def __init__(self, settings, patience=15.0):
        self.patience = patience
        login = {
            "username": "app",
            "password": settings["password"],
            "decode_responses": True,
            "socket_connect_timeout": 1,
            # Longer than any wait that is asked of Redis.
            "socket_timeout": 3,
            "socket_keepalive": True,
        }
        if settings["sentinels"]:
            # A Sentinel that is down must not cost every request its full time-out.
            self.sentinel = redis.sentinel.Sentinel(
                [tuple(address) for address in settings["sentinels"]],
                sentinel_kwargs={
                    "password": settings["sentinel_password"],
                    "socket_connect_timeout": 0.5,
                    "socket_timeout": 0.5,
                },
                **login,
            )
            self.client = self.sentinel.master_for(settings["name"])
        else:
            self.client = redis.Redis(host=settings["host"], port=settings["port"], **login)

    def run(self, work, patience=None):
        """`work(client)`, tried anew while a failover is under way. It must bear to be done twice."""
        end = time.monotonic() + (self.patience if patience is None else patience)
        while True:
            try:
                return work(self.client)
            except PASSING as error:
                passing = error
            except redis.exceptions.ResponseError as error:
                # A primary that lost its replicas takes no writes until they are back or another leads.
                if not str(error).startswith(("NOREPLICAS", "MASTERDOWN", "UNBLOCKED")):
                    raise
                passing = error
            if time.monotonic() >= end:
                raise Unavailable(str(passing) or type(passing).__name__) from passing
            self.client.connection_pool.disconnect()
            time.sleep(0.2)

    def primary(self):
        """Asks whether writes are taken."""
        self.run(lambda client: client.set("health", "1", ex=60), patience=0)
