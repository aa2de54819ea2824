"""A node that restarted waits until those who ask all the while know that it is ready again."""

import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "roles/sandbox/sample/files"))
sys.dont_write_bytecode = True

from sandbox.askers import PATIENCE_SECONDS, Askers  # noqa: E402


class AskersWait(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file = f"{folder.name}/askers.json"
        self.now = 100.0

    def started(self):
        return Askers(self.file, lambda: self.now)

    def ask(self, askers, *addresses, ready=True, times=1):
        for _ in range(times):
            self.now += 1
            for address in addresses:
                askers.asked(address, ready)

    def restarted(self):
        """After a run that two balancers asked all the while, somebody once, and somebody long ago."""
        askers = self.started()
        self.assertEqual(askers.awaited(), 0, "a node that is new waits for nobody")
        self.ask(askers, "a", "b", "former", times=4)
        self.ask(askers, "a", "b", times=8)
        self.ask(askers, "a", "b", "curious")
        askers.keep()
        return self.started()

    def test_it_waits_for_everybody_who_asked_all_the_while(self):
        askers = self.restarted()
        self.assertEqual(askers.awaited(), 2)
        self.ask(askers, "a", "b", ready=False)
        self.assertEqual(askers.awaited(), 2, "they were told that it is not ready")
        self.ask(askers, "a")
        self.assertEqual(askers.awaited(), 1)
        self.ask(askers, "b")
        self.assertEqual(askers.awaited(), 0)

    def test_one_that_is_gone_is_not_waited_for_for_ever(self):
        askers = self.restarted()
        self.now += 100
        self.assertEqual(askers.awaited(), 2, "the time counts from when it is ready")
        self.ask(askers, "a")
        self.now += PATIENCE_SECONDS + 1
        self.assertEqual(askers.awaited(), 0)

    def test_a_file_that_was_cut_short_is_as_none(self):
        pathlib.Path(self.file).write_text('["a"', encoding="utf-8")
        self.assertEqual(self.started().awaited(), 0)


if __name__ == "__main__":
    unittest.main()
