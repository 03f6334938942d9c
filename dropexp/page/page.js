"use strict";
// Sorting, filtering and opening; without this script the page holds the same words, and no control that does nothing.
(() => {
  const collator = new Intl.Collator("en", { numeric: true });
  const make = (tag, text = "", parent = null) => {
    const element = document.createElement(tag);
    element.textContent = text;
    if (parent) parent.append(element);
    return element;
  };

  const plain = (text) => text.toLowerCase().replaceAll("\u2212", "-").replaceAll("\u00a0", " ");

  function order(rows, column, sign) {
    const key = (row) => row.cells[column].dataset.sort ?? row.cells[column].textContent.trim();
    const numeric = rows.every((row) => "sort" in row.cells[column].dataset);
    return rows
      .map((row) => [row, key(row)])
      .sort(([, a], [, b]) => {
        if (a === "" || b === "") return (a === "") - (b === ""); // what is absent stands last either way
        return sign * (numeric ? a - b : collator.compare(a, b));
      })
      .map(([row]) => row);
  }

  function sortable(table, original) {
    const heads = [...table.tHead.rows[0].cells];
    table.dataset.sorts = "";
    heads.forEach((head, column) => {
      if (head.classList.contains("link")) return;
      const button = make("button", head.textContent);
      button.type = "button";
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        table.tBodies[0].append(...order(original, column, down ? -1 : 1));
      });
    });
    return () => {
      heads.forEach((head) => head.removeAttribute("aria-sort"));
      table.tBodies[0].append(...original);
    };
  }

  function choice(tools, head, column, rows) {
    const values = [...new Set(order(rows, column, 1).map((row) => row.cells[column].textContent.trim()))];
    if (values.length < 2 || values.length > 60) return null;
    const label = make("label", head.textContent, tools);
    const select = make("select", "", label);
    const every = make("option", "all", select);
    every.value = "";
    values.forEach((value, i) => (make("option", value || "–", select).value = String(i + 1)));
    return {
      control: select,
      keeps: (row) => !select.value || row.cells[column].textContent.trim() === values[select.value - 1],
    };
  }

  function words(tools) {
    const label = make("label", "contains", tools);
    const input = make("input", "", label);
    input.type = "search";
    return {
      control: input,
      keeps: (row) => {
        const text = plain(row.textContent);
        return plain(input.value).trim().split(/\s+/).every((word) => text.includes(word));
      },
    };
  }

  function enhance(table) {
    const rows = [...table.tBodies[0].rows];
    if (rows.length < 2) return;
    const tools = make("div");
    tools.className = "tools";
    tools.setAttribute("role", "search");
    tools.setAttribute("aria-label", "Filter: " + table.caption.textContent);
    const heads = [...table.tHead.rows[0].cells];
    const filters = heads.map((head, i) => ("choice" in head.dataset ? choice(tools, head, i, rows) : null));
    filters.push(words(tools));
    const restore = sortable(table, rows);
    const reset = make("button", "Reset", tools);
    reset.type = "button";
    const status = make("p", "", tools);
    status.setAttribute("role", "status");
    const active = filters.filter(Boolean);
    const apply = () => {
      rows.forEach((row) => (row.hidden = !active.every((filter) => filter.keeps(row))));
      status.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows`;
    };
    active.forEach((filter) => filter.control.addEventListener("input", apply));
    reset.addEventListener("click", () => {
      active.forEach((filter) => (filter.control.value = ""));
      restore();
      apply();
    });
    apply();
    table.parentElement.before(tools);
  }

  function openable(section) {
    const arms = [...section.querySelectorAll("details.arm")];
    if (arms.length < 2) return;
    const tools = make("div");
    tools.className = "tools";
    for (const [text, open] of [["Open all arms", true], ["Close all", false]]) {
      const button = make("button", text, tools);
      button.type = "button";
      button.addEventListener("click", () => {
        const found = open ? arms : section.querySelectorAll("details");
        found.forEach((details) => (details.open = open));
      });
    }
    section.querySelector("h2").after(tools);
  }

  function enlargeable(card) {
    const image = card.querySelector("img");
    const button = make("button");
    button.type = "button";
    button.className = "zoom";
    const show = (large) => {
      card.classList.toggle("large", large);
      button.textContent = large ? "Fit to width" : "Enlarge";
      button.hidden = !large && image.width > 0.85 * image.getAttribute("width"); // legible as it is
    };
    const turn = () => button.hidden || show(!card.classList.contains("large"));
    button.addEventListener("click", turn);
    image.addEventListener("click", turn);
    card.after(button);
    new ResizeObserver(() => show(card.classList.contains("large"))).observe(card);
  }

  function reveal() {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    if (target && target.closest("details")) {
      target.closest("details").querySelector("summary").focus();
      target.closest("details").scrollIntoView();
    }
  }

  document.querySelectorAll("table[data-sortable]").forEach(enhance);
  document.querySelectorAll(".card").forEach(enlargeable);
  const runs = document.getElementById("runs");
  if (runs) openable(runs);
  addEventListener("hashchange", reveal);
  reveal();
})();
