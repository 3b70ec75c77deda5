/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HAProxy takes connected descriptors over a socketpair that it inherits (its configuration
 * manual, "bind sockpair@"): nothing copies, and it listens nowhere.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../libintro/intro.h"
#include "real.h"

#define SESSIONS 200
#define REQUEST "GET / HTTP/1.0\r\nHost: x\r\n\r\n"

static const char configuration[] =
	"global\n"
	"	maxconn 500\n"
	"defaults\n"
	"	mode http\n"
	"	timeout client 10s\n"
	"	timeout server 10s\n"
	"	timeout connect 10s\n"
	"frontend site\n"
	"	bind \"sockpair@${INTRO_SOCKPAIR}\"\n"
	"	http-request return status 200 content-type text/plain string \"haproxy here\"\n";

struct proxy {
	struct real r;
	char socket[PATH_BYTES];
	pid_t agent;
};

static void proxy_begin(struct proxy *p)
{
	char conf[PATH_BYTES];

	real_begin(&p->r, NULL);
	cli_ok(&p->r.b, "door", "add", "web");
	cli_ok(&p->r.b, "grant", "web", "site");
	base_path(&p->r.b, p->socket, "doors/web/site");
	snprintf(conf, sizeof conf, "%s/haproxy.cfg", p->r.b.dir);
	file_write(conf, configuration);
	p->agent = agent_start(&p->r.b, NULL, "site", "--sockpair", "--", "haproxy", "-db", "-f",
			       conf);
	MUST(setenv("INTRO_DOOR", p->r.b.host, 1));
}

static void proxy_end(struct proxy *p)
{
	/* told to end, HAProxy dies of the signal, as it does without us */
	cr_assert_eq(agent_stop(p->agent), 128 + SIGTERM);
	cli_ok(&p->r.b, "door", "remove", "web");
	real_end(&p->r);
}

TEST(haproxy, takes_what_comes_by_the_door)
{
	_cleanup_run_ struct run got = { 0 };
	struct proxy p;

	proxy_begin(&p);
	run(&got, &(struct spawn){ .argv = (const char *const[]){
		"curl", "-sS", "--max-time", "10", "--unix-socket", p.socket,
		"http://service.invalid/", NULL } });
	cr_assert_str_eq(got.out, "haproxy here", "%s", got.err);
	cr_assert(audit_says(&p.r.b, "introduced", "door=web", "name=site", "way=listen",
			     "path=local"));
	proxy_end(&p);
}

/* Many at once, more than its queue of descriptors takes: each gets its answer. */
TEST(haproxy, takes_many_at_once)
{
	static int fds[SESSIONS];
	struct proxy p;

	proxy_begin(&p);
	for (int i = 0; i < SESSIONS; i++) {
		fds[i] = i % 2 ? intro_dial("site", SOCK_STREAM, HANG_MS) :
				 unix_connect(p.socket, SOCK_STREAM);
		cr_assert_geq(fds[i], 0, "session %d: %s", i, intro_strerror(fds[i]));
	}
	for (int i = 0; i < SESSIONS; i++) {
		cr_assert(speaks(fds[i], REQUEST, "HTTP/1."), "session %d", i);
		close(fds[i]);
	}
	cr_assert_eq(audit_count(&p.r.b, SESSIONS / 2, "introduced", "way=pair", "path=local"),
		     SESSIONS / 2);
	cr_assert_eq(audit_count(&p.r.b, SESSIONS / 2, "introduced", "way=listen"),
		     SESSIONS / 2);
	proxy_end(&p);
}

/* A server that is gone is not offered any longer; its agent says how it ended. */
TEST(haproxy, killed_is_withdrawn)
{
	struct proxy p;

	proxy_begin(&p);
	MUST(kill(only_child(p.agent), SIGKILL));
	cr_assert_eq(child_wait(p.agent), 128 + SIGKILL);
	cr_assert_eq(intro_dial("site", SOCK_STREAM, 0), -ECONNREFUSED);
	cli_ok(&p.r.b, "door", "remove", "web");
	real_end(&p.r);
}
