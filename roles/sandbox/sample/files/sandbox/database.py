"""PostgreSQL, through whatever stands in front of it, surviving a failover."""

import queue
import time

import psycopg2
import psycopg2.errors

PASSING = (
    psycopg2.OperationalError,  # connection lost, pooler without a server, shutdown, statement time-out
    psycopg2.InterfaceError,  # the connection was closed under us
    psycopg2.errors.ReadOnlySqlTransaction,  # reached a server that leads no longer
)


class Unavailable(Exception):
    """The database did not answer within the patience given."""


class Database:
    """A few connections, made when needed."""

    def __init__(self, settings, node, size=8, patience=15.0):
        self.patience = patience
        self.arguments = {
            "host": ",".join(settings["hosts"]),
            "port": settings["port"],
            "dbname": settings["name"],
            "user": settings["user"],
            "password": settings["password"],
            "application_name": node,
            "connect_timeout": 3,
            "keepalives_idle": 3,
            "keepalives_interval": 1,
            "keepalives_count": 3,
            "tcp_user_timeout": 5000,
        }
        self.idle = queue.LifoQueue()
        self.slots = queue.Queue()
        for _ in range(size):
            self.slots.put(None)

    def run(self, work, patience=None):
        """Runs `work(cursor)` in a transaction and returns its result after the commit.

        Tried anew until the patience is over when the server fails. A commit whose answer was lost may have happened:
        so `work` must come to the same end when it runs a second time.
        """
        end = time.monotonic() + (self.patience if patience is None else patience)
        while True:
            try:
                return self._once(work, end)
            except PASSING as error:
                if time.monotonic() >= end:
                    raise Unavailable(str(error).strip().splitlines()[0] if str(error).strip() else "no answer") from error
                time.sleep(0.2)

    def _once(self, work, end):
        try:
            self.slots.get(timeout=max(0.01, end - time.monotonic()))
        except queue.Empty:
            raise psycopg2.OperationalError("every connection is in use") from None
        try:
            connection = self._connection()
            try:
                with connection.cursor() as cursor:
                    result = work(cursor)
                connection.commit()
            except PASSING:
                connection.close()
                raise
            except BaseException:
                connection.rollback()
                self.idle.put(connection)
                raise
            self.idle.put(connection)
            return result
        finally:
            self.slots.put(None)

    def _connection(self):
        while True:
            try:
                connection = self.idle.get_nowait()
            except queue.Empty:
                return psycopg2.connect(**self.arguments)
            if not connection.closed:
                return connection

    def leader(self):
        """Address of the server that takes writes; fails where there is none."""

        def ask(cursor):
            cursor.execute("select pg_is_in_recovery(), host(inet_server_addr())")
            replica, address = cursor.fetchone()
            if replica:
                raise psycopg2.OperationalError("reached a replica")
            return address

        return self.run(ask, patience=0)
