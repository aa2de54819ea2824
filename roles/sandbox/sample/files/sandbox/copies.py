"""What a storage does while repositories move to another one.

A move has a number that rises from mover to mover. On a storage it is a folder: whoever begins removes those of lower
numbers, and what a mover without its folder asks is refused. So one that was taken for dead changes nothing any more.
"""

import os
import shutil
import subprocess
import tempfile
import threading
import time

from .http_service import Fault

# The name has no suffix: nothing in there is taken for a repository.
MOVES = ".moving"
# While it is there, the storage takes no new repositories. `apply` removes it where the storage stays after all.
LEAVING = ".leaving"
# In a repository: its references stay as they are (gitaly/files/frozen.sh).
FROZEN = "refarch-frozen"
LOCK_SECONDS = 10
READER_SECONDS = 60

turn = threading.Lock()


def git(place, *arguments, text=None):
    """Runs git in a repository, and returns what it said. A warning is as bad as a failure: it may name what is left out."""
    done = subprocess.run(["git", "-C", place, *arguments], input=text, capture_output=True, text=True, check=False)
    if done.returncode or done.stderr.strip():
        lines = done.stderr.strip().splitlines() or [f"git {arguments[0]} ended with {done.returncode}"]
        raise Fault(500, " ".join(lines[-3:])[:400])
    return done.stdout


def init(place):
    git(os.path.dirname(place), "init", "--quiet", "--bare", "--template=", "--initial-branch=main", place)


def sync(path):
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def repositories(root):
    """Every repository with its size."""
    found = []
    for first in _folders(root):
        for second in _folders(first):
            for place in _folders(second):
                if place.endswith(".git"):
                    found.append({"path": os.path.relpath(place, root), "bytes": size(place)})
    return sorted(found, key=lambda each: each["path"])


def _folders(path):
    try:
        return [entry.path for entry in os.scandir(path) if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []


def size(place):
    whole = 0
    for folder, _, names in os.walk(place):
        for name in names:
            try:
                whole += os.lstat(os.path.join(folder, name)).st_blocks * 512
            except FileNotFoundError:
                pass
    return whole


def refs(place):
    """What a repository's references say, and where its HEAD points."""
    if not os.path.isdir(place):
        raise Fault(404, "there is no such repository")
    head = git(place, "symbolic-ref", "HEAD").strip()
    lines = git(place, "for-each-ref", "--format=%(objectname) %(refname)").splitlines()
    return {"head": head, "refs": {name: commit for commit, name in (line.split(" ", 1) for line in lines)}}


def pack(place, want, have):
    """A pack with what somebody wants who has something already, in pieces. One that ends early fails."""
    revisions = "".join(f"{commit}\n" for commit in want) + "".join(f"^{commit}\n" for commit in have)
    command = ["git", "-C", place, "pack-objects", "--quiet", "--revs", "--stdout", "--thin", "--delta-base-offset"]
    with tempfile.TemporaryFile() as asked, tempfile.TemporaryFile() as said:
        asked.write(revisions.encode())
        asked.seek(0)
        with subprocess.Popen(command, stdin=asked, stdout=subprocess.PIPE, stderr=said) as process:
            try:
                while piece := process.stdout.read1(64 * 1024):
                    yield piece
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            raise Fault(500, tail(said) or f"git pack-objects ended with {process.returncode}")


def tail(file):
    file.seek(0)
    return " ".join(file.read().decode(errors="replace").strip().splitlines()[-3:])[:400]


class Move:
    """A move, on one of the storages that it concerns."""

    def __init__(self, root, number):
        self.root = root
        self.moves = os.path.join(root, MOVES)
        self.number = number
        self.folder = os.path.join(self.moves, str(number))

    def staged(self, path):
        return os.path.join(self.folder, os.path.basename(path).removesuffix(".git"))

    def begin(self):
        with turn:
            os.makedirs(self.moves, exist_ok=True)
            names = os.listdir(self.moves)
            if any(name.isdigit() and int(name) > self.number for name in names):
                raise Fault(409, "another move has begun since")
            os.makedirs(self.folder, exist_ok=True)
            for name in names:
                if name != str(self.number):
                    # Out of the way first: whoever still writes there may make removing it fail.
                    old = os.path.join(self.moves, f"gone-{name.removeprefix('gone-')}")
                    os.rename(os.path.join(self.moves, name), old)
                    shutil.rmtree(old, ignore_errors=True)

    def check(self):
        if not os.path.isdir(self.folder):
            raise Fault(409, "another move has begun since, or this one ended")

    def end(self):
        """Removes what is left of it, once nobody reads in it any more."""
        wait(lambda: not busy(self.folder), READER_SECONDS)
        with turn:
            shutil.rmtree(self.folder, ignore_errors=True)

    def refs(self, path):
        self.check()
        return refs(self.staged(path))

    def receive(self, path, pieces):
        """Adds a pack to the copy."""
        self.check()
        place = self.staged(path)
        if not os.path.isdir(place):
            init(place)
        command = ["git", "-C", place, "index-pack", "--stdin", "--fix-thin", "--strict"]
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said)
            try:
                for piece in pieces:
                    process.stdin.write(piece)
                process.stdin.close()
            except BrokenPipeError:
                # It says below what it does not like, to whoever listens when all is sent.
                for _ in pieces:
                    pass
            except BaseException:
                process.kill()
                raise
            finally:
                code = process.wait()
            if code:
                raise Fault(500, tail(said) or f"git index-pack ended with {code}")

    def set_refs(self, path, head, wanted):
        """Makes the copy's references what they shall be, and proves that everything they need is there. Returns what they
        say then."""
        self.check()
        place = self.staged(path)
        if not os.path.isdir(place):
            init(place)
        present = refs(place)["refs"]
        new = {name: commit for name, commit in wanted.items() if present.get(name) != commit}
        if new:
            asked = "".join(f"{commit}\n" for commit in new.values()) + "".join(f"^{commit}\n" for commit in present.values())
            git(place, "rev-list", "--objects", "--quiet", "--stdin", text=asked)
        git(place, "symbolic-ref", "HEAD", head)
        # Those that go first: `a` cannot be made while there is `a/b`.
        git(place, "update-ref", "--stdin", text="".join(f"delete {name}\n" for name in present if name not in wanted))
        git(place, "update-ref", "--stdin", text="".join(f"update {name} {commit}\n" for name, commit in new.items()))
        for folder, _, names in os.walk(place):
            for name in names:
                sync(os.path.join(folder, name))
            sync(folder)
        return refs(place)

    def keep(self, path):
        """Puts the copy in its place, where at most one of an earlier move is, which never came to be used."""
        place = os.path.join(self.root, path)
        parent = os.path.dirname(place)
        with turn:
            self.check()
            staged = self.staged(path)
            if not os.path.isdir(staged):
                raise Fault(404, "there is no copy")
            os.makedirs(parent, exist_ok=True)
            self._away(place)
            os.rename(staged, place)
        for folder in (parent, os.path.dirname(parent), self.root):
            sync(folder)

    def freeze(self, path):
        """From now on the references stay as they are. Returns when nobody is changing one any more."""
        place = os.path.join(self.root, path)
        with turn:
            self.check()
            if not os.path.isdir(place):
                raise Fault(404, "there is no such repository")
            with open(os.path.join(place, FROZEN), "w", encoding="utf-8") as file:
                file.write(str(self.number))
                file.flush()
                os.fsync(file.fileno())
            sync(place)
        # Whoever was asked before the mark was there holds a lock until the reference is changed.
        if not wait(lambda: not locks(place), LOCK_SECONDS):
            held = ", ".join(os.path.relpath(lock, place) for lock in locks(place))
            raise Fault(500, f"{held} is there for more than {LOCK_SECONDS} s: where no git runs that holds it, remove it")

    def thaw(self, path):
        """References may change again, unless a later move wants them as they are."""
        mark = os.path.join(self.root, path, FROZEN)
        with turn:
            try:
                with open(mark, encoding="utf-8") as file:
                    by = int(file.read() or 0)
            except FileNotFoundError:
                return
            if by <= self.number:
                os.unlink(mark)

    def drop(self, path):
        """The repository is elsewhere now. Who reads it just now has its folder open, and may go on."""
        with turn:
            self.check()
            self._away(os.path.join(self.root, path))

    def _away(self, place):
        if os.path.isdir(place):
            os.rename(place, os.path.join(tempfile.mkdtemp(dir=self.folder, prefix="gone-"), "repository"))


def locks(place):
    found = [os.path.join(place, name) for name in ("HEAD.lock", "packed-refs.lock")]
    found = [name for name in found if os.path.exists(name)]
    for folder, _, names in os.walk(os.path.join(place, "refs")):
        found += [os.path.join(folder, name) for name in names if name.endswith(".lock")]
    return found


def busy(folder):
    """Whether a process of this user works in a folder, or in one below it."""
    inside = {(each.st_dev, each.st_ino) for each in map(os.stat, (name for name, _, _ in os.walk(folder)))}
    for process in os.listdir("/proc"):
        if not process.isdigit():
            continue
        try:
            at = os.stat(f"/proc/{process}/cwd")
        except OSError:
            continue
        if (at.st_dev, at.st_ino) in inside:
            return True
    return False


def wait(done, seconds):
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() >= end:
            return False
        time.sleep(0.05)
    return True
