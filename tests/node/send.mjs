// Sends one known batch of spans, logs and metrics through OpenTelemetry's own exporters and
// prints what was sent as one line of JSON, so that a test can compare what was kept.
// usage: node send.mjs grpc|http|proto HOST:PORT
import { SpanKind, SpanStatusCode, TraceFlags, context, trace } from '@opentelemetry/api';
import { SeverityNumber } from '@opentelemetry/api-logs';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { LoggerProvider, SimpleLogRecordProcessor } from '@opentelemetry/sdk-logs';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';

const [protocol, address] = process.argv.slice(2);
const exporters = {
  traces: await import(`@opentelemetry/exporter-trace-otlp-${protocol}`),
  logs: await import(`@opentelemetry/exporter-logs-otlp-${protocol}`),
  metrics: await import(`@opentelemetry/exporter-metrics-otlp-${protocol}`),
};
const failures = [];
const options = (signal) => ({
  url: protocol === 'grpc' ? `http://${address}` : `http://${address}/v1/${signal}`,
  compression: protocol === 'proto' ? 'gzip' : 'none',
});
// Every export result is watched: an exporter that fails does so without throwing.
const watched = (exporter) => {
  const send = exporter.export.bind(exporter);
  exporter.export = (items, done) =>
    send(items, (result) => {
      if (result.code !== 0) failures.push(String(result.error));
      done(result);
    });
  return exporter;
};
const resource = resourceFromAttributes({
  'service.name': `node-${protocol}`,
  'service.version': '1.2.3',
  'host.cpu.count': 8,
  'deployment.tags': ['blue', 'canary'],
});

const tracerProvider = new BasicTracerProvider({
  resource,
  spanProcessors: [new SimpleSpanProcessor(watched(new exporters.traces.OTLPTraceExporter(options('traces'))))],
});
const tracer = tracerProvider.getTracer('checkout-lib', '4.5.6', { schemaUrl: 'https://opentelemetry.io/schemas/1.30.0' });
const attributes = {
  'http.route': '/cart/{id}',
  'http.response.status_code': 503,
  'retry.ratio': 0.1,
  'negative.int': -42,
  'whole.double': 3,
  'cache.hit': false,
  'feature.on': true,
  'empty.string': '',
  'emoji': '🧵 naïve «quoted»',
  'list.strings': ['a', '', 'c'],
  'list.ints': [1, -2, 3],
  'list.doubles': [0.5, 1.25],
  'list.bools': [true, false],
};
const start = [1767323045, 123456789];
const end = [1767323046, 987654321];
const root = tracer.startSpan('POST /cart', { kind: SpanKind.SERVER, startTime: start });
const inside = trace.setSpan(context.active(), root);
const child = tracer.startSpan(
  'SELECT cart',
  {
    kind: SpanKind.CLIENT,
    startTime: [1767323045, 200000001],
    attributes,
    links: [
      {
        context: {
          traceId: '0af7651916cd43dd8448eb211c80319c',
          spanId: 'b7ad6b7169203331',
          traceFlags: TraceFlags.SAMPLED,
        },
        attributes: { 'link.reason': 'retry of' },
      },
    ],
  },
  inside,
);
child.addEvent('exception', { 'exception.type': 'TimeoutError', 'exception.escaped': true }, [1767323045, 300000007]);
child.setStatus({ code: SpanStatusCode.ERROR, message: 'deadline exceeded' });
child.end([1767323045, 900000003]);
root.end(end);

const loggerProvider = new LoggerProvider({
  resource,
  processors: [new SimpleLogRecordProcessor({ exporter: watched(new exporters.logs.OTLPLogExporter(options('logs'))) })],
});
const logRecord = {
  timestamp: [1767323045, 555000111],
  observedTimestamp: [1767323045, 555000222],
  severityNumber: SeverityNumber.WARN,
  severityText: 'WARN',
  body: 'cart is slow',
  eventName: 'cart.slow',
  attributes: { 'cart.size': 17, 'nested': { 'deep': [1, 'two', { 'three': true }] } },
  context: inside,
};
loggerProvider.getLogger('cart-log', '0.1').emit(logRecord);

const reader = new PeriodicExportingMetricReader({
  exporter: watched(new exporters.metrics.OTLPMetricExporter(options('metrics'))),
  exportIntervalMillis: 3_600_000,
});
const meterProvider = new MeterProvider({ resource, readers: [reader] });
const meter = meterProvider.getMeter('cart-metrics', '0.2');
meter.createCounter('cart.items', { unit: '{item}', description: 'items put into carts' }).add(7, { 'cart.kind': 'gift' });
meter.createUpDownCounter('cart.open').add(-3);
meter.createGauge('cart.load', { unit: '1' }).record(0.75);
meter
  .createHistogram('cart.latency', { unit: 's', advice: { explicitBucketBoundaries: [0.1, 0.5, 1] } })
  .record(0.25, { 'http.route': '/cart' });

await tracerProvider.forceFlush();
await loggerProvider.forceFlush();
await tracerProvider.shutdown();
await loggerProvider.shutdown();
await meterProvider.shutdown();

const ns = ([seconds, nanos]) => (BigInt(seconds) * 1_000_000_000n + BigInt(nanos)).toString();
console.log(
  JSON.stringify({
    failures,
    trace_id: root.spanContext().traceId,
    root: { span_id: root.spanContext().spanId, start: ns(start), end: ns(end) },
    child: {
      span_id: child.spanContext().spanId,
      start: ns([1767323045, 200000001]),
      end: ns([1767323045, 900000003]),
      attributes,
    },
  }),
);
if (failures.length) process.exitCode = 1;
