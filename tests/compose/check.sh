#!/usr/bin/env bash
# Holds docker-compose.yml to its rules, without a container engine: Compose itself reads it,
# check.py judges what it read, weir reads its own settings with the environment that Compose would
# give it, and promtool reads those of Prometheus. Compose (from source) and promtool (out of
# Debian's package, which would start a service) are put once into
# ${WEIR_TOOLS:-$HOME/.cache/weir-tools}.
#   check.sh WEIR
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."
weir=${1:?the binary of weir}
version=v5.0.2
tools=${WEIR_TOOLS:-$HOME/.cache/weir-tools}
compose=$tools/compose-$version/docker-compose
promtool=$tools/promtool

mkdir -p "$tools"
(
  flock 9
  work=$(mktemp -d "$tools/.work.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  if [[ ! -x $compose ]]; then
    GOBIN=$work CGO_ENABLED=0 GOFLAGS=-trimpath \
      go install -ldflags '-s -w' "github.com/docker/compose/v5/cmd@$version" >&2
    mkdir -p "${compose%/*}"
    mv "$work/cmd" "$compose"
  fi
  if [[ ! -x $promtool ]]; then
    cd "$work"
    apt-get download -qq prometheus >&2 || { apt-get update -qq && apt-get download -qq prometheus; } >&2
    dpkg-deb -x prometheus_*.deb .
    mv usr/bin/promtool "$promtool"
  fi
) 9>"$tools/.compose.lock"

"$compose" --file docker-compose.yml config --quiet
"$compose" --file docker-compose.yml config --format json | python3 "$here/check.py" "$weir"
"$promtool" check config config/prometheus/prometheus.yml
