"""Streams of the imitation of CuPy, which do at once what they are given, but insist that they were told to wait for
what other streams have been given before; and an account of all that is asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar


@dataclass
class Calls:
    """What has been asked of the "GPU"."""

    current: ClassVar[Calls]
    launches: list[tuple[str, Any, Any]] = field(default_factory=list)  # function, blocks, threads
    synchronizations: int = 0
    captures: int = 0
    replays: int = 0
    waits: int = 0
    works: int = 0  # of all streams


Calls.current = Calls()


class Stream:
    """Runs what is launched at once, or keeps it while it is captured. No stream waits for another by itself."""

    current: Stream
    all: ClassVar[dict[int, Stream]] = {}  # by what CUDA calls their pointers
    captured: list[Any] | None = None

    def __init__(
        self, null: bool = False, non_blocking: bool = False, ptds: bool = False, priority: int | None = None
    ) -> None:
        self.before = self
        self.ptr = len(self.all) + 1
        self.all[self.ptr] = self
        self.follows = 0  # what waits for it comes behind so many works: all of them are in one order

    def __enter__(self) -> Stream:
        self.before, Stream.current = Stream.current, self
        return self

    def __exit__(self, *_: object) -> None:
        Stream.current = self.before

    def work(self) -> None:
        """Note that something is done on this stream."""
        assert self.follows == Calls.current.works, (
            "this stream was not told to wait for another that has been used since"
        )
        self.follows = Calls.current.works = Calls.current.works + 1

    def begin_capture(self, mode: int | None = None) -> None:
        assert self is Stream.current, "what is launched on another stream is not captured"
        self.captured = []

    def end_capture(self) -> Any:
        captured, self.captured = self.captured, None
        assert captured
        Calls.current.captures += 1
        return Graph(captured)

    def record(self, event: None = None) -> Event:
        assert event is None
        recorded = Event()
        recorded.record(self)
        return recorded

    def wait_event(self, event: Event) -> None:
        assert event.stream is not self
        self.follows = max(self.follows, event.follows)
        Calls.current.waits += 1


class Event:
    """A place on a stream."""

    def __init__(self, block: bool = False, disable_timing: bool = False, interprocess: bool = False) -> None:
        self.stream: Stream | None = None
        self.follows = 0

    def record(self, stream: Stream | None = None) -> None:
        self.stream = stream or Stream.current
        self.follows = self.stream.follows

    def synchronize(self) -> None:
        assert self.stream is not None
        Calls.current.synchronizations += 1


@dataclass
class Graph:
    """What has been captured."""

    captured: list[Any]

    def launch(self, stream: Stream | None = None) -> None:
        assert stream in (None, Stream.current)
        Stream.current.work()
        Calls.current.replays += 1
        for run in self.captured:
            run()


Stream.current = Stream()


def get_current_stream(device_id: int = -1) -> Stream:
    return Stream.current


def get_elapsed_time(start_event: Event, end_event: Event) -> float:
    assert start_event.stream is end_event.stream is not None
    return 0.5
