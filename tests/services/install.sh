#!/usr/bin/env bash
# Installs, once, the real parts that the tests need, under ${WEIR_TOOLS:-$HOME/.cache/weir-tools}:
#   kafka       Apache Kafka's jars, from Maven Central (tests/services/kafka/pom.xml)
#   registry    Apicurio Registry with its jars, from Maven Central (tests/services/registry/pom.xml)
#   versitygw   an S3 server, built from source
#   python      a virtual environment with the readers (tests/services/requirements.txt)
# Prints one line for each: its name, a tab, its place. What cannot be installed is a failure.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tools=${WEIR_TOOLS:-$HOME/.cache/weir-tools}
versitygw=v1.8.0
maven_plugin=org.apache.maven.plugins:maven-dependency-plugin:3.8.1

need() { command -v "$1" >/dev/null || { echo "install.sh: needs '$1' on the PATH ($2)" >&2; exit 1; }; }
content() { sha256sum "$1" | cut -c1-12; }

# Each place is made beside its name and moved there, so that it is whole or not there.
kafka() {
  local place=$tools/broker-$(content "$here/kafka/pom.xml") work
  if [[ ! -d $place ]]; then
    need mvn "Debian: maven"
    need java "Debian: openjdk-17-jre-headless"
    work=$(mktemp -d "$tools/.work.XXXXXX")
    mvn -q -B -f "$here/kafka/pom.xml" "$maven_plugin:copy-dependencies" \
      -DincludeScope=runtime -DoutputDirectory="$work" >&2
    mv "$work" "$place"
  fi
  printf 'kafka\t%s\n' "$place"
}

registry() {
  local place=$tools/registry-$(content "$here/registry/pom.xml") work
  if [[ ! -d $place ]]; then
    need mvn "Debian: maven"
    need java "Debian: openjdk-17-jre-headless"
    work=$(mktemp -d "$tools/.work.XXXXXX")
    # Maven marks beside the pom what it has unpacked, and would not do it again elsewhere.
    cp "$here/registry/pom.xml" "$work"
    mvn -q -B -f "$work/pom.xml" "$maven_plugin:unpack" -DoutputDirectory="$work" >&2
    mv "$work" "$place"
  fi
  printf 'registry\t%s\n' "$place"
}

s3() {
  local place=$tools/versitygw-$versitygw work
  if [[ ! -d $place ]]; then
    need go "https://go.dev, 1.24 or later; Debian: golang"
    work=$(mktemp -d "$tools/.work.XXXXXX")
    GOBIN=$work CGO_ENABLED=0 GOFLAGS=-trimpath \
      go install -ldflags '-s -w' "github.com/versity/versitygw/cmd/versitygw@$versitygw" >&2
    mv "$work" "$place"
  fi
  printf 'versitygw\t%s/versitygw\n' "$place"
}

# A virtual environment holds its own path, so it is made in place and marked when it is whole.
python() {
  local place=$tools/python-$(content "$here/requirements.txt")
  if [[ ! -e $place/.whole ]]; then
    need python3 "Debian: python3 python3-venv"
    rm -rf "$place"
    python3 -m venv "$place"
    "$place/bin/pip" install -q --disable-pip-version-check -r "$here/requirements.txt" >&2
    touch "$place/.whole"
  fi
  printf 'python\t%s/bin/python\n' "$place"
}

mkdir -p "$tools"
exec 9>"$tools/.lock"
flock 9
kafka
registry
s3
python
