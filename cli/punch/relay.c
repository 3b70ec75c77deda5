/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The role relay: its command line, and what it says. The work is relay_io.c's and the
 * engine's.
 */
#include <errno.h>
#include <ifaddrs.h>
#include <inttypes.h>
#include <jansson.h>
#include <netinet/in.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>

#include "../../libintro/punch/relay.h"
#include "../fd.h"
#include "relay_io.h"
#include "roles.h"

#define LISTEN_MAX 16u
/* So that one address of a large NAT does not fill the relay. */
#define PER_IP 256u

struct wishes {
	struct address listen[LISTEN_MAX], own[RELAY_OWN_MAX];
	size_t listen_n, own_n;
	bool allow_own, json;
	struct relay_config config;
};

static const char *const help_text =
	"Usage: punch relay --listen IP[:PORT] [OPTION]…\n"
	"\n"
	"Forwards datagrams between two peers that name the same session, where no direct\n"
	"path between them is found, or until one is. It sees addresses, lengths and times, and\n"
	"never what is inside. It answers STUN Binding requests on the same port.\n"
	"\n"
	"  punch relay --listen 203.0.113.5\n"
	"  punch peer --relay 203.0.113.5 …           uses it\n"
	"\n"
	"  --listen IP[:PORT]    an address of this host (port 3478); may be repeated\n"
	"  --own IP[:PORT]       a further address that leads to this host: never sent to\n"
	"  --allow WHAT,…        also serve peers that are not on the internet: private,\n"
	"                        loopback, link, shared (100.64/10), own (this host, on ports\n"
	"                        other than the relay's)\n"
	"\n"
	"What each session may use is told to both its peers when they bind it. 0: no limit.\n"
	"  --bytes N[K|M|G]      both ways together (4G)\n"
	"  --rate N              datagrams per second, each way (100000)\n"
	"  --idle SECONDS        a session without traffic ends after (60)\n"
	"  --lifetime SECONDS    and any after (86400)\n"
	"  --sessions N          in all (65536)\n"
	"  --per-ip N            peers of one IP address or IPv6 /64 (256)\n"
	"\n"
	"  --json                one JSON object when it is ready and one at its end\n"
	"\n"
	"Ends at SIGTERM or SIGINT.\n";

enum { OPT_LISTEN = 256, OPT_OWN, OPT_ALLOW, OPT_BYTES, OPT_RATE, OPT_IDLE, OPT_LIFETIME,
       OPT_SESSIONS, OPT_PER_IP, OPT_JSON };

static const struct option options[] = {
	{ "help", no_argument, NULL, 'h' },
	{ "listen", required_argument, NULL, OPT_LISTEN },
	{ "own", required_argument, NULL, OPT_OWN },
	{ "allow", required_argument, NULL, OPT_ALLOW },
	{ "bytes", required_argument, NULL, OPT_BYTES },
	{ "rate", required_argument, NULL, OPT_RATE },
	{ "idle", required_argument, NULL, OPT_IDLE },
	{ "lifetime", required_argument, NULL, OPT_LIFETIME },
	{ "sessions", required_argument, NULL, OPT_SESSIONS },
	{ "per-ip", required_argument, NULL, OPT_PER_IP },
	{ "json", no_argument, NULL, OPT_JSON },
	{ 0 },
};

/* Digits, and K, M or G where that is allowed. */
static int parse_number(const char *text, bool suffix, uint64_t max, uint64_t *ret)
{
	static const char suffixes[] = "KMG";
	const char *found;
	uint64_t value;
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno != 0)
		return -EINVAL;
	if (suffix && *end != '\0') {
		unsigned int shift;

		found = strchr(suffixes, *end++);
		shift = found ? 10 * (unsigned int)(found - suffixes + 1) : 0;
		if (!found || value > UINT64_MAX >> shift)
			return -EINVAL;
		value <<= shift;
	}
	if (*end != '\0' || value > max)
		return -EINVAL;
	*ret = value;
	return 0;
}

static int parse_allow(struct wishes *w, char *text)
{
	static const struct {
		const char *word;
		enum address_scope scope;
	} words[] = {
		{ "private", SCOPE_PRIVATE }, { "loopback", SCOPE_LOOPBACK },
		{ "link", SCOPE_LINK }, { "shared", SCOPE_SHARED },
	};
	char *word, *rest;

	for (word = strtok_r(text, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
		unsigned int before = w->config.allow;
		bool own = strcmp(word, "own") == 0;

		w->allow_own = w->allow_own || own;
		for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
			if (strcmp(word, words[i].word) == 0)
				w->config.allow |= 1u << words[i].scope;
		}
		if (!own && w->config.allow == before)
			return usage_error("relay", "--allow %s: not private, loopback, link, "
					   "shared or own (or said twice)", word);
	}
	return CODE_OK;
}

static int parse_listen(struct wishes *w, const char *text)
{
	static const struct address none;
	struct address a;

	if (address_parse(text, RELAY_PORT, &a) < 0)
		return usage_error("relay", "--listen %s: not IP[:PORT]", text);
	if (memcmp(a.ip, none.ip, sizeof a.ip) == 0)
		return usage_error("relay", "--listen %s: name one of this host's addresses, "
				   "from which the answers are to come", text);
	if (w->listen_n == LISTEN_MAX)
		return usage_error("relay", "more than %u times --listen", LISTEN_MAX);
	w->listen[w->listen_n++] = a;
	return CODE_OK;
}

static int parse_own(struct wishes *w, const char *text)
{
	struct address a;

	if (address_parse(text, 0, &a) < 0)
		return usage_error("relay", "--own %s: not IP[:PORT]", text);
	if (w->own_n == RELAY_OWN_MAX)
		return usage_error("relay", "more than %u times --own", RELAY_OWN_MAX);
	w->own[w->own_n++] = a;
	return CODE_OK;
}

static int parse_limit(struct wishes *w, int option, const char *text)
{
	uint64_t value;
	bool bytes = option == OPT_BYTES;
	bool some = option == OPT_IDLE || option == OPT_SESSIONS;

	if (parse_number(text, bytes, bytes ? UINT64_MAX : UINT32_MAX, &value) < 0 ||
	    (some && value == 0) || (option == OPT_SESSIONS && value > 1u << 24))
		return usage_error("relay", "%s: not a number that can be meant", text);
	switch (option) {
	case OPT_BYTES:
		w->config.quota.bytes = value;
		break;
	case OPT_RATE:
		w->config.quota.packets_s = (uint32_t)value;
		break;
	case OPT_IDLE:
		w->config.quota.idle_s = (uint32_t)value;
		break;
	case OPT_LIFETIME:
		w->config.quota.lasts_s = (uint32_t)value;
		break;
	case OPT_SESSIONS:
		w->config.sessions_max = (uint32_t)value;
		break;
	default:
		w->config.sessions_per_ip = (uint32_t)value;
		break;
	}
	return CODE_OK;
}

/* CODE_OK, or what to exit with; -1: help was printed. */
static int parse_options(struct wishes *w, int argc, char **argv)
{
	int c, code = CODE_OK;

	while (code == CODE_OK && (c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (c == 'h')
			return help(help_text) == CODE_OK ? -1 : CODE_FAILED;
		if (c < OPT_LISTEN)
			return option_error("relay", c, argv);
		if (c == OPT_LISTEN)
			code = parse_listen(w, optarg);
		else if (c == OPT_OWN)
			code = parse_own(w, optarg);
		else if (c == OPT_ALLOW)
			code = parse_allow(w, optarg);
		else if (c == OPT_JSON)
			w->json = true;
		else
			code = parse_limit(w, c, optarg);
	}
	if (code == CODE_OK && optind < argc)
		return usage_error("relay", "%s: what is this?", argv[optind]);
	if (code == CODE_OK && w->listen_n == 0)
		return usage_error("relay", "--listen is missing: at which address?");
	return code;
}

/* Every address of this host, but loopback's, with all its ports. */
static int find_own(struct wishes *w)
{
	struct ifaddrs *all;
	int r = 0;

	if (getifaddrs(&all) < 0)
		return -errno;
	for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
		struct address a;

		if (!i->ifa_addr ||
		    address_from_sockaddr(i->ifa_addr, sizeof(struct sockaddr_in6), &a) < 0 ||
		    address_scope(&a) == SCOPE_LOOPBACK)
			continue;
		if (w->own_n == RELAY_OWN_MAX) {
			r = -E2BIG;
			break;
		}
		a.port = 0;
		w->own[w->own_n++] = a;
	}
	freeifaddrs(all);
	return r;
}

static int say(const struct wishes *w, json_t *o)
{
	int r = 0;

	if (w->json && o)
		r = json_dumpf(o, stdout, JSON_COMPACT) < 0 || putchar('\n') < 0 ||
		    fflush(stdout) != 0 ? -EIO : 0;
	json_decref(o);
	return r;
}

static int say_ready(const struct wishes *w, const struct relay_io *io)
{
	json_t *list = json_array();
	char text[ADDRESS_TEXT_BYTES];

	for (size_t i = 0; i < w->listen_n; i++) {
		address_format(relay_io_local(io, i), text);
		json_array_append_new(list, json_string(text));
		if (!w->json)
			complain("relaying at %s", text);
	}
	return say(w, json_pack("{s:o}", "listening", list));
}

static int say_end(const struct wishes *w, const struct relay_io *io, const struct relay *relay)
{
	struct relay_counters c;
	struct relay_io_counters more;

	relay_count(relay, &c);
	relay_io_count(io, &more);
	if (!w->json)
		complain("%" PRIu64 " sessions, %" PRIu64 " datagrams, %" PRIu64 " bytes relayed",
			 c.begun, c.forwarded, c.bytes);
	return say(w, json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}",
				"sessions", (json_int_t)c.sessions,
				"begun", (json_int_t)c.begun,
				"forwarded", (json_int_t)c.forwarded,
				"bytes", (json_int_t)c.bytes,
				"greeted", (json_int_t)c.greeted,
				"refused", (json_int_t)c.refused,
				"stale", (json_int_t)c.stale,
				"denied", (json_int_t)c.denied,
				"strange", (json_int_t)c.strange,
				"limited", (json_int_t)c.limited,
				"stun", (json_int_t)more.stun,
				"lost", (json_int_t)more.lost));
}

static int relay_start(struct wishes *w, const struct relay_io *io, struct relay **ret)
{
	int r;

	for (size_t i = 0; i < w->listen_n; i++) {
		if (w->own_n == RELAY_OWN_MAX)
			return -E2BIG;
		w->own[w->own_n++] = *relay_io_local(io, i);
	}
	r = w->allow_own ? 0 : find_own(w);
	if (r < 0)
		return r;
	if (getrandom(w->config.seed, sizeof w->config.seed, 0) != sizeof w->config.seed)
		return -EIO;
	w->config.own = w->own;
	w->config.own_n = w->own_n;
	r = relay_new(ret, &w->config, 0);
	sodium_memzero(w->config.seed, sizeof w->config.seed);
	return r;
}

static int serve(struct wishes *w, struct relay_io *io, int stop)
{
	struct relay *relay;
	int r = relay_start(w, io, &relay);

	if (r < 0)
		return failed(r, "cannot begin");
	r = say_ready(w, io);
	if (r == 0)
		r = relay_io_run(io, relay, stop);
	if (r == 0)
		r = say_end(w, io, relay);
	relay_free(relay);
	return r < 0 ? failed(r, "the relay") : CODE_OK;
}

int punch_relay(int argc, char **argv)
{
	struct wishes w = { .config = {
		.quota = { .bytes = 4ull << 30, .packets_s = 100000, .idle_s = 60,
			   .lasts_s = 86400 },
		.sessions_max = 65536, .sessions_per_ip = PER_IP,
	} };
	_cleanup_close_ int stop = -1;
	char text[ADDRESS_TEXT_BYTES];
	struct relay_io *io;
	size_t which;
	sigset_t set;
	int r = parse_options(&w, argc, argv);

	if (r != CODE_OK)
		return r < 0 ? CODE_OK : r;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	stop = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (stop < 0)
		return failed(-errno, "signals");
	r = relay_io_new(&io, w.listen, w.listen_n, &which);
	if (r < 0)
		return failed(r, "%s", address_format(&w.listen[which], text));
	r = serve(&w, io, stop);
	relay_io_free(io);
	return r;
}
