"""The nouns of Longpole: ids, columns, spans, traces, queries, problems, clocks. No IO."""
