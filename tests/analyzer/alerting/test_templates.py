"""What templates do that no peer can be asked about; the rest is in test_against_promtool."""

from __future__ import annotations

import pytest

from longpole.analyzer.alerting.go_values import AlertData
from longpole.analyzer.alerting.template_functions import Surroundings
from longpole.analyzer.alerting.template_nodes import TemplateError
from longpole.analyzer.alerting.template_running import expanded

DATA = AlertData({"job": "a"}, {}, "http://here/prefix", 90061.5)
AROUND = Surroundings(lambda _: [], 1_700_000_000_500, "http://here/prefix")


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ $value | toDuration }}", "25h1m1.5s"),
        ("{{ (toDuration 0.0015).Milliseconds }} {{ toDuration 0.0015 }}", "1 1.5ms"),
        ('{{ (toTime $value).Format "2006-01-02 15:04" }}', "1970-01-02 01:01"),
        ("{{ now }}", "1.7000000005e+09"),
        ("{{ externalURL }} {{ pathPrefix }}", "http://here/prefix /prefix"),
        ('{{ urlQueryEscape "a b&c" }}', "a+b%26c"),
    ],
)
def test_functions_newer_than_the_peer(template: str, text: str) -> None:
    assert expanded("X", template, DATA, AROUND) == text


@pytest.mark.parametrize(
    "template",
    [
        "{{ range $i, $_ := 100000000 }}{{ end }}",
        "{{ range 1000 }}{{ range 1000 }}x{{ end }}{{ end }}",
        '{{ define "x" }}{{ template "x" }}{{ end }}{{ template "x" }}',
        "{{" + "(" * 500 + "1" + ")" * 500 + "}}",
        "{{ if true }}" * 500 + "{{ end }}" * 500,
        '{{ printf "%1000000d" 1 }}{{ range 200 }}{{ printf "%60000d" 1 }}{{ end }}',
        '{{ $x := printf "%5000d" 1 }}{{ $y := reReplaceAll " " $x $x }}',
        '{{ $x := "12345678" }}' + "{{ $x = print $x $x }}" * 14,
        '{{ $x := printf "' + "%60000d" * 2 + '" 1 2 }}',
    ],
)
def test_a_template_without_end_is_stopped(template: str) -> None:
    with pytest.raises(TemplateError):
        expanded("X", template, DATA, AROUND)
