"""The report on a class: what it tells, what it keeps to itself, and that it asks for nothing from outside."""

import dataclasses
import re
import shutil

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup
from nbgrader.api import Gradebook
from right_implementations import RIGHT, source_of

from autograder.__main__ import main
from autograder.builder.build import build
from autograder.course import Course
from autograder.engine.pipeline import Submission as Handed
from autograder.engine.pipeline import flag_ungraded
from autograder.grading import grade
from autograder.report import data as of_class
from autograder.report import similarity
from autograder.report.data import ClassData, Paper, Part, read_class
from autograder.report.page import page, write_report
from autograder.report.similarity import Feature
from autograder.sample import read_submissions, write_submission
from autograder.sample.run import can_isolate

# nbgrader's gradebook, on every new submission
pytestmark = pytest.mark.filterwarnings("ignore:Object of type .* not in session")

STUDENTS = {
    "ada": "x7-ada-lovelace",
    "goran": "x7-goran-petrov",
    "hana": "x7-hana-suzuki",
    "fatima": "x7-fatima-zahra",
    "tao": "x7-tao-li",
}
ODD = "# the kettle of my aunt decides the axis"


@pytest.fixture(scope="session")
def course(tmp_path_factory):
    """A class of `forward`: five of the sample class, two who share an odd comment, one not graded."""
    course = Course(tmp_path_factory.mktemp("report") / "a-course-folder")
    build(course, ["forward"])
    sample = {s.student: s for s in read_submissions() if s.assignment == "forward"}
    for name, student in STUDENTS.items():
        write_submission(course, dataclasses.replace(sample[name], student=student))
    for name, student in (("ada", "x7-first-twin"), ("goran", "x7-second-twin")):
        blocks = [
            (kind, cell, f"{ODD}\n{text}" if kind == "python" else text) for kind, cell, text in sample[name].blocks
        ]
        write_submission(course, dataclasses.replace(sample[name], student=student, blocks=tuple(blocks)))
    renamed = course.root / "submitted" / STUDENTS["hana"] / "forward"
    (renamed / "forward.ipynb").rename(renamed / "forward by Hana Suzuki.ipynb")
    assert grade(course, "forward", isolated=can_isolate()[0]) == 0
    folder = course.root / "submitted" / "x7-zoe-late" / "forward"
    folder.mkdir(parents=True)
    flag_ungraded(Handed(course, folder))
    with Gradebook(course.gradebook_url, course.course_id) as gradebook:
        for submission in gradebook.find_assignment("forward").submissions:
            submission.student.first_name, submission.student.last_name = "Firstname", "Lastname"
        gradebook.db.commit()
    return course


@pytest.fixture(scope="module")
def found(course):
    return read_class(course, "forward")


@pytest.fixture(scope="module")
def html(course):
    return write_report(course, "forward").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def anonymous(course):
    return write_report(course, "forward", anonymous=True).read_text(encoding="utf-8")


def words(html):
    return re.sub(r"\s+", " ", BeautifulSoup(html, "html.parser").get_text(" "))


def made(count, parts=2, **more):
    """Return a class without notebooks, in which half of the submissions have all points."""
    kinds = tuple(Part(f"part-{n}", 2.0, False) for n in range(parts))
    scores = ({part.name: 2.0 * (number % 2) for part in kinds} for number in range(count))
    return ClassData("forward", kinds, tuple(Paper(str(n), str(n), s, **more) for n, s in enumerate(scores)))


# ---- what it tells ----


def test_misconceptions_are_told_with_their_sentence_their_number_and_their_section(html):
    table = BeautifulSoup(html, "html.parser").find("table")
    rows = [
        [cell.get_text(" ", strip=True) for cell in row.find_all(["th", "td"])] for row in table.tbody.find_all("tr")
    ]
    row = next(row for row in rows if row[0] == "the variance divides by N - 1 instead of N")
    assert row[1] == "3"
    assert "How wide is it? The variance" in row[2]
    assert [int(row[1]) for row in rows] == sorted((int(row[1]) for row in rows), reverse=True)


def test_a_section_is_a_link_where_the_book_is(course, tmp_path):
    there = Course(tmp_path / "course")
    shutil.copytree(course.root, there.root)
    there.config.Course.book_url = "https://example.org/book"
    links = BeautifulSoup(write_report(there, "forward").read_text(encoding="utf-8"), "html.parser").find_all("a")
    assert "https://example.org/book/chapters/forward_pass.html#sec-forward-variance" in {a["href"] for a in links}


def test_what_is_odd_not_graded_or_waiting_is_to_be_looked_at(html):
    text = words(html)
    assert "x7-zoe-late Handed in and not graded" in text
    assert "There is no forward.ipynb; forward by Hana Suzuki.ipynb was graded" in text
    assert "x7-ada-lovelace (4 points)" in text


def test_a_submission_without_isolation_is_to_be_looked_at():
    assert "Ran without isolation" in words(page(made(3, isolated=False), None))
    assert "Ran without isolation" not in words(page(made(3, isolated=True), None))


def test_distribution_counts_every_graded_submission(html, found):
    tables = BeautifulSoup(html, "html.parser").find_all("table")
    marks = next(table for table in tables if "have how many marks" in table.caption.get_text())
    assert sum(int(cell.get_text()) for cell in marks.tbody.find_all("td")) == len(found.papers) == 7


def test_hand_in_times_are_told_only_where_they_are_known(html):
    assert 'id="time"' not in html
    assert "came after the deadline" in words(page(made(3, late=3600.0), None))


def test_a_late_penalty_is_taken_off_and_no_total_is_below_zero():
    assert list(made(2, penalty=1.0).totals()) == [0.0, 3.0]


# ---- which checks separate ----


def test_a_part_that_goes_along_with_the_others_separates_and_one_that_is_noise_does_not():
    rng = np.random.default_rng(0)
    able = rng.normal(size=400)
    parts = tuple(Part(name, 1.0, False) for name in ("a", "b", "noise"))
    papers = tuple(
        Paper(str(n), str(n), {"a": float(x > 0), "b": float(x > 0.3), "noise": float(rng.random() > 0.5)})
        for n, x in enumerate(able)
    )
    told = {s.part.name: s.correlation for s in of_class.separations(ClassData("forward", parts, papers))}
    assert told["a"] > 0.5
    assert told["b"] > 0.5
    assert abs(told["noise"]) < 0.15


def test_a_small_class_gets_no_number_and_a_reason():
    few = made(of_class.FEWEST - 1)
    assert all(s.correlation is None for s in of_class.separations(few))
    assert "would be chance" in words(page(few, None))
    assert "are few: take these numbers as a hint" in words(page(made(of_class.FEWEST), None))
    assert "are few" not in words(page(made(of_class.FEW), None))


def test_a_part_that_is_the_same_for_all_has_no_correlation():
    parts = (Part("same", 1.0, False), Part("other", 1.0, False))
    papers = tuple(Paper(str(n), str(n), {"same": 1.0, "other": float(n % 2)}) for n in range(12))
    assert [s.correlation for s in of_class.separations(ClassData("forward", parts, papers))] == [None, None]


# ---- worth a look ----


def test_an_odd_comment_that_two_share_is_worth_a_look(course, found):
    groups = similarity.shared(course, found)
    assert [group.papers for group in groups if Feature("comment", ODD.strip("# ")) in group.features] == [
        ("x7-first-twin", "x7-second-twin")
    ]


def test_the_sample_class_shares_nothing_but_what_was_copied(course, found):
    sharing = {name for group in similarity.shared(course, found) for name in group.papers}
    copies = {STUDENTS["ada"], STUDENTS["goran"], "x7-first-twin", "x7-second-twin"}
    assert sharing <= copies


def test_independently_written_right_answers_share_nothing_rare(course):
    papers = tuple(Paper(name, name, {}, code=[source_of(notebook)]) for name, notebook in RIGHT.items())
    assert len(papers) > 20
    assert similarity.shared(course, ClassData("forward", (), papers)) == []


def test_what_stands_in_the_release_or_in_many_submissions_is_not_rare(course):
    comment = "# four words or so that nobody would share"
    papers = tuple(Paper(str(n), str(n), {}, code=[comment]) for n in range(4))
    assert similarity.most(4) == 3
    assert similarity.shared(course, ClassData("forward", (), papers[:3])) != []
    assert similarity.shared(course, ClassData("forward", (), papers)) == []
    given = (course.release("forward") / "forward.ipynb").read_text(encoding="utf-8")
    assert "written answer" in given
    source = similarity.baseline(course)
    release = [f for f in source if f.kind == "sentence"]
    same = tuple(Paper(str(n), str(n), {}, answers=[release[0].text]) for n in range(2))
    assert similarity.shared(course, ClassData("forward", (), same)) == []


def finding(sentence, misconceptions=()):
    told = {
        "claim": "out is right",
        "sentence": sentence,
        "misconceptions": list(misconceptions),
        "section": "sec-forward-mean",
    }
    return {"part": "batchnorm_forward-train", "findings": [told]}


def test_the_same_unusual_wrong_number_is_worth_a_look_unless_a_misconception_explains_it(course):
    odd = finding("out[0, 3] is 2.46629 and should be 1.62658 (N=7, D=4, eps=0.1).")
    known = finding("out[0, 3] is 2.46629 and should be 1.62658 (N=7, D=4, eps=0.1).", ["no eps"])
    plain = finding("out[0, 3] is 0 and should be 1.62658 (N=7, D=4, eps=0.1).")

    def shared(*records):
        papers = tuple(Paper(str(n), str(n), {}, records=list(r)) for n, r in enumerate(records))
        return similarity.shared(course, ClassData("forward", (), papers))

    assert [group.papers for group in shared([odd], [odd])] == [("0", "1")]
    assert shared([known], [known]) == []
    assert shared([plain], [plain]) == []
    assert shared([odd], [odd], [odd, finding("another thing", ["no eps"])]) == []  # it may follow from that


def test_a_single_shared_name_is_not_worth_a_look_and_three_are(course):
    def shared(code):
        papers = tuple(Paper(str(n), str(n), {}, code=[code]) for n in range(2))
        return similarity.shared(course, ClassData("forward", (), papers))

    assert shared("quokka_mean = 1") == []
    assert shared("quokka_mean = wombat_var = dingo_eps = 1") != []
    assert shared("sample_mean = xmu = sqrtvar = ivar = dxhat = 1") == []  # names that everybody reads


def test_broken_code_is_read_as_far_as_it_can_be():
    assert Feature("name", "quokkamean") in similarity.features_in("quokka_mean = (1\n'''")
    assert similarity.features_in("\0((((" * 1000) is not None


def test_wording_accuses_nobody(html):
    text = words(html).lower()
    assert "proves nothing" in text
    assert not re.search(r"plagiar|cheat|copied|suspicio|suspect|dishonest|fraud|guilt|score of similarity", text)


def test_similarity_can_be_left_out(course, capsys):
    assert main(["report", "forward", "--no-similarity", "--course", str(course.root)]) == 0
    path = capsys.readouterr().out.strip()
    text = (course.root / "reports" / "forward.html").read_text(encoding="utf-8")
    assert path == str(course.root / "reports" / "forward.html")
    assert "kettle" not in text
    assert "Worth a look" not in text


# ---- what it keeps to itself ----


def test_without_names_nothing_leads_to_a_student(anonymous, course):
    for told in (
        "x7-",
        "lovelace",
        "Hana",
        "Suzuki",
        "Firstname",
        "Lastname",
        "kettle",
        str(course.root),
        "a-course-folder",
    ):
        assert told.lower() not in anonymous.lower()
    assert re.search(r"submission \d", anonymous)
    assert "The notebook had another name." in anonymous
    assert "1 comment" in words(anonymous)


def test_numbers_of_submissions_do_not_follow_the_order_of_names_and_stay_the_same(course):
    first, again = (read_class(course, "forward", anonymous=True) for _ in range(2))
    students = [paper.student for paper in first.papers]
    assert students == [paper.student for paper in again.papers]
    assert [paper.name for paper in first.papers] == [paper.name for paper in again.papers]
    other = made_with_secret(course, "0" * 64)
    assert {tuple(students), tuple(other)} != {tuple(sorted(students))}


def made_with_secret(course, text):
    path = course.root / "secret"
    kept = path.read_text()
    path.write_text(text + "\n")
    try:
        return [paper.student for paper in read_class(course, "forward", anonymous=True).papers]
    finally:
        path.write_text(kept)


def test_hostile_text_stays_text(course):
    hostile = "<script>document.title = 'run'</script> <img src=https://example.org/a.png>"
    papers = tuple(Paper(hostile, hostile, {"part": 1.0}, oddities=[hostile]) for _ in range(2))
    groups = [similarity.Group((hostile, hostile), (Feature("comment", hostile),))]
    made = BeautifulSoup(page(ClassData("forward", (Part("part", 1.0, False),), papers), groups), "html.parser")
    assert not made.find_all(["script", "img"])


# ---- the page itself ----


def test_every_picture_has_a_title_and_a_table_beside_it(html, anonymous):
    for text in (html, anonymous, page(made(40, late=5.0), [])):
        soup = BeautifulSoup(text, "html.parser")
        figures = soup.find_all("figure")
        assert len(figures) >= 2
        for figure in figures:
            svg = figure.find("svg")
            assert svg["role"] == "img"
            assert svg.find("title")["id"] == svg["aria-labelledby"]
            assert len(svg.find("title").get_text()) > 20
            assert figure.find_next_sibling("div").find("table").caption is not None
        ids = [element["id"] for element in soup.find_all(id=True)]
        assert len(ids) == len(set(ids))


def test_page_names_no_address_but_those_of_links(html):
    soup = BeautifulSoup(html, "html.parser")
    assert not soup.find_all(["script", "link", "img", "iframe", "image", "object"])
    rest = re.sub(r'xmlns(:\w+)?="[^"]*"', "", html)
    assert not re.search(r"https?://|//\w|@import|url\((?!#)", rest)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
def test_in_a_browser_the_page_asks_for_nothing_fits_and_is_accessible(course, html, chromium, scheme, width, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(html, encoding="utf-8")
    tab = chromium.new_page(color_scheme=scheme, viewport={"width": width, "height": 800})
    asked = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(path.as_uri())
    assert asked == [path.as_uri()]
    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    found = Axe().run(tab).response["violations"]
    assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found] == []
    tab.close()


# ---- what can go wrong ----


def test_another_assignment_is_one_sentence(course, capsys):
    assert main(["report", "nothing", "--course", str(course.root)]) == 1
    assert capsys.readouterr().err.startswith("autograder: There is no assignment 'nothing'; the assignments are ")


def test_nothing_graded_is_one_sentence(tmp_path, capsys):
    assert main(["report", "forward", "--course", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "Nothing of forward is graded" in said
    assert "python -m autograder grade forward" in said
    assert said.count("\n") == 1


def test_a_release_that_is_damaged_is_one_sentence(course, tmp_path, capsys):
    other = Course(shutil.copytree(course.root, tmp_path / "course"))
    (other.release("forward") / "forward.ipynb").write_text("no notebook")
    assert main(["report", "forward", "--course", str(other.root)]) == 1
    assert "cannot be read; build it again: python -m autograder build forward." in capsys.readouterr().err


def test_a_page_without_names_does_not_take_the_place_of_one_with_names(course):
    assert write_report(course, "forward") != write_report(course, "forward", anonymous=True)
