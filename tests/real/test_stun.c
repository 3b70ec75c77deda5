/* SPDX-License-Identifier: Apache-2.0 */
/*
 * STUN judged by others: coturn's clients and the one of RFC 3489 ask our server, and our survey
 * and `intro nat` ask coturn. On loopback, where there is no NAT.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../libintro/punch/stun.h"
#include "harness.h"

#define TEXT_BYTES 16u

/* A UDP port that nobody has on this address. */
static void free_port(const char *ip, char ret[static TEXT_BYTES])
{
	struct sockaddr_storage sa;
	struct address a;
	socklen_t len;
	int fd;

	cr_assert_eq(address_parse(ip, 0, &a), 0);
	len = address_to_sockaddr(&a, &sa);
	fd = MUST(socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	MUST(bind(fd, (struct sockaddr *)&sa, len));
	MUST(getsockname(fd, (struct sockaddr *)&sa, &len));
	cr_assert_eq(address_from_sockaddr((struct sockaddr *)&sa, len, &a), 0);
	close(fd);
	snprintf(ret, TEXT_BYTES, "%u", a.port);
}

struct server {
	pid_t pid;
	const char *ip;
	char port[TEXT_BYTES], alternate[TEXT_BYTES];
};

/* Whether a server answers from its first address; asked again until it does. */
static bool answers(void *arg)
{
	static const uint8_t id[STUN_ID_BYTES] = "is it there";
	const struct server *s = arg;
	struct sockaddr_storage sa;
	struct stun_writer w;
	uint8_t bytes[STUN_MESSAGE_MAX];
	struct address a;
	struct timeval patience = { .tv_usec = 50000 };
	socklen_t len;
	ssize_t n;
	int fd;

	cr_assert_eq(address_parse(s->ip, (uint16_t)atoi(s->port), &a), 0);
	len = address_to_sockaddr(&a, &sa);
	fd = MUST(socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	MUST(connect(fd, (struct sockaddr *)&sa, len));
	MUST(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience));
	stun_begin(&w, bytes, sizeof bytes, STUN_BINDING_REQUEST, id);
	n = send(fd, bytes, w.used, 0);
	if (n > 0)
		n = recv(fd, bytes, sizeof bytes, 0);
	close(fd);
	return n > 0 && stun_looks(bytes, (size_t)n);
}

static void start(struct server *s, const char *ip, const char *const *argv)
{
	s->ip = ip;
	s->pid = spawn(&(struct spawn){ .argv = argv });
	cr_assert(wait_until(answers, s), "%s does not answer", argv[0]);
}

static void choose_ports(struct server *s, const char *ip)
{
	free_port(ip, s->port);
	do
		free_port(ip, s->alternate);
	while (strcmp(s->port, s->alternate) == 0);
}

/* `punch stun` at these addresses ("IP" or "IP,IP"). */
static void punch_start(struct server *s, const char *ip, const char *listen)
{
	char path[PATH_BYTES];

	program_path("punch", path);
	choose_ports(s, ip);
	start(s, ip, (const char *const[]){ path, "stun", "--listen", listen, "--port", s->port,
					    "--alternate-port", s->alternate, NULL });
}

static void punch_stop(struct server *s)
{
	MUST(kill(s->pid, SIGTERM));
	cr_assert_eq(child_wait(s->pid), 0);
}

#define BOTH "127.0.0.1,127.0.0.2"

#define ask(ret, ...) \
	run(ret, &(struct spawn){ .argv = (const char *const[]){ __VA_ARGS__, NULL } })

static void says(const struct run *r, const char *words)
{
	cr_assert(strstr(r->out, words) || strstr(r->err, words), "wanted \"%s\":\n%s%s", words,
		  r->out, r->err);
}

TEST(stun_judged, by_coturns_discovery)
{
	_cleanup_run_ struct run mapping, filtering;
	struct server s;

	punch_start(&s, "127.0.0.1", BOTH);
	ask(&mapping, "turnutils_natdiscovery", "-m", "-p", s.port, "127.0.0.1");
	ask(&filtering, "turnutils_natdiscovery", "-f", "-p", s.port, "127.0.0.1");
	says(&mapping, "NAT with Endpoint Independent Mapping!");
	says(&mapping, "UDP reflexive addr: 127.0.0.1:");
	says(&mapping, "Other addr: : 127.0.0.2:");
	says(&filtering, "NAT with Endpoint Independent Filtering!");
	says(&filtering, "Response origin: : 127.0.0.2:");
	punch_stop(&s);
}

TEST(stun_judged, by_coturns_client)
{
	_cleanup_run_ struct run four, six;
	struct server s, s6;

	punch_start(&s, "127.0.0.1", BOTH);
	punch_start(&s6, "::1", "::1");
	/* for ever it would wait for an answer to its third request, of 1,532 bytes: ours takes
	 * none that may be fragments */
	ask(&four, "timeout", "-s", "KILL", "3", "turnutils_stunclient", "-p", s.port, "127.0.0.1");
	says(&four, "RFC 5780 response 2");
	says(&four, "UDP reflexive addr: 127.0.0.1:");
	ask(&six, "turnutils_stunclient", "-p", s6.port, "::1");
	says(&six, "UDP reflexive addr: ::1:");
	punch_stop(&s);
	punch_stop(&s6);
}

struct asking {
	char where[2 * TEXT_BYTES];
	struct run r;
};

/* It takes this port and the next one, which others may have. */
static bool has_ports(void *arg)
{
	struct asking *a = arg;
	char port[TEXT_BYTES];

	free_port("127.0.0.1", port);
	run_free(&a->r);
	ask(&a->r, "stun", a->where, "-p", port);
	return !strstr(a->r.out, "in use") && !strstr(a->r.err, "in use");
}

TEST(stun_judged, by_a_client_of_rfc_3489)
{
	struct asking a = { 0 };
	struct server s;

	punch_start(&s, "127.0.0.1", BOTH);
	snprintf(a.where, sizeof a.where, "127.0.0.1:%s", s.port);
	cr_assert(wait_until(has_ports, &a));
	says(&a.r, "Primary: Open");
	run_free(&a.r);
	punch_stop(&s);
}

static void coturn_start(struct server *s, const char *dir)
{
	char database[PATH_BYTES], pidfile[PATH_BYTES];

	snprintf(database, sizeof database, "%s/turndb", dir);
	snprintf(pidfile, sizeof pidfile, "%s/pid", dir);
	choose_ports(s, "127.0.0.1");
	start(s, "127.0.0.1", (const char *const[]){
		"turnserver", "-n", "--stun-only", "--no-cli", "--no-tls", "--no-dtls",
		"--log-file", "stdout", "--pidfile", pidfile, "--userdb", database, "-L",
		"127.0.0.1", "-L", "127.0.0.2", "--listening-port", s->port,
		"--alt-listening-port", s->alternate, NULL });
}

/* Without a broker: `intro nat` needs none. */
static void nat_asks(struct run *ret, const struct server *s, const char *option)
{
	char path[PATH_BYTES], where[64];

	program_path("intro", path);
	snprintf(where, sizeof where, strchr(s->ip, ':') ? "[%s]:%s" : "%s:%s", s->ip, s->port);
	ask(ret, path, "nat", "--server", where, option);
}

TEST(stun_judged, our_survey_asks_coturn)
{
	_cleanup_run_ struct run json, text;
	char dir[DIR_BYTES];
	struct server s;

	dir_make(dir);
	coturn_start(&s, dir);
	nat_asks(&json, &s, "--json");
	cr_assert_eq(json.status, 0, "%s", json.err);
	says(&json, "\"mapping\": \"none\"");
	says(&json, "\"filtering\": \"endpoint-independent\"");
	says(&json, "\"ports\": \"preserving\"");
	says(&json, "\"poisoned\": \"no\"");
	says(&json, "\"complete\": true");
	nat_asks(&text, &s, NULL);
	says(&text, "Others can reach you directly: yes");
	child_kill(s.pid);
	dir_remove(dir);
}

TEST(stun_judged, our_survey_asks_our_server)
{
	_cleanup_run_ struct run four, six, none;
	struct server s, s6;

	punch_start(&s, "127.0.0.1", BOTH);
	punch_start(&s6, "::1", "::1");
	nat_asks(&four, &s, "--json");
	says(&four, "\"filtering\": \"endpoint-independent\"");
	says(&four, "\"complete\": true");
	nat_asks(&six, &s6, "--json");
	cr_assert_eq(six.status, 0, "%s", six.err);
	says(&six, "\"external\": \"[::1]:");
	says(&six, "\"mapping\": \"none\"");
	says(&six, "\"filtering\": \"unknown\"");
	punch_stop(&s);
	punch_stop(&s6);
	nat_asks(&none, &s, "--json");
	cr_assert_eq(none.status, 111);
	says(&none, "no answer came from");
	cr_assert_str_eq(none.out, "");
}
