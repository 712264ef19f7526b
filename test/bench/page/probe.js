// Runs in the page before its own scripts: how smooth it is, and when a cell says what is waited for.
const probe = { paints: {}, largestMs: null, usefulMs: null, long: [], gaps: [], slow: [], cell: null };
globalThis.probe = probe;

const observe = (type, take, more = {}) =>
  new PerformanceObserver((list) => list.getEntries().forEach(take)).observe({ type, buffered: true, ...more });
observe("paint", ({ name, startTime }) => {
  probe.paints[name] = startTime;
});
observe("largest-contentful-paint", ({ startTime }) => {
  probe.largestMs = startTime;
});
observe("longtask", ({ duration }) => probe.long.push(duration));
// From the key or the click to the next frame.
observe("event", ({ duration, interactionId }) => interactionId > 0 && probe.slow.push(duration), {
  durationThreshold: 16,
});

let before = performance.now();
function frame(now) {
  probe.gaps.push(now - before);
  before = now;
  requestAnimationFrame(frame);
}
requestAnimationFrame(frame);

probe.clear = () => {
  probe.long.length = 0;
  probe.gaps.length = 0;
  probe.slow.length = 0;
};

// Of the grid with all its hosts, as it stands in the first frame after it was made.
const whenThere = setInterval(() => {
  const table = document.querySelector(".grid [role=table]");
  if (table === null || Number(table.getAttribute("aria-rowcount")) <= globalThis.probeHosts) return;
  clearInterval(whenThere);
  requestAnimationFrame(() => requestAnimationFrame((now) => (probe.usefulMs = now)));
}, 5);

/** The moment (page ms) at which the watcher's cell of a host in sight says this. */
probe.said = (host, watcher, text) =>
  new Promise((resolve) => {
    const column = [...document.querySelectorAll(".grid [role=columnheader]")].findIndex(
      (one) => one.textContent === watcher,
    );
    const look = () => {
      const row = [...document.querySelectorAll(".grid .row.host")].find((row) => row.firstChild.textContent === host);
      if (row?.children[column]?.textContent !== text) return false;
      observer.disconnect();
      resolve(Date.now());
      return true;
    };
    const observer = new MutationObserver(look);
    observer.observe(document.querySelector(".grid"), { subtree: true, childList: true, characterData: true });
    look();
  });

/** Down the whole grid and up again, a piece each frame. */
probe.scroll = (ms) =>
  new Promise((resolve) => {
    const grid = document.querySelector(".grid");
    const far = grid.scrollHeight - grid.clientHeight;
    const begun = performance.now();
    const step = (now) => {
      const part = Math.min(1, (now - begun) / ms);
      grid.scrollTop = far * (1 - Math.abs(1 - 2 * part));
      if (part < 1) requestAnimationFrame(step);
      else resolve();
    };
    requestAnimationFrame(step);
  });
