"""Repositories move from one storage to others while they are pushed to: the storages' own services, git, and rows in memory.

The rows answer as PostgreSQL does to the statements of `drain.Rows`; those themselves run in tests/local_environments.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import unittest
import uuid

SANDBOX = pathlib.Path(__file__).parents[2] / "roles/sandbox"
sys.path.insert(0, str(SANDBOX / "sample/files"))
sys.dont_write_bytecode = True

from sandbox import copies, drain, repositories, storages  # noqa: E402
from sandbox.http_service import Server  # noqa: E402

ENVIRONMENT = {"PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null"} | {
    f"GIT_{who}_{what}": "t@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
}
os.environ.update(ENVIRONMENT)


def git(*arguments, at="."):
    done = subprocess.run(["git", *arguments], cwd=at, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"git {arguments}: {done.stderr}")
    return done.stdout.strip()


class Died(BaseException):
    """The mover is gone: it does not even tidy up."""


class Rows:
    """Projects in memory."""

    def __init__(self):
        self.projects = {}
        self.moves = 0
        self.hooks = {}

    def before(self, what):
        hook = self.hooks.pop(what, None)
        if hook:
            hook()

    def number(self):
        self.moves += 1
        return self.moves

    def on(self, storage):
        found = [(each["name"], identity) for identity, each in self.projects.items() if each["storage"] == storage]
        return [(identity, name, self.projects[identity]["state"]) for name, identity in sorted(found)]

    def owners(self, digests):
        known = {drain.digest(storages.Storages.path(each)): each for each in self.projects}
        return {each: (known[each], self.projects[known[each]]["storage"]) for each in digests if each in known}

    def freeze(self, identity, storage, number):
        self.before("freeze")
        row = self.projects.get(identity)
        if not row or row["storage"] != storage or row["state"] != "ready" or (row["move"] or 0) > number:
            return False
        row.update(move=number, frozen=True)
        return True

    def switch(self, identity, storage, target, number):
        self.before("switch")
        row = self.projects.get(identity)
        if not row or row["storage"] != storage or row["state"] != "ready" or row["move"] != number:
            return bool(row) and row["storage"] == target
        row.update(storage=target, move=None, frozen=False)
        self.before("switched")
        return True

    def release(self, identity, storage, number):
        row = self.projects.get(identity)
        if not row or row["storage"] != storage or row["move"] != number:
            return None
        row["move"] = self.number()
        return row["move"]

    def thawed(self, identity, number):
        row = self.projects.get(identity)
        if row and row["move"] == number:
            row.update(move=None, frozen=False)


class Drains(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = pathlib.Path(self.folder.name)
        self.rows = Rows()
        self.said = []
        nodes = []
        for number in (1, 2, 3):
            name = f"gitaly-{number}"
            (self.root / name).mkdir()
            config = {"node": name, "root": str(self.root / name), "tokens": ["secret"]}
            # Every storage on an address of its own, and all on one port, as nodes have it.
            listen = (f"127.0.0.{number}", nodes and self.port or 0)
            server = Server(listen, type("Requests", (repositories.Requests,), {"config": config}))
            self.port = server.server_address[1]
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
            self.addCleanup(server.server_close)
            self.addCleanup(server.shutdown)
            nodes.append({"name": name, "address": listen[0]})
        self.storages = storages.Storages({"token": "secret", "port": self.port, "nodes": nodes})
        # The hooks as nodes have them (gitaly/role.yaml).
        hooks = self.root / "hooks"
        hooks.mkdir()
        for name in ("pre-receive", "reference-transaction"):
            (hooks / name).write_bytes((SANDBOX / "gitaly/files/frozen.sh").read_bytes())
            (hooks / name).chmod(0o755)
        self.receive = f"git -c core.hooksPath={hooks} receive-pack"

    def drain(self, going=()):
        return drain.Drain("gitaly-3", going, self.rows, self.storages, lambda name: None, self.said.append)

    def project(self, name, storage="gitaly-3", commits=2):
        identity = str(uuid.uuid4())
        self.storages.create(storage, identity)
        self.rows.projects[identity] = {"name": name, "storage": storage, "state": "ready", "move": None, "frozen": False}
        clone = self.root / f"work-{name}"
        git("init", "-q", "--initial-branch=main", str(clone))
        for _ in range(commits):
            self.push(identity)
        return identity

    def place(self, identity, storage=None):
        return self.root / (storage or self.rows.projects[identity]["storage"]) / self.storages.path(identity)

    def work(self, identity):
        return self.root / f"work-{self.rows.projects[identity]['name']}"

    def push(self, identity, storage=None, branch="main"):
        clone = self.work(identity)
        git("commit", "-q", "--allow-empty", "-m", "more", at=clone)
        commit = git("rev-parse", "HEAD", at=clone)
        receive = f"--receive-pack={self.receive}"
        git("push", "-q", receive, str(self.place(identity, storage)), f"HEAD:refs/heads/{branch}", at=clone)
        return commit

    def whole(self, identity, commit=None):
        place = self.place(identity)
        git("fsck", "--full", "--strict", at=place)
        commit = commit or git("rev-parse", "HEAD", at=self.work(identity))
        self.assertEqual(git("rev-parse", "refs/heads/main", at=place), commit)
        self.assertEqual(git("symbolic-ref", "HEAD", at=place), "refs/heads/main")

    def left(self, storage="gitaly-3"):
        return [each["path"] for each in copies.repositories(self.root / storage)]

    def test_every_repository_moves_whole_and_nothing_is_left(self):
        there = [self.project(f"p{number}") for number in range(3)]
        empty = self.project("empty", commits=0)
        git("tag", "-a", "-m", "one", "v1", at=self.work(there[0]))
        git("push", "-q", str(self.place(there[0])), "v1", "HEAD:refs/heads/a/b", at=self.work(there[0]))
        stays = self.project("stays", "gitaly-1")
        wanted = {each: copies.refs(str(self.place(each))) for each in (*there, empty)}
        self.assertEqual(self.drain().possible(), 4)
        self.drain().run()
        for identity, refs in wanted.items():
            self.assertNotEqual(self.rows.projects[identity]["storage"], "gitaly-3")
            self.assertEqual(copies.refs(str(self.place(identity))), refs)
        for identity in (*there, stays):
            self.whole(identity)
        self.assertEqual(self.left(), [])
        self.assertIn("2 of 4 moved: p0 to", " ".join(self.said))
        for storage in ("gitaly-1", "gitaly-2", "gitaly-3"):
            self.assertEqual(list((self.root / storage / copies.MOVES).iterdir()), [])

    def test_what_is_pushed_meanwhile_goes_along_or_is_refused(self):
        identity = self.project("p")
        git("push", "-q", str(self.place(identity)), "HEAD:refs/heads/gone/soon", at=self.work(identity))
        pushed = []

        def while_it_is_copied():
            pushed.append(self.push(identity))
            # `gone` cannot be made while there is `gone/soon`.
            git("push", "-q", str(self.place(identity)), ":refs/heads/gone/soon", "HEAD:refs/heads/gone", at=self.work(identity))

        def when_it_is_frozen():
            with self.assertRaisesRegex(AssertionError, "moved to another storage just now, nothing was changed: push again"):
                self.push(identity)
            with self.assertRaises(AssertionError):
                git("-c", f"core.hooksPath={self.root / 'hooks'}", "update-ref", "refs/heads/x", pushed[0], at=self.place(identity))

        self.rows.hooks = {"freeze": while_it_is_copied, "switch": when_it_is_frozen}
        self.drain().run()
        self.whole(identity, pushed[0])
        self.assertEqual(sorted(copies.refs(str(self.place(identity)))["refs"]), ["refs/heads/gone", "refs/heads/main"])
        self.push(identity)
        self.whole(identity)

    def test_a_push_that_is_under_way_is_waited_for(self):
        identity = self.project("p")
        place = self.place(identity)
        move = copies.Move(str(self.root / "gitaly-3"), 1)
        move.begin()
        lock = place / "refs/heads/main.lock"
        lock.touch()
        threading.Timer(0.3, lock.unlink).start()
        move.freeze(self.storages.path(identity))
        self.assertFalse(lock.exists())

    def test_a_mover_killed_at_any_moment_has_lost_nothing_and_another_one_goes_on(self):
        calls = []
        original = storages.Storages.asking

        def counted(this, storage, method, path, *arguments):
            calls.append(f"{method} {path}")
            return original(this, storage, method, path, *arguments)

        self.addCleanup(setattr, storages.Storages, "asking", original)
        first = self.project("whole")
        storages.Storages.asking = counted
        self.drain().run()
        self.whole(first)
        moments = len(calls)
        self.assertGreater(moments, 15)
        storages.Storages.asking = original
        for moment in range(moments):
            (self.root / "gitaly-3" / copies.LEAVING).unlink(missing_ok=True)
            identity = self.project(f"p{moment}", commits=1)
            asked = 0

            def mortal(this, *arguments):
                nonlocal asked
                asked += 1
                if asked > moment:
                    raise Died
                return original(this, *arguments)

            storages.Storages.asking = mortal
            self.rows.hooks = {}
            release, self.rows.release = self.rows.release, lambda *_: None
            try:
                with self.assertRaises(Died):
                    self.drain().run()
            finally:
                storages.Storages.asking, self.rows.release = original, release
            # Whichever storage the row names, what is there is whole.
            self.whole(identity)
            if not self.rows.projects[identity]["frozen"]:
                self.push(identity)
            self.drain().run()
            self.whole(identity)
            self.assertEqual(self.left(), [], f"killed before call {moment}: {calls[moment]}")
            self.push(identity)
            self.whole(identity)

    def test_a_mover_that_was_taken_for_dead_changes_nothing_any_more(self):
        identity = self.project("p")

        def another_one_moves_it_and_users_go_on():
            self.drain().run()
            self.push(identity)

        old = self.drain()
        self.rows.hooks = {"switch": another_one_moves_it_and_users_go_on}
        # It finds that there is nothing left to do.
        old.run()
        self.whole(identity)
        target = self.rows.projects[identity]["storage"]
        for method, part in [("PUT", "kept"), ("DELETE", "source"), ("PUT", "frozen"), ("PUT", "refs")]:
            with self.assertRaises(storages.Refused) as caught:
                path = f"/moves/{old.number}/{self.storages.path(identity)}/{part}"
                self.storages.request(target, method, path, body=b'{"head": "refs/heads/main", "refs": {}}')
            self.assertEqual(caught.exception.status, 409)
        self.whole(identity)

    def test_a_project_that_is_removed_meanwhile_leaves_nothing_behind(self):
        identity = self.project("p")

        def removed():
            self.storages.remove("gitaly-3", identity)
            del self.rows.projects[identity]

        self.rows.hooks = {"switch": removed}
        self.drain().run()
        self.assertEqual([self.left(f"gitaly-{number}") for number in (1, 2, 3)], [[], [], []])

    def test_one_that_was_listed_and_is_gone_is_no_failure(self):
        self.project("a"), self.project("b")
        listed = self.rows.on("gitaly-3")
        removed = listed[1][0]
        self.storages.remove("gitaly-3", removed)
        del self.rows.projects[removed]
        honest, answers = self.rows.on, [listed, listed]
        self.rows.on = lambda storage: answers.pop() if answers else honest(storage)
        self.drain().run()
        self.assertEqual(self.left(), [])

    def test_one_that_is_thawed_just_now_is_moved_when_that_is_done(self):
        identity = self.project("p")
        row = self.rows.projects[identity]
        # As the worker does it, from a number that is higher than the mover's.
        row.update(move=50, frozen=True)
        threading.Timer(0.3, lambda: row.update(move=None, frozen=False)).start()
        self.drain().run()
        self.assertNotEqual(row["storage"], "gitaly-3")
        self.whole(identity)

    def test_where_it_fails_the_repository_takes_pushes_again_where_it_was(self):
        good, bad = self.project("good"), self.project("zbad")
        commit = git("rev-parse", "HEAD~1", at=self.work(bad))
        (self.place(bad) / "objects" / commit[:2] / commit[2:]).unlink()
        with self.assertRaisesRegex(drain.Stopped, f"^zbad stays on gitaly-3, {self.storages.path(bad)}: gitaly-3: .*{commit}.*fsck"):
            self.drain().run()
        self.whole(good)
        self.assertEqual(self.left(), [self.storages.path(bad)])
        self.assertEqual(self.rows.projects[bad]["storage"], "gitaly-3")

        def no_answer():
            raise storages.Unavailable("the database is away")

        again = self.project("again", "gitaly-1")
        self.rows.projects[again]["storage"] = "gitaly-3"
        self.place(again).parent.mkdir(parents=True)
        self.place(again, "gitaly-1").rename(self.place(again))
        self.rows.hooks = {"switch": no_answer}
        with self.assertRaises(drain.Stopped):
            self.drain().run()
        self.assertEqual(self.rows.projects[again]["storage"], "gitaly-3")
        self.push(again)
        self.whole(again)

    def test_a_storage_that_leaves_takes_nothing_new(self):
        self.drain().run()
        with self.assertRaises(storages.Refused) as caught:
            self.storages.create("gitaly-3", str(uuid.uuid4()))
        self.assertEqual(caught.exception.status, 409)
        self.storages.health("gitaly-3")
        self.assertEqual(self.storages.leaving, {"gitaly-3"})

    def test_it_refuses_before_anything_is_changed(self):
        identity = self.project("p")
        with self.assertRaisesRegex(drain.Stopped, "no storage that stays takes its repositories"):
            self.drain(["gitaly-1", "gitaly-2", "app-1"]).run()
        full = drain.Drain.targets
        self.addCleanup(setattr, drain.Drain, "targets", full)
        drain.Drain.targets = lambda this: {"gitaly-1": 10, "gitaly-2": 20}
        with self.assertRaisesRegex(drain.Stopped, "take 1 MB, and gitaly-1, gitaly-2 have room for 1 MB"):
            self.drain().possible()
        drain.Drain.targets = full
        stranger = self.root / "gitaly-3/aa/bb/cc.git"
        stranger.mkdir(parents=True)
        with self.assertRaisesRegex(drain.Stopped, r"1 repositories are on it that no project has \(aa/bb/cc.git\)"):
            self.drain().run()
        self.assertFalse((self.root / "gitaly-3" / copies.LEAVING).exists())
        self.push(identity)
        self.whole(identity)

    def test_a_frozen_repository_is_thawed_by_a_later_move_only(self):
        identity = self.project("p")
        path = self.storages.path(identity)
        for number in (2, 5):
            copies.Move(str(self.root / "gitaly-3"), number).begin()
        copies.Move(str(self.root / "gitaly-3"), 5).freeze(path)
        self.storages.thaw("gitaly-3", 4, identity)
        with self.assertRaises(AssertionError):
            self.push(identity)
        self.storages.thaw("gitaly-3", 6, identity)
        self.push(identity)


if __name__ == "__main__":
    unittest.main()
