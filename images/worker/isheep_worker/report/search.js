
"use strict";
const folded = () => document.querySelectorAll("details");
const field = document.getElementById("search");
const found = document.getElementById("found");
const rows = [...document.querySelectorAll("tr[data-pair]")];
const texts = rows.map((row) => row.textContent.toLowerCase());

const search = () => {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  rows.forEach((row, at) => {
    row.hidden = !words.every((word) => texts[at].includes(word));
    count += row.hidden ? 0 : 1;
  });
  for (const group of document.querySelectorAll("[data-group]")) {
    group.hidden = words.length > 0 && !group.querySelector("tr[data-pair]:not([hidden])");
  }
  found.textContent = words.length ? `${count} of ${rows.length} shown pairs contain these words` : "";
};

if (field) {
  document.getElementById("search-form").hidden = false;
  field.addEventListener("input", search);
}

const wasOpen = new Map();
window.addEventListener("beforeprint", () => {
  for (const one of folded()) { wasOpen.set(one, one.open); one.open = true; }
});
window.addEventListener("afterprint", () => {
  for (const [one, open] of wasOpen) one.open = open;
});
