"""The kit for testing pipelines and plugs: a scripted source, a list sink, a hand-moved clock, and crashes.

    from mainstem.testing import Crash, crash_at, scripted

| module | what it is for |
| --- | --- |
| scripted | the source `scripted`: rows, PAUSE, DRAINED, END, CRASH, arrival times |
| collect | the sink `collect`: what was committed, as a list |
| crash | crash or kill at a point of the protocol or at any durable call |
| conformance | a case with what it must give, carried out on any engine and compared exactly; random pipelines |
"""

from mainstem.clock import HandClock
from mainstem.testing.crash import Crash, Reached, count_durable_calls, crash_at, kill_at, kill_from_environment

__all__ = ["Crash", "HandClock", "Reached", "count_durable_calls", "crash_at", "kill_at", "kill_from_environment"]
