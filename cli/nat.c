/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intro nat: what the NATs between this host and others are like.
 */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../libintro/punch/stun.h"
#include "cli.h"
#include "nat_sockets.h"
#include "nat_words.h"

#define SERVERS 2u
#define HOST_BYTES 256u
#define LIMIT_US 1800000u	/* "under two seconds" */
/* Mappings of UDP last 120 s where RFC 4787 is followed, and mostly less. */
#define LIFETIME_US 160000000u

static const char text[] =
	"Usage: intro nat [--server HOST[:PORT]]... [--low-ports] [--lifetime] [-4 | -6] [--json]\n"
	"\n"
	"Finds out what the NATs and firewalls between this host and others are like, and what\n"
	"that means for meeting a peer. Asks one or two STUN servers, for less than two seconds.\n"
	"A server with two addresses (RFC 5780) can tell all of it, two others the most of it.\n"
	"\n"
	"  intro nat --server stun.example.org\n"
	"\n"
	"  -s, --server HOST[:PORT]  a STUN server (port 3478), at most two; without it those in\n"
	"                            INTRO_STUN, separated by spaces\n"
	"  -l, --low-ports           ask from a port below 1024 too (needs CAP_NET_BIND_SERVICE)\n"
	"      --lifetime            find out how long a silence is borne: takes three minutes\n"
	"  -4, -6                    IPv4 (the usual one, where the server has both), IPv6\n"
	"  -j, --json                an object, for programs\n"
	"\n"
	"Exits 111 when no server answers.\n";

struct asked {
	struct survey_config config;
	const char *names[SERVERS];
	size_t names_n;
	int family;		/* AF_UNSPEC: any */
	bool json;
};

/* "HOST", "HOST:PORT", "[IPv6]:PORT" into a host without brackets and a port. */
static int split(const char *name, char host[static HOST_BYTES], char port[static 8])
{
	const char *colon = strrchr(name, ':'), *begin = name;
	size_t len = strlen(name);

	if (*name == '[') {
		begin = name + 1;
		len = strcspn(begin, "]");
		if (begin[len] != ']')
			return -EINVAL;
		colon = begin[len + 1] == ':' ? begin + len + 1 : NULL;
		if (!colon && begin[len + 1] != '\0')
			return -EINVAL;
	} else if (colon && strchr(name, ':') == colon) {
		len = (size_t)(colon - name);
	} else {
		colon = NULL;
	}
	if (len == 0 || len >= HOST_BYTES ||
	    (colon && (colon[1] == '\0' || strlen(colon + 1) > 5 ||
	     colon[1 + strspn(colon + 1, "0123456789")] != '\0' ||
	     strtoul(colon + 1, NULL, 10) > UINT16_MAX)))
		return -EINVAL;
	memcpy(host, begin, len);
	host[len] = '\0';
	snprintf(port, 8, "%.5s", colon ? colon + 1 : "3478");
	return 0;
}

static int resolve(const struct asked *a, const char *name, int family, struct address *ret)
{
	struct addrinfo hints = {
		.ai_family = family,
		.ai_socktype = SOCK_DGRAM,
		.ai_flags = AI_NUMERICSERV,
	};
	char host[HOST_BYTES], port[8];
	struct addrinfo *all, *i;
	int r;

	if (split(name, host, port) < 0)
		return usage_error("nat", "\"%s\" is no HOST[:PORT]", name);
	r = getaddrinfo(host, port, &hints, &all);
	if (r != 0) {
		complain("%s: %s", name, gai_strerror(r));
		return r == EAI_AGAIN || r == EAI_MEMORY ? CODE_TEMPORARY : CODE_FAILED;
	}
	/* NATs are a matter of IPv4 */
	for (i = all; i && i->ai_family != AF_INET; i = i->ai_next)
		;
	if (!i || a->family == AF_INET6)
		i = all;
	r = i ? address_from_sockaddr(i->ai_addr, i->ai_addrlen, ret) : -EINVAL;
	freeaddrinfo(all);
	return r < 0 || ret->port == 0 ? usage_error("nat", "\"%s\" is no HOST[:PORT]", name) :
					 CODE_OK;
}

static int resolve_all(struct asked *a)
{
	int family = a->family, r;

	for (size_t i = 0; i < a->names_n; i++) {
		r = resolve(a, a->names[i], family, &a->config.servers[i]);
		if (r != CODE_OK)
			return r;
		family = a->config.servers[i].family == 4 ? AF_INET : AF_INET6;
	}
	return CODE_OK;
}

static int add_server(struct asked *a, const char *name)
{
	if (a->names_n == SERVERS)
		return usage_error("nat", "more than %u servers are not asked", SERVERS);
	a->names[a->names_n++] = name;
	return CODE_OK;
}

/* list is changed, and kept. */
static int add_servers(struct asked *a, char *list)
{
	int r = CODE_OK;

	for (char *name; r == CODE_OK && (name = strsep(&list, " ,"));) {
		if (*name != '\0')
			r = add_server(a, name);
	}
	return r;
}

static int survey(struct asked *a)
{
	struct nat nat;
	int r = resolve_all(a);

	if (r != CODE_OK)
		return r;
	r = nat_survey(&a->config, &nat);
	if (r < 0)
		return failed(r, "cannot ask");
	if (nat.external.family == 0) {
		complain("no answer came from %s", a->names[0]);
		return CODE_TEMPORARY;
	}
	if (!a->json)
		nat_print(&nat);
	else if (nat_print_json(&nat) < 0)
		return CODE_TEMPORARY;
	return fflush(stdout) == 0 ? CODE_OK : CODE_FAILED;
}

int verb_nat(int argc, char **argv)
{
	static const struct option options[] = {
		{ "server", required_argument, NULL, 's' },
		{ "low-ports", no_argument, NULL, 'l' },
		{ "lifetime", no_argument, NULL, OPT_VERB },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct asked a = { .family = AF_UNSPEC, .config.limit_us = LIMIT_US };
	const char *from_environment;
	char *usual = NULL;
	int c, r = CODE_OK;

	while (r == CODE_OK && (c = getopt_long(argc, argv, ":s:l46jh", options, NULL)) != -1) {
		if (c == 's')
			r = add_server(&a, optarg);
		else if (c == 'l')
			a.config.low_ports = true;
		else if (c == OPT_VERB)
			a.config.lifetime_us = LIFETIME_US;
		else if (c == '4' || c == '6')
			a.family = c == '4' ? AF_INET : AF_INET6;
		else if (c == 'j')
			a.json = true;
		else
			return c == 'h' ? help(text) : option_error("nat", c, argv);
	}
	if (r == CODE_OK && optind < argc)
		r = usage_error("nat", "unexpected \"%s\"", argv[optind]);
	from_environment = getenv("INTRO_STUN");
	if (r == CODE_OK && a.names_n == 0 && from_environment) {
		usual = strdup(from_environment);
		r = usual ? add_servers(&a, usual) : failed(-ENOMEM, "cannot ask");
	}
	if (r == CODE_OK && a.names_n == 0)
		r = usage_error("nat", "wanted: --server HOST, or servers in INTRO_STUN");
	if (r == CODE_OK)
		r = survey(&a);
	free(usual);
	return r;
}
