/* The heatmap's grid: only what is in view is drawn (canvas) and in the document (one row element a visible row).
   For keyboards and screen readers it is a `grid`: arrows, Home, End, Page Up and Down move, Enter opens. The focused
   month is a real element with its words in its label. */

import { draw, palette, read, sharp } from "./cells.js";
import { h } from "./dom.js";
import { percent } from "./format.js";

const ROW = 20;
const HEAD = 26;
const GAP = 1;
const NARROW = 600;

export class Grid {
  /* `open(series, month)` opens a series, `words(series, month, cell)` describes one, `show(cell, box)` and `hide()` the tip. */
  constructor({ months, open, link, words, show, hide }) {
    Object.assign(this, { months, open, link, words, show, hide });
    this.rows = [];
    this.live = new Map();
    this.at = { row: 0, column: months.length - 1 };
    this.canvas = h("canvas", { "aria-hidden": "true", role: "presentation" });
    this.sheet = h("div", { class: "grid-sheet", role: "presentation" }, this.canvas);
    this.head = h("div", { class: "grid-head", role: "row", "aria-rowindex": "1" });
    this.body = h("div", { class: "grid-body", role: "rowgroup" });
    this.element = h(
      "div",
      { class: "grid", role: "grid", "aria-label": "Completeness by symbol and month" },
      this.head,
      this.sheet,
      this.body,
    );
    this.element.setAttribute("aria-colcount", String(months.length + 2));
    this.element.addEventListener("scroll", () => this.paint(), { passive: true });
    this.element.addEventListener("keydown", (event) => this.key(event));
    this.element.addEventListener("mousemove", (event) => this.hover(event));
    this.element.addEventListener("mouseleave", () => this.hide());
    this.element.addEventListener("click", (event) => this.click(event));
    this.repaint = () => this.recolour();
    window.addEventListener("themechange", this.repaint);
    this.watch = new ResizeObserver(() => this.resize());
    this.watch.observe(this.element);
  }

  destroy() {
    this.watch.disconnect();
    window.removeEventListener("themechange", this.repaint);
    this.hide();
  }

  fill(rows) {
    this.rows = rows.map((series) => ({ series, cells: series.cells.map(read) }));
    this.element.setAttribute("aria-rowcount", String(rows.length + 1));
    this.at.row = Math.max(0, Math.min(this.at.row, rows.length - 1));
    for (const element of this.live.values()) element.remove();
    this.live.clear();
    this.cell = null;
    this.resize();
  }

  recolour() {
    this.colours = palette();
    this.paint();
  }

  resize() {
    if (!this.element.clientWidth) return; // not on the page yet
    const narrow = this.element.clientWidth < NARROW;
    this.label = narrow ? 66 : 132;
    this.element.classList.toggle("narrow", narrow);
    const room = this.element.clientWidth - this.label;
    this.column = Math.max(narrow ? 14 : 11, Math.min(28, Math.floor(room / this.months.length)));
    const width = this.label + this.column * this.months.length;
    this.body.style.height = `${this.rows.length * ROW}px`;
    for (const part of [this.body, this.head]) part.style.width = `${width}px`;
    this.view = {
      width: Math.min(this.element.clientWidth, width),
      height: Math.max(0, this.element.clientHeight - HEAD),
    };
    this.context = sharp(this.canvas, this.view.width, this.view.height);
    this.heading();
    this.recolour();
    if (narrow && !this.moved && this.view.height) this.element.scrollLeft = width; // the newest months
    this.moved ||= this.view.height > 0;
  }

  heading() {
    const corner = h("div", { class: "grid-corner", role: "columnheader", "aria-colindex": "1" }, "Symbol");
    const share = h(
      "div",
      {
        class: "grid-share",
        role: "columnheader",
        "aria-colindex": "2",
        title: "Adjusted completeness over all months",
      },
      "Adjusted",
    );
    corner.append(h("span", { class: "grid-corner-share", "aria-hidden": "true" }, "Adjusted"));
    const columns = this.months.map((month, index) => {
      const text = month.endsWith("-01") || index === 0 ? month.slice(0, 4) : "";
      const column = h(
        "div",
        { class: "grid-month", role: "columnheader", "aria-label": month, "aria-colindex": String(index + 3) },
        text,
      );
      column.classList.toggle("year", text !== "");
      column.style.left = `${this.label + index * this.column}px`;
      return column;
    });
    share.classList.add("offscreen");
    this.head.replaceChildren(corner, share, ...columns);
  }

  visible() {
    const first = Math.floor(this.element.scrollTop / ROW);
    return [first, Math.min(this.rows.length, first + Math.ceil(this.view.height / ROW) + 1)];
  }

  paint() {
    const { context, element, view } = this;
    if (!context) return;
    const [first, last] = this.visible();
    context.clearRect(0, 0, view.width, view.height);
    const from = Math.max(0, Math.floor(element.scrollLeft / this.column));
    for (let row = first; row < last; row += 1) {
      const y = row * ROW - element.scrollTop;
      for (let column = from; column < this.months.length; column += 1) {
        const x = this.label + column * this.column - element.scrollLeft;
        if (x > view.width) break;
        draw(context, this.colours, this.rows[row].cells[column], x, y + GAP, this.column - GAP, ROW - 2 * GAP);
      }
    }
    this.labels(first, last);
  }

  labels(first, last) {
    for (const [row, element] of this.live) {
      if ((row < first || row >= last) && row !== this.at.row) {
        element.remove();
        this.live.delete(row);
      }
    }
    const wanted = new Set([...Array(Math.max(0, last - first)).keys()].map((offset) => first + offset));
    if (this.rows.length) wanted.add(this.at.row);
    for (const row of wanted) if (!this.live.has(row)) this.row(row);
    if (this.rows.length && !this.cell?.isConnected) this.mark(false);
  }

  row(row) {
    const { series } = this.rows[row];
    const name = h(
      "a",
      { href: this.link(series), tabIndex: -1, title: `${series.symbol}, ${series.tier ?? "no"} tier` },
      series.symbol,
    );
    const element = h(
      "div",
      { class: "grid-row", role: "row", "aria-rowindex": String(row + 2) },
      h("div", { class: "grid-name", role: "rowheader", "aria-colindex": "1" }, name),
      h("div", { class: "grid-share", role: "gridcell", "aria-colindex": "2" }, percent(series.adjusted, 2)),
    );
    element.style.transform = `translateY(${row * ROW}px)`;
    this.live.set(row, element);
    this.body.append(element);
  }

  /* Makes the element of the present month, and focuses it if asked. A new one each time: readers read what gains focus. */
  mark(focus) {
    const { row, column } = this.at;
    if (!this.live.has(row)) this.row(row);
    const { series, cells } = this.rows[row];
    const label = this.words(series, this.months[column], cells[column]);
    const cell = h("div", {
      class: "grid-cell",
      role: "gridcell",
      tabIndex: 0,
      "aria-label": label,
      "aria-colindex": String(column + 3),
    });
    cell.style.left = `${this.label + column * this.column}px`;
    cell.style.width = `${this.column - GAP}px`;
    cell.addEventListener("focus", () => this.tip(cell.getBoundingClientRect(), row, column));
    cell.addEventListener("blur", () => this.hide());
    this.live.get(row).append(cell);
    const before = this.cell;
    this.cell = cell;
    if (focus) cell.focus({ preventScroll: true });
    before?.remove();
  }

  move(row, column) {
    this.at = {
      row: Math.max(0, Math.min(row, this.rows.length - 1)),
      column: Math.max(0, Math.min(column, this.months.length - 1)),
    };
    const { element, view } = this;
    const top = this.at.row * ROW;
    const left = this.at.column * this.column;
    if (top < element.scrollTop) element.scrollTop = top;
    else if (top + ROW > element.scrollTop + view.height) element.scrollTop = top + ROW - view.height;
    if (left < element.scrollLeft) element.scrollLeft = left;
    else if (left + this.column > element.scrollLeft + view.width - this.label)
      element.scrollLeft = left + this.column - view.width + this.label;
    this.paint();
    this.mark(true);
  }

  key(event) {
    if (!this.rows.length || event.altKey || event.metaKey) return;
    const { row, column } = this.at;
    const page = Math.max(1, Math.floor(this.view.height / ROW) - 1);
    const steps = {
      ArrowUp: [row - 1, column],
      ArrowDown: [row + 1, column],
      ArrowLeft: [row, column - 1],
      ArrowRight: [row, column + 1],
      PageUp: [row - page, column],
      PageDown: [row + page, column],
      Home: [event.ctrlKey ? 0 : row, 0],
      End: [event.ctrlKey ? this.rows.length - 1 : row, this.months.length - 1],
    };
    if (event.key === "Enter" || event.key === " ") this.open(this.rows[row].series, this.months[column]);
    else if (event.key === "Escape") this.hide();
    else if (steps[event.key]) this.move(...steps[event.key]);
    else return;
    event.preventDefault();
  }

  /* Row and column under the pointer, or null beside the months. */
  under(event) {
    const box = this.element.getBoundingClientRect();
    const x = event.clientX - box.left;
    const y = event.clientY - box.top - HEAD;
    const column = Math.floor((x - this.label + this.element.scrollLeft) / this.column);
    const row = Math.floor((y + this.element.scrollTop) / ROW);
    const inside = x >= this.label && y >= 0 && column < this.months.length && row < this.rows.length;
    return inside ? { row, column } : null;
  }

  hover(event) {
    const found = this.under(event);
    this.element.classList.toggle("pointing", found !== null);
    if (!found) {
      this.hide();
      return;
    }
    const box = this.element.getBoundingClientRect();
    const left = box.left + this.label + found.column * this.column - this.element.scrollLeft;
    const top = box.top + HEAD + found.row * ROW - this.element.scrollTop;
    this.tip(new DOMRect(left, top, this.column, ROW), found.row, found.column);
  }

  tip(box, row, column) {
    const { series, cells } = this.rows[row];
    this.show({ series, month: this.months[column], cell: cells[column], box });
  }

  click(event) {
    const found = event.target.closest("a") ? null : this.under(event);
    if (found) this.open(this.rows[found.row].series, this.months[found.column]);
  }
}
