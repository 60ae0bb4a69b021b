"use strict";
// The page is whole without this: it sorts tables, follows a method, copies tables, and opens what a link points into.
const textOf = (cell) => (cell.dataset.v ?? cell.innerText).trim();
const numberOf = (cell) => (textOf(cell) === "" ? Infinity : parseFloat(textOf(cell).replace(/,/g, "")));

function sort(head) {
  const table = head.closest("table"), body = table.tBodies[0], column = head.cellIndex;
  const down = head.getAttribute("aria-sort") === "ascending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const rows = [...body.rows], numbers = rows.every((row) => row.cells[column] && !Number.isNaN(numberOf(row.cells[column])));
  const key = (row) => (numbers ? numberOf(row.cells[column]) : textOf(row.cells[column]).toLowerCase());
  rows.sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0) * (down ? -1 : 1));
  body.append(...rows);
}

function follow(method) {
  for (const row of document.querySelectorAll("tr[data-m]")) row.classList.toggle("followed", row.dataset.m === method);
}

function copy(table, button) {
  const lines = [...table.rows].map((row) => [...row.cells].map((c) => `"${c.innerText.replace(/\s+/g, " ").replace(/"/g, '""')}"`).join(","));
  navigator.clipboard.writeText(lines.join("\n")).then(() => { button.textContent = "Copied"; }, () => { button.textContent = "Not allowed here"; });
}

function arrive() {
  const known = new URLSearchParams(location.hash.slice(1));
  if (known.has("m")) return follow(known.get("m"));
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let each = target; each; each = each.parentElement) if (each.tagName === "DETAILS") each.open = true;
  if (target) target.scrollIntoView();
}

for (const table of document.querySelectorAll("table")) {
  for (const head of table.tHead.rows[0].cells) {
    if (table.tBodies[0].rows.length < 3) break;
    const button = document.createElement("button");
    button.className = "sort"; button.title = "Sort"; button.setAttribute("aria-label", `Sort by ${head.innerText.replace(/\s+/g, " ")}`);
    button.addEventListener("click", () => sort(head));
    head.append(button);
  }
  const button = document.createElement("button");
  button.className = "copy"; button.textContent = "Copy as CSV";
  button.addEventListener("click", () => copy(table, button));
  table.parentElement.after(button);
}
document.addEventListener("click", (event) => {
  const head = event.target.closest('tr[data-m] th[scope="row"]');
  if (!head) return;
  const method = head.parentElement.dataset.m, same = location.hash === `#m=${method}`;
  history.replaceState(null, "", same ? location.pathname + location.search : `#m=${method}`);
  follow(same ? null : method);
});
addEventListener("hashchange", arrive);
addEventListener("beforeprint", () => { for (const each of document.querySelectorAll("details")) each.open = true; });
arrive();
