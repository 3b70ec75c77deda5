/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Web servers that nobody here wrote, reached by an unmodified curl through the socket file
 * in a door, and by libintro: inetd style, spliced from TCP, gunicorn by LISTEN_FDS, nginx
 * placed and by its own way of inheriting listeners.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../libintro/intro.h"
#include "real.h"

#define PORT "8090"	/* of a network namespace's own loopback */
#define FIXTURES SOURCE_DIR "/tests/real/fixtures"

static void curl(const char *socket, struct run *ret)
{
	run(ret, &(struct spawn){ .argv = (const char *const[]){
		"curl", "-sS", "--max-time", "10", "--unix-socket", socket,
		"http://service.invalid/", NULL } });
}

struct asked {
	const char *socket, *wanted;
	struct run last;
};

static bool curl_finds(void *arg)
{
	struct asked *a = arg;

	run_free(&a->last);
	curl(a->socket, &a->last);
	return a->last.status == 0 && strstr(a->last.out, a->wanted);
}

/* Once a server that is being started is there, curl gets what is wanted. */
static void cr_serves(const char *socket, const char *wanted)
{
	struct asked a = { .socket = socket, .wanted = wanted };

	if (!wait_until(curl_finds, &a))
		harness_fail("curl --unix-socket %s: wanted \"%s\", found \"%s\" %s", socket,
			     wanted, a.last.out, a.last.err);
	run_free(&a.last);
}

/* By name: the answer's first line. */
static bool libintro_is_served(const struct broker *b, const char *door, const char *name)
{
	char path[PATH_BYTES];
	bool served;
	int fd;

	broker_door(b, door, path);
	MUST(setenv("INTRO_DOOR", path, 1));
	fd = intro_dial(name, SOCK_STREAM, HANG_MS);
	if (fd < 0)
		harness_fail("intro_dial: %s", intro_strerror(fd));
	served = speaks(fd, "GET / HTTP/1.0\r\nHost: x\r\n\r\n", "HTTP/1.");
	close(fd);
	return served;
}

/* The door "web", where "site" is granted. Its socket file. */
static void web_door(const struct broker *b, char ret[static PATH_BYTES])
{
	cli_ok(b, "door", "add", "web", "--export");
	cli_ok(b, "grant", "web", "site", "--label", "browser");
	base_path(b, ret, "doors/web/site");
}

static void web_end(struct real *r)
{
	cli_ok(&r->b, "door", "remove", "web");
	real_end(r);
}

TEST(http, inetd_style_service_for_curl)
{
	_cleanup_run_ struct run got = { 0 };
	char socket[PATH_BYTES], wanted[128];
	struct real r;
	pid_t agent;

	real_begin(&r, NULL);
	web_door(&r.b, socket);
	agent = agent_start(&r.b, NULL, "site", "--", "sh", FIXTURES "/hello.sh");
	curl(socket, &got);
	cr_assert_eq(got.status, 0, "%s", got.err);
	/* an ordinary user's broker is in a user namespace here, and cannot tell the uid */
	snprintf(wanted, sizeof wanted, "door=web uid=%s label=browser\n",
		 geteuid() == 0 ? "0" : "");
	cr_assert_str_eq(got.out, wanted);
	cr_assert(audit_says(&r.b, "introduced", "door=web", "name=site", "label=\"browser\"",
			     "way=listen", "path=local"));
	cr_assert_eq(agent_stop(agent), 0);
	web_end(&r);
}

TEST(http, tcp_service_is_spliced_for_curl)
{
	char socket[PATH_BYTES];
	struct real r;
	pid_t agent;

	NEED(net_alone_works(), "no network namespaces here");
	real_begin(&r, NULL);
	web_door(&r.b, socket);
	agent = agent_start(&r.b, &(struct spawn){ .before = net_alone }, "site", "--to",
			    "tcp:127.0.0.1:" PORT, "--", "python3", "-m", "http.server", "--bind",
			    "127.0.0.1", "--directory", FIXTURES, PORT);
	cr_serves(socket, "wsgi.py");
	cr_assert(audit_says(&r.b, "introduced", "door=web", "name=site", "way=listen",
			     "path=spliced"));
	/* by name it is not */
	cr_assert(libintro_is_served(&r.b, "host", "site"));
	cr_assert(audit_says(&r.b, "introduced", "door=host", "name=site", "way=fetch",
			     "path=local"));
	agent_stop(agent);
	web_end(&r);
}

/* ---- gunicorn ---- */

#define GUNICORN "gunicorn", "--chdir", FIXTURES, "--workers", "1", "--log-level", "critical", \
		 "--worker-tmp-dir", "/dev/shm", "wsgi:app"

TEST(http, gunicorn_takes_a_private_listener)
{
	char socket[PATH_BYTES];
	struct real r;
	pid_t agent;

	real_begin(&r, NULL);
	web_door(&r.b, socket);
	agent = agent_start(&r.b, NULL, "site", "--listen", "--", GUNICORN);
	cr_assert(libintro_is_served(&r.b, "host", "site"));
	cr_assert(audit_says(&r.b, "introduced", "door=host", "name=site", "way=fetch"));
	cr_serves(socket, "gunicorn here");
	cr_assert(audit_says(&r.b, "introduced", "door=web", "name=site", "path=spliced"));
	cr_assert_eq(agent_stop(agent), 0);
	web_end(&r);
}

TEST(http, gunicorn_takes_the_doors_listeners)
{
	char socket[PATH_BYTES];
	struct real r;
	pid_t agent;

	real_begin(&r, NULL);
	web_door(&r.b, socket);
	for (int i = 0; i < 2; i++) {
		agent = agent_start(&r.b, NULL, "site", "--listen=door", "--", GUNICORN);
		cr_serves(socket, "gunicorn here");
		cr_assert(libintro_is_served(&r.b, "host", "site"));
		cr_assert_eq(agent_stop(agent), 0);
	}
	/* it accepted what came by the door itself: the broker introduced nobody there */
	cr_assert(audit_says(&r.b, "introduced", "door=host", "name=site", "way=fetch"));
	cr_assert_eq(audit_count(&r.b, 0, "introduced", "door=web"), 0);

	/* and the next one may do it in another way */
	agent = agent_start(&r.b, NULL, "site", "--", "sh", FIXTURES "/hello.sh");
	cr_serves(socket, "door=web");
	cr_assert_eq(agent_stop(agent), 0);
	web_end(&r);
}

/* ---- nginx ---- */

static void write_nginx_conf(const struct broker *b, const char *listen)
{
	char path[PATH_BYTES], text[2048];

	snprintf(text, sizeof text,
		 "daemon off; worker_processes 1; pid %s/nginx.pid;\n"
		 "error_log error.log crit;\n"
		 "%s\n"
		 "events { worker_connections 64; }\n"
		 "http { access_log off;\n"
		 " client_body_temp_path %s/b; proxy_temp_path %s/p; fastcgi_temp_path %s/f;\n"
		 " uwsgi_temp_path %s/u; scgi_temp_path %s/s;\n"
		 " server { listen unix:%s; location / { return 200 \"nginx here\\n\"; } } }\n",
		 b->dir, geteuid() == 0 ? "user root;" : "", b->dir, b->dir, b->dir, b->dir,
		 b->dir, listen);
	snprintf(path, sizeof path, "%s/nginx.conf", b->dir);
	file_write(path, text);
}

static pid_t start_nginx(const struct broker *b)
{
	char conf[PATH_BYTES];

	snprintf(conf, sizeof conf, "%s/nginx.conf", b->dir);
	return spawn(&(struct spawn){ .before = own_group, .argv = (const char *const[]){
		"nginx", "-p", b->dir, "-e", "error.log", "-c", conf, NULL } });
}

TEST(http, nginx_placed)
{
	char socket[PATH_BYTES], place[PATH_BYTES];
	struct real r;
	pid_t agent, server;

	real_begin(&r, NULL);
	web_door(&r.b, socket);
	base_path(&r.b, place, "exports/web/nginx.sock");
	write_nginx_conf(&r.b, place);
	agent = agent_start(&r.b, NULL, "site", "--place", place);
	server = start_nginx(&r.b);
	cr_serves(socket, "nginx here");
	/* it reads its configuration again, with the same listener */
	MUST(kill(server, SIGHUP));
	cr_serves(socket, "nginx here");

	/* killed, it leaves its file, and wants it to be gone before it starts */
	group_kill(server);
	MUST(unlink(place));
	server = start_nginx(&r.b);
	cr_serves(socket, "nginx here");
	cr_assert(libintro_is_served(&r.b, "web", "site"));
	cr_assert(audit_says(&r.b, "introduced", "door=web", "name=site", "way=placed"));
	MUST(kill(server, SIGQUIT));
	cr_assert_eq(child_wait(server), 0);
	cr_assert_eq(agent_stop(agent), 0);
	web_end(&r);
}

TEST(http, nginx_inherits_a_listener)
{
	char socket[PATH_BYTES], conf[PATH_BYTES];
	struct real r;
	pid_t agent;

	real_begin(&r, NULL);
	web_door(&r.b, socket);
	write_nginx_conf(&r.b, "@LISTENER@");
	snprintf(conf, sizeof conf, "%s/nginx.conf", r.b.dir);
	agent = agent_start(&r.b, NULL, "site", "--listen", "--", "python3",
			    FIXTURES "/inherit.py", conf, "nginx", "-p", r.b.dir, "-e", "error.log",
			    "-c", conf);
	cr_assert(libintro_is_served(&r.b, "host", "site"));
	cr_serves(socket, "nginx here");
	agent_stop(agent);
	web_end(&r);
}
