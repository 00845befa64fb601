// Names that our modules leave on the window, for their checker.
export {};

declare global {
  interface Window {
    /** Marks of the trace page in milliseconds since navigation, for tests and benches. */
    __lp_perf?: Record<string, number>;
  }
}
