// The editor of drafts: findings while one writes, what may stand at the cursor, and what a key means. Everything that
// is shown is text, never markup; the page works without this script.
const editor = document.getElementById("text");
const meaning = document.getElementById("meaning");
const completions = document.getElementById("completions");
const findings = document.getElementById("findings");
const csrf = document.querySelector("#draft input[name=csrf]").value;
let schema = null;

fetch("/static/policy-schema.json").then((reply) => reply.json()).then((found) => { schema = found; });

// What a part of the schema may be: references followed, alternatives side by side.
function forms(node) {
  if (!node) return [];
  if (node.$ref) return forms(schema.$defs[node.$ref.split("/").pop()]).map((one) => ({ ...one, ...(node.description ? { description: node.description } : {}) }));
  if (node.anyOf || node.oneOf) return (node.anyOf || node.oneOf).flatMap(forms);
  return [node];
}

function below(nodes, step) {
  return nodes.flatMap((node) => {
    if (step === "-") return forms(node.items);
    if (node.properties && step in node.properties) return forms(node.properties[step]);
    return typeof node.additionalProperties === "object" ? forms(node.additionalProperties) : [];
  });
}

// The way from the document's root to a line: keys, and "-" for a list's entries; by indentation, as YAML has it.
function way(lines, at, column) {
  const steps = [];
  let limit = column;
  for (let number = at; number >= 0; number -= 1) {
    const line = lines[number];
    const found = /^( *)((?:- +)*)([\w.*-]+):(?:\s|$)/.exec(line);
    const dashes = /^( *)((?:- +)+)/.exec(line);
    if (number === at && !found && !dashes) continue;
    if (found) {
      const place = found[1].length + found[2].length;
      if (place < limit) { steps.unshift(found[3]); limit = place; }
      if (found[2] && found[1].length < limit) { steps.unshift("-"); limit = found[1].length; }
      else if (found[2] && place === limit && found[1].length < limit) limit = found[1].length;
    } else if (dashes && dashes[1].length < limit) { steps.unshift("-"); limit = dashes[1].length; }
    if (limit === 0) break;
  }
  return steps;
}

function roots(lines) {
  const house = lines.some((line) => /^kind:\s*platform/.test(line));
  return forms(schema).filter((node) => {
    const kind = node.properties && node.properties.kind;
    return !kind || (kind.const === "platform") === house;
  });
}

function at(offset) {
  const before = editor.value.slice(0, offset);
  return { line: before.split("\n").length - 1, column: offset - before.lastIndexOf("\n") - 1 };
}

function explain(lineNumber) {
  if (!schema) return;
  const lines = editor.value.split("\n");
  const found = /^( *)((?:- +)*)([\w.*-]+):/.exec(lines[lineNumber] || "");
  if (!found) return;
  const place = found[1].length + found[2].length;
  const steps = way(lines, lineNumber, place + 1);
  const holders = steps.slice(0, -1).reduce(below, roots(lines));
  const described = holders.flatMap((node) => {
    const own = node.properties && node.properties[found[3]];
    return own ? [own.description, ...forms(own).map((one) => one.description)] : [];
  });
  const kinds = below(holders, found[3]).flatMap((one) => one.enum || (one.const ? [one.const] : one.type ? [one.type] : []));
  const told = described.find(Boolean) || (holders.find((one) => one.description) || {}).description || "";
  const title = document.createElement("b");
  title.textContent = found[3];
  meaning.replaceChildren(title, ` ${[...new Set(kinds)].join(" | ")} `, told);
}

function complete() {
  if (!schema) return;
  const lines = editor.value.split("\n");
  const place = at(editor.selectionStart);
  const typed = /([\w-]*)$/.exec(lines[place.line].slice(0, place.column))[1];
  const value = /^ *(?:- +)*([\w.*-]+): +[\w-]*$/.exec(lines[place.line].slice(0, place.column));
  const steps = way(lines, place.line, value ? place.column + 1 : place.column - typed.length);
  const nodes = steps.reduce(below, roots(lines));
  const inside = nodes.flatMap((node) => (node.type === "array" ? [node, ...forms(node.items)] : [node]));
  const words = inside.flatMap((node) => value
    ? node.enum || (node.const ? [node.const] : node.type === "boolean" ? ["true", "false"] : [])
    : [...Object.keys(node.properties || {}).map((key) => `${key}: `), ...(node.enum || [])]);
  const fitting = [...new Set(words)].filter((word) => word.startsWith(typed));
  completions.replaceChildren(...fitting.map((word) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "second";
    button.textContent = word.trim();
    button.addEventListener("click", () => {
      editor.setRangeText(word, editor.selectionStart - typed.length, editor.selectionEnd, "end");
      completions.replaceChildren();
      editor.focus();
      later();
    });
    return button;
  }));
  if (fitting.length) completions.firstChild.focus();
}

function go(line, column) {
  const before = editor.value.split("\n").slice(0, line - 1).join("\n").length;
  const place = Math.min(before + (line > 1 ? 1 : 0) + column - 1, editor.value.length);
  editor.focus();
  editor.setSelectionRange(place, place);
}

findings.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-line]");
  if (!link) return;
  event.preventDefault();
  go(Number(link.dataset.line), Number(link.dataset.column));
});

let waiting = 0;
let asked = 0;
async function lint() {
  if (!editor.value.trim()) return;
  const mine = (asked += 1);
  const body = new URLSearchParams({ csrf, text: editor.value });
  const reply = await fetch("/draft/lint", { method: "POST", body, credentials: "same-origin" });
  if (!reply.ok || mine !== asked) return;
  const found = await reply.json();
  if (found.some((one) => one.severity === "error")) editor.setAttribute("aria-invalid", "true");
  else editor.removeAttribute("aria-invalid");
  findings.replaceChildren(...found.map((one) => {
    const item = document.createElement("li");
    const link = document.createElement("a");
    link.href = "#text";
    link.dataset.line = one.line;
    link.dataset.column = one.column;
    link.textContent = `${one.line}:${one.column}`;
    const hint = document.createElement("span");
    hint.className = "hint";
    hint.textContent = one.hint;
    item.append(link, ` ${one.message} `, hint);
    if (one.severity === "error") item.className = "bad";
    return item;
  }));
  if (!found.length) {
    const item = document.createElement("li");
    item.className = "good";
    item.textContent = findings.dataset.nothing;
    findings.append(item);
  }
}

function later() {
  clearTimeout(waiting);
  waiting = setTimeout(lint, 900);
}

editor.addEventListener("input", later);
editor.addEventListener("keyup", () => explain(at(editor.selectionStart).line));
editor.addEventListener("click", () => explain(at(editor.selectionStart).line));
editor.addEventListener("mousemove", (event) => {
  const style = getComputedStyle(editor);
  const height = parseFloat(style.lineHeight);
  explain(Math.floor((event.offsetY + editor.scrollTop - parseFloat(style.paddingTop)) / height));
});
editor.addEventListener("keydown", (event) => {
  if (event.key === " " && event.ctrlKey) { event.preventDefault(); complete(); }
  if (event.key === "Escape") completions.replaceChildren();
});
completions.addEventListener("keydown", (event) => {
  if (event.key === "Escape") { completions.replaceChildren(); editor.focus(); }
});
