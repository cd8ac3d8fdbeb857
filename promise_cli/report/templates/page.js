// Tables with class "sortable": a click on a column's button sorts by it, a second click reverses the order.
// Cells are sorted by data-value if they have one. Rows without a value stay at the end.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    head.querySelector("button")?.addEventListener("click", () => {
      const descending = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      // A row of class "further" belongs to the row above it, so both move together.
      const groups = [];
      for (const row of table.tBodies[0].rows) {
        if (row.classList.contains("further")) groups.at(-1).push(row);
        else groups.push([row]);
      }
      const keyOf = (row) => {
        const cell = row.cells[column];
        if (!("value" in cell.dataset)) return cell.textContent.trim();
        return cell.dataset.value === "" ? null : Number(cell.dataset.value);
      };
      const order = (a, b) => {
        const [x, y] = [keyOf(a[0]), keyOf(b[0])];
        if (x === null || y === null) return (x === null) - (y === null);
        const found = typeof x === "number" ? x - y : x.localeCompare(y, "en", { numeric: true });
        return descending ? -found : found;
      };
      table.tBodies[0].append(...groups.sort(order).flat());
    });
  });
}

// A search field shows only the rows that hold its words.
for (const field of document.querySelectorAll("input[data-filters]")) {
  field.addEventListener("input", () => {
    const words = field.value.toLowerCase().split(/\s+/);
    for (const row of document.getElementById(field.dataset.filters).tBodies[0].rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
  });
}

// The buttons of a gallery sort its cards; cards without a Dice stay at the end.
for (const button of document.querySelectorAll("button[data-sorts]")) {
  button.addEventListener("click", () => {
    const gallery = document.querySelector(".gallery");
    const dice = (card) => (card.dataset.dice === "" ? Infinity : Number(card.dataset.dice));
    const byName = (a, b) => a.dataset.name.localeCompare(b.dataset.name, "en", { numeric: true });
    const order = button.dataset.sorts === "name" ? byName : (a, b) => dice(a) - dice(b) || byName(a, b);
    gallery.append(...[...gallery.children].sort(order));
  });
}
