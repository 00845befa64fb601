-- Row ids of spans that equal an earlier one in every field, events and links included.
-- The order of attributes means nothing; the order of events and links does.
WITH events AS (
  SELECT row_id, list(struct_pack(
      span_id, time_unix_nano, name, dropped_attributes_count,
      s := list_sort(list_zip(attr_str_keys, attr_str_vals)),
      i := list_sort(list_zip(attr_int_keys, attr_int_vals)),
      d := list_sort(list_zip(attr_dbl_keys, attr_dbl_vals)),
      b := list_sort(list_zip(attr_bool_keys, attr_bool_vals)),
      o := list_sort(list_zip(attr_other_keys, attr_other_vals))) ORDER BY position) AS held
  FROM candidate_span_events GROUP BY row_id
), links AS (
  SELECT row_id, list(struct_pack(
      linked_trace_hi, linked_trace_lo, linked_span_id, trace_state, flags,
      dropped_attributes_count,
      s := list_sort(list_zip(attr_str_keys, attr_str_vals)),
      i := list_sort(list_zip(attr_int_keys, attr_int_vals)),
      d := list_sort(list_zip(attr_dbl_keys, attr_dbl_vals)),
      b := list_sort(list_zip(attr_bool_keys, attr_bool_vals)),
      o := list_sort(list_zip(attr_other_keys, attr_other_vals))) ORDER BY position) AS held
  FROM candidate_span_links GROUP BY row_id
), whole AS (
  SELECT c.* EXCLUDE (attr_str_keys, attr_str_vals, attr_int_keys, attr_int_vals, attr_dbl_keys,
                      attr_dbl_vals, attr_bool_keys, attr_bool_vals, attr_other_keys,
                      attr_other_vals),
      list_sort(list_zip(attr_str_keys, attr_str_vals)) AS s,
      list_sort(list_zip(attr_int_keys, attr_int_vals)) AS i,
      list_sort(list_zip(attr_dbl_keys, attr_dbl_vals)) AS d,
      list_sort(list_zip(attr_bool_keys, attr_bool_vals)) AS b,
      list_sort(list_zip(attr_other_keys, attr_other_vals)) AS o,
      events.held AS event_list, links.held AS link_list
  FROM candidates c
  LEFT JOIN events ON events.row_id = c.row_id
  LEFT JOIN links ON links.row_id = c.row_id
), equal AS (
  SELECT * EXCLUDE (row_id), min(row_id) AS kept, list(row_id) AS row_ids
  FROM whole GROUP BY ALL HAVING count(*) > 1
), every AS (
  SELECT unnest(row_ids) AS row_id, kept FROM equal
)
SELECT row_id FROM every WHERE row_id <> kept
