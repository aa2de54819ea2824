"""The web application."""

import base64
import os
import re
import time
import urllib.parse
import uuid

from . import database, git_bridge, page, redis_store, storages
from .askers import Askers
from .config import load
from .health import Dependency, Health
from .http_service import Fault, Handler, among, serve, until_stopped
from .projects import Projects, Taken

GIT = re.compile(r"/([a-z0-9-]+)\.git/(info/refs|git-upload-pack|git-receive-pack)")
# Balancers ask every second and believe the second answer.
DRAIN_SECONDS = 2.5
# Less than the service manager waits (refarch-app.service).
FINISH_SECONDS = 10
# A push waits so long for a repository that is moved to another storage. git gives up on a silent server later.
MOVE_SECONDS = 20


class App:
    """What the requests share."""

    def __init__(self, config):
        self.config = config
        self.node = config["node"]
        self.database = database.Database(config["database"], self.node)
        self.cache = redis_store.Store(config["redis_cache"])
        self.jobs = redis_store.Store(config["redis_queue"])
        self.storages = storages.Storages(config["gitaly"])
        self.projects = Projects(self.node, self.database, self.cache, self.jobs, self.storages)
        self.askers = Askers(os.path.join(os.environ["RUNTIME_DIRECTORY"], "askers.json"))
        self.health = Health(
            [
                Dependency("database", self.database.leader, required=True),
                Dependency("redis_queue", self.jobs.primary, required=True),
                Dependency("redis_cache", self.cache.primary, required=False),
                *(
                    Dependency(name, lambda name=name: self.storages.health(name), required=False)
                    for name in self.storages.addresses
                ),
            ],
            config["unready_after"],
        )

    def write(self, identity, value):
        """Records a value under an identity, once, and tells which server did."""

        def insert(cursor):
            cursor.execute(
                "insert into writes (id, value, node) values (%s, %s, %s) on conflict (id) do nothing",
                (identity, value, self.node),
            )
            cursor.execute("select host(inet_server_addr())")
            return cursor.fetchone()[0]

        return self.database.run(insert)

    def read(self, identity):
        def select(cursor):
            cursor.execute("select value, node, at::text from writes where id = %s", (identity,))
            return cursor.fetchone()

        return self.database.run(select)

    def unwrite(self, identity):
        self.database.run(lambda cursor: cursor.execute("delete from writes where id = %s", (identity,)))


class Requests(Handler):
    app: App

    def route(self, method, path, query):
        try:
            self.dispatch("GET" if method == "HEAD" else method, path, query)
        except (database.Unavailable, redis_store.Unavailable, storages.Unavailable) as error:
            raise Fault(503, str(error), [("Retry-After", "2")]) from error

    def dispatch(self, method, path, query):
        match path.split("/")[1:], method:
            case [""], "GET":
                self.start_page()
            case ["-", "liveness"], "GET":
                self.json({"status": "ok", "node": self.app.node})
            case ["-", "readiness"], "GET":
                ready, report = self.app.health.report(self.app.node)
                self.json(report, 200 if ready else 503)
                self.app.askers.asked(self.client_address[0], ready)
            case ["-", "metrics"], "GET":
                lines = [*self.app.health.metrics(), *self.counters.lines()]
                lines += ["# TYPE sandbox_askers_awaited gauge", f"sandbox_askers_awaited {self.app.askers.awaited()}"]
                self.text("\n".join(lines) + "\n", kind="text/plain; version=0.0.4")
            case ["api", "projects"], "GET":
                projects, total = self.app.projects.latest(100)
                self.json({"projects": projects, "total": total})
            case ["api", "projects"], "POST":
                self.create_project()
            case ["api", "projects", name], "GET":
                self.json(self.project(name))
            case ["api", "projects", name], "DELETE":
                self.privileged()
                if self.app.projects.remove(name) is None:
                    raise Fault(404, f"there is no project {name}")
                self.json({"name": name, "state": "deleting"}, 202)
            case ["api", "writes"], "POST":
                self.write()
            case ["api", "writes", identity], "GET" | "DELETE":
                self.written(method, identity)
            case _:
                if (matched := GIT.fullmatch(path)) is None:
                    raise Fault(404, "there is nothing here")
                self.git(method, matched[1], matched[2], query)

    def start_page(self):
        _, report = self.app.health.report(self.app.node)
        try:
            projects, total = self.app.projects.latest(20, patience=2)
        except database.Unavailable:
            projects, total = None, "?"
        environment = self.app.config["environment"]
        html = page.render(environment, report, projects, total, environment["url"])
        self.text(html, kind="text/html; charset=utf-8")

    def privileged(self):
        if not self.bearer(self.app.config["root_tokens"]):
            raise Fault(401, "this needs the root token", [("WWW-Authenticate", "Bearer")])

    def project(self, name):
        project = self.app.projects.find(name)
        if project is None:
            raise Fault(404, f"there is no project {name}")
        return project

    def create_project(self):
        self.privileged()
        name = self.read_json().get("name")
        if not Projects.valid(name):
            raise Fault(400, "a name has 1 to 63 lower-case letters, digits and hyphens, and no hyphen at either end")
        try:
            project = self.app.projects.create(name, self.app.health.good)
        except Taken:
            raise Fault(409, f"there is a project {name} already") from None
        self.json(project, 201, [("Location", f"/api/projects/{name}")])

    def write(self):
        self.privileged()
        body = self.read_json()
        try:
            identity = str(uuid.UUID(body.get("id") or str(uuid.uuid4())))
        except (ValueError, AttributeError, TypeError):
            raise Fault(400, "id must be a UUID") from None
        leader = self.app.write(identity, str(body.get("value", "")))
        self.json({"id": identity, "leader": leader, "node": self.app.node}, 201)

    def written(self, method, identity):
        try:
            identity = str(uuid.UUID(identity))
        except ValueError:
            raise Fault(400, "the id must be a UUID") from None
        if method == "DELETE":
            self.privileged()
            self.app.unwrite(identity)
            self.json({"id": identity})
            return
        row = self.app.read(identity)
        if row is None:
            raise Fault(404, f"there is no write {identity}")
        self.json({"id": identity, "value": row[0], "node": row[1], "at": row[2]})

    def git(self, method, name, action, query):
        service = action
        if action == "info/refs":
            service = urllib.parse.parse_qs(query).get("service", [""])[0]
        if service not in git_bridge.SERVICES:
            raise Fault(403, "only smart clients are served")
        if method != ("GET" if action == "info/refs" else "POST"):
            raise Fault(405, "wrong method")
        if service == "git-receive-pack" and not self.may_push():
            raise Fault(401, "pushing needs the root token", [("WWW-Authenticate", 'Basic realm="refarch sandbox"')])
        project = self.project(name)
        if project["state"] != "ready":
            raise Fault(409, f"project {name} is {project['state']}")
        if service == "git-receive-pack":
            project = self.at_rest(project)
        act = git_bridge.advertise if action == "info/refs" else git_bridge.exchange
        try:
            act(self, self.app.storages, project, service)
        except (git_bridge.Refused, storages.Unavailable):
            # It may have moved since the cache was told.
            fresh = None if self.body_begun else self.app.projects.find(name, cached=False)
            if fresh is None or fresh["storage"] == project["storage"]:
                raise
            self.app.projects.forget(name)
            act(self, self.app.storages, fresh, service)

    def at_rest(self, project):
        """The project, once its repository takes pushes. The storage itself refuses those that come in between."""
        end = time.monotonic() + MOVE_SECONDS
        while project.get("moving"):
            if time.monotonic() > end:
                raise Fault(503, f"the repository of {project['name']} is moved: push again", [("Retry-After", "5")])
            time.sleep(0.2)
            project = self.project(project["name"])
        return project

    def may_push(self):
        kind, _, given = self.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "basic":
            return False
        try:
            user, _, password = base64.b64decode(given, validate=True).decode().partition(":")
        except ValueError:
            return False
        return user == "root" and among(password, self.app.config["root_tokens"])


def main():
    """Serves until told to stop; then first lets the balancers notice."""
    app = App(load())
    app.health.start()
    Requests.app = app
    server = serve(app.config["listen"], Requests)
    until_stopped()
    app.askers.keep()
    app.health.stopping = True
    server.finish(DRAIN_SECONDS, FINISH_SECONDS)


if __name__ == "__main__":
    main()
