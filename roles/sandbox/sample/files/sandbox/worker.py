"""The worker: takes jobs from Redis so that none is lost, whatever dies."""

import json
import sys
import threading
import time
import uuid

from . import database, redis_store, storages
from .config import load
from .health import Dependency, Health
from .http_service import Counters, Fault, Handler, serve, until_stopped
from .projects import QUEUE, Projects

WORKERS = "sandbox:workers"
HEARTBEAT_SECONDS = 15
SEARCH_SECONDS = 5
# A job that nobody finished in this time is put into the queue again.
OVERDUE_SECONDS = 10


class Worker:
    """Several threads that take jobs, and one that looks after what others left behind."""

    def __init__(self, config):
        self.config = config
        self.name = f"{config['node']}:{uuid.uuid4().hex[:8]}"
        self.taken = f"sandbox:taken:{self.name}"
        self.database = database.Database(config["database"], config["node"], size=config["concurrency"] + 2)
        self.jobs = redis_store.Store(config["redis_queue"])
        self.storages = storages.Storages(config["gitaly"])
        self.projects = Projects(config["node"], self.database, redis_store.Store(config["redis_cache"]), self.jobs, self.storages)
        self.stopping = threading.Event()
        self.counters = Counters()
        self.health = Health(
            [
                Dependency("database", self.database.leader, required=True),
                Dependency("redis_queue", self.jobs.primary, required=True),
                *(
                    Dependency(name, lambda name=name: self.storages.health(name), required=False)
                    for name in self.storages.addresses
                ),
            ],
            config["unready_after"],
        )

    def start(self):
        self.health.start()
        self.beat()
        threads = [threading.Thread(target=self.forever, args=(self.take_one,)) for _ in range(self.config["concurrency"])]
        threads.append(threading.Thread(target=self.forever, args=(self.look_after,)))
        for thread in threads:
            thread.start()
        return threads

    def forever(self, step):
        while not self.stopping.is_set():
            try:
                step()
            except Exception as error:  # noqa: BLE001 - whatever failed is tried again
                print(f"{step.__name__}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
                self.stopping.wait(1)

    def take_one(self):
        # The job stays in this worker's own list until it is done: a worker that dies leaves it there to be found.
        job = self.jobs.run(lambda client: client.blmove(QUEUE, self.taken, 2, "RIGHT", "LEFT"), patience=0)
        if job is None:
            return
        try:
            self.perform(json.loads(job))
            self.counters.add("sandbox_jobs_total", result="done")
        except Exception as error:  # noqa: BLE001
            # The row still says what is wanted: the search below queues it again.
            self.counters.add("sandbox_jobs_total", result="failed")
            print(f"{job}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        self.jobs.run(lambda client: client.lrem(self.taken, 1, job))

    def perform(self, job):
        """Does a job. Doing it twice does no harm."""
        identity = job["project"]

        def select(cursor):
            cursor.execute("select name, storage, state, ready_at from projects where id = %s", (identity,))
            return cursor.fetchone()

        found = self.database.run(select)
        if found is None:
            return
        name, storage, state, ready_at = found
        if state == "pending":
            storage = self.create(identity, name, storage)
            done = "update projects set state = 'ready', ready_at = now() where id = %s and state = 'pending' and storage = %s"
        elif state == "deleting":
            try:
                self.storages.remove(storage, identity)
            except storages.Unknown:
                # Gone for good; what was never ready was never on it.
                if ready_at is not None:
                    raise
            done = "delete from projects where id = %s and state = 'deleting' and storage = %s"
        else:
            return
        self.database.run(lambda cursor: cursor.execute(done, (identity, storage)))
        self.projects.forget(name)

    def create(self, identity, name, storage):
        """Makes a project's repository, on another storage where that of its row goes or went for good. Returns the one."""
        try:
            self.storages.create(storage, identity)
            return storage
        except (storages.Unknown, storages.Refused) as error:
            other = self.projects.choose(name, self.health.good)
            if other == storage or isinstance(error, storages.Refused) and error.status != 409:
                raise

        def put(cursor):
            cursor.execute(
                "update projects set storage = %s where id = %s and state = 'pending' and storage = %s",
                (other, identity, storage),
            )

        self.database.run(put)
        self.storages.create(other, identity)
        return other

    def look_after(self):
        self.beat()
        self.recover()
        self.search()
        self.thaw()
        self.stopping.wait(SEARCH_SECONDS)

    def beat(self):
        def write(client):
            client.set(f"{WORKERS}:{self.name}", "1", ex=HEARTBEAT_SECONDS)
            client.sadd(WORKERS, self.name)

        self.jobs.run(write, patience=5)

    def recover(self):
        """Gives jobs of workers that are gone back to the queue."""

        def give_back(client):
            for worker in client.smembers(WORKERS):
                if client.exists(f"{WORKERS}:{worker}"):
                    continue
                while client.lmove(f"sandbox:taken:{worker}", QUEUE, "RIGHT", "RIGHT"):
                    self.counters.add("sandbox_jobs_recovered_total")
                client.srem(WORKERS, worker)

        self.jobs.run(give_back, patience=5)

    def search(self):
        """Queues what the database wants and nobody has done: jobs that never reached Redis, or were lost with it."""

        def overdue(cursor):
            cursor.execute(
                "update projects set touched_at = now() where id in (select id from projects where state <> 'ready' "
                "and touched_at < now() - make_interval(secs => %s) order by touched_at limit 100 for update skip locked) "
                "returning id::text, state",
                (OVERDUE_SECONDS,),
            )
            return cursor.fetchall()

        for identity, state in self.database.run(overdue):
            self.projects.enqueue("create" if state == "pending" else "remove", identity)

    def thaw(self):
        """Lets repositories take pushes again whose mover died. It is too late for that mover then: the row is another's."""

        def overdue(cursor):
            cursor.execute(
                "update projects set move = nextval('moves') where id in (select id from projects where frozen_until < now() "
                "limit 100 for update skip locked) returning id::text, name, storage, move"
            )
            return cursor.fetchall()

        for identity, name, storage, move in self.database.run(overdue):
            try:
                self.storages.thaw(storage, move, identity)
            except storages.Unavailable as error:
                print(f"{name} takes no pushes yet: {error}", file=sys.stderr, flush=True)
                continue
            done = "update projects set frozen_until = null, move = null where id = %s and move = %s"
            self.database.run(lambda cursor: cursor.execute(done, (identity, move)))
            self.projects.forget(name)
            self.counters.add("sandbox_repositories_thawed_total")

    def waiting(self):
        return self.jobs.run(lambda client: client.llen(QUEUE), patience=0)

    def leave(self):
        """Says good-bye, so that nobody waits for the heartbeat to expire."""
        self.jobs.run(lambda client: client.delete(f"{WORKERS}:{self.name}"), patience=1)


class Requests(Handler):
    worker: Worker

    def route(self, method, path, query):
        worker = self.worker
        if path == "/-/liveness":
            self.json({"status": "ok", "node": worker.config["node"]})
        elif path == "/-/readiness":
            ready, report = worker.health.report(worker.config["node"])
            self.json(report, 200 if ready else 503)
        elif path == "/-/metrics":
            lines = [*worker.health.metrics(), *worker.counters.lines()]
            try:
                lines += ["# TYPE sandbox_jobs_waiting gauge", f"sandbox_jobs_waiting {worker.waiting()}"]
            except redis_store.Unavailable:
                pass
            self.text("\n".join(lines) + "\n", kind="text/plain; version=0.0.4")
        else:
            raise Fault(404, "there is nothing here")


def main():
    """Works until told to stop; the jobs at hand are finished first."""
    worker = Worker(load())
    Requests.worker = worker
    serve(worker.config["listen"], Requests)
    threads = worker.start()
    until_stopped()
    worker.health.stopping = True
    worker.stopping.set()
    for thread in threads:
        thread.join(timeout=20)
    try:
        worker.leave()
    except redis_store.Unavailable:
        pass


if __name__ == "__main__":
    main()
