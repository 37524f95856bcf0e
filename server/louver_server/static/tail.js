// Entries come to the page as the log grows, the newest on top, until somebody stops them. Everything is written as text.
const MOST = 500;
const table = document.querySelector("#entries tbody");
const button = document.getElementById("stop");
const state = document.getElementById("state");
let source = null;
let last = "";

function cell(row, text, name) {
  const made = document.createElement("td");
  if (name) made.className = name;
  made.textContent = text;
  row.append(made);
  return made;
}

function add(one) {
  const row = document.createElement("tr");
  const link = document.createElement("a");
  link.href = "/log/" + Number(one.index);
  link.textContent = String(one.index);
  cell(row, "", "number").append(link);
  cell(row, one.time, "time");
  cell(row, one.kind, "time");
  const mark = document.createElement("span");
  mark.className = "state " + (/^[a-z]*$/.test(one.verdict) ? one.verdict : "");
  mark.textContent = one.state;
  cell(row, "").append(mark);
  cell(row, one.institution);
  cell(row, one.purpose);
  cell(row, one.code, "time");
  cell(row, String(one.cost), "number");
  const code = document.createElement("code");
  code.textContent = one.sql;
  cell(row, "", "sqlcell").append(code);
  table.prepend(row);
  while (table.rows.length > MOST) table.deleteRow(-1);
}

function begin() {
  const address = new URL(table.dataset.source, location.href);
  if (last) address.searchParams.set("start", last);
  source = new EventSource(address);
  source.onmessage = (event) => {
    last = event.lastEventId;
    state.textContent = state.dataset.on;
    if (event.data) add(JSON.parse(event.data));
  };
  source.onerror = () => { state.textContent = state.dataset.lost; };
  button.textContent = button.dataset.stop;
}

function end() {
  source.close();
  source = null;
  state.textContent = state.dataset.off;
  button.textContent = button.dataset.start;
}

button.hidden = false;
button.addEventListener("click", () => (source ? end() : begin()));
begin();
