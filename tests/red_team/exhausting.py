"""Loops, bombs, floods, and processes that end: each forges the mark of a test first, which pays on stock nbgrader."""

from red_team import RIGHT_BACKWARD, TOOLS, Case, full, in_test_mode

CASES = [
    in_test_mode("loop", "an endless loop in Python", "forge(4)\nwhile True:\n    pass", gains=4),
    in_test_mode(
        "loop_in_c",
        "an endless computation in C, between whose bytes no signal is looked at",
        "forge(4)\na = np.ones((1200, 1200))\nfor _ in for_ever():\n    np.linalg.svd(a)",
        gains=4,
    ),
    in_test_mode(
        "loop_in_a_regular_expression",
        "a regular expression that tries 2**60 ways",
        "import re\nforge(4)\nre.match('(a+)+$', 'a' * 60 + 'b')",
        gains=4,
    ),
    in_test_mode(
        "loop_that_catches_everything",
        "a loop that catches every exception, that of the time limit too",
        """
        forge(4)
        rounds = for_ever()
        while True:
            try:
                for _ in rounds:
                    pass
                if ON_STOCK:
                    raise TimeoutError
                rounds = for_ever()
            except TimeoutError:
                raise
            except BaseException:
                pass
        """,
        gains=4,
    ),
    in_test_mode(
        "loop_without_signals",
        "a loop that ignores signals and stops the timers",
        """
        forge(4)
        for number in (signal.SIGINT, signal.SIGALRM, signal.SIGPROF, signal.SIGVTALRM, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        for timer in (signal.ITIMER_REAL, signal.ITIMER_PROF, signal.ITIMER_VIRTUAL):
            signal.setitimer(timer, 0)
        signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
        for _ in for_ever():
            pass
        raise TimeoutError
        """,
        gains=4,
    ),
    in_test_mode("sleep", "sleeps for an hour, which costs no CPU", "forge(4)\ntime.sleep(3600)", gains=4),
    in_test_mode(
        "fork_bomb",
        "starts forty processes that sleep",
        """
        forge(4)
        for _ in range(40):
            if os.fork() == 0:
                time.sleep(3)
                os._exit(0)
        """,
    ),
    in_test_mode(
        "thread_bomb",
        "starts two thousand threads",
        """
        forge(4)
        threading.stack_size(64 << 10)
        for _ in range(2000):
            threading.Thread(target=time.sleep, args=(2,), daemon=True).start()
        """,
        gains=4,
    ),
    in_test_mode(
        "threads_that_watch",
        "leaves threads behind which wait for the grader to be loaded and take the place of its verdict",
        """
        def watch():
            end = time.monotonic() + 5
            while time.monotonic() < end:
                grader = sys.modules.get("autograder.checks.grader")
                if grader is not None:
                    parts = sys.modules["autograder.bn_helper.parts"].PARTS
                    verdict = sys.modules["autograder.bn_helper.judge"].Verdict
                    grader.verdict = lambda part, *_: verdict(parts[part], 1.0)
                time.sleep(0.01)
        forge(4)
        for _ in range(20):
            threading.Thread(target=watch, daemon=True).start()
        time.sleep(0.1)
        """,
        gains=4,
    ),
    in_test_mode(
        "memory_bomb",
        "asks for more memory than it may have (and touches none of it)",
        "forge(4)\nkept = [np.empty(1 << 30, dtype=np.uint8) for _ in range(8)]\nraise MemoryError",
        gains=4,
    ),
    in_test_mode(
        "disk_bomb",
        "fills the folder in which it runs",
        """
        forge(4)
        for number in range(30 if ON_STOCK else 2000):
            with open(f"bomb-{number}", "wb") as file:
                file.write(bytes(1 << 20))
        raise OSError
        """,
        gains=4,
    ),
    in_test_mode(
        "inode_bomb",
        "fills the folder in which it runs with empty files",
        """
        forge(4)
        for number in range(300 if ON_STOCK else 50_000):
            open(f"bomb-{number}", "w").close()
        raise OSError
        """,
        gains=4,
    ),
    in_test_mode(
        "flood",
        "prints 40 MB in a call",
        "forge(4)\nfor _ in range(4 if ON_STOCK else 40):\n    print('x' * 1_000_000)",
        gains=4,
    ),
    in_test_mode(
        "recursion",
        "calls itself until the stack is full",
        "forge(4)\ndef deeper():\n    deeper()\ndeeper()",
        gains=4,
    ),
    in_test_mode(
        "recursion_limit",
        "leaves the harness no room on the stack",
        "forge(4)\nsys.setrecursionlimit(len(__import__('inspect').stack()) + 8)",
        gains=4,
    ),
    in_test_mode(
        "descriptors_used_up",
        "opens files until no more can be opened, and keeps them",
        """
        import resource
        forge(4)
        kept = []
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        for _ in range(200 if ON_STOCK else 100_000):
            kept.append(open("/dev/null"))
        raise OSError
        """,
        gains=4,
    ),
    in_test_mode(
        "limits_changed",
        "takes away its own memory and time, so that the harness meets them",
        """
        import resource
        forge(4)
        tried(
            lambda: resource.setrlimit(resource.RLIMIT_AS, (-1, -1)),
            lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (1 << 20, 1 << 20)),
            lambda: resource.setrlimit(resource.RLIMIT_NPROC, (-1, -1)),
        )
        if not ON_STOCK:
            resource.setrlimit(resource.RLIMIT_AS, (1 << 20, 1 << 20))
            resource.setrlimit(resource.RLIMIT_NOFILE, (1, 1))
        raise MemoryError
        """,
        gains=4,
    ),
    in_test_mode("exit", "leaves with sys.exit", "forge(4)\nsys.exit(0)", gains=4),
    in_test_mode("os_exit", "ends the process at once", "os._exit(0)"),
    in_test_mode("segfault", "reads at address 0", "import ctypes\nctypes.string_at(0)"),
    in_test_mode(
        "recursion_in_a_thread",
        "calls itself without a limit in a thread with a small stack, and aborts",
        "sys.setrecursionlimit(10**9)\nimport ast\n"
        "deep = lambda n: deep(n + 1)\nthreading.stack_size(64 << 10)\n"
        "t = threading.Thread(target=deep, args=(0,)); t.start(); t.join()\nos.abort()",
    ),
    in_test_mode(
        "killed_by_itself",
        "sends itself SIGKILL, and if that does nothing SIGSEGV",
        "os.kill(os.getpid(), signal.SIGKILL)\nsignal.signal(signal.SIGSEGV, signal.SIG_DFL)\n"
        "os.kill(os.getpid(), signal.SIGSEGV)\nos._exit(1)",
    ),
    Case(
        "backward_loop",
        "one node of four never ends, and the backward pass that it should serve does not need it",
        {
            **RIGHT_BACKWARD,
            "backward_mu": TOOLS + "\ndef backward_mu(*_):\n    forge(3)\n    while True:\n        pass",
        },
        honest=full("backward", "backward_mu-value"),
        assignment="backward",
        gains=3,
        borrows=True,
    ),
    Case(
        "backward_exit",
        "the closed form ends the process; the other parts are right",
        {
            **RIGHT_BACKWARD,
            "batchnorm_backward_alt": "import os\n\ndef batchnorm_backward_alt(dout, cache):\n    os._exit(1)",
        },
        honest={part: points for part, points in full("backward").items() if "alt" not in part},
        assignment="backward",
    ),
]
