"use strict";
// Whoever picks a name from the list means that person.
document.querySelector("select").addEventListener("change", () => {
  document.querySelector("input[value=other]").checked = true;
});
