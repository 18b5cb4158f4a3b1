"""Whether the cores are whole: virtual ones can share a real one, with each other or with other machines, and then two
threads do hardly more than one. The system does not show it: both run, and no time is stolen."""

from __future__ import annotations

import os
import threading
import time

import machine

from lucid.codegen.cpu.peaks import MultiplyAdds

TURNS = 130_000  # of the loop: 0.2 to 0.4 ms
LOOPS = 3  # of which the shortest counts: behind a pause, a clock that varies takes the first to rise
WHOLE = 1.2  # times the shortest time seen: a shared core takes twice as long
IN_A_ROW = 5
PAUSE = 0.02  # seconds between looks: states last for a tenth of a second and longer
PATIENCE = 5.0  # seconds until a turn is taken on cores as they are


class Cores:
    """The first cores of this process, one for each thread, and the shortest time that a thread has needed on them."""

    def __init__(self, threads: int, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._loop = MultiplyAdds()
        self._cores = machine.cores()[:threads]
        self._shortest = min(self._look() for _ in range(10))

    def wait(self) -> None:
        """Wait until all cores have been whole for a while, or patience ends."""
        end = time.perf_counter() + self._patience
        row = 0
        while row < IN_A_ROW and time.perf_counter() < end:
            time.sleep(PAUSE)
            longest = self._look()
            self._shortest = min(self._shortest, longest)
            row = row + 1 if longest < WHOLE * self._shortest else 0

    def _look(self) -> float:
        """The seconds of the slowest thread when there is one on each core."""
        together = threading.Barrier(len(self._cores))
        seconds = [0.0] * len(self._cores)

        def task(number: int) -> None:
            if hasattr(os, "sched_setaffinity"):
                os.sched_setaffinity(0, [self._cores[number]])  # of this thread
            together.wait()
            seconds[number] = min(self._loop.seconds(TURNS) for _ in range(LOOPS))

        threads = [threading.Thread(target=task, args=(number,)) for number in range(len(self._cores))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return max(seconds)
