#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The main job on real programs, step by step: make demo. Everything shown is checked; the exit
# status is 0 only when all of it was so. Needs no privileges, but namespaces for sandboxes;
# leaves nothing behind.
set -u
export LC_ALL=C.UTF-8

build=$(cd "${INTRO_BUILD:-$(dirname "$0")/../build}" && pwd) || exit 1
PATH=$build:$PATH
unset INTRO_DOOR NOTIFY_SOCKET LISTEN_FDS LISTEN_PID LISTEN_FDNAMES

bold='' dim='' green='' red='' plain=''
if [ -t 1 ]; then
	bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
fi
steps=0
step() { printf '\n%s%d. %s%s\n' "$bold" "$((++steps))" "$1" "$plain"; }
note() { printf '   %s%s%s\n' "$dim" "$1" "$plain"; }
shown() { printf '   %s$ %s%s\n' "$bold" "$1" "$plain"; }
output() { [ -z "$1" ] || printf '%s\n' "$1" | sed 's/^/   /'; }
good() { printf '   %s✓%s %s\n' "$green" "$plain" "$1"; }
fail() {
	printf '   %s✗ %s%s\n' "$red" "$1" "$plain" >&2
	for log in "$tmp"/*.log; do
		[ ! -s "$log" ] || { echo "   ${log##*/}:"; tail -n 5 "$log" | sed 's/^/     /'; } >&2
	done
	exit 1
}
# check WHAT COMMAND…: the command must succeed.
check() {
	local what=$1
	shift
	"$@" >/dev/null 2>&1 || fail "this is not so: $what"
	good "$what"
}

# ---- what was started here, ended by its pid
tmp=$(mktemp -d /tmp/introd-demo.XXXXXX) || exit 1
started=() broker=
cleanup() {
	trap '' HUP INT TERM
	[ ${#started[@]} -eq 0 ] || kill "${started[@]}" 2>/dev/null
	[ -z "$broker" ] || kill "$broker" 2>/dev/null
	# the tracer ends with the broker
	wait 2>/dev/null
	for _ in {1..200}; do
		{ [ -n "$broker" ] && [ -d "/proc/$broker" ]; } || break
		sleep 0.02
	done
	rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

# until COMMAND…: wait for a condition, ten seconds at most.
until_so() {
	local end=$((SECONDS + 10))
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.02
	done
}

# All processes below one.
descendants() {
	local child
	cat "/proc/$1/task/"*/children 2>/dev/null | tr ' ' '\n' | while read -r child; do
		echo "$child"
		descendants "$child"
	done
}
# descendant PID NAME: the first one of that name.
descendant() {
	local pid
	for pid in $(descendants "$1"); do
		[ "$(cat "/proc/$pid/comm" 2>/dev/null)" != "$2" ] || { echo "$pid"; return 0; }
	done
	return 1
}

# ---- sandboxes: no network, no file of the host but programs, and what is named
sandbox=(bwrap --unshare-net --unshare-pid --unshare-ipc --unshare-uts --die-with-parent
	--ro-bind /usr /usr --ro-bind-try /bin /bin --ro-bind-try /lib /lib
	--ro-bind-try /lib64 /lib64 --ro-bind /etc /etc --ro-bind "$build" /introd
	--proc /proc --dev /dev --tmpfs /tmp --tmpfs /run
	--clearenv --setenv PATH /introd:/introd/examples:/usr/bin:/bin --setenv HOME /tmp)
why=$("${sandbox[@]}" true 2>&1) || {
	echo "This demonstration needs sandboxes, and bubblewrap cannot make one here:" >&2
	echo "  ${why:-bwrap failed}" >&2
	echo "An ordinary user needs user namespaces for it (sysctl user.max_user_namespaces" >&2
	echo "above 0; kernel.apparmor_restrict_unprivileged_userns, where it exists, 0)." >&2
	exit 1
}

# in_app COMMAND: in the client's sandbox, which is one and the same all the time. Its output
# is in $out, its status is returned.
in_app() {
	local line end=$'\001'
	out=
	printf '{ %s\n} </dev/null 2>&1; printf "\\n\\001%%d\\n" $?\n' "$1" >&"${app[1]}"
	while IFS= read -r -t 20 line <&"${app[0]}"; do
		case $line in
		"$end"*)
			out=${out%$'\n'}
			return "${line#"$end"}" ;;
		esac
		out+=${out:+$'\n'}$line
	done
	fail "the client's sandbox does not answer: $1"
}
# show COMMAND: print and run it there.
show() {
	shown "$1"
	in_app "$1"
	local status=$?
	output "$out"
	return $status
}

# ---- what the broker says of sessions
# audit PATTERN: the last line of its log like that, waited for: the log is written in blocks.
audit=$tmp/run/introd/audit.log
seen=0
audit() {
	until_so eval "tail -n +$((seen + 1)) '$audit' | grep -q -- '$1'" ||
		fail "no line like \"$1\" in the audit log"
	line=$(tail -n +$((seen + 1)) "$audit" | grep -- "$1" | tail -n 1)
	seen=$(wc -l <"$audit")
}
field() { [[ " $line " =~ \ $1=([^ ]*)\  ]] && echo "${BASH_REMATCH[1]}"; }
sessions=() introduced=0
# session WHAT WAY NAME: what introd has logged of the last session; it must be that way.
session() {
	audit " introduced .*name=$3 "
	introduced=$((introduced + 1))
	sessions+=("$1|$(field session)|$(field way)|$(field path)")
	[ "$(field way)" = "$2" ] || fail "this session went another way than $2: $line"
	good "introd: session $(field session), way $(field way), path $(field path)"
}

# ---- the broker's system calls: traced from its first instruction, since it lets nobody look
# into it later. Without ptrace(2) only its run time is known.
calls() { cat "$tmp"/trace/introd.* /dev/null 2>/dev/null | wc -l; }
payload() {
	cat "$tmp"/trace/introd.* /dev/null 2>/dev/null | awk '/^(read|write|readv|writev|recv|send|splice|tee|copy|pread|pwrite)/ &&
		/= [0-9]+$/ { n += $NF } END { print n + 0 }'
}
run_ns() {
	local ns sum=0 pid
	for pid in $broker $(descendants "$broker"); do
		read -r ns _ < <(cat "/proc/$pid/task/"*/schedstat 2>/dev/null |
			awk '{ n += $1 } END { print n + 0 }')
		sum=$((sum + ns))
	done
	echo "$sum"
}

mkdir -m 700 "$tmp/run" "$tmp/trace" "$tmp/host"
export XDG_RUNTIME_DIR=$tmp/run
watch=(strace -D -ff -o "$tmp/trace/introd")
strace -D -ff -o "$tmp/trace/try" true 2>/dev/null || watch=()

printf '%sintrod: ask for a service, get a connected socket%s\n' "$bold" "$plain"

# ====
step "A broker, and doors for two sandboxes"
note "The first command finds no broker and starts one: user mode, as $(id -un) (uid $(id -u))."
shown "intro door add redis --export        # for the server: may put its own socket there"
"${watch[@]}" intro door add redis --export </dev/null >"$tmp/doors" 2>"$tmp/door.log" ||
	fail "the door was not made"
output "$(cat "$tmp/doors")"
{ read -r redis_door && read -r redis_exports; } <"$tmp/doors" || fail "no directories were printed"
shown "intro door add app                   # for the client"
app_door=$(intro door add app) || fail "the door was not made"
output "$app_door"
for grant in "redis redis --serve" "app redis" "app hello" "app zeros"; do
	shown "intro grant $grant"
	# shellcheck disable=SC2086
	intro grant $grant || fail "the grant was not made"
done
broker=$(intro status --json | sed -n 's/.*"pid": *\([0-9]*\).*/\1/p')
check "introd runs by itself, as pid $broker" test "$(cat "/proc/$broker/comm")" = introd

# ====
step "Redis in a sandbox with a network of its own, an agent beside it"
note "Neither Redis nor the redis-cli below knows of introd. The agent offers Redis in two ways:"
note "its own socket is placed into doors, and libintro's clients get a socket fetched for them."
shown "bwrap --unshare-net … --bind $redis_exports /export --ro-bind $redis_door /run/intro"
shown "  intro serve redis --place /export/redis.sock --to unix:/export/redis.sock"
shown "  redis-server --unixsocket /export/redis.sock"
cat >"$tmp/host/redis" <<'END'
intro serve redis --place /export/redis.sock --to unix:/export/redis.sock &
while :; do
	redis-server --bind 127.0.0.1 --port 6379 --unixsocket /export/redis.sock \
		--unixsocketperm 777 --save '' --dir /tmp
done
END
"${sandbox[@]}" --bind "$redis_exports" /export --ro-bind "$redis_door" /run/intro \
	--ro-bind "$tmp/host/redis" /run/redis sh /run/redis >"$tmp/redis.log" 2>&1 </dev/null &
redis=$!
started+=("$redis")
answers() { [ "$(redis-cli -s "$redis_exports/redis.sock" ping 2>&1)" = PONG ]; }
until_so answers || fail "Redis does not answer"
audit ' placed .*name=redis'
output "$line"
until_so test -S "$app_door/redis" || fail "there is no socket in the client's door"
same() { [ "$(stat -c %d:%i "$app_door/redis")" = "$(stat -c %d:%i "$redis_exports/redis.sock")" ]; }
check "the file redis in the client's door is Redis's own socket (inode $(stat -c %i \
	"$redis_exports/redis.sock"))" until_so same

# ====
step "An unmodified redis-cli in a second sandbox, with no network at all"
note "All it has is its door, mounted read-only: $app_door"
: >"$tmp/host/stale"
exec {say}>&2
coproc app { exec "${sandbox[@]}" --ro-bind "$app_door" /run/intro \
	--bind "$redis_exports/redis.sock" /run/redis.bind.sock sh 2>&$say; }
exec {say}>&-
started+=("$app_PID")
show "ls /sys/class/net 2>/dev/null || sed -n 's/^ *\\([a-z0-9]*\\):.*/\\1/p' /proc/net/dev"
[ "$out" = lo ] || fail "the sandbox has a network"
show "touch /run/intro/x"  && fail "the door is writable"
show "redis-cli -h 127.0.0.1 ping" && fail "Redis can be reached by a network"
show "redis-cli -s /run/intro/redis set greeting hello"
[ "$out" = OK ] || fail "Redis is not reached through the door"
show "redis-cli -s /run/intro/redis get greeting"
[ "$out" = hello ] || fail "Redis is not reached through the door"
good "way placed, path local: redis-cli connects to Redis itself, and introd sees nothing of it"
sessions+=("redis-cli, its door's file|–|placed|local")

# ====
step "A C program of ten lines: the same by name"
note "examples/dial.c: intro_dial(\"redis\", SOCK_STREAM, 5000), then write() and read()."
show "dial redis 'GET greeting'"
case $out in *hello*) ;; *) fail "Redis did not answer" ;; esac
session "dial, by the name redis" fetch redis

# ====
step "A service that is a shell command, for an unmodified curl"
cat >"$tmp/host/hello" <<'END'
cr=$(printf '\r')
while IFS= read -r line && [ "$line" != "$cr" ]; do :; done
printf 'HTTP/1.0 200 OK\r\n\r\nhello, uid %s from door %s\n' "$INTRO_PEER_UID" "$INTRO_PEER_DOOR"
END
shown "intro serve hello -- sh hello        # inetd's way: the socket is stdin and stdout"
intro serve hello --ready-fd 3 -- sh "$tmp/host/hello" 3>"$tmp/hello.ready" 2>"$tmp/hello.log" \
	</dev/null &
started+=($!)
until_so test -s "$tmp/hello.ready" || fail "hello is not served"
show "curl -sS --unix-socket /run/intro/hello http://hello/"
[ "$out" = "hello, uid $(id -u) from door app" ] || fail "curl got another answer"
session "curl, its door's file" listen hello

# ====
step "Redis is killed, and starts again, while the client keeps its door"
old=$(descendant "$redis" redis-server) || fail "where is Redis?"
inode=$(stat -c %i "$redis_exports/redis.sock")
shown "kill -9 $old                        # redis-server; its container starts another one"
kill -9 "$old" || fail "Redis could not be killed"
# It can still accept for a moment: what follows is about the next one.
for _ in $(seq 500); do
	[ -z "$(ls "/proc/$old/fd" 2>/dev/null)" ] && break
	sleep 0.01
done
show "dial redis PING"
case $out in +PONG*) ;; *) fail "the next connection by name did not work" ;; esac
session "dial, after the restart" fetch redis
until_so same || fail "the door's file is not the new server's socket"
until_so answers || fail "Redis does not answer"
show "redis-cli -s /run/intro/redis ping"
[ "$out" = PONG ] || fail "the next connection by path did not work"
new=$(descendant "$redis" redis-server)
good "another server (pid $old → $new), another socket (inode $inode → $(stat -c %i \
	"$app_door/redis")), the same door"
sessions+=("redis-cli, after the restart|–|placed|local")
note "For comparison: the old socket, mounted into the same sandbox as a file, as is usual:"
show "redis-cli -s /run/redis.bind.sock ping" && fail "a stale socket has answered"
good "that one is stale, and stays so"

# ====
step "1 GiB through an introduced socket, and what introd has to do with it"
intro serve zeros --ready-fd 3 -- head -c 1G /dev/zero 3>"$tmp/zeros.ready" 2>"$tmp/zeros.log" \
	</dev/null &
started+=($!)
until_so test -s "$tmp/zeros.ready" || fail "zeros is not served"
before=$(calls) before_bytes=$(payload) before_ns=$(run_ns)
t=${EPOCHREALTIME/./}
show "intro connect zeros --fd 3 -- sh -c 'wc -c <&3'"
t=$((${EPOCHREALTIME/./} - t))
[ "$out" = 1073741824 ] || fail "that is not 1 GiB"
session "wc, by the name zeros" pair zeros
after=$(calls) after_bytes=$(payload) after_ns=$(run_ns)
note "$((1024 * 1000000 / t)) MiB/s. Meanwhile, in all processes and threads of introd, with the introduction"
note "itself and its line in the log:"
cpu=$(((after_ns - before_ns) / 1000))
if [ ${#watch[@]} -gt 0 ]; then
	[ "$before" -gt 50 ] || fail "the trace of introd's system calls is empty"
	output "$(printf '%6d system calls\n%6d bytes read and written by all of them\n%6d µs of CPU (while being traced)' \
		$((after - before)) $((after_bytes - before_bytes)) $cpu)"
	[ $((after - before)) -lt 500 ] || fail "introd has made too many system calls for an introduction"
	[ $((after_bytes - before_bytes)) -lt 65536 ] || fail "introd has moved too much for an introduction"
	good "no byte of the conversation passes through introd (counted by strace)"
else
	output "$(printf '%6d µs of CPU' $cpu)"
	note "Its system calls could not be counted: strace may not trace here (ptrace(2))."
	good "introd has hardly run (/proc/PID/task/TID/schedstat)"
fi
[ $cpu -lt $((t / 5)) ] || fail "introd was busy during the transfer"

# ====
step "All of it"
printf '   %s%-30s %-18s %-8s %s%s\n' "$bold" client session way path "$plain"
for s in "${sessions[@]}"; do
	IFS='|' read -r what number way path <<<"$s"
	printf '   %-30s %-18s %-8s %s\n' "$what" "$number" "$way" "$path"
done
seen=0
audit " introduced .*session=$number "
[ "$(grep -c ' introduced ' "$audit")" = "$introduced" ] ||
	fail "introd has logged other introductions than these"
note "introd has introduced $introduced times; what was placed it neither sees nor counts."
printf '\n%sEach step was as it should be%s (%d s).\n' "$green" "$plain" "$SECONDS"
