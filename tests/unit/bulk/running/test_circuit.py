"""`bulk.circuit`: how much a server in trouble is sent."""

import pytest

from xoxo_async.bulk.running.circuit import Circuit, Flow, InFlight, ProbeAnswer
from xoxo_async.bulk.session import PROBING


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def circuit_of(clock: Clock, most: int = 1_000_000) -> Circuit:
    return Circuit(60, clock, most=most, waits=PROBING.waits)


def halved(in_flight: int = 100, most: int = 256) -> tuple[InFlight, Clock]:
    clock = Clock()
    limit = InFlight(most, clock)
    limit.throttled(in_flight)
    return limit, clock


def test_without_trouble_only_the_most_is_a_limit() -> None:
    """Successes change nothing."""
    limit = InFlight(8, Clock())
    for _ in range(100):
        limit.succeeded()
    assert limit.limit == 8


def test_the_real_number_in_flight_is_halved() -> None:
    """With 2 of 256 in flight, half of 256 would be no limit; the limit is at least 1."""
    assert halved(in_flight=100)[0].limit == 50
    assert halved(in_flight=1)[0].limit == 1
    assert halved(in_flight=9, most=8)[0].limit == 4


def test_a_volley_of_refusals_halves_once() -> None:
    """Requests sent under the old limit do not halve it again; a refusal a second later does."""
    limit, clock = halved()
    for _ in range(99):
        limit.throttled(100)
    assert limit.limit == 50
    clock.now = 1.0
    limit.throttled(50)
    assert limit.limit == 25


@pytest.mark.parametrize("answers_a_second", [2, 100])
def test_successes_grow_it_back_whatever_the_latency(answers_a_second: int) -> None:
    """The limit is back within four seconds, at a hundred answers a second and at two."""
    limit, clock = halved()
    seen = []
    for n in range(1, 5 * answers_a_second):
        clock.now = n / answers_a_second
        limit.succeeded()
        seen.append(limit.limit)
    assert seen == sorted(seen)
    assert seen[2 * answers_a_second - 1] in range(70, 80)
    assert seen[-1] == 256


def test_silence_grows_nothing() -> None:
    """One answer after a long wait counts as one second of successes."""
    limit, clock = halved()
    clock.now = 100.0
    limit.succeeded()
    assert limit.limit == 62


def test_one_failure_in_a_hundred_is_no_distress() -> None:
    """A few failing lines do not slow down the others."""
    limit = InFlight(256, Clock())
    for n in range(2000):
        limit.failed(100) if n % 100 == 0 else limit.succeeded()
    assert limit.limit == 256


def test_a_third_failing_is_distress() -> None:
    """At 30 % failures the limit goes down again and again, and is back four seconds after the last one."""
    clock = Clock()
    limit = InFlight(256, clock)
    lowest = 256
    for n in range(1000):  # ten seconds at a hundred a second
        clock.now = n / 100
        limit.failed(100) if n % 10 in {0, 3, 6} else limit.succeeded()
        lowest = min(lowest, limit.limit)
    assert lowest < 30
    assert limit.limit < 50
    for n in range(1000, 1800):
        clock.now = n / 100
        limit.succeeded()
    assert limit.limit == 256


def outage(circuit: Circuit, clock: Clock, seconds: float) -> None:
    """Everything in flight fails, probes fail, and at its end one line succeeds."""
    for _ in range(100):
        circuit.failed("503", reached=True, in_flight=100)
    assert (circuit.flow, circuit.limit) == (Flow.NONE, 0)
    circuit.probed(ProbeAnswer.NONE)
    clock.now += seconds
    circuit.probed(ProbeAnswer.GOOD)
    assert (circuit.flow, circuit.limit) == (Flow.TRIAL, 1)
    circuit.succeeded()


@pytest.mark.parametrize("seconds", [0.3, 30.0])
def test_after_an_outage_no_limit_remains(seconds: float) -> None:
    """The failures of an outage do not limit a server that answers again."""
    clock = Clock()
    circuit = circuit_of(clock, most=256)
    outage(circuit, clock, seconds)
    assert (circuit.flow, circuit.limit) == (Flow.FULL, 256)


def test_a_chance_opening_keeps_a_distressed_servers_limit() -> None:
    """Five failures in a row also happen at 30 % failures, so the earlier limit stays."""
    clock = Clock()
    circuit = circuit_of(clock, most=256)
    circuit.throttled(100)
    clock.now = 1.0
    outage(circuit, clock, 0.2)
    assert circuit.limit in range(40, 70)


def test_a_throttled_run_keeps_the_circuit_closed() -> None:
    """A refusal for the rate limit proves that the server works."""
    circuit = circuit_of(Clock(), most=256)
    circuit.throttled(100)
    assert (circuit.flow, circuit.limit) == (Flow.FULL, 50)


def test_an_unreached_server_opens_the_circuit_at_once() -> None:
    """A refused connection is no sign of load, so the first one opens the circuit."""
    clock = Clock()
    circuit = circuit_of(clock, most=256)
    circuit.failed("refused", reached=False, in_flight=100)
    assert circuit.limit == 0
    clock.now = 59.0
    assert not circuit.given_up
    circuit.probed(ProbeAnswer.GOOD)
    circuit.succeeded()
    assert circuit.limit == 256


def test_a_server_dead_too_long_is_given_up() -> None:
    """Counted from the first failure without a success after it."""
    clock = Clock()
    circuit = circuit_of(clock)
    circuit.failed("refused", reached=False)
    clock.now = 60.0
    assert circuit.given_up
    assert circuit.reason == "refused"


def test_probes_come_within_a_second_of_each_other() -> None:
    """After an outage of any length the full rate is back within two seconds."""
    circuit = circuit_of(Clock())
    assert all(0 <= circuit.next_wait() <= 1.0 for _ in range(100))


def test_a_server_with_failing_look_ups_is_tried() -> None:
    """Its orders may work; each failed trial line doubles the wait before the next."""
    clock = Clock()
    circuit = circuit_of(clock)
    tried: list[float] = []

    def outage_until(end: float) -> None:
        circuit.failed("500", reached=False)
        while clock.now < end:
            circuit.probed(ProbeAnswer.FAILURE)
            if circuit.flow is Flow.TRIAL:
                tried.append(clock.now)
                circuit.failed("500", reached=True)
            clock.now += 0.5

    outage_until(59.0)
    assert tried == [0.0, 2.0, 6.0, 14.0, 30.0]
    circuit.probed(ProbeAnswer.GOOD)
    circuit.succeeded()
    tried.clear()
    outage_until(62.0)
    assert tried == [59.0, 61.0]


def test_patience_runs_out_with_the_limit() -> None:
    """The rest of the limit bounds every further wait."""
    clock = Clock()
    circuit = circuit_of(clock)
    assert circuit.patience_s == 60
    circuit.failed("refused", reached=False)
    clock.now = 45.0
    assert (circuit.patience_s, circuit.given_up) == (15, False)
    clock.now = 100.0
    assert (circuit.patience_s, circuit.given_up) == (0, True)
