"""Uploads of learning platforms find their students; what is unsafe is refused, and nothing is lost."""

import io
import json
import os
import stat
import zipfile
from pathlib import Path, PurePosixPath

import pytest

from autograder.__main__ import main
from autograder.course import Course, Problem
from autograder.nbgrader_runs import api
from autograder.uploads.archives import File, Refused, files_of
from autograder.uploads.collect import assignment_of, collect, table
from autograder.uploads.names import upload_of
from autograder.uploads.roster import Roster, read_roster, student_id


def notebook(assignment="forward", text="x = 1"):
    cell = {"cell_type": "code", "source": text, "metadata": {}, "outputs": [], "execution_count": None}
    return json.dumps(
        {"cells": [cell], "metadata": {"batchnorm": {"assignment": assignment}}, "nbformat": 4, "nbformat_minor": 5}
    ).encode()


def packed(files, dates=None):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, (dates or {}).get(name, (2026, 11, 1, 12, 0, 0)))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return data.getvalue()


@pytest.fixture
def course(tmp_path):
    return Course(tmp_path / "course")


@pytest.fixture
def zipped(tmp_path):
    def write(files, name="upload.zip", dates=None):
        path = tmp_path / name
        path.write_bytes(packed(files, dates))
        return path

    return write


def submitted(course):
    root = course.root / "submitted"
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


CANVAS_ROSTER = (
    "Student,ID,SIS User ID,SIS Login ID,Section,forward (99)\n"
    "    Points Possible,,,,,24\n"
    '"Doe, Jane",12345,S1,jdoe,A,\n'
    '"Müller, Jörg",777,S2,jmueller,A,\n'
)
MOODLE_ROSTER = (
    "Identifier,Full name,Email address,Status,Grade,Maximum Grade,Last modified (submission)\n"
    'Participant 4711,Ana María,ana@uni.example,Submitted,,24.00,"Friday, 6 November 2026, 11:59 PM"\n'
)


@pytest.fixture
def roster(tmp_path):
    def write(text):
        path = tmp_path / "roster.csv"
        path.write_text(text, encoding="utf-8")
        return read_roster(path)

    return write


# ---- names ----


@pytest.mark.parametrize(
    ("path", "platform", "number", "file", "attempt", "late"),
    [
        ("doejane_12345_67890_forward.ipynb", "canvas", "12345", "forward.ipynb", 0, False),
        ("doejane_LATE_12345_67890_forward.ipynb", "canvas", "12345", "forward.ipynb", 0, True),
        ("doejane_late_12345_67890_forward-2.ipynb", "canvas", "12345", "forward.ipynb", 2, True),
        ("o'neil-smith_1_2_my_work_3.ipynb", "canvas", "1", "my_work_3.ipynb", 0, False),
        ("all/doe_12345_67890_forward.zip/a/forward.ipynb", "canvas", "12345", "forward.zip/a/forward.ipynb", 0, False),
        ("anon_Xy12z_67890_forward.ipynb", "canvas", "Xy12z", "forward.ipynb", 0, False),
        ("Ana María_4711_assignsubmission_file/forward.ipynb", "moodle", "4711", "forward.ipynb", 0, False),
        ("Ana María_4711_assignsubmission_file_/w/forward.ipynb", "moodle", "4711", "w/forward.ipynb", 0, False),
        ("Ana María_4711_assignsubmission_file_forward.ipynb", "moodle", "4711", "forward.ipynb", 0, False),
        ("anna/forward/forward.ipynb", "folder", "anna", "forward/forward.ipynb", 0, False),
        ("anna.zip/forward.ipynb", "folder", "anna", "forward.ipynb", 0, False),
        ("anna.ipynb", "folder", "anna", "anna.ipynb", 0, False),
    ],
)  # fmt: skip
def test_a_path_tells_who_uploaded_it(path, platform, number, file, attempt, late):
    upload = upload_of(PurePosixPath(path))
    assert (upload.platform, upload.id, upload.file.as_posix(), upload.attempt, upload.late) == (
        platform, number, file, attempt, late
    )  # fmt: skip


@pytest.mark.parametrize("path", ["readme.txt", "Ana_1_assignsubmission_onlinetext/onlinetext.html"])
def test_a_path_that_tells_nothing_is_nobodys(path):
    assert upload_of(PurePosixPath(path)) is None


@pytest.mark.parametrize(
    ("text", "name"),
    [(" jörg müller ", "j-rg-m-ller"), ("../etc", "etc"), ("...", ""), ("漢字", ""), ("a" * 200, "a" * 100)],
)
def test_an_id_is_a_name_that_every_file_system_takes(text, name):
    assert student_id(text) == name


# ---- rosters ----


def test_a_canvas_gradebook_gives_logins(roster):
    found = roster(CANVAS_ROSTER)
    assert {number: person.student for number, person in found.people.items()} == {"12345": "jdoe", "777": "jmueller"}


def test_a_moodle_worksheet_gives_ids_and_times(roster):
    person = roster(MOODLE_ROSTER).people["4711"]
    assert person.student == "ana"
    assert (person.handed_in.day, person.handed_in.hour, person.handed_in.minute) == (6, 23, 59)


def test_a_plain_table_gives_ids(roster):
    assert roster("id;student\n7;anna\n").people["7"].student == "anna"


def test_a_roster_of_another_kind_is_told_what_is_known(tmp_path):
    path = tmp_path / "roster.csv"
    path.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(Problem, match="none of the headers known: Canvas"):
        read_roster(path)
    with pytest.raises(Problem, match="cannot be read"):
        read_roster(tmp_path / "absent.csv")


# ---- collecting ----


def test_a_canvas_zip_lays_the_newest_attempt_under_the_login(course, zipped, roster):
    source = zipped(
        {
            "doejane_12345_1_forward.ipynb": notebook(text="old"),
            "doejane_LATE_12345_2_forward-1.ipynb": notebook(text="new"),
            "doejane_LATE_12345_2_data-1.csv": b"1,2",
            "muellerjoerg_777_3_My Work (final).ipynb": notebook(),
            "__MACOSX/._doejane_12345_1_forward.ipynb": b"junk",
        }
    )
    done = collect(course, [source], roster(CANVAS_ROSTER))
    assert set(submitted(course)) == {
        "jdoe/forward/forward.ipynb", "jdoe/forward/data.csv", "jmueller/forward/forward.ipynb"
    }  # fmt: skip
    assert submitted(course)["jdoe/forward/forward.ipynb"] == notebook(text="new")
    told = table(done)
    assert "the newest of 2; late, says the platform" in told
    assert "was named My Work (final).ipynb" in told
    assert "2 taken, 0 not." in told


def test_a_moodle_zip_brings_the_time_of_handing_in(course, zipped, roster):
    source = zipped({"Ana María_4711_assignsubmission_file/forward.ipynb": notebook()})
    collect(course, [source], roster(MOODLE_ROSTER))
    assert submitted(course)["ana/forward/timestamp.txt"].endswith(b" UTC")


def test_a_nested_zip_keeps_its_files_in_their_places(course, zipped):
    inner = packed({"forward/forward.ipynb": notebook(), "forward/data/own.txt": b"own"})
    collect(course, [zipped({"doe_1_2_forward.zip": inner})], Roster())
    assert set(submitted(course)) == {"1/forward/forward.ipynb", "1/forward/data/own.txt"}


def test_one_student_may_hand_in_two_assignments_at_once(course, zipped):
    source = zipped({"anna/a.ipynb": notebook("forward"), "anna/b.ipynb": notebook("backward")})
    collect(course, [source], Roster())
    assert set(submitted(course)) == {"anna/forward/forward.ipynb", "anna/backward/backward.ipynb"}


def test_a_plain_folder_is_taken(course, tmp_path):
    (tmp_path / "in" / "anna").mkdir(parents=True)
    (tmp_path / "in" / "anna" / "forward.ipynb").write_bytes(notebook())
    (tmp_path / "in" / "bo.ipynb").write_bytes(notebook())
    collect(course, [tmp_path / "in"], Roster())
    assert set(submitted(course)) == {"anna/forward/forward.ipynb", "bo/forward/forward.ipynb"}


def test_what_was_there_is_kept_and_what_is_the_same_is_left_alone(course, zipped):
    first = zipped({"anna/forward.ipynb": notebook(text="1")}, "1.zip")
    second = zipped({"anna/forward.ipynb": notebook(text="2")}, "2.zip")
    collect(course, [first], Roster())
    assert collect(course, [first], Roster()).taken[0].remarks == ("unchanged",)
    done = collect(course, [second], Roster())
    assert "collected/replaced/anna/forward/1" in done.taken[0].remarks[0]
    kept = course.root / "collected" / "replaced" / "anna" / "forward" / "1" / "forward.ipynb"
    assert kept.read_bytes() == notebook(text="1")
    assert submitted(course)["anna/forward/forward.ipynb"] == notebook(text="2")


def test_what_belongs_to_nobody_is_kept_aside_with_the_reason(course, zipped, roster):
    source = zipped(
        {
            "readme.txt": b"hello",
            "doe_99_1_forward.ipynb": notebook(),
            "doejane_12345_1_essay.docx": b"word",
            "muellerjoerg_777_1_other.ipynb": b"{}",
        }
    )
    done = collect(course, [source], roster(CANVAS_ROSTER))
    assert not done.taken
    reasons = {left.path: left.why for left in done.left}
    assert reasons == {
        "readme.txt": "its name does not tell whose it is",
        "doe_99_1_forward.ipynb": "the roster has no 99 (doe)",
        "doejane_12345_1_essay.docx": "doejane uploaded no notebook",
        "muellerjoerg_777_1_other.ipynb": "it is no notebook of any assignment",
    }
    aside = course.root / "collected" / "unmatched" / "upload"
    assert {path.name for path in aside.rglob("*")} == set(reasons)


def test_two_people_of_one_id_are_not_mixed_up(course, zipped):
    source = zipped({"anna b/forward.ipynb": notebook(text="1"), "anna-b/forward.ipynb": notebook(text="2")})
    done = collect(course, [source], Roster())
    assert len(done.taken) == len(done.left) == 1
    assert "give both an id in a roster" in done.left[0].why


def test_an_assignment_is_told_by_its_record_its_cells_or_its_name(built_course):
    release = built_course.release("backward") / "backward.ipynb"
    content = json.loads(release.read_text(encoding="utf-8"))
    assert assignment_of(built_course, PurePosixPath("x.ipynb"), release.read_bytes()) == "backward"
    del content["metadata"]["batchnorm"]
    assert assignment_of(built_course, PurePosixPath("x.ipynb"), json.dumps(content).encode()) == "backward"
    assert assignment_of(built_course, PurePosixPath("my_Forward(1).ipynb"), b"damaged") == "forward"
    assert assignment_of(built_course, PurePosixPath("x.ipynb"), b"damaged") is None


# ---- what is not safe ----


@pytest.mark.filterwarnings("ignore:Passing unrecognized arguments:DeprecationWarning")  # both by nbgrader
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_feedback_goes_through_the_exchange_to_those_who_handed_in_there(course, zipped, tmp_path):
    exchange = tmp_path / "exchange"
    exchange.mkdir(mode=0o777)
    exchange.chmod(0o777)
    course.config.Exchange.root = str(exchange)
    collect(course, [zipped({"ada_11_1_forward.ipynb": notebook(), "zoe_12_2_forward.ipynb": notebook()})], Roster())
    uploaded = [path.parent.name for path in course.submitted("forward")]
    assert len(uploaded) == 2
    for student in (*uploaded, "kim"):
        feedback = course.root / "feedback" / student / "forward"
        feedback.mkdir(parents=True)
        (feedback / "forward.html").write_text(f"<p>for {student}</p>", encoding="utf-8")
    (feedback / "timestamp.txt").write_text("2026-11-01 12:00:00 UTC", encoding="utf-8")
    (feedback / "submission_secret.txt").write_text("known to kim", encoding="utf-8")
    released = api(course).release_feedback("forward")
    assert released["success"], released
    assert all(f"{student} handed in elsewhere" in released["log"] for student in uploaded)
    pages = list((exchange / course.course_id / "feedback").iterdir())
    assert [page.read_text(encoding="utf-8") for page in pages] == ["<p>for kim</p>"]


def refused(path):
    return {file.path.as_posix(): file.why for file in files_of(path) if isinstance(file, Refused)}


def test_a_path_that_leads_out_of_the_zip_is_refused(zipped, course):
    source = zipped({"../../evil.ipynb": b"x", "/abs.ipynb": b"x", "a\\..\\..\\b.ipynb": b"x", "C:/w.ipynb": b"x"})
    assert set(refused(source).values()) == {"its path leads out of the zip"}
    assert len(refused(source)) == 4
    collect(course, [source], Roster())
    assert not submitted(course)
    assert not (course.root.parent / "evil.ipynb").exists()


def test_a_bomb_is_refused(zipped):
    assert "hundreds of times" in refused(zipped({"anna/forward.ipynb": b"\0" * 40_000_000}))["anna/forward.ipynb"]


def test_a_zip_in_a_zip_in_a_zip_is_refused_at_last(zipped):
    data = packed({"a.txt": b"x"})
    for _ in range(5):
        data = packed({"inner.zip": data})
    assert list(refused(zipped({"anna.zip": data})).values()) == ["it is a zip in a zip in a zip"]


def test_a_link_is_refused(tmp_path):
    path = tmp_path / "link.zip"
    with zipfile.ZipFile(path, "w") as archive:
        entry = zipfile.ZipInfo("anna/forward.ipynb")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, "/etc/passwd")
    assert refused(path) == {"anna/forward.ipynb": "it is a link"}
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "anna.ipynb").symlink_to("/etc/passwd")
    assert refused(tmp_path / "in") == {"anna.ipynb": "it is a link or no ordinary file"}


def test_a_damaged_member_costs_itself_alone(zipped, tmp_path):
    data = bytearray(packed({"anna/forward.ipynb": notebook() * 50, "bo/forward.ipynb": notebook()}))
    at = data.index(b"anna/forward.ipynb") + 40
    data[at : at + 8] = b"\xff" * 8
    path = tmp_path / "damaged.zip"
    path.write_bytes(bytes(data))
    read = list(files_of(path))
    assert [file.path.as_posix() for file in read if isinstance(file, File)] == ["bo/forward.ipynb"]
    assert "cannot be unpacked" in refused(path)["anna/forward.ipynb"]


# ---- the command ----


def test_the_command_prints_a_table_and_fails_where_something_was_left(course, zipped, capsys):
    course.root.mkdir()
    good = zipped({"anna/forward.ipynb": notebook()}, "good.zip")
    assert main(["collect", str(good), "--course", str(course.root)]) == 0
    assert "anna  forward" in capsys.readouterr().out
    bad = zipped({"readme.txt": b"x"}, "bad.zip")
    assert main(["collect", str(bad), "--course", str(course.root)]) == 1
    assert "readme.txt: its name does not tell whose it is" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["/nowhere.zip"], "There is no /nowhere.zip."),
        ([__file__], "no zip that can be read"),
        (["/", "--assignment", "sideways"], "There is no assignment 'sideways'"),
    ],
)
def test_the_command_says_what_is_wrong_in_a_sentence(course, capsys, arguments, sentence):
    course.root.mkdir()
    assert main(["collect", *arguments, "--course", str(course.root)]) == 1
    assert sentence in capsys.readouterr().err


def test_a_course_folder_with_a_slip_in_its_name_is_not_made(tmp_path, capsys):
    assert main(["collect", str(tmp_path), "--course", str(tmp_path / "coruse")]) == 1
    assert "There is no course folder" in capsys.readouterr().err
    assert not (tmp_path / "coruse").exists()


def test_an_upload_that_holds_nothing_is_told(course, zipped, tmp_path, capsys):
    course.root.mkdir()
    (tmp_path / "empty").mkdir()
    assert main(["collect", str(zipped({})), str(tmp_path / "empty"), "--course", str(course.root)]) == 1
    assert "Nothing was taken: what you named holds no files." in capsys.readouterr().out


def test_a_roster_that_cannot_be_read_is_one_sentence_without_a_number_of_the_system(tmp_path):
    (tmp_path / "latin.csv").write_bytes("id;name\n1;Jörg\n".encode("latin-1"))
    for name, told in (("latin.csv", "is no text in UTF-8"), ("none.csv", "No such file"), (".", "Is a directory")):
        with pytest.raises(Problem, match=told) as raised:
            read_roster(tmp_path / name)
        assert "Errno" not in str(raised.value)


def test_what_cannot_be_read_is_told_and_keeps_nobody_else_back(tmp_path, monkeypatch):
    for student in ("ann", "bo", "cy"):
        (tmp_path / student).mkdir()
        (tmp_path / student / "forward.ipynb").write_bytes(notebook())
    closed, read = tmp_path / "cy", Path.read_bytes
    walk = os.walk

    def walked(folder, onerror):
        for here, folders, files in walk(folder):
            if Path(here) == closed:
                onerror(PermissionError(13, "Permission denied", here))
            else:
                yield here, folders, files

    def refused(path):
        if path.parent.name == "bo":
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(os, "walk", walked)
    monkeypatch.setattr(Path, "read_bytes", refused)
    found = {file.path.as_posix(): getattr(file, "why", "") for file in files_of(tmp_path)}
    assert found == {
        "cy": "the folder cannot be read (Permission denied)",
        "ann/forward.ipynb": "",
        "bo/forward.ipynb": "it cannot be read (Permission denied)",
    }
