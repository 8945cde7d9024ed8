"""JupyterLab as a person has it: a server with a home of its own, and its page in the browser."""

import json
import os
import re
import secrets
import subprocess
import sys
import time
from contextlib import contextmanager
from urllib.request import ProxyHandler, build_opener

import matplotlib
from playwright.sync_api import expect

SECONDS = 120  # for anything that is waited for, on a slow machine too

# Nothing is asked of a network: no news, no newer version, no list of extensions.
_OFFLINE = ("--LabApp.extension_manager=readonly", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate")
_NEWS = "@jupyterlab/apputils-extension:announcements"
_DIRECTLY = build_opener(ProxyHandler({}))
_PAINTED = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
_SIZE = {"width": 1400, "height": 900}


@contextmanager
def jupyterlab(folder, home, settings, hidden=()):
    """Start JupyterLab in a folder.

    Parameters
    ----------
    folder : Path
        Where it is started.
    home : Path
        The home of the person whose server it is.
    settings : str
        What nbgrader's configuration says for everything that this person does.
    hidden : tuple of str
        Extensions that are taken out of the menus.

    Yields
    ------
    str
        The address that opens it.
    """
    environment, token = person(home, settings, hidden), secrets.token_hex(16)
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ServerApp.ip=127.0.0.1", "--ServerApp.port=0"]
    command += [f"--IdentityProvider.token={token}", *_OFFLINE]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    with (home / "server.log").open("w", encoding="utf-8") as log:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            yield f"{_address(server, home)}lab?token={token}"
        finally:
            server.terminate()
            try:
                server.wait(SECONDS)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def person(home, settings, hidden=()):
    """Make a home, and return the environment of whoever lives there."""
    config = home / ".jupyter"
    (config / "labconfig").mkdir(parents=True, exist_ok=True)
    page = {"disabledExtensions": dict.fromkeys((_NEWS, *hidden), True)}
    (config / "labconfig" / "page_config.json").write_text(json.dumps(page), encoding="utf-8")
    (config / "nbgrader_config.py").write_text(f"c = get_config()\n{settings}", encoding="utf-8")
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "NBGRADER", "IPYTHON"))
    }
    places = {"JUPYTER_CONFIG_DIR": config, "JUPYTER_DATA_DIR": home / "data", "JUPYTER_RUNTIME_DIR": home / "runtime"}
    return {
        **kept,
        "HOME": str(home),
        "MPLCONFIGDIR": matplotlib.get_cachedir(),
        **{k: str(v) for k, v in places.items()},
    }


def _address(server, home):
    """Wait until the server answers; return where."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and server.poll() is None:
        for told in (home / "runtime").glob("jpserver-*.json"):
            try:
                address = json.loads(told.read_text(encoding="utf-8"))["url"]
                with _DIRECTLY.open(f"{address}api", timeout=5):
                    return address
            except (ValueError, OSError):  # it is being written, or is not listening yet
                pass
        time.sleep(0.05)
    raise RuntimeError("JupyterLab did not start:\n" + (home / "server.log").read_text(encoding="utf-8")[-3000:])


class Screen:
    """A page of JupyterLab, and what a person does there."""

    def __init__(self, page, name, pictures):
        self.page, self.name, self.pictures = page, name, pictures
        self._steps = 0

    @classmethod
    @contextmanager
    def open(cls, chromium, address, name, pictures, outside):
        """Open a page; note in `outside` what it asks of another machine, which it does not get."""
        context = chromium.new_context(viewport=_SIZE, permissions=["clipboard-read", "clipboard-write"])
        context.set_default_timeout(1000 * SECONDS)
        here = address.partition("/lab")[0]

        def ask(route):
            if route.request.url.startswith(here):
                route.continue_()
            else:
                outside.append(route.request.url)
                route.abort()

        context.route(re.compile("^(?!data:|blob:)"), ask)
        try:
            screen = cls(context.new_page(), name, pictures)
            with screen.step("opens-jupyterlab"):
                screen.page.goto(address)
                screen.page.get_by_role("menuitem", name="Nbgrader").wait_for()
            yield screen
        finally:
            context.close()

    @contextmanager
    def step(self, name, look_at=None):
        """Do one thing, and take a picture of how it ends."""
        self._steps += 1
        picture = self.pictures / f"{self.name}-{self._steps:02}-{name}.png"
        try:
            yield
            if look_at is not None:
                self.look_at(look_at)
            self.page.evaluate(_PAINTED)
        except BaseException as error:
            error.add_note(f"what the {self.name} saw: {picture}")
            raise
        finally:
            self.page.screenshot(path=picture, animations="disabled")

    def look_at(self, place):
        """Scroll until a place is in sight, as often as the page itself scrolls away."""
        end = time.monotonic() + SECONDS
        while True:
            place.scroll_into_view_if_needed()
            self.page.evaluate(_PAINTED)
            try:
                return expect(place).to_be_in_viewport(timeout=1000)
            except AssertionError:
                if time.monotonic() > end:
                    raise

    def menu(self, *names):
        for name in names:
            self.page.get_by_role("menuitem", name=name, exact=True).click()

    def acknowledge(self, frame):
        """Read what a dialog of the formgrader says, and close it."""
        dialog = frame.locator(".modal.in")
        said = dialog.locator(".modal-body").inner_text()
        dialog.get_by_role("button", name="OK").click()
        dialog.wait_for(state="detached")
        return said

    def cell(self, notebook, text):
        """Find a cell by its text, also where the notebook has not drawn it yet."""
        cell = notebook.locator(".jp-Cell").filter(has_text=text).first
        self.look_at(cell)
        return cell

    def write_in(self, cell, where):
        """Put the cursor somewhere into a cell of code."""
        where.click()
        expect(cell.locator(".cm-content")).to_be_focused(timeout=1000 * SECONDS)

    def paste(self, cell, text):
        """Replace the text of a cell by the clipboard's."""
        self.write_in(cell, cell.locator(".cm-content"))
        self.page.evaluate("text => navigator.clipboard.writeText(text)", text)
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.press("ControlOrMeta+v")
        expect(cell).to_contain_text(text.splitlines()[-1], timeout=1000 * SECONDS)

    def run_all(self, notebook):
        """Clear what is there, start the kernel anew, run all cells, and wait for the last."""
        last = notebook.locator(".jp-CodeCell .jp-InputPrompt").last
        self.menu("Edit", "Clear Outputs of All Cells")
        expect(last).to_have_text("[ ]:", timeout=1000 * SECONDS)
        self.menu("Run", "Restart Kernel and Run All Cells…")
        self.page.get_by_role("button", name="Confirm Kernel Restart").click()
        expect(last).to_have_text(re.compile(r"\[\d+\]:"), timeout=1000 * SECONDS)

    def save(self, notebook):
        """Save, and wait until nothing is left to be saved."""
        notebook.locator("[data-jp-item-name=save]").click()
        expect(self.page.locator("#jp-main-dock-panel .jp-mod-dirty")).to_have_count(0, timeout=1000 * SECONDS)

    def validate(self, notebook):
        """Press Validate; return what the dialog says."""
        with self.step("validates"):
            notebook.locator(".jp-NotebookPanel-toolbar").get_by_text("Validate", exact=True).click()
            dialog = self.page.locator(".nbgrader-SuccessDialog, .nbgrader-ErrorDialog")
            said = dialog.inner_text()
        dialog.get_by_role("button").click()
        dialog.wait_for(state="detached")
        return said
