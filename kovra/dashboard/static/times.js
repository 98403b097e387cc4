// "6 min" grows old while a page stays open. The words are those of the server's `ago`.
const STEPS = [[60, "s", 1], [3600, "min", 60], [86400, "h", 3600], [604800, "days", 86400], [2629800, "weeks", 604800], [31557600, "months", 2629800], [Infinity, "years", 31557600]];

function words(seconds) {
  if (seconds < 5) return "now";
  const [, unit, size] = STEPS.find(([limit]) => seconds < limit);
  const count = Math.floor(seconds / size);
  return `${count} ${count === 1 && unit.endsWith("s") && unit !== "s" ? unit.slice(0, -1) : unit}`;
}

setInterval(() => {
  if (document.hidden) return;
  for (const time of document.querySelectorAll("time[data-ago]")) {
    const text = words((Date.now() - Date.parse(time.dateTime)) / 1000);
    if (time.textContent !== text) time.textContent = text;
  }
}, 20000);
