/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line of peer_options.h.
 */
#include "peer_options.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../libintro/punch/stun.h"
#include "../fd.h"
#include "mapping.h"
#include "roles.h"

static const char text[] =
	"Usage: punch peer --offer|--answer [OPTION]…\n"
	"\n"
	"One end of a path. Lines \"signal …\" on standard output are for the other end's\n"
	"standard input, as they are; lines \"event {…}\" tell what happens. Datagrams that the\n"
	"other end sends by the path are sent back.\n"
	"\n"
	"  --offer | --answer    which end this is: one of each kind\n"
	"  --stun ADDR[,ADDR]    servers that tell what we look like (numbers; port 3478)\n"
	"  --relay ADDR          a relay for the time before, and for when nothing else works\n"
	"  --relay-only          use nothing but the relay, tell the other end no address\n"
	"  --key-file FILE|fd:N|-  a secret that both ends know, on one line (-: standard\n"
	"                        input's first line); without one who carries the signals is\n"
	"                        trusted\n"
	"  --observed IP         where the rendezvous saw the other end\n"
	"  --no-survey           do not look at our NATs first\n"
	"  --no-map              do not ask the router for a port\n"
	"  --map HOW[,HOW]       ask by these only: pcp, nat-pmp, upnp\n"
	"  --low-ports           sockets below 1024 may be opened (CAP_NET_BIND_SERVICE)\n"
	"  --port PORT           ours; any otherwise\n"
	"  --listen PORT         take datagrams for the path on 127.0.0.1:PORT, and give what\n"
	"                        comes back to whoever sent last, instead of echoing\n"
	"  -4, -6                one family only\n"
	"  --time SECONDS        end after so long\n"
	"\n"
	"Exits 0 (was connected), 1 (was not), 100, 111.\n";

enum {
	OPT_OFFER = 0x100, OPT_ANSWER, OPT_STUN, OPT_RELAY, OPT_RELAY_ONLY, OPT_KEY_FILE,
	OPT_OBSERVED, OPT_NO_SURVEY, OPT_NO_MAP, OPT_MAP, OPT_LOW_PORTS, OPT_PORT, OPT_LISTEN,
	OPT_TIME, OPT_HELP,
};

static const struct option options[] = {
	{ "offer", no_argument, NULL, OPT_OFFER },
	{ "answer", no_argument, NULL, OPT_ANSWER },
	{ "stun", required_argument, NULL, OPT_STUN },
	{ "relay", required_argument, NULL, OPT_RELAY },
	{ "relay-only", no_argument, NULL, OPT_RELAY_ONLY },
	{ "key-file", required_argument, NULL, OPT_KEY_FILE },
	{ "observed", required_argument, NULL, OPT_OBSERVED },
	{ "no-survey", no_argument, NULL, OPT_NO_SURVEY },
	{ "no-map", no_argument, NULL, OPT_NO_MAP },
	{ "map", required_argument, NULL, OPT_MAP },
	{ "low-ports", no_argument, NULL, OPT_LOW_PORTS },
	{ "port", required_argument, NULL, OPT_PORT },
	{ "listen", required_argument, NULL, OPT_LISTEN },
	{ "time", required_argument, NULL, OPT_TIME },
	{ "help", no_argument, NULL, OPT_HELP },
	{ 0 },
};

#define wrong(...) (usage_error("peer", __VA_ARGS__) + 1)

/* ---- values ---- */

static int get_number(const char *name, const char *value, unsigned long max, unsigned long *ret)
{
	unsigned long n;

	if (*value == '\0' || strlen(value) > 9 || value[strspn(value, "0123456789")] != '\0')
		return wrong("--%s: \"%s\" is no number", name, value);
	n = strtoul(value, NULL, 10);
	if (n == 0 || n > max)
		return wrong("--%s: wanted: 1 to %lu", name, max);
	*ret = n;
	return 0;
}

static int get_port(const char *name, const char *value, uint16_t *ret)
{
	unsigned long n;
	int r = get_number(name, value, UINT16_MAX, &n);

	if (r == 0)
		*ret = (uint16_t)n;
	return r;
}

static int get_address(const char *name, const char *value, uint16_t default_port,
		       struct address *ret)
{
	struct address a;

	if (address_parse(value, default_port, &a) < 0)
		return wrong("--%s: \"%s\" is no IP address with a port, in numbers", name, value);
	if (a.port == 0)
		return wrong("--%s: a port is wanted: \"%s:PORT\"", name, value);
	*ret = a;
	return 0;
}

static int get_servers(char *value, struct address ret[static 2])
{
	char *comma = strchr(value, ',');
	int r;

	if (comma)
		*comma = '\0';
	r = get_address("stun", value, STUN_PORT, &ret[0]);
	if (r == 0 && comma)
		r = get_address("stun", comma + 1, STUN_PORT, &ret[1]);
	if (r == 0 && comma && ret[0].family != ret[1].family)
		return wrong("--stun: both servers must be of one family");
	return r;
}

static int get_methods(char *value, unsigned int *ret)
{
	char *rest = value, *word;

	*ret = 0;
	while ((word = strsep(&rest, ","))) {
		unsigned int method = MAPPING_PCP;

		while (method & MAPPING_ALL && strcmp(word, mapping_method_word(method)) != 0)
			method <<= 1;
		if (!(method & MAPPING_ALL))
			return wrong("--map: wanted: pcp, nat-pmp, upnp");
		*ret |= method;
	}
	return 0;
}

/* ---- the secret ---- */

#define KEY_LINE_MIN 16u		/* characters: a password that is guessed is none */
#define KEY_LINE_MAX 1024u

/* A line, byte by byte: what stands behind it on standard input is signals. */
static ssize_t read_line(int fd, char *out, size_t size)
{
	size_t used = 0;

	while (used < size) {
		ssize_t n = read(fd, out + used, 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0 || out[used] == '\n')
			return (ssize_t)used;
		used++;
	}
	return -EMSGSIZE;
}

static int get_secret(const char *from, uint8_t ret[static 32])
{
	static const char label[] = "punch peer key";
	_cleanup_close_ int own = -1;
	char line[KEY_LINE_MAX];
	unsigned long number;
	int fd = STDIN_FILENO;
	ssize_t n;

	if (strncmp(from, "fd:", 3) == 0) {
		int r = get_number("key-file", from + 3, INT32_MAX, &number);

		if (r != 0)
			return r;
		own = (int)number;
		fd = own;
	} else if (strcmp(from, "-") != 0) {
		own = open(from, O_RDONLY | O_CLOEXEC);
		if (own < 0)
			return failed(-errno, "cannot open %s", from) + 1;
		fd = own;
	}
	n = read_line(fd, line, sizeof line);
	if (n < 0)
		return failed((int)n, "cannot read the key from %s", from) + 1;
	if ((size_t)n < KEY_LINE_MIN) {
		sodium_memzero(line, sizeof line);
		return wrong("--key-file: a line of at least %u characters is wanted", KEY_LINE_MIN);
	}
	crypto_generichash(ret, 32, (const uint8_t *)line, (size_t)n, (const uint8_t *)label,
			   sizeof label - 1);
	sodium_memzero(line, sizeof line);
	return 0;
}

/* ---- all of it ---- */

struct seen {
	bool offer, answer;
	const char *key_file;
};

static int get_one(struct peer_options *o, struct seen *seen, int c)
{
	unsigned long number = 0;
	int r = 0;

	switch (c) {
	case OPT_OFFER:
		seen->offer = true;
		break;
	case OPT_ANSWER:
		seen->answer = true;
		break;
	case OPT_STUN:
		return get_servers(optarg, o->servers);
	case OPT_RELAY:
		return get_address("relay", optarg, STUN_PORT, &o->relay);
	case OPT_RELAY_ONLY:
		o->relay_only = true;
		break;
	case OPT_KEY_FILE:
		seen->key_file = optarg;
		break;
	case OPT_OBSERVED:
		if (address_parse(optarg, 0, &o->observed) < 0)
			return wrong("--observed: \"%s\" is no IP address", optarg);
		o->observed.port = 0;
		break;
	case OPT_NO_SURVEY:
		o->survey = false;
		break;
	case OPT_NO_MAP:
		o->map = false;
		break;
	case OPT_MAP:
		return get_methods(optarg, &o->methods);
	case OPT_LOW_PORTS:
		o->low_ports = true;
		break;
	case OPT_PORT:
		return get_port("port", optarg, &o->port);
	case OPT_LISTEN:
		return get_port("listen", optarg, &o->listen);
	case OPT_TIME:
		r = get_number("time", optarg, 100000000, &number);
		o->time_ms = (int64_t)number * 1000;
		return r;
	case '4':
		o->v6 = false;
		break;
	case '6':
		o->v4 = false;
		break;
	}
	return 0;
}

static bool family_fits(const struct peer_options *o, const struct address *a)
{
	return a->family == 0 || (a->family == 4 ? o->v4 : o->v6);
}

/* What does not go together. */
static int check(struct peer_options *o, const struct seen *seen)
{
	if (seen->offer == seen->answer)
		return wrong("wanted: one of --offer and --answer, and the other one at the other end");
	if (!o->v4 && !o->v6)
		return wrong("-4 and -6 leave no family");
	if (!family_fits(o, &o->servers[0]) || !family_fits(o, &o->relay) ||
	    !family_fits(o, &o->observed))
		return wrong("an address is not of the family that -4 or -6 leaves");
	if (o->relay_only && !o->relay.family)
		return wrong("--relay-only wants --relay");
	o->role = seen->offer ? PUNCH_OFFERER : PUNCH_ANSWERER;
	if (!o->servers[0].family || o->relay_only)
		o->survey = false;
	/* no library of these maps IPv6, and nobody is told of a mapping */
	if (!o->v4 || o->relay_only)
		o->map = false;
	return 0;
}

int peer_options_get(struct peer_options *ret, int argc, char **argv)
{
	struct peer_options o = {
		.v4 = true, .v6 = true, .survey = true, .map = true, .methods = MAPPING_ALL,
	};
	struct seen seen = { 0 };
	int c, r;

	while ((c = getopt_long(argc, argv, ":46", options, NULL)) != -1) {
		if (c == OPT_HELP)
			return help(text) + 1;
		if (c == ':' || c == '?')
			return option_error("peer", c, argv) + 1;
		r = get_one(&o, &seen, c);
		if (r != 0)
			return r;
	}
	if (optind < argc)
		return wrong("\"%s\" is too much", argv[optind]);
	r = check(&o, &seen);
	if (r == 0 && seen.key_file)
		r = get_secret(seen.key_file, o.secret);
	if (r == 0)
		*ret = o;
	return r;
}
