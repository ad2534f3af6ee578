"""One thread of the BLAS where it is best: held while anybody wants it, and given back whatever happens."""

import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import threadpoolctl
from hypothesis import given
from hypothesis import strategies as st

import chainrule as cr
from chainrule.backend import hardware, threads
from chainrule.estimators import fitting
from chainrule.models import logistic
from chainrule.models.kernels.tiles import tile_height
from chainrule.optim import lbfgs
from tests.helpers.processes import in_a_new_process
from tests.helpers.runs import run_on

AT_MOST = 20.0


class Library:
    """A BLAS whose threads are counted here; with `own` every thread has a setting of its own, as with OpenMP."""

    def __init__(self, filepath="libmade_up.so", threads=4, *, own=False):
        self.filepath, self.threading_layer = filepath, "openmp" if own else "pthreads"
        self.threads = threading.local() if own else type("Shared", (), {})()
        self.first = threads

    @property
    def num_threads(self):
        return getattr(self.threads, "number", self.first)

    def set_num_threads(self, number):
        self.threads.number = number


def numbers(libraries):
    return [library.num_threads for library in libraries]


def _noted(failures, run, at):
    try:
        run(at)
    except AssertionError as error:
        failures.append((at, error))


def is_free(lock):
    """Return whether another thread could take the lock."""
    taken = []

    def take():
        taken.append(lock.acquire(blocking=False))
        if taken[0]:
            lock.release()

    thread = threading.Thread(target=take)
    thread.start()
    thread.join()
    return taken[0]


@pytest.fixture
def two_threads():
    """Two threads for every BLAS here, which are then as before."""
    import scipy.linalg  # noqa: F401

    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        if threads.blas_threads() != 2:
            pytest.skip("this BLAS cannot be told how many threads to take")
        yield
        assert threads.blas_threads() == 2, "the threads were not given back"


class TestLimit:
    @given(st.lists(st.integers(0, 4), max_size=30), st.integers(1, 3))
    def test_one_thread_while_any_block_is_in_whatever_their_order(self, moves, how_many):
        limit = threads._Limit()
        libraries = [Library(f"lib{i}.so", 2 + i) for i in range(how_many)]
        before, inside = numbers(libraries), {}
        for block in moves:
            if block in inside:
                inside.pop(block).__exit__(None, None, None)
            else:
                inside[block] = limit.to_one_thread(libraries[: 1 + block % how_many])
                inside[block].__enter__()
            for i, library in enumerate(libraries):
                held = any(i <= other % how_many for other in inside)
                assert library.num_threads == (1 if held else before[i])
        for context in inside.values():
            context.__exit__(None, None, None)
        assert numbers(libraries) == before
        assert not limit.held

    @pytest.mark.parametrize("own", [False, True])
    def test_blocks_of_two_threads_overlap_and_both_have_their_threads_after(self, own):
        limit, library = threads._Limit(), Library(own=own)
        inside, go_on, found = threading.Event(), threading.Event(), []

        def other():
            with limit.to_one_thread([library]):
                found.append(library.num_threads)
                inside.set()
                go_on.wait(AT_MOST)
            found.append(library.num_threads)

        thread = threading.Thread(target=other, daemon=True)
        thread.start()
        assert inside.wait(AT_MOST)
        # In a thread of its own, because a block that waited would wait for ever.
        entered = []

        def here():
            with limit.to_one_thread([library]):
                entered.append(library.num_threads)
            entered.append(library.num_threads)

        second = threading.Thread(target=here, daemon=True)
        second.start()
        second.join(AT_MOST)
        assert entered == [1, 4 if own else 1]
        go_on.set()
        thread.join(AT_MOST)
        assert found == [1, 4]
        assert not limit.held

    @pytest.mark.parametrize("last", [0, 1])
    def test_an_interrupt_on_the_way_in_leaves_nothing_behind(self, last):
        limit, libraries = threads._Limit(), [Library("a.so"), Library("b.so")]

        def interrupted(number):
            Library.set_num_threads(libraries[last], number)
            if number == 1:
                raise KeyboardInterrupt

        libraries[last].set_num_threads = interrupted
        with pytest.raises(KeyboardInterrupt), limit.to_one_thread(libraries):
            raise AssertionError("the block was not to be entered")
        assert numbers(libraries) == [4, 4]
        assert not limit.held
        assert is_free(limit.lock)

    def test_a_signal_handler_may_enter_a_block_at_any_line_of_another(self):
        code = [getattr(threads._Limit, name).__code__ for name in ("to_one_thread", "_leave")]

        def run(at):
            """Run a block with another inside, entered before line number `at`; return how many lines were run."""
            limit, library, lines = threads._Limit(), Library(), 0

            def trace(frame, event, argument):
                nonlocal lines
                if frame.f_code not in code:
                    return None
                if event == "line":
                    lines += 1
                    if lines == at:
                        sys.settrace(None)
                        with limit.to_one_thread([library]):
                            assert library.num_threads == 1
                return trace

            tracer_before = sys.gettrace()
            sys.settrace(trace)
            try:
                with limit.to_one_thread([library]):
                    seen = library.num_threads
            finally:
                sys.settrace(tracer_before)
            assert seen == 1
            assert library.num_threads == 4
            assert not limit.held
            assert is_free(limit.lock)
            return lines

        for at in range(1, run(0) + 1):
            failures = []
            thread = threading.Thread(target=_noted, args=[failures, run, at], daemon=True)
            thread.start()
            thread.join(AT_MOST)
            assert not thread.is_alive(), f"the handler waits for its own thread at line {at}"
            assert not failures, failures

    def test_a_child_of_a_fork_has_its_threads_and_a_free_lock(self):
        limit, library = threads._Limit(), Library()
        left_by_the_parent = limit.to_one_thread([library])
        left_by_the_parent.__enter__()
        limit.lock.acquire()
        limit.after_fork()
        assert is_free(limit.lock)
        assert library.num_threads == 4
        with limit.to_one_thread([library]):
            assert library.num_threads == 1
        assert library.num_threads == 4
        left_by_the_parent.__exit__(None, None, None)
        assert library.num_threads == 4


class TestCount:
    @pytest.mark.parametrize(
        ("facts", "said"),
        [
            ({"num_threads": 1}, "1 thread"),
            ({"num_threads": 2, "architecture": "Zen"}, "Zen kernels, 2 threads"),
        ],
    )
    def test_what_a_library_says_of_itself(self, monkeypatch, facts, said):
        class Controller:
            def select(self, user_api):
                return self

            def info(self):
                return [{"internal_api": "openblas", "version": "0.3", **facts}]

        monkeypatch.setattr(threads, "_controller", Controller)
        assert threads.blas_libraries() == [f"openblas 0.3, {said}"]

    def test_libraries_stand_in_one_order_whichever_was_loaded_first(self, monkeypatch):
        facts = [{"internal_api": "openblas", "version": v, "num_threads": 2} for v in ("0.3.31", "0.3.30")]
        found = SimpleNamespace(info=lambda: facts)
        monkeypatch.setattr(threads, "_controller", lambda: SimpleNamespace(select=lambda user_api: found))
        assert threads.blas_libraries() == ["openblas 0.3.30, 2 threads", "openblas 0.3.31, 2 threads"]

    def test_one_blas_thread_inside_and_as_before_outside(self):
        before = threads.blas_threads()
        with threads.one_blas_thread():
            assert threads.blas_threads() == 1
        assert threads.blas_threads() == before

    def test_a_fixed_number_holds_for_products_of_every_size(self, two_threads):
        small, large = [(4, 2)], [(4000, 4000)]
        assert threads.takes_one_thread(10, small)
        for number in (3, 1):
            with threads.fixed_threads(number):
                assert threads.blas_threads() == number
                assert not threads.takes_one_thread(10, small)
                for shapes in (small, large):
                    with threads.threads_for(5000, shapes) as watched:
                        assert watched is threads.unwatched
                        assert threads.blas_threads() == number
            assert threads.blas_threads() == 2
        with threads.fixed_threads(None):
            assert threads.takes_one_thread(10, small)

    def test_without_threadpoolctl_the_variables_count(self, monkeypatch):
        monkeypatch.setattr(threads, "_controller", lambda: None)
        for name in threads.THREAD_VARIABLES:
            monkeypatch.delenv(name, raising=False)
        assert threads.blas_threads() == hardware.cpu_count()
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        assert threads.blas_threads() == 1
        assert not threads.can_limit_blas()
        with pytest.raises(RuntimeError, match="threadpoolctl is missing"), threads.one_blas_thread():
            pass


class TestBlas:
    def test_nested_and_after_an_exception(self, two_threads):
        def fails():
            with threads.one_blas_thread():
                with threads.one_blas_thread():
                    assert threads.blas_threads() == 1
                assert threads.blas_threads() == 1
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fails()
        assert threads.blas_threads() == 2

    @pytest.mark.parametrize("first", ["here", "there"])
    def test_blocks_of_two_threads_that_live_on(self, two_threads, first):
        enter, leave, end = threading.Event(), threading.Event(), threading.Event()
        entered, left = threading.Event(), threading.Event()

        def other():
            enter.wait(AT_MOST)
            with threads.one_blas_thread():
                entered.set()
                leave.wait(AT_MOST)
            left.set()
            end.wait(AT_MOST)

        thread = threading.Thread(target=other, daemon=True)
        thread.start()
        if first == "there":
            enter.set()
            assert entered.wait(AT_MOST)
            assert threads.blas_threads() == 1
        with threads.one_blas_thread():
            enter.set()
            assert entered.wait(AT_MOST)
            assert threads.blas_threads() == 1
        assert threads.blas_threads() == 1
        leave.set()
        assert left.wait(AT_MOST)
        assert threads.blas_threads() == 2
        end.set()
        thread.join(AT_MOST)

    def test_other_threads_may_set_a_number_after_it(self):
        with threads.one_blas_thread():
            pass
        seen, before = [], threads.blas_threads()

        def other():
            for number in (1, 2):
                with threadpoolctl.threadpool_limits(number, user_api="blas"):
                    seen.append(threads.blas_threads())

        thread = threading.Thread(target=other, daemon=True)
        thread.start()
        thread.join(AT_MOST)
        assert seen == [1, 2]
        assert threads.blas_threads() == before

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
    def test_a_fork_inside_a_block(self):
        code = """
            import os, signal, sys
            import numpy as np
            from chainrule.backend import threads

            before = threads.blas_threads()
            with threads.one_blas_thread():
                child = os.fork()
                if child == 0:
                    signal.alarm(20)
                    there = threads.blas_threads()
                    np.ones((400, 400)) @ np.ones((400, 400))
            if child == 0:
                os._exit(0 if there == threads.blas_threads() == before == 2 else 1)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            sys.exit(code if threads.blas_threads() == before == 2 else 2)
        """
        two = {"OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}
        probe = [sys.executable, "-c", "from chainrule.backend import threads; print(threads.blas_threads())"]
        told = subprocess.run(probe, env=os.environ | two, capture_output=True, text=True, check=True)
        if told.stdout.strip() != "2":
            pytest.skip("this computer gives a BLAS no two threads")
        command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)]
        assert subprocess.run(command, env=os.environ | two, timeout=60, check=False).returncode == 0

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
    def test_forks_are_watched_from_the_first_block_on_and_once(self):
        code = """
            import os, sys

            callers = []
            register = os.register_at_fork
            def noted(**hooks):
                callers.append(sys._getframe(1).f_globals["__name__"])
                register(**hooks)
            os.register_at_fork = noted

            import chainrule
            from chainrule.backend import threads

            print([name for name in callers if name.startswith("chainrule")])
            for _ in range(2):
                with threads.one_blas_thread(), threads.one_scipy_thread():
                    pass
            print([name for name in callers if name.startswith("chainrule")])
        """
        assert in_a_new_process(code).splitlines() == ["[]", "['chainrule.backend.threads']"]

    def test_small_and_large_products_at_once_give_their_numbers(self, two_threads):
        rng = np.random.default_rng(0)
        small, y = rng.standard_normal((300, 20)), (rng.standard_normal(300) > 0).astype(float)
        X, t, w = rng.standard_normal((20_000, 40)), np.arange(20_000) % 2 * 1.0, rng.standard_normal(40)
        expected = cr.LogisticRegression(max_iter=500).fit(small, y).coef_, logistic.by_matmul(X, t, w, 0.0)
        found, failed = ([], []), []

        def repeat(kept, f):
            try:
                kept += [f() for _ in range(8)]
            except BaseException as error:
                failed.append(error)

        work = (
            lambda: cr.LogisticRegression(max_iter=500).fit(small, y).coef_,
            lambda: logistic.by_tiles(X, t, w, 0.0, rows=500, workers=2),
        )
        threads = [
            threading.Thread(target=repeat, args=pair, daemon=True) for pair in zip(found, work, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(AT_MOST)
            assert not thread.is_alive()
        assert not failed
        for coefficients in found[0]:
            np.testing.assert_allclose(coefficients, expected[0], rtol=1e-6, atol=1e-9)
        for step in found[1]:
            for part, its in zip(step, expected[1], strict=True):
                np.testing.assert_allclose(part, its, rtol=1e-10, atol=1e-12)
        assert (len(found[0]), len(found[1])) == (8, 8)


class TestScipys:
    @pytest.fixture
    def its_own(self, two_threads):
        libraries = threads._scipy_libraries()
        if not libraries:
            pytest.skip("SciPy has no BLAS of its own here")
        with threadpoolctl.threadpool_limits(2, user_api="blas"):
            yield libraries
            assert set(numbers(libraries)) == {2}

    def test_it_alone_is_held_while_lbfgs_learns(self, its_own):
        seen = []

        def cost_and_gradients(x):
            seen.append((max(numbers(its_own)), threads.blas_threads()))
            return x @ x, 2 * x

        lbfgs(cost_and_gradients, np.ones(3), steps=5)
        # The first cost is looked at before there is a minimizer.
        assert len(seen) > 1
        assert set(seen[1:]) == {(1, 2)}

    def test_it_has_its_threads_after_an_exception(self, its_own):
        def cost_and_gradients(x):
            if max(numbers(its_own)) == 1:
                raise ZeroDivisionError
            return x @ x, 2 * x

        with pytest.raises(ZeroDivisionError):
            lbfgs(cost_and_gradients, np.ones(3), steps=5)

    def test_it_is_not_numpys(self, its_own):
        assert all("numpy" not in Path(x.filepath).parent.name for x in its_own)


class TestRule:
    @pytest.mark.parametrize(
        ("rows", "sizes", "one"),
        [
            (569, (30, 1), True),
            (1797, (64, 10), True),
            (1797, (64, 100, 10), True),
            (64, (64, 32, 10), True),
            (60_000, (20, 10), True),
            # Many weights a unit.
            (300, (784, 100, 10), False),
            (64, (64, 512, 256, 10), True),
            (2000, (784, 10), False),
            (209, (12288, 7, 5, 1), False),
            # Large.
            (10_000, (64, 100, 10), False),
            (60_000, (784, 10), False),
            (20_000, (12288, 1), False),
            # By tiles, shared out among threads.
            (1_000_000, (10, 1), False),
        ],
    )
    def test_by_the_sizes(self, monkeypatch, rows, sizes, one):
        monkeypatch.setattr(hardware, "cache_bytes", lambda level: 32 << 20)
        assert threads.takes_one_thread(rows, [shape for shape, _ in cr.MLP(sizes).shapes]) == one

    def test_what_by_tiles_shares_out_keeps_its_threads(self, monkeypatch):
        monkeypatch.setattr(hardware, "cache_bytes", lambda level: 1 << 15)
        rows = 2 * (1 << 15) // (8 * (4 + 16))
        X = np.empty((rows + 1, 4))
        assert tile_height(X[:rows], 8 * (4 + 16)) == rows
        assert threads.takes_one_thread(rows, [(4, 1)])
        assert tile_height(X, 8 * (4 + 16)) <= rows
        assert not threads.takes_one_thread(rows + 1, [(4, 1)])

    def test_nothing_is_limited_without_threadpoolctl(self, monkeypatch):
        monkeypatch.setattr(threads, "_controller", lambda: None)
        assert not threads.takes_one_thread(10, [(2, 1)])
        with threads.threads_for(10, [(2, 1)]) as watched:
            assert watched(max) is max


class TestByTheClock:
    """Steps that the rule leaves all threads, timed by a clock that is set here."""

    @pytest.fixture
    def clock(self, monkeypatch):
        class Clock:
            now = 0.0
            seconds = staticmethod(lambda: 0.0)

            def step(self, params, rows=()):
                self.now += self.seconds()
                return params

        clock = Clock()
        monkeypatch.setattr(threads.time, "perf_counter", lambda: clock.now)
        monkeypatch.setattr(threads, "_FLOPS_OF_ONE_THREAD", 1)
        monkeypatch.setattr(threads, "_FLOPS_OF_FEW_WEIGHTS", 1)
        return clock

    def run(self, clock, calls, seconds):
        """Return the number of threads of each call; `seconds` gives the time of a call by its number and threads."""
        seen = []
        with threads.threads_for(10, [(2, 3)]) as watched:
            step = watched(clock.step)
            for call in range(calls):
                seen.append(threads.blas_threads())
                clock.seconds = lambda call=call: seconds(call, seen[-1])
                assert step(call) == call
        assert threads.blas_threads() == 2
        return seen

    def test_all_threads_are_kept_where_they_gain_clearly(self, two_threads, clock):
        assert self.run(clock, 9, lambda call, count: 1 / count) == [1] * 3 + [2] * 6

    def test_one_thread_is_kept_where_two_gain_little(self, two_threads, clock):
        assert self.run(clock, 9, lambda call, count: 1 if count == 1 else 0.9) == [1] * 3 + [2] * 3 + [1] * 3

    def test_steps_that_take_a_multiple_of_the_best_one_end_all_threads(self, two_threads, clock):
        def seconds(call, count):
            return 10.0 if count == 2 and (call == 10 or call >= 14) else 1 / count

        assert self.run(clock, 20, seconds) == [1] * 3 + [2] * 14 + [1] * 3

    def test_shorter_batches_are_not_timed(self, two_threads, clock):
        with threads.threads_for(10, [(2, 3)]) as watched:
            for _ in range(9):
                watched(clock.step)(0, range(4))
            assert threads.blas_threads() == 1


def rows_of(n, k, m=60):
    rng = np.random.default_rng(1)
    return rng.standard_normal((m, n)), np.arange(m) % k


class TestWhereItHolds:
    @pytest.mark.parametrize(("n", "count"), [(6, {1}), (600, {1, 2})])
    @pytest.mark.parametrize("k", [2, 3])
    @pytest.mark.parametrize(
        "make",
        [
            lambda: cr.LogisticRegression(),
            lambda: cr.LogisticRegression(solver="nesterov", tol=1e-1),
            lambda: cr.MLPClassifier((5,), solver="lbfgs", max_iter=200, tol=1e-2),
            lambda: cr.MLPClassifier((5,), batch_size=30, max_iter=2, n_iter_no_change=np.inf),
        ],
        ids=["lbfgs", "nesterov", "network by lbfgs", "network by batches"],
    )
    @pytest.mark.filterwarnings("ignore:.*(max_iter|failed to converge)")
    def test_fit(self, two_threads, monkeypatch, make, n, k, count):
        if count != {1}:
            monkeypatch.setattr(threads, "_FLOPS_OF_ONE_THREAD", 1)
        seen = set()
        for name in ("lbfgs", "descend"):
            learn = getattr(fitting, name)

            def seen_by(cost, *rest, learn=learn, **settings):
                def watched(*arguments):
                    seen.add(threads.blas_threads())
                    return cost(*arguments)

                return learn(watched, *rest, **settings)

            monkeypatch.setattr(fitting, name, seen_by)
        make().fit(*rows_of(n, k))
        assert seen == count

    @pytest.mark.parametrize("batch", ["all", "7"])
    def test_train(self, two_threads, tmp_path, batch):
        run = run_on(cr.get_device("cpu"), batch=batch, epochs=2)
        seen = []
        run.learn(tmp_path / "c", stop=lambda: seen.append(threads.blas_threads()))
        assert set(seen) == {1}
        assert run.threads == 1

    def test_train_with_large_products(self, two_threads, monkeypatch, tmp_path):
        monkeypatch.setattr(threads, "_FLOPS_OF_ONE_THREAD", 1)
        monkeypatch.setattr(threads, "_FLOPS_OF_FEW_WEIGHTS", 1)
        run = run_on(cr.get_device("cpu"), batch="7", epochs=2)
        seen = []
        run.learn(tmp_path / "c", stop=lambda: seen.append(threads.blas_threads()))
        assert set(seen) == {1, 2}
        assert run.threads == 2
