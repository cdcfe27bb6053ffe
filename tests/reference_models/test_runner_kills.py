"""Runs that are killed at any moment, and stopped politely."""

import os
import random
import signal
import time
from pathlib import Path

import pytest
from runner_functions import STEPS
from runner_process import Case, alive, audit, until

#: Moments are random, and the same each time, as far as the machine lets them be.
DICE = 20260101


@pytest.mark.slow
def test_kill_9_of_the_main_process_loses_and_repeats_nothing(tmp_path: Path) -> None:
    case, dice = Case(tmp_path, trials=40), random.Random(DICE)
    for _ in range(10):
        before, log_before = case.records(), len(case.lines())
        with case.running() as process:
            assert case.kill(process, dice), "it ended before all kills"
            # The workers notice, and end; what they were at is left to the next run.
            until(lambda: not any(map(alive, case.pids())), "workers end", seconds=30.0)
        audit(before, log_before, case, in_flight=2)
    before, log_before = case.records(), len(case.lines())
    code, out, _ = case.run()
    assert (code, len(case.records())) == (0, 40), out
    audit(before, log_before, case, in_flight=0)
    starts = [int(words[2]) for words in case.lines() if words[1] == "begins"]
    assert any(0 < start < STEPS for start in starts), "no trial went on from its checkpoint"
    code, out, _ = case.run()
    assert code == 0
    assert "40 trials: 40 were there before, 0 done." in out


@pytest.mark.slow
def test_kill_9_of_workers_loses_and_repeats_nothing(tmp_path: Path) -> None:
    case, dice, killed = Case(tmp_path, trials=16, retries=40, pause=0.02), random.Random(DICE), 0
    with case.running() as process:
        while killed < 12:
            before, log_before = case.records(), len(case.lines())
            assert process.poll() is None, "it ended before all kills"
            case.wait_for_events(1 + dice.randrange(2), process)
            time.sleep(dice.uniform(0.0, 0.1))
            victim = dice.choice(case.pids()[-2:])
            if alive(victim):
                os.kill(victim, signal.SIGKILL)
                killed += 1
            audit(before, log_before, case, in_flight=2)
        out, err = process.communicate()
    assert process.returncode == 0, err
    assert "16 trials: 16 done." in out
    assert "WorkerLostError" in err
    audit(case.records(), len(case.lines()), case, in_flight=0)
    # A kill between two trials costs none an attempt; every other one does.
    extra = sum(record.attempts - 1 for record in case.records().values())
    assert 1 <= extra <= killed
    assert len([w for w in case.lines() if w[1] == "ends"]) == 16 + _ended_twice(case)


def _ended_twice(case: Case) -> int:
    """Return how many trials ended in a worker that was killed before it handed them in."""
    ended = [words[0] for words in case.lines() if words[1] == "ends"]
    return len(ended) - len(set(ended))


def test_the_audit_notices_results_that_are_stored_too_late(tmp_path: Path) -> None:
    """The negative control: a run that keeps its results to itself, and is killed."""
    case = Case(tmp_path, trials=8, late=True, pause=0.001)
    with case.running() as process:
        until(lambda: sum(w[1] == "ends" for w in case.lines()) >= 5, "five trials end")
        process.kill()
        process.wait()
        until(lambda: not any(map(alive, case.pids())), "workers end", seconds=30.0)
    with pytest.raises(AssertionError, match="ended and never stored"):
        audit({}, 0, case, in_flight=2)


def test_the_audit_notices_what_is_done_again_or_lost(tmp_path: Path) -> None:
    case = Case(tmp_path, trials=2, pause=0.0)
    assert case.run()[0] == 0
    records = case.records()
    audit(records, len(case.lines()), case, in_flight=0)
    with pytest.raises(AssertionError, match="done again though stored"):
        audit(records, 0, case, in_flight=0)
    case.path.unlink()
    with pytest.raises(AssertionError, match="the result of seed 0 is lost"):
        audit(records, len(case.lines()), case, in_flight=0)
    assert case.run()[0] == 0
    with pytest.raises(AssertionError, match="the result of seed 0 was replaced"):
        audit(records, len(case.lines()), case, in_flight=0)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_polite_stop_keeps_checkpoints_and_says_so(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    case = Case(tmp_path, trials=4, every=3600.0, pause=1.0)
    with case.running() as process:
        until(lambda: len(case.pids()) >= 2, "two trials begin")
        time.sleep(1.5)
        # As a terminal does, to the whole group: the workers must leave it to the main process.
        os.killpg(process.pid, number)
        out, err = process.communicate()
        assert process.returncode == code, err
        assert f"Ended by {number.name}; the same command goes on." in out
        assert not any(map(alive, case.pids()))
    before, log_before = case.records(), len(case.lines())
    assert len(list(case.path.parent.rglob("checkpoint.npz"))) == 2
    ended, _, err = case.run(pause=0.001)
    assert ended == 0, err
    audit(before, log_before, case, in_flight=0)
    starts = [int(words[2]) for words in case.lines()[log_before:] if words[1] == "begins"]
    assert sum(0 < start < STEPS for start in starts) == 2


def test_a_second_signal_ends_a_run_that_does_not_end(tmp_path: Path) -> None:
    case = Case(tmp_path, trials=2, function="stubborn")
    with case.running() as process:
        until(lambda: len(case.lines()) >= 2, "two trials begin")
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        assert process.returncode == 130
        assert not any(map(alive, case.pids()))


def test_two_runs_of_one_grid_share_it(tmp_path: Path) -> None:
    case = Case(tmp_path, trials=8, workers=1)
    with case.running() as one, case.running() as two:
        codes = [process.wait(120) for process in (one, two)]
        outs = [process.communicate()[0] for process in (one, two)]
    assert codes == [0, 0]
    begun = sorted(int(words[0]) for words in case.lines() if words[1] == "begins")
    assert begun == list(range(8)), f"a trial was run twice: {begun}"
    assert sum(int(out.split(" done")[0].split()[-1]) for out in outs) == 8
    audit(case.records(), len(case.lines()), case, in_flight=0)
