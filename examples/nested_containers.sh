#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# nested_containers.sh: a broker in a container in a container, each with services of its own.
# edge/db/replica leads from the outer broker to the innermost one's service, and ends with one
# socket straight to it. A container is stood for by a runtime directory of its own, which is
# all that its broker knows of the world. Needs intro in PATH.
set -eu
dir=$(mktemp -d)
pids=
trap 'kill $pids 2>/dev/null || :; wait; rm -rf "$dir"' EXIT

mkdir -m 700 "$dir/inner" "$dir/middle" "$dir/outer"

# in_container CONTAINER COMMAND…
in_container() {
	container=$dir/$1
	shift
	env -u INTRO_DOOR XDG_RUNTIME_DIR="$container" "$@"
}

# The innermost serves; each broker between offers the next one's door as an introducer. What can
# be reached through that is what its door grants.
in_container inner intro serve replica -- echo 'hello from the innermost' &
pids="$pids $!"
in_container inner intro connect --wait 5s replica >/dev/null
grants=$(in_container inner intro door add outside)
in_container inner intro grant outside replica

in_container middle intro serve db --to "door:$grants" &
pids="$pids $!"
in_container middle intro connect --wait 5s db/replica >/dev/null

in_container outer intro serve edge --to "door:$dir/middle/introd/doors/host" &
pids="$pids $!"

in_container outer intro connect --wait 5s edge/db/replica
