CREATE TABLE {alias}.segment_info (
  segment_id       UBIGINT,
  kind             VARCHAR,
  row_count        BIGINT,
  first_sequence   BIGINT,
  last_sequence    BIGINT,
  min_unix_nano    BIGINT,
  max_unix_nano    BIGINT,
  stored_unix_nano BIGINT,
  settled_through  BIGINT,
  siblings         UBIGINT[],
  replaced         UBIGINT[],
  attribute_types  VARCHAR,
  bloom            BLOB
);
CREATE TABLE {alias}.attribute_columns (
  table_name  VARCHAR,
  column_name VARCHAR,
  key         VARCHAR,
  type        VARCHAR
)
