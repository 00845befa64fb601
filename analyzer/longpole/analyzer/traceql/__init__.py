"""TraceQL: the conditions that search everywhere understands, and the whole language.

`simple_form` has the one `{ ... }` of conditions that storage can answer itself; `parsing` and
what follows it have the language that Grafana speaks.
"""

from longpole.analyzer.traceql.simple_form import FIELDS as FIELDS
from longpole.analyzer.traceql.simple_form import KINDS as KINDS
from longpole.analyzer.traceql.simple_form import STATUSES as STATUSES
from longpole.analyzer.traceql.simple_form import QuerySyntaxError as QuerySyntaxError
from longpole.analyzer.traceql.simple_form import field_text as field_text
from longpole.analyzer.traceql.simple_form import format_query as format_query
from longpole.analyzer.traceql.simple_form import parse_query as parse_query
from longpole.analyzer.traceql.simple_form import value_text as value_text
