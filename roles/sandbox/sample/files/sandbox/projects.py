"""Projects: rows in PostgreSQL, work in Redis, repositories on the storages."""

import json
import queue
import re
import threading
import uuid

import psycopg2.errors

NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
QUEUE = "sandbox:jobs"
CACHE_SECONDS = 30
# How long a job is kept here for a Redis that is away; after that the workers' own search has found it long since.
LATE_SECONDS = 60
FIELDS = (
    "id::text, name, storage, state, node, created_at::text, ready_at::text, coalesce(frozen_until > now(), false) as moving"
)


class Taken(Exception):
    """There is a project of that name."""


class Projects:
    """All projects."""

    def __init__(self, node, database, cache, jobs, storages):
        self.node = node
        self.database = database
        self.cache = cache
        self.jobs = jobs
        self.storages = storages
        self.late = queue.SimpleQueue()
        threading.Thread(target=self._catch_up, daemon=True).start()

    @staticmethod
    def valid(name):
        return isinstance(name, str) and NAME.fullmatch(name) is not None

    def create(self, name, usable):
        """Records a project and asks a worker to make its repository. Returns after the commit."""
        identity = str(uuid.uuid4())
        storage = self.choose(name, usable)

        def insert(cursor):
            cursor.execute(
                "insert into projects (id, name, storage, node) values (%s, %s, %s, %s) on conflict (id) do nothing",
                (identity, name, storage, self.node),
            )
            cursor.execute(f"select {FIELDS} from projects where id = %s", (identity,))
            return self._row(cursor.fetchone())

        try:
            project = self.database.run(insert)
        except psycopg2.errors.UniqueViolation:
            raise Taken(name) from None
        self.forget(name)
        self.enqueue("create", identity)
        return project

    def choose(self, name, usable):
        """The storage for a new project: one that goes for good only where there is no other."""
        order = self.storages.order(name)
        order.sort(key=lambda each: each in self.storages.leaving)
        return next((each for each in order if each not in self.storages.leaving and usable(each)), order[0])

    def remove(self, name):
        """Marks a project for removal; a worker does it. None where there is no such project."""

        def mark(cursor):
            cursor.execute(
                f"update projects set state = 'deleting', touched_at = now() where name = %s returning {FIELDS}", (name,)
            )
            return self._row(cursor.fetchone())

        project = self.database.run(mark)
        if project:
            self.forget(name)
            self.enqueue("remove", project["id"])
        return project

    def find(self, name, cached=True):
        """A project by name, from the cache where it is there; None where there is none."""
        cached = cached and self._cached(lambda client: client.get(f"project:{name}"))
        if cached:
            return json.loads(cached)

        def select(cursor):
            cursor.execute(f"select {FIELDS} from projects where name = %s", (name,))
            return self._row(cursor.fetchone())

        project = self.database.run(select)
        # Only what will not change by itself is kept.
        if project and project["state"] == "ready" and not project["moving"]:
            self._cached(lambda client: client.set(f"project:{name}", json.dumps(project), ex=CACHE_SECONDS))
        return project

    def latest(self, count, patience=None):
        """The youngest projects, and how many there are."""

        def select(cursor):
            cursor.execute(f"select {FIELDS} from projects order by created_at desc limit %s", (count,))
            rows = [self._row(row) for row in cursor.fetchall()]
            cursor.execute("select count(*) from projects")
            return rows, cursor.fetchone()[0]

        return self.database.run(select, patience)

    def enqueue(self, kind, identity):
        """Asks a worker to do something. Where Redis is away, that waits for it and the request does not: its row is
        committed. Where this process dies first, the workers' own search finds it in the database."""
        job = json.dumps({"kind": kind, "project": identity})
        try:
            self._queue(job, patience=0)
        except Exception:  # noqa: BLE001
            self.late.put(job)

    def _queue(self, job, patience):
        self.jobs.run(lambda client: client.lpush(QUEUE, job), patience)

    def _catch_up(self):
        while True:
            job = self.late.get()
            try:
                self._queue(job, patience=LATE_SECONDS)
            except Exception as error:  # noqa: BLE001
                print(f"not queued: {job}: {error}", flush=True)

    def forget(self, name):
        """Drops a project from the cache."""
        self._cached(lambda client: client.delete(f"project:{name}"))

    def _cached(self, work):
        # The cache is a help, never a need.
        try:
            return self.cache.run(work, patience=0)
        except Exception:  # noqa: BLE001
            return None

    @staticmethod
    def _row(row):
        if row is None:
            return None
        return dict(zip(("id", "name", "storage", "state", "node", "created_at", "ready_at", "moving"), row))
