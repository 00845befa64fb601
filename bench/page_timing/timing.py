"""Times a page in Chromium: when what is painted, how long frames take, what the heap holds."""

from __future__ import annotations

import statistics
from typing import Any

from playwright.sync_api import Browser, CDPSession, Page
from playwright.sync_api import TimeoutError as TookTooLong

SIZE = {"width": 1440, "height": 900}
PAINTED = "waterfall-painted"
# The largest contentful paint that was, when the verdict stood there, and long tasks.
_WATCH = """(() => {
  window.__seen = { verdict_ms: null, lcp_ms: null, longest_task_ms: 0 };
  const seen = window.__seen;
  new PerformanceObserver((list) => list.getEntries().forEach((e) => {
    seen.longest_task_ms = Math.max(seen.longest_task_ms, e.duration);
  })).observe({ type: "longtask", buffered: true });
  new PerformanceObserver((list) => list.getEntries().forEach((e) => {
    seen.lcp_ms = e.startTime;
  })).observe({ type: "largest-contentful-paint", buffered: true });
  const look = () => {
    const place = document.querySelector(".verdict");
    if (place && place.getBoundingClientRect().top < innerHeight)
      requestAnimationFrame(() => { seen.verdict_ms ??= performance.now(); });
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})()"""
# Every frame moves something, as under a finger that does not stop.
_MOVE = """([target, zooming, steps]) => new Promise((done) => {
  const moved = document.querySelector(target), box = moved.getBoundingClientRect();
  const at = { clientX: box.left + box.width * 0.6, clientY: box.top + 100 };
  const times = [];
  let last = 0, step = 0;
  const tick = (now) => {
    if (last) times.push(now - last);
    last = now;
    if (step++ >= steps) return done(times);
    if (zooming) moved.dispatchEvent(new WheelEvent("wheel", { ...at, ctrlKey: true, bubbles: true,
      cancelable: true, deltaY: step < steps * 2 / 3 ? -60 : 60 }));
    else moved.scrollTop += step < steps / 2 ? 240 : -170;
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
})"""
_UNTIL_PAINTED = """(key) => new Promise((done) => {
  addEventListener("keydown", () => { const begin = performance.now();
    requestAnimationFrame(() => setTimeout(() => done(performance.now() - begin), 0));
  }, { once: true, capture: true });
  dispatchAgain(key);
  function dispatchAgain(k) { document.body.dispatchEvent(
    new KeyboardEvent("keydown", { key: k, bubbles: true, cancelable: true })); }
})"""


def opened(browser: Browser, address: str, runs: int, patience_s: float) -> dict[str, Any]:
    """Medians over `runs` openings, each in a context of its own, and what the last one held."""
    seen: list[dict[str, float]] = []
    heap = None
    for _ in range(runs):
        context = browser.new_context(viewport=SIZE)
        context.add_init_script(_WATCH)
        page = context.new_page()
        try:
            page.goto(address, wait_until="commit", timeout=patience_s * 1000)
            page.wait_for_function(
                "(mark) => window.__lp_perf && (window.__lp_perf[mark] || window.__lp_perf.failed)",
                arg=PAINTED, timeout=patience_s * 1000,
            )  # fmt: skip
            failed = page.evaluate("() => window.__lp_perf.failed ?? null")
            if failed:
                return {"failed": failed}
            seen.append(_marks(page))
            heap = _heap_bytes(context.new_cdp_session(page))
        except TookTooLong:
            return {"failed": f"not painted within {patience_s:.0f} s"}
        except Exception as error:  # a page that crashed is a result, too
            return {"failed": str(error).splitlines()[0][:200]}
        finally:
            context.close()
    middle = {
        key: round(statistics.median(one[key] for one in seen), 3 if key.endswith("_mb") else 1)
        for key in seen[0]
    }
    return {**middle, "js_heap_mb": heap and round(heap / 1e6, 1), "runs": runs}


def _marks(page: Page) -> dict[str, float]:
    page.wait_for_timeout(300)  # the last paint is reported after it happened
    found: dict[str, float] = page.evaluate(
        """(painted) => {
          const [page] = performance.getEntriesByType("navigation");
          const data = performance.getEntriesByType("resource")
            .filter((e) => /\\/columns|trace\\.json/.test(e.name));
          return { ttfb_ms: page.responseStart - page.requestStart,
            html_kb: page.encodedBodySize / 1e3,
            verdict_ms: window.__seen.verdict_ms ?? -1, lcp_ms: window.__seen.lcp_ms ?? -1,
            painted_ms: window.__lp_perf[painted], longest_task_ms: window.__seen.longest_task_ms,
            payload_mb: data.reduce((sum, e) => sum + e.encodedBodySize, 0) / 1e6,
            decoded_mb: data.reduce((sum, e) => sum + e.decodedBodySize, 0) / 1e6 };
        }""",
        PAINTED,
    )
    return found


def _heap_bytes(session: CDPSession) -> float:
    session.send("Performance.enable")
    session.send("HeapProfiler.collectGarbage")
    metrics = session.send("Performance.getMetrics")["metrics"]
    held: float = next(m["value"] for m in metrics if m["name"] == "JSHeapUsedSize")
    return held


def moved(page: Page, target: str, zooming: bool, steps: int = 90) -> dict[str, float]:
    """Frame times (p50, p95 in ms) while an element scrolls, or is zoomed with Ctrl and wheel."""
    times = sorted(page.evaluate(_MOVE, [target, zooming, steps]))
    return {"p50_ms": round(times[len(times) // 2], 1),
            "p95_ms": round(times[int(len(times) * 0.95)], 1)}  # fmt: skip


def answered(page: Page, key: str) -> float:
    """Milliseconds from a key until the next frame was drawn."""
    took: float = page.evaluate(_UNTIL_PAINTED, key)
    return round(took, 1)
