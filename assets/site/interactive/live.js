// The frame of an interactive figure: a drawing, sliders, a line that answers, and the same line for a screen reader.
var live = (function () {
  "use strict";
  const WIDEST = 640; // pixels
  const PAUSE = 500; // milliseconds without a change before a screen reader is told

  function make(namespace, tag, attributes, children) {
    const element = document.createElementNS(namespace, tag);
    for (const [name, value] of Object.entries(attributes)) if (value !== false) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }
  const html = (tag, attributes = {}, ...children) => make("http://www.w3.org/1999/xhtml", tag, attributes, children);
  const svg = (tag, attributes = {}, ...children) => make("http://www.w3.org/2000/svg", tag, attributes, children);

  // a number with a true minus sign, and none before a zero
  const written = (value, digits = 2) => value.toFixed(digits).replace(/^-(0(\.0*)?)$/, "$1").replace("-", "\u2212");

  // a map from the interval of the data to that of the picture
  const scale = (from, to) => (value) => to[0] + ((value - from[0]) / (from[1] - from[0])) * (to[1] - to[0]);

  class Pen {
    constructor(canvas) {
      this.canvas = canvas;
    }
    add(tag, attributes, ...children) {
      const element = svg(tag, attributes, ...children);
      this.canvas.append(element);
      return element;
    }
    line(x1, y1, x2, y2, look) {
      return this.add("line", { x1, y1, x2, y2, class: look });
    }
    path(points, look) {
      return this.add("path", { d: "M" + points.map(([x, y]) => x.toFixed(1) + " " + y.toFixed(1)).join("L"), class: look });
    }
    dot(cx, cy, r, look) {
      return this.add("circle", { cx, cy, r, class: look });
    }
    rect(x, y, width, height, look) {
      return this.add("rect", { x, y, width: Math.max(0, width), height: Math.max(0, height), class: look });
    }
    text(x, y, string, look = "", anchor = "middle") {
      return this.add("text", { x, y, class: look, "text-anchor": anchor }, string);
    }
    // a horizontal axis at height y, ticks as [value, label]
    axisX(y, map, ticks, ends) {
      this.line(ends[0], y, ends[1], y, "axis");
      for (const [value, label] of ticks) {
        this.line(map(value), y, map(value), y + 4, "axis");
        this.text(map(value), y + 17, label, "tick");
      }
    }
    axisY(x, map, ticks) {
      for (const [value, label] of ticks) this.text(x - 6, map(value) + 4, label, "tick", "end");
    }
  }

  class Panel {
    constructor(element) {
      this.element = element;
      this.name = element.dataset.interactive;
      this.canvas = svg("svg", { role: "img" });
      this.controls = html("div", { class: "live-controls" });
      this.answer = html("p", { class: "live-answer", "aria-hidden": "true" });
      this.voice = html("p", { class: "live-voice", role: "status" });
      this.pen = new Pen(this.canvas);
      this.element.append(this.canvas, this.controls, this.answer, this.voice);
    }

    // Call draw(pen, width) now, whenever `update` is called, and when the width changes.
    drawing(height, description, draw) {
      this.canvas.setAttribute("aria-label", description);
      this.draw = () => {
        this.width = Math.min(this.element.clientWidth, WIDEST);
        this.canvas.setAttribute("width", this.width);
        this.canvas.setAttribute("height", height);
        this.canvas.replaceChildren();
        draw(this.pen, this.width);
      };
      new ResizeObserver(() => this.update()).observe(this.element);
      this.draw();
    }

    update() {
      if (this.frame) return;
      this.frame = requestAnimationFrame(() => {
        this.frame = 0;
        this.draw();
      });
    }

    // Add a slider; `text` writes its value for the eye, `spoken` for the ear.
    slider({ label, min, max, step, value, text, spoken = text, input }) {
      const id = `live-${this.name}-${this.controls.childElementCount}`;
      const range = html("input", { type: "range", id, min, max, step, value });
      const shown = html("span", { class: "live-value", "aria-hidden": "true" });
      this.controls.append(html("div", { class: "live-slider" }, html("label", { for: id }, label), shown, range));
      const show = () => {
        shown.textContent = text(Number(range.value));
        range.setAttribute("aria-valuetext", spoken(Number(range.value)));
      };
      const changed = () => {
        show();
        input();
      };
      range.addEventListener("input", changed);
      show();
      return {
        range,
        get value() {
          return Number(range.value);
        },
        set value(next) {
          if (Number(range.value) === next) return;
          range.value = next;
          changed();
        },
      };
    }

    button(label, act) {
      const button = html("button", { type: "button" }, label);
      button.addEventListener("click", act);
      this.controls.append(button);
      return button;
    }

    checkbox(label, input) {
      const box = html("input", { type: "checkbox" });
      box.addEventListener("input", input);
      this.controls.append(html("label", { class: "live-check" }, box, label));
      return box;
    }

    // Let the reader drag in the drawing: move(x, y) in its pixels. The slider takes the focus, for the arrow keys.
    // A finger moves something when it moves or leaves; if it scrolls the page, the browser takes it away before.
    drag(slider, move) {
      let held = false;
      const at = (event) => {
        const box = this.canvas.getBoundingClientRect();
        slider.range.focus({ preventScroll: true });
        move(event.clientX - box.left, event.clientY - box.top);
      };
      this.canvas.classList.add("live-drag");
      this.canvas.addEventListener("pointerdown", (event) => {
        held = true;
        this.canvas.setPointerCapture(event.pointerId);
        event.preventDefault();
        if (event.pointerType !== "touch") at(event);
      });
      this.canvas.addEventListener("pointermove", (event) => held && at(event));
      this.canvas.addEventListener("pointerup", (event) => {
        if (held) at(event);
        held = false;
      });
      this.canvas.addEventListener("pointercancel", () => (held = false));
    }

    // Say what the numbers are; a finding is marked, in words and by a sign.
    say(sentence, finding = "") {
      this.answer.replaceChildren(sentence, finding && html("strong", {}, " \u2713 " + finding));
      this.answer.classList.toggle("found", Boolean(finding));
      clearTimeout(this.timer);
      this.timer = setTimeout(() => (this.voice.textContent = finding ? `${sentence} ${finding}` : sentence), this.spoken ? PAUSE : 0);
      this.spoken = true;
    }
  }

  // Bring every figure of this name to life: build(panel, data), with the data that the page's code computed.
  function figure(name, build) {
    for (const element of document.querySelectorAll(`[data-interactive="${name}"]`)) {
      const data = JSON.parse(element.querySelector("script").textContent);
      element.hidden = false;
      element.closest("figure").classList.add("live");
      build(new Panel(element), data);
    }
  }

  return { figure, html, svg, written, scale };
})();
