// Names that classic scripts leave on the window, for the checker of our modules.
import Chart from "../longpole/dashboards/static/vendor/uplot-1.6.32/uPlot";

declare global {
  interface Window {
    uPlot: typeof Chart;
    /** Marks of the trace page in milliseconds since navigation, for tests and benches. */
    __lp_perf?: Record<string, number>;
  }
}
