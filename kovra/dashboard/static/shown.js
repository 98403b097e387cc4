// A page that one comes back to is shown again as it was left. Scripts run after the first showing, so that one is told at once.
export function whenShown(call) {
  addEventListener("pageshow", call);
  if (document.readyState === "complete") setTimeout(call);
}
