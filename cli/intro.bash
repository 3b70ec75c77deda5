# SPDX-License-Identifier: Apache-2.0
# bash completion for intro(1): verbs, options, and the broker's own names.
# shellcheck shell=bash

# The options of broker and door that were typed already, so that the same broker is asked.
_intro_where()
{
	local i

	where=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--system | --user)
			where+=("${COMP_WORDS[i]}")
			;;
		--base)
			where+=(--base "${COMP_WORDS[i + 1]-}")
			;;
		esac
	done
}

# _intro_values KIND KEY: the values of KEY in a listing of services, doors or grants.
_intro_values()
{
	local where

	_intro_where
	intro list "${where[@]}" "$1" --json 2>/dev/null |
		sed -n "s/^ *\"$2\": \"\\([A-Za-z0-9._-]*\\)\",\\{0,1\\}\$/\\1/p" | sort -u
}

# The verb and the words behind it that are no options.
_intro_words()
{
	local i word

	verb='' words=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		case $word in
		--base | --door | --to | --place | --max | --type | --wait | --ready-fd | --fd | \
			--as | --file | --server | --lifetime | --uses | --label | --limit | --uid | \
			--sessions | --rights | --to-service | --save | --owner | -S | -R | -s | \
			-T | -p | -m | -t | -w | -r | -a | -f | -l | -n | -L)
			# -r, -l and -f take no value in some verbs
			case $verb$word in
			grant-r | grant-s | why-s | serve-l | serve-f | nat-l | nat--lifetime)
				;;
			*)
				((i++))
				;;
			esac
			;;
		-*)
			;;
		*)
			if [[ -z $verb ]]; then
				verb=$word
			else
				words+=("$word")
			fi
			;;
		esac
	done
}

# What an option's value may be; false where it is not known.
_intro_option_value()
{
	case $1 in
	--type | --to | -t | -T)
		case $verb$1 in
		lend--to | give--to | lend-t | give-t)
			candidates=$(_intro_values doors door)
			;;
		*--type | *-t)
			candidates='stream seqpacket dgram'
			;;
		*)
			candidates='tcp: unix:'
			;;
		esac
		;;
	--rights | -R)
		candidates='connect serve give save revoke'
		;;
	--to-service)
		candidates=$(_intro_values services name)
		;;
	--door)
		candidates=$(_intro_values doors door)
		;;
	--as | -a)
		candidates=$(_intro_values services name)
		;;
	--limit)
		candidates='connections= names= held= flight= waits= references='
		;;
	--wait | -w)
		candidates='5s 30s 5m forever'
		;;
	--lifetime)
		[[ $verb == nat ]] && return 1
		candidates='10m 2h 7d'
		;;
	--owner)
		candidates=$(_intro_values doors door)
		;;
	--base | --place | -p | --save)
		candidates=''
		files=yes
		;;
	*)
		return 1
		;;
	esac
}

_intro_options()
{
	local common='--help --user --system --base'
	local terms='--lifetime --uses --sessions --leash --label --rights'

	case $1 in
	'')
		candidates="$common --door --version"
		;;
	serve)
		candidates="$common --door --to --place --listen --listen=door --sockpair"
		candidates+=' --max --type --wait --ready-fd --verbose'
		;;
	connect)
		candidates="$common --door --wait --type --fd --fdpass --verbose"
		;;
	hold | take)
		candidates="$common --door --fd"
		;;
	door)
		candidates="$common --export --open --limit --uid --default --json"
		;;
	grant)
		candidates="$common --as --file --serve --connect --remove $terms"
		;;
	lend)
		candidates="$common --door --to --as --file --save --owner $terms"
		;;
	give)
		candidates="$common --door --to --to-service --wait $terms"
		;;
	claim)
		candidates="$common --door --as"
		;;
	list)
		candidates="$common --usage --json"
		;;
	nat)
		candidates='--help --server --low-ports --lifetime --json'
		;;
	why)
		candidates="$common --serve --json"
		;;
	*)
		candidates="$common --json"
		;;
	esac
}

# What comes next among the words: of a verb, with so many words before it.
_intro_arguments()
{
	local verbs='serve connect hold take door grant lend revoke give claim list show why graph'

	verbs+=' watch nat status'
	case $verb:${#words[@]} in
	:0)
		candidates="$verbs help"
		;;
	help:0)
		candidates=$verbs
		;;
	connect:0 | take:0 | lend:* | give:0 | graph:0)
		candidates=$(_intro_values services name)
		;;
	show:0)
		candidates="door $(_intro_values services name)"
		;;
	show:1)
		[[ ${words[0]} == door ]] && candidates=$(_intro_values doors door)
		;;
	door:0)
		candidates='add remove limit list'
		;;
	door:1)
		[[ ${words[0]} == add ]] || candidates=$(_intro_values doors door)
		;;
	door:*)
		[[ ${words[0]} == limit ]] && candidates='connections= names= held= flight= waits= references='
		;;
	grant:0 | why:0)
		candidates=$(_intro_values doors door)
		;;
	grant:1)
		candidates=$(_intro_values services name)
		;;
	claim:0)
		candidates='@ fd: -'
		;;
	why:1)
		candidates="$(_intro_values services name) $(_intro_values grants name)"
		;;
	list:0)
		candidates='services doors grants references'
		;;
	list:1)
		[[ ${words[0]} == grants ]] && candidates=$(_intro_values doors door)
		;;
	esac
}

_intro()
{
	local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
	local verb words candidates='' files='' i

	# behind "--" stands another program's command line
	for ((i = 1; i < COMP_CWORD; i++)); do
		if [[ ${COMP_WORDS[i]} == -- ]]; then
			if declare -F _command_offset >/dev/null; then
				_command_offset $((i + 1))
			elif ((i + 1 == COMP_CWORD)); then
				mapfile -t COMPREPLY < <(compgen -c -- "$current")
			else
				mapfile -t COMPREPLY < <(compgen -f -- "$current")
			fi
			return
		fi
	done

	_intro_words
	if _intro_option_value "$before"; then
		[[ $candidates == *[=:]* ]] && compopt -o nospace
		[[ -n $files ]] && compopt -o filenames
	elif [[ $current == -* ]]; then
		_intro_options "$verb"
	else
		_intro_arguments
		[[ $candidates == *=* ]] && compopt -o nospace
	fi
	if [[ -n $files ]]; then
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
	else
		mapfile -t COMPREPLY < <(compgen -W "$candidates" -- "$current")
	fi
}

complete -F _intro intro
