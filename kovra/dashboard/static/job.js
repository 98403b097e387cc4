// The progress of a mass action: one part of the page, fetched again when something of it has happened.
const job = document.getElementById("job");

if (job) {
  let last = 0, timer = 0;
  const refresh = () => {
    // The first at once, then at most one request per 500 ms; the last event always counts.
    const now = Date.now();
    clearTimeout(timer);
    if (now - last < 500) { timer = setTimeout(refresh, 500 - (now - last)); return; }
    last = now;
    htmx.trigger(job, "job:refresh");
  };
  for (const family of ["action", "case", "job"]) {
    document.body.addEventListener(`live:${family}`, ({ detail }) => { if (detail.batch_id === job.dataset.batch) refresh(); });
  }
  document.body.addEventListener("live:resync", refresh);
}
