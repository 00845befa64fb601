#!/usr/bin/env bash
# Prometheus and Alertmanager as Debian's unstable suite has them, unpacked into .tools/prometheus
# and not installed: the stable suite's are too old to compare with. The mirror is the one that
# this machine's apt uses.
set -euo pipefail
target=$(cd "$(dirname "$0")/.." && pwd)/.tools/prometheus
[ -x "$target/usr/bin/prometheus" ] && [ -x "$target/usr/bin/promtool" ] && exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' \
  | grep -E '/debian/?$' | head -n 1)
keys=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb [signed-by=$keys] $mirror sid main" > "$work/sources.list"
apt=(apt-get -qq -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=-
  -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache" -o Acquire::Languages=none
  -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false -o APT::Sandbox::User=root)
"${apt[@]}" update
cd "$work"
"${apt[@]}" download prometheus promtool prometheus-alertmanager
mkdir -p "$target"
for package in *.deb; do dpkg-deb -x "$package" "$target"; done
