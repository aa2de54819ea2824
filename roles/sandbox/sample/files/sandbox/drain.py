"""Moves the repositories of a storage that goes for good to those that stay, while users work.

    python3 -m sandbox.drain possible|run STORAGE [OTHER THAT GOES]...

Each repository is moved alone. What it has is copied first, while it is pushed to. Then its references are frozen, what came
meanwhile follows, and the copy is compared. Only then the project's row names the other storage, and only where the row is
as it was when they were frozen. So one that is killed at any moment has lost nothing: either the row names the old storage,
whose repository is whole, or the new one, which has a whole copy. Doing it again goes on where it was. Workers thaw what
nobody thaws any more (worker.py).
"""

import itertools
import json
import sys
import time

from .storages import Refused, Storages, Unavailable

# Somebody else may look after a frozen repository then.
FROZEN_SECONDS = 60
# How long workers may take for one project that is made or removed.
WORKER_SECONDS = 120
TRIES = 3
# Git and PostgreSQL take long for much; for nothing else.
COPY_SECONDS = 3600
END_SECONDS = 120
# Of the room that the others have, this much stays free.
RESERVE = 0.1


class Stopped(Exception):
    """Why it does not go on, and what to do."""


class Failed(Exception):
    """Why a repository was not moved. It is where it was."""


class Taken(Exception):
    """Somebody else has the project just now: a worker that thaws it, or a mover that is about to end."""


class Rows:
    """What the database says. Every call may be made twice."""

    def __init__(self, database):
        self.database = database

    def _one(self, text, *values):
        def run(cursor):
            cursor.execute(text, values)
            return cursor.fetchone()

        return self.database.run(run)

    def _all(self, text, *values):
        def run(cursor):
            cursor.execute(text, values)
            return cursor.fetchall()

        return self.database.run(run)

    def number(self):
        """The number of a new move."""
        return self._one("select nextval('moves')")[0]

    def on(self, storage):
        """Id, name and state of every project of a storage."""
        return self._all("select id::text, name, state from projects where storage = %s order by name", storage)

    def owners(self, digests):
        """Of those repositories that a project has: which -> id and storage."""
        rows = self._all(
            "select digest, id, storage from (select encode(sha256(convert_to(id::text, 'UTF8')), 'hex') as digest, id::text, "
            "storage from projects) as known where digest = any(%s)",
            list(digests),
        )
        return {digest: (identity, storage) for digest, identity, storage in rows}

    def freeze(self, identity, storage, number):
        """Takes a project. False where it is not there any more, or a later move has it."""
        return bool(
            self._one(
                "update projects set move = %s, frozen_until = now() + make_interval(secs => %s) where id = %s and storage = %s "
                "and state = 'ready' and coalesce(move, 0) <= %s returning true",
                number,
                FROZEN_SECONDS,
                identity,
                storage,
                number,
            )
        )

    def switch(self, identity, storage, target, number):
        """Names the new storage, if nobody else took the project since it was frozen."""

        def run(cursor):
            cursor.execute(
                "update projects set storage = %s, move = null, frozen_until = null where id = %s and storage = %s "
                "and state = 'ready' and move = %s returning true",
                (target, identity, storage, number),
            )
            if cursor.fetchone():
                return True
            # The answer to the first attempt may have been lost.
            cursor.execute("select true from projects where id = %s and storage = %s", (identity, target))
            return cursor.fetchone() is not None

        return self.database.run(run)

    def release(self, identity, storage, number):
        """Gives a project up that was not moved: from now on nothing under the old number counts. Returns a new one."""
        row = self._one(
            "update projects set move = nextval('moves'), frozen_until = now() where id = %s and storage = %s and move = %s "
            "returning move",
            identity,
            storage,
            number,
        )
        return row and row[0]

    def thawed(self, identity, number):
        """Its repository takes pushes again."""
        self._one(
            "update projects set move = null, frozen_until = null where id = %s and move = %s returning true", identity, number
        )


class Drain:
    """A storage that goes."""

    def __init__(self, storage, going, rows, storages, forget, say):
        self.storage = storage
        self.going = {storage, *going} & set(storages.addresses)
        self.rows = rows
        self.storages = storages
        self.forget = forget
        self.say = say
        self.number = None
        self.taking = set()
        self.sizes = {}

    def ask(self, storage, method, path, timeout=10, body=b""):
        return self.storages.request(storage, method, path, timeout, body)

    # Before anything changes.

    def possible(self):
        """Returns how many projects there are to move, and raises where they cannot be."""
        if self.storage not in self.storages.addresses:
            raise Stopped(f"{self.storage} is not among the storages that the application knows: apply first")
        room = self.targets()
        wanted = 0
        for storage in self.going:
            there = self.repositories(storage)
            wanted += sum(each["bytes"] for each in there)
            self.sizes.update((each["path"], each["bytes"]) for each in there)
            if storage == self.storage:
                strangers = self.strangers(there)
                if strangers:
                    raise Stopped(
                        f"{len(strangers)} repositories are on it that no project has ({', '.join(strangers[:3])}): move or "
                        "remove them below /srv/git first"
                    )
        if wanted > sum(room.values()):
            raise Stopped(
                f"its repositories take {megabytes(wanted)}, and {', '.join(sorted(room))} have room for "
                f"{megabytes(sum(room.values()))}: give them more, or keep it"
            )
        return len(self.rows.on(self.storage))

    def targets(self):
        """Storage that stays -> bytes that it has room for."""
        room, silent = {}, []
        for storage in sorted(set(self.storages.addresses) - self.going):
            try:
                found = self.ask(storage, "GET", "/health")
            except Unavailable as error:
                silent.append(str(error))
                continue
            if not found.get("leaving"):
                room[storage] = int(found["free_bytes"] * (1 - RESERVE))
        if not room:
            why = f" ({'; '.join(silent)})" if silent else ""
            raise Stopped(f"no storage that stays takes its repositories{why}")
        return room

    def repositories(self, storage):
        try:
            return self.ask(storage, "GET", "/repositories", COPY_SECONDS)["repositories"]
        except Refused as error:
            if error.status != 404:
                raise
            raise Stopped(f"{storage} was configured by an older refarch: apply with the count as it was, then again") from error

    def strangers(self, there):
        owners = self.rows.owners([digest(each["path"]) for each in there])
        return [each["path"] for each in there if digest(each["path"]) not in owners]

    # The work.

    def run(self):
        count = self.possible()
        self.number = self.rows.number()
        self.taking = set(self.targets())
        for storage in (self.storage, *self.taking):
            self.ask(storage, "PUT", f"/moves/{self.number}", END_SECONDS)
        self.ask(self.storage, "PUT", "/leaving")
        self.say(f"{self.storage} takes no new projects; {count} to move")
        moved, failed = self.all(count)
        if failed:
            raise Stopped("; ".join(failed[:3]) + (f"; and {len(failed) - 3} more" if len(failed) > 3 else ""))
        self.leftovers()
        for storage in (self.storage, *self.taking):
            self.ask(storage, "DELETE", f"/moves/{self.number}", END_SECONDS)
        self.say(f"{moved} of {moved} moved: {self.storage} keeps nothing any more")

    def all(self, count):
        moved, failed = 0, {}
        patience = time.monotonic() + WORKER_SECONDS
        while True:
            left = [row for row in self.rows.on(self.storage) if row[0] not in failed]
            if not left:
                return moved, list(failed.values())
            before = moved + len(failed)
            for identity, name, state in left:
                # Repositories that are being made or removed are the workers' affair.
                if state != "ready":
                    continue
                try:
                    target = self.move(identity, name)
                except Taken:
                    continue
                except (Failed, Unavailable) as error:
                    if self.there(identity):
                        self.say(f"{name} was not moved: {error}")
                        failed[identity] = self.advice(identity, name, error)
                    continue
                if target:
                    moved += 1
                    self.say(f"{moved} of {max(count, moved)} moved: {name} to {target}")
            if moved + len(failed) > before:
                patience = time.monotonic() + WORKER_SECONDS
            elif time.monotonic() > patience:
                _, name, state = left[0]
                raise Stopped(
                    f"{name} ({state}) cannot be moved since {WORKER_SECONDS} s, somebody else has it: look at journalctl -u "
                    "refarch-sidekiq; the same command goes on"
                )
            else:
                time.sleep(0.5)

    def there(self, identity):
        """Whether a project is still one that is to be moved."""
        return any(each == identity and state == "ready" for each, _, state in self.rows.on(self.storage))

    def advice(self, identity, name, error):
        path = self.storages.path(identity)
        return (
            f"{name} stays on {self.storage}, {path}: {error}; mend that (git -C /srv/git/{path} fsck) or remove the project, and "
            "the same command goes on"
        )

    def move(self, identity, name):
        """Moves one project. Returns where to; None where somebody removed it meanwhile."""
        path = self.storages.path(identity)
        have = self.ask(self.storage, "GET", f"/repositories/{path}/refs", COPY_SECONDS)
        target = self.target(name, path)
        for attempt in range(TRIES):
            try:
                self.copy(path, target, have)
                break
            except Unavailable:
                # A reference that is gone by now, for one.
                if attempt == TRIES - 1:
                    raise
                have = self.ask(self.storage, "GET", f"/repositories/{path}/refs", COPY_SECONDS)
        if not self.rows.freeze(identity, self.storage, self.number):
            return self.gone(identity)
        try:
            # From now on nobody finds it in the cache until it is at rest again.
            self.forget(name)
            self.ask(self.storage, "PUT", f"/moves/{self.number}/{path}/frozen", 30)
            last = self.ask(self.storage, "GET", f"/repositories/{path}/refs", COPY_SECONDS)
            copied = self.copy(path, target, last)
            again = self.ask(self.storage, "GET", f"/repositories/{path}/refs", COPY_SECONDS)
            if not copied == last == again:
                raise Failed(f"the copy on {target} is not what it should be")
            self.ask(target, "PUT", f"/moves/{self.number}/{path}/kept", COPY_SECONDS)
            if not self.rows.switch(identity, self.storage, target, self.number):
                self.ask(target, "DELETE", f"/moves/{self.number}/{path}/source")
                return self.gone(identity)
        except BaseException:
            self.thaw(identity, name)
            raise
        self.forget(name)
        try:
            self.ask(self.storage, "DELETE", f"/moves/{self.number}/{path}/source")
        except Unavailable as error:
            # Nobody uses it any more: it is looked for once more at the end.
            self.say(f"{name} moved, and what is left of it on {self.storage} is not removed yet: {error}")
        return target

    def copy(self, path, target, wanted):
        """Brings the copy up to what the references shall say. Returns what they say then."""
        place = f"/moves/{self.number}/{path}"
        try:
            present = self.ask(target, "GET", f"{place}/refs", COPY_SECONDS)
        except Refused as error:
            if error.status != 404:
                raise
            present = {"refs": {}}
        have = sorted(set(present["refs"].values()))
        want = sorted(set(wanted["refs"].values()) - set(have))
        if want:
            asked = json.dumps({"want": want, "have": have}).encode()
            with self.storages.asking(self.storage, "POST", f"/repositories/{path}/pack", COPY_SECONDS, asked) as answer:
                # git is silent before the first piece, for longer than the other side waits.
                first = answer.read1(64 * 1024)
                pieces = itertools.chain([first], iter(lambda: answer.read1(64 * 1024), b""))
                self.ask(target, "PUT", f"{place}/pack", COPY_SECONDS, pieces)
        return self.ask(target, "PUT", f"{place}/refs", COPY_SECONDS, json.dumps(wanted).encode())

    def target(self, name, path):
        room = self.targets()
        size = self.sizes.get(path, 0)
        for storage in self.storages.order(name):
            if storage in self.taking and room.get(storage, 0) > size:
                return storage
        raise Failed(f"no storage that stays has room for its {megabytes(size)}")

    def gone(self, identity):
        """Somebody else has changed the row: a user who removed the project, or one who thawed it."""
        if self.there(identity):
            raise Taken

    def thaw(self, identity, name):
        """Only where the row is still ours: a switch whose answer was lost may have been made, or be made yet."""
        try:
            number = self.rows.release(identity, self.storage, self.number)
            if number is None:
                return
            self.storages.thaw(self.storage, number, identity)
            self.rows.thawed(identity, number)
            self.forget(name)
        except Exception as error:  # noqa: BLE001 - the workers find it
            self.say(f"{name} takes pushes again in a minute: {error}")

    def leftovers(self):
        """Repositories whose project is elsewhere: whoever moved it was killed before this one was removed."""
        there = self.repositories(self.storage)
        owners = self.rows.owners([digest(each["path"]) for each in there])
        for each in there:
            path = each["path"]
            owner = owners.get(digest(path))
            if owner is None:
                raise Stopped(f"{path} on {self.storage} belongs to no project: move or remove it")
            if owner[1] == self.storage:
                raise Stopped(f"{path} on {self.storage} came to be used again: the same command goes on")
            self.ask(owner[1], "GET", f"/repositories/{path}/refs", COPY_SECONDS)
            self.ask(self.storage, "DELETE", f"/moves/{self.number}/{path}/source")


def digest(path):
    return path.rsplit("/", 1)[-1].removesuffix(".git")


def megabytes(count):
    return f"{-(-count // 1_000_000)} MB"


def main(arguments):
    import psycopg2.errors

    from . import database, redis_store
    from .config import load
    from .projects import Projects

    config = load()
    storages = Storages(config["gitaly"])
    rows = database.Database(config["database"], config["node"], size=2)
    projects = Projects(
        config["node"], rows, redis_store.Store(config["redis_cache"]), redis_store.Store(config["redis_queue"]), storages
    )
    verb, storage, *going = arguments
    drain = Drain(storage, going, Rows(rows), storages, projects.forget, lambda line: print(line, flush=True))
    try:
        if verb == "possible":
            rows.run(lambda cursor: cursor.execute("select move from projects limit 0"))
            print(f"{drain.possible()} projects to move")
        else:
            drain.run()
    except psycopg2.errors.UndefinedColumn:
        raise SystemExit("the database is of an older refarch: apply with the count as it was, then again") from None
    except (Stopped, Unavailable, database.Unavailable) as error:
        raise SystemExit(" ".join(str(error).split())) from None


if __name__ == "__main__":
    main(sys.argv[1:])
