"use strict";
// The page is whole without this. It adds a cursor, zoom, ways from times to the time line, and a filter for logs.
(() => {
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("data").textContent);
  const board = byId("board"), inner = board.querySelector(".inner"), over = board.querySelector(".over");
  const cursor = board.querySelector(".cursor"), picked = board.querySelector(".picked"), axis = board.querySelector(".axis .track");
  const longest = Math.min(128, Math.max(1, data.duration / 500));
  let zoom = 1, at = null;

  const clamp = (v, low, high) => Math.min(Math.max(v, low), high);
  const seconds = (t, digits = 3) => (t / 1000).toFixed(digits) + " s";
  const percent = (t) => (100 * t / data.duration) + "%";
  // The visible part of the time line.
  const shown = () => {
    const width = over.clientWidth, seen = board.clientWidth - over.offsetLeft;
    const from = data.duration * board.scrollLeft / width;
    return { from, to: Math.min(data.duration, from + data.duration * seen / width) };
  };
  const timeAt = (x) => {
    const r = over.getBoundingClientRect();
    return clamp((x - r.left) / r.width, 0, 1) * data.duration;
  };

  function drawAxis() {
    const goal = data.duration / zoom / 10;
    let step = 1;
    for (let i = 0; step < goal; i++) step = [1, 2, 5][i % 3] * 10 ** Math.floor(i / 3);
    const digits = step % 1000 === 0 ? 0 : step % 100 === 0 ? 1 : step % 10 === 0 ? 2 : 3;
    axis.replaceChildren();
    over.querySelectorAll(".grid").forEach((g) => g.remove());
    for (let t = 0; t <= data.duration; t += step) {
      const label = document.createElement("span"), line = document.createElement("i");
      if ((data.duration - t) * zoom > .03 * data.duration) label.textContent = seconds(t, digits); // else it would be cut
      line.className = "grid";
      label.style.left = line.style.left = percent(t);
      axis.append(label);
      over.prepend(line);
    }
  }
  function tellRange() {
    const { from, to } = shown();
    byId("range").textContent = (from / 1000).toFixed(2) + " – " + seconds(to, 2);
  }
  // Zoom so that a time stays where it is.
  function setZoom(z, keep) {
    const x = (t) => over.clientWidth * t / data.duration;
    const place = x(keep) - board.scrollLeft;
    zoom = clamp(z, 1, longest);
    inner.style.setProperty("--zoom", zoom);
    board.scrollLeft = x(keep) - place;
    drawAxis();
    tellRange();
  }
  function show(from, to) {
    const seen = board.clientWidth - over.offsetLeft;
    setZoom(zoom * seen / over.clientWidth * data.duration / Math.max(to - from, 1), from);
    board.scrollLeft = over.clientWidth * from / data.duration;
    tellRange();
  }
  const middle = () => {
    const { from, to } = shown();
    return at !== null && at >= from && at <= to ? at : (from + to) / 2;
  };

  const part = (name, text) => {
    const span = document.createElement("span"), b = document.createElement("b");
    b.textContent = name;
    span.append(b, " " + text);
    return span;
  };
  function values(t) {
    const i = clamp(Math.floor(t / data.bucket), 0, data.ok.length - 1), perSecond = (n) => Math.round(n * 1000 / data.bucket);
    const list = [part(seconds(t), "")];
    for (const m of data.members) {
      const s = m.spans.find((s) => t >= s.from && t < s.to);
      list.push(part(m.name, s ? s.what + (s.term ? " in term " + s.term : "") : "not there"));
    }
    list.push(part(perSecond(data.ok[i]) + "/s", "ok, " + perSecond(data.refused[i]) + " refused, " + perSecond(data.unknown[i]) + " unknown"));
    if (data.ok[i]) list.push(part("p50", data.p50[i] + " ms"), part("p99", data.p99[i] + " ms"));
    const near = data.duration / zoom / 400;
    for (const f of data.faults) if (t >= f.from - near && t <= f.to + near) list.push(part("fault", f.text));
    for (const g of data.gaps) if (t >= g.from_ms && t <= g.to_ms) list.push(part("no write", "for " + seconds(g.to_ms - g.from_ms, 1)));
    return list;
  }
  function point(t, aloud) {
    at = clamp(t, 0, data.duration);
    cursor.hidden = false;
    cursor.style.left = percent(at);
    const list = values(at);
    byId("readout").replaceChildren(...list);
    if (!aloud) return;
    byId("told").textContent = list.map((p) => p.textContent).join("; ");
    const { from, to } = shown();
    if (at < from || at > to) {
      board.scrollLeft = over.clientWidth * (at - (to - from) / 2) / data.duration;
      tellRange();
    }
  }
  // The next time that is worth a look, in one direction.
  function stop(way) {
    const now = at === null ? -1 : at;
    const stops = data.stops.filter((t) => way > 0 ? t > now + 1 : t < now - 1);
    if (stops.length) point(way > 0 ? Math.min(...stops) : Math.max(...stops), true);
  }

  board.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const { from, to } = shown(), step = (to - from) * (e.shiftKey ? .1 : .01), now = at === null ? from : at;
    const keys = {
      ArrowLeft: () => point(now - step, true), ArrowRight: () => point(now + step, true),
      Home: () => point(0, true), End: () => point(data.duration, true),
      "+": () => setZoom(zoom * 1.5, middle()), "=": () => setZoom(zoom * 1.5, middle()), "-": () => setZoom(zoom / 1.5, middle()),
      "0": () => setZoom(1, 0), n: () => stop(1), p: () => stop(-1),
    };
    if (!keys[e.key]) return;
    e.preventDefault();
    keys[e.key]();
  });
  byId("in").addEventListener("click", () => setZoom(zoom * 2, middle()));
  byId("out").addEventListener("click", () => setZoom(zoom / 2, middle()));
  byId("whole").addEventListener("click", () => setZoom(1, 0));
  board.addEventListener("scroll", tellRange, { passive: true });
  addEventListener("resize", tellRange);

  let drag = null;
  board.addEventListener("pointerdown", (e) => {
    if (e.pointerType !== "mouse" || e.button !== 0 || e.target.closest("a") || !inner.contains(e.target)) return;
    drag = { from: timeAt(e.clientX), x: e.clientX };
  });
  board.addEventListener("pointermove", (e) => {
    const t = timeAt(e.clientX);
    point(t, false);
    if (!drag) return;
    picked.hidden = Math.abs(e.clientX - drag.x) < 5;
    picked.style.left = percent(Math.min(t, drag.from));
    picked.style.width = percent(Math.abs(t - drag.from));
  });
  addEventListener("pointerup", (e) => {
    if (!drag) return;
    const t = timeAt(e.clientX), from = drag.from, far = !picked.hidden;
    drag = null;
    picked.hidden = true;
    if (far) show(Math.min(t, from), Math.max(t, from));
  });
  board.addEventListener("click", (e) => point(timeAt(e.clientX), false));
  board.addEventListener("dblclick", () => setZoom(1, 0));

  // A time anywhere on the page leads to its place.
  document.addEventListener("click", (e) => {
    const link = e.target.closest("a[data-at]");
    if (!link) return;
    e.preventDefault();
    const t = Number(link.dataset.at);
    byId("timeline").scrollIntoView();
    show(clamp(t - 2000, 0, data.duration), clamp(t + 2000, 0, data.duration));
    point(t, true);
    board.focus({ preventScroll: true });
  });

  // A picture is large: it is loaded when somebody wants to see it.
  for (const details of document.querySelectorAll("details.picture")) {
    details.addEventListener("toggle", () => {
      const frame = details.querySelector("iframe");
      if (details.open && !frame.src) frame.src = frame.dataset.src;
    });
  }

  const filter = byId("filter"), grave = byId("grave");
  function sift() {
    const text = filter.value.toLowerCase(), filtered = text !== "" || grave.checked;
    let count = 0;
    for (const log of document.querySelectorAll(".log")) {
      let here = 0;
      for (const row of log.querySelectorAll("tr.line")) {
        const bad = /\b(warn|error|dpanic|panic|fatal)\b/.test(row.className);
        row.hidden = grave.checked && !bad || !row.textContent.toLowerCase().includes(text);
        if (!row.hidden) here++;
      }
      for (const row of log.querySelectorAll("tr.skipped")) row.hidden = filtered;
      if (filtered) log.open = here > 0;
      count += here;
    }
    byId("matches").textContent = filtered ? count + (count === 1 ? " line" : " lines") : "";
  }
  filter.addEventListener("input", sift);
  grave.addEventListener("change", sift);

  document.documentElement.classList.add("js");
  byId("readout").replaceChildren(part("Point", "at the time line to see the values of a moment."));
  tellRange();
})();
