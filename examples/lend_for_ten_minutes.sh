#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# lend_for_ten_minutes.sh SERVICE: lend a colleague's sandbox one service for ten minutes, see
# who used it, and take it back. The door "colleague" is what his sandbox has mounted; nothing
# else of ours is reached through it. Needs intro in PATH and somebody who serves SERVICE.
set -eu
service=${1:?usage: lend_for_ten_minutes.sh SERVICE}

door=$(intro door add colleague)
intro lend "$service" --to colleague --lifetime 10m --label 'for a colleague'
echo "his sandbox mounts the door read-only: bwrap --ro-bind $door /run/intro …"

echo "he uses it:"
INTRO_DOOR=$door intro connect "$service" </dev/null

echo "what is made of $service, and for how long:"
intro show "$service" | sed -n '/─/p'
echo "who used it:"
intro list --usage --json | tr -d ' \n' | tr '}' '\n' |
	sed -n 's/.*"door":"colleague".*"introductions":\([0-9]*\).*/the door colleague: \1 introduction(s)/p'

intro revoke "colleague/$service"
if INTRO_DOOR=$door intro connect "$service" </dev/null 2>/dev/null; then
	echo "it was not taken back" >&2
	exit 1
fi
echo "taken back: he is refused now"
intro door remove colleague
